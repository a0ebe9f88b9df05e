"""Where one scene ends and another begins, told from small grey pictures in a way that a flash does not fool."""

import cv2
import numpy as np
from numpy.typing import NDArray

from bwc.redact.flow import Grey

_SIZE = (64, 36)
_ALIKE = 0.35  # correlation of two pictures of one scene; neighbours of a shaking camera stay above 0.6
_SPREAD = 0.35  # share of pixels whose brightness rank moved to another place
_FLAT = 3.0  # grey levels of spread below which a picture shows nothing to compare


class CutFinder:
    """Feed it pictures in order. Correlation is blind to gain and offset: a lamp or auto exposure is not a cut."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None

    def is_cut(self, grey: Grey) -> bool:
        """Whether `grey` starts another scene than the picture given before. The first picture does not."""
        now = cv2.resize(grey, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, now
        if before is None:
            return False
        spread, spread_before = float(now.std()), float(before.std())
        if min(spread, spread_before) < _FLAT:
            # black, white or covered lens: only a change of what is seen at all counts
            return max(spread, spread_before) > 4 * _FLAT
        alike = float(((now - now.mean()) * (before - before.mean())).mean()) / (spread * spread_before)
        return alike < _ALIKE and _moved(before, now) > _SPREAD


def _moved(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """Share of pixels that changed by more than the scene's own spread, after gain and offset are taken out."""
    one = (before - before.mean()) / before.std()
    other = (now - now.mean()) / now.std()
    return float((np.abs(one - other) > 0.75).mean())
