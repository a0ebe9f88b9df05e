"""Does what a cover hides go on beside it, uncovered? The original's own pixels under the cover are looked for in the copy.

Pictures are compared small (the subject 24 pixels long), shifted freely within three quarters of its size, by normalised
correlation. A gap within one track needs no detector: the plan says who is there. Everywhere else likeness is not enough:
a detector must be sure of the original under the cover and have some hit, however weak, on what goes on. So a profile is
followed from where it was seen as a face; a head that shows no face before or after is not. Where no detector had any hit, nobody
asks what lies under the cover.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from bwc.media.decode import Picture
from bwc.redact.check_finders import whole
from bwc.redact.check_places import Kind, Place
from bwc.redact.check_sight import Hit, is_same_class, shared_permille, visible_permille
from bwc.redact.detectors.base import Detection
from bwc.redact.plan import Box

LIKE_PERMILLE = 600  # correlation from which it is the same thing
_SIDE = 24  # pixels of the longer side of a subject when compared
_AROUND = 0.75  # of the subject, searched on every side
_PLAIN = 6.0  # levels of deviation: less is a wall, of which there is more everywhere
_SURE_PERMILLE = 700  # our own detectors' best score on the original under the cover
_SAME_PERMILLE = 500
_OPEN_PERMILLE = 700  # of what looks alike is in the open
_UNSEEN = 0.3  # the score of a frame that only the plan vouches for
_LEAST_FRAMES = 4  # of an end or beginning without a gap

_Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Sample:
    ordinal: int
    box: Box  # where the subject is supposed to be
    around: _Grey
    scale: float
    corner: tuple[int, int]
    hidden: Sequence[Box]


@dataclass(slots=True)
class Trail:
    """What the pictures show of one place. `asked` is what our detectors say of the original under the cover, and where."""

    place: Place
    templates: list[_Grey] = field(default_factory=list)
    samples: list[_Sample] = field(default_factory=list)
    asked: list[tuple[Future[list[Detection]], Box]] = field(default_factory=list)
    unseen: list[tuple[Picture, Box, bool]] = field(
        default_factory=list
    )  # anchors not decoded; True: the copy shows the same bytes

    @property
    def stop(self) -> int:
        """The ordinal after the last frame that belongs to it."""
        return max(*self.place.boxes, self.place.after[0] if self.place.after else 0) + 1

    def anchors(self, ordinal: int) -> list[Box]:
        """Boxes of frame `ordinal` whose pixels in the original are what is looked for."""
        ends = (self.place.before, self.place.after)
        return [end[1] for end in ends if end is not None and end[0] == ordinal]

    def learn(self, y: _Grey, box: Box) -> None:
        """Take the original's pixels within `box` as what to look for."""
        x0, y0, x1, y1 = _clipped(box, y)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        region = y[y0:y1, x0:x1]
        if float(region.std()) >= _PLAIN:
            self.templates.append(_small(region, _SIDE / max(x1 - x0, y1 - y0)))

    def take(self, y: _Grey, ordinal: int, hidden: Sequence[Box]) -> None:
        """Keep the copy's pixels around where the subject should be; `hidden` are the covers of that frame."""
        box = self.place.boxes[ordinal]
        dx, dy = round((box[2] - box[0]) * _AROUND), round((box[3] - box[1]) * _AROUND)
        x0, y0, x1, y1 = _clipped((box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy), y)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        scale = _SIDE / max(box[2] - box[0], box[3] - box[1])
        near = tuple(one for one in hidden if one[0] < x1 and one[2] > x0 and one[1] < y1 and one[3] > y0)
        self.samples.append(_Sample(ordinal, box, _small(y[y0:y1, x0:x1], scale), scale, (x0, y0), near))

    def areas(self) -> dict[int, list[Box]]:
        """By frame, all of the picture in which it may go on; and the same for the frames beside each."""
        found: dict[int, list[Box]] = {}
        for one in self.samples:
            (left, top), (rows, columns) = one.corner, one.around.shape
            area = left - 2, top - 2, left + ceil(columns / one.scale) + 2, top + ceil(rows / one.scale) + 2
            for ordinal in (one.ordinal - 1, one.ordinal, one.ordinal + 1):
                found.setdefault(ordinal, []).append(area)
        return found

    def hits(self) -> list[Hit]:
        """Frames in which the subject shows, with its likeness as the score; nothing where that proves nothing.

        A gap within one track is a suspect by itself: the plan says who is there. What goes on after an end or before a
        beginning, or between two tracks, counts when it looks the same and our own detectors are sure of it under the
        cover: else each lamp that was once taken for a face would be a suspect. Whether they have a hit on what goes on
        is for the caller to ask.
        """
        seen = self._seen()
        if self.place.is_one_track:
            found = {hit.ordinal: hit for hit in seen}
            class_ = self.place.class_
            return [found.get(one.ordinal) or _hit(one.ordinal, one.box, _UNSEEN, class_) for one in self.samples]
        enough = 2 * len(seen) >= len(self.samples) if self.place.kind is Kind.GAP else len(seen) >= _LEAST_FRAMES
        return seen if seen and enough and self._is_known() else []

    def _is_known(self) -> bool:
        """Whether our own detectors are sure of what is under the cover."""
        return any(
            one.score * 1000 >= _SURE_PERMILLE
            and is_same_class(one.class_, self.place.class_)
            and shared_permille(whole(one), box) >= _SAME_PERMILLE
            for answer, box in self.asked
            for one in answer.result()
        )

    def _seen(self) -> list[Hit]:
        found = []
        for sample in sorted(self.samples, key=lambda one: one.ordinal, reverse=self.place.kind is Kind.BEGIN):
            likeness, box = max((_look(sample, one) for one in self.templates), default=(0.0, sample.box))
            if likeness * 1000 >= LIKE_PERMILLE and visible_permille(box, sample.hidden) >= _OPEN_PERMILLE:
                found.append(_hit(sample.ordinal, box, likeness, self.place.class_))
            elif self.place.kind is not Kind.GAP:
                break  # an end is followed from the cover on, no further than it can be
        return sorted(found, key=lambda hit: hit.ordinal)


def without(trails: Sequence[Sequence[Hit]], chains: Sequence[Sequence[Hit]]) -> list[Sequence[Hit]]:
    """Those of `trails` of which no half is told already by chains of a detector's hits: a neighbour in a crowd tells nothing."""
    seen: dict[int, list[Box]] = {}
    for chain in chains:
        for hit in chain:
            seen.setdefault(hit.ordinal, []).append(hit.box)
    return [
        trail
        for trail in trails
        if 2 * sum(any(shared_permille(hit.box, box) >= 300 for box in seen.get(hit.ordinal, ())) for hit in trail)
        < len(trail)
    ]


def _look(sample: _Sample, template: _Grey) -> tuple[float, Box]:
    """The best likeness of `template` in a sample, and where."""
    rows, columns = template.shape
    if sample.around.shape[0] < rows or sample.around.shape[1] < columns:
        return 0.0, sample.box
    likeness = cv2.matchTemplate(sample.around, template, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(likeness)
    if not np.isfinite(best):
        return 0.0, sample.box
    left, top = sample.corner[0] + round(x / sample.scale), sample.corner[1] + round(y / sample.scale)
    return float(best), (left, top, left + round(columns / sample.scale), top + round(rows / sample.scale))


def _hit(ordinal: int, box: Box, likeness: float, class_: str) -> Hit:
    score = min(1000, round(likeness * 1000))
    return Hit(ordinal=ordinal, box=box, score_permille=score, class_=class_, visible_permille=1000, beside=True)


def _small(region: _Grey, scale: float) -> _Grey:
    size = max(2, round(region.shape[1] * scale)), max(2, round(region.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(region, size, interpolation=how), np.uint8)


def _clipped(box: Box, y: _Grey) -> Box:
    return max(0, box[0]), max(0, box[1]), min(y.shape[1], box[2]), min(y.shape[0], box[3])
