"""Sound tracks for a copy: AAC packets bit for bit, anything else as AAC-LC; silence or a bleep over spans.

Muting replaces whole packets: every packet that overlaps a span, and one on either side (the windows of two
neighbours overlap), becomes a packet that decodes to zeros, or to the bleep. What was written is decoded again and
every sample inside a span is compared with zero or the bleep before the track is given out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from bwc.errors import MediaError
from bwc.media.aac import (
    FRAME,
    LAYOUTS,
    RATES,
    AacConfig,
    AacDecoder,
    AacEncoder,
    channels_of,
    parse_adts,
    parse_config,
    silent_packet,
)
from bwc.media.bleep import Bleep
from bwc.media.mp4 import SampleTable, Track, audio_track
from bwc.media.pcm import MAX_GAP_SECONDS, Pcm, Span, decoded_packets, samples_of, sound_stream
from bwc.media.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One sound track as written: packets went to the sink, sizes and times are in `table` (samples of `rate`)."""

    stream: int
    config: bytes
    rate: int
    channels: int
    start: Fraction  # seconds at which the first sample to be heard lies
    skip: int  # samples before it
    length: int  # samples to be heard
    packet_samples: int
    table: SampleTable
    copied: bool  # packets are the source's own, except the muted and the lost
    packets: int
    packets_muted: int
    packets_lost: int  # did not decode: silence in the copy
    reasons: tuple[str, ...]

    @property
    def duration(self) -> Fraction:
        """Seconds to be heard."""
        return Fraction(self.length, self.rate)

    def track(self, data: BinaryIO, *, origin: Fraction = Fraction(0)) -> Track:
        """For `mp4.Mp4`; `data` reads back what the sink was given."""
        return audio_track(
            self.table,
            data,
            config=self.config,
            rate=self.rate,
            channels=self.channels,
            start=self.start,
            skip=self.skip,
            length=self.length,
            packet_samples=self.packet_samples,
            origin=origin,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nature:
    """What the first packets of a track show."""

    config: AacConfig | None  # set when packets can be copied
    adts: bool
    packet_samples: int
    rate: int  # of the decoded sound
    channels: int
    start: Fraction
    lead: int  # samples of the first heard packet that are skipped
    name: str


def write_sound(
    file: BinaryIO,
    stream: int,
    put: Callable[[bytes], None],
    *,
    mutes: Sequence[Span] = (),
    bleeps: Sequence[Span] = (),
    name: str = "",
) -> Sound | None:
    """Write the packets of sound track `stream` of `file` to `put`, in order; None when nothing of it decodes.

    `mutes` become silence, `bleeps` the bleep; the two are apart by `BLEEP_APART_NS` at least.
    Raises `MediaError` when a hidden sample would be anything else: then nothing of the track may be given out.
    """
    nature = _inspect(file, stream, name)
    if nature is None:
        return None
    hidden = _Hidden(mutes, bleeps)
    if nature.config is not None and (nature.rate == nature.config.rate or not hidden):
        return _copy(file, stream, nature, nature.config, put=put, hidden=hidden)
    return _encode(file, stream, nature, put=put, hidden=hidden)


BLEEP_APART_NS = 1_000_000_000  # packets of a bleep must not reach into silence: three packets at 8 kHz are 0.4 s


@dataclass(frozen=True, slots=True)
class _Hidden:
    mutes: Sequence[Span]
    bleeps: Sequence[Span]

    def __bool__(self) -> bool:
        return bool(self.mutes or self.bleeps)

    @property
    def spans(self) -> list[Span]:
        return [*self.mutes, *self.bleeps]


def _inspect(file: BinaryIO, stream: int, name: str) -> _Nature | None:
    with Source(file, name=name) as source:
        track = sound_stream(source, stream)
        plain_aac = track.codec_context.codec.canonical_name == "aac"
        for packet, frames, _ in decoded_packets(source, track):
            if not frames or frames[0].samples == 0:
                continue
            frame = frames[0]
            first = bytes(packet)
            adts = parse_adts(first) if plain_aac else None
            specific = track.codec_context.extradata or b""
            config = adts[0] if adts is not None else parse_config(specific) if plain_aac else None
            whole = FRAME * frame.sample_rate // config.rate if config is not None else frame.samples
            if config is not None and (frame.layout.nb_channels != channels_of(config) or frame.samples > whole):
                config = None
            when = frame.pts if frame.pts is not None else packet.pts
            return _Nature(
                config=config,
                adts=adts is not None,
                packet_samples=whole,
                rate=frame.sample_rate,
                channels=frame.layout.nb_channels,
                start=(when or 0) * (track.time_base or Fraction(0)),
                lead=whole - frame.samples,
                name=name,
            )
    return None


class _Packets:
    """Packets on their way out: placed in time, muted, checked by decoding what is written."""

    def __init__(
        self,
        config: AacConfig,
        put: Callable[[bytes], None],
        *,
        start: Fraction,
        rate: int,
        samples: int,
        hidden: _Hidden,
    ) -> None:
        self.table = SampleTable()
        self.muted = 0
        self.lost = 0
        self._put = put
        self._samples = samples
        self._mutes = [samples_of(span, start, rate) for span in hidden.mutes]
        bleeps = [samples_of(span, start, rate) for span in hidden.bleeps]
        self._spans = [*self._mutes, *bleeps]
        self._bleep = Bleep(config, bleeps, rate) if bleeps else None
        self._silence: bytes | None = None
        self._config = config
        self._witness = AacDecoder(config) if hidden else None

    def silence(self) -> bytes:
        if self._silence is None:
            self._silence = silent_packet(self._config)
        return self._silence

    def add(self, packet: bytes | None, position: int) -> None:
        """One packet whose sound begins `position` samples after the first to be heard; None: silence for a loss."""
        first, last = position - self._samples, position + 2 * self._samples  # itself and one on either side
        hidden = any(begin < last and end > first for begin, end in self._spans)
        if hidden:
            self.muted += 1
        data = packet
        if hidden and self._bleep is not None and self._bleep.is_near(position):
            data = self._bleep.packet(position)
        elif hidden or data is None:
            data = self.silence()
        if self._witness is not None:
            data = self._checked(self._witness, data, position)
        self.table.add(size=len(data), pts=position)
        self._put(data)

    def _checked(self, witness: AacDecoder, data: bytes, position: int) -> bytes:
        try:
            heard = witness.decode(data)
        except MediaError:
            self.lost += 1
            data = self.silence()
            heard = witness.decode(data)
        self._look(heard, position)
        return data

    def _look(self, heard: NDArray[np.float32], position: int) -> None:
        for begin, end in self._mutes:
            inside = heard[:, max(0, begin - position) : max(0, end - position)]
            if np.any(inside):
                raise MediaError("a muted span is not silent in the copy")
        if self._bleep is not None and self._bleep.strays(heard, position):
            raise MediaError("a span to be bleeped holds something else in the copy")


def _copy(
    file: BinaryIO,
    stream: int,
    nature: _Nature,
    config: AacConfig,
    *,
    put: Callable[[bytes], None],
    hidden: _Hidden,
) -> Sound | None:
    size, rate = nature.packet_samples, nature.rate
    out = _Packets(config, put, start=nature.start, rate=rate, samples=size, hidden=hidden)
    place = _Placing(nature.start, rate, size, first=-nature.lead)
    reasons, tail = set[str](), size
    before: bytes | None = None  # the hidden packet whose window reaches into the first one heard
    heard = False
    with Source(file, name=nature.name) as source:
        track = sound_stream(source, stream)
        for packet, frames, trouble in decoded_packets(source, track):
            data = _bare(bytes(packet), config, adts=nature.adts)
            if data is None or trouble:
                out.lost += 1
                reasons.add(trouble or "the packet has another configuration")
                data = None
            if not heard:
                if not frames:
                    before = data
                    continue
                heard = True
                if before is not None and nature.config is not None:
                    out.add(before, -nature.lead - size)
            elif packet.is_discard:
                continue  # hidden by an edit list: not meant to be heard, never copied
            out.add(data, place.next(packet.pts, track.time_base))
            tail = _tail(packet, track, rate, size)
        reasons |= set(source.trouble)
    if not heard:
        return None
    return _sound(stream, config, nature, out, reasons=reasons, copied=True, tail=tail)


def _encode(file: BinaryIO, stream: int, nature: _Nature, *, put: Callable[[bytes], None], hidden: _Hidden) -> Sound:
    rate = nature.rate if nature.rate in RATES else 48_000
    channel_config = nature.channels if nature.channels in LAYOUTS and nature.channels != 7 else 2
    channel_config = 7 if nature.channels == 8 else channel_config
    encoder = AacEncoder(rate=rate, channel_config=channel_config)
    out = _Packets(encoder.config, put, start=nature.start, rate=rate, samples=FRAME, hidden=hidden)
    pcm = Pcm(nature.start, rate, channel_config, hidden.spans)
    position = -encoder.padding
    reasons = set[str]()

    def send(packets: list[bytes]) -> None:
        nonlocal position
        for packet in packets:
            out.add(packet, position)
            position += FRAME

    with Source(file, name=nature.name) as source:
        track = sound_stream(source, stream)
        for packet, frames, trouble in decoded_packets(source, track):
            if trouble and not packet.is_discard:
                out.lost += 1
                reasons.add(trouble)
            for frame in frames:
                for block in pcm.take(frame, track.time_base):
                    send(encoder.encode(block))
        reasons |= set(source.trouble)
    for block in pcm.finish():
        send(encoder.encode(block))
    send(encoder.finish())
    sound = _sound(stream, encoder.config, nature, out, reasons=reasons, copied=False, tail=FRAME)
    # One packet holds 1024 samples; what lies beyond the last real sample is the encoder's own padding.
    return replace(sound, rate=rate, channels=channels_of(encoder.config), skip=encoder.padding, length=pcm.written)


def _sound(
    stream: int,
    config: AacConfig,
    nature: _Nature,
    out: _Packets,
    *,
    reasons: set[str],
    copied: bool,
    tail: int,
) -> Sound:
    return Sound(
        stream=stream,
        config=config.specific,
        rate=nature.rate,
        channels=nature.channels,
        start=nature.start,
        skip=-out.table.pts[0],
        length=out.table.pts[-1] + tail,
        packet_samples=nature.packet_samples if copied else FRAME,
        table=out.table,
        copied=copied,
        packets=len(out.table),
        packets_muted=out.muted,
        packets_lost=out.lost,
        reasons=tuple(sorted(reasons)),
    )


class _Placing:
    """Where packets lie, in samples. Coarse source ticks (1 ms in Matroska) must not make gaps of a few samples."""

    def __init__(self, start: Fraction, rate: int, size: int, *, first: int) -> None:
        self._start, self._rate, self._size = start, rate, size
        self._expected: int | None = None
        self._first = first
        self._last = first - 1

    def next(self, pts: int | None, time_base: Fraction | None) -> int:
        """The position of the next packet; its own time counts when it is half a packet or more away."""
        if self._expected is None:
            position = self._first
        else:
            position = self._expected
            if pts is not None and time_base is not None:
                own = round((pts * time_base - self._start) * self._rate)
                away = own - position
                if abs(away) >= self._size // 2 and abs(away) <= MAX_GAP_SECONDS * self._rate:
                    position = max(own, self._last + 1)
        self._last = position
        self._expected = position + self._size
        return position


def _bare(data: bytes, config: AacConfig, *, adts: bool) -> bytes | None:
    if not adts:
        return data
    parsed = parse_adts(data)
    return parsed[1] if parsed is not None and parsed[0] == config else None


def _tail(packet: Any, track: AudioStream, rate: int, size: int) -> int:
    """Samples of the last packet to be heard: an edit list may end inside it."""
    if packet.duration and track.time_base == Fraction(1, rate):
        return min(size, int(packet.duration))
    return size
