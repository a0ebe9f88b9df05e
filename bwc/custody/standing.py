"""Who may do what, by signed entries alone: keys and their roles, recipients, policy. No derived table is believed.

Whoever may write the vault's folder can write the catalog's tables. So before an operator acts, the entries that
change what is in force are found by their own bytes (`chained`), each is judged as a verifier judges it (`Replay`),
and projected by the code that wrote the tables; a table that says otherwise stops the act. Readers and roles are then
taken from that projection, so a table that is changed in the middle of a command changes nothing.

Beside the operator lies how far the log was read and which entries those were, so a command reads what is new. It is a
memory, not evidence: when it does not fit, or is lost, the whole log is read once. While a process runs, what others
add is searched for entries that rule; the chain is looked at when there is one, after 4,096 entries, or after a minute.
"""

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bwc.anchors.beside import Beside
from bwc.appending.writing import Appended
from bwc.audit.event import NO_HASH, parse_entry, verify_signatures
from bwc.audit.findings import Findings
from bwc.audit.merkle import leaf_hash
from bwc.audit.replay import Replay
from bwc.canonical import Json, canonical, parse_canonical, sha256_hex
from bwc.custody.chained import chained, verify_published
from bwc.custody.shelf import LogShelf
from bwc.custody.told import tell
from bwc.errors import BwcError, IntegrityError
from bwc.storage.catalog import Catalog
from bwc.storage.rows import EventRow, OperatorRow

TABLES = ("vault", "operators", "recipients", "policies")
_FORMAT = "bwc.standing/1"
_RULES = ("vault.", "key.", "recipient.", "policy.", "log.rekeyed")
_WORTH_SAVING = 256  # entries that the next command need not read again
_UNCHAINED, _LOOKED_FOR_S = 4096, 60.0  # entries of others, and how long, before their chain is looked at
_RULING = re.compile(rb'"kind":"(?:vault|key|recipient|policy|log\.rekeyed)')


def is_ruling(kind: str) -> bool:
    """Whether entries of this kind change who may do what."""
    return kind.startswith(_RULES)


class Standing:
    """What is in force in one vault after the entries looked at; `look` takes in what came since."""

    def __init__(self, catalog: Catalog, files: LogShelf, folder: Path, origin: str) -> None:
        self._catalog = catalog
        self._files = files
        self._path = folder / f"{sha256_hex(origin.encode())[:32]}.json"
        self.size = 0  # entries read, each following the one before
        self.last = NO_HASH  # the leaf hash of the last of these
        self.seen = 0  # entries looked at: none beyond `size` rules
        self._looked_s = 0.0
        self._ruling: list[tuple[int, str]] = []  # entries that rule, and their leaf hashes
        self._findings = Findings()
        self._replay = Replay(self._findings, signatures=True)
        self.truth = Catalog.temporary()

    def close(self) -> None:
        """Let go of the projection."""
        self.truth.close()

    def operators(self) -> list[OperatorRow]:
        """Every key ever enrolled, without names, which are private."""
        return self.truth.operators()

    def advance(self, entries: Sequence[Appended]) -> None:
        """Take in entries just made here, if they are the next ones and rule nothing: they need no second look."""
        if entries and entries[0].seq == self.seen:
            self.seen = entries[-1].seq + 1
            if entries[0].seq == self.size:
                self.size, self.last = self.seen, entries[-1].leaf_hash.hex()

    def look(self, count: int, published: Callable[[], int], *, whole: bool = False) -> None:
        """Take in the log up to `count` entries; of them so many are `published`. `whole`: chain and all.

        Raises `IntegrityError` when an entry is not what was signed, something was left out, or a table says otherwise.
        """
        if count < self.seen:
            raise IntegrityError(f"the catalog has {count} events, and had {self.seen}", "bwc verify")
        if self.size and not whole and not self._is_time(count) and not self._rules_since(count):
            self.seen = count
        elif self.size != count:
            self._look(count, published)

    def _is_time(self, count: int) -> bool:
        return count - self.size >= _UNCHAINED or time.monotonic() - self._looked_s >= _LOOKED_FOR_S

    def _rules_since(self, count: int) -> bool:
        return any(_RULING.search(row.entry) for row in self._catalog.rows(self.seen, count))

    def _look(self, count: int, published: Callable[[], int]) -> None:
        is_first = self.size == 0
        if is_first:
            self._remember(count)
            verify_published(self._catalog, self._files, published())
        known, before = len(self._ruling), self.size
        self._read_on(count)
        if is_first or len(self._ruling) > known:
            for one in self._catalog.tables.differences(self.truth.tables, TABLES):
                raise one.error()
        self.seen, self._looked_s = self.size, time.monotonic()
        if len(self._ruling) > known or self.size - before >= _WORTH_SAVING:
            self._save()

    def _read_on(self, count: int) -> None:
        fresh: list[EventRow] = []
        last_of: dict[str, EventRow] = {}
        for rows, hashes, kinds, actors in chained(self._catalog, self.size, self.last, count):
            for row, found, kind in zip(rows, hashes, kinds, strict=True):
                if is_ruling(kind):
                    fresh.append(row)
                    self._ruling.append((row.seq, found))
            last_of |= zip(actors, rows, strict=True)
            self.size, self.last = rows[-1].seq + 1, hashes[-1]
        if self.size != count:
            raise IntegrityError(f"the catalog lacks entry {self.size} of the log", "bwc verify")
        self._take(fresh, verified=False)
        for row in last_of.values():
            self._verify_signed(row)

    def _verify_signed(self, row: EventRow) -> None:
        """Whoever signed this agreed to all before it: nothing was left out behind the back of an honest signer."""
        keys = {key: one.key for key, one in self._replay.standing.keys.items()}
        if not keys.keys() >= set(parse_entry(row.entry).signers):
            raise IntegrityError(f"entry {row.seq} is signed by a key that is not enrolled", "bwc verify")
        try:
            verify_signatures(row.entry, keys)
        except IntegrityError as error:
            error.message = f"entry {row.seq}: {error.message}"
            raise

    def _take(self, rows: Sequence[EventRow], *, verified: bool) -> None:
        """Judge ruling entries, then let them take effect."""
        for row in rows:
            self._replay.take(parse_entry(row.entry), verified=verified)
        try:
            self._findings.raise_if_bad()
        except IntegrityError as error:
            error.hint = error.hint or "bwc verify"
            raise
        if rows:
            tell(self.truth, rows)

    # --- the memory ---

    def _remember(self, count: int) -> None:
        """Begin where the last command left off, if what is remembered is still so."""
        try:
            value: Any = parse_canonical(self._path.read_bytes())
            size, last = int(value["size"]), str(value["last"])
            ruling = [(int(seq), str(found)) for seq, found in value["ruling"]]
            ends = [*ruling, (size - 1, last)] if value["format"] == _FORMAT and 0 < size <= count else []
        except (OSError, BwcError, KeyError, TypeError, ValueError):
            return
        rows = [self._catalog.row(seq) for seq, _ in ends]
        found = [row for row in rows if row is not None]
        if not found or [leaf_hash(row.entry).hex() for row in found] != [one for _, one in ends]:
            return  # of another copy of this log, or of what a restore left behind
        self.size, self.last, self._ruling = size, last, ruling
        self._take(found[:-1], verified=True)

    def _save(self) -> None:
        ruling: list[Json] = [[seq, found] for seq, found in self._ruling]
        value: dict[str, Json] = {"format": _FORMAT, "last": self.last, "ruling": ruling, "size": self.size}
        with contextlib.suppress(OSError):  # the next command then reads more
            staged = Beside(self._path, canonical(value))
            try:
                staged.place()
            finally:
                staged.drop()
