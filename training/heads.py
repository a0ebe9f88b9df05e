"""Heads to be stuck into pictures: drawn ones without a face (from behind, in profile, under a cap, a hood, a helmet), and cut-out ones.

Photographs of turned heads with a clean licence are few. The drawn ones teach outline, hair and shoulders; not a portrait.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Bgr = NDArray[np.uint8]
Box = NDArray[np.float32]
_TALL = 96  # pixels of the drawn head
_CUT = 64  # of one cut out: finding its outline takes 20 ms at this size
_WIDE, _HIGH, _CX, _TOP = 320, 256, 160, 30
_CY = _TOP + _TALL // 2
_HAIR = (
    (18, 16, 16),
    (30, 28, 34),
    (24, 40, 66),
    (40, 72, 110),
    (90, 140, 180),
    (130, 180, 214),
    (150, 150, 150),
    (200, 200, 204),
    (30, 60, 130),
)
SKIN = ((60, 80, 120), (80, 110, 160), (110, 145, 200), (150, 180, 226), (170, 200, 238), (40, 54, 80))

_ROUND = np.linspace(0, 2 * np.pi, 24)
RING = np.stack([np.cos(_ROUND), np.sin(_ROUND)], 1).astype(np.float32) / 2
SQUARE = np.float32([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])

Figure = tuple[Bgr, NDArray[np.float32], Box]


def cut_out(bgr: Bgr, box: Box, stretch: float) -> Figure | None:
    """A head of a photograph with its shoulders, freed from what is behind it; None when that fails."""
    x0, y0, x1, y1 = (float(v) for v in box)
    wide, high = x1 - x0, y1 - y0
    if high < 40:
        return None
    area = np.float32([x0 - wide * 0.7, y0 - high * 0.25, x1 + wide * 0.7, y1 + high * 0.7])
    area = np.clip(area, 0, [bgr.shape[1], bgr.shape[0]] * 2).round().astype(int)
    part = bgr[area[1] : area[3], area[0] : area[2]]
    scale = _CUT / high
    part = cv2.resize(
        part, None, fx=scale * stretch, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    inner = np.float32(
        [
            (x0 - area[0]) * scale * stretch,
            (y0 - area[1]) * scale,
            (x1 - area[0]) * scale * stretch,
            (y1 - area[1]) * scale,
        ]
    )
    y, x = np.ogrid[: part.shape[0], : part.shape[1]]
    cx, cy = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    rx, ry = (inner[2] - inner[0]) / 2, (inner[3] - inner[1]) / 2
    far = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)
    guess = np.full(part.shape[:2], cv2.GC_PR_BGD, np.uint8)
    guess[far > 1.35] = cv2.GC_BGD
    below = (y > cy + 0.75 * ry) & (np.abs(x - cx) < rx * (0.6 + 1.6 * np.clip((y - cy - 0.75 * ry) / ry, 0, 1)))
    guess[np.broadcast_to(below, guess.shape)] = cv2.GC_PR_FGD
    guess[far < 1.05] = cv2.GC_PR_FGD
    guess[far < 0.65] = cv2.GC_FGD
    try:
        cv2.grabCut(part, guess, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        return None
    mask = ((guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)).astype(np.float32)
    if mask[far < 1].mean() < 0.75:
        return None
    return np.asarray(part, np.uint8), cv2.GaussianBlur(mask, (0, 0), 1.2), inner


@dataclass(slots=True)
class _Canvas:
    """What is drawn on, and how much of each pixel has been."""

    rng: Generator
    face: NDArray[np.float32]
    mask: NDArray[np.float32]
    skin: NDArray[np.float32]
    half: float  # half the width of the head
    side: float  # turned to where: -1, 1, or 0 for straight away

    def fill(self, points: Sequence[tuple[float, float]], tone: NDArray[np.float32]) -> None:
        shape = np.round(np.asarray(points) * 16).astype(np.int32)
        cv2.fillPoly(self.face, [shape], tuple(float(v) for v in tone), cv2.LINE_AA, 4)
        cv2.fillPoly(self.mask, [shape], 1.0, cv2.LINE_AA, 4)

    def lay(self, stencil: NDArray[np.float32], tone: NDArray[np.float32], fine: tuple[int, int]) -> None:
        """`tone` with a texture: hair when fine across and coarse along, cloth when even."""
        noise = cv2.resize(self.rng.random((_HIGH // fine[1] + 1, _WIDE // fine[0] + 1), np.float32), (_WIDE, _HIGH))
        coarse = cv2.resize(self.rng.random((5, 6), np.float32), (_WIDE, _HIGH), interpolation=cv2.INTER_CUBIC)
        cover = tone * (0.55 + 0.5 * noise + 0.5 * coarse)[..., None] + 14 * noise[..., None]
        self.face[:] = self.face * (1 - stencil[..., None]) + cover * stencil[..., None]
        np.maximum(self.mask, stencil, out=self.mask)


def draw(rng: Generator) -> Figure:
    """(picture, how much of each pixel covers what lies behind, box of the head in it)."""
    canvas = _Canvas(
        rng,
        np.zeros((_HIGH, _WIDE, 3), np.float32),
        np.zeros((_HIGH, _WIDE), np.float32),
        np.float32(SKIN[int(rng.integers(len(SKIN)))]) * rng.uniform(0.8, 1.1),
        _TALL * float(rng.uniform(0.34, 0.45)),
        float(rng.choice([0.0, -1.0, 1.0], p=[0.5, 0.25, 0.25])),
    )
    _shoulders(canvas)
    neck, low = canvas.half * rng.uniform(0.5, 0.75), _TOP + _TALL * 1.2
    canvas.fill(
        [(_CX - neck, _CY), (_CX + neck, _CY), (_CX + neck * 1.15, low), (_CX - neck * 1.15, low)], canvas.skin * 0.8
    )
    box = _head(canvas)
    light = 1 + rng.uniform(-0.5, 0.5) * (np.arange(_WIDE, dtype=np.float32) - _CX) / canvas.half / 2
    face = canvas.face * np.clip(light, 0.4, 1.6)[None, :, None]
    return np.clip(face, 0, 255).astype(np.uint8), cv2.GaussianBlur(canvas.mask, (0, 0), 1.0), box


def _shoulders(canvas: _Canvas) -> None:
    rng = canvas.rng
    wide, start = _TALL * rng.uniform(0.85, 1.5), _TOP + _TALL * rng.uniform(0.95, 1.1)
    drop = _TALL * rng.uniform(0.15, 0.4)
    along = np.linspace(-1, 1, 21)
    line = [(_CX + wide * float(t), start + drop * float(abs(t) ** 2.2)) for t in along]
    shape = np.round(np.asarray([*line, (_CX + wide * 1.05, _HIGH), (_CX - wide * 1.05, _HIGH)]) * 16).astype(np.int32)
    stencil = np.zeros(canvas.mask.shape, np.float32)
    cv2.fillPoly(stencil, [shape], 1.0, cv2.LINE_AA, 4)
    tone = np.float32(rng.integers(10, 220) + rng.normal(0, 30, 3)).clip(4, 245)
    canvas.lay(stencil, tone, (int(rng.integers(2, 40)), int(rng.integers(2, 40))))


def _head(canvas: _Canvas) -> Box:
    """Draw it; its box."""
    rng, half, side, tall = canvas.rng, canvas.half, canvas.side, _TALL / 2
    kind = rng.choice(["hair", "long", "bald", "cap", "hood", "helmet"], p=[0.36, 0.2, 0.08, 0.2, 0.08, 0.08])
    x0, y0, x1, y1 = _CX - half, _CY - tall, _CX + half, _CY + tall
    canvas.fill(_oval(_CX, _CY, half, tall), canvas.skin)
    if side:  # nose and brow beyond the outline
        tip, near = _CX + side * half * rng.uniform(1.05, 1.2), _CX + side * half * 0.85
        canvas.fill([(near, _CY - 0.1 * tall), (tip, _CY + 0.2 * tall), (near, _CY + 0.4 * tall)], canvas.skin * 0.95)
        x0, x1 = min(x0, tip), max(x1, tip)
    for ear in (-1.0, 1.0) if not side else (0.0,):
        x = _CX + ear * half * 0.98 - side * half * 0.15
        canvas.fill(_oval(x, _CY + tall * 0.12, half * 0.16, tall * 0.2), canvas.skin * rng.uniform(0.75, 1.0))
    hair = np.float32(_HAIR[int(rng.integers(len(_HAIR)))]) * rng.uniform(0.8, 1.3)
    if kind in ("hair", "long", "cap"):
        low = _CY + tall * (rng.uniform(0.2, 0.75) if kind != "long" else rng.uniform(0.9, 1.9))
        front = _CX + side * half * rng.uniform(0.0, 0.45) if side else None
        _cover(canvas, (half * rng.uniform(1.0, 1.12), tall * 1.04), hair, low=low, front=front, down=kind == "long")
    dress = np.float32(rng.integers(8, 235) + rng.normal(0, 35, 3)).clip(4, 250)
    if kind == "cap":
        low = _CY - tall * rng.uniform(0.0, 0.35)
        _cover(canvas, (half * 1.08, tall * 1.1), dress, low=low)
        y0 -= tall * 0.1
        if side:
            near, far, y = _CX + side * half * 0.6, _CX + side * half * rng.uniform(1.5, 1.8), _CY - tall * 0.2
            canvas.fill([(near, y - 9), (far, y - 1), (far, y + 4), (near, y + 4)], dress * 0.8)
    elif kind in ("hood", "helmet"):
        low = _CY + tall * (1.1 if kind == "hood" else rng.uniform(0.0, 0.5))
        wide = half * rng.uniform(1.1, 1.3)
        front = _CX + side * half * 0.5 if side and kind == "hood" else None
        _cover(canvas, (wide, tall * 1.12), dress, low=low, front=front, down=kind == "hood")
        x0, x1, y0 = min(x0, _CX - wide), max(x1, _CX + wide), y0 - tall * 0.1
    return np.float32([x0, y0, x1, y1])


def _oval(x: float, y: float, wide: float, high: float) -> list[tuple[float, float]]:
    points = cv2.ellipse2Poly((round(x), round(y)), (round(wide), round(high)), 0, 0, 360, 6)
    return [(float(a), float(b)) for a, b in points]


def _cover(
    canvas: _Canvas,
    axes: tuple[float, float],
    tone: NDArray[np.float32],
    *,
    low: float,
    front: float | None = None,
    down: bool = False,
) -> None:
    """Hair or cloth over the skull above `low`, straight down when `down`; in profile only behind `front`."""
    rng, stencil = canvas.rng, np.zeros(canvas.mask.shape, np.float32)
    cv2.ellipse(stencil, (_CX, _CY), (round(axes[0]), round(axes[1])), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    if down:
        wide = axes[0] * 0.97
        cv2.rectangle(stencil, (round(_CX - wide), _CY), (round(_CX + wide), round(low)), 1.0, -1)
    y, x = np.ogrid[: stencil.shape[0], : stencil.shape[1]]
    stencil *= (y < low + 5 * np.sin(x / rng.uniform(4, 12) + rng.uniform(0, 6))).astype(np.float32)
    if front is not None:
        stencil *= (((x - front) * canvas.side < 0) | (y < _CY - axes[1] * 0.45)).astype(np.float32)
    canvas.lay(cv2.GaussianBlur(stencil, (0, 0), 1.2), tone, (int(rng.integers(2, 5)), int(rng.integers(8, 30))))


def put(
    rng: Generator,
    scene: Bgr,
    figure: Figure,
    taken: NDArray[np.float32],
    *,
    smallest: float,
    largest: float,
    outline: NDArray[np.float32] = RING,
) -> Box | None:
    """Stand a head in `scene`; its box, or None where something is already.

    What turns is the ellipse inside the box, not its corners; `outline` SQUARE for what fills its box.
    """
    side = scene.shape[0]
    face, mask, box = figure
    factor = float(np.exp(rng.uniform(np.log(smallest), np.log(largest)))) / float(box[3] - box[1])
    turn = np.radians(rng.normal(0, 9))
    rotation = np.float32([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * factor
    rotation[:, 0] *= rng.uniform(0.88, 1.15)
    goal = rng.uniform(0, side, 2).astype(np.float32)
    centre = np.float32([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    ring = centre + outline * (box[2:] - box[:2])
    shift = goal - rotation @ centre
    placed = ring @ rotation.T + shift
    found = np.concatenate([placed.min(0), placed.max(0)]).astype(np.float32)
    for other in taken:
        if min(found[2], other[2]) > max(found[0], other[0]) and min(found[3], other[3]) > max(found[1], other[1]):
            return None
    low = np.clip(found, 0, side - 1).astype(int)
    around = scene[low[1] : low[3] + 1, low[0] : low[2] + 1]
    light = float(np.clip(around.mean() / 115 if around.size else 1.0, 0.25, 1.25)) * float(rng.uniform(0.7, 1.3))
    if factor < 0.7:
        shrink = max(0.05, factor * 1.2)
        high, wide = mask.shape
        face = cv2.resize(face, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, (face.shape[1], face.shape[0]), interpolation=cv2.INTER_AREA)
        rotation = rotation / np.float32([face.shape[1] / wide, face.shape[0] / high])
    matrix = np.concatenate([rotation, shift[:, None]], axis=1)
    drawn = cv2.warpAffine(face, matrix, (side, side), flags=cv2.INTER_LINEAR)
    share = cv2.warpAffine(mask, matrix, (side, side), flags=cv2.INTER_LINEAR)[..., None]
    scene[:] = np.clip(scene * (1 - share) + drawn * (light * share), 0, 255).astype(np.uint8)
    return found
