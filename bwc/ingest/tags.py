"""What the technician says of a whole card, beside what the sidecars say; how a card is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bwc.ingest.manifest import Claim
from bwc.ingest.recording import Source
from bwc.ingest.sidecar_map import NOTHING, SidecarMap
from bwc.ingest.sources import BUILT_IN


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a card is read: whose names are known, and what sidecars call things."""

    sources: Sequence[Source] = BUILT_IN
    known: SidecarMap = NOTHING


ANY_CARD = Rules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What the technician says of a whole card."""

    officer: str
    camera: str
    case_ids: tuple[str, ...] = ()
    category: str = ""
    clock_offset_ms: int | None = None  # the camera's clock less the true time

    def differ_from(self, said: Claim | None) -> list[str]:
        """Where a sidecar says otherwise than the technician, who counts; and what only the sidecar says."""
        if said is None:
            return []
        mine = {
            "camera": (self.camera,),
            "officer": (self.officer,),
            "case": self.case_ids,
            "category": (self.category,),
        }
        notes = []
        for name, values in mine.items():
            theirs: str | None = getattr(said, name)
            if theirs and theirs.casefold() not in {value.casefold() for value in values}:
                notes.append(f"{said.said_by} names {name} {theirs}, not {', '.join(values) or 'none'}")
        if said.clock_offset_ms is not None:
            if self.clock_offset_ms is None:
                notes.append(f"the clock offset {said.clock_offset_ms} ms is from {said.said_by}")
            elif self.clock_offset_ms != said.clock_offset_ms:
                notes.append(
                    f"{said.said_by} gives the clock offset {said.clock_offset_ms} ms, not {self.clock_offset_ms}"
                )
        return notes

    def differ_from_held(self, held: Mapping[str, str]) -> list[str]:
        """What was said at the first arrival and differs from what is said now; the first stays in force."""
        said = {"officer": self.officer, "case": ", ".join(self.case_ids), "category": self.category}
        return [f"{name} {held[name] or '-'}" for name, now in said.items() if held[name] != now]

    def clock_offset(self, said: Claim | None) -> int | None:
        """The technician's, else the sidecar's."""
        return self.clock_offset_ms if self.clock_offset_ms is not None or said is None else said.clock_offset_ms
