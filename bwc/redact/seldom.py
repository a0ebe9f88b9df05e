"""Detectors too costly for every look: they join one at a scene's beginning and end, and every so many seconds."""

from dataclasses import dataclass
from fractions import Fraction

from bwc.media.decode import Picture
from bwc.redact.detectors.base import Detector

_FIRST = 3  # looks of a scene: what is there from its beginning becomes a track at once


@dataclass(slots=True)
class Seldom:
    """`detectors` and the time between the looks they join. Pictures are asked about in order."""

    detectors: tuple[Detector, ...]
    seconds: Fraction
    _pts: int | None = None
    _left: int = 0

    def due(self, picture: Picture, *, ends_scene: bool) -> tuple[Detector, ...]:
        """Those that join the look at `picture`: all of them or none."""
        if not self.detectors:
            return ()
        waited = None if self._pts is None else (picture.pts - self._pts) * picture.time_base
        if waited is None:
            self._left = _FIRST
        if waited is not None and waited < self.seconds and not self._left and not ends_scene:
            return ()
        self._pts, self._left = picture.pts, max(0, self._left - 1)
        return self.detectors

    def cut(self) -> None:
        """Another scene begins."""
        self._pts = None
