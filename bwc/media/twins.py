"""Which pictures of a copy are the original's own bytes: whole closed groups under the same parameter sets.

Such pictures decode alike, so whoever compares two files need not decode them twice. Read from the files alone.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

from bwc.errors import MediaError
from bwc.media.gops import CodedPictures
from bwc.media.parameter_sets import ParameterSets, pps_id
from bwc.media.source import Source

Spans = tuple[tuple[int, int], ...]  # first and last pts of runs of pictures, in ticks, both included


@dataclass(frozen=True, slots=True)
class Twin:
    """One closed group of the original, and where the copy holds the same bytes, if it does."""

    first: int  # pts of the original
    last: int
    frames: int
    digest: bytes  # of its packets as the original's container holds them, by `GroupDigest`
    copied: tuple[int, int] | None  # first and last pts of the copy


class GroupDigest:
    """SHA-256 over the packets of a group, each with its time and length."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, pts: int, data: bytes) -> None:
        self._hash.update(pts.to_bytes(8, "big", signed=True) + len(data).to_bytes(8, "big"))
        self._hash.update(data)

    def digest(self) -> bytes:
        return self._hash.digest()


def twins(original: BinaryIO, copy: BinaryIO, *, shift: Fraction = Fraction(0)) -> tuple[Twin, ...]:
    """The groups of `original`, and which of them `copy`, an MP4 of ours, holds bit for bit, shown `shift` seconds earlier.

    Empty where pictures cannot be compared this way: B-frames, other codecs, damage.
    """
    try:
        with CodedPictures(original, packets=True) as coded, Source(copy) as other:
            return tuple(_twins(coded, other, shift))
    except MediaError:
        return ()


def same_pictures(original: BinaryIO, copy: BinaryIO, *, shift: Fraction = Fraction(0)) -> Spans:
    """The pictures of `original` that `copy` holds bit for bit (`twins`), as runs."""
    return runs((twin.first, twin.last) if twin.copied else None for twin in twins(original, copy, shift=shift))


def runs(groups: Iterable[tuple[int, int] | None]) -> Spans:
    """First and last pts of groups; neighbours, with no None between them, are one run."""
    found: list[tuple[int, int]] = []
    joins = False
    for group in groups:
        if group is not None and joins:
            found[-1] = (found[-1][0], group[1])
        elif group is not None:
            found.append(group)
        joins = group is not None
    return tuple(found)


def _twins(coded: CodedPictures, other: Source, shift: Fraction) -> Iterator[Twin]:
    coming = _coming(other, coded.sets)
    nothing = (None, 0, b"")
    place, there, data = next(coming, nothing)
    first = last = start = end = frames = 0
    same, digest = False, GroupDigest()
    for sample in coded:
        if sample.is_idr:
            if frames:
                yield Twin(first, last, frames, digest.digest(), (start, end) if same else None)
            first, frames, same, digest = sample.pts, 0, True, GroupDigest()
        time = sample.pts * coded.time_base - shift
        while place is not None and place < time:
            place, there, data = next(coming, nothing)
        same = same and place == time and data == sample.data
        start, end = (start if frames else there), there
        last, frames = sample.pts, frames + 1
        digest.add(sample.pts, sample.packet)
    if frames:
        yield Twin(first, last, frames, digest.digest(), (start, end) if same else None)


def _coming(copy: Source, sets: ParameterSets) -> Iterator[tuple[Fraction | None, int, bytes]]:
    """(seconds, pts, coded bytes) of the copy's pictures in order; none unless it holds the original's parameter sets."""
    stream = copy.picture()
    context: Any = stream.codec_context if stream is not None else None
    if stream is None or context is None:
        return
    held = ParameterSets.of(context.extradata or b"")
    ids = [one.id for one in held.facts()], [pps_id(unit) for unit in held.pps]
    is_clear = all(len(numbers) == len(set(numbers)) for numbers in ids)
    if not is_clear or not (set(sets.sps) <= set(held.sps) and set(sets.pps) <= set(held.pps)):
        return
    base = stream.time_base or Fraction(1, 90_000)
    for packet in copy.packets(stream):
        if packet.pts is not None:
            yield packet.pts * base, packet.pts, bytes(packet)
