"""Faces with CenterFace: one pass over the whole picture at each of a few sizes, taken together.

Large faces are missed at the large size and small ones at the small size, so one size is never enough
(docs/models.md). The network gives, for each cell of 4 x 4 pixels, how likely a face is centred there, its
height and width (natural logarithm, in cells) and where in the cell the centre is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bwc.redact.detectors.base import (
    Detection,
    Floats,
    Picture8,
    collect,
    info,
    merge,
)
from bwc.redact.detectors.graph import free_sizes
from bwc.redact.detectors.light import AIM, brightened
from bwc.redact.detectors.network import Feed, Network, has_fast_integers, precision, runtime_label
from bwc.redact.detectors.packaged import PackagedFile
from bwc.redact.detectors.view import View
from bwc.redact.detectors.weights import CENTERFACE, load
from bwc.redact.plan import DetectorInfo
from bwc.version import TOOL

_Piece = tuple[float, Floats, Floats]  # scale of the picture looked at; boxes there, n x 4, and scores

_CELL = 4
_HEAT, _SIZE, _SHIFT, _POINTS = "537", "538", "539", "540"  # the names its exporter gave
_FEED = Feed("input.1", is_rgb=True)
INPUTS: dict[str, list[int | str]] = {"input.1": [1, 3, "H", "W"]}
OUTPUTS: dict[str, list[int | str]] = {
    _HEAT: [1, 1, "h", "w"],
    _SIZE: [1, 2, "h", "w"],
    _SHIFT: [1, 2, "h", "w"],
    _POINTS: [1, 10, "h", "w"],
}


# The same network in 8-bit integers (training/quantize.py): 40 ms where floats take 97 (960x544, OpenVINO, VNNI)
INT8 = PackagedFile(
    name="centerface_int8.onnx",
    file_sha256="7e8ecaa67cb0315149a4b933e9953c000759d176ce33d852d97fc829376f6b3c",
    licence="MIT",
)


@dataclass(frozen=True, slots=True)
class FaceNetwork:
    """CenterFace as it runs here, and the file it came from."""

    network: Network
    package: str
    file_sha256: str
    precision: str


def open_network(*, integers: bool | None = None) -> FaceNetwork:
    """CenterFace with free picture sizes: in 8-bit integers where the processor has an instruction for them, else floats.

    Raises `NotFound` or `DigestMismatch` for its file.
    """
    if has_fast_integers() if integers is None else integers:
        return FaceNetwork(Network(INT8.load()), TOOL, INT8.file_sha256, precision(integers=True))
    model = free_sizes(load(CENTERFACE.name), inputs=INPUTS, outputs=OUTPUTS)
    return FaceNetwork(Network(model), CENTERFACE.label, CENTERFACE.file_sha256, precision())


@dataclass(frozen=True, slots=True)
class Reach:
    """A look for small faces alone: at sizes above `above`, boxes lower than `below` pixels there.

    Larger ones would be parts of near faces. It looks at pieces of the size that a look at `pieces` pixels has: the network is ready
    for it, where 1920 x 1080 in one would hold 140 MB for good, and is no faster.
    """

    above: int
    below: int
    pieces: int


FAR = Reach(above=1280, below=28, pieces=1280)


@dataclass(frozen=True, slots=True)
class CenterFace:
    """Faces in one picture, at `long_sides` pixels along the longer side; only those in `reach`.

    Dark pictures are brightened, unless it `takes_as_is` what it is given.
    """

    source: FaceNetwork
    long_sides: tuple[int, ...] = (640, 1280)
    threshold: float = 0.2
    reach: Reach | None = None
    takes_as_is: bool = False

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
            package=self.source.package,
            file_sha256=self.source.file_sha256,
            precision=self.source.precision,
            licence=CENTERFACE.licence,
            settings={
                "long_sides": list(self.long_sides),
                "runtime": runtime_label(),
                "threshold_permille": round(self.threshold * 1000),
                **({} if self.takes_as_is else {"brightened_to": AIM}),
                **(
                    {"above": self.reach.above, "below": self.reach.below, "pieces": self.reach.pieces}
                    if self.reach
                    else {}
                ),
            },
        )

    def detect(self, bgr: Picture8) -> list[Detection]:
        return self.look(View.of(bgr))

    def look(self, view: View) -> list[Detection]:
        return self.together(view.shape, [piece() for piece in self.pieces(view)])

    def pieces(self, view: View) -> list[Callable[[], _Piece]]:
        """One for each size, or for each piece that far faces are looked for in."""
        above = self.reach.above if self.reach else 0
        sides = [side for side in view.sides(self.long_sides) if side > above]
        if self.reach is None:
            return [partial(self._pass, view, side) for side in sides]
        shape = view.at(self.reach.pieces)[0].shape
        return [
            partial(self._far, view, side, shape, (x, y), self.reach.below)
            for side in sides
            for y in _starts(view.at(side)[0].shape[0], shape[0], self.reach.below)
            for x in _starts(view.at(side)[0].shape[1], shape[1], self.reach.below)
        ]

    def together(self, shape: tuple[int, int], done: Sequence[_Piece]) -> list[Detection]:
        found: list[Detection] = []
        for scale in dict.fromkeys(scale for scale, _, _ in done):
            parts = [(boxes, scores) for at, boxes, scores in done if at == scale]
            boxes, scores = (np.concatenate(part, dtype=np.float32) for part in zip(*parts, strict=True))
            found += collect(boxes / np.float32(scale), scores, shape=shape, class_="face", iou=0.3)
        return merge(found)

    def _pass(self, view: View, side: int) -> _Piece:
        canvas, scale = view.at(side)
        return scale, *self._seen(canvas)

    def _seen(self, canvas: Picture8) -> tuple[Floats, Floats]:
        canvas = canvas if self.takes_as_is else brightened(canvas)
        heat, size, shift = self.source.network.see([_HEAT, _SIZE, _SHIFT], canvas, _FEED)
        return _decode(heat[0, 0], size[0], shift[0], self.threshold)

    def _far(self, view: View, side: int, shape: tuple[int, ...], at: tuple[int, int], below: int) -> _Piece:
        """Boxes lower than `below` in the piece of `shape` that begins `at`; two share a strip that holds such a box whole."""
        (canvas, scale), (x, y) = view.at(side), at
        piece = np.ascontiguousarray(canvas[y : y + shape[0], x : x + shape[1]])
        seen, likely = self._seen(piece)
        low = seen[:, 3] - seen[:, 1] < below
        return scale, seen[low] + np.asarray([x, y, x, y], np.float32), likely[low]


def _starts(length: int, piece: int, shared: int) -> list[int]:
    """Where pieces begin that cover `length` and share at least `shared`."""
    count = max(1, -(-(length - shared) // (piece - shared)))
    return [round(place * (length - piece) / max(1, count - 1)) for place in range(count)] if length > piece else [0]


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
