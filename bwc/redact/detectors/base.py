"""What a detector is: a picture in, boxes with scores out; and the small arithmetic all of them share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from bwc.canonical import Json
from bwc.redact.plan import DetectorInfo

FloatBox = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the picture given, half-open
Picture8 = NDArray[np.uint8]  # height x width x 3, blue green red
Floats = NDArray[np.float32]

STRIDE = 32  # both networks halve the picture five times
ENLARGE = 1.5  # at 1.25 a cook of 20 px behind a counter in a 854-pixel picture was no longer found


@dataclass(frozen=True, slots=True)
class Detection:
    """One box in one picture by one detector. `score` is the network's own, 0 to 1, not a probability."""

    box: FloatBox
    score: float
    class_: str
    ours: float | None = None  # what our detectors alone scored, 0 for nothing; None: no plug-in had a say


class Detector(Protocol):
    """Finds subjects in one picture. Holds no state between pictures and uses one thread of its caller."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def describe(self) -> DetectorInfo:
        """The model and settings, to be recorded in the plan."""
        ...

    def detect(self, bgr: Picture8) -> list[Detection]:
        """Boxes inside `bgr` (clipped to it), best score first."""
        ...


def fit(bgr: Picture8, long_side: int) -> tuple[Picture8, float]:
    """`bgr` scaled so that its longer side is `long_side`, padded right and below to whole strides, and the scale.

    The shape is kept (a stretched face scores lower); the padding is black, as at the edge of a lens.
    """
    height, width = bgr.shape[:2]
    scale = long_side / max(height, width)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return on_strides(np.asarray(cv2.resize(bgr, (new_width, new_height), interpolation=how), np.uint8)), scale


def on_strides(bgr: Picture8) -> Picture8:
    """`bgr` padded with black, right and below, to whole strides."""
    height, width = bgr.shape[:2]
    if height % STRIDE == 0 and width % STRIDE == 0:
        return bgr
    canvas = np.zeros((-(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE, 3), np.uint8)
    canvas[:height, :width] = bgr
    return canvas


def sides_for(bgr: Picture8, long_sides: Sequence[int]) -> list[int]:
    """The sizes worth a pass over this picture: enlarging it past `ENLARGE` shows nothing new and costs as much."""
    return sides_within(max(bgr.shape[:2]), long_sides)


def sides_within(longer: int, long_sides: Sequence[int]) -> list[int]:
    """The same for a picture whose longer side is `longer` pixels."""
    most = max(min(long_sides), round(longer * ENLARGE / STRIDE) * STRIDE)
    return sorted({min(side, most) for side in long_sides})


def planes(bgr: Picture8, *, mean: Sequence[float] = (0.0, 0.0, 0.0), rgb: bool = False) -> Floats:
    """The network's input: 1 x 3 x height x width, float32, `mean` (blue, green, red) taken off."""
    data = bgr.astype(np.float32) - np.asarray(mean, np.float32)
    if rgb:
        data = data[:, :, ::-1]
    return np.ascontiguousarray(data.transpose(2, 0, 1)[None])


def overlap(box: Floats, boxes: Floats) -> tuple[Floats, Floats]:
    """(intersection over union, intersection over the smaller) of `box` (4) with each of `boxes` (n x 4)."""
    wide = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    high = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    shared = np.clip(wide, 0, None) * np.clip(high, 0, None)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    union = np.maximum(area + areas - shared, 1e-6)
    return shared / union, shared / np.maximum(np.minimum(area, areas), 1e-6)


def suppress(boxes: Floats, scores: Floats, *, iou: float) -> list[int]:
    """Indices of the boxes kept when every box that overlaps a better one by `iou` is dropped, best first."""
    order = [int(i) for i in np.argsort(-scores, kind="stable")]
    kept: list[int] = []
    while order:
        best = order.pop(0)
        kept.append(best)
        if order:
            shared, _ = overlap(boxes[best], boxes[order])
            order = [i for i, much in zip(order, shared, strict=True) if much < iou]
    return kept


def collect(boxes: Floats, scores: Floats, *, shape: tuple[int, ...], class_: str, iou: float) -> list[Detection]:
    """Detections clipped to a picture of `shape`; boxes without at least a pixel inside it are dropped."""
    height, width = shape[:2]
    found: list[Detection] = []
    for i in suppress(boxes, scores, iou=iou):
        x0, y0, x1, y1 = (float(v) for v in boxes[i])
        x0, y0, x1, y1 = max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)
        if x1 - x0 >= 1 and y1 - y0 >= 1:
            found.append(Detection((x0, y0, x1, y1), float(scores[i]), class_))
    return found


def merge(found: Iterable[Detection], *, iou: float = 0.4) -> list[Detection]:
    """Detections of several passes over one picture as one list, class by class, best first.

    A box that mostly lies in a better one of like size is the same subject. A much smaller one inside a large
    one is kept: the large one may be a mistake that a person will uncover.
    """
    kept: list[Detection] = []
    for one in sorted(found, key=lambda d: -d.score):
        if _same_as(one, kept, iou) is None:
            kept.append(one)
    return kept


def join(found: Iterable[Detection], *, iou: float = 0.4) -> list[Detection]:
    """`merge` of what our detectors saw in one picture, and what plug-ins saw besides: they widen and add, and take nothing away."""
    seen = list(found)
    kept = merge((one for one in seen if one.ours is None), iou=iou)
    for one in sorted((one for one in seen if one.ours is not None), key=lambda d: -d.score):
        place = _same_as(one, kept, iou)
        if place is None:
            kept.append(one)
        else:
            kept[place] = _both(kept[place], one)
    return sorted(kept, key=lambda d: -d.score)


def _same_as(one: Detection, kept: Sequence[Detection], iou: float) -> int | None:
    """The place of what shows the same subject as `one`; where several do, of the one that shares most with it."""
    places = [place for place, other in enumerate(kept) if other.class_ == one.class_]
    if not places:
        return None
    boxes = np.asarray([kept[place].box for place in places], np.float32)
    box = np.asarray(one.box, np.float32)
    shared, inside = overlap(box, boxes)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    ratio = (box[2] - box[0]) * (box[3] - box[1]) / np.maximum(areas, 1e-6)
    same = (shared >= iou) | ((inside >= 0.8) & (ratio > 0.3) & (ratio < 3.0))
    return places[int(np.argmax(np.where(same, shared, -1)))] if bool(same.any()) else None


def _both(one: Detection, other: Detection) -> Detection:
    (x0, y0, x1, y1), (u0, v0, u1, v1) = one.box, other.box
    box = (min(x0, u0), min(y0, v0), max(x1, u1), max(y1, v1))
    ours = max(seen.score if seen.ours is None else seen.ours for seen in (one, other))
    return Detection(box, max(one.score, other.score), one.class_, ours)


def info(
    *, name: str, package: str, file_sha256: str, licence: str, settings: Mapping[str, Json], precision: str = "f32"
) -> DetectorInfo:
    """A `DetectorInfo`; here so that detectors read alike."""
    return DetectorInfo(
        name=name,
        package=package,
        file_sha256=file_sha256,
        licence=licence,
        precision=precision,
        settings=dict(settings),
    )
