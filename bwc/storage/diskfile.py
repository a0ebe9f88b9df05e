"""One open file of the vault: being staged (written round the page cache, synced, read back) or being read."""

import errno
import io
import mmap
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bwc.errors import BwcError, DigestMismatch, StorageError, StoreFull
from bwc.storage.lanes import AHEAD
from bwc.storage.syscalls import Buffer, Calls

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 4 << 20  # one write or read: 4 MiB direct writes reach 2,600 MB/s (2026-11)
_WRITING = 2  # blocks being written while the next one is filled
_RESERVE = 64 << 20  # space is claimed ahead in steps: fewer metadata updates
LYING_DISK = "put the vault on another disk, and check this one: smartctl -a DEVICE"
_NO_DIRECT = (errno.EINVAL, errno.EOPNOTSUPP)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class StagedFile:
    """A file being written under a random name: whole blocks go round the page cache, the rest through it.

    Whole blocks are written by a thread of their own while the next one is filled; what it meets is raised by the
    next `advance` or `finish`. To be used by one thread at a time.
    """

    def __init__(self, calls: Calls, full_path: str, fd: int) -> None:
        self.full_path = full_path
        self.size_bytes = 0
        self._calls = calls
        self._fd = fd
        self._buffer = memoryview(mmap.mmap(-1, BLOCK))  # page-aligned, as O_DIRECT wants it
        self._filled = 0
        self._writer: ThreadPoolExecutor | None = None  # small files never need one
        self._writing: deque[tuple[Future[None], memoryview]] = deque()
        self._reserved = 0
        self._may_reserve = True
        self._direct: bool | None = None  # None: not tried yet; small files never do
        self._gone = False

    def __enter__(self) -> "StagedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def write(self, data: Buffer) -> int:
        """Append `data`."""
        view = memoryview(data).cast("B")
        start = 0
        while start < len(view):
            space = self.space()
            count = min(len(space), len(view) - start)
            space[:count] = view[start : start + count]
            self.advance(count)
            start += count
        return len(view)

    def space(self) -> memoryview:
        """The free part of the block being filled: write into it, then `advance`."""
        return self._buffer[self._filled :]

    def advance(self, count: int) -> None:
        """`count` bytes of `space` are filled."""
        self._filled += count
        if self._filled == BLOCK:
            self._hand_over()

    def finish(self) -> None:
        """Write what is left and sync; the bytes are on the device on return, under the random name."""
        self._write_rest()
        with said(self.full_path):
            self._calls.fsync(self._fd)

    def begin_sync(self) -> None:
        """Write what is left and have the device begin: `finish` of many files then waits for one commit, not for each's."""
        self._write_rest()
        with said(self.full_path):
            self._calls.drop_cache(self._fd)  # which writes back, and does not wait

    def _write_rest(self) -> None:
        self._wait_for_writer()
        with said(self.full_path):
            if self._direct:
                self._calls.set_direct(self._fd, direct=False)  # the last block is no whole page
                self._direct = False
            self._write_all(self._buffer[: self._filled])
            self._filled = 0
            if self._reserved or not self._may_reserve:
                self._calls.truncate(self._fd, self.size_bytes)

    def blocks(self) -> Iterator[memoryview]:
        """The bytes read back from the device; see `device_blocks`."""
        return device_blocks(self._calls, self.full_path)

    def reader(self) -> "DiskReader":
        """A seekable reader of a finished file."""
        return DiskReader(self._calls, self.full_path)

    def compare(self, data: bytes) -> None:
        """Raise `DigestMismatch` unless the device gives back exactly `data`."""
        if b"".join(bytes(block) for block in self.blocks()) != data:
            raise DigestMismatch(f"the disk of {self.full_path} gave back other bytes than were written", LYING_DISK)

    def compare_taken(self, data: bytes) -> None:
        """Raise `DigestMismatch` unless the system gives back exactly `data`, from wherever it has it."""
        with said(self.full_path):
            fd = self._calls.open(self.full_path, os.O_RDONLY)
        try:
            with said(self.full_path):
                found = bytearray(len(data) + 1)
                count = self._calls.read_into(fd, memoryview(found), 0)
        finally:
            with suppress(OSError):
                self._calls.close(fd)
        if found[:count] != data:
            raise DigestMismatch(f"the disk of {self.full_path} gave back other bytes than were written", LYING_DISK)

    def drop(self) -> None:
        """Forget the random name; what it was linked to stays. Never raises: a partial left over is collected later."""
        if not self._gone:
            self._stop_writer()
            with suppress(OSError):
                self._calls.unlink(self.full_path)
            self.renamed()

    def renamed(self) -> None:
        """The random name is no more: release the descriptor and its lock."""
        self._gone = True
        self._stop_writer()  # it must not write to a descriptor that is somebody else's by then
        with suppress(OSError):
            self._calls.close(self._fd)

    def _hand_over(self) -> None:
        if self._writer is None:
            self._writer = ThreadPoolExecutor(max_workers=1)
        self._writing.append((self._writer.submit(self._write_block, self._buffer), self._buffer))
        if len(self._writing) > _WRITING:
            written, self._buffer = self._writing.popleft()
            written.result()
        else:
            self._buffer = memoryview(mmap.mmap(-1, BLOCK))
        self._filled = 0

    def _wait_for_writer(self) -> None:
        try:
            while self._writing:
                self._writing.popleft()[0].result()
        finally:
            self._stop_writer()

    def _stop_writer(self) -> None:
        if self._writer is not None:
            self._writer.shutdown(wait=True, cancel_futures=True)
            self._writer = None
        self._writing.clear()

    def _write_block(self, block: memoryview) -> None:
        with said(self.full_path):
            if self._direct is None:
                self._direct = True
                try:
                    self._calls.set_direct(self._fd, direct=True)
                except OSError as error:
                    self._without_direct(error)
            self._reserve_ahead()
            self._write_all(block)

    def _reserve_ahead(self) -> None:
        if not self._may_reserve or self.size_bytes + BLOCK <= self._reserved:
            return
        try:
            self._calls.reserve(self._fd, self._reserved, _RESERVE)
            self._reserved += _RESERVE
        except OSError:
            self._may_reserve = False  # not supported, or no room for so much: the writes themselves will tell

    def _write_all(self, view: memoryview) -> None:
        start = 0
        while start < len(view):
            try:
                count = self._calls.write(self._fd, view[start:])
            except OSError as error:
                if not self._direct:
                    raise
                self._without_direct(error)
                continue
            start += count
            self.size_bytes += count

    def _without_direct(self, error: OSError) -> None:
        if error.errno not in _NO_DIRECT:
            raise error
        self._direct = False
        with suppress(OSError):
            self._calls.set_direct(self._fd, direct=False)


class DiskReader(io.RawIOBase):
    """A seekable reader of one file, through the page cache."""

    def __init__(self, calls: Calls, full_path: str) -> None:
        super().__init__()
        self._calls = calls
        self._path = full_path
        self._position = 0
        with said(full_path):
            self._size = calls.size(full_path)
            self._fd = calls.open(full_path, os.O_RDONLY)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("seek before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        with said(self._path):
            count = self._calls.read_into(self._fd, memoryview(buffer).cast("B"), self._position)
        self._position += count
        return count

    def close(self) -> None:
        if not self.closed:
            with suppress(OSError):
                self._calls.close(self._fd)
        super().close()


def device_blocks(calls: Calls, full_path: str) -> Iterator[memoryview]:
    """A file's bytes as the device holds them, in blocks of 4 MiB; a block is valid until `AHEAD` more were asked for.

    O_DIRECT goes round the page cache. Where a file system refuses it, cached pages are dropped first,
    which is the most that can be asked of it.
    """
    with said(full_path):
        size = calls.size(full_path)
        fd = calls.open(full_path, os.O_RDONLY)
    try:
        with said(full_path):
            try:
                calls.set_direct(fd, direct=True)
            except OSError as error:
                _read_through_cache(calls, fd, error)
        # whole pages, as O_DIRECT wants them, and no more: a direct read prepares all of its
        # buffer, which for 4 MiB costs 3 ms of CPU (2026-11)
        room = min(BLOCK, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
        buffers = deque(memoryview(mmap.mmap(-1, room)) for _ in range(min(AHEAD, -(-size // BLOCK))))
        offset = 0
        while offset < size:
            with said(full_path):
                count = _fill(calls, fd, buffers[0], offset, size)
            if not count:
                return  # shorter than it said: whoever compares will see it
            yield buffers[0][:count]
            offset += count
            buffers.rotate(-1)
    finally:
        with suppress(OSError):
            calls.close(fd)


def _fill(calls: Calls, fd: int, buffer: memoryview, offset: int, size: int) -> int:
    filled = 0
    while filled < len(buffer) and offset + filled < size:
        try:
            count = calls.read_into(fd, buffer[filled:], offset + filled)
        except OSError as error:
            # a read that stopped short leaves us unaligned: the rest goes through the cache
            _read_through_cache(calls, fd, error)
            count = calls.read_into(fd, buffer[filled:], offset + filled)
        if not count:
            break
        filled += count
    return filled


def _read_through_cache(calls: Calls, fd: int, error: OSError) -> None:
    if error.errno not in _NO_DIRECT:
        raise error
    with suppress(OSError):
        calls.set_direct(fd, direct=False)
    calls.drop_cache(fd)


class said:  # noqa: N801 - used like a function; a generator costs four times as much, thirty times a command
    """Turn what the system says of `path` into our errors: `StoreFull`, or `StorageError` with something to do."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise _storage_error(error, self._path) from error


def _storage_error(error: OSError, path: str) -> BwcError:
    folder = Path(path).parent
    if error.errno in _FULL:
        return StoreFull(f"no space left in {folder}", f"df -h {folder}; free some space and run the same again")
    hint = f"ls -ld {folder}; you must be able to write there" if error.errno in _FORBIDDEN else "check the disk"
    return StorageError(f"{path}: {error.strerror or error}", hint)
