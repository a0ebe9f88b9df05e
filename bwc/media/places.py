"""Where the coded pictures of a recording lie in its file, to read them a second time without a container.

While a container is open FFmpeg holds 36 bytes for every sample in it, sound included: 20 MB for two hours. Here it is 16
bytes a picture. What is read is compared with the checksum of what the container gave.
"""

import zlib
from array import array
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from bwc.media.gops import Sample, Uncopyable, sample_of
from bwc.media.parameter_sets import ParameterSets


class Places:
    """The places of pictures in order. Those of `CodedPictures(…, packets=True)` are added one by one."""

    def __init__(self, most: int) -> None:
        """Of `most` pictures. Tables that grow piece by piece would leave holes in memory."""
        self._positions = array("q", bytes(8 * most))
        self._sizes, self._checksums = array("I", bytes(4 * most)), array("I", bytes(4 * most))
        self._count = 0
        self._unknown = False

    def add(self, sample: Sample) -> None:
        if sample.position is None:
            self._unknown = True  # this container does not say
            return
        self._positions[self._count] = sample.position
        self._sizes[self._count] = len(sample.packet)
        self._checksums[self._count] = zlib.crc32(sample.packet)
        self._count += 1

    @property
    def are_known(self) -> bool:
        """Whether every picture can be read from its place."""
        return not self._unknown and self._count == len(self._positions)

    def read(self, file: BinaryIO, pts: Iterable[int], sets: ParameterSets) -> Iterator[Sample]:
        """Every picture once more; `pts` are their times. Raises `Uncopyable` when other bytes lie there."""
        places = zip(self._positions, self._sizes, self._checksums, pts, strict=True)
        for position, size, checksum, when in places:
            file.seek(position)
            packet = file.read(size)
            if len(packet) != size or zlib.crc32(packet) != checksum:
                raise Uncopyable("its pictures do not lie where the container says")
            yield sample_of(packet, when, sets)
