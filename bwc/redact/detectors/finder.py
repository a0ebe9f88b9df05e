"""Plates, heads, screens and papers with small networks of our own, whose weights come with this package.

Anchor-free: every cell of three maps (8, 16, 32 pixels) gives a score for each kind, "in the middle of a plate", "of a
head", "of a lit screen", "of a paper or card", and how far its four sides are. One file knows the first two kinds, the
other, asked only when screens and papers are looked for, all four: what it learnt besides cost it some plates. A head is seen from any side, with or without a face. How the network was
made, from which pictures and how good it is: docs/models.md and training/README.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from bwc.redact.detectors.base import Detection, Floats, Picture8, collect, info, merge
from bwc.redact.detectors.network import Feed, Network, has_fast_integers, precision, runtime_label
from bwc.redact.detectors.packaged import PackagedFile
from bwc.redact.detectors.view import View
from bwc.redact.plan import DetectorInfo
from bwc.version import TOOL

FILE = PackagedFile(
    name="finder.onnx",
    file_sha256="9489da321d0c54db58fd3250e0d0a3652be66d6a12c63f762e0f70aade5f706a",
    licence="Apache-2.0",
)
# The same network in 8-bit integers (training/quantize.py): 12 ms where floats take 28 (960x544, OpenVINO, VNNI)
INT8 = PackagedFile(
    name="finder_int8.onnx",
    file_sha256="f2bdb488c5a317638d00239e21c3492f50f26fdae9bf8542789807f69e7863ca",
    licence="Apache-2.0",
)
# The same network, gone on learning with two kinds more
SHEETS = PackagedFile(
    name="sheets.onnx",
    file_sha256="be0dc23e18a5f8d21b7181666b1fbe689c924757c300de57174a55682d78f7d3",
    licence="Apache-2.0",
)
SHEETS_INT8 = PackagedFile(
    name="sheets_int8.onnx",
    file_sha256="8120159797683f3a1f84554e1f4c65e6eb2138c0674860925cc8f18d956b0ef9",
    licence="Apache-2.0",
)
_FEED = Feed("picture")
PLATE, HEAD, SCREEN, PAPER = KINDS = ("plate", "head", "screen", "paper")
_STEPS = (8, 16, 32)  # input pixels from cell to cell
_MOST = 300  # candidates of a kind looked at in one pass, best first: a wall of noise must not cost seconds


@dataclass(frozen=True, slots=True)
class FinderNetwork:
    """The network as it runs here, and the file it came from."""

    network: Network
    file: PackagedFile
    precision: str


def open_network(*, sheets: bool = False, integers: bool | None = None) -> FinderNetwork:
    """The packaged network, or with `sheets` the one that knows screens and papers.

    In 8-bit integers where the processor has an instruction for them, else floats. Raises `NotFound` or `DigestMismatch` for its file.
    """
    fast = has_fast_integers() if integers is None else integers
    file = (SHEETS_INT8 if fast else SHEETS) if sheets else INT8 if fast else FILE
    return FinderNetwork(Network(file.load()), file, precision(integers=fast))


@dataclass(frozen=True, slots=True)
class Finder:
    """Plates, heads, screens and papers in one picture, at `long_sides` pixels along the longer side.

    `thresholds` names the kinds wanted and the score from which a find counts. Without `enlarge`, sizes above the
    picture's own are left out; none may be left.
    """

    source: FinderNetwork
    long_sides: tuple[int, ...] = (640, 1280)
    thresholds: Mapping[str, float] = field(default_factory=lambda: {PLATE: 0.5, HEAD: 0.5})
    enlarge: bool = True
    heads_below: int = 0  # pixels of height in the picture as it is looked at: higher heads are left out; 0: none are

    @classmethod
    def open(cls, long_sides: Sequence[int] = (640, 1280), thresholds: Mapping[str, float] | None = None) -> "Finder":
        return cls(open_network(), tuple(long_sides), thresholds or {PLATE: 0.5, HEAD: 0.5})

    @property
    def name(self) -> str:
        return "bwc_finder"

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.thresholds)

    def describe(self) -> DetectorInfo:
        return info(
            name=self.name,
            package=TOOL,
            file_sha256=self.source.file.file_sha256,
            licence=self.source.file.licence,
            precision=self.source.precision,
            settings={
                "long_sides": list(self.long_sides),
                "runtime": runtime_label(),
                **({} if self.enlarge else {"enlarge": False}),
                **({"heads_below": self.heads_below} if self.heads_below else {}),
                **{f"{kind}_threshold_permille": round(value * 1000) for kind, value in self.thresholds.items()},
            },
        )

    def rest(self) -> None:
        self.source.network.rest()

    def detect(self, bgr: Picture8) -> list[Detection]:
        return self.look(View.of(bgr))

    def look(self, view: View) -> list[Detection]:
        sides = (
            view.sides(self.long_sides) if self.enlarge else [one for one in self.long_sides if one <= max(view.shape)]
        )
        return merge(one for long_side in sides for one in self._pass(view, long_side))

    def _pass(self, view: View, long_side: int) -> list[Detection]:
        canvas, scale = view.at(long_side)
        scores, sides = self.source.network.see(["score", "sides"], canvas, _FEED)
        found: list[Detection] = []
        for kind, threshold in self.thresholds.items():
            row = KINDS.index(kind)
            likely, far = scores[0, row], sides[0, 4 * row : 4 * row + 4]
            boxes, chosen = decode(likely, far, cells(canvas.shape[0], canvas.shape[1]), threshold)
            if kind == HEAD and self.heads_below:
                low = boxes[:, 3] - boxes[:, 1] < self.heads_below
                boxes, chosen = boxes[low], chosen[low]
            found += collect(boxes / np.float32(scale), chosen, shape=view.shape, class_=kind, iou=0.4)
        return found


@lru_cache(maxsize=8)
def cells(height: int, width: int) -> Floats:
    """Middle x and y (2 x n) of every cell, in the network's order: map, row, column."""
    parts: list[Floats] = []
    for step in _STEPS:
        y, x = np.meshgrid(np.arange(height // step), np.arange(width // step), indexing="ij")
        parts.append(((np.stack([x.ravel(), y.ravel()]) + 0.5) * step).astype(np.float32))
    return np.concatenate(parts, axis=1)


def decode(scores: Floats, sides: Floats, middles: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Boxes (n x 4, input pixels) and scores of the cells above `threshold`, best first, at most `_MOST`."""
    chosen = np.nonzero(scores > threshold)[0]
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")[:_MOST]]
    (x, y), (left, top, right, bottom) = middles[:, chosen], sides[:, chosen]
    return np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32), scores[chosen]
