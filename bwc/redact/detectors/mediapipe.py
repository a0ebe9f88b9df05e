"""MediaPipe's face models as a plug-in: `--also mediapipe`, run by LiteRT, from a model file that the user brings.

The models see a square of 128 (short range) or 192 pixels (full range), so small faces are lost in a whole picture; it is
looked at in overlapping tiles too. Layout of anchors and tensors, scaling of the input: the graphs that Google publishes,
github.com/google-ai-edge/mediapipe, mediapipe/modules/face_detection/face_detection_{short,full}_range_common.pbtxt
and face_detection_full_range_cpu.pbtxt.
"""

import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bwc.canonical import sha256_hex
from bwc.errors import ConfigError, NotFound
from bwc.redact.detectors.base import ENLARGE, Detection, Floats, Picture8, collect, info, merge
from bwc.redact.plan import DetectorInfo
from bwc.version import TOOL

MODEL, TILES = "BWC_MEDIAPIPE_MODEL", "BWC_MEDIAPIPE_TILES"
PACKAGE = "ai-edge-litert"
# The files that MediaPipe's own build names (third_party/external_files.bzl); any other is run all the same
KNOWN = {
    "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633": "face_detection_short_range.tflite",
    "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3": "face_detection_full_range.tflite",
    "671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce": "face_detection_full_range_sparse.tflite",
}
_VALUES = 16  # per anchor: centre, width and height, then six points of the face, which are not used
_CLIP = 100.0  # score_clipping_thresh
_SAME = 0.3  # min_suppression_threshold
_OVERLAP = 4  # neighbouring tiles share at least this part of their side, so that a face on a seam is whole in one
_HINT = f"{MODEL} names face_detection_full_range.tflite or its like: docs/detectors.md"
_CHOICES: dict[str, tuple[int, ...]] = {"1": (1,), "2": (1, 2), "4": (1, 2, 4)}


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the published models: side of its square input, and for each of its maps the step and the anchors a cell."""

    name: str
    side: int
    maps: tuple[tuple[int, int], ...]

    def anchors(self) -> Floats:
        """Centres (n x 2: x, y; pixels of the input) in the order of the tensors: maps of one step share their cells."""
        parts: list[Floats] = []
        for step, same in groupby(self.maps, key=lambda one: one[0]):
            cells = (np.arange(self.side // step, dtype=np.float32) + np.float32(0.5)) * np.float32(step)
            y, x = np.meshgrid(cells, cells, indexing="ij")
            many = sum(count for _, count in same)
            parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), many, axis=0))
        return np.concatenate(parts)


KINDS = (
    Kind("short range", 128, ((8, 2), (16, 2), (16, 2), (16, 2))),
    Kind("full range", 192, ((4, 1),)),
)


class MediaPipe:
    """Faces in the whole picture, and in its tiles: `tiles` of 2 are half as long as the longer side, of 4 a quarter."""

    name = "mediapipe"
    classes = ("face",)

    def __init__(
        self, model: Path | None = None, tiles: Sequence[int] | None = None, *, threshold: float = 0.5
    ) -> None:
        """Without arguments as the environment says. Raises `NotFound` for a file or LiteRT that is not there, and
        `ConfigError` for a file that is no model we know, or a variable that is wrong."""
        self.tiles = tuple(tiles) if tiles else wanted_tiles(os.environ)
        self.threshold = threshold
        place = model or wanted_model(os.environ)
        self._data = _read(place)
        self.file_sha256 = sha256_hex(self._data)
        self._mine = threading.local()  # an interpreter holds its tensors: each thread has its own
        self.kind = _kind_of(self._interpreter(place), place)
        self._anchors = self.kind.anchors()

    def describe(self) -> DetectorInfo:
        return info(
            name=self.name,
            package=TOOL,
            file_sha256=self.file_sha256,
            precision="f32",
            licence="Apache-2.0" if self.file_sha256 in KNOWN else "not known here: the file was brought by the user",
            settings={
                "file": KNOWN.get(self.file_sha256, "another"),
                "kind": self.kind.name,
                "runtime": runtime_label(),
                "threshold_permille": round(self.threshold * 1000),
                "tiles": list(self.tiles),
            },
        )

    def detect(self, bgr: Picture8) -> list[Detection]:
        side = self.kind.side
        return merge(
            one for tile in tiles_of(bgr.shape[0], bgr.shape[1], self.tiles, side) for one in self._pass(bgr, tile)
        )

    def _pass(self, bgr: Picture8, tile: tuple[int, int, int, int]) -> list[Detection]:
        x0, y0, x1, y1 = tile
        values, scale, (left, top) = square(bgr[y0:y1, x0:x1], self.kind.side)
        interpreter = self._interpreter()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
        interpreter.invoke()
        raw = {
            int(one["shape"][2]): interpreter.get_tensor(one["index"])[0] for one in interpreter.get_output_details()
        }
        boxes, scores = decode(raw[_VALUES], raw[1][:, 0], self._anchors, self.threshold)
        boxes = (boxes - np.asarray([left, top] * 2, np.float32)) / np.float32(scale)
        boxes += np.asarray([x0, y0] * 2, np.float32)
        return collect(boxes, scores, shape=bgr.shape, class_="face", iou=_SAME)

    def _interpreter(self, place: Path | None = None) -> Any:
        """This thread's own."""
        if not hasattr(self._mine, "interpreter"):
            self._mine.interpreter = _open(self._data, place)
        return self._mine.interpreter


def wanted_model(environ: Mapping[str, str]) -> Path:
    """The file that the environment names. Raises `NotFound` when it names none."""
    named = environ.get(MODEL)
    if not named:
        raise NotFound(
            "the detector mediapipe needs a model file, and none is named",
            f"export {MODEL}=/path/to/face_detection_full_range.tflite; where it comes from: docs/detectors.md",
        )
    return Path(named).expanduser()


def wanted_tiles(environ: Mapping[str, str]) -> tuple[int, ...]:
    """Into how many parts of its longer side a picture is cut, pass by pass. Raises `ConfigError` for another choice."""
    chosen = environ.get(TILES) or "2"
    if chosen not in _CHOICES:
        raise ConfigError(
            f"{TILES} is {chosen!r}", "1 (the whole picture only), 2 (and halves) or 4 (and halves and quarters)"
        )
    return _CHOICES[chosen]


def runtime_label() -> str:
    """What computes, for the plan. Raises `NotFound` when it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"litert {version(PACKAGE)} cpu"
    except PackageNotFoundError as error:
        raise _no_runtime() from error


def tiles_of(height: int, width: int, levels: Sequence[int], side: int) -> Iterator[tuple[int, int, int, int]]:
    """Windows (x0, y0, x1, y1) over a picture, level by level; one is left out where it would have to be enlarged too much."""
    for level in levels:
        long = math.ceil(max(height, width) / level)
        if level > 1 and long * ENLARGE < side:
            continue
        for y, x in product(_starts(height, long), _starts(width, long)):
            yield x, y, min(width, x + long), min(height, y + long)


def _starts(length: int, long: int) -> list[int]:
    """Where windows of `long` begin so that they cover `length` and share at least a quarter with their neighbours."""
    if length <= long:
        return [0]
    many = 1 + math.ceil((length - long) / (long - long / _OVERLAP))
    return [round(i * (length - long) / (many - 1)) for i in range(many)]


def square(bgr: Picture8, side: int) -> tuple[Floats, float, tuple[int, int]]:
    """The network's input (red first, -1 to 1, the picture in the middle of black), its scale, and where its corner is."""
    height, width = bgr.shape[:2]
    scale = side / max(height, width)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    left, top = (side - wide) // 2, (side - high) // 2
    canvas = np.zeros((side, side, 3), np.float32)
    canvas[top : top + high, left : left + wide] = cv2.resize(bgr, (wide, high), interpolation=how)[:, :, ::-1]
    return (canvas / np.float32(127.5) - np.float32(1))[None], scale, (left, top)


def decode(raw: Floats, logits: Floats, anchors: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Boxes (n x 4, pixels of the input) and scores of the anchors above `threshold`. `raw` counts from each anchor's centre."""
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_CLIP, _CLIP)))
    chosen = np.nonzero(scores > threshold)[0]
    centre, half = raw[chosen, :2] + anchors[chosen], raw[chosen, 2:4] / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    real = np.isfinite(boxes).all(axis=1) & (half > 0).all(axis=1)
    return boxes[real], scores[chosen][real].astype(np.float32)


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"the model file {place} is not there", f"{MODEL} names it: docs/detectors.md") from error
    except OSError as error:
        raise ConfigError(f"the model file {place} cannot be read: {error.strerror}", f"{MODEL} names it") from error


def _open(data: bytes, place: Path | None) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise _no_runtime() from error
    try:
        interpreter = Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"{place or 'the model file'} is no model that LiteRT can run: {error}", _HINT) from error
    return interpreter


def _no_runtime() -> NotFound:
    return NotFound(
        "the detector mediapipe needs LiteRT, which is not installed",
        "in the folder of bwc: python3 -m pip install '.[mediapipe]'",
    )


def _kind_of(interpreter: Any, place: Path) -> Kind:
    """Which published model a file is, by the shapes of what goes in and comes out."""
    goes_in, comes_out = interpreter.get_input_details(), interpreter.get_output_details()
    shapes = [tuple(int(n) for n in one["shape"]) for one in (*goes_in, *comes_out)]
    if all(one["dtype"] is np.float32 for one in (*goes_in, *comes_out)):
        for kind in KINDS:
            many = sum((kind.side // step) ** 2 * count for step, count in kind.maps)
            if shapes[:1] == [(1, kind.side, kind.side, 3)] and sorted(shapes[1:]) == [
                (1, many, 1),
                (1, many, _VALUES),
            ]:
                return kind
    said = ", ".join("x".join(map(str, shape)) for shape in shapes)
    raise ConfigError(f"{place} is none of MediaPipe's face detection models (its tensors: {said})", _HINT)
