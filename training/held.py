"""Papers and screens put into pictures: held in a hand, lying on something, hung up, on a dashboard, seen aslant."""

import cv2
import heads
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from papers import Sheet

Bgr = NDArray[np.uint8]
Box = NDArray[np.float32]
Spots = NDArray[np.float32]
_UNIT = np.float32([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


def put(
    rng: Generator, scene: Bgr, sheet: Sheet, taken: NDArray[np.float32], sizes: tuple[float, float], *, lit: bool
) -> Box | None:
    """Put `sheet` into `scene`, between `sizes` pixels high; its box, or None where something is already.

    `lit`: it shines by itself, so that the dark around it does not make it dark.
    """
    side = scene.shape[0]
    _, mask, inner, tall = sheet
    high, wide = mask.shape
    quad, matrix = _seen(rng, (wide, high), inner, sizes, side)
    box = _around(matrix, inner)
    for other in taken:
        if min(box[2], other[2]) > max(box[0], other[0]) and min(box[3], other[3]) > max(box[1], other[1]):
            return None
    if box[2] < 4 or box[3] < 4 or box[0] > side - 4 or box[1] > side - 4:
        return None
    low = np.clip(box, 0, side - 1).astype(int)
    around = float(scene[low[1] : low[3] + 1, low[0] : low[2] + 1].mean())
    light = float(np.clip(around / 118, 0.22, 1.25)) * float(rng.uniform(0.65, 1.3))
    if lit:
        light = max(light, float(rng.uniform(0.35, 1.5)))
    held = rng.random() < (0.6 if float(np.ptp(quad, axis=0).max()) > 18 else 0.3)
    # a finger is 1.7 cm thick; the sheet is `tall` centimetres high
    finger = float(np.linalg.norm(quad[3] - quad[0])) * 1.7 / tall
    hand = _hand(rng, quad, finger) if held else None
    if hand is not None:
        _limb(scene, hand.palm, finger * 3.2, hand.tone * light_of(around))
        for part in hand.behind:
            _limb(scene, part, finger, hand.tone * light_of(around))
    elif rng.random() < 0.6:
        _shadow(rng, scene, quad)
    _lay(rng, scene, sheet, matrix, light)
    if hand is not None:
        for part in hand.before:
            _limb(scene, part, finger, hand.tone * light_of(around) * 1.06)
    if rng.random() < (0.4 if lit else 0.15):
        _glare(rng, scene, quad)
    return box


def light_of(around: float) -> float:
    """How much light falls on skin where the scene has this mean."""
    return float(np.clip(around / 110, 0.3, 1.2))


def _seen(
    rng: Generator, shape: tuple[int, int], inner: Box, sizes: tuple[float, float], side: int
) -> tuple[Spots, NDArray[np.float64]]:
    """(corners in the scene, the way from the flat sheet to the scene): turned in space, at a chosen size."""
    wide, high = shape
    lying = rng.random() < 0.35
    pitch = np.radians(rng.uniform(35, 74) if lying else rng.normal(0, 16))
    yaw = np.radians(rng.normal(0, 10) if lying else rng.normal(0, 28))
    turned = rng.random()
    roll = np.radians(rng.uniform(0, 360) if (lying and turned < 0.6) or turned < 0.12 else rng.normal(0, 11))
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in (roll, pitch, np.clip(yaw, -1.2, 1.2)))
    points = np.concatenate([_UNIT * np.float32([wide, high]) / max(wide, high), np.zeros((4, 1), np.float32)], axis=1)
    about_z = np.asarray([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    about_x = np.asarray([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.asarray([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    # lying: turned on the table first, then tipped away; held: tipped first, then turned in the hand
    spin = about_y @ about_x @ about_z if lying else about_z @ about_x @ about_y
    moved = points @ spin.T
    far = float(rng.uniform(1.6, 5.0))
    quad = (moved[:, :2] * (far / (far + moved[:, 2:]))).astype(np.float32)
    ends = (_UNIT + 0.5) * np.float32([wide, high])
    matrix = cv2.getPerspectiveTransform(ends.astype(np.float32), quad)
    box = _around(matrix, inner)
    wanted = float(np.exp(rng.uniform(np.log(sizes[0]), np.log(sizes[1]))))
    scale = min(wanted / max(1e-3, float(box[3] - box[1])), 1.05 * side / float(box[2] - box[0]))
    goal = rng.uniform(0.05, 0.95, 2) * side
    centre = np.asarray([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    place = np.asarray([[scale, 0, goal[0] - scale * centre[0]], [0, scale, goal[1] - scale * centre[1]], [0, 0, 1]])
    return (quad * scale + goal - scale * centre).astype(np.float32), place @ matrix


def _around(matrix: NDArray[np.float64], inner: Box) -> Box:
    x0, y0, x1, y1 = inner
    spots = np.asarray([[x0, y0, 1], [x1, y0, 1], [x1, y1, 1], [x0, y1, 1]]) @ matrix.T
    spots = spots[:, :2] / np.maximum(spots[:, 2:], 1e-6)
    return np.concatenate([spots.min(0), spots.max(0)]).astype(np.float32)


def _lay(rng: Generator, scene: Bgr, sheet: Sheet, matrix: NDArray[np.float64], light: float) -> None:
    flat, mask, _, _ = sheet
    side = scene.shape[0]
    centre = np.asarray([flat.shape[1] / 2, flat.shape[0] / 2, 1.0]) @ matrix.T
    factor = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2] / centre[2]))))
    if factor < 0.7:
        shrink = max(0.04, factor * 1.25)
        small = cv2.resize(flat, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        share = cv2.resize(mask, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([flat.shape[1] / small.shape[1], flat.shape[0] / small.shape[0], 1.0])
    else:
        small, share = flat, mask
    if rng.random() < 0.2:  # haze, a window's light, an old screen: little contrast is left
        small = np.asarray(small * rng.uniform(0.3, 0.8) + rng.uniform(10, 70), np.float32)
    tint = (light * rng.uniform(0.93, 1.07, 3)).astype(np.float32)
    covering = small.astype(np.float32) * tint * share[..., None]
    drawn = cv2.warpPerspective(covering, matrix, (side, side), flags=cv2.INTER_LINEAR)
    cover = cv2.warpPerspective(share, matrix, (side, side), flags=cv2.INTER_LINEAR)[..., None]
    scene[:] = np.clip(scene * (1 - cover) + np.minimum(drawn, 255 * cover), 0, 255)


def _shadow(rng: Generator, scene: Bgr, quad: Spots) -> None:
    mask = np.zeros(scene.shape[:2], np.float32)
    reach = float(np.ptp(quad, axis=0).max())
    moved = quad + rng.normal(0, 0.05, 2).astype(np.float32) * reach
    cv2.fillConvexPoly(mask, np.round(moved * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.8, reach * float(rng.uniform(0.01, 0.08))))
    scene[:] = (scene * (1 - rng.uniform(0.1, 0.6) * mask[..., None])).astype(np.uint8)


def _glare(rng: Generator, scene: Bgr, quad: Spots) -> None:
    """A lamp or a window thrown back, on the sheet only."""
    sheet, spot = np.zeros(scene.shape[:2], np.float32), np.zeros(scene.shape[:2], np.float32)
    cv2.fillConvexPoly(sheet, np.round(quad * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    reach = float(np.ptp(quad, axis=0).max())
    at = quad.mean(0) + rng.normal(0, 0.25, 2) * reach
    axes = (max(1, int(reach * rng.uniform(0.05, 0.5))), max(1, int(reach * rng.uniform(0.04, 0.2))))
    cv2.ellipse(spot, (int(at[0]), int(at[1])), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
    spot = cv2.GaussianBlur(spot, (0, 0), max(0.6, reach * float(rng.uniform(0.01, 0.12)))) * sheet
    scene[:] = np.clip(scene + rng.uniform(40, 220) * spot[..., None], 0, 255).astype(np.uint8)


class _Hand:
    """Skin, the palm with its arm, the fingers behind the sheet and those (and the thumb) before it."""

    def __init__(self, tone: Spots, palm: Spots) -> None:
        self.tone, self.palm = tone, palm
        self.behind: list[Spots] = []
        self.before: list[Spots] = []


def _hand(rng: Generator, quad: Spots, finger: float) -> _Hand:
    """A hand at one edge of the sheet, most often below or beside it."""
    edge = int(rng.choice([1, 2, 3], p=[0.3, 0.4, 0.3]))  # right, below, left
    a, b = quad[edge], quad[(edge + 1) % 4]
    middle, along = (a + b) / 2, (b - a) / max(1e-3, float(np.linalg.norm(b - a)))
    outward = middle - quad.mean(0)
    outward = outward / max(1e-3, float(np.linalg.norm(outward)))
    at = a + (b - a) * rng.uniform(0.25, 0.75)
    tone = np.float32(heads.SKIN[int(rng.integers(len(heads.SKIN)))]) * float(rng.uniform(0.8, 1.1))
    down = outward * 0.5 + np.float32([rng.normal(0, 0.3), 1.0])
    wrist = at + outward * finger * 3.5
    hand = _Hand(tone, np.stack([at + outward * finger * rng.uniform(0.6, 1.8), wrist, wrist + down * finger * 9]))
    for i in range(int(rng.integers(2, 5))):
        start = at + along * finger * (i - 1.5) * 1.05 + outward * finger * 0.9
        tip = start - outward * finger * rng.uniform(0.6, 3.0)
        (hand.before if rng.random() < 0.35 else hand.behind).append(np.stack([start, tip]))
    start = at + along * finger * rng.uniform(-2, 2) + outward * finger
    tip = start - outward * finger * rng.uniform(1.6, 3.6) + along * finger * rng.uniform(-1.5, 1.5)
    hand.before.append(np.stack([start, (start + tip) / 2 + along * finger * rng.normal(0, 0.3), tip]))
    return hand


def _limb(scene: Bgr, spots: Spots, thick: float, tone: Spots) -> None:
    """A rounded limb along `spots`, lighter in the middle."""
    line = [np.round(spots).astype(np.int32)]
    for part, shade in ((1.0, 0.72), (0.74, 0.95), (0.4, 1.06)):
        colour = tuple(float(v) for v in np.clip(tone * shade, 0, 255))
        cv2.polylines(scene, line, False, colour, max(1, round(thick * part)), cv2.LINE_AA)
