"""A worn card: reads that touch a bad sector fail as a card's do, whatever file system lies beneath."""

import errno
import os
from collections.abc import Callable

import pytest

from bwc.ingest import salvage

SECTOR = 512


class WornCard:
    """In place of `salvage.read_at`. `bad` are byte ranges of files, by inode; `is_out` is a card that was pulled."""

    def __init__(self) -> None:
        self.bad: dict[int, list[range]] = {}
        self.is_out = False
        self.after: Callable[[int, int], None] = lambda fd, offset: None
        self.reads = 0

    def wear(self, path: "os.PathLike[str]", *sectors: range) -> None:
        """These sectors of the file cannot be read from now on; none: it is as good as new."""
        self.bad[os.stat(path).st_ino] = [range(one.start * SECTOR, one.stop * SECTOR) for one in sectors]

    def read_at(self, fd: int, view: memoryview, offset: int) -> int:
        self.reads += 1
        self.after(fd, offset)
        if self.is_out:
            raise OSError(errno.EIO, "Input/output error")
        end = offset + len(view)
        for bad in self.bad.get(os.fstat(fd).st_ino, []):
            if bad.start <= offset < min(bad.stop, os.fstat(fd).st_size):
                raise OSError(errno.EIO, "Input/output error")
            if offset < bad.start < end:
                end = bad.start  # the kernel gives what it has, then fails the next read
        return os.preadv(fd, [view[: end - offset]], offset)


def put_in(monkeypatch: pytest.MonkeyPatch) -> WornCard:
    made = WornCard()
    monkeypatch.setattr(salvage, "read_at", made.read_at)
    return made
