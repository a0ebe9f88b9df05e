"""Media facts and digests of groups of pictures that were not read at intake: a crash between the two, or a reader that failed.

Whoever may open the footage reads them now. Until then a recording can be redacted all the same, but its copies cannot
prove which pictures are the camera's own.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from bwc.canonical import Json, canonical
from bwc.errors import BwcError, Disposed, IntegrityError
from bwc.evidence import ItemId, ObjectRole
from bwc.ingest.facts import Describe, describe_media
from bwc.ingest.house import Held
from bwc.storage.rows import ItemRow, SegmentRow

Progress = Callable[[int, int | None], None]


class House(Protocol):
    """What indexing needs of custody."""

    def items(self) -> Sequence[ItemRow]: ...
    def segments(self, item: ItemId) -> Sequence[SegmentRow]: ...
    def open_original(self, item: ItemId, segment: int, *, purpose: str) -> AbstractContextManager[BinaryIO]: ...
    def seal(self, source: BinaryIO, *, item: ItemId, role: ObjectRole, segment: int) -> Held: ...
    def record_index(
        self,
        item: ItemId,
        *,
        documents: Sequence[Held],
        segments: Sequence[Mapping[str, Json]],
        private: Mapping[str, Json],
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What was read of one recording, or why nothing was."""

    item: ItemId
    segment: int
    readable: bool = False
    groups: int = 0  # groups of pictures digested
    notes: tuple[str, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Json]:
        return {
            "groups": self.groups,
            "item": self.item,
            "notes": list(self.notes),
            "problem": self.problem,
            "readable": self.readable,
            "segment": self.segment,
        }

    def text(self) -> str:
        if self.problem:
            return f"{self.item} segment {self.segment}: {self.problem}"
        read = f"{self.groups} groups of pictures digested" if self.groups else "facts read, no groups to digest"
        said = read if self.readable else "held; it cannot be played"
        return "\n  ".join([f"{self.item} segment {self.segment}: {said}", *self.notes])


def pending(house: House, item: ItemId) -> list[SegmentRow]:
    """The recordings of `item` of which nothing was read."""
    return [row for row in house.segments(item) if row.is_readable is None]


def index_pending(
    house: House,
    items: Sequence[ItemId] | None = None,
    *,
    describe: Describe = describe_media,
    progress: Progress | None = None,
) -> list[Indexed]:
    """Read what is pending of `items` (None: of all). One event an item; a recording that fails stays pending.

    Raises `KeyUnavailable` or `NotAllowed` where this person may not open footage, and `IntegrityError`.
    """
    wanted = [row.item_id for row in house.items()] if items is None else list(items)
    rows = {item: found for item in wanted if (found := pending(house, item))}
    total, done = sum(len(found) for found in rows.values()), 0
    answers: list[Indexed] = []
    for item, found in rows.items():
        for answer in _index(house, item, found, describe):
            answers.append(answer)
            done += 1
            if progress:
                progress(done, total)
    return answers


def _index(house: House, item: ItemId, rows: Sequence[SegmentRow], describe: Describe) -> Iterator[Indexed]:
    documents: list[Held] = []
    public: list[dict[str, Json]] = []
    private: list[dict[str, Json]] = []
    answers: list[Indexed] = []
    try:
        for row in rows:
            try:
                with house.open_original(item, row.segment, purpose="index") as content:
                    found = describe(content, row.name or "recording")
            except Disposed:
                return
            except IntegrityError:
                raise
            except BwcError as error:
                if error.exit_code in (7, 9):  # not allowed, no key: it is so for every item
                    raise
                answers.append(Indexed(item=item, segment=row.segment, problem=error.message))
                continue
            public.append({"segment": row.segment, **found.public})
            private.append({"segment": row.segment, **found.private})
            if found.document is not None:
                source = io.BytesIO(canonical(found.document))
                documents.append(house.seal(source, item=item, role=ObjectRole.FACTS, segment=row.segment))
            answers.append(_answer(item, row, found.public, found.notes))
        if public:
            house.record_index(item, documents=documents, segments=public, private={"segments": private})
    finally:
        for document in documents:
            document.forget()
    yield from answers


def _answer(item: ItemId, row: SegmentRow, public: Mapping[str, Json], notes: tuple[str, ...]) -> Indexed:
    groups = public.get("groups")
    count = groups.get("count") if isinstance(groups, dict) else 0
    return Indexed(
        item=item,
        segment=row.segment,
        readable=bool(public.get("readable")),
        groups=count if isinstance(count, int) else 0,
        notes=notes,
    )
