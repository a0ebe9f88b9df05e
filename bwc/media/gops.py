"""The coded pictures of an H.264 recording as they would stand in a copy: cleaned samples, and where a closed group begins.

A *group* runs from one IDR picture to the next: nothing in it refers to anything outside it, whatever the container
calls a keyframe. A *sample* is one picture's units after cleaning: slices and harmless SEI, each after its length in
four bytes, as in our MP4. So the same picture gives the same bytes, from whichever container, and can be compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

from bwc.errors import MediaError
from bwc.media.h264 import AUD, FILLER, IDR, PPS, SEI, SEI_KEPT, SPS, length_prefixed, nal_units, sei_types
from bwc.media.parameter_sets import ParameterSets
from bwc.media.source import Source

_SLICE = 1
_DROPPED = frozenset({AUD, FILLER})


@dataclass(frozen=True, slots=True)
class Sample:
    """One coded picture."""

    pts: int
    data: bytes  # cleaned
    is_idr: bool
    tells: bool  # it also carried user data or SEI that a copy must not hold; `data` does not
    packet: bytes = b""  # as the container holds it, for whoever asked for that
    position: int | None = None  # of the packet in the file, where the container says so


class Uncopyable(MediaError):
    """The recording's pictures cannot be copied one group at a time; the message says why."""


class CodedPictures:
    """A pass over the coded pictures of one recording. A context manager.

    Raises `Uncopyable` on opening, or at the sample that shows it: anything but progressive 8-bit 4:2:0 H.264 with
    one constant set of parameters, stored in the order of showing, none hidden, none marked as damaged.
    """

    def __init__(self, file: BinaryIO, *, name: str = "", packets: bool = False) -> None:
        self._packets = packets
        self._source = Source(file, name=name)
        try:
            stream = self._source.picture()
            if stream is None:
                raise Uncopyable("there is no picture")
            context: Any = stream.codec_context
            if context.codec.canonical_name != "h264":
                raise Uncopyable(f"it is {context.codec.canonical_name}, not H.264")
            if self._source.window(context.width, context.height) != (0, 0, context.width, context.height):
                raise Uncopyable("only a part of its picture is meant to be shown")
            self._stream = stream
            # MP4 and MOV hold each packet in one piece, as it is; others cut it up, or wrap it
            self._holds_packets = "mp4" in self._source.container.format.name.split(",")
            self.time_base: Fraction = stream.time_base or Fraction(1, 90_000)
            self.sets = _usable_sets(context.extradata or b"")
        except BaseException:
            self._source.close()
            raise

    def __enter__(self) -> "CodedPictures":
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def __iter__(self) -> Iterator[Sample]:
        last: int | None = None
        for packet in self._source.packets(self._stream):
            if packet.pts is None:
                raise Uncopyable("a picture has no time")
            if packet.is_discard:
                raise Uncopyable("an edit list hides pictures")
            if packet.is_corrupt:
                raise Uncopyable("a picture is marked as damaged")
            if packet.pts < 0:
                raise Uncopyable("it begins before the zero of its clock")
            if last is not None and packet.pts <= last:
                raise Uncopyable("its pictures are not stored in the order of showing (B-frames)")
            position = packet.pos if self._holds_packets else None
            sample = sample_of(bytes(packet), packet.pts, self.sets, packets=self._packets, position=position)
            if last is None and not sample.is_idr:
                raise Uncopyable("it does not begin with an IDR picture")
            last = packet.pts
            yield sample
        if self._source.trouble:
            raise Uncopyable(f"its container is damaged: {self._source.trouble[0]}")


def sample_of(
    packet: bytes, pts: int, sets: ParameterSets, *, packets: bool = False, position: int | None = None
) -> Sample:
    """The picture in `packet`, cleaned. Raises `Uncopyable`."""
    kept: list[bytes] = []
    kinds = set[int]()
    tells = False
    try:
        for unit in _units(packet, sets.length_bytes):
            kind = unit[0] & 31
            if kind in (_SLICE, IDR):
                kinds.add(kind)
                kept.append(unit)
            elif kind == SEI:
                if set(sei_types(unit)) <= SEI_KEPT:
                    kept.append(unit)
                else:
                    tells = True
            elif kind in (SPS, PPS):
                if not sets.holds(unit):
                    raise Uncopyable("its parameter sets change midway")
            elif kind not in _DROPPED:
                raise Uncopyable(f"it has units of type {kind}")
    except Uncopyable:
        raise
    except MediaError as error:
        raise Uncopyable(f"a picture cannot be taken apart: {error.message}") from error
    if len(kinds) != 1:
        raise Uncopyable("a packet is not one picture")
    return Sample(
        pts=pts,
        data=length_prefixed(kept),
        is_idr=kinds == {IDR},
        tells=tells,
        packet=packet if packets else b"",
        position=position,
    )


def _usable_sets(extradata: bytes) -> ParameterSets:
    try:
        sets = ParameterSets.of(extradata)
        facts = sets.facts()
        sets.free_id()
    except MediaError as error:
        raise Uncopyable(error.message) from error
    if len(facts) != 1:
        raise Uncopyable("it has several sequence parameter sets")
    (one,) = facts
    if one.chroma_format != 1 or one.bit_depth != 8:
        raise Uncopyable("it is not 8-bit 4:2:0")
    if not one.frames_only:
        raise Uncopyable("it may hold fields (interlaced)")
    return sets


def _units(packet: bytes, length_bytes: int) -> Iterator[bytes]:
    if not length_bytes:
        yield from (unit for unit in nal_units(packet) if unit)
        return
    position = 0
    while position < len(packet):
        size = int.from_bytes(packet[position : position + length_bytes], "big")
        unit = packet[position + length_bytes : position + length_bytes + size]
        if size == 0 or len(unit) != size:
            raise MediaError("an H.264 sample is cut short")
        yield unit
        position += length_bytes + size
