"""How each part of a picture moved since the one before, as the codec says: its own motion vectors on a grid.

The camera's encoder has already searched where every block came from; reading that costs a twentieth of following
points by optical flow and covers subjects as well (docs/performance.md). It searched for cheap bits, not for
truth, so a box believes the median of its blocks and only where enough of them agree.

Only for streams whose every picture is predicted from the one before: no B-frames. Blocks coded anew (intra) carry
no vector: there, and in whole keyframes, optical flow takes over (bwc.redact.flow).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CELL = 8  # pixels of the coded picture; the smallest block whose vector is exported
_INNER = 0.8  # of a box: the rim is mostly background
_KNOWN_SHARE = 0.5  # of a box's cells must carry a vector
_AGREE_SHARE = 0.5  # of those must lie within `_AGREE` of the median
_AGREE_PX = 2.0  # coded pixels, or
_AGREE_SIZE = 0.06  # of the box's size, whichever is more
_SCALE_CELLS = 24  # from so many cells on, growth is read from the vectors as well
_SCALE_STEP = 0.04
# Of FFmpeg's 40 bytes a vector; arithmetic waits until a field is asked
_KEPT = np.dtype(
    [
        ("dst_x", "i2"),
        ("dst_y", "i2"),
        ("w", "u1"),
        ("h", "u1"),
        ("motion_x", "i4"),
        ("motion_y", "i4"),
        ("motion_scale", "u2"),
    ]
)


@dataclass(slots=True)
class MotionField:
    """`moves[row, column]` is (x, y) in coded pixels from the picture before to this one, NaN where nobody knows.

    Most fields of quiet footage are never asked: the grid is made of the blocks when it is first wanted.
    """

    made: Floats | None
    scale: float  # coded pixels in a pixel of the boxes that will be carried
    shape: tuple[int, int] = (0, 0)  # rows, columns
    blocks: NDArray[Any] | None = None  # what is needed of each vector

    camera: Floats | None = None  # how most of the picture moves, once it was asked

    @property
    def moves(self) -> Floats:
        if self.made is None:
            assert self.blocks is not None
            self.made, self.blocks = _on_grid(self.blocks, *self.shape), None
        return self.made

    def camera_move(self) -> Floats:
        """The median move of every fourth row's and column's cell."""
        if self.camera is None:
            moves = self.moves[::4, ::4].reshape(-1, 2)
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
    past = vectors if is_past.all() else vectors[is_past]
    blocks = np.empty(len(past), _KEPT)
    for name in _KEPT.fields or ():
        blocks[name] = past[name]
    return MotionField(None, scale, (-(-height // CELL), -(-width // CELL)), blocks)


def _on_grid(blocks: NDArray[Any], rows: int, columns: int) -> Floats:
    """The blocks' moves cell by cell. Both numbers of a move are written as one, into a grid with room for what overhangs it."""
    wide, high = blocks["w"].astype(np.intp), blocks["h"].astype(np.intp)
    left, top = (blocks["dst_x"] - wide // 2) // CELL, (blocks["dst_y"] - high // 2) // CELL
    wide, high = wide // CELL, high // CELL
    moves = np.stack([blocks["motion_x"], blocks["motion_y"]], axis=1).astype(np.float32)
    scale = np.maximum(blocks["motion_scale"], 1).astype(np.float32)
    step = np.ascontiguousarray(-moves / scale[:, None]).view(np.uint64).ravel()
    across_most, down_most = int(wide.max(initial=0)), int(high.max(initial=0))
    grid = np.full((rows + 2 * down_most, columns + 2 * across_most, 2), np.nan, np.float32)
    cells, width = grid.reshape(-1, 2).view(np.uint64).ravel(), grid.shape[1]
    near = (top >= -down_most) & (top < rows) & (left >= -across_most) & (left < columns)
    start = (top + down_most) * width + left + across_most
    for down in range(down_most):
        for across in range(across_most):
            chosen = near & (high > down) & (wide > across)
            cells[start[chosen] + (down * width + across)] = step[chosen]
    return grid[down_most : down_most + rows, across_most : across_most + columns]


def carry_along(field: MotionField, boxes: Floats, *, backward: bool) -> tuple[Floats, NDArray[np.bool_]]:
    """Each of `boxes` (n x 4) one picture on, or one back, and whether the field could say so.

    Forward, `field` is that of the picture arrived at: the cells where the box was stand for those that left it, a
    box moves by a few pixels between pictures. Backward it is that of the picture left.
    """
    carried = boxes.copy()
    trusted = np.zeros(len(boxes), np.bool_)
    for i, box in enumerate(boxes):
        moved = _move(field, box * np.float32(field.scale), -1.0 if backward else 1.0)
        if moved is not None:
            carried[i] = moved / np.float32(field.scale)
            trusted[i] = True
    return carried, trusted


def _move(field: MotionField, box: Floats, sign: float) -> Floats | None:
    """`box` in coded pixels, moved by the median of its cells; None when too few of them agree."""
    centre, size = ((box[:2] + box[2:]) / 2).astype(np.float32), box[2:] - box[:2]
    place = _cells(field, centre, size)
    if place is None:
        return None
    x0, y0, x1, y1 = place
    moves = field.moves[y0:y1, x0:x1].reshape(-1, 2)
    known = ~np.isnan(moves[:, 0])
    if np.count_nonzero(known) < _KNOWN_SHARE * len(moves):
        return None
    moves = moves[known]
    middle = np.sort(moves, axis=0)[len(moves) // 2]  # numpy's median is ten times as slow on a handful
    near = np.abs(moves - middle).max(axis=1) <= max(_AGREE_PX, _AGREE_SIZE * float(size.min()))
    agree = np.count_nonzero(near)
    if agree < _AGREE_SHARE * len(moves):
        return None
    grow = _growth(moves[near] - middle, _middles(place)[known][near] - centre) if agree >= _SCALE_CELLS else 0.0
    centre = centre + sign * middle
    half = size / 2 * (1 + sign * grow)
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def _cells(field: MotionField, centre: Floats, size: Floats) -> tuple[int, int, int, int] | None:
    """Columns and rows (x0, y0, x1, y1) of the cells in the inner part of a box; at least one, if it is in the picture."""
    rows, columns = field.moves.shape[:2]
    half = size * (_INNER / 2)
    x0, y0 = np.floor((centre - half) / CELL + 0.5).astype(int).tolist()
    x1, y1 = np.floor((centre + half) / CELL + 0.5).astype(int).tolist()
    if x1 <= x0:
        x0 = int(centre[0] // CELL)
        x1 = x0 + 1
    if y1 <= y0:
        y0 = int(centre[1] // CELL)
        y1 = y0 + 1
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(columns, x1), min(rows, y1)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _middles(place: tuple[int, int, int, int]) -> Floats:
    """Middles of the cells at `place`, row by row, in coded pixels."""
    x0, y0, x1, y1 = place
    middle_x = np.broadcast_to((np.arange(x0, x1) + 0.5) * CELL, (y1 - y0, x1 - x0))
    middle_y = np.broadcast_to(((np.arange(y0, y1) + 0.5) * CELL)[:, None], (y1 - y0, x1 - x0))
    return np.stack([middle_x.ravel(), middle_y.ravel()], axis=1).astype(np.float32)


def _growth(moves: Floats, at: Floats) -> float:
    """The share by which a box grows: the slope of moves over distances from its middle."""
    spread = float((at * at).sum())
    slope = float((moves * at).sum()) / spread if spread else 0.0
    return min(_SCALE_STEP, max(-_SCALE_STEP, slope))
