"""Judges pixels of a copy: is nothing left inside covers, is the picture outside them the original's?

The plan says where to look, never what is there. Nothing here is shared with the code that draws covers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from bwc.redact.labels import Label
from bwc.redact.plan import Box, Effect, EffectKind, FrameCover

# Levels of 8 bits, measured on our copies (x264 superfast, crf 22) of a real and a synthetic clip, 2026-11.
FLAT_LIMIT = 5.0  # deviation in a flat cover: at most 0.1; uncovered faces 16 to 60
TINY_FLAT_LIMIT = 12.0  # the same in covers below 24 px, into which ringing of their surroundings reaches: at most 5
DETAIL_LIMIT = 3.0  # detail in pixelation and blur: at most 0.8; uncovered faces 6 to 11
COLOUR_LIMIT = 10.0
LABEL_LIMIT = 6.0  # mean deviation of a label from its letters: at most 1.2, with points of one or two pixels 2.8
MEAN_DIFFERENCE_LIMIT = 3.0  # outside covers: at most 0.5
BLOCK_DIFFERENCE_LIMIT = 12.0  # the largest of 24 px squares: at most 1.9
COLOUR_MEAN_DIFFERENCE_LIMIT = 2.0  # at most 0.5
COLOUR_BLOCK_DIFFERENCE_LIMIT = 10.0  # the largest of 16 px squares: at most 4 (motion JPEG encoded again)
_TINY = 24
_REDUCE = 8  # pictures are compared at an eighth of their size

_Plane = NDArray[np.uint8]
_Planes = tuple[_Plane, _Plane, _Plane]
_Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong in one frame: where, how much (in levels), and the limit it passes."""

    box: Box | None
    measure: float
    words: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Outside covers, in levels: on average, in the worst place, and where that is; of luma, then of the worse colour plane."""

    mean: float = 0.0
    local: float = 0.0
    where: Box | None = None
    colour_mean: float = 0.0
    colour_local: float = 0.0
    colour_where: Box | None = None

    def or_worse(self, other: "Difference") -> "Difference":
        """The worst of both, measure by measure."""
        return Difference(
            mean=max(self.mean, other.mean),
            local=max(self.local, other.local),
            colour_mean=max(self.colour_mean, other.colour_mean),
            colour_local=max(self.colour_local, other.colour_local),
        )

    def flaw(self) -> Flaw | None:
        """What of it is too much."""
        if self.mean > MEAN_DIFFERENCE_LIMIT or self.local > BLOCK_DIFFERENCE_LIMIT:
            words = f"outside covers the picture differs by {self.mean:.1f} levels, in one place by {self.local:.1f}"
            return Flaw(self.where, self.local, words)
        if self.colour_mean > COLOUR_MEAN_DIFFERENCE_LIMIT or self.colour_local > COLOUR_BLOCK_DIFFERENCE_LIMIT:
            words = f"outside covers colours differ by {self.colour_mean:.1f} levels, in one place by {self.colour_local:.1f}"
            return Flaw(self.colour_where, self.colour_local, words)
        return None


def flaws_of_covers(y: _Plane, u: _Plane, v: _Plane, cover: FrameCover, effect: Effect) -> list[Flaw]:
    """Covers of one frame through which something shows."""
    height, width = y.shape
    if cover.whole:
        # outside what is kept everything is flat; the picture is judged in one piece
        kept = [(max(0, b[0] - 16), max(0, b[1] - 16), b[2] + 16, b[3] + 16) for b in cover.keep]
        everything = (0, 0, width, height)
        return _flat_flaw(_levels((y, u, v), everything, kept), everything)
    flaws = []
    written = [label.box for label in cover.labels]
    for place, box in enumerate(cover.boxes):
        if effect.kind is EffectKind.SOLID:
            levels = _levels((y, u, v), box, written=written)
            flaws += _flat_flaw(levels, box) or _colour_flaw(levels, box, effect.colour)
            continue
        later = [other for spot, other in enumerate(cover.boxes) if spot != place]
        if effect.kind is EffectKind.MEAN:
            flaws += _flat_flaw(_levels((y, u, v), box, later), box)
        else:
            flaws += _detail_flaw(y, box, later, effect)
    return flaws + [flaw for label in cover.labels for flaw in _label_flaw(y, label)]


def difference_outside(original: _Planes, copy: _Planes, cover: FrameCover) -> Difference:
    """How far `copy` is from `original` outside covers. Nothing when covers leave nothing to compare."""
    return difference_of_small(reduced(original), reduced(copy), copy[0].shape, cover)


def reduced(planes: _Planes, quarter: _Plane | None = None) -> _Plane:
    """A picture as small as pictures are compared: each plane by area to an eighth of each side, one after the other.

    `quarter` is its luma, halved twice, where somebody has it.
    """
    return np.concatenate(
        [_small(plane, part).ravel() for plane, part in zip(planes, (quarter, None, None), strict=True)]
    )


def _small(plane: _Plane, quarter: _Plane | None) -> _Plane:
    rows, columns = _small_shape(plane.shape)
    plane = plane if quarter is None else quarter
    for _ in range(3 if quarter is None else 1):  # halving thrice takes 0.15 ms of 1080 lines, an eighth at once 0.63
        if plane.shape[0] % 2 == 0 and plane.shape[1] % 2 == 0:
            plane = _resized(plane, plane.shape[1] // 2, plane.shape[0] // 2)
    return plane if plane.shape == (rows, columns) else _resized(plane, columns, rows)


def _small_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    return max(1, shape[0] // _REDUCE), max(1, shape[1] // _REDUCE)


def _resized(luma: _Plane, width: int, height: int) -> _Plane:
    return np.asarray(cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def difference_of_small(original: _Plane, copy: _Plane, shape: tuple[int, ...], cover: FrameCover) -> Difference:
    """`difference_outside` of two pictures of `shape` (height, width) that are `reduced` already."""
    half = (shape[0] + 1) // 2, (shape[1] + 1) // 2
    large, less = _small_shape(shape), _small_shape(half)
    first, second = large[0] * large[1], large[0] * large[1] + less[0] * less[1]
    judged = _judged(cover, shape, large, 2)
    mean, local, where = _apart(original[:first], copy[:first], judged, shape, blur=True)
    judged = _judged(cover, shape, less, 1)
    colours = [
        _apart(original[part], copy[part], judged, shape, blur=False)
        for part in (slice(first, second), slice(second, None))
    ]
    _, colour, place = max(colours, key=lambda one: one[1])
    return Difference(mean, local, where, max(one[0] for one in colours), colour, place)


def _judged(cover: FrameCover, shape: tuple[int, ...], small: tuple[int, int], rim: int) -> _Plane:
    """Which pixels of a small picture lie outside covers, `rim` and more from them."""
    judged = np.full(small, not cover.whole, np.uint8)
    sx, sy = small[1] / shape[1], small[0] / shape[0]
    for box in cover.keep:
        judged[_cells(box, sx, sy, -rim)] = 1
    for box in cover.boxes:
        judged[_cells(box, sx, sy, rim)] = 0
    return judged


def _apart(
    original: _Plane, copy: _Plane, judged: _Plane, shape: tuple[int, ...], *, blur: bool
) -> tuple[float, float, Box | None]:
    count = cv2.countNonZero(judged)
    if count < 0.01 * judged.size:
        return 0.0, 0.0, None
    (height, width), small = shape, judged.shape
    apart = cv2.multiply(cv2.absdiff(original.reshape(small), copy.reshape(small)), judged)
    whole = float(cv2.sumElems(apart)[0])
    if not whole:
        return 0.0, 0.0, None
    wide = 3 if blur and min(small) >= 3 else 1
    # sums, which integers hold: floats, and a mean of each, take twice the time
    local = apart if wide == 1 else cv2.boxFilter(apart, cv2.CV_16U, (wide, wide), normalize=False)
    _, worst, _, (column, row) = cv2.minMaxLoc(local)
    x, y = int(column * width / small[1]), int(row * height / small[0])
    where = (max(0, x - 16), max(0, y - 16), min(width, x + 24), min(height, y + 24))
    return whole / count, worst / wide**2, where


def roughness(y: _Plane, box: Box, without: Sequence[Box] = ()) -> float:
    """Standard deviation of luma within `box` but `without`: whether there is anything to be found there."""
    values = _open(y[box[1] : box[3], box[0] : box[2]], (box[0], box[1]), without)
    return float(values.std()) if values.size else 0.0


_Levels = list[tuple[int, float, float]]  # of y, u and v: how many pixels, their mean and deviation


def _levels(planes: _Planes, box: Box, without: Sequence[Box] = (), *, written: Sequence[Box] = ()) -> _Levels:
    """What is left of `box`; `written` is left out of luma, `without` of all."""
    chroma = (box[0] // 2, box[1] // 2, (box[2] + 1) // 2, (box[3] + 1) // 2)
    halves = [(other[0] // 2, other[1] // 2, (other[2] + 1) // 2, (other[3] + 1) // 2) for other in without]
    parts = ((box, (*without, *written)), (chroma, halves), (chroma, halves))
    return [_spread(plane, *part) for plane, part in zip(planes, parts, strict=True)]


def _flat_flaw(levels: _Levels, box: Box) -> list[Flaw]:
    """One colour is left of `box`, up to what an encoder adds."""
    worst, words = 0.0, ""
    for name, (count, _, spread) in zip(("luma", "chroma", "chroma"), levels, strict=True):
        if count >= 8 and spread > worst:
            worst, words = spread, f"{name} deviates by {spread:.1f} levels within a flat cover"
    limit = FLAT_LIMIT if min(box[2] - box[0], box[3] - box[1]) >= _TINY else TINY_FLAT_LIMIT
    return [Flaw(box, worst, words)] if worst > limit else []


def _label_flaw(y: _Plane, label: Label) -> list[Flaw]:
    """Nothing but the letters of `label` is in its box: two levels, each where its points are."""
    x0, y0, x1, y1 = label.box
    seen = y[y0:y1, x0:x1].astype(np.float32)
    points = np.kron(np.array(label.points(), bool), np.ones((label.scale, label.scale), bool))
    if seen.shape != points.shape:
        return [Flaw(label.box, 255, "a label lies outside the picture")]
    # Each of the two is fitted to what is seen: which levels they have is for the cover's own colour to say
    expected = np.where(points, seen[points].mean(), seen[~points].mean())
    off = float(np.abs(seen - expected).mean())
    words = f"a label deviates by {off:.1f} levels from its letters"
    return [Flaw(label.box, off, words)] if off > LABEL_LIMIT else []


def _colour_flaw(levels: _Levels, box: Box, colour: tuple[int, int, int]) -> list[Flaw]:
    """A flat region has the plan's colour too: a face in the dark is nearly flat. Any matrix and range will do."""
    seen = [mean for _, mean, _ in levels]
    away = (max(abs(one - other) for one, other in zip(seen, wanted, strict=True)) for wanted in _meant(colour))
    off = min(away)
    return [Flaw(box, off, f"a cover is {off:.0f} levels off the plan's colour")] if off > COLOUR_LIMIT else []


@lru_cache(maxsize=8)
def _meant(colour: tuple[int, int, int]) -> list[tuple[float, float, float]]:
    """What y, u and v `colour` may be."""
    red, green, blue = colour
    found = []
    for kr, kb in ((0.2126, 0.0722), (0.299, 0.114)):  # ITU-R BT.709, BT.601
        luma = kr * red + (1 - kr - kb) * green + kb * blue
        cb, cr = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
        for base, gain_y, gain_c in ((16, 219 / 255, 224 / 255), (0, 1.0, 1.0)):
            found.append((base + gain_y * luma, 128 + gain_c * cb, 128 + gain_c * cr))
    return found


def _detail_flaw(y: _Plane, box: Box, without: Sequence[Box], effect: Effect) -> list[Flaw]:
    """Nothing finer than a pixelation cell, or a fraction of the blur, is left of `box`."""
    region = y[box[1] : box[3], box[0] : box[2]].astype(np.float32)
    height, width = region.shape
    if min(height, width) < 16:
        return []
    if effect.kind is EffectKind.PIXELATE:
        rest = _within_cells(region, effect.cells)
    else:
        sigma = max(height, width) * effect.blur_permille / 1000 / 4
        rest = np.abs(region - cv2.GaussianBlur(region, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101))
    open_ = np.ones(rest.shape, bool)
    for other in without:
        open_[
            max(0, other[1] - box[1]) : max(0, other[3] - box[1]), max(0, other[0] - box[0]) : max(0, other[2] - box[0])
        ] = False
    edge = min(6, min(height, width) // 6)
    open_[:edge], open_[-edge:], open_[:, :edge], open_[:, -edge:] = False, False, False, False
    if open_.mean() < 0.1:
        return []
    detail = float(rest[open_].mean())
    words = f"detail of {detail:.1f} levels is left within a {effect.kind.value} cover"
    return [Flaw(box, detail, words)] if detail > DETAIL_LIMIT else []


def _within_cells(region: _Floats, cells: int) -> _Floats:
    """How far pixels lie from the middle of their cell; cells are found by size, as the format page defines them."""
    height, width = region.shape
    columns = max(1, round(cells * width / max(height, width)))
    rows = max(1, round(cells * height / max(height, width)))
    rest = np.zeros_like(region)
    for row in range(rows):
        for column in range(columns):
            part = np.s_[
                row * height // rows : (row + 1) * height // rows,
                column * width // columns : (column + 1) * width // columns,
            ]
            rest[part] = np.abs(region[part] - np.median(region[part]))
    return rest


def _spread(plane: _Plane, box: Box, without: Sequence[Box]) -> tuple[int, float, float]:
    """How many pixels of `box` lie in none of `without`; their mean and deviation, 0 where there are none."""
    region = _inner(plane, box)
    taken = _taken(region, _corner(plane, box), without) if without else None
    count = region.size if taken is None else int(np.count_nonzero(taken))
    if not count:
        return 0, 0.0, 0.0
    # a twentieth of the time of numpy's, which turns all pixels into floats first
    mean, deviation = cv2.meanStdDev(region, mask=None if taken is None else taken.astype(np.uint8))
    return count, float(mean[0, 0]), float(deviation[0, 0])


def _open(region: _Plane, corner: tuple[int, int], without: Sequence[Box]) -> _Plane:
    """Values of `region`, whose first pixel is `corner`, that lie in none of `without` or the 4 pixels around."""
    return np.asarray(region[_taken(region, corner, without)])


def _taken(region: _Plane, corner: tuple[int, int], without: Sequence[Box]) -> NDArray[np.bool_]:
    """Which pixels of `region` those are."""
    (left, top), taken = corner, np.ones(region.shape, bool)
    for other in without:
        taken[
            max(0, other[1] - top - 4) : max(0, other[3] - top + 4),
            max(0, other[0] - left - 4) : max(0, other[2] - left + 4),
        ] = False
    return taken


def _inner(plane: _Plane, box: Box) -> _Plane:
    """`box` without the rim into which deblocking and ringing of what lies outside reach."""
    x0, y0, x1, y1 = box
    left, top = _corner(plane, box)
    rim_x, rim_y = left - x0, top - y0
    return plane[top : y1 - rim_y, left : x1 - rim_x]


def _corner(plane: _Plane, box: Box) -> tuple[int, int]:
    x0, y0, x1, y1 = box
    del plane
    return x0 + min(6, (x1 - x0) // 4), y0 + min(6, (y1 - y0) // 4)


def _cells(box: Box, sx: float, sy: float, grow: int) -> tuple[slice, slice]:
    left, top = max(0, int(box[0] * sx) - grow), max(0, int(box[1] * sy) - grow)
    right, bottom = max(0, int(np.ceil(box[2] * sx)) + grow), max(0, int(np.ceil(box[3] * sy)) + grow)
    return slice(top, bottom), slice(left, right)
