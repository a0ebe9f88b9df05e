"""A sound track as listeners want it: one channel, 16,000 samples a second, on the recording's clock, in blocks."""

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
_JUMP_SECONDS = Fraction(1, 20)  # what a frame may be away from where the one before it ended
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Samples at RATE from `start` seconds on. `joined`: they follow the block before without a gap."""

    start: Fraction
    samples: Floats
    joined: bool


def mono_blocks(file: BinaryIO, stream: int, *, name: str = "") -> Iterator[Block]:
    """Every channel of sound track `stream` mixed into one; damaged packets are gaps. Holds about a packet at a time."""
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

    def is_broken_by(self, frame: AudioFrame, at: Fraction | None) -> bool:
        jumped = at is not None and abs(at - self.end) > _JUMP_SECONDS
        return jumped or self._form != (frame.sample_rate, frame.layout.name)

    def take(self, frame: AudioFrame) -> Iterator[Block]:
        self.end += Fraction(frame.samples, frame.sample_rate)
        frame.pts = None
        yield from self._given(self._resampler.resample(frame))

    def finish(self) -> Iterator[Block]:
        yield from self._given(self._resampler.resample(None))

    def _given(self, parts: list[AudioFrame]) -> Iterator[Block]:
        for part in parts:
            samples = part.to_ndarray().mean(axis=0, dtype=np.float32)
            if samples.size:
                yield Block(start=self._out, samples=samples, joined=not self._fresh)
                self._out += Fraction(samples.size, RATE)
                self._fresh = False
