"""The camera's own writing: text that stands still near the picture's edge while what lies behind it moves. It is left as it is."""

from collections.abc import Sequence

import numpy as np

from bwc.redact.flow import Floats, Grey
from bwc.redact.plan import Box
from bwc.redact.track import Path

TEXT = "text"
_LEAST_SIGHTINGS = 4
_LEAST_LIFE = 0.8  # of the recording
_BAND = 0.14  # of the picture's height, above and below
_DRIFT = 0.5  # of the line's height: more and it moved
_MOVED_LEVELS = 6.0  # mean difference of two pictures a look apart
_MOST_MOVED = 0.5  # of the looks; a still camera's signs stand still too, so there nothing is taken for an overlay


class Motion:
    """Whether the picture moved between looks: shares of looks, from small grey pictures."""

    def __init__(self) -> None:
        self._last: Grey | None = None
        self._looks = self._moved = 0

    def look(self, grey: Grey) -> None:
        if self._last is not None and self._last.shape == grey.shape:
            self._looks += 1
            apart = np.abs(grey.astype(np.int16) - self._last.astype(np.int16))
            self._moved += float(apart.mean()) > _MOVED_LEVELS
        self._last = grey

    @property
    def is_moving(self) -> bool:
        return self._looks > 0 and self._moved >= _MOST_MOVED * self._looks


def parted(paths: Sequence[Path], frames: int, size: tuple[int, int], motion: Motion) -> tuple[list[Path], list[Path]]:
    """`paths` without the overlay's, and the overlay's; `size` is that of the small pictures."""
    overlay = [path for path in paths if motion.is_moving and _stands_still(path, frames, size[1])]
    return [path for path in paths if not any(path is other for other in overlay)], overlay


def places(overlay: Sequence[Path], scale: tuple[float, float]) -> list[Box]:
    """Where each line of the overlay stands, in coded pixels, for the plan's record."""
    found = []
    for path in overlay:
        x0, y0, x1, y1 = (float(side) for side in np.median(np.stack(list(path.boxes)), axis=0))
        found.append((int(x0 * scale[0]), int(y0 * scale[1]), round(x1 * scale[0]), round(y1 * scale[1])))
    return sorted(found)


def _stands_still(path: Path, frames: int, height: int) -> bool:
    if path.class_ != TEXT or path.hits < _LEAST_SIGHTINGS or len(path.boxes) < _LEAST_LIFE * frames:
        return False
    boxes: Floats = np.stack(list(path.boxes))
    middle = np.median(boxes, axis=0)
    line = float(middle[3] - middle[1])
    in_band = middle[3] <= _BAND * height or middle[1] >= (1 - _BAND) * height
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    drift = np.percentile(np.abs(centres - np.median(centres, axis=0)), 90)
    return bool(in_band and drift <= max(1.0, _DRIFT * line))
