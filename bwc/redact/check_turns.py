"""Whose turn it is: which pictures of a recording are searched whole, and how finely. Pure arithmetic.

The pictures lie half way between the looks that usually made the plan: there its boxes are furthest from evidence.
"""

from dataclasses import dataclass
from fractions import Fraction

from bwc.redact.detectors.aside import OVER, SIDES

LOOK_SECONDS = Fraction(1, 6)  # between whole pictures, unless told otherwise
MOST_STRIDE = 40  # unless told otherwise: at 240 frames a second, the most that cameras record
_FINE_SECONDS = Fraction(1)
_LINES_SECONDS = Fraction(1, 2)  # between looks for text
_ASIDE_SECONDS = Fraction(6)  # between short looks at the picture turned, by turns upside down and on both sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How one picture is searched: `fine` also at a large size, `lines` also for text, `aside` also turned by those quarters."""

    fine: bool
    lines: bool
    aside: tuple[int, ...] = ()


class Turns:
    """Asked about each picture in order; `searched` counts those whose turn it was."""

    def __init__(self, *, frames: int, rate: Fraction, stride: int) -> None:
        self.searched = 0
        self._stride = stride
        self._next = min(stride // 2, max(0, frames - 1))  # a short copy is searched too
        self._fine_every = max(1, frames_in(_FINE_SECONDS, rate) // stride)
        self._lines_every = max(1, frames_in(_LINES_SECONDS, rate) // stride)
        self._aside_every = max(2, frames_in(_ASIDE_SECONDS, rate) // stride)

    def take(self, ordinal: int) -> Turn | None:
        """How frame `ordinal` is to be searched, None when not at all. A turn whose frame is missing is the next one's."""
        if ordinal < self._next:
            return None
        self._next = ordinal + self._stride - (ordinal - self._stride // 2) % self._stride
        round_, rest = divmod(self.searched, self._aside_every)
        turn = Turn(
            fine=self.searched % self._fine_every == 0,
            lines=self.searched % self._lines_every == 0,
            aside=(OVER, SIDES)[round_ % 2] if not rest else SIDES if self.searched == 1 else (),
        )
        self.searched += 1
        return turn


def frames_in(seconds: Fraction, rate: Fraction) -> int:
    return max(1, round(seconds * rate))


def rate_from(frames: int, ticks: int, time_base: Fraction) -> Fraction:
    """Frames a second of `frames` that are shown for so many ticks; 30 where they do not tell."""
    seconds = ticks * time_base
    return Fraction(frames) / seconds if seconds > 0 else Fraction(30)


def usual_stride(rate: Fraction) -> int:
    """Frames from one whole picture to the next when nobody says otherwise; times that make no sense do not thin it out."""
    return min(MOST_STRIDE, frames_in(LOOK_SECONDS, rate))
