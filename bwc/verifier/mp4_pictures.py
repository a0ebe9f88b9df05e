"""The pictures of a released copy, found without any media library: where each lies, when it is shown, its parameter sets.

Reads only the MP4 that docs/formats/media.md describes, written by nobody but us; shares no code with the writer.
Whatever is not as that page says is an `IntegrityError`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from bwc.errors import IntegrityError

_MOST_INDEX = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Places and times of the pictures of one copy. Times in units of 1/`timescale` after `start`."""

    start: Fraction  # seconds at which the first picture is shown
    timescale: int
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    times: tuple[int, ...]  # the first is 0


def read_pictures(file: BinaryIO) -> Pictures:
    """The pictures of the copy in `file`. Raises `IntegrityError` when it is not such a file."""
    try:
        return _read(_moov(file))
    except (KeyError, IndexError, ValueError, struct.error, StopIteration, ZeroDivisionError) as error:
        raise IntegrityError(f"the copy's index cannot be read: {type(error).__name__}") from error


def _moov(file: BinaryIO) -> bytes:
    file.seek(0)
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise IntegrityError("the copy has no index")
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if size < 8 or size > _MOST_INDEX:
            raise IntegrityError("the copy has no index before its pictures")
        if kind == b"moov":
            return file.read(size - 8)
        file.seek(size - 8, 1)


def _read(moov: bytes) -> Pictures:
    movie = dict(_boxes(moov))
    tracks = [dict(_boxes(body)) for kind, body in _boxes(moov) if kind == b"trak"]
    (track,) = [one for one in tracks if dict(_boxes(one[b"mdia"]))[b"hdlr"][8:12] == b"vide"]
    media = dict(_boxes(track[b"mdia"]))
    table = dict(_boxes(dict(_boxes(media[b"minf"]))[b"stbl"]))
    if b"ctts" in table:
        raise IntegrityError("pictures of the copy are not in the order of showing")
    deltas = [delta for count, delta in _rows(table[b"stts"], ">II") for _ in range(count)]
    count = int.from_bytes(table[b"stsz"][8:12], "big")
    sizes = tuple(size for (size,) in struct.iter_unpack(">I", table[b"stsz"][12:]))
    if len(deltas) != count or len(sizes) != count or table[b"stsz"][4:8] != bytes(4):
        raise IntegrityError("the copy's tables do not agree")
    times, now = [], 0
    for delta in deltas:
        times.append(now)
        now += delta
    sps, pps = _parameter_sets(table[b"stsd"])
    return Pictures(
        start=_start(track, _timescale(movie[b"mvhd"])),
        timescale=_timescale(media[b"mdhd"]),
        sps=sps,
        pps=pps,
        offsets=tuple(_offsets(table, sizes)),
        sizes=sizes,
        times=tuple(times),
    )


def _timescale(header: bytes) -> int:
    at = 20 if header[0] == 1 else 12
    return int.from_bytes(header[at : at + 4], "big")


def _start(track: dict[bytes, bytes], scale: int) -> Fraction:
    """Seconds before the media, by the edit list: an empty edit, then the media from its first picture."""
    edits = dict(_boxes(track[b"edts"]))[b"elst"]
    form = ">Qqi" if edits[0] == 1 else ">Iii"
    rows = [(duration, media) for duration, media, _ in struct.iter_unpack(form, edits[8:])]
    empty = rows.pop(0)[0] if rows[0][1] == -1 else 0
    if len(rows) != 1 or rows[0][1] != 0:
        raise IntegrityError("the copy's edit list hides pictures")
    return Fraction(empty, scale)


def _offsets(table: dict[bytes, bytes], sizes: tuple[int, ...]) -> Iterator[int]:
    wide = b"co64" in table
    chunks = [at for (at,) in _rows(table[b"co64" if wide else b"stco"], ">Q" if wide else ">I")]
    runs = [(first, count) for first, count, _ in _rows(table[b"stsc"], ">III")]
    sample = run = 0
    for number, at in enumerate(chunks, 1):
        if run + 1 < len(runs) and number >= runs[run + 1][0]:
            run += 1
        for _ in range(runs[run][1]):
            yield at
            at += sizes[sample]
            sample += 1
    if sample != len(sizes):
        raise IntegrityError("the copy's tables do not agree")


def _parameter_sets(stsd: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    ((kind, entry),) = _boxes(stsd[8:])
    if kind != b"avc1":
        raise IntegrityError("the copy's pictures are not H.264")
    record = dict(_boxes(entry[78:]))[b"avcC"]
    if record[4] & 3 != 3:
        raise IntegrityError("the copy's pictures are stored in another form")
    position, groups = 5, []
    for mask in (31, 255):
        count = record[position] & mask
        position += 1
        units = []
        for _ in range(count):
            size = int.from_bytes(record[position : position + 2], "big")
            units.append(record[position + 2 : position + 2 + size])
            position += 2 + size
        groups.append(tuple(units))
    return groups[0], groups[1]


def set_id(unit: bytes) -> int:
    """The id of a parameter set: which one a picture means (Exp-Golomb, H.264 9.1)."""
    payload = unit[4:8] if unit[0] & 31 == 7 else unit[1:5]
    bits = "".join(f"{byte:08b}" for byte in payload)
    zeros = bits.index("1")
    return int(bits[zeros : 2 * zeros + 1], 2) - 1


def _rows(body: bytes, form: str) -> Iterator[tuple[int, ...]]:
    yield from struct.iter_unpack(form, body[8:])


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position < len(body):
        size = int.from_bytes(body[position : position + 4], "big")
        if size < 8 or position + size > len(body):
            raise ValueError("a box is cut short")
        yield body[position + 4 : position + 8], body[position + 8 : position + size]
        position += size
