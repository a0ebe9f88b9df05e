"""What SQLite says of a disk, in our words."""

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
