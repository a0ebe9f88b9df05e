"""One sound track heard from beginning to end: where there are voices and which words, in windows the recogniser takes.

 1. every 32 ms the voice network says how likely a voice is
 2. sound is cut into windows of at most 28 s, at the place of the last 8 s where a voice is least likely; windows
    without any voice are not listened to
 3. the recogniser gives words with times; a word far from any voice is dropped, a badly placed one is given more room
Holds half a minute of sound at a time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from bwc.media.mono import RATE, Block, Floats
from bwc.redact.speech.heard import HeardTrack, Recogniser, Word, settled
from bwc.redact.speech.voice import CHUNK, CHUNK_MS, END, Stretches, VoiceFinder

WINDOW = 28 * RATE // CHUNK  # chunks; Whisper hears 30 s at once
_CUT_FROM = 20 * RATE // CHUNK
_SMOOTH = 9  # chunks over which a pause is judged when cutting: 0.3 s
_LEAD = 7  # chunks of quiet kept before the first voice of a window and after the last
_NEAR_MS = 600  # how far from any voice a word may be placed
_HALVED = 6 * RATE // CHUNK  # windows shorter than 6 s are not halved again
_LOOP, _PHRASE = 6, 8  # so often the same word, or up to so many words, in a row is a thread lost
_DEAF_MS = 3_000  # so much sure voice without a word is one too
_SURE = 0.7

Progress = Callable[[int], None]


@dataclass(slots=True)
class Ears:
    """Hears one track; `take` its blocks in order, then `close`."""

    stream: int
    recogniser: Recogniser | None
    progress: Progress | None = None
    voice: Stretches = field(default_factory=Stretches)
    words: list[Word] = field(default_factory=list)
    _finder: VoiceFinder = field(default_factory=VoiceFinder)
    _parts: list[Floats] = field(default_factory=list)  # of the window being gathered
    _kept: int = 0  # samples in them
    _likely: list[float] = field(default_factory=list)  # of a voice, for each whole chunk of them
    _start: Fraction = Fraction(0)  # where the window begins
    _begun: Fraction | None = None
    _end: Fraction = Fraction(0)

    def take(self, block: Block) -> None:
        if not block.joined:
            self._break()
            self._start = block.start
        self._begun = block.start if self._begun is None else self._begun
        base = len(self._likely)
        likely = self._finder.take(block.samples)
        for place, one in enumerate(likely, base):
            self.voice.add(self._ms(place), one)
        self._likely += likely
        if self.recogniser is not None:
            self._parts.append(block.samples)
            self._kept += len(block.samples)
        self._end = block.start + Fraction(len(block.samples), RATE)
        while len(self._likely) >= WINDOW:
            self._hear(self._cut())

    def close(self) -> HeardTrack:
        """What was heard in all."""
        self._break()
        near = [word for word in self.words if _is_near(word, self.voice.found)]
        length = self._end - (self._begun if self._begun is not None else self._end)
        return HeardTrack(
            stream=self.stream, voice=tuple(self.voice.found), words=tuple(near), length_ms=int(length * 1000)
        )

    def _ms(self, chunk: int) -> int:
        return int(self._start * 1000) + chunk * CHUNK_MS

    def _break(self) -> None:
        """The sound stops here, or goes on elsewhere."""
        self.voice.close(int(self._end * 1000))
        if self._likely or self._kept:
            self._hear(len(self._likely))
        self._parts, self._kept, self._likely = [], 0, []
        self._finder.reset()

    def _cut(self) -> int:
        """The chunk at which the window ends: the middle of the best pause."""
        likely = np.convolve(np.asarray(self._likely[:WINDOW]), np.ones(_SMOOTH) / _SMOOTH, mode="same")
        late = likely[_CUT_FROM : WINDOW - _SMOOTH // 2]
        return _CUT_FROM + int(np.flatnonzero(late <= late.min() + 0.02)[-1])

    def _hear(self, chunks: int) -> None:
        """Listen to the first `chunks` chunks and let go of them."""
        likely, self._likely = self._likely[:chunks], self._likely[chunks:]
        if self.recogniser is not None:
            gathered = np.concatenate([*self._parts, np.zeros(0, np.float32)])
            window = gathered[: chunks * CHUNK] if self._likely else gathered
            rest = gathered[len(window) :]
            self._parts, self._kept = [rest], len(rest)
            voiced = np.flatnonzero(np.asarray(likely) >= END)
            if voiced.size:
                first = max(0, int(voiced[0]) - _LEAD)
                stop = min(len(likely), int(voiced[-1]) + 1 + _LEAD)
                part = window[first * CHUNK : stop * CHUNK]
                found = _words(self.recogniser, part, likely[first:stop])
                self.words += [word.moved(self._ms(first)) for word in found]
        self._start += Fraction(len(likely) * CHUNK, RATE)
        if self.progress:
            self.progress(int(self._start * 1000))


def hear(
    blocks: Iterable[Block], *, stream: int, recogniser: Recogniser | None, progress: Progress | None = None
) -> HeardTrack:
    """What `blocks` hold; without a recogniser only where there are voices. `progress(ms)` after each window."""
    ears = Ears(stream=stream, recogniser=recogniser, progress=progress)
    for block in blocks:
        ears.take(block)
    return ears.close()


def _words(recogniser: Recogniser, samples: Floats, likely: list[float]) -> list[Word]:
    """Words of one window. Where the recogniser lost its thread it hears each half alone, cut at the best pause."""
    length_ms = len(samples) * 1000 // RATE
    found = recogniser.words(samples)
    if len(likely) >= _HALVED and _is_lost(found, likely):
        quarter = len(likely) // 4
        smooth = np.convolve(np.asarray(likely), np.ones(_SMOOTH) / _SMOOTH, mode="same")
        cut = quarter + int(np.argmin(smooth[quarter : 3 * quarter]))
        after = _words(recogniser, samples[cut * CHUNK :], likely[cut:])
        return [
            *_words(recogniser, samples[: cut * CHUNK], likely[:cut]),
            *(word.moved(cut * CHUNK_MS) for word in after),
        ]
    return settled(_without_loops(found), length_ms)


def _is_lost(words: list[Word], likely: list[float]) -> bool:
    """Whether one word comes again and again, or several seconds of voice gave no word."""
    if len(_without_loops(words)) < len(words):
        return True
    spoken = [place * CHUNK_MS for place, one in enumerate(likely) if one >= _SURE]
    heard = [(word.start_ms - _NEAR_MS, word.end_ms + _NEAR_MS) for word in words if word.end_ms > word.start_ms]
    missed = sum(CHUNK_MS for at in spoken if not any(start <= at < end for start, end in heard))
    return missed > _DEAF_MS


def _without_loops(words: list[Word]) -> list[Word]:
    """`words` but for what only repeats the word, or the few words, before it again and again."""
    kept: list[Word] = []
    for word in words:
        kept.append(word)
        said = [one.text for one in kept[-_LOOP * _PHRASE :]]
        for long in range(1, _PHRASE + 1):
            if len(said) >= _LOOP * long and said[-_LOOP * long :] == said[-long:] * _LOOP:
                del kept[-long:]
                break
    return kept


def _is_near(word: Word, voice: Iterable[tuple[int, int]]) -> bool:
    return any(start - _NEAR_MS < word.end_ms and word.start_ms < end + _NEAR_MS for start, end in voice)
