"""A sealed, unnamed temporary under a throw-away key: plaintext never rests on disk, not even for a moment.

The key is in memory only; the file has no name from the start, so it is gone when we are, however we end.
"""

import os
import secrets
from pathlib import Path
from typing import BinaryIO, cast

from bwc.storage.fsops import Disk
from bwc.storage.stream import KEY_BYTES, OpenedStream, SealingWriter

_AAD = b"bwc.scratch/1\n"


class Scratch:
    """Write first, then read as often as needed, then close. A context manager."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._key = bytearray(secrets.token_bytes(KEY_BYTES))
        self._writer: SealingWriter | None = SealingWriter(file, self._key, _AAD)

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append `data`, until the first `reader`."""
        if self._writer is None:
            raise ValueError("a scratch is written before it is read")
        return self._writer.write(data)

    def reader(self) -> BinaryIO:
        """What was written, seekable. Each reader has its own place and may be closed on its own."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        # the file has no name to open again; a copied descriptor would share its place
        again = cast(BinaryIO, _At(self._file.fileno()))
        return cast(BinaryIO, OpenedStream(again, self._key, _AAD))

    def close(self) -> None:
        """Give the space back and wipe the key."""
        self._key[:] = bytes(KEY_BYTES)
        self._file.close()


class _At:
    """A reader of a descriptor with a place of its own."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)
        self._place = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset if whence == os.SEEK_SET else os.fstat(self._fd).st_size + offset
        return self._place

    def readinto(self, buffer: memoryview) -> int:
        count = os.preadv(self._fd, [buffer], self._place)
        self._place += count
        return count

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def open_scratch(folder: Path) -> Scratch:
    """A scratch that takes its space in `folder` (for work outside a vault)."""
    return Scratch(Disk(folder).anonymous())
