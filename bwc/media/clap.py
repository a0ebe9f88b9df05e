"""The part of the picture that an MP4 or MOV says is meant to be shown (its clean aperture, `clap`).

FFmpeg's libraries read the box but leave the cropping to their caller. Frames outside it were never meant to be seen;
for a copy of ours with an odd size it takes the padding away again.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

_MAX_MOOV = 256 << 20
_VISUAL_ENTRY = 78  # bytes of fields before the boxes of a visual sample entry (14496-12 12.1.3)
_PATH = ("mdia", "minf", "stbl", "stsd")


def clean_aperture(file: BinaryIO) -> tuple[int, int, int, int] | None:
    """(left, top, width, height) in pixels of the only picture track, or None. Never raises for broken boxes."""
    moov = _moov(file)
    found = []
    for kind, trak in _boxes(moov):
        if kind == b"trak":
            entry = _video_entry(trak)
            if entry is not None:
                found.append(entry)
    if len(found) != 1 or len(found[0]) < _VISUAL_ENTRY:
        return None
    coded = int.from_bytes(found[0][24:26], "big"), int.from_bytes(found[0][26:28], "big")
    for kind, body in _boxes(found[0][_VISUAL_ENTRY:]):
        if kind == b"clap" and len(body) == 32:
            return _window(body, coded)
    return None


def _window(body: memoryview, coded: tuple[int, int]) -> tuple[int, int, int, int] | None:
    terms = [int.from_bytes(body[at : at + 4], "big", signed=True) for at in range(0, 32, 4)]
    if min(terms[1::2]) <= 0:
        return None
    width, height, right, down = (Fraction(terms[at], terms[at + 1]) for at in range(0, 8, 2))
    left = (coded[0] - width) / 2 + right
    top = (coded[1] - height) / 2 + down
    numbers = (left, top, width, height)
    if any(number.denominator != 1 for number in numbers) or min(left, top) < 0 or min(width, height) <= 0:
        return None
    if left + width > coded[0] or top + height > coded[1]:
        return None
    return int(left), int(top), int(width), int(height)


def _moov(file: BinaryIO) -> memoryview:
    size = file.seek(0, 2)
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length, kind, header = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1 and len(head) == 16:
            length, header = int.from_bytes(head[8:16], "big"), 16
        if length < header or not kind.strip().isalnum():
            break
        if kind == b"moov":
            file.seek(position + header)
            return memoryview(file.read(0 if length > _MAX_MOOV else length - header))
        position += length
    return memoryview(b"")


def _video_entry(trak: memoryview) -> memoryview | None:
    body, picture = trak, False
    for step in _PATH:
        inner = None
        for kind, content in _boxes(body):
            if kind == b"hdlr" and step == "minf":
                picture = bytes(content[8:12]) == b"vide"
            if kind == step.encode() and inner is None:
                inner = content
        if inner is None:
            return None
        body = inner
    entries = list(_boxes(body[8:]))
    return entries[0][1] if picture and len(entries) == 1 else None


def _boxes(body: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Views: the tables of hours are megabytes, and would be copied at every step down."""
    position = 0
    while position + 8 <= len(body):
        size = int.from_bytes(body[position : position + 4], "big")
        if size < 8:
            return
        yield bytes(body[position + 4 : position + 8]), body[position + 8 : position + size]
        position += size
