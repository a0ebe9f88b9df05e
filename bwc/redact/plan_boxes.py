"""Boxes of consecutive frames, packed: 16 bytes a box in memory, small differences on disk."""

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from operator import lt, sub
from typing import SupportsIndex, overload

from bwc.errors import UsageError
from bwc.redact.plan_effect import Box


class Boxes(Sequence[Box]):
    """An immutable sequence of boxes. Equal to any sequence of the same boxes."""

    __slots__ = ("_flat",)

    def __init__(self, boxes: Iterable[Box] = ()) -> None:
        try:
            self._flat = array("i", chain.from_iterable(boxes))
        except (TypeError, OverflowError) as error:
            raise UsageError("a box is four integers") from error
        if len(self._flat) % 4:
            raise UsageError("a box is four integers")

    @classmethod
    def from_deltas(cls, flat: Sequence[int]) -> "Boxes":
        """Boxes from one flat list: the first box, then for every box its difference to the one before."""
        if not flat or len(flat) % 4:
            raise UsageError("a span's boxes are four integers each, at least one box")
        boxes = cls()
        try:
            packed = array("i", bytes(4 * len(flat)))
            for side in range(4):
                packed[side::4] = array("i", accumulate(flat[side::4]))
        except (TypeError, OverflowError) as error:
            raise UsageError("a box's coordinates are small integers") from error
        boxes._flat = packed
        return boxes

    def deltas(self) -> list[int]:
        """The flat list that `from_deltas` reads."""
        flat = self._flat
        return [*flat[:4], *map(sub, flat[4:], flat[:-4])]

    def verify_within(self, width: int, height: int) -> None:
        """Raises `UsageError` unless every box is proper and inside a frame of `width` x `height`."""
        x0, y0, x1, y1 = (self._flat[side::4] for side in range(4))
        proper = all(map(lt, x0, x1)) and all(map(lt, y0, y1))
        if not len(x0) or not proper or min(x0) < 0 or min(y0) < 0 or max(x1) > width or max(y1) > height:
            raise UsageError("a box is empty or leaves the frame")

    def __len__(self) -> int:
        return len(self._flat) // 4

    @overload
    def __getitem__(self, index: SupportsIndex) -> Box: ...
    @overload
    def __getitem__(self, index: slice) -> "Boxes": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "Box | Boxes":
        if isinstance(index, slice):
            return Boxes([self[place] for place in range(*index.indices(len(self)))])
        place = range(len(self))[index] * 4
        x0, y0, x1, y1 = self._flat[place : place + 4]
        return x0, y0, x1, y1

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Boxes):
            return self._flat == other._flat
        return isinstance(other, (tuple, list)) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self._flat.tobytes())

    def __repr__(self) -> str:
        return f"Boxes({list(self)!r})"
