"""A subject cut out of a picture as recorded, with what is around it, for those that look at it alone."""

from dataclasses import dataclass

import cv2
import numpy as np

from bwc.media.decode import Picture
from bwc.media.planes import bgr_of, cropped
from bwc.redact.detectors.base import FloatBox, Picture8

SIDE, AROUND = 160, 5.0  # pixels of what is cut out, and how much that is, in lengths of the box's longer side
_BY_AREA = 0.7  # made smaller than this, pixels are averaged


@dataclass(frozen=True, slots=True)
class Cut:
    """The square around `box`, upright; `wide` and `high` is the box in it."""

    square: Picture8
    box: FloatBox
    wide: float
    high: float

    @classmethod
    def of(cls, picture: Picture, box: FloatBox, turns: int) -> "Cut":
        sides = (box[2] - box[0], box[3] - box[1])
        wide, high = sides[::-1] if turns % 2 else sides
        return cls(np.ascontiguousarray(np.rot90(_around(picture, box), turns)), box, wide, high)


def _around(picture: Picture, box: FloatBox) -> Picture8:
    """The square around `box`, black where the picture ends."""
    half = AROUND * max(box[2] - box[0], box[3] - box[1]) / 2
    x, y = (box[0] + box[2]) / 2 - half, (box[1] + box[3]) / 2 - half
    left, top = max(0, int(x) & ~1), max(0, int(y) & ~1)
    right, bottom = min(picture.width, int(x + 2 * half) + 1), min(picture.height, int(y + 2 * half) + 1)
    if right - left < 2 or bottom - top < 2:
        return np.zeros((SIDE, SIDE, 3), np.uint8)
    planes = cropped((picture.y, picture.u, picture.v), (left, top, right - left, bottom - top))
    part = bgr_of(*planes, full_range=picture.colour.range == 2)
    scale = SIDE / (2 * half)
    if scale < _BY_AREA:
        part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    step = 1.0 if scale < _BY_AREA else scale
    view = np.asarray([[step, 0, (left - x) * scale], [0, step, (top - y) * scale]], np.float32)
    return np.asarray(cv2.warpAffine(part, view, (SIDE, SIDE)), np.uint8)
