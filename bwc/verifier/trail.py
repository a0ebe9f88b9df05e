"""One item's trail as a folder of its own: checked offline, and whole, for an entry left out breaks it.

The steps (docs/formats/trail.md):

1. the papers are there and can be read: trail.json, checkpoint
2. the log's key, as trail.json states it, signed the checkpoint
3. every entry is in the log under that checkpoint
4. the trail is complete: it runs from the item's first event without a gap, and ends with its being handed out
5. whoever acted was enrolled for it, and signed
6. every private part that is told is what its entry commits to
7. nothing else is in the folder
8. the log is that of an agency we already know
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bwc.anchors.pins import Pin, fingerprint_text
from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import Entry
from bwc.audit.log_report import START
from bwc.audit.spans import trail_broken
from bwc.canonical import canonical, parse_canonical, sha256_hex
from bwc.errors import BwcError, DigestMismatch, IntegrityError, NotFound, ProofInvalid
from bwc.evidence import EventKind
from bwc.verifier.package_report import Finding, PackageReport, Result, Step, Verdict
from bwc.verifier.people import People
from bwc.verifier.signers import Checkpoints, read_proof
from bwc.verifier.tied import KnownChain, no_chain, signed_by, tie

FORMAT = "bwc.trail/1"
PAPER = "trail.json"
CHECKPOINT = "checkpoint"
README = "README.txt"
MAX_FILE = 64 * 2**20
LAST = (EventKind.LOG_EXPORTED, EventKind.DISPOSITION_DONE)
_TITLES = (
    "the papers can be read",
    "the log's key signed the checkpoint",
    "every entry is in the log",
    "the trail is complete",
    "whoever acted was enrolled for it",
    "what is told is what the entries commit to",
    "nothing else is in the folder",
    "the log is the agency's",
)


def entry_name(seq: int) -> str:
    """Where an entry lies."""
    return f"entries/{seq}.json"


def proof_name(seq: int) -> str:
    """Where its inclusion proof lies."""
    return f"entries/{seq}.tlog-proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What was read of a trail: its item and entries, and the private parts told, by entry."""

    item: str = ""
    entries: tuple[Entry, ...] = ()
    told: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


def is_trail(folder: Path) -> bool:
    """Whether `folder` claims to hold one."""
    return (folder / PAPER).is_file()


def examine_trail(
    folder: Path, *, key: NoteKey | None = None, pins: Sequence[Pin] = (), known: KnownChain = no_chain
) -> tuple[PackageReport, Trail]:
    """Check the trail in `folder`; what is wrong is in the report. `key` is the agency's, given by hand.

    Raises `NotFound` if there is none.
    """
    if not is_trail(folder):
        raise NotFound(f"{folder} holds no trail", f"it would hold {PAPER}")
    check = _Check(folder, key, pins, known)
    return check.run(), check.trail


class _Stop(Exception):
    """What a later step would need is not there."""


@dataclass(slots=True)
class _Check:
    folder: Path
    key: NoteKey | None
    pins: Sequence[Pin]
    known: KnownChain
    trail: Trail = field(default_factory=Trail)
    step: int = 1
    findings: list[Finding] = field(default_factory=list)
    said: dict[int, list[str]] = field(default_factory=dict)
    seen: Checkpoints = field(default_factory=Checkpoints)
    tied_to: str = ""
    first: NoteKey | None = None

    def run(self) -> PackageReport:
        with suppress(_Stop):
            self._steps()
        verdict = Verdict.BAD if self.findings else Verdict.OURS if self.tied_to else Verdict.NOT_TIED
        return PackageReport(
            verdict=verdict,
            steps=tuple(self._step(number) for number in range(1, len(_TITLES) + 1)),
            findings=tuple(self.findings),
            release=None,
            fingerprint=fingerprint_text(self.first) if self.first else "",
            tied_to=self.tied_to,
            key=self.first,
            checkpoints=tuple(self.seen.notes),
        )

    def _steps(self) -> None:
        paper = self._try(PAPER, self._read_paper)  # 1
        note = self._try(CHECKPOINT, lambda: self._read(CHECKPOINT))
        self.step = 2
        stated = self._try(PAPER, lambda: NoteKey.parse(paper["vkey"]))
        chain = self._try(CHECKPOINT, lambda: signed_by(note, stated))
        self.first = chain.first
        for one in chain.handovers:
            self._say(f"the log's key was handed over in entry {one.seq}")
        self.step = 3
        found = {seq: self._try(entry_name(seq), partial(self._entry, seq, stated, note)) for seq in _places(paper)}
        self._say(f"{len(found)} entries of {max(self.seen.roots, default=0)} in {stated.name}")
        trail = [found[seq] for seq in paper["entries"]]
        self.trail = Trail(item=paper["item"], entries=tuple(trail))
        self.step = 4
        self._try(PAPER, lambda: _check_complete(paper["item"], trail))
        self._say(f"{len(trail)} events of {paper['item']}, from its first to {trail[-1].kind}")
        self.step = 5
        people = People(paper["agency"], paper["log"])
        for seq in sorted(found):
            self._try(entry_name(seq), partial(people.take, found[seq]))
        self.step = 6
        told = self._try(PAPER, lambda: _told(paper["bodies"], trail))
        self.trail = Trail(item=paper["item"], entries=tuple(trail), told=told)
        self.step = 7
        mine = {PAPER, CHECKPOINT, README, *(name(seq) for seq in found for name in (entry_name, proof_name))}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if name not in mine and not (path.is_dir() and not path.is_symlink() and name == "entries"):
                self._bad(name, IntegrityError("is not part of this trail"))
        self.step = 8
        tied = self._try(
            PAPER,
            lambda: tie(
                paper["agency"],
                chain,
                size=max(self.seen.roots),
                published=trail[-1],
                given=self.key,
                pins=self.pins,
                known=self.known,
            ),
        )
        self.tied_to = tied.to
        if tied.said:
            self._say(tied.said)

    def _read_paper(self) -> dict[str, Any]:
        paper: Any = parse_canonical(self._read(PAPER))
        if not isinstance(paper, dict) or paper.get("format") != FORMAT:
            raise IntegrityError(f"is not of the form {FORMAT}")
        for name, kind in (("agency", str), ("log", str), ("item", str), ("vkey", str), ("bodies", dict)):
            if not isinstance(paper.get(name), kind):
                raise IntegrityError(f"lacks {name}")
        for name in ("entries", "enrolments"):
            places = paper.get(name)
            if not isinstance(places, list) or not places or any(type(one) is not int or one < 0 for one in places):
                raise IntegrityError(f"lacks {name}")
        return paper

    def _entry(self, seq: int, key: NoteKey, note: bytes) -> Entry:
        entry, _ = read_proof(self._read(entry_name(seq)), self._read(proof_name(seq)), key=key, seen=self.seen)
        if entry.seq != seq:
            raise ProofInvalid(f"is entry {entry.seq}")
        if self.seen.notes != [note]:
            raise ProofInvalid("is proven under another checkpoint than the trail's")
        return entry

    def _read(self, name: str) -> bytes:
        path = self.folder / name
        if path.is_symlink() or not path.is_file():
            raise IntegrityError("is missing")
        if path.stat().st_size > MAX_FILE:
            raise IntegrityError(f"is larger than {MAX_FILE >> 20} MiB")
        return path.read_bytes()

    def _try(self, thing: str, act: Callable[[], Any]) -> Any:
        """What `act` returns; if it finds something wrong, no later step means anything."""
        try:
            return act()
        except IntegrityError as error:
            self._bad(thing, error)
            raise _Stop from error

    def _bad(self, thing: str, error: BwcError) -> None:
        self.findings.append(Finding(step=self.step, thing=thing, error=error))

    def _say(self, line: str) -> None:
        self.said.setdefault(self.step, []).append(line)

    def _step(self, number: int) -> Step:
        bad = any(one.step == number for one in self.findings)
        result = Result.BAD if bad else Result.OK if number <= self.step else Result.SKIPPED
        if number == len(_TITLES) and result is Result.OK and not self.tied_to:
            result = Result.SKIPPED
        return Step(number=number, title=_TITLES[number - 1], result=result, said=tuple(self.said.get(number, ())))


def _places(paper: Mapping[str, Any]) -> list[int]:
    return sorted({*paper["entries"], *paper["enrolments"]})


def _check_complete(item: str, trail: Sequence[Entry]) -> None:
    chains = ItemChains()
    for entry in trail:
        if entry.item != item:
            raise ProofInvalid(f"entry {entry.seq} is not of {item}")
        chains.verify_next(entry)
    if trail[-1].kind not in LAST:
        raise ProofInvalid(
            f"the trail of {item} does not end with its being handed out, so later events may be missing"
        )


def _told(bodies: Mapping[str, Any], trail: Sequence[Entry]) -> dict[int, Mapping[str, Any]]:
    commits = {entry.body_commit: entry.seq for entry in trail if entry.body_commit}
    found: dict[int, Mapping[str, Any]] = {}
    for commit, salted in bodies.items():
        if commit not in commits or sha256_hex(b"bwc/body/v1\n" + canonical(salted)) != commit:
            raise DigestMismatch(f"the private part {commit} is not what any entry of the trail commits to")
        if not isinstance(salted, dict) or not isinstance(salted.get("body"), dict):
            raise IntegrityError(f"the private part {commit} holds nothing")
        found[commits[commit]] = salted["body"]
    return dict(sorted(found.items()))


class ItemChains:
    """Step 5 for the exported trail of one item: each entry of an item names the one before it."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, str]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def verify_next(self, entry: Entry) -> None:
        """Raise `IntegrityError` unless `entry` is the next one of its item."""
        if entry.item is not None:
            before = self._last.get(entry.item, START)
            place = entry.item_seq or 0
            self._last[entry.item] = (place, entry.leaf_hash.hex())
            if before != (place - 1, entry.item_prev):
                raise trail_broken(entry.item, before, place)
