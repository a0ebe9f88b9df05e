"""Our own MP4: exact times, two kinds of track, and no byte that the source's container wrote.

`docs/formats/media.md` is the law for this file. Sizes come first (a `SampleTable` per track), sample bytes are
read lazily while writing, so the sink need not seek and memory stays flat.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise
from math import ceil, lcm
from typing import BinaryIO

from bwc.errors import MediaError
from bwc.media.boxes import (
    U32,
    avc1,
    big_endian,
    box,
    matrix_bytes,
    mdat_header,
    mp4a,
    runs,
    sample_to_chunk,
    times,
    u16,
    u32,
)
from bwc.media.facts import IDENTITY, Colour

MAX_TIMESCALE = 2**31 - 1  # ISO/IEC 14496-12 allows 2^32 - 1; FFmpeg reads it into a signed integer
_CHUNK_SECONDS = 1
_READ = 1 << 20


@dataclass(slots=True)
class SampleTable:
    """Sizes and times of a track's samples in decoding order. About 13 bytes a sample: an hour at 30 fps is 1.4 MB."""

    sizes: "array[int]" = field(default_factory=lambda: array("I"))
    dts: "array[int]" = field(default_factory=lambda: array("q"))
    pts: "array[int]" = field(init=False)  # that of `dts` itself, until a sample is not shown when it is decoded
    keys: "array[int]" = field(default_factory=lambda: array("I"))  # indices of sync samples

    def __post_init__(self) -> None:
        self.pts = self.dts

    def add(self, *, size: int, pts: int, dts: int | None = None, key: bool = True) -> None:
        """Append a sample. Raises `MediaError` unless dts grows."""
        when = pts if dts is None else dts
        if self.dts and when <= self.dts[-1]:
            raise MediaError(f"sample times do not increase: {self.dts[-1]} then {when}")
        if pts != when and self.pts is self.dts:
            self.pts = array("q", self.dts)
        if key:
            self.keys.append(len(self.sizes))
        self.sizes.append(size)
        self.dts.append(when)
        if self.pts is not self.dts:
            self.pts.append(pts)

    def deltas(self) -> Iterator[int]:
        """From each sample to the next. One at a time: whole lists of numbers are what grows with hours."""
        return (later - earlier for earlier, later in pairwise(self.dts))

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One track ready to be written. Times are integer ticks of 1/`timescale`; `start` is in seconds."""

    kind: str  # "vide" or "soun"
    timescale: int
    entry: bytes  # the sample entry box
    table: SampleTable
    tick: int  # ticks of `timescale` in one unit of `table`
    last_duration: int  # ticks of the last sample
    start: Fraction  # where the first presented sample lies on the recording's clock
    skip: int  # ticks of media before that sample (decoder delay, AAC priming)
    presented: int  # ticks of media meant to be presented
    data: BinaryIO  # the samples back to back, from its beginning
    width: int = 0
    height: int = 0
    matrix: tuple[int, int, int, int] = IDENTITY


def video_track(
    table: SampleTable,
    data: BinaryIO,
    *,
    time_base: Fraction,
    avcc: bytes,
    width: int,
    height: int,
    matrix: tuple[int, int, int, int] = IDENTITY,
    colour: Colour | None = None,
    sar: tuple[int, int] = (1, 1),
    last_duration: int | None = None,
    origin: Fraction = Fraction(0),
    padding: tuple[int, int] | None = None,
) -> Track:
    """The picture. `table` holds pts in `time_base` as the source has them; `width`, `height` are what is shown.

    `origin` (seconds, not later than the first frame) is taken as the zero of the clock: non-zero only for a
    recording that begins before zero, which MP4 cannot say. `padding`: columns and rows coded beyond what is shown (None:
    odd sizes were made even). Raises `MediaError` for times that MP4 cannot hold exactly.
    """
    if not len(table):
        raise MediaError("a copy without frames cannot be written")
    first = min(table.pts)
    last_delta = table.dts[-1] - table.dts[-2] if len(table) > 1 else 1
    final = last_duration if last_duration is not None and last_duration > 0 else last_delta
    timescale, tick = _scale(time_base, table, final)
    presented = max(table.pts) + final - first
    return Track(
        kind="vide",
        timescale=timescale,
        entry=avc1(avcc, width, height, colour or Colour(), sar, padding=padding or (width % 2, height % 2)),
        table=table,
        tick=tick,
        last_duration=final,
        start=first * time_base - origin,
        skip=first - table.dts[0],
        presented=presented,
        data=data,
        width=width,
        height=height,
        matrix=matrix,
    )


def audio_track(
    table: SampleTable,
    data: BinaryIO,
    *,
    config: bytes,
    rate: int,
    channels: int,
    start: Fraction,
    skip: int,
    length: int,
    packet_samples: int,
    origin: Fraction = Fraction(0),
) -> Track:
    """AAC. `table` counts audio samples (1/`rate`) from the first packet; `config` is the AudioSpecificConfig.

    `start`: seconds at which the first sample to be heard lies; `skip`: samples before it; `length`: samples heard.
    """
    if not len(table):
        raise MediaError("a sound track without packets cannot be written")
    return Track(
        kind="soun",
        # FFmpeg takes the skipped media time for a number of samples, so the time scale has to be the rate.
        timescale=rate,
        entry=mp4a(config, rate, channels, max(table.sizes)),
        table=table,
        tick=1,
        last_duration=packet_samples,
        start=start - origin,
        skip=skip,
        presented=length,
        data=data,
    )


def origin_of(starts: Iterable[Fraction]) -> Fraction:
    """The `origin` of a copy whose tracks start at `starts` seconds: zero, or the earliest when that is negative."""
    return min([Fraction(0), *starts])


class Mp4:
    """A planned file: `size` and `head` are known before the first sample byte is read."""

    def __init__(self, tracks: list[Track]) -> None:
        if not tracks:
            raise MediaError("a file without tracks cannot be written")
        self._tracks = tracks
        self._movie_timescale = movie_timescale(tracks)
        self._chunks = _interleave(tracks)
        self._payload = sum(sum(track.table.sizes) for track in tracks)
        ftyp = box(b"ftyp", b"isom" + u32(0x200) + b"isomiso2avc1mp41")
        wide = self._payload + (1 << 20) + 64 * sum(len(track.table) for track in tracks) >= U32
        empty_moov = len(self._moov(0, wide=wide))
        mdat = mdat_header(self._payload)
        base = len(ftyp) + empty_moov + len(mdat)
        self.head = ftyp + self._moov(base, wide=wide) + mdat
        assert len(self.head) == base
        self.size = base + self._payload

    def __iter__(self) -> Iterator[bytes]:
        """The file, front to back. Raises `MediaError` when a track's data ends early."""
        yield self.head
        for track in self._tracks:
            track.data.seek(0)
        for index, first, count in self._chunks:
            track = self._tracks[index]
            left = sum(track.table.sizes[first : first + count])
            while left:
                piece = track.data.read(min(left, _READ))
                if not piece:
                    raise MediaError("the samples of a track end early")
                left -= len(piece)
                yield piece

    def _moov(self, base: int, *, wide: bool) -> bytes:
        offsets: list[list[int]] = [[] for _ in self._tracks]
        counts: list[list[int]] = [[] for _ in self._tracks]
        position = base
        for index, first, count in self._chunks:
            offsets[index].append(position)
            counts[index].append(count)
            position += sum(self._tracks[index].table.sizes[first : first + count])
        traks = [
            _trak(number + 1, track, self._movie_timescale, offsets[number], counts[number], wide=wide)
            for number, track in enumerate(self._tracks)
        ]
        duration = max(_movie_duration(track, self._movie_timescale) for track in self._tracks)
        mvhd = times(self._movie_timescale, duration) + u32(0x10000) + b"\x01\x00" + bytes(10)
        mvhd += matrix_bytes(IDENTITY, 0, 0) + bytes(24) + u32(len(self._tracks) + 1)
        return box(b"moov", box(b"mvhd", mvhd), *traks)


def movie_timescale(tracks: list[Track]) -> int:
    """A time scale in which every track's start is a whole number, and if it can be every tick of every track.

    Raises `MediaError` when there is none below 2^31.
    """
    scale = lcm(*(track.timescale for track in tracks))
    starts = lcm(*(track.start.denominator for track in tracks))
    if any(track.start < 0 for track in tracks):
        raise MediaError("a track starts before the zero of the file's clock")
    if lcm(scale, starts) <= MAX_TIMESCALE:
        return lcm(scale, starts)
    if starts > MAX_TIMESCALE:
        raise MediaError("the starts of the tracks have no common time scale below 2^31")
    return starts * max(1, 90_000 // starts)


def _scale(time_base: Fraction, table: SampleTable, final: int) -> tuple[int, int]:
    """Media time scale and ticks per unit of `table`: exact, and deltas within 31 bits."""
    timescale, tick = time_base.denominator, time_base.numerator
    longest = max(chain(table.deltas(), [final]))
    if timescale > MAX_TIMESCALE or longest * tick > MAX_TIMESCALE:
        raise MediaError(f"a pause of {float(longest * time_base):.1f} s in ticks of {time_base} s does not fit MP4")
    return timescale, tick


def _interleave(tracks: list[Track]) -> list[tuple[int, int, int]]:
    """Chunks of about a second, (track, first sample, samples), in the order of time."""
    chunks: list[tuple[Fraction, int, int, int]] = []
    for index, track in enumerate(tracks):
        table, unit = track.table, Fraction(track.tick, track.timescale)
        lead = track.start - track.skip * unit
        span = max(1, int(_CHUNK_SECONDS / unit))
        first = 0
        for sample in range(1, len(table) + 1):
            if sample == len(table) or table.dts[sample] - table.dts[first] >= span:
                when = lead + (table.dts[first] - table.dts[0]) * unit
                chunks.append((when, index, first, sample - first))
                first = sample
    return [(index, first, count) for _, index, first, count in sorted(chunks)]


def _movie_duration(track: Track, scale: int) -> int:
    return int(track.start * scale) + _segment_duration(track, scale)


def _segment_duration(track: Track, scale: int) -> int:
    # Rounded up: an edit that ends a hair early would hide the last sample.
    return ceil(Fraction(track.presented * track.tick * scale, track.timescale))


def _trak(number: int, track: Track, scale: int, offsets: list[int], counts: list[int], *, wide: bool) -> bytes:
    picture = track.kind == "vide"
    duration = _movie_duration(track, scale)
    version = 1 if duration >= U32 else 0
    when = bytes(8 * (version + 1)) + u32(number) + u32(0) + duration.to_bytes(4 * (version + 1), "big")
    tkhd = bytes([version, 0, 0, 3]) + when + bytes(8) + u16(0) + u16(0 if picture else 1)
    tkhd += u16(0 if picture else 0x100) + u16(0) + matrix_bytes(track.matrix, track.width, track.height)
    tkhd += u32(track.width << 16) + u32(track.height << 16)
    return box(b"trak", box(b"tkhd", tkhd), _edts(track, scale), _mdia(track, offsets, counts, wide=wide))


def _edts(track: Track, scale: int) -> bytes:
    start = track.start * scale
    assert start.denominator == 1  # movie_timescale promises it
    edits = [(int(start), -1)] if start else []
    edits.append((_segment_duration(track, scale), track.skip * track.tick))
    version = 1 if any(max(duration, media) >= 2**31 for duration, media in edits) else 0
    width = 4 * (version + 1)
    rows = b"".join(
        duration.to_bytes(width, "big") + media.to_bytes(width, "big", signed=True) + u32(0x10000)
        for duration, media in edits
    )
    return box(b"edts", box(b"elst", bytes([version, 0, 0, 0]) + u32(len(edits)) + rows))


def _mdia(track: Track, offsets: list[int], counts: list[int], *, wide: bool) -> bytes:
    table = track.table
    total = (table.dts[-1] - table.dts[0] + track.last_duration) * track.tick
    mdhd = times(track.timescale, total) + u16(0x55C4) + u16(0)  # language "und"
    hdlr = bytes(8) + track.kind.encode() + bytes(12) + b"\x00"  # no handler name
    header = box(b"vmhd", b"\x00\x00\x00\x01" + bytes(8)) if track.kind == "vide" else box(b"smhd", bytes(8))
    dinf = box(b"dinf", box(b"dref", bytes(4) + u32(1) + box(b"url ", b"\x00\x00\x00\x01")))
    stbl = box(
        b"stbl",
        box(b"stsd", bytes(4) + u32(1) + track.entry),
        *_time_boxes(track),
        box(b"stsc", sample_to_chunk(counts)),
        box(b"stsz", bytes(4) + u32(0) + u32(len(table)) + big_endian(table.sizes)),
        _offsets(offsets, wide=wide),
    )
    return box(b"mdia", box(b"mdhd", mdhd), box(b"hdlr", hdlr), box(b"minf", header, dinf, stbl))


def _time_boxes(track: Track) -> list[bytes]:
    table = track.table
    deltas = (delta * track.tick for delta in chain(table.deltas(), [track.last_duration]))
    boxes = [runs(b"stts", 0, deltas)]
    shifts = array("q", ((pts - dts) * track.tick for pts, dts in zip(table.pts, table.dts, strict=True)))
    base = table.pts[0] - table.dts[0]
    if any(shifts):
        assert base >= 0
        boxes.append(runs(b"ctts", 1 if min(shifts) < 0 else 0, shifts))
    if len(table.keys) != len(table):
        boxes.append(box(b"stss", bytes(4) + u32(len(table.keys)) + b"".join(u32(key + 1) for key in table.keys)))
    return boxes


def _offsets(offsets: list[int], *, wide: bool) -> bytes:
    width = 8 if wide else 4
    rows = b"".join(offset.to_bytes(width, "big") for offset in offsets)
    return box(b"co64" if wide else b"stco", bytes(4) + u32(len(offsets)) + rows)
