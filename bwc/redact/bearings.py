"""Whether people stand another way than the recording says: looked at now and then, decided by several looks in a row.

A short look (`detectors.aside`) at the beginning and every few seconds, by turns upside down and on both sides. A face that is seen well there and is no face as
the picture is shown has the next looks ask again; three of them, and people are looked for that way too, in every picture of the recording.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from bwc.redact.detectors.aside import OVER, SIDES
from bwc.redact.detectors.base import Detection, overlap

# Of 8 clips turned each way, 500 ms apart: faces as recorded .84 to .91, whatever else stood another way at most .59 (2026-11)
_WELL = 0.6
_EVERY = Fraction(6)  # seconds: one look of some 18 ms in what takes 1.5 to 2.5 s
_FIRST = 6  # looks of a recording: a short one has no others
_NEEDED, _MOST = 3, 6  # of so many looks in a row
_AT_END = 2  # of as many, when no more come
_SAME = 0.2


@dataclass(slots=True)
class Bearings:
    """One pass over one recording; `known` turns are looked at anyway. Looks and answers come in order."""

    known: tuple[int, ...] = ()
    found: set[int] = field(default_factory=set)  # turns in which people stand besides
    _next: Fraction | None = None
    _begun: int = 0
    _seen: Counter[int] = field(default_factory=Counter)
    _asked: Counter[int] = field(default_factory=Counter)

    def due(self, seconds: Fraction) -> tuple[int, ...]:
        """The turns to look at in the picture shown at `seconds`; mostly none."""
        for way in (OVER, SIDES):
            if any(self._asked[turn] for turn in way):
                return way
        if self._begun >= _FIRST and self._next is not None and seconds < self._next:
            return ()
        self._next = seconds + _EVERY
        self._begun += 1
        return (OVER, SIDES)[(self._begun - 1) % 2]

    def told(self, way: Sequence[int], aside: Sequence[tuple[int, Detection]], upright: Sequence[Detection]) -> None:
        """What one look saw that way, and what the ordinary look at the same picture saw."""
        own = np.asarray([one.box for one in upright if one.class_ == "face"], np.float32).reshape(-1, 4)
        for turn in way:
            if turn in self.known or turn in self.found:
                continue
            well = any(
                one.score >= _WELL and one.class_ == "face" and not _is_among(one, own)
                for quarter, one in aside
                if quarter == turn
            )
            if not (well or self._asked[turn]):
                continue
            self._asked[turn] += 1
            self._seen[turn] += well
            if self._seen[turn] >= _NEEDED:
                self.found.add(turn)
            if self._seen[turn] >= _NEEDED or self._asked[turn] >= _MOST:
                del self._seen[turn], self._asked[turn]

    def ends(self) -> None:
        """No more looks come."""
        self.found |= {turn for turn, seen in self._seen.items() if _AT_END <= seen == self._asked[turn]}


def _is_among(one: Detection, own: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> bool:
    return bool(len(own)) and float(overlap(np.asarray(one.box, np.float32), own)[0].max()) > _SAME
