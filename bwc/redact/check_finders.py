"""The second opinion's own detectors, and how they look at a picture: whole, or enlarged round one place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bwc.errors import NotFound
from bwc.media.decode import Picture
from bwc.media.planes import bgr_of
from bwc.redact.check_sight import is_like_size, shared_permille
from bwc.redact.check_turns import Turn
from bwc.redact.detectors.aside import look_aside
from bwc.redact.detectors.base import Detection, Detector
from bwc.redact.detectors.faces_check import CheckFaces
from bwc.redact.detectors.finder import PLATE, Finder, open_network
from bwc.redact.detectors.network import Resting
from bwc.redact.detectors.plates import PlateFinder
from bwc.redact.detectors.text import TEXT, TextFinder
from bwc.redact.detectors.view import Looker, View, unturned
from bwc.redact.plan import Box, DetectorInfo

CUTOUT_SIDES, _LINE_SIDES = 4, 2  # a cut-out is so many sides of its box wide; round a line of text
_CUTOUT = 192  # pixels it is brought to: a face of 48 px is where the network is surest, and 5 ms (640 whole: 25 to 40)
_PLATE_CUTOUT = 320
_PLATE_LEAST = 0.25  # as for the plan: of 74 kept pictures its network had 0.09 false alarms each from there on
# The plan's look for text is at 960. Shown so small that a line is 112 pixels long, writing is still found (0.88 to 1.00 at
# 160 and 224), palms and rocks that were 0.97 to 0.99 at 1280 are not (a drone's coast, photographs of cars, 2026-11).
_TEXT_SIDE, _TEXT_CUTOUT = 1280, 224
_SMALLEST_CUTOUT = 64
_SAME_PERMILLE = 500
_BEYOND_DOUBT = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Finders:
    """`coarse` looks at many whole pictures, `fine` at some, `close` at cut-outs (those that know the class sought).

    `lines` looks for text, where that is asked for.
    """

    coarse: tuple[Detector, ...]
    fine: tuple[Detector, ...]
    close: tuple[Detector, ...]
    lines: tuple[Detector, ...] = ()
    not_checked: tuple[str, ...] = ()

    @classmethod
    def open(cls, *, text: bool = False) -> "Finders":
        """libfacedetection for faces, a sister of the plan's network for plates; when asked for, text at another scale, if its weight file is here."""
        closer: tuple[Detector, ...] = ()
        missing: tuple[str, ...] = ()
        try:
            closer = (PlateFinder.open(long_sides=(_PLATE_CUTOUT,), threshold=0.3),)
        except NotFound:
            missing = ("plates in cut-outs with a network of others: the weight file clp_det.onnx is not here",)
        lines: tuple[Detector, ...] = ()
        if text:
            try:
                lines = (TextFinder.open((_TEXT_SIDE,)),)
                closer = (*closer, TextFinder.open((_TEXT_CUTOUT,)))
            except NotFound:
                missing = (*missing, "text: the weight file ppocr_v4_det.onnx is not here")
        return cls(
            coarse=(CheckFaces.open(long_sides=(640,)),),
            fine=(
                CheckFaces.open(long_sides=(1280,)),
                Finder(open_network(sheets=True), (1280,), {PLATE: _PLATE_LEAST}),
            ),
            # in a place of doubt the question is whether the plan stops too early: there its own network may answer, too
            close=(CheckFaces.open(long_sides=(_CUTOUT,)), Finder.open((_PLATE_CUTOUT,), {"plate": 0.25}), *closer),
            lines=lines,
            not_checked=missing,
        )

    def describe(self) -> tuple[DetectorInfo, ...]:
        return tuple(finder.describe() for finder in (*self.coarse, *self.fine, *self.lines, *self.close))

    def rest(self) -> None:
        """Nobody looks for now: what their networks hold while they run is given up, and made again when one is asked."""
        for one in (*self.coarse, *self.fine, *self.lines, *self.close):
            if isinstance(one, Resting):
                one.rest()

    def at(self, turn: Turn) -> tuple[Detector, ...]:
        """Those that look at a whole picture at its turn."""
        return (*self.coarse, *(self.fine if turn.fine else ()), *(self.lines if turn.lines else ()))

    def closer(self, class_: str) -> tuple[Detector, ...]:
        """Those for a cut-out in which a subject of `class_` is sought."""
        return tuple(one for one in self.close if class_ in one.classes) or self.close


def detect(finder: Detector, view: View, turns: int, shape: tuple[int, int]) -> list[Detection]:
    """Detections in a picture as it is shown (faces upright, `turns` quarters), in pixels as coded; `shape` is its height, width then."""
    found = finder.look(view) if isinstance(finder, Looker) else finder.detect(view.bgr())
    return [Detection(unturned(one.box, turns, shape), one.score, one.class_) for one in found] if turns else found


def detect_aside(
    finders: Sequence[Detector], view: View, way: Sequence[int], turns: int, shape: tuple[int, int]
) -> list[tuple[int, Detection]]:
    """Who is seen beyond doubt when the picture is turned by the quarters `way`, with the turn, in pixels as coded.

    Of 8 clips of upright people libfacedetection took something for a face in a turned picture with .81 at most (2026-11).
    """
    seen = [found for finder in finders for found in look_aside(finder, view, way)]
    return [
        (turn, Detection(unturned(one.box, turns, shape), one.score, one.class_))
        for turn, one in seen
        if one.score >= _BEYOND_DOUBT
    ]


def detect_near(
    finders: Sequence[Detector], picture: Picture, box: Box, turns: int, class_: str = ""
) -> list[Detection]:
    """Detections in a cut-out of `picture` round `box`, in pixels of the picture; only it is turned into colours.

    `class_` is what is sought there. Every cut-out is a square, black where the picture ends: networks are made ready for each shape of picture.
    """
    sides = _LINE_SIDES if class_ == TEXT else CUTOUT_SIDES
    side = max(_SMALLEST_CUTOUT, sides * max(box[2] - box[0], box[3] - box[1])) // 2
    x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
    x0, y0 = max(0, x - side) & ~1, max(0, y - side) & ~1
    x1, y1 = min(picture.width, x + side), min(picture.height, y + side)
    if x1 - x0 < 16 or y1 - y0 < 16:
        return []
    half = (slice(y0 // 2, (y1 + 1) // 2), slice(x0 // 2, (x1 + 1) // 2))
    planes = picture.y[y0:y1, x0:x1], picture.u[half], picture.v[half]
    whole_side = max(planes[0].shape)
    square = bgr_of(*planes, full_range=picture.colour.range == 2, step=whole_side)
    view = View.of(np.ascontiguousarray(np.rot90(square, turns)) if turns else square)
    found = []
    for finder in finders:
        for one in detect(finder, view, turns, (whole_side, whole_side)):
            a, b, c, d = one.box
            found.append(Detection((a + x0, b + y0, c + x0, d + y0), one.score, one.class_))
    return found


def distinct(found: Sequence[Detection]) -> list[Detection]:
    """One detection per place and class, the best. A face within a much larger box is one of its own; a word within a line is not."""
    kept: list[Detection] = []
    for one in sorted(found, key=lambda one: (-one.score, one.box)):
        if not any(_is_same(one, other) for other in kept):
            kept.append(one)
    return kept


def _is_same(one: Detection, other: Detection) -> bool:
    box, place = whole(one), whole(other)
    return (
        one.class_ == other.class_
        and shared_permille(box, place) >= _SAME_PERMILLE
        and (one.class_ == TEXT or is_like_size(box, place))
    )


def whole(one: Detection) -> Box:
    """A detection's box in whole pixels, rounded outward."""
    x0, y0, x1, y1 = one.box
    return int(x0), int(y0), max(int(x0) + 1, -int(-x1 // 1)), max(int(y0) + 1, -int(-y1 // 1))
