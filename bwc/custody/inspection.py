"""Verify a whole vault: the log, then what it points to. Needs no operator's key and writes nothing into the vault."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bwc.audit import openssl_ts
from bwc.audit.anchors import Anchor, AnchorKind, AnchorReport, CheckStamp, examine_anchors
from bwc.audit.checkpoint import NoteKey, parse_checkpoint
from bwc.audit.disposals import Tombstone
from bwc.audit.findings import STEPS, Grade
from bwc.audit.log import CHECKPOINT, KEPT
from bwc.audit.pins import Pin, fingerprint_text, pin_of, typed_key
from bwc.audit.seen import Seen, SeenCheckpoint, as_error, look
from bwc.audit.tiles import LogFolder
from bwc.audit.verify import LogReport, verify_log
from bwc.audit.verify_objects import VaultFolder, verify_objects
from bwc.canonical import Json
from bwc.config import Places
from bwc.errors import IntegrityError, NotPinned
from bwc.storage.catalog import Catalog

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

    @property
    def verdict(self) -> str:
        if self.log.findings.count():
            return "BAD"
        return "INTACT" if self.log.pinned else "NOT TIED"

    def to_json(self) -> dict[str, Json]:
        found: list[Json] = [one.to_json() for one in self.log.findings]
        return {
            "agency": self.agency,
            "anchors": self.anchors.to_json() if self.anchors else None,
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
            "steps": [{"number": number, "result": self._result(number), "title": STEPS[number]} for number in STEPS],
            "tied": self.log.pinned,
            "verdict": self.verdict,
        }

    def text(self) -> str:
        lines = [f"{number}  {self._result(number):<5} {STEPS[number]}" for number in STEPS]
        lines += [
            f"   {one.grade.value}: {one.where}: {one.what}" for one in self.log.findings if one.grade is not Grade.OK
        ]
        lines += [
            "",
            f"{self.log.entries} entries, {self.log.items} items{self._gone}, {self.log.signatures} signatures; {self.data}",
        ]
        if self.log.key:
            lines.append(f"fingerprint {fingerprint_text(self.log.key)}")
        if self.anchors:
            lines.append(self.anchors.line())
        lines.append(f"verdict     {self.verdict} ({self.data})" + (f", {self.agency}" if self.agency else ""))
        return "\n".join(lines)

    @property
    def _destroyed(self) -> Mapping[str, Tombstone]:
        return self.log.standing.disposals.items

    @property
    def _gone(self) -> str:
        return f" ({len(self._destroyed)} destroyed by order)" if self._destroyed else ""

    def raise_unless_ours(self) -> None:
        """Raise the first finding as its `IntegrityError`; `NotPinned` when it is whole but tied to no known key."""
        self.log.findings.raise_if_bad()
        if not self.log.pinned:
            mark = fingerprint_text(self.log.key) if self.log.key else "none"
            raise NotPinned(
                "consistent with itself, NOT tied to any agency",
                f"compare this fingerprint with the agency's: {mark}; then --key VKEY, or bwc pin VKEY",
            )
        if self.anchors:
            self.anchors.raise_if_too_old()

    def _result(self, step: int) -> str:
        findings = self.log.findings
        for grade in (Grade.BAD, Grade.NOTE, Grade.OK):
            if findings.count(step, grade):
                return grade.value
        return "-"


def inspect(
    places: Places,
    *,
    vkey: str | None,
    pins: Sequence[Pin],
    seen: Path,
    quick: bool,
    share: float,
    check_stamp: CheckStamp = openssl_ts.check_stamp,
    progress: Progress | None = None,
) -> Inspection:
    """Verify the vault at `places`: steps 1 to 10 of docs/auditor.md.

    The log's key is `vkey`, else the pin of the same log. What this auditor saw is in `seen`; a good verification saves
    what it saw there, and fork evidence is kept there. `quick` leaves out step 8; `share` of the sealed bytes is read
    again. A vault in use may change while it is read: what seems wrong is looked at again when the log went on meanwhile.
    """
    files = LogFolder(places.log)
    key = typed_key(vkey) if vkey else _pinned(files, pins)
    memory = Seen(seen, key.name) if key else None
    last = memory.last if memory else None
    saved = last.signed.checkpoint if last else None
    with ExitStack() as closing:
        # a copy of the vault without its catalog is verified too: then there is no step 9
        rows = closing.enter_context(Catalog(places.catalog, read_only=True)) if places.catalog.exists() else None
        for _ in range(_LOOKS):
            before = files.list(KEPT)
            report = verify_log(files, key, saved, rows=rows)
            if not quick:
                verify_objects(report, VaultFolder(places.vault), read_data=share, progress=progress)
            if not report.findings.count() or files.list(KEPT) == before:
                break
    anchors = _anchors(report, last, check_stamp, quick=quick)
    if memory:
        look(report, memory)
    data = "log only" if quick else f"{share:.0%} of the sealed bytes read"
    return Inspection(
        log=report, agency=_agency(key, pins), saved_size=last.size if last else 0, data=data, anchors=anchors
    )


def _anchors(
    report: LogReport, last: SeenCheckpoint | None, check_stamp: CheckStamp, *, quick: bool
) -> AnchorReport | None:
    """Step 10, and how old the last outside anchor is."""
    if report.files is None or report.checkpoint is None:
        return None
    seen = Anchor(kind=AnchorKind.SEEN, by="you", at=last.seen_at, size=last.size) if last else None
    return examine_anchors(
        report.files,
        size=report.checkpoint.size,
        policy=report.standing.policy,
        findings=report.findings,
        check_stamp=check_stamp,
        seen=seen,
        quick=quick,
    )


def glance(places: Places, *, pins: Sequence[Pin], seen: Path) -> None:
    """Demand that the published checkpoint continues what this person saw of the log, and save it: milliseconds.

    Nothing is looked at when the log's key is not pinned here. Raises `LogForked` or `CheckpointRolledBack`, with the
    evidence kept, or what a damaged log raises.
    """
    files = LogFolder(places.log)
    key, note = _pinned(files, pins), files.read(CHECKPOINT)
    if key is not None and note is not None:
        for evidence in Seen(seen, key.name).look(note, key, files):
            raise as_error(evidence)


def _pinned(files: LogFolder, pins: Sequence[Pin]) -> NoteKey | None:
    note = files.read(CHECKPOINT)
    if note is None:
        return None
    try:
        found = pin_of(pins, parse_checkpoint(note)[0].origin)
    except IntegrityError:
        return None  # step 1 names it
    return found.key if found else None


def _agency(key: NoteKey | None, pins: Sequence[Pin]) -> str:
    found = pin_of(pins, key.name) if key else None
    return found.agency if found and found.key == key else (key.name if key else "")
