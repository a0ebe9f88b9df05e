"""Which pictures of a copy are the original's own bytes: whole closed groups under the same parameter sets.

Such pictures decode alike, so whoever compares two files need not decode them twice. Read from the files alone.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

from bwc.errors import MediaError
from bwc.media.gops import CodedPictures
from bwc.media.parameter_sets import ParameterSets, pps_id
from bwc.media.source import Source

Spans = tuple[tuple[int, int], ...]  # first and last pts of runs of pictures, in ticks, both included


def same_pictures(original: BinaryIO, copy: BinaryIO, *, shift: Fraction = Fraction(0)) -> Spans:
    """The groups of `original` that `copy`, an MP4 of ours, holds bit for bit, shown `shift` seconds earlier there.

    Neighbours are one run. Empty where pictures cannot be compared this way: B-frames, other codecs, damage.
    """
    found: list[tuple[int, int]] = []
    try:
        with CodedPictures(original) as coded, Source(copy) as other:
            first = last = None
            same = joins = False
            coming = _coming(other, coded.sets)
            place, data = next(coming, (None, b""))
            for sample in coded:
                if sample.is_idr:
                    joins = _close(found, first, last, same=same, joins=joins)
                    first, same = sample.pts, True
                last = sample.pts
                time = sample.pts * coded.time_base - shift
                while place is not None and place < time:
                    place, data = next(coming, (None, b""))
                same = same and place == time and data == sample.data
            _close(found, first, last, same=same, joins=joins)
    except MediaError:
        return ()
    return tuple(found)


def _close(found: list[tuple[int, int]], first: int | None, last: int | None, *, same: bool, joins: bool) -> bool:
    """Note a group that ended, joined to the one before when that `joins`; whether the next may be joined to it."""
    if first is None or last is None or not same:
        return False
    if joins:
        found[-1] = (found[-1][0], last)
    else:
        found.append((first, last))
    return True


def _coming(copy: Source, sets: ParameterSets) -> Iterator[tuple[Fraction, bytes]]:
    """(seconds, coded bytes) of the copy's pictures in order; none unless it holds the original's parameter sets."""
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
            yield packet.pts * base, bytes(packet)
