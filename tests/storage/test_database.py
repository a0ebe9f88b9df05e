"""What SQLite says of a disk, in our words."""

import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bwc.errors import JournalUnread, StorageError, StoreFull
from bwc.storage import database
from bwc.storage.database import Database
from tests.faults.test_full_disk import memory_disk, remount


@pytest.mark.parametrize(("free_bytes", "kind"), [(0, StoreFull), (28 << 10, StoreFull), (1 << 30, StorageError)])
def test_an_io_error_on_a_full_disk_is_a_full_disk(
    free_bytes: int, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[1], fields[4] = 1, free_bytes  # f_frsize, f_bavail
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    assert type(database._as_ours(error, tmp_path / "catalog.sqlite")) is kind


def test_a_folder_that_is_gone_is_no_full_disk(tmp_path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
    assert type(database._as_ours(error, tmp_path / "gone" / "catalog.sqlite")) is StorageError


def in_use(path: Path) -> Database:
    """A database whose last rows are in its journal alone, as whoever writes on or was killed leaves it."""
    found = Database(path, read_only=False, wait_s=1)
    for statement in ("CREATE TABLE t (n)", "INSERT INTO t VALUES (1)"):
        with found.transaction():
            found.write(statement)
    found.truncate_journal()
    with found.transaction():
        found.write("INSERT INTO t VALUES (2)")
    return found


def rows(path: Path) -> list[int]:
    reader = Database(path, read_only=True, wait_s=1)
    try:
        return [row["n"] for row in reader.read("SELECT n FROM t ORDER BY n")]
    finally:
        reader.close()


def test_what_is_in_the_journal_alone_is_read(tmp_path: Path) -> None:
    writer = in_use(tmp_path / "t.sqlite")
    assert rows(tmp_path / "t.sqlite") == [1, 2]
    writer.close()


def test_a_failure_to_open_is_no_reason_to_pass_over_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = in_use(tmp_path / "t.sqlite")
    real = sqlite3.connect

    def connect(where: str, **more: Any) -> sqlite3.Connection:
        if "mode=ro" in where:
            raise sqlite3.OperationalError("unable to open database file")
        found: sqlite3.Connection = real(where, **more)
        return found

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(StorageError):
        rows(tmp_path / "t.sqlite")
    writer.close()


def test_on_a_read_only_medium_all_is_read_or_nothing(tmp_path: Path) -> None:
    with memory_disk(tmp_path / "disk", 8 << 20) as disk:
        (disk / "closed").mkdir()
        writer = in_use(disk / "closed" / "t.sqlite")
        shutil.copytree(disk / "closed", disk / "killed")
        shutil.copytree(disk / "closed", disk / "copied", ignore=shutil.ignore_patterns("*-shm"))
        writer.close()
        remount(disk, "ro")
        assert rows(disk / "closed" / "t.sqlite") == [1, 2]
        assert rows(disk / "killed" / "t.sqlite") == [1, 2]
        with pytest.raises(JournalUnread, match=r"t\.sqlite-wal"):
            rows(disk / "copied" / "t.sqlite")


def counting(path: Path) -> Database:
    """A database with a table of numbers."""
    found = Database(path, read_only=False, wait_s=5)
    with found.transaction():
        found.write("CREATE TABLE t (n)")
    return found


def test_a_transaction_is_on_the_device_when_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = counting(tmp_path / "t.sqlite")
    synced: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    with found.transaction():
        found.write("INSERT INTO t VALUES (1)")
        assert not synced
    assert synced == [str(tmp_path / "t.sqlite-wal")]
    with found.transaction(synced=False):
        found.write("INSERT INTO t VALUES (2)")
    assert len(synced) == 1
    found.settle()
    assert len(synced) == 2
    with pytest.raises(ZeroDivisionError), found.transaction():
        found.write(f"INSERT INTO t VALUES ({1 / 0})")
    assert len(synced) == 2  # nothing was committed
    found.close()


def test_the_next_writer_need_not_wait_for_the_sync_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = counting(tmp_path / "t.sqlite"), Database(tmp_path / "t.sqlite", read_only=False, wait_s=0)
    order: list[str] = []

    def sync(fd: int) -> None:
        order.append("sync")
        if len(order) == 1:  # in the middle of the first one's
            with second.transaction():
                second.write("INSERT INTO t VALUES (2)")
            order.append("second is done")

    monkeypatch.setattr(os, "fdatasync", sync)
    with first.transaction():
        first.write("INSERT INTO t VALUES (1)")
    assert order == ["sync", "sync", "second is done"]
    assert rows(tmp_path / "t.sqlite") == [1, 2]
    first.close()
    second.close()


def test_what_could_not_be_synced_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = counting(tmp_path / "t.sqlite")

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(StorageError, match=r"t\.sqlite-wal"), found.transaction():
        found.write("INSERT INTO t VALUES (1)")
    found.close()
