"""The receipt for a card: what was there, what is held, what is not, and whether the card may be wiped."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bwc.canonical import Json
from bwc.errors import BwcError, IntegrityError, PartlyDone
from bwc.evidence import ItemId, utc_text
from bwc.ingest.card import Left
from bwc.ingest.clock import offset_text
from bwc.recording import Gap

FORMAT = "bwc.receipt/1"
WORN_CARD = (
    "The card is worn. What could be read is held, zeros stand for the rest. Clean its contacts, use another reader and\n"
    "take it in again: a better reading becomes a new item that names this one. If none comes, keep the card for a laboratory."
)

SIGNATURE = ("", "technician ______________________________    date ____________________")


class State(StrEnum):
    """What became of one recording."""

    NEW = "new"
    HELD = "held"  # the vault had it before; recorded as a second arrival
    NOT_TAKEN = "not_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """One file of a recording. `sha256` is of the bytes as read from the card; empty when it was not taken."""

    name: str
    size_bytes: int
    sha256: str = ""
    role: str = "segment"
    gaps: tuple[Gap, ...] = ()  # what the card could not give; zeros stand there

    def to_json(self) -> dict[str, Json]:
        return {
            "gaps": [gap.to_json() for gap in self.gaps],
            "name": self.name,
            "role": self.role,
            "sha256": self.sha256 or None,
            "size_bytes": self.size_bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One recording on the receipt. `problems` stand against wiping the card; `notes` do not."""

    state: State
    vendor: str
    files: tuple[FileLine, ...]
    item: ItemId | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "files": [file.to_json() for file in self.files],
            "item": self.item,
            "notes": list(self.notes),
            "problems": list(self.problems),
            "state": self.state.value,
            "vendor": self.vendor,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What `take_in` did with one card. `complete` is true when everything that can be taken was taken."""

    card: str
    officer: str
    camera: str
    case_ids: tuple[str, ...]
    category: str
    began_at: datetime
    ended_at: datetime
    lines: tuple[Line, ...]
    left: tuple[Left, ...]
    checkpoint: int | None  # entries under the published checkpoint that holds these events
    copies_proven: int
    copies_wanted: int
    clock_offset_ms: int | None = None
    stores: tuple[tuple[str, str], ...] = ()  # further stores by name, and what is wrong with each
    contradicted: tuple[str, ...] = ()  # what witnesses say who saw another log
    source_notes: tuple[str, ...] = ()  # what a source of vendor names could not do; no file is missed by it
    changes: tuple[str, ...] = ()  # what differed when the card was listed again at the end
    stopped_by: BwcError | None = field(default=None, compare=False)
    broken: tuple[IntegrityError, ...] = field(default=(), compare=False)

    @property
    def complete(self) -> bool:
        """Whether every file was taken and nothing on the card changed: exit 0 or 3 (or what stopped the intake)."""
        return not (self.stopped_by or self.broken or self.changes or self.not_taken)

    @property
    def not_taken(self) -> tuple[str, ...]:
        names = [file.name for line in self.lines if line.state is State.NOT_TAKEN for file in line.files]
        return tuple(names + [left.name for left in self.left if left.blocks_wipe])

    @property
    def objections(self) -> tuple[str, ...]:
        """Everything that stands against wiping the card; empty when it is safe."""
        found = [f"stopped: {self.stopped_by.message}"] if self.stopped_by else []
        found += [error.message for error in self.broken]
        found += [f"{left.name}: {left.reason}" for left in self.left if left.blocks_wipe]
        found += [problem for line in self.lines for problem in line.problems]
        found += self.changes
        found += [f"{text}; run: bwc verify" for text in self.contradicted]
        if self.checkpoint is None:
            found.append("the checkpoint that holds these events is not published")
        if self.copies_proven < self.copies_wanted:
            found.append(f"policy asks for {self.copies_wanted} proven copies, {self.copies_proven} proven")
            found += [f"store {name}: {problem}" for name, problem in self.stores if problem]
        if not self.lines:
            found.append("there is no recording on this card")
        return tuple(found)

    @property
    def safe_to_wipe(self) -> bool:
        """Every file is held, was read back from the vault's device, and its event is under a published checkpoint."""
        return not self.objections

    def raise_if_incomplete(self) -> None:
        """Raise what stopped the intake, else the first broken held object, else `PartlyDone` unless safe to wipe.

        A script that wipes on exit 0 must never be told 0 for a card that has to be kept.
        """
        if self.stopped_by:
            raise self.stopped_by
        if self.broken:
            raise self.broken[0]
        if self.objections:
            details: list[dict[str, Json]] = [{"name": name} for name in self.not_taken]
            details = details or [{"open": text} for text in self.objections]
            what = "everything is held, but" if self.complete else "not everything is held:"
            raise PartlyDone(
                f"{self.card}: {what} {len(self.objections)} points are open",
                "keep the card; put them right and run the same command again",
                details=details,
            )

    def to_json(self) -> dict[str, Json]:
        """The receipt with stable keys; no floats, so it has a canonical form."""
        return {
            "began_at": utc_text(self.began_at),
            "camera": self.camera,
            "card": self.card,
            "case_ids": list(self.case_ids),
            "category": self.category,
            "checkpoint": self.checkpoint,
            "clock_offset_ms": self.clock_offset_ms,
            "complete": self.complete,
            "copies": {"proven": self.copies_proven, "wanted": self.copies_wanted},
            "ended_at": utc_text(self.ended_at),
            "files": {state.value: {"bytes": size, "files": count} for state, (count, size) in self._counts().items()},
            "format": FORMAT,
            "items": [line.to_json() for line in self.lines],
            "left": [
                {
                    "blocks_wipe": left.blocks_wipe,
                    "name": left.name,
                    "reason": left.reason,
                    "size_bytes": left.size_bytes,
                }
                for left in self.left
            ],
            "objections": list(self.objections),
            "notes": list(self.source_notes),
            "officer": self.officer,
            "safe_to_wipe": self.safe_to_wipe,
            "stores": [{"problem": problem or None, "store": name} for name, problem in self.stores],
            "totals": {state.value: sum(line.state is state for line in self.lines) for state in State},
        }

    def text(self, *, what: str = "card") -> str:
        """The receipt as plain text to print and sign, of a card or of a `what`, which nobody is told to wipe."""
        out = [
            f"RECEIPT FOR A {'CAMERA CARD' if what == 'card' else what.upper()}",
            f"{what:<9} {self.card}",
            f"camera    {self.camera}    officer {self.officer}",
            f"case      {', '.join(self.case_ids) or '-'}    category {self.category or '-'}",
            f"time      {self.began_at:%Y-%m-%d %H:%M:%S} to {self.ended_at:%H:%M:%S} UTC",
        ]
        if self.clock_offset_ms is not None:
            out.append(f"clock     the camera's clock is {offset_text(self.clock_offset_ms)}")
        out += [f"note      {note}" for note in self.source_notes]
        counts = self._counts()
        there, size = (sum(numbers) for numbers in zip(*counts.values(), strict=True))
        words = (("new", State.NEW), ("held already", State.HELD), ("not taken", State.NOT_TAKEN))
        out += [
            f"there     {_files(there)}, {size:,} bytes; "
            + ", ".join(f"{counts[state][0]} {word}" for word, state in words),
            "",
        ]
        for title, state in (
            ("TAKEN IN", State.NEW),
            ("HELD ALREADY", State.HELD),
            ("NOT TAKEN", State.NOT_TAKEN),
        ):
            out += _section(title, [line for line in self.lines if line.state is state])
        blocking = [left for left in self.left if left.blocks_wipe]
        litter = [left for left in self.left if not left.blocks_wipe]
        for title, listed in (("NOT READ", blocking), (f"LEFT ON THE {what.upper()}", litter)):
            if listed:
                out += [title, *(f"  {left.name}: {left.reason}" for left in listed), ""]
        return "\n".join(out + self._verdict(what))

    def _counts(self) -> dict[State, tuple[int, int]]:
        """Files and bytes by what became of them."""
        found = dict.fromkeys(State, (0, 0))
        for line in self.lines:
            count, size = found[line.state]
            found[line.state] = (count + len(line.files), size + sum(file.size_bytes for file in line.files))
        return found

    def _verdict(self, what: str) -> list[str]:
        files = sum(len(line.files) for line in self.lines if line.state is not State.NOT_TAKEN)
        size = sum(file.size_bytes for line in self.lines if line.state is not State.NOT_TAKEN for file in line.files)
        published = "not published" if self.checkpoint is None else f"published, {self.checkpoint} entries"
        held = f"{_files(files)}, {size:,} bytes held; {self.copies_proven} of {self.copies_wanted} copies proven"
        out = [f"{held}; checkpoint {published}"]
        out += [f"store {name}: {problem or 'proven'}" for name, problem in self.stores] + [""]
        asked = "SAFE TO WIPE THE CARD" if what == "card" else f"ALL OF THE {what.upper()} IS HELD"
        if self.safe_to_wipe:
            out += [f"{asked}: YES", "Every file was read back from the vault and compared."]
            return [*out, *SIGNATURE]
        out += [f"{asked}: NO. Keep the {what}.", *(f"  - {text}" for text in self.objections)]
        if any(file.gaps for line in self.lines for file in line.files):
            out.append(WORN_CARD)
        out.append("What now: put the cause right and run the same command again; what is held is not taken twice.")
        return [*out, *SIGNATURE]


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _section(title: str, lines: Sequence[Line]) -> list[str]:
    if not lines:
        return []
    out = [title]
    for line in lines:
        out.append(f"  {line.item or 'no item'}    {line.vendor}, {len(line.files)} file(s)")
        for file in line.files:
            role = "" if file.role == "segment" else f" ({file.role})"
            out.append(f"    {file.name}{role}  {file.size_bytes:,} bytes")
            if file.sha256:
                out.append(f"      sha256 {file.sha256}{' (zeros where it could not be read)' if file.gaps else ''}")
        out += [f"    ! {problem}" for problem in line.problems]
        out += [f"    note: {note}" for note in line.notes]
    return [*out, ""]
