"""A short look at a picture turned on its side or upside down: whether people stand another way than a recording says.

Networks find upright faces. Cameras are mounted upside down or sideways, and some write a false rotation. The look has the
size and shape of an ordinary one: each shape of picture that a network is made ready for takes half a second and 20 MB.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from bwc.redact.detectors.base import Detection, Detector, FloatBox, Picture8
from bwc.redact.detectors.view import Looker, View, unturned

OVER, SIDES = (2,), (1, 3)  # quarter turns from how a picture is shown; both sides are looked at in one
_SIDE = 640


def look_aside(detector: Detector, view: View, quarters: Sequence[int]) -> list[tuple[int, Detection]]:
    """What `detector` sees in `view` turned by each of `quarters` (`OVER` or `SIDES`): the turn, and the box in the view as it is."""
    side = min(_SIDE, max(view.shape))
    padded, scale = view.at(side)
    small = padded[: round(view.height * scale), : round(view.width * scale)]
    sheet, places = _sheet(small, quarters)
    laid = View.of(sheet)
    found = detector.look(laid) if isinstance(detector, Looker) else detector.detect(sheet)
    seen = []
    for one in found:
        x, y = (one.box[0] + one.box[2]) / 2, (one.box[1] + one.box[3]) / 2
        for turn, (left, top, turned) in zip(quarters, places, strict=True):
            rows, columns = turned
            if left <= x < left + columns and top <= y < top + rows:
                shape = (columns, rows) if turn % 2 else (rows, columns)
                box = unturned(_moved(one.box, -left, -top), turn, shape)
                seen.append((turn, Detection(_scaled(box, view.width / shape[1]), one.score, one.class_)))
    return seen


def turned_within(found: Sequence[Detection], turn: int, shape: tuple[int, int]) -> list[Detection]:
    """What was found in a view of `shape` turned by `turn`, in that view as it is."""
    return [Detection(unturned(one.box, turn, shape), one.score, one.class_, one.ours) for one in found]


def _sheet(small: Picture8, quarters: Sequence[int]) -> tuple[Picture8, list[tuple[int, int, tuple[int, int]]]]:
    """Turned pictures on one of the size of `small`; where each begins (left, top), and its rows and columns."""
    rows, columns = small.shape[:2]
    if tuple(quarters) == OVER:
        return np.ascontiguousarray(np.rot90(small, 2)), [(0, 0, (rows, columns))]
    longer, shorter = max(rows, columns), min(rows, columns)
    scale = min(shorter / longer, longer / 2 / shorter)  # two that lie across, one beside the other
    size = max(1, int(columns * scale)), max(1, int(rows * scale))
    less = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.uint8)
    sheet, places = np.zeros_like(small), []
    for number, turn in enumerate(quarters):
        turned = np.rot90(less, turn)
        left, top = (number * (columns // 2), 0) if columns >= rows else (0, number * (rows // 2))
        sheet[top : top + turned.shape[0], left : left + turned.shape[1]] = turned
        places.append((left, top, (turned.shape[0], turned.shape[1])))
    return sheet, places


def _moved(box: FloatBox, x: float, y: float) -> FloatBox:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def _scaled(box: FloatBox, by: float) -> FloatBox:
    return box[0] * by, box[1] * by, box[2] * by, box[3] * by
