"""One file of a card, read once from start to end, and compared with the listing when it ends."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bwc.errors import PartlyDone
from bwc.ingest.card import CardFile, Listing, is_same, open_below, open_root
from bwc.ingest.salvage import CardGone, NothingReadable, PatientReader
from bwc.recording import Gap


class SourceUnreadable(PartlyDone):
    """A file on the card gives no bytes."""


class SourceChanged(PartlyDone):
    """A file on the card grew, shrank or was replaced while it was read."""


class SourceReader(io.RawIOBase):
    """One file of a card, read once from start to end; `gaps` are the stretches that could not be read.

    At the end of the file its size, modification time and inode are compared with the listing, so whoever reads to
    the end (a seal) gets `SourceChanged` instead of an end of file and keeps nothing. `failure` holds what was raised.
    """

    def __init__(
        self, fd: int, file: CardFile, is_gone: Callable[[], bool], on_read: Callable[[int], None] | None = None
    ) -> None:
        super().__init__()
        self._fd = fd
        self._file = file
        self._patient = PatientReader(fd, file.size_bytes, file.name, is_gone)
        self._on_read = on_read
        self.bytes_read = 0
        self.failure: PartlyDone | None = None

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(self._patient.gaps)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        # Copying past us (sendfile, mmap) would skip the comparison at the end.
        raise io.UnsupportedOperation("a card's file is read through this reader only")

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` unless the file ends; a short count is the end.

        Raises `SourceUnreadable`, `SourceChanged`, `CardGone`.
        """
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        filled = 0
        while filled < len(view):
            try:
                count = self._patient.read(view[filled:], self.bytes_read)
            except CardGone as gone:
                self._fail(gone)
                raise
            except (OSError, NothingReadable) as error:
                why = error.strerror if isinstance(error, OSError) else error
                where = f"cannot be read at byte {self.bytes_read}: {why}"
                raise self._fail(SourceUnreadable(f"{self._file.name} {where}")) from error
            if count == 0:
                self._compare()
                break
            filled += count
            self.bytes_read += count
            if self.bytes_read > self._file.size_bytes:
                raise self._fail(SourceChanged(f"{self._file.name} grew while it was read"))
        if self._on_read:
            self._on_read(filled)
        return filled

    def _compare(self) -> None:
        now = os.fstat(self._fd)
        if self.bytes_read != self._file.size_bytes or not is_same(self._file, now):
            raise self._fail(SourceChanged(f"{self._file.name} changed while it was read"))
        if self.bytes_read and sum(gap.size_bytes for gap in self.gaps) == self.bytes_read:
            raise self._fail(SourceUnreadable(f"{self._file.name} cannot be read: the card gives not one byte of it"))

    def _fail(self, failure: PartlyDone) -> PartlyDone:
        self.failure = failure
        return failure


@contextmanager
def open_source(card: Listing, file: CardFile, on_read: Callable[[int], None] | None = None) -> Iterator[SourceReader]:
    """Open a listed file for one reading, without following a link anywhere on its path.

    Raises `SourceUnreadable` when it cannot be opened, `SourceChanged` when it is not the file that was listed, and
    `CardGone` when the whole card is no longer there.
    """
    is_gone = _watch(card, file)
    try:
        with open_root(card.root if card.root.is_dir() else card.root.parent) as root_fd:
            fd = open_below(root_fd, file.path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if is_gone():
            raise CardGone(file.name) from error
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            raise SourceChanged(f"{file.name} is no longer the file that was listed") from error
        raise SourceUnreadable(f"{file.name} cannot be opened: {error.strerror}") from error
    try:
        if not is_same(file, os.fstat(fd)):
            raise SourceChanged(f"{file.name} changed after the card was listed")
        with closing(SourceReader(fd, file, is_gone, on_read)) as reader:
            yield reader
    finally:
        os.close(fd)


def _watch(card: Listing, file: CardFile) -> Callable[[], bool]:
    """A question that can be asked when something fails: was the card pulled out or unmounted?"""
    # A pulled block device loses its entry here before its file system is unmounted
    block = Path(f"/sys/dev/block/{os.major(file.device)}:{os.minor(file.device)}")
    had_block = block.exists()

    def is_gone() -> bool:
        try:
            here = card.root.stat().st_dev
        except OSError:
            return True
        return here != card.device or (had_block and not block.exists())

    return is_gone
