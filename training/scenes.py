"""One picture to learn from: a piece of a photograph, perhaps with drawn plates in it, seen through a bad camera."""

from dataclasses import dataclass, field

import bait
import cv2
import numpy as np
from dataset import Sample
from numpy.random import Generator
from numpy.typing import NDArray
from plates import Bgr, Fonts, draw, wear

Boxes = NDArray[np.float32]  # n x 4: x0, y0, x1, y1
SMALLEST, LARGEST = 7.0, 110.0  # height in pixels of the plates learnt; smaller ones are ignored, not punished
_POOL = 1200


@dataclass(slots=True)
class Studio:
    """Draws pictures of `side` x `side` pixels from `real` photographs, `plain` ones and its own plates."""

    real: list[Sample]
    plain: list[Sample]
    fonts: Fonts
    side: int = 224
    pool: list[Bgr] = field(default_factory=list)

    def fill(self, rng: Generator) -> None:
        self.pool = [draw(rng, self.fonts) for _ in range(_POOL)]

    def picture(self, rng: Generator) -> tuple[Bgr, Boxes, bool]:
        """(picture, boxes, whether everything outside the boxes is surely no plate)."""
        kind = rng.random()
        if kind < 0.5:
            weights = np.asarray([_SHARE.get(s.source, 1.0) for s in self.real])
            sample = self.real[int(rng.choice(len(self.real), p=weights / weights.sum()))]
        else:
            sample = self.plain[int(rng.integers(len(self.plain)))]
        ground = cut(rng, self.plain[int(rng.integers(len(self.plain)))], self.side)[0] if kind < 0.5 else None
        scene, boxes = cut(rng, sample, self.side, ground)
        if kind >= 0.5 and rng.random() < 0.5:
            bait.draw(rng, scene)
        if (kind < 0.5 and rng.random() < 0.3) or 0.5 <= kind < 0.85:
            boxes = self._paste(rng, scene, boxes)
        if rng.random() < 0.3:
            scene = np.ascontiguousarray(scene[:, ::-1])
            boxes = np.stack([self.side - boxes[:, 2], boxes[:, 1], self.side - boxes[:, 0], boxes[:, 3]], axis=1)
        return spoil(rng, scene), boxes.astype(np.float32), sample.complete

    def _paste(self, rng: Generator, scene: Bgr, boxes: Boxes) -> Boxes:
        for _ in range(int(rng.integers(1, 4))):
            slot = int(rng.integers(len(self.pool)))
            if rng.random() < 0.1:
                self.pool[slot] = draw(rng, self.fonts)
            box = stick(rng, scene, wear(rng, self.pool[slot]), boxes)
            if box is not None:
                boxes = np.concatenate([boxes, box[None]])
        return boxes


# How often a picture of a source is chosen: varied ones more than frames of one drive
_SHARE = {"plates_ro_dashcam": 1.0, "plates_openimages": 2.0, "plates_my_gate": 0.7}


def cut(rng: Generator, sample: Sample, side: int, ground: Bgr | None = None) -> tuple[Bgr, Boxes]:
    """A piece of the photograph around one of its plates (or anywhere), at a chosen size, a little turned.

    Where the photograph ends, `ground` (written over) is seen, or the photograph mirrored.
    """
    assert sample.bgr is not None
    high, wide = sample.bgr.shape[:2]
    stretch = sample.stretch ** float(rng.uniform(0.3, 1.3)) * float(np.exp(rng.normal(0, 0.08)))
    if len(sample.boxes):
        box = sample.boxes[int(rng.integers(len(sample.boxes)))]
        wanted = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST * 0.8))))
        scale = min(wanted / max(4.0, float(box[3] - box[1])), 1.8, side / float(box[2] - box[0]) / stretch)
        x, y = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
        middle = rng.uniform(0.15, 0.85, 2) * side
    else:
        scale = float(np.exp(rng.uniform(np.log(side / max(high, wide)), np.log(1.4))))
        x, y = float(rng.uniform(0, wide)), float(rng.uniform(0, high))
        middle = rng.uniform(0.3, 0.7, 2) * side
    bgr, shrunk = sample.bgr, 1.0
    if scale < 0.7:  # an area mean first: a bare warp would flicker
        shrunk = scale
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    turn = float(rng.normal(0, 5) if rng.random() < 0.8 else rng.normal(0, 18))
    turning = cv2.getRotationMatrix2D((0, 0), turn, 1.0)[:, :2] @ np.diag([stretch, 1.0]) * scale
    move = middle - turning @ np.asarray([x, y])
    matrix = np.concatenate([turning / shrunk, move[:, None]], axis=1)
    border = cv2.BORDER_REFLECT_101 if ground is None else cv2.BORDER_TRANSPARENT
    scene = cv2.warpAffine(bgr, matrix, (side, side), dst=ground, flags=cv2.INTER_LINEAR, borderMode=border)
    matrix[:, :2] *= shrunk
    return np.asarray(scene, np.uint8), visible(np.asarray([_moved(b, matrix) for b in sample.boxes]), side)


def _moved(box: Boxes, matrix: NDArray[np.float64]) -> Boxes:
    corners = np.asarray([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]]) @ matrix[:, :2].T
    corners += matrix[:, 2]
    return np.concatenate([corners.min(0), corners.max(0)]).astype(np.float32)


def visible(boxes: Boxes, side: int) -> Boxes:
    """The boxes clipped to the picture, without those of which less than a third is in it."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    clipped = np.clip(boxes, 0, side)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    inside = (clipped[:, 2] - clipped[:, 0]) * (clipped[:, 3] - clipped[:, 1])
    return np.asarray(clipped[inside > 0.33 * area], np.float32)


def stick(rng: Generator, scene: Bgr, plate: Bgr, taken: Boxes) -> Boxes | None:
    """Put `plate` into `scene` in perspective, often on something like a car; its box, or None where one is already."""
    side = scene.shape[0]
    high = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST * 0.7))))
    yaw = np.cos(np.radians(rng.uniform(0, 60) if rng.random() < 0.5 else rng.uniform(0, 20)))
    wide = high * plate.shape[1] / plate.shape[0] * yaw
    if wide > side * 1.2:
        high, wide = high * side / wide, float(side)
    turn = np.radians(rng.normal(0, 6) if rng.random() < 0.75 else rng.normal(0, 20))
    shear, taper = rng.normal(0, 0.12) * (1.2 - yaw), rng.normal(0, 0.1) * (1.3 - yaw)
    unit = np.float32([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    quad = unit * np.float32([wide, high])
    quad[:, 1] *= 1 + taper * 2 * unit[:, 0]
    quad[:, 1] += shear * quad[:, 0]
    quad = quad @ np.float32([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    quad += rng.uniform(0, side, 2).astype(np.float32)
    box = np.concatenate([quad.min(0), quad.max(0)])
    grown = box + np.float32([-0.3, -0.3, 0.3, 0.3]) * (box[3] - box[1])
    for other in taken:
        if min(grown[2], other[2]) > max(grown[0], other[0]) and min(grown[3], other[3]) > max(grown[1], other[1]):
            return None
    clipped = visible(box, side)
    if not len(clipped):
        return None
    low = np.clip(box, 0, side).astype(int)
    around = scene[low[1] : low[3] + 1, low[0] : low[2] + 1]
    light = float(np.clip(around.mean() / 120 if around.size else 1.0, 0.25, 1.3)) * float(rng.uniform(0.75, 1.25))
    if rng.random() < 0.45:
        _body(rng, scene, quad, high)
    factor = high / plate.shape[0]
    small = (
        plate
        if factor > 0.7
        else cv2.resize(
            plate, None, fx=max(0.04, factor * 1.3), fy=max(0.04, factor * 1.3), interpolation=cv2.INTER_AREA
        )
    )
    ends = unit + 0.5
    corners = ends * np.float32([small.shape[1], small.shape[0]])
    warp = cv2.getPerspectiveTransform(corners.astype(np.float32), quad.astype(np.float32))
    lit = np.clip(small * (light * rng.uniform(0.94, 1.06, 3)), 0, 255).astype(np.uint8)
    drawn = cv2.warpPerspective(lit, warp, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(mask, np.round(quad * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    share = mask[..., None].astype(np.float32) / 255
    scene[:] = (scene * (1 - share) + drawn * share).astype(np.uint8)
    return np.asarray(clipped[0], np.float32)


def _body(rng: Generator, scene: Bgr, quad: Boxes, high: float) -> None:
    """A painted panel, bumper and lamps around the plate."""
    centre = quad.mean(0)
    along, down = (quad[1] - quad[0]) * rng.uniform(1.3, 3.4), (quad[3] - quad[0]) * rng.uniform(1.6, 4)
    paint = np.float32(rng.integers(10, 240) + rng.normal(0, 25, 3)) * np.clip(scene.mean() / 110, 0.3, 1.2)
    panel = np.stack(
        [
            centre - along / 2 - down / 2,
            centre + along / 2 - down / 2,
            centre + along / 2 + down / 2,
            centre - along / 2 + down / 2,
        ]
    )
    mask = np.zeros(scene.shape[:2], np.float32)
    cv2.fillConvexPoly(mask, np.round(panel).astype(np.int32), 1.0, cv2.LINE_AA)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.6, high * 0.06))[..., None]
    ramp = 1 + (np.arange(scene.shape[0], dtype=np.float32)[:, None, None] - centre[1]) / max(
        60.0, 5 * high
    ) * rng.uniform(-0.5, 0.5)
    scene[:] = np.clip(scene * (1 - mask) + paint * ramp * mask, 0, 255).astype(np.uint8)
    for end in (-0.5, 0.5):
        if rng.random() < 0.6:
            at = centre + along * end * 0.92 - down * rng.uniform(0, 0.3)
            lamp = (30, 30, int(rng.integers(120, 256))) if rng.random() < 0.8 else (230, 240, 250)
            cv2.ellipse(
                scene,
                (int(at[0]), int(at[1])),
                (max(2, int(high * 0.5)), max(2, int(high * 0.35))),
                0,
                0,
                360,
                lamp,
                -1,
                cv2.LINE_AA,
            )
    if rng.random() < 0.5:
        y = centre + down * 0.25
        ends = (y - along / 2, y + along / 2)
        tone = tuple(int(v) for v in np.clip(paint * rng.uniform(0.3, 0.8), 0, 255))
        cv2.line(scene, *[(int(e[0]), int(e[1])) for e in ends], tone, max(1, int(high * rng.uniform(0.1, 0.4))))


def spoil(rng: Generator, scene: Bgr) -> Bgr:
    """Light, cast, blur, noise and compression of a worn camera."""
    face = scene.astype(np.float32)
    if rng.random() < 0.5:
        face = 255 * (face / 255) ** float(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.2:  # night: little light, a lamp somewhere
        face *= rng.uniform(0.2, 0.6)
        if rng.random() < 0.5:
            y, x = np.ogrid[: face.shape[0], : face.shape[1]]
            far = (x - rng.uniform(0, face.shape[1])) ** 2 + (y - rng.uniform(0, face.shape[0])) ** 2
            face *= (1 + rng.uniform(1, 4) * np.exp(-far / (2 * (face.shape[0] * rng.uniform(0.1, 0.4)) ** 2)))[
                ..., None
            ]
    if rng.random() < 0.4:
        face *= rng.uniform(0.85, 1.15, 3).astype(np.float32)
    if rng.random() < 0.08:
        face[:] = face.mean(axis=2, keepdims=True)
    if rng.random() < 0.3:
        face = cv2.GaussianBlur(face, (0, 0), float(rng.uniform(0.4, 1.6)))
    if rng.random() < 0.2:  # the camera moves while the shutter is open
        length = int(rng.integers(3, 12))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        arm = np.asarray([np.cos(angle), np.sin(angle)]) * length / 2
        cv2.line(kernel, *[(int(length / 2 + s * arm[0]), int(length / 2 + s * arm[1])) for s in (-1, 1)], 1.0)
        face = cv2.filter2D(face, -1, kernel / max(1.0, float(kernel.sum())))
    if rng.random() < 0.4:
        face += rng.standard_normal(face.shape, np.float32) * np.float32(rng.uniform(1, 14))
    done = np.clip(face, 0, 255).astype(np.uint8)
    if rng.random() < 0.65:
        quality = int(rng.integers(22, 92))
        done = cv2.imdecode(cv2.imencode(".jpg", done, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return np.asarray(done, np.uint8)
