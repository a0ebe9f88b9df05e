"""Lines of text with PP-OCR's detector (DBNet): house numbers, name tags, papers, screens; readable by somebody or not.

It finds where writing is, not what it says. The network answers with a map of how likely each pixel is the core of a
line; a connected part of it is a line, whose box grows by how thin the core was drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from bwc.redact.detectors.base import Detection, Floats, Picture8, collect, fit, info, merge, planes, sides_for
from bwc.redact.detectors.network import Network, precision, runtime_label
from bwc.redact.detectors.weights import PPOCR_DET, load
from bwc.redact.plan import DetectorInfo

TEXT = "text"
_CORE = 0.3  # a pixel above it belongs to a line
_GROW = 1.6  # area of a core over its outline, times this, on every side
_LEAST = 3  # pixels of the network's picture
_INPUT, _OUTPUT = "x", "sigmoid_0.tmp_0"


@dataclass(frozen=True, slots=True)
class TextFinder:
    """Lines of text in one picture, at `long_sides` pixels along the longer side."""

    network: Network
    long_sides: tuple[int, ...] = (960,)
    threshold: float = 0.5

    @classmethod
    def open(cls, long_sides: Sequence[int] = (960,), threshold: float = 0.5) -> "TextFinder":
        """Raises `NotFound` or `DigestMismatch` for its file."""
        return cls(Network(load(PPOCR_DET.name)), tuple(long_sides), threshold)

    @property
    def name(self) -> str:
        return "ppocr_text"

    @property
    def classes(self) -> tuple[str, ...]:
        return (TEXT,)

    def describe(self) -> DetectorInfo:
        return info(
            name=self.name,
            package=PPOCR_DET.label,
            file_sha256=PPOCR_DET.file_sha256,
            licence=PPOCR_DET.licence,
            precision=precision(),
            settings={
                "long_sides": list(self.long_sides),
                "runtime": runtime_label(),
                "threshold_permille": round(self.threshold * 1000),
            },
        )

    def rest(self) -> None:
        self.network.rest()

    def detect(self, bgr: Picture8) -> list[Detection]:
        return merge(one for side in sides_for(bgr, self.long_sides) for one in self._pass(bgr, side))

    def _pass(self, bgr: Picture8, long_side: int) -> list[Detection]:
        canvas, scale = fit(bgr, long_side)
        picture = planes(canvas, mean=(127.5, 127.5, 127.5)) / np.float32(127.5)
        (likely,) = self.network.run([_OUTPUT], {_INPUT: picture})
        boxes, scores = lines(likely[0, 0], self.threshold)
        return collect(boxes / np.float32(scale), scores, shape=bgr.shape, class_=TEXT, iou=0.5)


def lines(likely: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Boxes (n x 4) and scores of the lines in a map of likelihoods: mean over the core, at least `threshold`."""
    core = (likely > _CORE).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(core, connectivity=8)
    found, scores = [], []
    for label in range(1, count):
        x, y, wide, high, area = (int(value) for value in stats[label])
        if min(wide, high) < _LEAST:
            continue
        part = np.s_[y : y + high, x : x + wide]
        score = float(likely[part][labels[part] == label].mean())
        if score < threshold:
            continue
        # the core of a slanted line fills its upright box badly: its own area and outline tell how far to grow
        outline = 2 * (max(wide, high) + area / max(wide, high))
        grow = area * _GROW / outline
        found.append((x - grow, y - grow, x + wide + grow, y + high + grow))
        scores.append(min(1.0, score))
    return np.asarray(found, np.float32).reshape(-1, 4), np.asarray(scores, np.float32)
