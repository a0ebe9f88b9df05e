"""When this auditor last read each object whole, kept beside the auditor: so that a share a night reads all in turn."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bwc.errors import ConfigError


class Readings:
    """`verifier.verify_objects.Readings` in a small database. A lost one costs only the order."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def oldest_first(self, objects: Mapping[str, int], share: float) -> set[str]:
        """As many objects as make up `share` of all bytes: first what was never read, then what was read longest ago."""
        with self._open() as database:
            read: dict[str, float] = dict(database.execute("SELECT object, at FROM readings"))
        wanted, chosen, taken = share * sum(objects.values()), set[str](), 0
        for name in sorted(objects, key=lambda name: (read.get(name, 0.0), name)):
            if taken >= wanted:
                break
            chosen.add(name)
            taken += objects[name]
        return chosen

    def was_read(self, name: str) -> None:
        """An object was read whole just now, whatever was found."""
        with self._open() as database:
            database.execute("INSERT OR REPLACE INTO readings VALUES (?, ?)", (name, time.time()))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._path)
            try:
                database.execute("PRAGMA synchronous = OFF")  # once an object; what a power cut takes is only an order
                database.execute("CREATE TABLE IF NOT EXISTS readings (object TEXT PRIMARY KEY, at REAL) WITHOUT ROWID")
                with database:
                    yield database
            finally:
                database.close()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"{self._path}: {error}", f"it holds only when objects were read: rm {self._path}"
            ) from error
