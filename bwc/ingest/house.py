"""What the intake needs of custody: a handful of acts, each durable when it returns."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import BinaryIO, Protocol

from bwc.canonical import Json
from bwc.errors import IntegrityError
from bwc.evidence import ItemId, ObjectRole, SealedObject
from bwc.recording import EvidenceItem, Gap
from bwc.roles import Policy


class Held(Protocol):
    """One object just sealed and proven; its file key is still in memory until `forget`."""

    @property
    def sealed(self) -> SealedObject: ...
    @property
    def content_digest(self) -> str: ...
    @property
    def plain_bytes(self) -> int: ...
    def open(self) -> BinaryIO: ...
    def forget(self) -> None: ...


class Damaged(Protocol):
    """A recording that is held with gaps; `media["damage"]` is what `bwc.ingest.damage` wrote of it."""

    @property
    def item_id(self) -> ItemId: ...
    @property
    def name(self) -> str | None: ...
    @property
    def media(self) -> Mapping[str, Json]: ...


class Copied(Protocol):
    """What became of one further store."""

    @property
    def store(self) -> str:
        """Its name."""
        ...

    @property
    def said(self) -> str:
        """What is wrong with it; empty when nothing is."""
        ...

    @property
    def damaged(self) -> Sequence[IntegrityError]: ...


class House(Protocol):
    """What the intake needs of custody. Every `record_…` is durable when it returns; `publish` covers them all."""

    @property
    def policy(self) -> Policy: ...
    def new_item(self) -> ItemId: ...
    def seal(
        self,
        source: BinaryIO,
        *,
        item: ItemId,
        role: ObjectRole,
        segment: int,
        gaps: Callable[[], Sequence[Gap]] = tuple,
    ) -> Held:
        """Seal `source` to its end and prove it; whatever `source` raises comes out, and nothing is then left.

        `gaps` is asked after the last byte: what is zeros because it could not be read.
        """
        ...

    def may_hold(self, size_bytes: int) -> bool:
        """Whether any held segment or sidecar has this size; False spares the card a second reading."""
        ...

    def find_content(self, sha256: str) -> Sequence[ItemId]:
        """The items of which a segment or sidecar has this plaintext digest, the oldest first."""
        ...

    def damaged(self, size_bytes: int) -> Sequence[Damaged]:
        """Held recordings of this size that were read with gaps."""
        ...

    def prove(self, item: ItemId) -> None:
        """Read every object of `item` back from the device and compare. Raises `IntegrityError`."""
        ...

    def record_ingest(
        self,
        item: EvidenceItem,
        *,
        held: Sequence[Held],
        sidecars: Sequence[tuple[str, Held]],
        vendor: str,
        source: str,
        damage: Sequence[Mapping[str, Json]] = (),
        rereads: ItemId | None = None,
        said: Sequence[Mapping[str, Json]] = (),
        map_sha256: str | None = None,
        apart_from: Collection[ItemId] = (),
    ) -> ItemId | None:
        """Record a new item; returns the item, none of `apart_from`, that came to hold the same bytes meanwhile."""
        ...

    def record_duplicate(
        self,
        existing: ItemId,
        *,
        officer: str,
        camera: str,
        case_ids: Sequence[str],
        category: str,
        source: str,
        names: Sequence[str],
        sha256: Sequence[str],
    ) -> None: ...
    def tags_of(self, item: ItemId) -> Mapping[str, str]:
        """Under what an item is held: officer, camera, case, category, as text."""
        ...

    def record_index(
        self,
        item: ItemId,
        *,
        documents: Sequence[Held],
        segments: Sequence[Mapping[str, Json]],
        private: Mapping[str, Json],
    ) -> None: ...
    def publish(self) -> int:
        """Publish tiles and checkpoint; the number of entries under it."""
        ...

    def replicate(
        self,
        items: Collection[ItemId],
        *,
        again: bool = False,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Sequence[Copied]:
        """Copy `items` to the further stores and prove them there; one line for each store, whatever happens."""
        ...

    def proven_copies(self, items: Sequence[ItemId]) -> int:
        """The fewest proven copies any of `items` has."""
        ...

    def contradicted(self) -> Sequence[str]:
        """What witnesses say who saw another log than this one; in words."""
        ...
