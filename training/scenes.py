"""One picture to learn from: a piece of a photograph, perhaps with plates, heads, screens and papers put in, seen through a bad camera."""

from dataclasses import dataclass, field

import bait
import cv2
import far
import heads
import held
import numpy as np
import papers
import screens
from camera import record, spoil
from dataset import HEAD, PAPER, PLATE, SCREEN, Sample
from numpy.random import Generator
from numpy.typing import NDArray
from plates import Bgr, Fonts, draw, wear

Boxes = NDArray[np.float32]  # n x 5: x0, y0, x1, y1, kind
SMALLEST = {
    PLATE: 6.0,
    HEAD: 9.0,
    SCREEN: 12.0,
    PAPER: 12.0,
}  # height in pixels learnt; smaller ones are ignored, not punished
LARGEST = {PLATE: 150.0, HEAD: 220.0, SCREEN: 230.0, PAPER: 230.0}
_POOL, _SHEETS = 900, 350
# How often a picture of a source is chosen: varied ones more than frames of one drive
_SHARE = {"plates_openimages": 2.0, "plates_us_mixed": 1.5, "plates_my_gate": 0.7}
NONE: Boxes = np.zeros((0, 5), np.float32)


@dataclass(slots=True)
class Studio:
    """Draws pictures of `side` x `side` pixels: `real` photographs of plates, `people` of heads, `plain` ones of neither."""

    real: list[Sample]
    people: list[Sample]
    plain: list[Sample]
    fonts: Fonts
    side: int = 256
    pool: list[Bgr] = field(default_factory=list)
    figures: list[heads.Figure] = field(default_factory=list)
    patches: list[far.Patch] = field(default_factory=list)
    sheets: dict[int, list[papers.Sheet]] = field(default_factory=dict)
    shares: NDArray[np.float64] = field(init=False)

    def fill(self, rng: Generator) -> None:
        """What is stuck on: flat plates, drawn and cut out of their photographs, and heads cut out."""
        weights = np.asarray([_SHARE.get(s.source, 1.0) for s in self.real])
        self.shares = weights / weights.sum()
        self.pool = [draw(rng, self.fonts) for _ in range(_POOL)]
        for sample in self.real:
            self.pool += _cut_out(sample)
            self.patches += far.patches(sample)
        for sample in self.plain:
            assert sample.bgr is not None
            cuts = [heads.cut_out(sample.bgr, box, sample.stretch) for box in sample.of(HEAD)]
            self.figures += [figure for figure in cuts if figure is not None]
        self.sheets = {kind: [self._sheet(rng, kind) for _ in range(_SHEETS)] for kind in (SCREEN, PAPER)}

    def _sheet(self, rng: Generator, kind: int) -> papers.Sheet:
        if kind == PAPER:
            return papers.draw(rng, self.fonts, self.figures)
        shown = self.plain[int(rng.integers(len(self.plain)))].bgr
        assert shown is not None
        return screens.draw(rng, self.fonts, [shown], self.figures)

    def picture(self, rng: Generator) -> tuple[Bgr, Boxes, tuple[float, ...]]:
        """(picture, boxes, how much a find elsewhere counts, for each kind)."""
        kind = rng.random()
        if kind < 0.5:
            sample = self.real[int(rng.choice(len(self.real), p=self.shares))]
            about = PLATE if kind < 0.4 else None
            stuck, headed = (0.25, 0.06) if kind < 0.4 else (0.35, 0.12)
        elif kind < 0.72:
            sample, about = self.people[int(rng.integers(len(self.people)))], HEAD
            stuck, headed = 0.25, 0.1
        else:
            sample, about = self.plain[int(rng.integers(len(self.plain)))], None
            stuck, headed = 0.5, 0.3
        care = np.asarray(sample.care)
        behind = _flat(rng, self.side), NONE
        if rng.random() < 0.7:
            other = (
                self.plain[int(rng.integers(len(self.plain)))]
                if kind < 0.5
                else self.real[int(rng.choice(len(self.real), p=self.shares))]
            )
            behind = cut(rng, other, self.side, None, behind)
            care = np.minimum(care, other.care)
        is_far = rng.random() < (0.5 if kind < 0.4 else 0.25)
        scene, boxes = cut(
            rng, sample, self.side, about, behind, sizes=far.SIZES if is_far and about == PLATE else None
        )
        if rng.random() < (0.55 if kind >= 0.72 else 0.15):
            bait.draw(rng, scene)
        if is_far:
            for _ in range(int(rng.integers(1, 4))):
                patch = self.patches[int(rng.integers(len(self.patches)))]
                boxes = self._with(boxes, far.put(rng, scene, patch, boxes), PLATE)
        if rng.random() < (0.45 if kind >= 0.72 else 0.25):
            for _ in range(int(rng.integers(1, 3))):
                boxes = self._lay(rng, scene, boxes)
            care[HEAD] = min(care[HEAD], 0.3)  # portraits on cards, people on screens
        for _ in range(int(rng.integers(1, 3)) if rng.random() < headed else 0):
            figure = heads.draw(rng) if rng.random() < 0.45 else self.figures[int(rng.integers(len(self.figures)))]
            box = heads.put(rng, scene, figure, boxes, smallest=SMALLEST[HEAD], largest=LARGEST[HEAD] * 0.7)
            boxes = self._with(boxes, box, HEAD)
        if rng.random() < stuck:
            boxes = self._paste(rng, scene, boxes)
        if rng.random() < 0.4:
            scene = np.ascontiguousarray(scene[:, ::-1])
            boxes = np.stack(
                [self.side - boxes[:, 2], boxes[:, 1], self.side - boxes[:, 0], boxes[:, 3], boxes[:, 4]], axis=1
            )
        if is_far and rng.random() < 0.6:
            heights = (boxes[:, 3] - boxes[:, 1])[boxes[:, 4] == PLATE]
            scene = record(rng, far.shade(rng, scene, float(np.median(heights)) if len(heights) else 20.0))
        else:
            scene = spoil(rng, scene)
        return scene, boxes.astype(np.float32), tuple(float(c) for c in care)

    def _with(self, boxes: Boxes, box: NDArray[np.float32] | None, kind: int) -> Boxes:
        """`boxes` and what was put in besides, as far as it is seen."""
        return boxes if box is None else np.concatenate([boxes, visible(np.float32([[*box, kind]]), self.side)])

    def _lay(self, rng: Generator, scene: Bgr, boxes: Boxes) -> Boxes:
        """One screen or paper more."""
        kind = SCREEN if rng.random() < 0.5 else PAPER
        slot = int(rng.integers(_SHEETS))
        if rng.random() < 0.12:
            self.sheets[kind][slot] = self._sheet(rng, kind)
        sizes = (SMALLEST[kind] + 2, LARGEST[kind])
        box = held.put(rng, scene, self.sheets[kind][slot], boxes, sizes, lit=kind == SCREEN)
        return self._with(boxes, box, kind)

    def _paste(self, rng: Generator, scene: Bgr, boxes: Boxes) -> Boxes:
        for _ in range(int(rng.integers(1, 4))):
            real = rng.random() < 0.55 and len(self.pool) > _POOL
            slot = int(rng.integers(_POOL, len(self.pool)) if real else rng.integers(_POOL))
            if slot < _POOL and rng.random() < 0.1:
                self.pool[slot] = draw(rng, self.fonts)
            box = stick(rng, scene, wear(rng, self.pool[slot]), boxes)
            if box is not None:
                boxes = np.concatenate([boxes, box[None]])
        return boxes


def _cut_out(sample: Sample) -> list[Bgr]:
    """The plates of a photograph that are large and straight enough to be stuck elsewhere."""
    assert sample.bgr is not None
    found = []
    for x0, y0, x1, y1 in sample.of(PLATE):
        wide, high = (x1 - x0) * sample.stretch, y1 - y0
        if sample.source != "plates_in_phone" and high >= 18 and 1.7 < wide / high < 5.2:
            inner = np.float32([x0, y0, x1, y1]).round().astype(int)
            flat = sample.bgr[max(0, inner[1]) : inner[3], max(0, inner[0]) : inner[2]]
            scale = 96 / flat.shape[0]
            found.append(
                np.asarray(
                    cv2.resize(flat, None, fx=scale * sample.stretch, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8
                )
            )
    return found


def _flat(rng: Generator, side: int) -> Bgr:
    """Nothing: a wall, the sky, the dark."""
    coarse = rng.normal(0, rng.uniform(0, 30), (3, 3, 3)) + rng.uniform(0, 255, 3)
    return np.asarray(
        cv2.resize(np.clip(coarse, 0, 255).astype(np.uint8), (side, side), interpolation=cv2.INTER_CUBIC), np.uint8
    )


def cut(
    rng: Generator,
    sample: Sample,
    side: int,
    about: int | None,
    behind: tuple[Bgr, Boxes],
    *,
    sizes: tuple[float, float] | None = None,
) -> tuple[Bgr, Boxes]:
    """A piece of the photograph around one box of kind `about` (or anywhere), at a size within `sizes`, turned and seen aslant.

    Where the photograph ends, the picture `behind` (written over) is seen, with those of its boxes that are not covered.
    A mirrored edge would show heads and plates that nobody labelled.
    """
    assert sample.bgr is not None
    high, wide = sample.bgr.shape[:2]
    stretch = sample.stretch ** float(rng.uniform(0.3, 1.3)) * float(np.exp(rng.normal(0, 0.08)))
    choice = sample.of(about) if about is not None else NONE
    if len(choice):
        assert about is not None
        box = choice[int(rng.integers(len(choice)))]
        wanted = float(np.exp(rng.uniform(*np.log(sizes or (SMALLEST[about], LARGEST[about])))))
        scale = min(wanted / max(4.0, float(box[3] - box[1])), 2.2, 1.15 * side / float(box[2] - box[0]) / stretch)
        x, y = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
        middle = rng.uniform(0.08, 0.92, 2) * side
    else:
        scale = float(np.exp(rng.uniform(np.log(side / max(high, wide)), np.log(1.6))))
        x, y = float(rng.uniform(0, wide)), float(rng.uniform(0, high))
        middle = rng.uniform(0.3, 0.7, 2) * side
    bgr, shrunk = sample.bgr, 1.0
    if scale < 0.7:  # an area mean first: a bare warp would flicker
        shrunk = scale
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    turn = float(rng.normal(0, 5) if rng.random() < 0.7 else rng.normal(0, 20))
    shape = np.diag([stretch, 1.0])
    if about == PLATE and rng.random() < 0.5:  # seen from the side: narrow, and its lines no longer level
        narrow = float(rng.uniform(0.26, 0.9))
        shape = np.asarray([[narrow, 0.0], [rng.normal(0, 0.35) * (1.1 - narrow), 1.0]]) @ shape
    turning = cv2.getRotationMatrix2D((0, 0), turn, 1.0)[:, :2] @ shape * scale
    move = middle - turning @ np.asarray([x, y])
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = turning / shrunk, move
    if rng.random() < 0.4:  # a wide lens close by: far sides shrink
        tilt = np.eye(3)
        tilt[2, :2] = rng.normal(0, 0.25 if about != HEAD else 0.1, 2) / side
        shift = np.asarray([[1, 0, -side / 2], [0, 1, -side / 2], [0, 0, 1]])
        matrix = np.linalg.inv(shift) @ np.clip(tilt, -1.2 / side, 1.0) @ shift @ matrix
    ground, known = behind
    cv2.warpPerspective(
        bgr, matrix, (side, side), dst=ground, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )
    outline = np.float32([[0, 0], [bgr.shape[1], 0], [bgr.shape[1], bgr.shape[0]], [0, bgr.shape[0]]])
    covered = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(covered, np.round(_through(outline, matrix)).astype(np.int32).clip(-4000, 4000), 1)
    left = [k for k in known if covered[int(k[1]) : int(k[3]) + 1, int(k[0]) : int(k[2]) + 1].mean() < 0.3]
    matrix = matrix @ np.diag([shrunk, shrunk, 1.0])
    moved = [_moved(b, matrix) for b in sample.boxes]
    return ground, visible(np.asarray([*moved, *left], np.float32).reshape(-1, 5), side)


def _through(spots: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = np.concatenate([spots, np.ones((len(spots), 1))], axis=1) @ matrix.T
    return np.asarray(moved[:, :2] / np.maximum(moved[:, 2:], 0.05))


_RING = np.stack([np.cos(np.linspace(0, 2 * np.pi, 16)), np.sin(np.linspace(0, 2 * np.pi, 16))], axis=1) / 2 + 0.5
_SQUARE = np.asarray([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)


def _moved(box: Boxes, matrix: NDArray[np.float64]) -> Boxes:
    """The box around the moved corners of a plate, or around the moved ellipse of a head."""
    outline = (_SQUARE if box[4] == PLATE else _RING) * (box[2:4] - box[:2]) + box[:2]
    spots = _through(outline, matrix)
    return np.asarray([*spots.min(0), *spots.max(0), box[4]], np.float32)


def visible(boxes: Boxes, side: int) -> Boxes:
    """The boxes clipped to the picture, without those of which less than a fifth is in it."""
    clipped = boxes.copy()
    clipped[:, :4] = np.clip(boxes[:, :4], 0, side)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    inside = (clipped[:, 2] - clipped[:, 0]) * (clipped[:, 3] - clipped[:, 1])
    return np.asarray(clipped[inside > 0.2 * area], np.float32)


def stick(rng: Generator, scene: Bgr, plate: Bgr, taken: Boxes) -> Boxes | None:
    """Put `plate` into `scene` in perspective, often on something like a car; its box, or None where one is already."""
    side = scene.shape[0]
    sizes = far.SIZES if rng.random() < 0.4 else (SMALLEST[PLATE], LARGEST[PLATE] * 0.6)
    high = float(np.exp(rng.uniform(*np.log(sizes))))
    yaw = np.cos(np.radians(rng.uniform(20, 77) if rng.random() < 0.6 else rng.uniform(0, 25)))
    wide = high * plate.shape[1] / plate.shape[0] * yaw
    if wide > side * 1.2:
        high, wide = high * side / wide, float(side)
    turn = np.radians(rng.normal(0, 6) if rng.random() < 0.7 else rng.normal(0, 20))
    shear, taper = rng.normal(0, 0.35) * (1.15 - yaw), rng.normal(0, 0.13) * (1.3 - yaw)
    unit = np.float32([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    quad = unit * np.float32([wide, high])
    quad[:, 1] *= 1 + taper * 2 * unit[:, 0]
    quad[:, 1] += shear * quad[:, 0] / max(0.3, float(yaw))
    quad = quad @ np.float32([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    quad += rng.uniform(0, side, 2).astype(np.float32)
    box = np.float32([*quad.min(0), *quad.max(0), PLATE])
    grown = box[:4] + np.float32([-0.3, -0.3, 0.3, 0.3]) * (box[3] - box[1])
    for other in taken:
        if min(grown[2], other[2]) > max(grown[0], other[0]) and min(grown[3], other[3]) > max(grown[1], other[1]):
            return None
    clipped = visible(box[None], side)
    if not len(clipped):
        return None
    low = np.clip(box[:4], 0, side).astype(int)
    around = scene[low[1] : low[3] + 1, low[0] : low[2] + 1]
    light = float(np.clip(around.mean() / 120 if around.size else 1.0, 0.25, 1.3)) * float(rng.uniform(0.6, 1.25))
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
    if rng.random() < 0.35:  # in shade or haze little contrast is left
        small = np.asarray(small * rng.uniform(0.2, 0.8) + rng.uniform(20, 70), np.float32)
    elif rng.random() < 0.12:  # a torch or headlamps thrown back: more light than the sensor takes
        light *= float(rng.uniform(1.5, 4.0))
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
