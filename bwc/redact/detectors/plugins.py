"""Detectors that others wrote: found by entry point `bwc.detectors`, used only when somebody names them.

The contract is in docs/detectors.md; `python -m bwc.redact.detectors.conformance NAME` holds a plug-in to it. Here it is
wrapped: what it hands back is looked at before anybody believes it, so that a plug-in can add work but never lose any.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points

from bwc.errors import BwcError, NotFound, UsageError
from bwc.redact.detectors.base import Detection, Detector, Picture8
from bwc.redact.plan import DetectorInfo

ENTRY_POINTS = "bwc.detectors"
OURS = ("centerface", "clp_det", "bwc_finder", "libfacedetection", "ppocr_text")
_MOST = 2000  # boxes in one picture: more is a fault, not a crowd


@dataclass(frozen=True, slots=True)
class Guarded:
    """A plug-in that cannot hurt: its boxes and scores are looked at, what it finds is marked as its own, its errors are named."""

    inner: Detector

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.inner.classes)

    def describe(self) -> DetectorInfo:
        return self.inner.describe()

    def detect(self, bgr: Picture8) -> list[Detection]:
        """Its detections, best first. Raises `UsageError` when it breaks its contract: a plan without it must not pass for one with it."""
        try:
            found = list(self.inner.detect(bgr.copy()))
        except BwcError:
            raise
        except Exception as error:
            raise UsageError(
                f"the detector {self.name} failed: {type(error).__name__}: {error}",
                f"leave it out, or: python -m bwc.redact.detectors.conformance {self.name}",
            ) from error
        verify_found(self.inner, found, bgr)
        return sorted((replace(one, ours=0.0) for one in found), key=lambda one: -one.score)


def find(names: Sequence[str]) -> tuple[Guarded, ...]:
    """The installed plug-ins called `names`, loaded. Raises `NotFound` for one that is not installed."""
    return tuple(Guarded(load(name)) for name in names)


def installed() -> tuple[str, ...]:
    """The names under which plug-ins are installed; nothing is loaded."""
    return tuple(sorted({point.name for point in entry_points(group=ENTRY_POINTS)}))


def load(name: str) -> Detector:
    """The plug-in `name`. Raises `NotFound`, or `UsageError` when it cannot be loaded or takes a name of ours."""
    points = [point for point in entry_points(group=ENTRY_POINTS) if point.name == name]
    if not points:
        known = ", ".join(installed()) or "none is installed"
        raise NotFound(
            f"no detector plug-in is called {name}", f"installed: {known}; how to write one: docs/detectors.md"
        )
    try:
        made: Detector = points[0].load()()
        own = made.name
    except BwcError:
        raise
    except Exception as error:
        raise UsageError(
            f"the detector {name} ({points[0].value}) cannot be loaded: {type(error).__name__}: {error}",
            "mend or uninstall that package",
        ) from error
    if own in OURS or own != name:
        raise UsageError(
            f"the plug-in {name} calls itself {own}", "its name is that of its entry point, and none of ours"
        )
    return made


def verify_found(detector: Detector, found: Sequence[Detection], bgr: Picture8) -> None:
    """Raises `UsageError` unless `found` is what the contract allows for `bgr`."""
    height, width = bgr.shape[:2]
    if len(found) > _MOST:
        raise UsageError(f"{detector.name} found {len(found)} things in one picture")
    for one in found:
        if not isinstance(one, Detection):
            raise UsageError(f"{detector.name} hands back {type(one).__name__}, not Detection")
        x0, y0, x1, y1 = one.box
        if not all(math.isfinite(side) for side in one.box) or not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise UsageError(f"{detector.name} hands back the box {one.box} in a picture of {width}x{height}")
        if not 0 <= one.score <= 1:
            raise UsageError(f"{detector.name} hands back a score of {one.score}")
        if one.class_ not in detector.classes:
            raise UsageError(f"{detector.name} finds {one.class_!r} but says it finds {', '.join(detector.classes)}")
