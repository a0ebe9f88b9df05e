"""A disk in memory that knows what is volatile and what is durable, and can crash, fail or lie at any call."""

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

ROOT = "/vault"


class Crash(BaseException):
    """The machine stopped. Nothing that runs afterwards reaches the disk."""


@dataclass
class Inode:
    data: bytearray = field(default_factory=bytearray)
    durable: bytes = b""


@dataclass
class Fault:
    """What happens at the `at`-th call (from 0) of one of `calls`."""

    calls: frozenset[str]
    at: int
    error: int | None = None  # an errno; None: crash, or lie
    took_effect: bool = False  # the call fails but has done its work
    lie: Callable[[bytes], bytes] | None = None  # what a write really writes


class ModelCalls:
    """`bwc.storage.syscalls.Calls` in memory. Closing a file does not sync it."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.fault = fault
        self.was_hit = False  # whether the fault has happened
        self.on_crash: Callable[[], None] = lambda: None
        self.log: list[str] = []
        self.names_now: dict[str, Inode] = {}
        self.names_durable: dict[str, Inode] = {}
        self.folders_now: set[str] = {ROOT}
        self.folders_durable: set[str] = {ROOT}
        self._open: dict[int, tuple[str, Inode | None, int]] = {}
        self._next_fd = 1000
        self._seen = 0
        self._dead = False

    # --- faults ---

    def arm(self, fault: Fault | None) -> None:
        """Let this fault happen, counted from now."""
        self.fault, self._seen, self.was_hit = fault, 0, False

    def revive(self) -> None:
        """Only the process died: the machine goes on with what it has, and without faults."""
        self.arm(None)
        self._dead = False

    @contextmanager
    def _call(self, name: str) -> Iterator[Fault | None]:
        if self._dead:
            raise Crash
        self.log.append(name)
        fault = self.fault
        hit = fault is not None and (not fault.calls or name in fault.calls)
        mine = hit and fault is not None and self._seen == fault.at
        self._seen += hit
        if not mine or fault is None:
            yield None
            return
        if fault.lie is None and not fault.took_effect:
            self._fail(fault)
        try:
            yield fault
        finally:  # also where the call says no by itself: there is no such file
            if fault.lie is None:
                self._fail(fault)

    def _fail(self, fault: Fault) -> None:
        self.was_hit = True
        if fault.error is None:
            self._dead = True
            self.on_crash()
            raise Crash
        raise OSError(fault.error, os.strerror(fault.error))

    def after_crash(self, choose: Callable[[], bool]) -> "ModelCalls":
        """The disk after a power cut; `choose` says of each unsynced change whether it made it."""
        found = ModelCalls()
        found.folders_durable = {
            name for name in self.folders_now | self.folders_durable if name in self.folders_durable or choose()
        }
        # a folder that did not make it takes along what is in it
        found.folders_durable = {
            name for name in found.folders_durable if all(up in found.folders_durable for up in _ups(name))
        }
        contents: dict[int, Inode] = {}
        for name in sorted({*self.names_now, *self.names_durable}):
            before, now = self.names_durable.get(name), self.names_now.get(name)
            inode = before if before is now or not choose() else now
            if inode is None or _parent(name) not in found.folders_durable:
                continue
            if id(inode) not in contents:
                data = inode.durable
                if bytes(inode.data) != inode.durable and choose():
                    cut = random.Random(len(inode.data)).randrange(len(inode.data) + 1)
                    # all of it, a part of it, or a part and then nothing where blocks were not written
                    rest = bytes(len(inode.data) - cut) if choose() else b""
                    data = bytes(inode.data) if choose() else bytes(inode.data[:cut]) + rest
                contents[id(inode)] = Inode(bytearray(data), data)
            found.names_durable[name] = contents[id(inode)]
        found.names_now = dict(found.names_durable)
        found.folders_now = set(found.folders_durable)
        return found

    # --- calls ---

    def open(self, path: str, flags: int, mode: int = 0o640) -> int:
        with self._call("open"):
            if flags & os.O_DIRECTORY:
                if path not in self.folders_now:
                    raise FileNotFoundError(errno.ENOENT, "no such folder")
                return self._take(path, None, flags)
            if flags & os.O_CREAT:
                if path in self.names_now and flags & os.O_EXCL:
                    raise FileExistsError(errno.EEXIST, "exists")
                if _parent(path) not in self.folders_now:
                    raise FileNotFoundError(errno.ENOENT, "no such folder")
                self.names_now.setdefault(path, Inode())
            if path not in self.names_now:
                raise FileNotFoundError(errno.ENOENT, "no such file")
            return self._take(path, self.names_now[path], flags)

    def _take(self, path: str, inode: Inode | None, flags: int) -> int:
        self._next_fd += 1
        self._open[self._next_fd] = (path, inode, flags)
        return self._next_fd

    def close(self, fd: int) -> None:
        del self._open[fd]

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        with self._call("write") as fault:
            inode = self._open[fd][1]
            assert inode is not None
            inode.data += fault.lie(bytes(data)) if fault and fault.lie else data
            return len(data)

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int:
        with self._call("read"):
            inode = self._open[fd][1]
            assert inode is not None
            data = inode.data[offset : offset + len(buffer)]
            buffer[: len(data)] = data
            return len(data)

    def truncate(self, fd: int, size: int) -> None:
        with self._call("truncate"):
            inode = self._open[fd][1]
            assert inode is not None
            del inode.data[size:]

    def reserve(self, fd: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    def set_direct(self, fd: int, *, direct: bool) -> None:
        if direct:
            raise OSError(errno.EINVAL, "not here")

    def drop_cache(self, fd: int) -> None:
        pass

    def fsync(self, fd: int) -> None:
        with self._call("fsync"):
            path, inode, _ = self._open[fd]
            if inode is not None:
                inode.durable = bytes(inode.data)
                return
            for now, durable in ((self.names_now, self.names_durable),):
                for name in [name for name in durable if _parent(name) == path and name not in now]:
                    del durable[name]
                durable.update({name: inode for name, inode in now.items() if _parent(name) == path})
            self.folders_durable |= {name for name in self.folders_now if _parent(name) == path}

    def lock(self, fd: int) -> None:
        if self._dead:
            raise Crash

    def size(self, path: str) -> int:
        if path not in self.names_now:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        return len(self.names_now[path].data)

    def modified(self, path: str) -> float:
        return 0.0

    def is_folder(self, path: str) -> bool:
        return path in self.folders_now

    def names(self, path: str) -> list[str]:
        inside = [name for name in (*self.names_now, *self.folders_now) if _parent(name) == path]
        return sorted(name.rpartition("/")[2] for name in inside)

    def mkdir(self, path: str, mode: int) -> None:
        with self._call("mkdir"):
            if path in self.folders_now:
                raise FileExistsError(errno.EEXIST, "exists")
            self.folders_now.add(path)

    def link(self, old: str, new: str) -> None:
        with self._call("link"):
            if new in self.names_now:
                raise FileExistsError(errno.EEXIST, "exists")
            self.names_now[new] = self.names_now[old]

    def rename(self, old: str, new: str) -> None:
        with self._call("rename"):
            self.names_now[new] = self.names_now.pop(old)

    def unlink(self, path: str) -> None:
        with self._call("unlink"):
            if path not in self.names_now:
                raise FileNotFoundError(errno.ENOENT, "no such file")
            del self.names_now[path]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _ups(path: str) -> Iterator[str]:
    while path != ROOT and path:
        path = _parent(path)
        yield path
