"""The high-water mark: how far this computer signed a log, kept outside of its vault (docs/formats/anchors.md#mark).

A vault put back from an older snapshot looks whole and would go on from there: a second history under one key. Whoever
signed the newer one refuses to record or sign until somebody decides.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from bwc.anchors.beside import Beside
from bwc.appending.log import LogRows
from bwc.audit.checkpoint import Checkpoint, parse_checkpoint
from bwc.audit.merkle import Frontier, leaf_hash, root_at
from bwc.audit.tiles import LogReader, TileTree
from bwc.canonical import sha256_hex
from bwc.errors import CheckpointRolledBack, ConfigError, IntegrityError, LogForked


class Rows(LogRows, Protocol):
    """The catalog's copy of the log."""

    @property
    def count(self) -> int: ...


class Mark:
    """The newest checkpoint of one log that this computer signed."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.path = folder / f"{sha256_hex(origin.encode())[:32]}.checkpoint"
        self._seen: tuple[int, int] | None = None
        self._read: tuple[bytes, Checkpoint] | None = None

    @property
    def _hint(self) -> str:
        return f"put the newer vault back; if it is lost for good: docs/administrator.md, After a restore ({self.path})"

    def read(self) -> Checkpoint | None:
        """The checkpoint; None if this computer never signed. Raises `ConfigError` when the file is damaged."""
        try:
            data = self.path.read_bytes()
            if self._read is None or self._read[0] != data:
                self._read = data, parse_checkpoint(data)[0]
            return self._read[1]
        except FileNotFoundError:
            return None
        except (OSError, IntegrityError) as error:
            hint = f"check the vault (bwc verify), then remove the damaged file: rm {self.path}"
            raise ConfigError(f"{self.path}: {error}", hint) from error

    def forget_look(self) -> None:
        """Let the next look find something new."""
        self._seen = None

    def has_moved(self) -> bool:
        """Whether the file is another one than at the last look: cheaper than reading it."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - a path object costs more than the call
            seen = found.st_ino, found.st_mtime_ns
        except OSError:
            seen = None
        before, self._seen = self._seen, seen
        return before != seen

    def verify(self, rows: Rows, files: LogReader, published: int) -> None:
        """Raise `CheckpointRolledBack` or `LogForked` unless the log continues what was signed here.

        `published` is the size that the vault's own checkpoint has: below it the tiles answer, beyond it the rows.
        """
        mark = self.read()
        if mark is None or mark.size == 0:
            return
        if rows.count < mark.size:
            if published >= mark.size:
                raise CheckpointRolledBack(
                    f"the catalog has {rows.count} of {published} published events", "bwc catalog rebuild"
                )
            what = f"this vault is older than what this computer signed: {rows.count} events, then {mark.size}"
            raise CheckpointRolledBack(what, self._hint)
        if published >= mark.size:
            root = root_at(mark.size, TileTree(files, published).node)
        else:
            edge = Frontier()
            for row in rows.rows(0, mark.size):
                edge.append(leaf_hash(row.entry))
            root = edge.root()
        if root != mark.root:
            what = f"the first {mark.size} events of this vault are not those that this computer signed"
            raise LogForked(what, self._hint)

    def is_below(self, size: int) -> bool:
        """Whether this computer signed fewer entries than that."""
        mark = self.read()
        return mark is None or mark.size < size

    @contextmanager
    def rising(self) -> Iterator["Rising"]:
        """Remember a checkpoint while it is published; after a power cut it may be the one before.

        Callers hold the vault's lock.
        """
        rising = Rising(self.path)
        try:
            yield rising
            if rising.staged is not None and rising.told is not None and self.is_below(rising.told[1].size):
                rising.staged.place()
                self._read = rising.told
        finally:
            if rising.staged is not None:
                rising.staged.drop()


class Rising:
    """The mark that will be; in place when its checkpoint is published."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.told: tuple[bytes, Checkpoint] | None = None
        self.staged: Beside | None = None

    def stage(self, checkpoint: Checkpoint, note: bytes) -> None:
        """Write it beside the mark: the device has it in the commit of what is published."""
        if self.staged is not None:
            self.staged.drop()
        self.told, self.staged = (note, checkpoint), Beside(self._path, note)
