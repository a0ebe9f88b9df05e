"""What a worn camera does to a picture: light, cast, blur, noise, a smaller recording, compression."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Bgr = NDArray[np.uint8]


def spoil(rng: Generator, scene: Bgr) -> Bgr:
    """Light, cast, blur, noise and compression of a worn camera."""
    face = scene.astype(np.float32)
    if rng.random() < 0.5:
        face = 255 * (face / 255) ** float(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.25:  # the edge of a shadow under a low sun; what is in it is blue
        high, wide = face.shape[:2]
        shade = np.zeros((high, wide), np.float32)
        cv2.fillPoly(
            shade, [np.int32(rng.uniform(-0.3, 1.3, (int(rng.integers(3, 6)), 2)) * (wide, high))], 1.0, cv2.LINE_AA
        )
        shade = cv2.GaussianBlur(shade, (0, 0), float(rng.uniform(0.7, 6)))[..., None]
        face *= 1 - shade * (1 - np.float32([rng.uniform(0.45, 0.8), rng.uniform(0.35, 0.65), rng.uniform(0.3, 0.6)]))
    if rng.random() < 0.2:  # sun in the lens: a veil over everything
        share = float(rng.uniform(0.1, 0.5))
        face = face * (1 - share) + rng.uniform(90, 230, 3).astype(np.float32) * share
    if rng.random() < 0.3:  # night or deep shade: little light, a lamp somewhere
        face *= rng.uniform(0.12, 0.6)
        if rng.random() < 0.4:
            face *= np.float32([rng.uniform(1.0, 1.5), 1.0, rng.uniform(0.7, 1.0)])
        if rng.random() < 0.5:
            y, x = np.ogrid[: face.shape[0], : face.shape[1]]
            gap = (x - rng.uniform(0, face.shape[1])) ** 2 + (y - rng.uniform(0, face.shape[0])) ** 2
            face *= (1 + rng.uniform(1, 4) * np.exp(-gap / (2 * (face.shape[0] * rng.uniform(0.1, 0.4)) ** 2)))[
                ..., None
            ]
    if rng.random() < 0.4:
        face *= rng.uniform(0.85, 1.15, 3).astype(np.float32)
    if rng.random() < 0.08:
        face[:] = face.mean(axis=2, keepdims=True)
    if rng.random() < 0.4:
        face = cv2.GaussianBlur(face, (0, 0), float(rng.uniform(0.4, 2.0)))
    if rng.random() < 0.25:  # the camera moves while the shutter is open
        face = smear(face, float(rng.integers(3, 13)), float(rng.uniform(0, np.pi)))
    return record(rng, face)


def record(rng: Generator, scene: Bgr | NDArray[np.float32]) -> Bgr:
    """Noise, a smaller recording, sharpening, compression."""
    face = scene.astype(np.float32)
    if rng.random() < 0.4:
        face += rng.standard_normal(face.shape, np.float32) * np.float32(rng.uniform(1, 14))
    done = np.clip(face, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:  # recorded smaller, or filtered by a thrifty encoder, then shown larger
        small = float(rng.uniform(0.45, 0.9))
        done = cv2.resize(
            cv2.resize(done, None, fx=small, fy=small, interpolation=cv2.INTER_AREA),
            done.shape[1::-1],
            interpolation=cv2.INTER_CUBIC,
        )
    elif rng.random() < 0.25:  # sharpened by the camera
        done = cv2.addWeighted(done, 2.0, cv2.GaussianBlur(done, (0, 0), float(rng.uniform(0.8, 2))), -1.0, 0)
    if rng.random() < 0.65:
        quality = int(rng.integers(12, 92))
        done = cv2.imdecode(cv2.imencode(".jpg", done, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return np.asarray(done, np.uint8)


def smear(face: NDArray[np.float32], length: float, angle: float) -> NDArray[np.float32]:
    """What a camera records that moves by `length` pixels while its shutter is open."""
    size = max(3, round(length) | 1)
    kernel = np.zeros((size, size), np.float32)
    arm = np.asarray([np.cos(angle), np.sin(angle)]) * size / 2
    ends = [(int(size / 2 + s * arm[0]), int(size / 2 + s * arm[1])) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(cv2.filter2D(face, -1, kernel / max(1.0, float(kernel.sum()))), np.float32)
