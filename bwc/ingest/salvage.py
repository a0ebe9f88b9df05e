"""Reading round what a card cannot give: every good range is kept, each gap is filled with zeros and told.

A failing read is halved until single sectors are left. A long dead stretch would take hours so: patience is bounded
per file, and after that what fails is given up in whole blocks. Whether a card is worn or was pulled out is asked of a
place that could be read before: if that fails too, the card is gone and nothing of the file is kept.
"""

import errno
import mmap
import os
import time
from collections.abc import Callable
from contextlib import suppress

from bwc.errors import PartlyDone
from bwc.recording import Gap

SECTOR = 512
PAGE = 4096  # what O_DIRECT wants everything to be a multiple of
COARSE = 2**20  # the size of what is given up at once when patience is over
PATIENCE_S = 300.0  # of failing reads in one file
ASK_AFTER = 32  # failures in a row before the first doubt whether the card is still there
SPOTS = 16  # places to try in a file that gave no byte at all

# What Linux says of media that cannot be read: in general, "critical medium", bad CRC, remote, a broken file system.
WORN = frozenset({errno.EIO, errno.ENODATA, errno.EBADMSG, errno.EILSEQ, errno.EREMOTEIO, errno.EUCLEAN})
GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.ESTALE, errno.ENOTCONN})


class NothingReadable(Exception):
    """Not one of the places tried in a file can be read."""


class CardGone(PartlyDone):
    """The card went away while it was read; it stops the intake of this card."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the card went away while {name} was read", "put it back and run the same command again; nothing is lost"
        )


def read_at(fd: int, view: memoryview, offset: int) -> int:
    """One read of the operating system's: the seam where tests put a worn card."""
    return os.preadv(fd, [view], offset)


class PatientReader:
    """Reads a file at any place; `gaps` are the stretches it had to fill with zeros, in order and joined."""

    def __init__(self, fd: int, size_bytes: int, name: str, is_gone: Callable[[], bool]) -> None:
        self._fd = fd
        self._size = size_bytes
        self._name = name
        self._is_gone = is_gone
        self._good_at: int | None = None  # a page that could be read
        self._run = range(0)  # the last stretch without a failure
        self._in_row = 0
        self._failing_s = 0.0
        self.gaps: list[Gap] = []

    def read(self, view: memoryview, offset: int) -> int:
        """Fill `view` from `offset` on, as far as one read goes; what cannot be read is zeros and a gap.

        0 is the end of the file. Raises `CardGone`, `NothingReadable`, or `OSError` for what is no worn medium.
        """
        try:
            return self._once(view, offset)
        except OSError as error:
            if error.errno not in WORN or offset >= self._size:
                raise
            return self._round(view[: self._size - offset], offset, error)

    def _once(self, view: memoryview, offset: int) -> int:
        began = time.monotonic()
        try:
            count = read_at(self._fd, view, offset)
        except OSError as error:
            self._failing_s += time.monotonic() - began
            self._in_row += 1
            if error.errno in GONE or (error.errno in WORN and self._is_gone()):
                raise CardGone(self._name) from error
            if self._in_row >= ASK_AFTER and self._in_row & (self._in_row - 1) == 0:
                self._ask(error)
            raise
        self._in_row = 0
        if self._good_at is None:
            start = self._run.start if offset == self._run.stop else offset
            self._run = range(start, offset + count)
            page = -(-start // PAGE) * PAGE
            self._good_at = page if page + PAGE <= self._run.stop else None
        return count

    def _round(self, view: memoryview, offset: int, error: OSError) -> int:
        """Halve what failed at `offset` until it is read or small enough to be given up; how much of `view` is filled."""
        is_patient = self._failing_s < PATIENCE_S
        middle = (offset + len(view) // 2) // SECTOR * SECTOR
        if middle <= offset:
            middle = (offset // SECTOR + 1) * SECTOR
        half = middle - offset
        if half >= len(view) or (len(view) <= COARSE and not is_patient):
            view[:] = bytes(len(view))
            self._give_up(offset, len(view), error)
            return len(view)
        first = self._whole(view[:half], offset)
        return first if first < half else half + self._whole(view[half:], offset + half)

    def _whole(self, view: memoryview, offset: int) -> int:
        filled = 0
        while filled < len(view):
            try:
                count = self._once(view[filled:], offset + filled)
            except OSError as error:
                if error.errno not in WORN:
                    raise
                count = self._round(view[filled:], offset + filled, error)
                return filled + count
            if count == 0:
                break
            filled += count
        return filled

    def _give_up(self, offset: int, count: int, error: OSError) -> None:
        cause = errno.errorcode.get(error.errno or errno.EIO, "EIO")
        last = self.gaps[-1] if self.gaps else None
        if last and last.end == offset and last.cause == cause:
            self.gaps[-1] = Gap(offset=last.offset, size_bytes=last.size_bytes + count, cause=cause)
        else:
            self.gaps.append(Gap(offset=offset, size_bytes=count, cause=cause))

    def _ask(self, error: OSError) -> None:
        """Is the card still there? Raises `CardGone`, or `NothingReadable`."""
        if self._good_at is not None:
            if not self._still_reads(self._good_at):
                raise CardGone(self._name) from error
            return
        sector = memoryview(bytearray(SECTOR))
        for spot in range(SPOTS):
            with suppress(OSError):
                if read_at(self._fd, sector, self._size * spot // SPOTS // SECTOR * SECTOR):
                    return
        raise NothingReadable(error.strerror) from error

    def _still_reads(self, offset: int) -> bool:
        """Whether the device, not the page cache, gives a page that it gave before."""
        with mmap.mmap(-1, PAGE) as page:
            fd = self._fd
            with suppress(OSError):  # some file systems have no O_DIRECT
                fd = os.open(f"/proc/self/fd/{self._fd}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
            view = memoryview(page)
            try:
                if fd == self._fd:
                    os.posix_fadvise(fd, offset, PAGE, os.POSIX_FADV_DONTNEED)
                return read_at(fd, view, offset) > 0
            except OSError:
                return False
            finally:
                view.release()
                if fd != self._fd:
                    os.close(fd)
