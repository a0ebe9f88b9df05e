"""Sights too weak to be anybody new, on their way across the background: one says nothing, three in a row are somebody.

Under a fast pan a turned face is never seen well: each look gives it hardly more than it gives a bush. But a bush moves
with the wall behind it. What was seen three times, each time where it had been followed to, and went its own way by
more than its size and without going back, is believed. How the camera moves is known where the codec says so.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bwc.redact.flow import Floats, Still

SIGHTS = 3
_FAR = 1.0  # of its size, against the background
_STRAIGHT = 0.75  # of all that it went, from first to last
_FAST = 0.15  # of the picture's width in a second, on average: a slower camera blurs nobody
_LATELY = 0.2  # what a picture counts in that average
_BLIND = 2  # pictures in a row of which the codec says nothing: a keyframe is one


@dataclass(slots=True)
class Ground:
    """How far the camera has moved since it was last lost: pixels of the small picture.

    Vectors of quiet footage are never read: pictures wait until somebody asks, `most` of them. Before those the camera was lost.
    """

    most: int  # about half a second
    width: float
    _era: int = 0
    _moved: Floats = field(default_factory=lambda: np.zeros(2, np.float32))
    _step: Floats = field(default_factory=lambda: np.zeros(2, np.float32))
    _blind: int = _BLIND
    _pace: float = 0.0
    _waiting: deque[Still] = field(default_factory=deque)

    def go(self, still: Still) -> None:
        """On to the next picture."""
        self._waiting.append(still)
        if len(self._waiting) > self.most:
            self._waiting.popleft()
            self._blind = _BLIND

    def lose(self) -> None:
        """Another scene."""
        self._waiting.clear()
        self._blind = _BLIND

    def is_known(self) -> bool:
        """Whether the codec says how the camera moved just now."""
        while self._waiting:
            motion = self._waiting.popleft().motion
            if motion is not None:
                self._era += self._blind >= _BLIND
                self._step = (motion.camera_move() / np.float32(motion.scale)).astype(np.float32)
                self._blind = 0
            else:  # it goes on as it went
                self._blind += 1
            self._moved = self._moved + self._step
            self._pace += _LATELY * (float(np.abs(self._step).max()) - self._pace)
        return self._blind < _BLIND

    def is_panned(self) -> bool:
        """Whether the camera is known to move fast."""
        return self.is_known() and self._pace * self.most >= _FAST / 2 * self.width

    def place(self, ordinal: int, box: Floats) -> "Place | None":
        """Where `box` of picture `ordinal`, the last one, is; None when nobody knows."""
        if not self.is_known():
            return None
        middle = ((box[:2] + box[2:]) / 2 - self._moved).astype(np.float32)
        return Place(ordinal, self._era, middle, box[2:] - box[:2])


@dataclass(frozen=True, slots=True)
class Place:
    """Of a sight, on the ground; those of one era can be compared."""

    ordinal: int
    era: int
    middle: Floats
    size: Floats


def is_crossing(way: Sequence[Place], within: int) -> bool:
    """Whether the last sights, in order and within so many pictures, are a way across the ground."""
    last = [one for one in way[-SIGHTS:] if one.era == way[-1].era and one.ordinal >= way[-1].ordinal - within]
    if len(last) < SIGHTS:
        return False
    middles, sizes = np.stack([one.middle for one in last]), np.stack([one.size for one in last])
    steps = np.diff(middles, axis=0) / np.sort(sizes, axis=0)[len(last) // 2]
    went, all_of_it = np.abs(steps.sum(axis=0)), np.abs(steps).sum(axis=0)
    along = int(np.argmax(went))
    return bool(went[along] >= _FAR and went[along] >= _STRAIGHT * all_of_it[along])
