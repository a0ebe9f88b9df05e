"""Faces with CenterFace: one pass over the whole picture at each of a few sizes, taken together.

Large faces are missed at the large size and small ones at the small size, so one size is never enough
(docs/models.md). The network gives, for each cell of 4 x 4 pixels, how likely a face is centred there, its
height and width (natural logarithm, in cells) and where in the cell the centre is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bwc.redact.detectors.base import (
    Detection,
    Floats,
    Picture8,
    collect,
    fit,
    info,
    merge,
    planes,
    sides_for,
)
from bwc.redact.detectors.graph import free_sizes
from bwc.redact.detectors.network import Network, runtime_label
from bwc.redact.detectors.weights import CENTERFACE, load
from bwc.redact.plan import DetectorInfo

_CELL = 4
_HEAT, _SIZE, _SHIFT, _POINTS = "537", "538", "539", "540"  # the names its exporter gave
_INPUTS: dict[str, list[int | str]] = {"input.1": [1, 3, "H", "W"]}
_OUTPUTS: dict[str, list[int | str]] = {
    _HEAT: [1, 1, "h", "w"],
    _SIZE: [1, 2, "h", "w"],
    _SHIFT: [1, 2, "h", "w"],
    _POINTS: [1, 10, "h", "w"],
}


def open_network() -> Network:
    """CenterFace with free picture sizes. Raises `NotFound` or `DigestMismatch` for its file."""
    return Network(free_sizes(load(CENTERFACE.name), inputs=_INPUTS, outputs=_OUTPUTS))


@dataclass(frozen=True, slots=True)
class CenterFace:
    """Faces in one picture, at `long_sides` pixels along the longer side."""

    network: Network
    long_sides: tuple[int, ...] = (640, 1280)
    threshold: float = 0.2

    @classmethod
    def open(cls, long_sides: Sequence[int] = (640, 1280), threshold: float = 0.2) -> "CenterFace":
        return cls(open_network(), tuple(long_sides), threshold)

    @property
    def name(self) -> str:
        return "centerface"

    @property
    def classes(self) -> tuple[str, ...]:
        return ("face",)

    def describe(self) -> DetectorInfo:
        return info(
            name=self.name,
            package=CENTERFACE.label,
            file_sha256=CENTERFACE.file_sha256,
            licence=CENTERFACE.licence,
            settings={
                "long_sides": list(self.long_sides),
                "runtime": runtime_label(),
                "threshold_permille": round(self.threshold * 1000),
            },
        )

    def detect(self, bgr: Picture8) -> list[Detection]:
        return merge(one for long_side in sides_for(bgr, self.long_sides) for one in self._pass(bgr, long_side))

    def _pass(self, bgr: Picture8, long_side: int) -> list[Detection]:
        canvas, scale = fit(bgr, long_side)
        heat, size, shift = self.network.run([_HEAT, _SIZE, _SHIFT], {"input.1": planes(canvas, rgb=True)})
        boxes, scores = _decode(heat[0, 0], size[0], shift[0], self.threshold)
        return collect(boxes / np.float32(scale), scores, shape=bgr.shape, class_="face", iou=0.3)


def _decode(heat: Floats, size: Floats, shift: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Boxes (n x 4, input pixels) and scores of the cells whose heat is above `threshold`."""
    row, column = np.nonzero(heat > threshold)
    high, wide = (np.exp(size[i, row, column]) * _CELL for i in (0, 1))
    centre_y = (row + shift[0, row, column] + 0.5) * _CELL
    centre_x = (column + shift[1, row, column] + 0.5) * _CELL
    boxes = np.stack(
        [centre_x - wide / 2, centre_y - high / 2, centre_x + wide / 2, centre_y + high / 2], axis=1
    ).astype(np.float32)
    return boxes, heat[row, column].astype(np.float32)
