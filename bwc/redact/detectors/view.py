"""One picture to be looked at, at the sizes that detectors ask for: each size is made once and shared by all of them.

Sizes are made from the planes as they were decoded: halving one plane of luma and two small ones of chroma costs a
third of halving a colour picture, and two networks at one size pay once (1080p to 960: 2 ms instead of 2 x 6).
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from bwc.media.planes import Plane, bgr_of, size_at
from bwc.redact.detectors.base import STRIDE, Detection, FloatBox, Picture8, fit, on_strides, sides_within

Sized = tuple[Picture8, float]  # padded right and below to whole strides, and the scale


class View:
    """A picture `width` x `height`, turned upright. Boxes found in it are in its pixels. Safe to use from several threads."""

    def __init__(self, shape: tuple[int, int], sized: Callable[[int], Sized], whole: Callable[[], Picture8]) -> None:
        self.height, self.width = shape
        self._make, self._whole = sized, whole
        self._made: dict[int, Sized] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, bgr: Picture8) -> "View":
        """A colour picture that is upright already."""
        return cls((bgr.shape[0], bgr.shape[1]), lambda side: fit(bgr, side), lambda: bgr)

    @classmethod
    def of_planes(
        cls,
        planes: tuple[Plane, Plane, Plane],
        *,
        full_range: bool,
        quarters: int = 0,
    ) -> "View":
        """A decoded picture, to be turned by `quarters` quarter turns (as `numpy.rot90`) to stand upright."""
        height, width = planes[0].shape
        longer = max(height, width)
        step = 1 if quarters else STRIDE

        def upright(bgr: Picture8) -> Picture8:
            return np.ascontiguousarray(np.rot90(bgr, quarters)) if quarters else bgr

        def whole() -> Picture8:
            return upright(bgr_of(*planes, full_range=full_range))

        def sized(side: int) -> Sized:
            if side == longer:
                return on_strides(upright(bgr_of(*planes, full_range=full_range, step=step))), 1.0
            if side > longer:
                return fit(whole(), side)
            columns = round(width * side / longer)
            small = bgr_of(*planes, full_range=full_range, width=columns, step=step)
            return on_strides(upright(small)), size_at((width, height), columns)[0] / width

        return cls((width, height) if quarters % 2 else (height, width), sized, whole)

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    def bgr(self) -> Picture8:
        """The whole picture in colour."""
        return self._whole()

    def sides(self, long_sides: tuple[int, ...]) -> list[int]:
        """Those of `long_sides` that are worth a pass."""
        return sides_within(max(self.shape), long_sides)

    def at(self, side: int) -> Sized:
        """The picture with its longer side `side` pixels long. Not to be written to."""
        with self._lock:
            if side not in self._made:
                self._made[side] = self._make(side)
            return self._made[side]


@runtime_checkable
class Looker(Protocol):
    """A detector that takes its sizes from a view, so that they are made only once."""

    def look(self, view: View) -> list[Detection]:
        """Boxes in pixels of the view, best score first."""
        ...


@runtime_checkable
class Piecewise(Looker, Protocol):
    """A detector whose look takes long and is made of pieces, which several threads may do."""

    def pieces(self, view: View) -> Sequence[Callable[[], Any]]:
        """What there is to do, in any order or at once."""
        ...

    def together(self, shape: tuple[int, int], done: Sequence[Any]) -> list[Detection]:
        """What `look` says of a view of `shape`, from what the pieces gave, in their order."""
        ...


def unturned(box: FloatBox, turns: int, shape: tuple[int, int]) -> FloatBox:
    """A box found in a picture after `np.rot90(picture, turns)`, in that picture before; `shape` is its height, width."""
    height, width = shape
    x0, y0, x1, y1 = box
    if turns == 1:
        return width - y1, x0, width - y0, x1
    if turns == 2:
        return width - x1, height - y1, width - x0, height - y0
    if turns == 3:
        return y0, height - x1, y1, height - x0
    return box
