"""Carry boxes from one picture to the next, by the codec's motion or optical flow, and say how far to trust that.

Where the codec's own vectors speak for a box, they are believed (bwc.redact.motion). Else, in small grey pictures, each box is a grid of points followed by pyramidal Lucas-Kanade there and back; points that do not come home are
dropped, the rest vote by medians for the move and the change of size. Where a box's own points fail, it moves as
the camera does (a grid over the whole picture), and where that fails too it stays and grows: doubt hides.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bwc.redact.motion import MotionField, carry_along

Grey = NDArray[np.uint8]  # height x width, small
Floats = NDArray[np.float32]

_INNER = 0.8  # of the box: the rim is mostly background
_FEW = 8  # pixels of a box's side below which a window of its points holds more of what is behind it
_SMALL = 16  # pixels of a box's side below which the windows of its points cover it many times over


def _places(side: int) -> Floats:
    """side * side points of a square from 0 to 1, evenly over its inner part."""
    at = np.linspace(0.5 - _INNER / 2, 0.5 + _INNER / 2, side, dtype=np.float32)
    return np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2).astype(np.float32)


_PLACES = {False: _places(4), True: _places(5)}  # by whether the box is large
_CAMERA = (12, 8)  # points of the grid over the whole picture
_HOME_PX = 1.0  # a point that misses its start by more has been lost
_OWN_SHARE = 0.33  # of a box's points must come home for the box to move by itself
_CAMERA_SHARE = 0.3
_SIZE_STEP = 0.08  # a face walking at the camera grows by less in a thirtieth of a second
_BLIND_GROWTH = 0.04  # of the size, on every side, for each step nobody can vouch for
_WINDOW = (15, 15)
_LEVELS = 3  # a move of about 60 pixels of the small picture is still found
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.03)


@dataclass(frozen=True, slots=True)
class Still:
    """What is kept of a picture: small and grey; and how its parts moved since the one before, where the codec says."""

    grey: Grey
    motion: MotionField | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """Boxes (n x 4, small-picture pixels, not clipped) one picture on, and which of them moved by their own points."""

    boxes: Floats
    trusted: NDArray[np.bool_]


def carry(start: Still, end: Still, boxes: Floats, *, backward: bool = False) -> Carried:
    """Where `boxes` of `start` are in `end`, the next picture, or with `backward` the one before."""
    count = len(boxes)
    if count == 0:
        return Carried(boxes.reshape(0, 4), np.zeros(0, np.bool_))
    field = start.motion if backward else end.motion
    if field is None:
        return _by_flow(start.grey, end.grey, boxes)
    carried, trusted = carry_along(field, boxes, backward=backward)
    if not trusted.all():
        rest = _by_flow(start.grey, end.grey, boxes[~trusted])
        carried[~trusted] = rest.boxes
        trusted[~trusted] = rest.trusted
        camera = field.camera_move() * np.float32((-1 if backward else 1) / field.scale)
        for i in np.nonzero(trusted)[0].tolist():
            if _has_jumped(boxes[i], carried[i], camera):
                carried[i], trusted[i] = _blind(boxes[i], camera), False
    return Carried(carried, trusted)


def _has_jumped(box: Floats, there: Floats, camera: Floats) -> bool:
    """Whether a box of few pixels goes another way than the picture, by more than itself: points found the like of it elsewhere."""
    size = box[2:] - box[:2]
    move = (there[:2] + there[2:] - box[:2] - box[2:]) / 2
    return float(size.min()) < _FEW and float((np.abs(move - camera) / size).max()) > 1


def middle(values: Floats) -> Floats:
    """The median of each column (the upper one of two): ten times as fast as numpy's on a handful of values."""
    ordered: Floats = np.sort(values, axis=0)[len(values) // 2]
    return ordered


def _by_flow(before: Grey, after: Grey, boxes: Floats) -> Carried:
    height, width = before.shape
    grids = [_grid(box, width, height) for box in boxes]
    ends = np.cumsum([len(grid) for grid in grids])[:-1]
    there, home = _there_and_back(before, after, np.concatenate(grids))
    carried = np.empty_like(boxes)
    trusted = np.zeros(len(boxes), np.bool_)
    for i, (grid, arrived, came_home) in enumerate(
        zip(grids, np.split(there, ends), np.split(home, ends), strict=True)
    ):
        if np.count_nonzero(came_home) >= _OWN_SHARE * len(grid):
            carried[i] = _moved(boxes[i], grid[came_home], arrived[came_home])
            trusted[i] = True
    if not trusted.all():
        camera = _camera_move(before, after)
        for i in np.nonzero(~trusted)[0].tolist():
            carried[i] = _blind(boxes[i], camera)
    return Carried(carried, trusted)


def _camera_move(before: Grey, after: Grey) -> Floats | None:
    """How the whole picture moved, by a grid over it; None when too little of it can be followed."""
    start = _camera_grid(before.shape[1], before.shape[0])
    there, home = _there_and_back(before, after, start)
    return middle((there - start)[home]) if home.mean() >= _CAMERA_SHARE else None


def _grid(box: Floats, width: int, height: int) -> Floats:
    """points x 2: a grid in the inner part of a box, as far as it is in the picture."""
    x0, y0, x1, y1 = box.tolist()
    x0, x1 = (min(max(x, 0.0), width - 1.0) for x in (x0, x1))
    y0, y1 = (min(max(y, 0.0), height - 1.0) for y in (y0, y1))
    at = _PLACES[min(x1 - x0, y1 - y0) >= _SMALL]
    return np.asarray([x0, y0], np.float32) + at * np.asarray([x1 - x0, y1 - y0], np.float32)


def _camera_grid(width: int, height: int) -> Floats:
    x = (np.arange(_CAMERA[0], dtype=np.float32) + 0.5) * (width / _CAMERA[0])
    y = (np.arange(_CAMERA[1], dtype=np.float32) + 0.5) * (height / _CAMERA[1])
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)


def _there_and_back(before: Grey, after: Grey, start: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Where each point is in `after`, and whether it comes home when followed back."""
    points = start.reshape(-1, 1, 2)
    there, seen = _followed(before, after, points)
    home = seen.copy()
    if seen.any():  # what was not found there cannot come back: a fifth of the points by torchlight
        back, seen_back = _followed(after, before, there[seen])
        home[seen] = seen_back & (np.abs(back - points[seen]).max(axis=(1, 2)) < _HOME_PX)
    return there.reshape(-1, 2), home


def _followed(before: Grey, after: Grey, points: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Where each of `points` (n x 1 x 2) is in `after`, and whether it was found."""
    there, seen, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points,
        np.empty_like(points),
        winSize=_WINDOW,
        maxLevel=_LEVELS,
        criteria=_STOP,
        minEigThreshold=1e-3,
    )
    return np.asarray(there, np.float32), seen.ravel() == 1


def _moved(box: Floats, start: Floats, there: Floats) -> Floats:
    """`box` moved by the median move of its points and scaled by the median change of their distances from the middle."""
    old_centre, now_centre = middle(start), middle(there)
    apart = np.abs(start - old_centre).sum(axis=1)
    now_apart = np.abs(there - now_centre).sum(axis=1)
    far = apart > 1.0
    change = float(middle(now_apart[far] / apart[far])) if far.any() else 1.0
    move = middle(there - start)
    change = min(1 + _SIZE_STEP, max(1 - _SIZE_STEP, change))
    centre = (box[:2] + box[2:]) / 2 + move
    half = (box[2:] - box[:2]) / 2 * change
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def _blind(box: Floats, camera_move: Floats | None) -> Floats:
    grown = (box[2:] - box[:2]) * _BLIND_GROWTH
    moved = box if camera_move is None else box + np.tile(camera_move, 2)
    return np.concatenate([moved[:2] - grown, moved[2:] + grown]).astype(np.float32)
