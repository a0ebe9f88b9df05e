"""Heads that turn: a photograph of a face laid around an ellipsoid, with hair behind, drawn at any angle and size.

A flat sprite cannot turn away. An ellipsoid has no nose, so a profile is plainer than a real one; what matters here is
that the face goes out of sight by and by, that nothing else of the head changes, and that its place is known exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, radians, sin
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

ASPECT = 0.78  # width of a head over its height, hair to chin
_HALF_FACE = 80.0  # degrees of the ellipsoid's surface, left and right, that the photograph covers
_MAP = (256, 512)  # rows, columns of the surface: latitude, longitude
TONES = {"light": 1.0, "medium": 0.72, "dark": 0.45}  # what the photograph's reflectance is multiplied by
# the head (hair to chin, ear to ear) in each photograph: name, x, y, w, h
ASTRONAUT = (163, 30, 122, 168)
OTHERS = {"egoblur_man.jpg": (440, 40, 310, 450), "egoblur_face_image.png": (1360, 590, 180, 240)}


@dataclass(frozen=True, slots=True)
class Head:
    """One person's surface, `_MAP` of BGR; `name` says whose photograph and which tone."""

    name: str
    tone: str
    surface: Floats


@dataclass(frozen=True, slots=True)
class Wear:
    """What a head wears or what is held before it."""

    cap: bool = False
    mask: bool = False
    glasses: bool = False

    @property
    def text(self) -> str:
        worn = [name for name in ("cap", "mask", "glasses") if getattr(self, name)]
        return "+".join(worn) or "bare"


def heads(stills: Path | None) -> list[Head]:
    """Every photograph at hand in every tone. Only the astronaut (public domain) is always there."""
    photos = [("astronaut", cv2.cvtColor(np.ascontiguousarray(skimage.data.astronaut()), cv2.COLOR_RGB2BGR), ASTRONAUT)]
    for name, box in OTHERS.items():
        picture = cv2.imread(str(stills / name)) if stills and (stills / name).is_file() else None
        if picture is not None:
            photos.append((name, picture, box))
    return [_head(name, photo, box, tone) for tone in TONES for name, photo, box in photos]


def _head(name: str, photo: Pixels, box: Sequence[int], tone: str) -> Head:
    x, y, w, h = box
    crop = photo[max(0, y) : y + h, max(0, x) : x + w].astype(np.float32)
    rows, columns = _MAP
    latitude = (np.arange(rows) + 0.5) / rows * 180 - 90  # top to bottom
    longitude = (np.arange(columns) + 0.5) / columns * 360 - 180
    across = np.sin(np.radians(np.clip(longitude, -_HALF_FACE, _HALF_FACE))) / sin(radians(_HALF_FACE))
    map_x = np.broadcast_to(((across + 1) / 2 * (crop.shape[1] - 1)).astype(np.float32), (rows, columns))
    down = (np.sin(np.radians(latitude)) + 1) / 2 * (crop.shape[0] - 1)
    map_y = np.broadcast_to(down.astype(np.float32)[:, None], (rows, columns))
    surface = cv2.remap(crop, np.ascontiguousarray(map_x), np.ascontiguousarray(map_y), cv2.INTER_LINEAR)
    hair = np.median(crop[: max(2, crop.shape[0] // 14)].reshape(-1, 3), axis=0) * 0.8
    noise = np.random.default_rng(len(name)).normal(0, 12, (rows // 4, columns // 4, 1)).astype(np.float32)
    back = np.clip(hair + cv2.resize(noise, (columns, rows))[..., None], 0, 255)
    front = np.clip((_HALF_FACE - np.abs(longitude)) / 12, 0, 1).astype(np.float32)[None, :, None]
    neck = np.clip((latitude - 55) / 10, 0, 1).astype(np.float32)[:, None, None]  # the nape is skin
    skin = np.median(crop[crop.shape[0] * 6 // 10 : crop.shape[0] * 7 // 10].reshape(-1, 3), axis=0)
    surface = surface * front + (back * (1 - neck) + skin * neck) * (1 - front)
    return Head(name, tone, np.clip(surface * TONES[tone], 0, 255).astype(np.float32))


@cache
def _sphere(height: int) -> tuple[Floats, Floats, Floats, Floats]:
    """(x, y, z, alpha) of the half of a unit ball that faces us, `height` pixels tall and `ASPECT` as wide."""
    width = max(4, round(height * ASPECT))
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    y = (np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1
    x, y = np.meshgrid(x, y)
    radius = x * x + y * y
    z = np.sqrt(np.clip(1 - radius, 0, 1)).astype(np.float32)
    alpha = np.clip((1 - np.sqrt(radius)) * height / 2, 0, 1).astype(np.float32)
    return x, y, z, alpha


def draw(head: Head, height: int, *, yaw: float, pitch: float = 0.0, wear: Wear | None = None) -> tuple[Floats, Floats]:
    """(BGR, alpha) of `head`, `height` pixels tall, turned by `yaw` and `pitch` degrees (0: towards us)."""
    x, y, z, alpha = _sphere(height)
    p, t = radians(pitch), radians(yaw)
    y2, z2 = y * cos(p) - z * sin(p), y * sin(p) + z * cos(p)
    x3, z3 = x * cos(t) + z2 * sin(t), -x * sin(t) + z2 * cos(t)
    longitude = np.degrees(np.arctan2(x3, z3))
    latitude = np.degrees(np.arcsin(np.clip(y2, -1, 1)))
    rows, columns = _MAP
    map_x = ((longitude + 180) / 360 * columns - 0.5).astype(np.float32)
    map_y = ((latitude + 90) / 180 * rows - 0.5).astype(np.float32)
    picture = cv2.remap(_worn(head.surface, wear or Wear()), map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    light = (0.62 + 0.38 * z)[..., None]  # from where we stand, so that the ball looks round
    return (picture * light).astype(np.float32), alpha


def _worn(surface: Floats, wear: Wear) -> Floats:
    if wear.text == "bare":
        return surface
    rows, columns = _MAP
    made = surface.copy()
    latitude = (np.arange(rows) + 0.5) / rows * 180 - 90
    longitude = np.abs((np.arange(columns) + 0.5) / columns * 360 - 180)
    if wear.mask:
        made[np.ix_((latitude > 8) & (latitude < 62), longitude < 70)] = (205, 190, 150)
    if wear.glasses:
        made[np.ix_((latitude > -16) & (latitude < 2), (longitude > 6) & (longitude < 40))] = (25, 22, 20)
        made[np.ix_((latitude > -12) & (latitude < -8), longitude < 75)] = (25, 22, 20)
    if wear.cap:
        made[np.ix_(latitude < -22, longitude < 361)] = (95, 45, 30)
        made[np.ix_((latitude > -26) & (latitude < -14), longitude < 55)] = (60, 28, 20)  # the brim and its shade
    return made
