"""One SQLite file, durable when a transaction ends, polite to other processes, with our errors."""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from bwc.errors import BwcError, IntegrityError, InUse, JournalUnread, StorageError, StoreFull
from bwc.storage.diskfile import said
from bwc.storage.fsops import Disk

# https://sqlite.org/rescode.html: the low byte is the primary code
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.0002, 0.001  # with 5 ms sixteen processes did a tenth less (2026-11)
_SHARED_BYTES = 64 << 10  # it takes 32 KiB, page by page, and may have got some of them
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """A connection. It belongs to one thread."""

    def __init__(self, path: Path, *, read_only: bool, wait_s: float) -> None:
        """Open the file, or make it; `read_only` writes nothing and may be on a read-only medium.

        Raises `JournalUnread` where that would leave out the newest rows.
        """
        self.path = path
        self._wait_s = wait_s
        if not read_only:
            Disk(path.parent).make_private(path.name)
        with self._said():
            self._connection, self._journal = (_read_only(path), None) if read_only else _read_write(path, wait_s)

    @classmethod
    def temporary(cls, name: str, *, in_memory: bool) -> Self:
        """One that nobody else sees and that is gone when it is closed; else than `in_memory` it grows on disk."""
        made = cls.__new__(cls)
        made.path, made._wait_s = Path(name), 0.0
        with made._said():
            made._connection = sqlite3.connect(":memory:" if in_memory else "", isolation_level=None)
        made._journal = None
        made._connection.row_factory = sqlite3.Row
        for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -65536"):
            made._connection.execute(f"PRAGMA {pragma}")
        return made

    def close(self) -> None:
        self._connection.close()
        if self._journal is not None:
            self._journal.close()

    def transaction(self, *, synced: bool = True) -> "_Transaction":
        """All or nothing, alone among writers, durable on leaving. Raises `InUse` after waiting for another writer.

        Others see it a moment before it is durable: whoever tells somebody of what others wrote calls `settle` first.
        Without `synced` a power cut may undo it, whole, until the next one that is.
        """
        return _Transaction(self._connection, self.path, self._journal if synced else None, wait_s=self._wait_s)

    def settle(self) -> None:
        """Return when all that was committed so far is durable, whoever did it."""
        if self._journal is not None:
            self._journal.sync()

    def write(self, sql: str, values: Sequence[object] = ()) -> None:
        """One statement, in a transaction."""
        if not self._connection.in_transaction:
            raise RuntimeError("the catalog is written only in a transaction")
        try:  # by hand: a context manager costs as much as a small statement
            self._connection.execute(sql, values)
        except sqlite3.Error as error:
            raise _as_ours(error, self.path) from error

    def write_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """One statement with each of `rows`, in a transaction."""
        if not self._connection.in_transaction:
            raise RuntimeError("the catalog is written only in a transaction")
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise _as_ours(error, self.path) from error

    def script(self, script: str) -> None:
        """Several statements, in a transaction (`executescript` would commit it)."""
        statement = ""
        for line in script.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                self.write(statement)
                statement = ""

    def rewrite(self, table: str, statements: Sequence[str]) -> None:
        """Make a table again by `statements` and fill it with its own rows, in a transaction; the old pages are zeroed."""
        indexes = self.read(
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?", (table,)
        )
        for row in indexes:
            self.write(f"DROP INDEX {row['name']}")
        self.write(f"ALTER TABLE {table} RENAME TO old_{table}")
        for statement in statements:
            self.write(statement)
        self.write(f"INSERT INTO {table} SELECT * FROM old_{table}")  # noqa: S608
        self.write(f"DROP TABLE old_{table}")

    def truncate_journal(self) -> None:
        """Bring all into the file and empty its journal. Raises `InUse` when another process reads or writes on."""
        if self.read("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]:
            raise InUse(f"another process is reading {self.path}", "wait until it ends, then: bwc dispose --finish")

    def read(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise _as_ours(error, self.path) from error

    def stream(self, sql: str, values: Sequence[object] = ()) -> Iterator[sqlite3.Row]:
        """The rows of a query, a thousand at a time."""
        with self._said():
            cursor = self._connection.execute(sql, values)
        while True:
            with self._said():
                some = cursor.fetchmany(1000)
            if not some:
                return
            yield from some

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read what stood there at the first reading inside of it, whatever others write."""
        with self._said():
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with self._said():
                self._connection.execute("COMMIT")

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _as_ours(error, self.path) from error


class _Journal:
    """The write-ahead log of a database, synced by ourselves when a commit has let the next writer in.

    SQLite's own sync of a commit (`synchronous=FULL`) keeps the lock, so commits of several processes wait for one sync
    each; here one sync serves all who wait. What is durable is a beginning of the log, in the order of commits, as ever.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def sync(self) -> None:
        """Have the device hold it up to the last commit."""
        with said(str(self._path)):
            if self._file < 0:  # kept: as long as a connection is open SQLite makes no other
                self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            os.fdatasync(self._file)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


class _Transaction:
    """`Database.transaction`; written out, since two generators would cost as much as a small statement."""

    def __init__(self, connection: sqlite3.Connection, path: Path, journal: _Journal | None, *, wait_s: float) -> None:
        self._connection = connection
        self._path = path
        self._journal = journal
        self._wait_s = wait_s

    def __enter__(self) -> None:
        try:
            self._begin()
        except sqlite3.Error as error:
            raise _as_ours(error, self._path) from error

    def _begin(self) -> None:
        # SQLite itself would look again after 1, 2, 5, 10 … 100 ms; others are done in a third of a millisecond
        deadline, pause_s = time.monotonic() + self._wait_s, _FIRST_PAUSE_S
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BUSY or time.monotonic() >= deadline:
                        raise
                else:
                    return
                time.sleep(pause_s)
                pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {int(1000 * self._wait_s)}")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            kind = type(error)
            raise _as_ours(error, self._path) from error
        finally:
            if kind is not None:
                with suppress(sqlite3.Error):
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
        if kind is None and self._journal is not None:
            self._journal.sync()


def _read_write(path: Path, wait_s: float) -> tuple[sqlite3.Connection, _Journal | None]:
    connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
    connection.row_factory = sqlite3.Row
    # A file system without shared memory for it keeps another journal, which SQLite syncs
    has_journal = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal"
    for pragma in (
        # NORMAL syncs where order counts, but no commit: that we do (8,185 a second, 2026-11)
        f"synchronous = {'NORMAL' if has_journal else 'FULL'}",
        "fullfsync = ON",
        # what an erased body told must not stay readable in free pages
        "secure_delete = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection, _Journal(path.with_name(f"{path.name}-wal")) if has_journal else None


def _read_only(path: Path) -> sqlite3.Connection:
    def connect(how: str) -> sqlite3.Connection:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA user_version")
            connection.execute("SELECT count(*) FROM sqlite_schema")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    try:
        return connect("mode=ro")
    except sqlite3.OperationalError:
        # WAL needs its shared-memory file beside the database even to read. Where we may make one, something else is wrong
        if os.access(path.parent, os.W_OK) or not path.exists():
            raise
        journal = path.with_name(f"{path.name}-wal")
        if journal.exists() and journal.stat().st_size:
            raise JournalUnread(
                f"{path.name} has rows in {journal.name} that cannot be read where nothing may be written",
                f"copy it to where you may write: cp -a {path.parent} /tmp/",
            ) from None
        # nothing is left in the journal: the file alone is all there is, as long as nobody writes
        return connect("immutable=1")


def _is_full(folder: Path) -> bool:
    """Whether the disk lacks what SQLite's shared memory takes at once: it calls that an I/O error."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _SHARED_BYTES


def _as_ours(error: sqlite3.Error, path: Path) -> BwcError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return InUse(f"another process is writing {path}", "wait until it ends, then run the same again")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path.parent)):
        return StoreFull(f"no space left for {path}", f"df -h {path.parent}; free some space and run the same again")
    if code in _BROKEN:
        return IntegrityError(f"{path} is damaged: {error}", "bwc catalog rebuild")
    if code == sqlite3.SQLITE_CONSTRAINT:
        return IntegrityError(f"{path} holds that already, or other than the log says: {error}", "bwc verify")
    if code == sqlite3.SQLITE_CANTOPEN and not path.exists():
        return StorageError(f"{path} is not there; it is made anew from the log", "bwc catalog rebuild")
    return StorageError(f"{path}: {error}", f"ls -l {path.parent}; you must be able to read and write there")
