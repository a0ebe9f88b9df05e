"""When detectors look next: often where people are hard to see or the picture moves, seldom where nothing changes.

 - at least every `every` of the profile; twice the time is what a face may be carried from one look alone
 - every `every_busy` while somebody is known who is small, doubtful or being lost, when most of the picture has changed
   since the last look, and in the first second of a scene
 - every `every_fast` while most of it changes in so short a time: under a fast pan people pass through the picture within a few frames
 - every `every_still` while the picture is the one of the last look and nobody is in doubt

Only times, pictures and answers in their order decide, so the same recording is looked at the same way each time.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bwc.redact.cuts import Apart, fine_likeness, fine_of
from bwc.redact.profiles import Profile

Small = NDArray[np.float32]

# Likeness of fine structure to the picture of the last look, 1/3 s before (2026-11, medians): a pan with people crossing
# .15, a street seen while walking .56, people before a hand-held camera .68 to .82, a walk .83, a fixed camera .99
_CHANGED = 0.45
_FAST = 0.3  # in a third of the time
_STILL = 0.95
_SETTLING = Fraction(1)  # seconds
_SLACK = Fraction(98, 100)  # at 29.97 frames per second five frames are a hair more than a sixth of a second


@dataclass(slots=True)
class Cadence:
    """One recording's. `looked` is told of every look, `is_due` asked in every picture between.

    Both are given the picture as small as scenes are compared at (`cuts.reduced`).
    """

    profile: Profile
    is_unsure: bool = False  # somebody known is small, doubtful or being lost
    looks: int = 0  # in this scene
    _scene: Fraction | None = None
    _last: Fraction | None = None
    _seen: Apart | None = None  # the things in the picture of the last look

    def cut(self) -> None:
        """The next picture begins a scene."""
        self._scene = self._last = None
        self.looks = 0

    def is_due(self, small: Small, seconds: Fraction) -> bool:
        """Whether to look at the picture shown at `seconds`."""
        if self._last is None or self._scene is None or self._seen is None:
            return True
        waited, profile = seconds - self._last, self.profile
        if waited < profile.every_fast * _SLACK:
            return False
        if waited < profile.every_busy * _SLACK:
            return fine_likeness(self._seen, fine_of(small)) < _FAST
        if self.is_unsure or seconds - self._scene < _SETTLING or waited >= profile.every_still * _SLACK:
            return True
        likeness = fine_likeness(self._seen, fine_of(small))
        return likeness < _CHANGED or (waited >= profile.every * _SLACK and likeness < _STILL)

    def is_deep(self) -> bool:
        """Whether the look that is due is a deep one."""
        return self.looks % self.profile.deep_every == 0

    def looked(self, small: Small, seconds: Fraction) -> None:
        self._seen = fine_of(small)
        self._last = seconds
        self._scene = seconds if self._scene is None else self._scene
        self.looks += 1
