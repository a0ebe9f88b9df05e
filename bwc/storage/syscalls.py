"""The operating system's file calls as one small seam: real here, a model disk or a failing one in fault tests.

Descriptors are opaque integers; every method raises `OSError` as the system would.
"""

import fcntl
import os
from typing import Protocol, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


class Calls(Protocol):
    """What `fsops.Disk` needs of an operating system."""

    def open(self, path: str, flags: int, mode: int = 0o640) -> int: ...
    def close(self, fd: int) -> None: ...
    def write(self, fd: int, data: Buffer) -> int: ...
    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int: ...
    def truncate(self, fd: int, size: int) -> None: ...
    def reserve(self, fd: int, offset: int, size: int) -> None: ...
    def set_direct(self, fd: int, *, direct: bool) -> None: ...
    def drop_cache(self, fd: int) -> None: ...
    def fsync(self, fd: int) -> None: ...
    def lock(self, fd: int) -> None: ...
    def size(self, path: str) -> int: ...
    def modified(self, path: str) -> float: ...
    def is_folder(self, path: str) -> bool: ...
    def names(self, path: str) -> list[str]: ...
    def mkdir(self, path: str, mode: int) -> None: ...
    def link(self, old: str, new: str) -> None: ...
    def rename(self, old: str, new: str) -> None: ...
    def unlink(self, path: str) -> None: ...


class OsCalls:
    """The calls of this machine."""

    def open(self, path: str, flags: int, mode: int = 0o640) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def close(self, fd: int) -> None:
        os.close(fd)

    def write(self, fd: int, data: Buffer) -> int:
        return os.write(fd, data)

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int:
        return os.preadv(fd, [buffer], offset)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def reserve(self, fd: int, offset: int, size: int) -> None:
        os.posix_fallocate(fd, offset, size)

    def set_direct(self, fd: int, *, direct: bool) -> None:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_DIRECT if direct else flags & ~os.O_DIRECT)

    def drop_cache(self, fd: int) -> None:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def lock(self, fd: int) -> None:
        """Take the exclusive lock of an open file; `BlockingIOError` when another process holds it."""
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def size(self, path: str) -> int:
        return os.stat(path).st_size  # noqa: PTH116 - one seam of plain calls

    def modified(self, path: str) -> float:
        return os.stat(path).st_mtime  # noqa: PTH116

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(path)  # noqa: PTH112

    def names(self, path: str) -> list[str]:
        return sorted(os.listdir(path))  # noqa: PTH208

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(path, mode)  # noqa: PTH102

    def link(self, old: str, new: str) -> None:
        os.link(old, new)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)  # noqa: PTH104

    def unlink(self, path: str) -> None:
        os.unlink(path)  # noqa: PTH108
