"""Durable file operations on the real disk: direct writes and their fallbacks, names, locks, errors."""

import errno
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bwc.errors import InUse, StorageError, StoreFull
from bwc.storage.diskfile import BLOCK
from bwc.storage.fsops import AlreadyThere, Disk
from bwc.storage.syscalls import OsCalls


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


class NoDirect(OsCalls):
    """A file system that refuses O_DIRECT: at once, or only when it is used."""

    def __init__(self, *, late: bool) -> None:
        self.late = late
        self.asked = 0
        self.direct: set[int] = set()

    def set_direct(self, fd: int, *, direct: bool) -> None:
        self.asked += direct
        if direct and not self.late:
            raise OSError(errno.EINVAL, "Invalid argument")
        (self.direct.add if direct else self.direct.discard)(fd)

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        self._refuse(fd)
        return super().write(fd, data)

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int:
        self._refuse(fd)
        return super().read_into(fd, buffer, offset)

    def close(self, fd: int) -> None:
        self.direct.discard(fd)
        super().close(fd)

    def _refuse(self, fd: int) -> None:
        if fd in self.direct:
            raise OSError(errno.EINVAL, "Invalid argument")


class Short(OsCalls):
    """A system that writes and reads in small pieces, as it may."""

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        return super().write(fd, memoryview(data)[: 1 << 20])

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int:
        return super().read_into(fd, buffer[: 1 << 20], offset)


class Failing(OsCalls):
    def __init__(self, call: str, error: int) -> None:
        self.call, self.error = call, error

    def _may_fail(self, call: str) -> None:
        if call == self.call:
            raise OSError(self.error, os.strerror(self.error))

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        self._may_fail("write")
        return super().write(fd, data)

    def fsync(self, fd: int) -> None:
        self._may_fail("fsync")
        super().fsync(fd)

    def link(self, old: str, new: str) -> None:
        self._may_fail("link")
        super().link(old, new)


@pytest.mark.parametrize(
    "calls", [OsCalls(), NoDirect(late=False), NoDirect(late=True), Short()], ids=lambda one: type(one).__name__
)
@pytest.mark.parametrize("size", [0, 1, 4096, BLOCK - 1, BLOCK, BLOCK + 4097, 2 * BLOCK])
def test_staged_bytes_come_back_from_the_device(tmp_path: Path, calls: OsCalls, size: int) -> None:
    disk, data = Disk(tmp_path / "vault", calls), noise(size)
    with disk.stage() as staged:
        for at in range(0, size, 1_000_003):
            staged.write(data[at : at + 1_000_003])
        staged.finish()
        assert staged.size_bytes == size
        assert b"".join(bytes(block) for block in staged.blocks()) == data
        disk.publish([(staged, "objects/ab/name")])
    assert (tmp_path / "vault/objects/ab/name").read_bytes() == data
    assert disk.names("staging") == []
    assert b"".join(bytes(block) for block in disk.blocks("objects/ab/name")) == data
    if isinstance(calls, NoDirect):
        assert calls.asked


def test_whole_blocks_do_go_round_the_page_cache(tmp_path: Path) -> None:
    class Watched(OsCalls):
        direct: dict[int, bool] = {}  # noqa: RUF012
        seen: list[tuple[int, bool]] = []  # noqa: RUF012

        def set_direct(self, fd: int, *, direct: bool) -> None:
            super().set_direct(fd, direct=direct)
            self.direct[fd] = direct

        def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
            self.seen.append((len(data), self.direct.get(fd, False)))
            return super().write(fd, data)

    calls = Watched()
    with Disk(tmp_path, calls).stage() as staged:
        staged.write(noise(2 * BLOCK + 5))
        staged.finish()
    if not any(calls.direct.values()) and not calls.direct:
        pytest.skip("O_DIRECT absent: this file system refuses it")
    assert calls.seen == [(BLOCK, True), (BLOCK, True), (5, False)]


def test_a_reader_seeks(tmp_path: Path) -> None:
    disk, data = Disk(tmp_path), noise(10_000)
    disk.write_new("a/b", data)
    with disk.open("a/b") as file:
        assert file.read(10) == data[:10]
        assert file.seek(-5, io.SEEK_END) == 9_995
        assert file.read() == data[-5:]
        assert file.seek(100) == 100
        assert file.seek(5, io.SEEK_CUR) == file.tell() == 105
        assert file.read(7) == data[105:112]
        with pytest.raises(ValueError, match="before"):
            file.seek(-1)
    with pytest.raises(StorageError):
        disk.open("a/none")


def test_names_are_written_once(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write_new("a/b", b"first")
    with pytest.raises(AlreadyThere):
        disk.write_new("a/b", b"second")
    assert disk.read("a/b") == b"first"
    disk.replace("a/b", b"third")
    assert disk.read("a/b") == b"third"
    disk.remove("a/b")
    disk.remove("a/b")
    assert disk.read("a/b") is None
    assert disk.size("a/b") is None
    assert disk.names("nothing") == disk.names("staging") == []


def test_publishing_several_is_all_or_none(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write_new("c/taken", b"x")
    first, second = disk.stage_bytes(b"1"), disk.stage_bytes(b"2")
    with pytest.raises(AlreadyThere):
        disk.publish([(first, "c/one"), (second, "c/taken")])
    assert (disk.names("c"), disk.read("c/taken")) == (["taken"], b"x")
    first.drop()
    second.drop()


@pytest.mark.parametrize(("call", "error", "expected"), [
    ("write", errno.ENOSPC, StoreFull), ("write", errno.EDQUOT, StoreFull), ("write", errno.EIO, StorageError),
    ("fsync", errno.EIO, StorageError), ("fsync", errno.ENOSPC, StoreFull),
    ("link", errno.EROFS, StorageError), ("link", errno.EPERM, StorageError),
])  # fmt: skip
@pytest.mark.parametrize("size", [10, BLOCK + 10])
def test_errors_are_ours_with_a_hint_and_leave_nothing(
    tmp_path: Path, call: str, error: int, expected: type[StorageError], size: int
) -> None:
    Disk(tmp_path).make_folder("staging")
    disk = Disk(tmp_path, Failing(call, error))
    with pytest.raises(expected) as caught:
        disk.write_new("name", noise(size))
    assert caught.value.hint
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_modes_keep_strangers_out(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "vault")
    disk.write_new("a/b", b"x")
    disk.make_private("catalog.sqlite")
    disk.make_private("catalog.sqlite")
    assert (tmp_path / "vault/a/b").stat().st_mode & 0o037 == 0
    assert (tmp_path / "vault/a").stat().st_mode & 0o027 == 0
    assert (tmp_path / "vault/catalog.sqlite").stat().st_mode & 0o777 == 0o600


HOLD = """
import sys, time
from pathlib import Path
from bwc.storage.fsops import Disk
disk = Disk(Path(sys.argv[1]))
with disk.lock("lock"), disk.stage() as staged:
    print("held", flush=True)
    sys.stdin.read()
    if sys.argv[2] == "die":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["leave", "die"])
def test_locks_and_partials_of_another_process(tmp_path: Path, how: str) -> None:
    disk = Disk(tmp_path)
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), how], stdin=-1, stdout=-1, text=True)
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InUse), disk.lock("lock", wait_s=0.05):
        pass
    assert disk.collect_partials(older_than_s=0) == []  # it is still being written
    other.communicate()
    with disk.lock("lock", wait_s=5):
        partials = disk.names("staging")
    assert len(partials) == (how == "die")
    assert disk.collect_partials(older_than_s=3600) == []  # too young to be sure
    assert disk.collect_partials(older_than_s=0) == partials
    assert disk.names("staging") == []


def test_anonymous_space_has_no_name(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    with disk.anonymous() as file:
        file.write(b"x")
        assert disk.names("staging") == []
