"""Plates as a worn camera sees them across a car park: small, on real backs of cars, in the shade, blurred, hardly lit."""

import cv2
import heads
import numpy as np
from camera import smear
from dataset import PLATE, Sample
from numpy.random import Generator
from numpy.typing import NDArray

Bgr = NDArray[np.uint8]
SIZES = (8.0, 32.0)  # heights of plates meant here, in pixels
_PATCH = 24.0  # height of the plate in a patch that is kept
Patch = tuple[Bgr, NDArray[np.float32]]


def patches(sample: Sample) -> list[Patch]:
    """Each plate of a photograph with what is around it on its car, and the plate's box in that."""
    assert sample.bgr is not None
    found: list[Patch] = []
    plates = sample.of(PLATE)
    for x0, y0, x1, y1 in plates:
        wide, high = x1 - x0, y1 - y0
        if high < 14 or sample.source == "plates_in_phone":  # too small to be shrunk; loose boxes
            continue
        area = np.float32([x0 - 1.8 * wide, y0 - 3.5 * high, x1 + 1.8 * wide, y1 + 2.5 * high])
        area = np.clip(area, 0, [*sample.bgr.shape[1::-1]] * 2).round().astype(int)
        middles = (plates[:, :2] + plates[:, 2:]) / 2
        inside = ((middles > area[:2]) & (middles < area[2:])).all(axis=1).sum()
        if inside > 1 or (area[2] - area[0]) < 1.6 * wide:
            continue
        scale = min(1.0, _PATCH / float(high))
        part = sample.bgr[area[1] : area[3], area[0] : area[2]]
        part = cv2.resize(part, None, fx=scale * sample.stretch, fy=scale, interpolation=cv2.INTER_AREA)
        to = np.float32([scale * sample.stretch, scale] * 2)
        found.append((np.asarray(part, np.uint8), (np.float32([x0, y0, x1, y1]) - area[[0, 1, 0, 1]]) * to))
    return found


def put(rng: Generator, scene: Bgr, patch: Patch, taken: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Put a patch into `scene`, its rim faded; the box of the plate, or None where something is already."""
    bgr, box = patch
    high, wide = bgr.shape[:2]
    mask = np.minimum.outer(_ramp(high), _ramp(wide))
    if rng.random() < 0.55:  # from the side: narrow, its lines no longer level
        narrow = float(rng.uniform(0.22, 0.95))
        lean = float(rng.normal(0, 0.35)) * (1.1 - narrow)
        matrix = np.float32([[narrow, 0, 0], [lean, 1, max(0.0, -lean * wide)]])
        size = max(4, round(wide * narrow)), round(high + abs(lean) * wide)
        bgr, mask = (cv2.warpAffine(flat, matrix, size, flags=cv2.INTER_AREA) for flat in (bgr, mask))
        corners = (heads.SQUARE + 0.5) * (box[2:] - box[:2]) + box[:2]
        moved = corners @ matrix[:, :2].T + matrix[:, 2]
        box = np.concatenate([moved.min(0), moved.max(0)]).astype(np.float32)
    most = min(SIZES[1], 1.1 * float(box[3] - box[1]))
    figure = np.asarray(bgr, np.uint8), np.asarray(mask, np.float32), box
    return heads.put(rng, scene, figure, taken, smallest=SIZES[0], largest=most, outline=heads.SQUARE)


def _ramp(length: int) -> NDArray[np.float32]:
    at = (np.arange(length, dtype=np.float32) + 0.5) / length
    return np.clip(np.minimum(at, 1 - at) / 0.14, 0, 1)


def shade(rng: Generator, scene: Bgr, high: float) -> Bgr:
    """Little light, little contrast, a blue or purple cast, out of focus by a share of the plate's height `high`."""
    face = scene.astype(np.float32)
    level = float(np.exp(rng.uniform(np.log(24), np.log(95))))
    face *= float(np.clip(level / max(8.0, float(face.mean())), 0.12, 1.3))
    level = float(face.mean())
    face = (face - level) * float(rng.uniform(0.45, 1.0)) + level + float(rng.uniform(0, 20))
    face *= np.float32([rng.uniform(1.0, 1.5), rng.uniform(0.82, 1.0), rng.uniform(0.8, 1.15)])
    face = cv2.GaussianBlur(face, (0, 0), float(np.clip(high * rng.uniform(0.03, 0.14), 0.4, 3.5)))
    if rng.random() < 0.35:  # one arm of a shaken camera
        face = smear(face, high * float(rng.uniform(0.15, 0.7)), float(rng.uniform(0, np.pi)))
    if rng.random() < 0.3:  # lamps, chrome and the sky stay bright and bloom
        bright = cv2.GaussianBlur(np.clip(scene.astype(np.float32) - 190, 0, None), (0, 0), max(1.0, high * 0.2))
        face += bright * float(rng.uniform(0.8, 2.5))
    return np.clip(face, 0, 255).astype(np.uint8)
