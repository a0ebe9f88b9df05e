"""What SQLite says of a disk, in our words."""

import os
import sqlite3
from pathlib import Path

import pytest

from bwc.errors import StorageError, StoreFull
from bwc.storage import database


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
