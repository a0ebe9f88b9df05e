"""What became of the further stores in one run: copied, proven, pending, damaged; and what a caller must hear of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bwc.canonical import Json
from bwc.config import StorePlace
from bwc.errors import BwcError, IntegrityError
from bwc.evidence import ItemId


@dataclass(slots=True, kw_only=True)
class Locks:
    """What was changed in a store that locks, in sealed things: objects and their manifests."""

    extended: int = 0
    held: int = 0
    lifted: int = 0
    foreign: int = 0  # under a hold that no entry of the log knows: left as it is

    def to_json(self) -> dict[str, Json]:
        return {"extended": self.extended, "foreign": self.foreign, "held": self.held, "lifted": self.lifted}


@dataclass(slots=True, kw_only=True)
class Replica:
    """What became of one store in one run."""

    place: StorePlace
    store_id: str = ""
    copied: int = 0  # objects
    copied_bytes: int = 0
    proven: int = 0  # objects that were there and were proven again
    pending: int = 0
    cleared: int = 0
    locked: int = 0  # sealed bytes that had to stay: a lock, or a hold, of the store
    locked_until: datetime | None = None  # the last of them goes then; None when none is left or no date is known
    locks: Locks = field(default_factory=Locks)
    items: set[ItemId] = field(default_factory=set)  # whole there, proven in this run
    problem: BwcError | None = None
    damaged: list[IntegrityError] = field(default_factory=list)

    @property
    def store(self) -> str:
        """Its name for people."""
        return self.place.name

    @property
    def said(self) -> str:
        """What is wrong, in a line; empty when nothing is."""
        if self.problem is not None:
            return self.problem.message
        if self.damaged:
            return f"{len(self.damaged)} damaged: {self.damaged[0].message}"
        return f"{self.pending} objects are not copied" if self.pending else ""

    def to_json(self) -> dict[str, Json]:
        return {
            "bytes": self.copied_bytes,
            "cleared": self.cleared,
            "copied": self.copied,
            "damaged": [one.message for one in self.damaged],
            "locked": self.locked,
            "locked_until": None if self.locked_until is None else self.locked_until.isoformat(),
            "locks": self.locks.to_json(),
            "name": self.place.name,
            "pending": self.pending,
            "place": self.place.text,
            "problem": self.problem.message if self.problem else None,
            "proven": self.proven,
            "store": self.store_id or None,
        }


def raise_unless_whole(replicas: Sequence[Replica], what: str = "") -> None:
    """Raise the first damage, else what stopped a store (as 11, or what it is); nothing when every store is whole."""
    details: list[Mapping[str, object]] = [{"store": one.store, "problem": one.said} for one in replicas if one.said]
    for one in replicas:
        for error in one.damaged:
            hint = "bwc verify tells where; a damaged copy is made anew by bwc replicate --repair"
            raise type(error)(f"{one.store}: {error.message}", hint, details=details)
    for one in replicas:
        if one.problem is not None:
            raise type(one.problem)(f"{one.store}: {one.problem.message}", one.problem.hint, details=details)
