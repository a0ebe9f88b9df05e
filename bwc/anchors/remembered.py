"""What an auditor keeps of a log that was verified whole, so that next time only what is new is read.

An SQLite file beside the auditor, never in the log. It is believed as far as the auditor's own computer is: its root
must be that of the log's first entries, or nothing of it counts. Old entries are not read again, so bits that rot in
them are found by the next whole verification only.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from bwc.audit.checkpoint import NoteKey
from bwc.audit.log_report import Head
from bwc.errors import ConfigError

_TABLES = """
CREATE TABLE IF NOT EXISTS head (vkey TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trails (item TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rules (place INTEGER PRIMARY KEY, entry BLOB NOT NULL);
"""


class Remembered:
    """One auditor's memory of one log; made when something is saved. Errors: `ConfigError`."""

    def __init__(self, path: Path, key: NoteKey) -> None:
        self._path = path
        self._vkey = key.text()
        self.head: Head | None = None
        if path.exists():
            try:
                with closing(self._open()) as base:
                    row = base.execute("SELECT value FROM head WHERE vkey = ?", (self._vkey,)).fetchone()
                self.head = Head(**json.loads(row[0])) if row else None
            except (sqlite3.Error, ValueError, TypeError) as error:
                raise ConfigError(f"{path}: {error}", f"rm {path}; then verify the whole log again") from error

    def rules(self) -> list[bytes]:
        """The entries that changed what is permitted, in order."""
        with closing(self._open()) as base:
            return [row[0] for row in base.execute("SELECT entry FROM rules ORDER BY place")]

    def trails(self, items: Iterable[str]) -> Iterator[tuple[str, tuple[int, str]]]:
        """The ends of the trails of those `items` that had one: last `item_seq` and leaf hash."""
        with closing(self._open()) as base:
            for item in items:
                row = base.execute("SELECT seq, hash FROM trails WHERE item = ?", (item,)).fetchone()
                if row:
                    yield item, (row[0], row[1])

    def save(self, head: Head, trails: Mapping[str, tuple[int, str]], rules: Iterable[bytes], *, whole: bool) -> None:
        """Remember up to `head`; `whole`: in place of all that was remembered, else beside it. All or nothing."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(self._open()) as base, base:
                if whole:
                    for table in ("head", "trails", "rules"):
                        base.execute(f"DELETE FROM {table}")  # noqa: S608
                base.executemany("INSERT OR REPLACE INTO trails VALUES (?, ?, ?)", ((k, *v) for k, v in trails.items()))
                base.executemany("INSERT INTO rules (entry) VALUES (?)", ((one,) for one in rules))
                base.execute("INSERT OR REPLACE INTO head VALUES (?, ?)", (self._vkey, json.dumps(asdict(head))))
        except sqlite3.Error as error:
            raise ConfigError(f"{self._path}: {error}", f"ls -l {self._path.parent}") from error
        self.head = head

    def _open(self) -> sqlite3.Connection:
        base = sqlite3.connect(self._path)
        base.executescript(_TABLES)
        return base
