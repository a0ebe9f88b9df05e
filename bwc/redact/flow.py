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

_SIDE = 5  # points along each side of a box
_INNER = 0.8  # of the box: the rim is mostly background
_CAMERA = (12, 8)  # points of the grid over the whole picture
_HOME_PX = 1.0  # a point that misses its start by more has been lost
_OWN_SHARE = 0.34  # of a box's points must come home for the box to move by itself
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
    return Carried(carried, trusted)


def _by_flow(before: Grey, after: Grey, boxes: Floats) -> Carried:
    count = len(boxes)
    height, width = before.shape
    grid = _grid(boxes, width, height)
    start = np.concatenate([grid.reshape(-1, 2), _camera_grid(width, height)])
    there, home = _there_and_back(before, after, start)
    own_start, own_there = grid, there[: count * _SIDE**2].reshape(count, -1, 2)
    own_home = home[: count * _SIDE**2].reshape(count, -1)
    camera_home = home[count * _SIDE**2 :]
    camera_move: Floats | None = None
    if camera_home.mean() >= _CAMERA_SHARE:
        moves = (there - start)[count * _SIDE**2 :][camera_home]
        camera_move = np.median(moves, axis=0).astype(np.float32)

    carried = np.empty_like(boxes)
    trusted = np.zeros(count, np.bool_)
    for i in range(count):
        good = own_home[i]
        if good.mean() >= _OWN_SHARE:
            carried[i] = _moved(boxes[i], own_start[i][good], own_there[i][good])
            trusted[i] = True
        else:
            carried[i] = _blind(boxes[i], camera_move)
    return Carried(carried, trusted)


def _grid(boxes: Floats, width: int, height: int) -> Floats:
    """n x points x 2: a grid in the inner part of each box, as far as it is in the picture."""
    x0, y0 = np.clip(boxes[:, 0], 0, width - 1), np.clip(boxes[:, 1], 0, height - 1)
    x1, y1 = np.clip(boxes[:, 2], 0, width - 1), np.clip(boxes[:, 3], 0, height - 1)
    at = np.linspace(0.5 - _INNER / 2, 0.5 + _INNER / 2, _SIDE, dtype=np.float32)
    x = x0[:, None] + (x1 - x0)[:, None] * at
    y = y0[:, None] + (y1 - y0)[:, None] * at
    grid = np.empty((len(boxes), _SIDE, _SIDE, 2), np.float32)
    grid[..., 0], grid[..., 1] = x[:, None, :], y[:, :, None]
    return grid.reshape(len(boxes), -1, 2)


def _camera_grid(width: int, height: int) -> Floats:
    x = (np.arange(_CAMERA[0], dtype=np.float32) + 0.5) * (width / _CAMERA[0])
    y = (np.arange(_CAMERA[1], dtype=np.float32) + 0.5) * (height / _CAMERA[1])
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)


def _there_and_back(before: Grey, after: Grey, start: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Where each point is in `after`, and whether it comes home when followed back."""
    points = start.reshape(-1, 1, 2)
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
    back, seen_back, _ = cv2.calcOpticalFlowPyrLK(
        after,
        before,
        there,
        np.empty_like(points),
        winSize=_WINDOW,
        maxLevel=_LEVELS,
        criteria=_STOP,
        minEigThreshold=1e-3,
    )
    miss = np.abs(back - points).max(axis=(1, 2))
    home = (seen.ravel() == 1) & (seen_back.ravel() == 1) & (miss < _HOME_PX)
    return there.reshape(-1, 2).astype(np.float32), home


def _moved(box: Floats, start: Floats, there: Floats) -> Floats:
    """`box` moved by the median move of its points and scaled by the median change of their distances from the middle."""
    middle, now_middle = np.median(start, axis=0), np.median(there, axis=0)
    apart = np.abs(start - middle).sum(axis=1)
    now_apart = np.abs(there - now_middle).sum(axis=1)
    far = apart > 1.0
    change = float(np.median(now_apart[far] / apart[far])) if far.any() else 1.0
    move = np.median(there - start, axis=0)
    change = min(1 + _SIZE_STEP, max(1 - _SIZE_STEP, change))
    centre = (box[:2] + box[2:]) / 2 + move
    half = (box[2:] - box[:2]) / 2 * change
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def _blind(box: Floats, camera_move: Floats | None) -> Floats:
    grown = (box[2:] - box[:2]) * _BLIND_GROWTH
    moved = box if camera_move is None else box + np.tile(camera_move, 2)
    return np.concatenate([moved[:2] - grown, moved[2:] + grown]).astype(np.float32)
