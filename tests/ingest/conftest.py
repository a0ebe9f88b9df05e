"""A house in memory that keeps the promises of bwc.ingest.house, and says what was done to it."""

import hashlib
import io
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bwc.errors import DigestMismatch
from bwc.evidence import ItemId, ObjectId, ObjectRole, SealedObject
from bwc.ingest.facts import Described
from bwc.recording import EvidenceItem, Gap
from bwc.roles import Policy


class MemoryHeld:
    def __init__(self, data: bytes, role: ObjectRole, segment: int) -> None:
        self._data = data
        self.content_digest = hashlib.sha256(data).hexdigest()
        self.plain_bytes = len(data)
        self.is_forgotten = False
        self.gaps: tuple[Gap, ...] = ()
        self.sealed = SealedObject(
            object_id=ObjectId(hashlib.sha256(b"sealed" + os.urandom(8) + data).hexdigest()),
            role=role,
            segment=segment,
            sealed_bytes=len(data) + 56,
            content_commit="0" * 64,
            manifest_sha256="0" * 64,
            envelope_sha256="0" * 64,
        )

    def open(self) -> BinaryIO:
        assert not self.is_forgotten
        return io.BytesIO(self._data)

    def forget(self) -> None:
        self.is_forgotten = True


@dataclass
class MemoryHouse:
    policy: Policy = field(default_factory=Policy)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sealed: list[MemoryHeld] = field(default_factory=list)
    holders: dict[str, list[ItemId]] = field(default_factory=dict)
    sizes: set[int] = field(default_factory=set)
    broken: set[ItemId] = field(default_factory=set)
    before_seal: Callable[[int], None] = lambda count: None
    published: int = 0
    count: int = 0

    def new_item(self) -> ItemId:
        self.count += 1
        return ItemId(f"2026-1122-{self.count:06d}")

    def seal(
        self,
        source: BinaryIO,
        *,
        item: ItemId,
        role: ObjectRole,
        segment: int,
        gaps: Callable[[], Sequence[Gap]] = tuple,
    ) -> MemoryHeld:
        self.before_seal(len(self.sealed))
        held = MemoryHeld(b"".join(iter(lambda: source.read(1000), b"")), role, segment)
        held.gaps = tuple(gaps())
        self.sealed.append(held)
        return held

    def may_hold(self, size_bytes: int) -> bool:
        return size_bytes in self.sizes

    def find_content(self, sha256: str) -> list[ItemId]:
        return self.holders.get(sha256, [])

    def prove(self, item: ItemId) -> None:
        if item in self.broken:
            raise DigestMismatch(f"an object of {item} is not what was sealed")

    def record_ingest(
        self,
        item: EvidenceItem,
        *,
        held: Sequence[MemoryHeld],
        sidecars: Sequence[tuple[str, MemoryHeld]],
        vendor: str,
        source: str,
        damage: Sequence[Mapping[str, Any]] = (),
        rereads: ItemId | None = None,
        said: Sequence[Mapping[str, Any]] = (),
        map_sha256: str | None = None,
        apart_from: Collection[ItemId] = (),
    ) -> ItemId | None:
        for one in (*held, *(each for _, each in sidecars)):
            assert not one.is_forgotten
            self.holders.setdefault(one.content_digest, []).append(item.item_id)
            self.sizes.add(one.plain_bytes)
        self.events.append(
            (
                "ingest",
                {
                    "item": item,
                    "vendor": vendor,
                    "source": source,
                    "sidecars": [name for name, _ in sidecars],
                    "said": said,
                    "rereads": rereads,
                },
            )
        )
        return None

    def damaged(self, size_bytes: int) -> list[Any]:
        return []

    def record_duplicate(self, existing: ItemId, **said: Any) -> None:
        self.events.append(("duplicate", {"existing": existing, **said}))

    def tags_of(self, item: ItemId) -> Mapping[str, str]:
        return {"officer": "B1234", "camera": "X81234", "case": "26-1182", "category": "traffic"}

    def record_index(
        self,
        item: ItemId,
        *,
        documents: Sequence[MemoryHeld],
        segments: Sequence[Mapping[str, Any]],
        private: Mapping[str, Any],
    ) -> None:
        self.events.append(("index", {"item": item, "segments": list(segments), "private": private}))

    def publish(self) -> int:
        self.published = len(self.events) + 1
        return self.published

    def replicate(self, items: Sequence[ItemId], **_: object) -> Sequence[Any]:
        return ()

    def proven_copies(self, items: Sequence[ItemId]) -> int:
        return 1

    def contradicted(self) -> Sequence[str]:
        return ()

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events if kind != "index"]


def plain_facts(content: BinaryIO, name: str) -> Described:
    """Instead of the media probe: what these tests are about is custody, not codecs."""
    return Described(document={"name": name}, public={"readable": True, "frames": 0}, private={"codec": "none"})


@pytest.fixture
def house() -> MemoryHouse:
    return MemoryHouse()


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    return folder


@pytest.fixture
def take(house: MemoryHouse, card: Path) -> Callable[..., Any]:
    """`take_in` with the tags that these tests do not care about."""
    from bwc.ingest.intake import take_in
    from bwc.ingest.tags import Tags

    def taken(**more: Any) -> Any:
        said = Tags(officer="B1234", camera="X81234", case_ids=("26-1182",), category="traffic")
        return take_in(house, card, more.pop("tags", said), **{"describe": plain_facts, **more})

    return taken
