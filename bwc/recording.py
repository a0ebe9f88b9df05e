"""What is taken in: a recording as its camera wrote it, what its card could not give, and the id it gets."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bwc.canonical import Json
from bwc.evidence import ItemId

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: read aloud without mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file as the camera wrote it; chapters of a recording are never joined on ingest."""

    name: str
    sha256: str
    size_bytes: int
    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch of a file that its card could not give; zeros stand in its place, so that offsets hold."""

    offset: int
    size_bytes: int
    cause: str  # the operating system's name of the error, like EIO

    @property
    def end(self) -> int:
        return self.offset + self.size_bytes

    def to_json(self) -> dict[str, Json]:
        return {"bytes": self.size_bytes, "cause": self.cause, "offset": self.offset}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceItem:
    """One recording: who, which camera, when by the camera's clock, and its segments."""

    item_id: ItemId
    camera_id: str
    officer_id: str
    recorded_at: datetime | None
    clock_offset_ms: int | None
    category: str
    case_ids: tuple[str, ...]
    segments: tuple[Segment, ...]


def holders_of_all(holders: Sequence[Sequence[ItemId]]) -> list[ItemId]:
    """Of the items that hold each of several recordings, those that hold all of them, in their order."""
    return [item for item in holders[0] if all(item in others for others in holders[1:])] if holders else []


def new_item_id(now: datetime) -> ItemId:
    """A fresh pseudonymous item id; uniqueness is the catalog's promise."""
    tail = "".join(secrets.choice(CROCKFORD) for _ in range(6))
    return ItemId(f"{now.astimezone(UTC):%Y-%m%d}-{tail}")
