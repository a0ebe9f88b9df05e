"""Number plates with a small network of our own, whose weights come with this package.

Anchor-free: at each cell of one map (4 pixels) it gives a score, "the middle of a plate", and how far the four sides
are. How it was made, from which pictures and how good it is: docs/models.md and training/README.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bwc.redact.detectors.base import Detection, Floats, Picture8, collect, info, merge
from bwc.redact.detectors.network import Feed, Network, runtime_label
from bwc.redact.detectors.packaged import PackagedFile
from bwc.redact.detectors.view import View
from bwc.redact.plan import DetectorInfo
from bwc.version import TOOL

FILE = PackagedFile(
    name="plates.onnx",
    file_sha256="138dc89264fc762e5d2058d658c2e4c1df6cd6f2189abd1df8049b5bb8e21cb8",
    licence="Apache-2.0",
)
_FEED = Feed("picture")
_STEP = 4  # input pixels from cell to cell
_MOST = 300  # candidates looked at in one pass, best first: a wall of noise must not cost seconds


def open_network() -> Network:
    """The packaged network. Raises `NotFound` or `DigestMismatch` for its file."""
    return Network(FILE.load())


@dataclass(frozen=True, slots=True)
class PlateNetFinder:
    """Plates in one picture, at `long_sides` pixels along the longer side."""

    network: Network
    long_sides: tuple[int, ...] = (640, 1280)
    threshold: float = 0.3

    @classmethod
    def open(cls, long_sides: Sequence[int] = (640, 1280), threshold: float = 0.3) -> "PlateNetFinder":
        return cls(open_network(), tuple(long_sides), threshold)

    @property
    def name(self) -> str:
        return "bwc_plates"

    @property
    def classes(self) -> tuple[str, ...]:
        return ("plate",)

    def describe(self) -> DetectorInfo:
        return info(
            name=self.name,
            package=TOOL,
            file_sha256=FILE.file_sha256,
            licence=FILE.licence,
            settings={
                "long_sides": list(self.long_sides),
                "runtime": runtime_label(),
                "threshold_permille": round(self.threshold * 1000),
            },
        )

    def detect(self, bgr: Picture8) -> list[Detection]:
        return self.look(View.of(bgr))

    def look(self, view: View) -> list[Detection]:
        return merge(one for long_side in view.sides(self.long_sides) for one in self._pass(view, long_side))

    def _pass(self, view: View, long_side: int) -> list[Detection]:
        canvas, scale = view.at(long_side)
        scores, sides = self.network.see(["score", "sides"], canvas, _FEED)
        boxes, likely = decode(scores[0, 0], sides[0], self.threshold)
        return collect(boxes / np.float32(scale), likely, shape=view.shape, class_="plate", iou=0.4)


def decode(scores: Floats, sides: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Boxes (n x 4, input pixels) and scores of the cells above `threshold`, best first, at most `_MOST`."""
    rows, columns = np.nonzero(scores > threshold)
    order = np.argsort(-scores[rows, columns], kind="stable")[:_MOST]
    rows, columns = rows[order], columns[order]
    x, y = (columns + np.float32(0.5)) * _STEP, (rows + np.float32(0.5)) * _STEP
    left, top, right, bottom = sides[:, rows, columns]
    boxes = np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32)
    return boxes, scores[rows, columns]
