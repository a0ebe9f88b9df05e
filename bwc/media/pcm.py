"""Decoded sound: frames with their times, and one unbroken clock of samples out of them."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any, BinaryIO

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from bwc.errors import MediaError
from bwc.media.aac import FRAME, LAYOUTS
from bwc.media.source import Source, last_line

Span = tuple[int, int]  # start and end in nanoseconds on the recording's clock, half open
MAX_GAP_SECONDS = 6 * 3600  # a longer pause between two packets is a broken time stamp, not silence
NS = 1_000_000_000


def decode_sound(
    file: BinaryIO, stream: int, *, name: str = "", at_once: int = 1
) -> Iterator[tuple[Fraction, NDArray[np.float32], int]]:
    """(start in seconds, samples (channels, n) as floats -1..1, rate) per decoded frame; damaged packets left out.

    Up to `at_once` frames that follow each other without a gap come as one.
    """
    with Source(file, name=name) as source:
        track = sound_stream(source, stream)
        base = track.time_base
        held: list[NDArray[np.float32]] = []
        first = samples = rate = 0
        for frame in (one for _, frames, _ in decoded_packets(source, track) for one in frames):
            if frame.pts is None or base is None:
                continue
            part = _floats(frame)
            # in whole numbers: with fractions this took as long as to decode the frame
            follows = (frame.pts - first) * base.numerator * rate == samples * base.denominator
            alike = bool(held) and (rate, held[0].shape[0]) == (frame.sample_rate, part.shape[0])
            if held and not (alike and follows and len(held) < at_once):
                yield first * base, _joined(held), rate
                held = []
            if not held:
                first, samples, rate = frame.pts, 0, frame.sample_rate
            held.append(part)
            samples += part.shape[1]
        if held and base is not None:
            yield first * base, _joined(held), rate


def _joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def _floats(frame: AudioFrame) -> NDArray[np.float32]:
    """Its samples (channels, n); what is planar floats already, as AAC decodes to, needs no resampler."""
    if frame.format.name == "fltp":
        return np.asarray(frame.to_ndarray(), np.float32)
    resampler = AudioResampler(format="fltp", layout=frame.layout.name, rate=frame.sample_rate)
    return np.concatenate([part.to_ndarray() for part in resampler.resample(frame)], axis=1).astype(np.float32)


class Pcm:
    """Decoded frames to blocks of 1024 samples on one unbroken clock: holes are zeros, muted spans too."""

    def __init__(self, start: Fraction, rate: int, channel_config: int, mutes: Sequence[Span]) -> None:
        self._start, self._rate = start, rate
        self._resampler = AudioResampler(format="fltp", layout=LAYOUTS[channel_config], rate=rate)
        self._channels = 8 if channel_config == 7 else channel_config
        self._spans = [samples_of(span, start, rate) for span in mutes]
        self._rest: NDArray[np.float32] = np.zeros((self._channels, 0), np.float32)
        self._taken = 0  # samples received, holes included
        self.written = 0

    def take(self, frame: AudioFrame, time_base: Fraction | None) -> Iterator[NDArray[np.float32]]:
        when = frame.pts
        frame.pts = None  # the resampler keeps its own count; our clock is `_taken`
        parts = [part.to_ndarray().astype(np.float32) for part in self._resampler.resample(frame)]
        if not parts:
            return
        if when is not None and time_base is not None:
            hole = round((when * time_base - self._start) * self._rate) - self._taken
            while FRAME // 2 <= hole <= MAX_GAP_SECONDS * self._rate:
                step = min(hole, FRAME)
                yield from self._append(np.zeros((self._channels, step), np.float32))
                hole -= step
                if hole < FRAME // 2 and hole:
                    yield from self._append(np.zeros((self._channels, hole), np.float32))
                    break
        for part in parts:
            yield from self._append(part)

    def finish(self) -> Iterator[NDArray[np.float32]]:
        for part in self._resampler.resample(None):
            yield from self._append(part.to_ndarray().astype(np.float32))
        if self._rest.shape[1]:
            self.written += self._rest.shape[1]
            yield self._rest

    def _append(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        samples = np.array(samples)
        for begin, end in self._spans:
            samples[:, max(0, begin - self._taken) : max(0, end - self._taken)] = 0
        self._taken += samples.shape[1]
        self._rest = np.concatenate([self._rest, samples], axis=1)
        while self._rest.shape[1] >= FRAME:
            block, self._rest = self._rest[:, :FRAME], self._rest[:, FRAME:]
            self.written += FRAME
            yield block


def samples_of(span: Span, start: Fraction, rate: int) -> tuple[int, int]:
    """A span of the recording's clock in samples after `start`, rounded outwards."""
    begin, end = ((Fraction(edge, NS) - start) * rate for edge in span)
    return floor(begin), ceil(end)


def decoded_packets(source: Source, track: AudioStream) -> Iterator[tuple[Any, list[AudioFrame], str]]:
    """(packet, its frames, trouble in words) of every packet of a sound track."""
    for packet in source.packets(track):
        try:
            frames = track.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            yield packet, [], last_line(error)
            continue
        yield packet, frames, "the file marks the packet as damaged" if packet.is_corrupt else ""


def sound_stream(source: Source, stream: int) -> AudioStream:
    for track in source.sounds():
        if track.index == stream:
            return track
    raise MediaError(f"{source.name} has no sound track {stream}")
