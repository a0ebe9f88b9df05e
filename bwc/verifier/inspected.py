"""The whole check of a log and what it points to, and its verdict: the same wherever it is run.

`bwc verify` runs it on a vault, the one-file verifier on a copy with nothing but Python beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bwc.anchors.contradicted import Contradictions
from bwc.anchors.fork import SignedCheckpoint
from bwc.anchors.outside import Anchor, AnchorKind, AnchorReport, CheckStamp, examine_anchors
from bwc.anchors.pins import fingerprint_text
from bwc.anchors.remembered import Remembered
from bwc.anchors.seen import Seen, SeenCheckpoint, entries_text, look, look_at_copy
from bwc.audit.checkpoint import NoteKey, parse_checkpoint
from bwc.audit.disposals import Tombstone
from bwc.audit.findings import Grade
from bwc.audit.log_report import LogReport
from bwc.audit.tiles import CHECKPOINT, KEPT, LogReader
from bwc.audit.verify import verify_log
from bwc.canonical import Json
from bwc.errors import CopyBehind, IntegrityError, NotPinned
from bwc.verifier.advice import advice, finding_lines
from bwc.verifier.cores import over_cores
from bwc.verifier.exported_log import verify_lists
from bwc.verifier.slips import compare_slips, signed_slips
from bwc.verifier.verify_objects import ObjectSource, Readings, verify_objects
from bwc.verifier.verify_rows import CatalogRows, verify_rows

STEPS = {
    1: "the checkpoint is signed by the log's key",
    2: "the log continues every checkpoint seen before",
    3: "every tile and bundle is there and hashes to the checkpoint's root",
    4: "every entry is well formed and follows the one before",
    5: "the trail of every item is unbroken",
    6: "every entry is signed by keys that were enrolled and not revoked at that point",
    7: "every act was permitted by role and policy in force, releases carry enough approvals",
    8: "every sealed object, manifest, envelope and private body is what the log says",
    9: "the catalog, its tables and the lists of an export say the same as the log",
    10: "what witnesses and time-stamping authorities signed holds",
}
_LOOKS = 3  # at a vault that others are writing to
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the verification of a vault found."""

    log: LogReport
    agency: str
    saved_size: int
    data: str
    anchors: AnchorReport | None  # None when the log could not be read
    behind: int = 0  # entries that a copy lacks of what was seen of its log
    tables: str = ""  # what of the catalog's tables was compared with the log, in words
    continued: tuple[str, ...] = ()  # the slips that it continues, in words

    @property
    def verdict(self) -> str:
        if self.log.findings.count():
            return "BAD"
        if not self.log.pinned:
            return "NOT TIED"
        if self.behind:
            return "BEHIND"
        return "INTACT, anchor too old" if self.anchors and self.anchors.is_too_old else "INTACT"

    @property
    def said(self) -> str:
        """The verdict with what it rests on: a log that is intact says nothing about recordings that nobody looked at."""
        return f"{self.verdict} ({self.data})"

    def to_json(self) -> dict[str, Json]:
        found: list[Json] = [one.to_json() for one in self.log.findings]
        return {
            "agency": self.agency,
            "anchors": self.anchors.to_json() if self.anchors else None,
            "behind": self.behind,
            "continues": list(self.continued),
            "data": self.data,
            "destroyed": [
                {"entry": stone.confirmed, "finished": stone.done is not None, "item": item}
                for item, stone in self._destroyed.items()
            ],
            "entries": self.log.entries,
            "findings": found,
            "fingerprint": fingerprint_text(self.log.key) if self.log.key else None,
            "items": self.log.items,
            "last_event_at": self.log.last_at,
            "saved_checkpoint": self.saved_size,
            "signatures": self.log.signatures,
            "tables": self.tables,
            "steps": [{"number": number, "result": self._result(number), "title": STEPS[number]} for number in STEPS],
            "tied": self.log.pinned,
            "verdict": self.verdict,
        }

    def facts(self) -> dict[str, Json]:
        """What an entry `vault.verified` says of it."""
        return {
            "bad": self.log.findings.count(),
            "data": self.data,
            "entries": self.log.entries,
            "root": self.log.checkpoint.root.hex() if self.log.checkpoint else None,
            "tied": self.log.pinned,
        }

    def text(self, *, verbose: bool = False) -> str:
        lines = [f"{number:<2} {self._result(number):<5} {STEPS[number]}" for number in STEPS]
        lines += [f"   {line}" for line in finding_lines(self.log.findings, verbose=verbose)]
        lines += [f"   ok: {line}" for line in self.continued]
        last = f"; the last entry is of {self.log.last_at[:19]}Z" if self.log.last_at else ""
        lines += [
            "",
            f"{entries_text(self.log.entries)}, {self._items}{self._gone}, {self._signatures}{last}",
        ]
        if self.log.key:
            lines.append(f"fingerprint {fingerprint_text(self.log.key)}")
        if self.anchors:
            established = self.anchors.last or not self.log.findings.count()
            lines.append(self.anchors.line() if established else "last outside anchor: not established")
        if self.tables:
            lines.append(f"catalog     {self.tables if verbose else self.tables.partition(': ')[0]}")
        meaning, _ = advice(self.log.findings)
        lines += [f"means       {meaning}"] if meaning else []
        lines.append(f"verdict     {self.said}" + (f", {self.agency}" if self.agency else ""))
        return "\n".join(lines)

    @property
    def _destroyed(self) -> Mapping[str, Tombstone]:
        return self.log.standing.disposals.items

    @property
    def _signatures(self) -> str:
        return f"{self.log.signatures} signature{'' if self.log.signatures == 1 else 's'}"

    @property
    def _items(self) -> str:
        return f"{self.log.items} item{'' if self.log.items == 1 else 's'}"

    @property
    def _gone(self) -> str:
        return f" ({len(self._destroyed)} destroyed by order)" if self._destroyed else ""

    def raise_if_bad(self) -> None:
        """Raise the first finding as its `IntegrityError`, with what to do about it."""
        try:
            self.log.findings.raise_if_bad()
        except IntegrityError as error:
            _, what_now = advice(self.log.findings)
            raise type(error)(error.message, error.hint or what_now, details=error.details) from None

    def raise_unless_ours(self) -> None:
        """As `raise_if_bad`; and `NotPinned` when it is whole but tied to no known key, or what else keeps it from being intact."""
        self.raise_if_bad()
        if not self.log.pinned:
            mark = fingerprint_text(self.log.key) if self.log.key else "none"
            raise NotPinned(
                "consistent with itself, NOT tied to any agency",
                f"compare this fingerprint with the agency's: {mark}; then --key VKEY, or bwc pin VKEY",
            )
        if self.behind:
            raise CopyBehind(
                f"a copy of the log that is whole, and {entries_text(self.behind)} behind what was seen of it",
                "at the agency: bwc backup FOLDER, or bwc replicate; of an export: ask for a newer one",
            )
        if self.anchors:
            self.anchors.raise_if_too_old()

    def _result(self, step: int) -> str:
        findings = self.log.findings
        for grade in (Grade.BAD, Grade.NOTE, Grade.OK):
            if findings.count(step, grade):
                return grade.value
        return "-"


def judge(
    files: LogReader,
    *,
    key: NoteKey | None,
    agency: str,
    memory: Seen | None,
    rows: CatalogRows | None,
    tables: Callable[[LogReport], str] | None = None,
    objects: ObjectSource | None,
    share: float,
    check_stamp: CheckStamp,
    against: Sequence[tuple[str, bytes]] = (),
    progress: Progress | None = None,
    remembered: Remembered | None = None,
    only_new: bool = False,
    readings: Readings | None = None,
    is_copy: bool = False,
    newer: LogReader | None = None,
    folder: Path | None = None,
    is_alone: bool = False,
) -> Inspection:
    """Steps 1 to 10 of docs/auditor.md on a log and, where there are `objects`, on what it points to.

    `key` is the log's key as whoever verifies has it; `memory` what they saw of the log, which is compared and kept up;
    `against` are signed checkpoints from elsewhere, with where they are from. `share` of the sealed bytes is read.
    `tables` compares what the catalog derived from the log, among the findings of step 9, and says what it compared.
    `only_new` goes on from the verification that is `remembered`; a good one is remembered.
    A copy (`is_copy`: a backup, a further store) may hold less than was seen: it is then behind, which is no rollback;
    `newer` is the log it is a copy of, if that is at hand, and shows that the copy is its beginning.
    `folder` is where the log lies: lists that an export has there are compared. `is_alone`: there is a log and no more.
    Raises `UsageError`, and judges nothing, when a slip is signed by no key of the log.
    A vault in use may change while it is read: what seems wrong is looked at again when the log went on meanwhile.
    """
    last = memory.last if memory else None
    slips = signed_slips(files, key, against)
    lacks = _lacks(files, last.signed) if is_copy and last else 0
    if lacks:
        remembered = None  # of what it lacks
    saved = last.signed.checkpoint if last and not lacks else None
    for _ in range(_LOOKS):
        before = files.list(KEPT)
        report = verify_log(files, key, saved, spread=over_cores(), remembered=remembered, only_new=only_new)
        if rows is not None:
            verify_rows(report, rows)
        compared = "" if rows is None else "tables are not compared"
        if tables is not None:
            compared = tables(report)
        if folder is not None:
            verify_lists(report, folder)
        if objects is not None:
            verify_objects(report, objects, read_data=share, progress=progress, readings=readings)
            if not share:
                report.findings.note(8, "no sealed bytes were read, as asked: lengths and papers only")
        if not report.findings.count() or files.list(KEPT) == before:
            break
    anchors = _anchors(report, last, check_stamp, quick=objects is None)
    behind, continued = compare_slips(report, slips, against, is_copy=is_copy)
    if memory:
        Contradictions(memory.folder, memory.origin).judge(report, report.findings)
    if lacks and memory:
        look_at_copy(report, memory, newer)
    elif memory:
        look(report, memory)
    report.remember()
    since = f", from entry {report.since} on" if report.since else ""
    data = f"{share:.0%} of the sealed bytes read"
    if objects is None:
        data = f"{'a log alone' if is_alone else 'log only'}{since}; no recording was looked at"
    return Inspection(
        log=report,
        agency=agency,
        saved_size=last.size if last else 0,
        data=data,
        anchors=anchors,
        behind=max(lacks, behind),
        tables=compared,
        continued=continued,
    )


def _lacks(files: LogReader, seen: SignedCheckpoint) -> int:
    """How many entries fewer than `seen` the published checkpoint has."""
    try:
        return max(0, seen.checkpoint.size - parse_checkpoint(files.read(CHECKPOINT) or b"")[0].size)
    except IntegrityError:
        return 0  # step 1 names it


def _anchors(
    report: LogReport, last: SeenCheckpoint | None, check_stamp: CheckStamp, *, quick: bool
) -> AnchorReport | None:
    """Step 10, and how old the last outside anchor is."""
    if report.files is None or report.checkpoint is None:
        return None
    seen = (
        Anchor(kind=AnchorKind.SEEN, by="your last verification here", at=last.seen_at, size=last.size)
        if last
        else None
    )
    return examine_anchors(
        report.files,
        size=report.checkpoint.size,
        policy=report.standing.policy,
        findings=report.findings,
        check_stamp=check_stamp,
        seen=seen,
        quick=quick,
    )
