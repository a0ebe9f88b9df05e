"""A sound track as listeners want it: one channel, 16,000 samples a second, on the recording's clock, in blocks.

Channels are mixed with their phases turned apart: one that is another's mirror image (a microphone wired the other way
round) would leave nothing of a voice in their plain sum.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from bwc.media.pcm import decoded_packets, sound_stream
from bwc.media.source import Source

RATE = 16_000
_TAPS = 255  # of the filter that turns phases: it turns what lies above 60 Hz
_AT_ONCE = RATE // 4  # samples
_JUMP_SECONDS = Fraction(1, 20)  # what a frame may be away from where the one before it ended
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Samples at RATE from `start` seconds on. `joined`: they follow the block before without a gap."""

    start: Fraction
    samples: Floats
    joined: bool


def mono_blocks(file: BinaryIO, stream: int, *, name: str = "") -> Iterator[Block]:
    """Every channel of sound track `stream` mixed into one; damaged packets are gaps. Holds a quarter of a second at a time."""
    with Source(file, name=name) as source:
        track = sound_stream(source, stream)
        run: _Run | None = None
        for packet, frames, _ in decoded_packets(source, track):
            if packet.is_discard:
                continue
            for frame in frames:
                at = frame.pts * track.time_base if frame.pts is not None and track.time_base is not None else None
                if run is None or run.is_broken_by(frame, at):
                    if run is not None:
                        yield from run.finish()
                    run = _Run(at if at is not None else run.end if run is not None else Fraction(0), frame)
                yield from run.take(frame)
        if run is not None:
            yield from run.finish()


class _Run:
    """Frames that follow each other, resampled as one."""

    def __init__(self, start: Fraction, frame: AudioFrame) -> None:
        self.end = start  # of what was taken
        self._out = start  # of what was given out
        self._form = (frame.sample_rate, frame.layout.name)
        self._resampler = AudioResampler(format="fltp", layout=frame.layout.name, rate=RATE)
        self._fresh = True
        self._mix = _Mix(len(frame.layout.channels))
        self._held: list[Floats] = []  # resampled, to be mixed some at a time: each by itself takes longer
        self._count = 0

    def is_broken_by(self, frame: AudioFrame, at: Fraction | None) -> bool:
        jumped = at is not None and abs(at - self.end) > _JUMP_SECONDS
        return jumped or self._form != (frame.sample_rate, frame.layout.name)

    def take(self, frame: AudioFrame) -> Iterator[Block]:
        self.end += Fraction(frame.samples, frame.sample_rate)
        frame.pts = None
        yield from self._given(self._resampler.resample(frame))

    def finish(self) -> Iterator[Block]:
        yield from self._given(self._resampler.resample(None))
        yield from self._mixed()
        yield from self._block(self._mix.finish())

    def _given(self, parts: list[AudioFrame]) -> Iterator[Block]:
        for part in parts:
            self._held.append(np.asarray(part.to_ndarray(), np.float32))
            self._count += part.samples
        if self._count >= _AT_ONCE:
            yield from self._mixed()

    def _mixed(self) -> Iterator[Block]:
        held, self._held, self._count = self._held, [], 0
        if held:
            yield from self._block(self._mix.take(np.concatenate(held, axis=1)))

    def _block(self, samples: Floats) -> Iterator[Block]:
        if samples.size:
            yield Block(start=self._out, samples=samples, joined=not self._fresh)
            self._out += Fraction(samples.size, RATE)
            self._fresh = False


class _Mix:
    """Channels to one, the phases of n of them 180/n degrees apart. As many samples come out as go in, some later."""

    def __init__(self, channels: int) -> None:
        middle = np.arange(_TAPS) - _TAPS // 2
        odd = middle % 2 != 0
        turned = np.zeros(_TAPS)
        turned[odd] = 2 / (np.pi * middle[odd]) * np.hamming(_TAPS)[odd]  # a windowed Hilbert transformer
        angles = np.pi * np.arange(channels) / channels
        level = abs(np.exp(1j * angles).sum())  # what all say alike comes out as loud as it was
        self._filters = [
            ((np.cos(angle) * (middle == 0) + np.sin(angle) * turned) / level).astype(np.float32) for angle in angles
        ]
        self._late = _TAPS // 2 if channels > 1 else 0
        self._waiting = np.zeros((channels, self._late), np.float32)

    def take(self, samples: Floats) -> Floats:
        if not self._late:
            return np.asarray(samples[0], np.float32)
        waiting = np.concatenate([self._waiting, samples], axis=1)
        self._waiting = waiting[:, -(_TAPS - 1) :]
        if waiting.shape[1] < _TAPS:
            return np.zeros(0, np.float32)
        mixed = sum(np.convolve(one, taps, "valid") for one, taps in zip(waiting, self._filters, strict=True))
        return np.asarray(mixed, np.float32)

    def finish(self) -> Floats:
        """The samples that waited for others after them."""
        return self.take(np.zeros((len(self._filters), self._late), np.float32)) if self._late else self._waiting[0]
