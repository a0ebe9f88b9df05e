"""Where one scene ends and another begins, told from small grey pictures in a way that a flash does not fool."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bwc.redact.flow import Grey

_SIZE = (64, 36)
# Measured on 11 clips (2026-11), lowest value between neighbours of one scene: all brightness .73, fine structure
# .44 (a head turning at 10 frames per second, a camera shaking by 2 % of its width); across a cut .39 and .01.
_ALIKE = 0.6
_FINE_ALIKE = 0.2
_FINE_SIGMA = 4.0  # pixels of 64: what is larger counts as light, what is smaller as things
_FLAT = 2.0  # grey levels of spread below which a picture shows nothing to compare


@dataclass(frozen=True, slots=True)
class Apart:
    """What a reduced picture is like but for its mean: `values` less it, and their spread. Made once, compared with many."""

    values: NDArray[np.float32]
    spread: np.float32

    @classmethod
    def of(cls, picture: NDArray[np.float32]) -> "Apart":
        values = picture - picture.mean()
        return cls(values, values.std())


class CutFinder:
    """Feed it pictures in order. Correlation is blind to gain and offset: a lamp or auto exposure is not a cut.

    `now` is the latest of them, reduced.
    """

    def __init__(self) -> None:
        self.now = np.zeros((0, 0), np.float32)
        self._apart = Apart(self.now, np.float32(0))

    def is_cut(self, grey: Grey) -> bool:
        """Whether `grey` starts another scene than the picture given before. The first picture does not."""
        before, self.now = self.now, reduced(grey)
        apart_before, self._apart = self._apart, Apart.of(self.now)
        if not before.size:
            return False
        spread, spread_before = float(self._apart.spread), float(apart_before.spread)
        if min(spread, spread_before) < _FLAT:
            # black, white or covered lens: only a change of what is seen at all counts
            return max(spread, spread_before) > 4 * _FLAT
        if _correlation(apart_before, self._apart) >= _ALIKE:
            return False
        return fine_likeness(fine_of(before), fine_of(self.now)) < _FINE_ALIKE


def reduced(grey: Grey) -> NDArray[np.float32]:
    """`grey` as small as scenes are compared at."""
    return cv2.resize(grey, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)


def fine_of(picture: NDArray[np.float32]) -> Apart:
    """The things in a reduced picture and where they stand, without its light."""
    return Apart.of(picture - cv2.GaussianBlur(picture, (0, 0), _FINE_SIGMA))


def fine_likeness(one: Apart, other: Apart) -> float:
    """How alike the things in two reduced pictures are and where they stand: 1 is equal, 0 is chance; blind to light."""
    return _correlation(one, other)


def _correlation(one: Apart, other: Apart) -> float:
    return float((one.values * other.values).mean() / max(float(one.spread * other.spread), 1e-6))
