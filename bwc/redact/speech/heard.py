"""Words with their times, as a recogniser heard them, and what it takes to be one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from bwc.redact.plan import DetectorInfo

if TYPE_CHECKING:
    from bwc.media.mono import Floats

MS = 1_000_000  # nanoseconds
_LONGEST_MS = 1_600  # a word said more slowly than this was placed wrongly
_SHORTEST_MS = 40
_RUN, _RUN_MS = 6, 600  # words; nobody says ten a second: fast talk is five or six
_PAUSE_MS = 800  # ends an utterance
_RATE_MS = 1_000  # how far back or on a word of no length may lie


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word: milliseconds of presentation time between which it was said, the text, how sure the recogniser was."""

    start_ms: int
    end_ms: int
    text: str
    score_permille: int = 1000

    def moved(self, by_ms: int) -> "Word":
        return replace(self, start_ms=self.start_ms + by_ms, end_ms=self.end_ms + by_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardTrack:
    """What one sound track holds: stretches of voice (milliseconds of presentation time) and words, both in order.

    `start_ms`: when its sound begins, zero where an older plan does not say.
    """

    stream: int
    voice: tuple[tuple[int, int], ...]
    words: tuple[Word, ...]
    length_ms: int
    start_ms: int = 0


class Recogniser(Protocol):
    """Speech to text. A plug-in (entry point group `bwc.recognisers`) is a function without arguments that makes one."""

    def words(self, samples: "Floats") -> list[Word]:
        """The words of up to 30 seconds of one channel at 16,000 samples a second; times count from the first sample.

        In order of time. The same samples give the same words.
        """
        ...

    def describe(self) -> tuple[DetectorInfo, ...]:
        """The models used: enough to get the same ones again."""
        ...


def settled(words: Sequence[Word], end_ms: int) -> list[Word]:
    """`words` of one window of `end_ms`, each with an interval that holds it.

    A recogniser that loses its place gives words no length, or one of them many seconds. Such words, and their
    neighbours of the same kind, may lie anywhere between the last word before and the next one after that are sound.
    """
    doubtful = [not _SHORTEST_MS <= word.end_ms - word.start_ms <= _LONGEST_MS for word in words]
    found: list[Word] = []
    for place, word in enumerate(words):
        if not doubtful[place]:
            found.append(word)
            continue
        first, last = place, place
        while first > 0 and doubtful[first - 1]:
            first -= 1
        while last + 1 < len(words) and doubtful[last + 1]:
            last += 1
        begin = words[first - 1].end_ms if first else 0
        end = words[last + 1].start_ms if last + 1 < len(words) else end_ms
        run = words[first : last + 1]
        begin = max(min(begin, run[0].start_ms), run[0].start_ms - _RATE_MS)
        end = min(max(end, run[-1].end_ms), run[-1].end_ms + _RATE_MS)
        found.append(replace(word, start_ms=begin, end_ms=max(end, begin + _SHORTEST_MS)))
    return found


def unsaid(words: Sequence[Word]) -> set[int]:
    """Places of words that cannot have been said so fast, with the rest of their utterance: a recogniser invented them.

    A network that hears a moment of voice without words in it writes down a sentence that it knows.
    """
    found: set[int] = set()
    first = end_ms = 0
    for place, word in enumerate(words):
        if word.start_ms - end_ms > _PAUSE_MS:
            first = place
        end_ms = max(end_ms, word.end_ms)
        start = place - _RUN + 1
        if start >= first and word.end_ms - words[start].start_ms < _RUN_MS:
            found.update(range(first, place + 1))
        elif place - 1 in found and first < place:
            found.add(place)
    return found
