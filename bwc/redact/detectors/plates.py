"""Number plates with clp_det, a small anchor network, at a few sizes.

It was made for Chinese plates seen by parking cameras. On photographs it finds nearly every plate; on worn
cameras few (docs/models.md), so what it finds is a proposal and what it does not find proves nothing.

At each cell of three grids (8, 16, 32 pixels) stand two square anchors. The network moves and stretches each:
centre = anchor centre + 0.1 * out * anchor size, size = anchor size * exp(0.2 * out).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bwc.redact.detectors.base import Detection, Floats, Picture8, collect, info, merge
from bwc.redact.detectors.network import Feed, Network, precision, runtime_label
from bwc.redact.detectors.view import View
from bwc.redact.detectors.weights import CLP_DET, load
from bwc.redact.plan import DetectorInfo

_GRIDS = ((8, (24, 48)), (16, (96, 192)), (32, (384, 768)))  # step, anchor sides, in input pixels
# A plate that fills a third of a picture is an arm's length away and no network doubts it; a doubtful box of that
# size is a bonnet, a wall, the horizon (the one false track on plate-free drone footage, 39 % wide, score .56)
_WIDEST, _SURE = 0.3, 0.7
# In plans nothing larger counts: walls, windows, coats are plates of up to 0.97 to it, and covered two thirds of a pan along a
# wall (hard set, 2026-11), while of 14 plates that fill their picture it found none (docs/models.md).
SCENERY = 0.05
_FEED = Feed("image", mean=(104.0, 117.0, 123.0))


def open_network() -> Network:
    """clp_det. Raises `NotFound` or `DigestMismatch` for its file."""
    return Network(load(CLP_DET.name))


@dataclass(frozen=True, slots=True)
class PlateFinder:
    """Plates in one picture, at `long_sides` pixels along the longer side.

    What takes more than `largest` of the picture is none. A cut-out round a plate shows it large: there is no limit by default.
    """

    network: Network
    long_sides: tuple[int, ...] = (640, 1280)
    threshold: float = 0.2
    largest: float = 1.0

    @classmethod
    def open(cls, long_sides: Sequence[int] = (640, 1280), threshold: float = 0.2) -> "PlateFinder":
        return cls(open_network(), tuple(long_sides), threshold)

    @property
    def name(self) -> str:
        return "clp_det"

    @property
    def classes(self) -> tuple[str, ...]:
        return ("plate",)

    def describe(self) -> DetectorInfo:
        return info(
            name=self.name,
            package=CLP_DET.label,
            file_sha256=CLP_DET.file_sha256,
            licence=CLP_DET.licence,
            precision=precision(),
            settings={
                "largest_permille": round(self.largest * 1000),
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
        found = (one for long_side in view.sides(self.long_sides) for one in self._pass(view, long_side))
        return merge(one for one in found if self._may_be(one, view))

    def _may_be(self, one: Detection, view: View) -> bool:
        wide, high = one.box[2] - one.box[0], one.box[3] - one.box[1]
        if wide * high > self.largest * view.width * view.height:
            return False
        return one.score >= _SURE or wide <= _WIDEST * view.width

    def _pass(self, view: View, long_side: int) -> list[Detection]:
        canvas, scale = view.at(long_side)
        moves, scores = self.network.see(["loc", "conf"], canvas, _FEED)
        likely = scores[0, :, 1]
        chosen = np.nonzero(likely > self.threshold)[0]
        boxes = _decode(moves[0][chosen], anchors(canvas.shape[0], canvas.shape[1])[chosen])
        return collect(boxes / np.float32(scale), likely[chosen], shape=view.shape, class_="plate", iou=0.4)


@lru_cache(maxsize=8)
def anchors(height: int, width: int) -> Floats:
    """Centre x, centre y and side (n x 3) of every anchor, in the network's order: grid, row, column, size."""
    parts: list[Floats] = []
    for step, sides in _GRIDS:
        rows, columns = -(-height // step), -(-width // step)
        y, x, side = np.meshgrid(np.arange(rows), np.arange(columns), np.asarray(sides), indexing="ij")
        cells = np.stack([(x + 0.5) * step, (y + 0.5) * step, side], axis=-1)
        parts.append(cells.reshape(-1, 3).astype(np.float32))
    return np.concatenate(parts)


def _decode(moves: Floats, at: Floats) -> Floats:
    centre = at[:, :2] + 0.1 * moves[:, :2] * at[:, 2:]
    half = at[:, 2:] * np.exp(0.2 * moves[:, 2:]) / 2
    boxes: Floats = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return boxes
