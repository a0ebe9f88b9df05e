"""Whether a carried box still shows what it showed: a small patch of the subject, kept and looked for again.

Motion vectors and optical flow say where the picture under a box went, and are sure of it also when that is the wall
behind. So each box that is carried keeps a patch of its subject. Where the patch is found again near by, the box is set
to it: errors do not add up. Where it is not found but each step looks like the one before, the subject turns, and its
new look is kept. Where neither holds, nobody vouches for the box.

Under a side of `_LEAST` pixels (of the small picture), or without texture, a patch says nothing and motion alone decides.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]

_INNER = 0.8  # of the box: the rim is mostly background
_PATCH = 20  # pixels of its longer side at most: a large box is compared at a smaller scale
_LEAST = 5.0
_FLAT = 2.5  # grey levels of spread
# Measured on the hard set and the composed clips (2026-11), boxes carried for ten pictures: with .7 96 of 100 boxes
# that are said to be right cover their face; motion alone says so of 99 and is right of 85 on moving crowds.
_SAME = 0.7
_STEP_SAME = 0.5
_DARK = 26  # of 16 (black) to 235 on average: noise, in which no patch is like itself
_GONE = 0.35  # from above `_SAME` to below this in one picture: it vanished
# Boxes that nobody can vouch for grow, and elsewhere end after half a second, three times as large. In the dark they go on,
# and in another second one of them was the whole picture
_GROWN = 3.0
_FAR = 0.1  # what a match at the rim of the search must be better by
_REACH, _REACH_MOST = 0.25, 8.0  # searched around a box, as a share of its size, and pixels at most
_WIDE, _WIDE_MOST = 0.8, 16.0  # the same while it is being looked for


@dataclass(frozen=True, slots=True)
class Patch:
    """What a box showed: `pixels` with `step` pixels of the picture between them (x, y)."""

    pixels: Grey
    step: tuple[float, float]
    size: float  # of the box: square root of its area


@dataclass(slots=True)
class Follower:
    """One box on its way through pictures, in either direction."""

    box: Floats
    patch: Patch | None
    lost: int = 0  # steps since anybody vouched for it
    vanished: bool = False  # lost from one picture to the next, not little by little, and not found since
    ended: bool = False  # nobody wants it carried any further
    size: Floats | None = None  # width and height it began with

    @classmethod
    def at(cls, grey: Grey, box: Floats) -> "Follower":
        return cls(box, patch_of(grey, box), size=box[2:] - box[:2])

    def step(self, before: Grey, after: Grey, moved: Floats, *, by_motion: bool) -> bool:
        """Go on to `after`; `moved` is where motion puts the box, `by_motion` whether by the box's own. Whether it is vouched for."""
        if not by_motion and self.size is not None:
            moved = _no_larger(moved, _GROWN * self.size)
        if self.patch is None:
            self.box = moved
            self.lost = 0 if by_motion else self.lost + 1
            return by_motion
        there, like = found_near(after, self.patch, moved, wide=self.lost > 0)
        sure = like >= _SAME
        if sure:
            moved = there
            self.vanished = False
        elif self.lost == 0:
            step = likeness(before, self.box, after, moved)
            sure = by_motion and step >= _STEP_SAME
            if sure:
                self.patch = patch_of(after, moved)
            else:
                self.vanished = max(like, step) < _GONE
        if not sure and _is_dark(after, moved):  # nobody could be told there, so nobody is known to be gone
            sure, self.vanished = True, False
        self.box = moved
        self.lost = 0 if sure else self.lost + 1
        return sure


def _no_larger(box: Floats, most: Floats) -> Floats:
    """`box` about its middle, of the size `most` at most."""
    middle, half = (box[:2] + box[2:]) / 2, np.minimum(box[2:] - box[:2], most) / 2
    return np.concatenate([middle - half, middle + half]).astype(np.float32)


def _is_dark(grey: Grey, box: Floats) -> bool:
    x0, y0, x1, y1 = (max(0, round(float(side))) for side in box)
    inside = grey[y0:y1, x0:x1]
    return bool(inside.size) and float(inside.mean()) < _DARK


def patch_of(grey: Grey, box: Floats) -> Patch | None:
    """The inner part of `box`; None when it is too small or too plain to tell anything."""
    size = (box[2:] - box[:2]).astype(float)
    if float(size.min()) < _LEAST:
        return None
    inner = size * _INNER
    shrink = min(1.0, _PATCH / float(inner.max()))
    wide, high = max(4, round(inner[0] * shrink)), max(4, round(inner[1] * shrink))
    step = (float(inner[0] / wide), float(inner[1] / high))
    pixels = _cut(grey, box, (wide, high), step)
    return Patch(pixels, step, float(np.sqrt(size.prod()))) if float(pixels.std()) >= _FLAT else None


def found_near(grey: Grey, patch: Patch, box: Floats, *, wide: bool = False) -> tuple[Floats, float]:
    """`box` moved to where `patch` fits best near it, and how well it fits (1 is equal, 0 is chance)."""
    # plain numbers: numpy takes ten times as long for two of them
    across, high = (box[2:] - box[:2]).tolist()
    grown = sqrt(max(float(np.float32(across * high)), 1e-6)) / patch.size
    step_x, step_y = patch.step[0] * grown, patch.step[1] * grown
    share, most = (_WIDE, _WIDE_MOST) if wide else (_REACH, _REACH_MOST)
    reach = min(most, max(2.0, share * min(across, high)))
    steps_x, steps_y = max(1, round(reach / step_x)), max(1, round(reach / step_y))
    rows, columns = patch.pixels.shape
    around = _cut(grey, box, (columns + 2 * steps_x, rows + 2 * steps_y), (step_x, step_y))
    fit = cv2.matchTemplate(around, patch.pixels, cv2.TM_CCOEFF_NORMED)
    row, column = divmod(int((fit - _far_off(steps_x, steps_y)).argmax()), 2 * steps_x + 1)
    move_x = (column - steps_x + _between(fit[row], column)) * step_x
    move_y = (row - steps_y + _between(fit[:, column], row)) * step_y
    return box + np.asarray([move_x, move_y, move_x, move_y], np.float32), fit.item(row, column)


@lru_cache(maxsize=256)
def _far_off(steps_x: int, steps_y: int) -> Floats:
    """What a match loses by its distance from the middle of the search."""
    y, x = np.ogrid[-1 : 1 : (2 * steps_y + 1) * 1j, -1 : 1 : (2 * steps_x + 1) * 1j]
    return np.asarray(_FAR / 2 * (x * x + y * y), np.float32)


def likeness(before: Grey, box: Floats, after: Grey, moved: Floats) -> float:
    """How alike the inside of `box` in `before` is to that of `moved` in `after`: 1 is equal, 0 is chance."""
    one = patch_of(before, box)
    if one is None:
        return 0.0
    size = moved[2:] - moved[:2]
    shape = (one.pixels.shape[1], one.pixels.shape[0])
    other = _cut(after, moved, shape, (float(size[0]) * _INNER / shape[0], float(size[1]) * _INNER / shape[1]))
    return float(cv2.matchTemplate(other, one.pixels, cv2.TM_CCOEFF_NORMED)[0, 0])


def _cut(grey: Grey, box: Floats, shape: tuple[int, int], step: tuple[float, float]) -> Grey:
    """`shape` (width, height) samples of `grey`, `step` apart, around the middle of `box`; the rim is repeated outside."""
    x, y = (box[:2] + box[2:]).tolist()
    left = x / 2 - step[0] * (shape[0] - 1) / 2 - 0.5
    top = y / 2 - step[1] * (shape[1] - 1) / 2 - 0.5
    view = np.asarray([[step[0], 0, left], [0, step[1], top]], np.float32)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(grey, view, shape, flags=how, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _between(values: NDArray[Any], best: int) -> float:
    """Where between the samples the top of a parabola through the best three lies."""
    if not 0 < best < len(values) - 1:
        return 0.0
    left, top, right = values[best - 1 : best + 2].tolist()
    bend = left - 2 * top + right
    return min(0.5, max(-0.5, (left - right) / (2 * bend))) if bend < -1e-6 else 0.0
