"""How each part of a picture moved since the one before, as the codec says: its own motion vectors on a grid.

The camera's encoder has already searched where every block came from; reading that costs a twentieth of following
points by optical flow and covers subjects as well (docs/performance.md). It searched for cheap bits, not for
truth, so a box believes the median of its blocks and only where enough of them agree.

Only for streams whose every picture is predicted from the one before: no B-frames. Blocks coded anew (intra) carry
no vector: there, and in whole keyframes, optical flow takes over (bwc.redact.flow).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_Cells: TypeAlias = tuple[int, int, int, int]  # columns and rows x0, y0, x1, y1, half open

CELL = 8  # pixels of the coded picture; the smallest block whose vector is exported
_CELL_BITS = 3
_INNER = 0.8  # of a box: the rim is mostly background
_KNOWN_SHARE = 0.5  # of a box's cells must carry a vector
_AGREE_SHARE = 0.5  # of those must lie within `_AGREE` of the median
_AGREE_PX = 2.0  # coded pixels, or
_AGREE_SIZE = 0.06  # of the box's size, whichever is more
_SCALE_CELLS = 24  # from so many cells on, growth is read from the vectors as well
_SCALE_STEP = 0.04
_MIDDLES = ((np.arange(4096) + 0.5) * CELL).astype(np.float32)  # of the cells across or down, coded pixels
_BAND = 16  # rows of cells that are made together
_CAMERA_EVERY = 4  # rows and columns of cells: those in between say the same
# Of FFmpeg's 40 bytes a vector; arithmetic waits until a field is asked
_KEPT = np.dtype(
    {
        "names": ["w", "h", "dst_x", "dst_y", "motion", "motion_scale"],  # motion: x and y as one
        "formats": ["u1", "u1", "i2", "i2", "u8", "u2"],
        "offsets": [4, 5, 10, 12, 24, 32],
        "itemsize": 40,
    }
)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """What is needed of each vector, one array each."""

    wide: NDArray[np.uint8]
    high: NDArray[np.uint8]
    x: NDArray[np.int16]  # of its middle
    y: NDArray[np.int16]
    moves: NDArray[np.uint64]
    scales: NDArray[np.uint16]


@dataclass(slots=True)
class MotionField:
    """`moves[row, column]` is (x, y) in coded pixels from the picture before to this one, NaN where nobody knows.

    Most fields of quiet footage are never asked, and others only where somebody is: rows of cells are made of the blocks when they are
    first wanted.
    """

    made: Floats | None  # rows x columns x 2, from row `first` on
    scale: float  # coded pixels in a pixel of the boxes that will be carried
    shape: tuple[int, int] = (0, 0)  # rows, columns
    blocks: _Blocks | None = None
    first: int = 0

    camera: Floats | None = None  # how most of the picture moves, once it was asked

    def __post_init__(self) -> None:
        if self.made is not None:
            self.shape = (self.made.shape[0], self.made.shape[1])

    @property
    def moves(self) -> Floats:
        return self.rows(0, self.shape[0])

    def rows(self, first: int, stop: int) -> Floats:
        """The moves of the rows from `first` to `stop`. More are made than are asked for: the next to ask is somebody near by."""
        last = 0 if self.made is None else self.first + len(self.made)
        if self.made is None or first < self.first or stop > last:
            assert self.blocks is not None
            near, far = first - first % _BAND, min(self.shape[0], stop + -stop % _BAND)
            self.first, last = (near, far) if self.made is None else (min(near, self.first), max(far, last))
            self.made = _on_grid(self.blocks, self.first, last, self.shape[1])
        return self.made[first - self.first : stop - self.first]

    def camera_move(self) -> Floats:
        """The median move of every fourth row's and column's cell."""
        if self.camera is None:
            if self.blocks is None:
                moves = self.moves[::_CAMERA_EVERY, ::_CAMERA_EVERY]
            else:
                moves = _on_grid(self.blocks, 0, *self.shape, every=_CAMERA_EVERY)
            moves = moves.reshape(-1, 2)
            known = np.sort(moves[~np.isnan(moves[:, 0])], axis=0)
            self.camera = known[len(known) // 2] if len(known) else np.zeros(2, np.float32)
        return self.camera


def field_of(vectors: NDArray[Any] | None, width: int, height: int, scale: float) -> MotionField | None:
    """The field of a picture's vectors (FFmpeg's AVMotionVector records). None when it has none, as a keyframe.

    Vectors to later pictures (B-frames) are left out.
    """
    if vectors is None or not len(vectors):
        return None
    is_past = vectors["source"] < 0
    past = (vectors if is_past.all() else vectors[is_past]).view(_KEPT)
    blocks = _Blocks(*(past[name].copy() for name in _KEPT.names or ()))
    return MotionField(None, scale, (-(-height // CELL), -(-width // CELL)), blocks)


def _on_grid(blocks: _Blocks, first: int, stop: int, columns: int, *, every: int = 1) -> Floats:
    """The blocks' moves at every `every`th cell, each way, of the rows from `first`, a multiple of it, to `stop`."""
    top, bottom = _span(blocks.y, blocks.high, first, stop, every)
    chosen = np.flatnonzero(bottom > top)
    left, right = _span(blocks.x[chosen], blocks.wide[chosen], 0, columns, every)
    within = right > left
    if not within.all():
        chosen, left, right = chosen[within], left[within], right[within]
    top, bottom, right = top[chosen], bottom[chosen] - 1, right - 1
    moves = blocks.moves[chosen].view(np.int32).astype(np.float32)
    moves /= np.repeat(-np.maximum(blocks.scales[chosen], 1).astype(np.float32), 2)
    step = moves.view(np.uint64)  # both numbers of a move are written as one
    width = -(-columns // every)
    grid = np.full((-(-stop // every) - first // every, width, 2), np.nan, np.float32)
    cells = grid.view(np.uint64).ravel()
    for down in range(int((bottom - top).max(initial=-1)) + 1):
        start = (np.minimum(top + down, bottom) - np.intp(first // every)) * width
        for across in range(int((right - left).max(initial=-1)) + 1):
            cells[start + np.minimum(left + across, right)] = (
                step  # a small block's cells again: cheaper than to leave it out
            )
    return grid


def _span(
    middles: NDArray[np.int16], sizes: NDArray[np.uint8], first: int, stop: int, every: int
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """From which to which of every `every`th cell blocks reach, of those from cell `first` to `stop`."""
    begin = middles - (sizes >> 1) >> _CELL_BITS
    end = begin + (sizes >> _CELL_BITS)
    if every > 1:
        begin, end = -(-begin // every), -(-end // every)
    return np.maximum(begin, first // every), np.minimum(end, -(-stop // every))


def carry_along(field: MotionField, boxes: Floats, *, backward: bool) -> tuple[Floats, NDArray[np.bool_]]:
    """Each of `boxes` (n x 4) one picture on, or one back, and whether the field could say so.

    Forward, `field` is that of the picture arrived at: the cells where the box was stand for those that left it, a
    box moves by a few pixels between pictures. Backward it is that of the picture left. What can be is done for all
    boxes at once: most of the time of one would be spent in calls.
    """
    coded = boxes * np.float32(field.scale)
    centres: Floats = ((coded[:, :2] + coded[:, 2:]) / 2).astype(np.float32)
    sizes = coded[:, 2:] - coded[:, :2]
    places = _cells(field, centres, sizes)
    moves, growths, trusted = np.zeros_like(centres), np.zeros(len(boxes)), np.zeros(len(boxes), np.bool_)
    inside = [place for place in places if place is not None]
    if not inside:
        return boxes.copy(), trusted
    first = min(place[1] for place in inside)
    grid = field.rows(first, max(place[3] for place in inside))
    for i, (place, side) in enumerate(zip(places, sizes.min(axis=1).tolist(), strict=True)):
        if place is None:
            continue
        x0, y0, x1, y1 = place
        said = _said(grid[y0 - first : y1 - first, x0:x1], place, centres[i], side)
        if said is not None:
            moves[i], growths[i] = said
            trusted[i] = True
    sign = -1.0 if backward else 1.0
    centres += sign * moves
    halves = sizes / 2 * (1 + sign * growths).astype(np.float32)[:, None]
    carried: Floats = np.concatenate([centres - halves, centres + halves], axis=1)
    carried /= np.float32(field.scale)
    if not trusted.all():
        carried[~trusted] = boxes[~trusted]
    return carried, trusted


def _said(moves: Floats, place: _Cells, centre: Floats, side: float) -> tuple[Floats, float] | None:
    """How a box with that centre and shorter side moves and by which share it grows, by the `moves` of the cells at `place`; None when too few agree."""
    moves = moves.reshape(-1, 2)
    known = moves[:, 0] == moves[:, 0]  # NaN is not itself
    count = np.count_nonzero(known)
    if count < _KNOWN_SHARE * len(moves):
        return None
    is_whole = count == len(moves)
    if not is_whole:
        moves = moves[known]
    ordered = moves.copy()
    ordered.sort(axis=0)
    middle: Floats = ordered[count // 2]  # numpy's median is ten times as slow on a handful
    apart = moves - middle
    off = np.abs(apart)
    near = np.maximum(off[:, 0], off[:, 1]) <= max(_AGREE_PX, _AGREE_SIZE * side)
    agree = np.count_nonzero(near)
    if agree < _AGREE_SHARE * count:
        return None
    if agree < _SCALE_CELLS:
        return middle, 0.0
    x0, y0, x1, y1 = place
    middles = np.empty((y1 - y0, x1 - x0, 2), np.float32)
    middles[..., 0], middles[..., 1] = _MIDDLES[x0:x1], _MIDDLES[y0:y1, None]
    at = middles.reshape(-1, 2)
    if not is_whole:
        at = at[known]
    if agree < count:
        apart, at = apart[near], at[near]
    return middle, _growth(apart, at - centre)


def _cells(field: MotionField, centres: Floats, sizes: Floats) -> list[_Cells | None]:
    """The cells in the inner part of each box; at least one, None where that is not in the picture."""
    rows, columns = field.shape
    halves = sizes * (_INNER / 2)
    edges = np.concatenate([centres - halves, centres + halves], axis=1)
    cells = np.floor(edges / CELL + 0.5).astype(int).tolist()
    places: list[_Cells | None] = []
    for (x0, y0, x1, y1), (x, y) in zip(cells, centres.tolist(), strict=True):
        if x1 <= x0:
            x0 = int(x // CELL)
            x1 = x0 + 1
        if y1 <= y0:
            y0 = int(y // CELL)
            y1 = y0 + 1
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(columns, x1), min(rows, y1)
        places.append((x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None)
    return places


def _growth(moves: Floats, at: Floats) -> float:
    """The share by which a box grows: the slope of moves over distances from its middle."""
    spread = float((at * at).sum())
    slope = float((moves * at).sum()) / spread if spread else 0.0
    return min(_SCALE_STEP, max(-_SCALE_STEP, slope))
