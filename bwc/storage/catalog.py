"""What we hold and where, in SQLite: the log's entries (the durable act) and a projection of them, in one transaction.

A commit is on the device when `transaction` returns (WAL, synced after the commit). The projection is derived only by
`projection.changes`, so `rebuild` gives the same tables. Only custody writes here; several processes may.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bwc.errors import IntegrityError, NotFound, StorageError
from bwc.evidence import ItemId, ObjectId, ObjectRole, SealedObject
from bwc.roles import Policy
from bwc.storage import catalog_schema
from bwc.storage.comparing import Tables
from bwc.storage.database import Database
from bwc.storage.projection import changes
from bwc.storage.queries import (
    approval_row,
    document_row,
    item_query,
    item_row,
    operator_row,
    recipient_row,
    release_row,
    segment_row,
    stored_json,
    suspect_row,
)
from bwc.storage.retention_tables import RetentionTables
from bwc.storage.rows import (
    ApprovalRow,
    DocumentRow,
    EventRow,
    FoundingRow,
    ItemFilter,
    ItemRow,
    ItemState,
    OperatorRow,
    RecipientRow,
    ReleaseRow,
    SegmentRow,
    SuspectRow,
)
from bwc.storage.store_tables import StoreTables

__all__ = [
    "ApprovalRow",
    "Catalog",
    "DocumentRow",
    "EventRow",
    "FoundingRow",
    "ItemFilter",
    "ItemRow",
    "ItemState",
    "OperatorRow",
    "RecipientRow",
    "ReleaseRow",
    "SegmentRow",
    "SuspectRow",
]

_WAIT_S = 30.0  # another process's transaction lasts milliseconds; a rebuild, seconds


class Catalog:
    """The catalog of one vault; a context manager that closes it. One instance belongs to one thread."""

    def __init__(
        self, path: Path, *, read_only: bool = False, wait_s: float = _WAIT_S, database: Database | None = None
    ) -> None:
        """Open the catalog, or make it. `read_only` writes nothing, so it also opens a copy on a read-only medium."""
        self.path = path
        self._db = database or Database(path, read_only=read_only, wait_s=wait_s)
        self.retention = RetentionTables(self._db)
        self.copies = StoreTables(self._db)
        self.tables = Tables(self._db)
        try:
            self._make_tables(read_only=read_only)
        except BaseException:
            self._db.close()
            raise

    @classmethod
    def temporary(cls, *, in_memory: bool = True) -> "Catalog":
        """An empty one that nobody else sees: entries are projected into it and it is compared with another."""
        database = Database.temporary("what the log says", in_memory=in_memory)
        return cls(database.path, database=database)

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    # --- one transaction ---

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, alone among writers, durable on leaving; an exception undoes everything.

        Raises `InUse` when another process keeps writing for 30 seconds.
        """
        return self._db.transaction()

    def settle(self) -> None:
        """Return when all entries seen so far are durable: others are seen a moment before."""
        self._db.settle()

    def append_rows(self, rows: Sequence[tuple[int, bytes, bytes, str | None, int | None]]) -> None:
        """Add (place, leaf hash, bytes, item, place in its trail), in a transaction; `IntegrityError` if a place is taken."""
        self._db.write_many("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)

    def add_waiting_body(self, file: str, data: bytes) -> None:
        """Keep a sealed body, named by its digest, in its event's transaction, until it is on its shelf."""
        self._db.write("INSERT OR IGNORE INTO waiting_bodies VALUES (?, ?)", (file, data))

    def waiting_bodies(self) -> list[tuple[str, bytes]]:
        """The sealed bodies that are not on their shelf yet: name and bytes."""
        return [(row["file"], row["data"]) for row in self._db.read("SELECT file, data FROM waiting_bodies")]

    def waiting_body(self, file: str) -> bytes | None:
        """One of them."""
        found = self._db.read("SELECT data FROM waiting_bodies WHERE file = ?", (file,))
        return found[0]["data"] if found else None

    def drop_waiting_bodies(self, files: Iterable[str]) -> None:
        """Forget bodies that are on their shelf now. Losing this in a crash costs nothing: it is not synced."""
        with self._db.transaction(synced=False):
            for file in files:
                self._db.write("DELETE FROM waiting_bodies WHERE file = ?", (file,))

    def project(self, event: Mapping[str, Any], body: Mapping[str, Any] | None) -> None:
        """Bring the tables up to `event`, in the transaction that appends it."""
        for change in changes(event, body):
            self._db.write(change.sql, change.values)

    def rebuild(
        self, body_of: Callable[[Mapping[str, Any]], Mapping[str, Any] | None], rows: Iterable[EventRow] | None = None
    ) -> int:
        """Derive all tables again, in one transaction; how many entries there were.

        From the entries kept here or, when the catalog was lost, from `rows` read from the log's files (all of
        them, verified by the caller). `body_of` gives an event's private body, or None where no key opens it:
        what only bodies tell is then empty.
        """
        with self._db.transaction():
            for table in catalog_schema.PROJECTION_TABLES:
                self._db.write(f"DROP TABLE {table}")
            self._db.script(catalog_schema.PROJECTION)
            if rows is not None:
                self._db.write("DROP TABLE events")
                self._db.script(catalog_schema.EVENTS)
            count = 0
            for row in self.rows() if rows is None else rows:
                event = json.loads(row.entry)["event"]
                if not event["seq"] == row.seq == count:
                    raise IntegrityError(f"entry {count} is missing where the catalog is rebuilt from", "bwc verify")
                if rows is not None:
                    self.append_rows([(row.seq, row.leaf_hash, row.entry, event["item"], event["item_seq"])])
                self.project(event, body_of(event))
                count += 1
        return count

    def forget(self) -> None:
        """Leave nothing readable of what columns held before: not in free space of the file, nor in its journal.

        Raises `InUse` when another process keeps reading; nothing is lost then, do it again.
        """
        # A deleted cell is overwritten, but moving cells leaves copies in the gaps of a page (12 of 2,000 in a trial,
        # SQLite 3.40): so the tables that name people are written anew, and the pages of the old ones zeroed.
        with self._db.transaction():
            # It was put on its shelf and destroyed there; a machine that died may have lost that it was dropped here
            self._db.write("DELETE FROM waiting_bodies WHERE file IN (SELECT file FROM destroyed_bodies)")
            self._db.rewrite("waiting_bodies", [catalog_schema.WAITING])
            for table in catalog_schema.PERSONAL_TABLES:
                self._db.rewrite(table, catalog_schema.statements_of(table))
        self._db.truncate_journal()

    # --- the log's rows ---

    def last_row(self) -> EventRow | None:
        return self._event("ORDER BY seq DESC LIMIT 1")

    def last_of_item(self, item: str) -> EventRow | None:
        return self._event("WHERE item = ? ORDER BY item_seq DESC LIMIT 1", item)

    def row(self, seq: int) -> EventRow | None:
        return self._event("WHERE seq = ?", seq)

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[EventRow]:
        """Entries with start <= seq < stop, in order."""
        return self._events("WHERE seq >= ? AND seq < ? ORDER BY seq", start, 2**62 if stop is None else stop)

    def rows_of_item(self, item: str) -> Iterator[EventRow]:
        """One item's chain of custody, oldest first."""
        return self._events("WHERE item = ? ORDER BY item_seq", item)

    @property
    def count(self) -> int:
        found: int = self._db.read("SELECT coalesce(max(seq), -1) + 1 FROM events")[0][0]
        return found

    # --- what we hold ---

    def items(self, wanted: ItemFilter | None = None) -> list[ItemRow]:
        """Items, newest first."""
        sql, values = item_query(wanted or ItemFilter())
        return [item_row(row) for row in self._db.read(sql, values)]

    def item(self, item: str) -> ItemRow:
        """One item. Raises `NotFound`."""
        for row in self._db.read("SELECT * FROM items WHERE item = ?", (item,)):
            return item_row(row)
        raise NotFound(f"no item {item}", "bwc list")

    def items_starting(self, start: str) -> list[ItemId]:
        """Ids that begin or end with `start`, without regard to case: people type what they remember."""
        like = "".join("\\" + char if char in "%_\\" else char for char in start)
        rows = self._db.read(
            "SELECT item FROM items WHERE item LIKE ? ESCAPE '\\' OR item LIKE ? ESCAPE '\\' ORDER BY seq DESC",
            (f"{like}%", f"%{like}"),
        )
        return [ItemId(row["item"]) for row in rows]

    def has_item(self, item: str) -> bool:
        """Whether this id was ever used, by any entry."""
        return self.last_of_item(item) is not None

    def segments(self, item: str, role: ObjectRole | None = ObjectRole.SEGMENT) -> list[SegmentRow]:
        """The item's files in order; `role=None` for recordings and sidecars."""
        rows = self._db.read(
            "SELECT * FROM segments WHERE item = ?1 AND (?2 IS NULL OR role = ?2) ORDER BY role, segment, object",
            (item, role),
        )
        return [segment_row(row) for row in rows]

    def find_content(self, sha256: str) -> list[SegmentRow]:
        """Segments and sidecars whose plaintext has this digest, the oldest first."""
        rows = self._db.read(
            "SELECT s.* FROM segments s JOIN items i USING (item) WHERE s.sha256 = ? ORDER BY i.seq, segment", (sha256,)
        )
        return [segment_row(row) for row in rows]

    def may_hold(self, size_bytes: int) -> bool:
        """Whether any segment or sidecar has this size, or one of unknown size could be it."""
        found = self._db.read("SELECT 1 FROM segments WHERE bytes = ? OR bytes IS NULL LIMIT 1", (size_bytes,))
        return bool(found)

    def damaged(self, size_bytes: int) -> list[SegmentRow]:
        """Recordings of this size that were read with gaps, the newest first."""
        rows = self._db.read(
            "SELECT s.* FROM segments s JOIN items i USING (item) WHERE s.bytes = ? AND s.role = 'segment'"
            " AND json_extract(s.media, '$.damage') IS NOT NULL ORDER BY i.seq DESC",
            (size_bytes,),
        )
        return [segment_row(row) for row in rows]

    def documents(
        self, item: str, role: ObjectRole | None = None, segment: int | None = None, *, sha256: str | None = None
    ) -> list[DocumentRow]:
        """Sealed objects of an item, newest first."""
        rows = self._db.read(
            "SELECT * FROM objects WHERE item = ?1 AND (?2 IS NULL OR role = ?2) AND (?3 IS NULL OR segment = ?3)"
            " AND (?4 IS NULL OR sha256 = ?4) ORDER BY seq DESC, place DESC",
            (item, role, segment, sha256),
        )
        return [document_row(row) for row in rows]

    def objects_of(self, item: str) -> list[SealedObject]:
        """All sealed objects of an item as the log has them now, oldest first."""
        return [row.sealed for row in reversed(self.documents(item))]

    def object(self, object_id: str) -> DocumentRow:
        """One sealed object. Raises `NotFound`."""
        for row in self._db.read("SELECT * FROM objects WHERE object = ?", (object_id,)):
            return document_row(row)
        raise NotFound(f"no object {object_id}", "bwc list")

    def object_ids(self) -> set[ObjectId]:
        """Every object an event names; what lies in the vault beyond these is an orphan."""
        return {ObjectId(row["object"]) for row in self._db.read("SELECT object FROM objects")}

    def envelope_ids(self) -> set[str]:
        """The digest of the envelope that each object has now."""
        return {row["envelope"] for row in self._db.read("SELECT envelope FROM objects")}

    def body_ids(self) -> set[str]:
        """The digest of the file that each private body has now."""
        return {row["file"] for row in self._db.read("SELECT file FROM bodies")}

    def body_file(self, commit: str) -> str | None:
        """The digest of the file that this private body has now; None if no event names it."""
        found = self._db.read("SELECT file FROM bodies WHERE body = ?", (commit,))
        return found[0]["file"] if found else None

    def bodies(self) -> list[tuple[str, str, str]]:
        """Every private body: its commitment, the digest of its file now, and the key that acted when it came."""
        rows = self._db.read(
            "SELECT body, file, json_extract(entry, '$.event.actor') AS actor FROM bodies JOIN events USING (seq) ORDER BY seq"
        )
        return [(row["body"], row["file"], row["actor"]) for row in rows]

    def replaced_bodies(self) -> list[str]:
        """Digests of files that some private body had once and none has now."""
        rows = self._db.read("SELECT envelope FROM replaced WHERE envelope NOT IN (SELECT file FROM bodies)")
        return [row["envelope"] for row in rows]

    def replaced_envelopes(self) -> list[str]:
        """Digests of envelopes that some object had once and none has now."""
        rows = self._db.read("SELECT envelope FROM replaced WHERE envelope NOT IN (SELECT envelope FROM objects)")
        return [row["envelope"] for row in rows]

    # --- people's decisions ---

    def approvals(self, copy_sha256: str) -> list[ApprovalRow]:
        rows = self._db.read("SELECT * FROM approvals WHERE copy_sha256 = ? ORDER BY seq", (copy_sha256,))
        return [approval_row(row) for row in rows]

    def suspects_decided(self, report_sha256: str) -> list[SuspectRow]:
        rows = self._db.read("SELECT * FROM suspects WHERE report_sha256 = ? ORDER BY seq", (report_sha256,))
        return [suspect_row(row) for row in rows]

    def releases(self, item: str | None = None) -> list[ReleaseRow]:
        """Releases, newest first."""
        rows = self._db.read("SELECT * FROM releases WHERE ?1 IS NULL OR item = ?1 ORDER BY seq DESC", (item,))
        return [release_row(row) for row in rows]

    # --- the house ---

    def founding(self) -> FoundingRow:
        """What entry 0 says. Raises `IntegrityError` if the catalog has no entry 0."""
        for row in self._db.read("SELECT * FROM vault"):
            return FoundingRow(agency=row["agency"], log=row["log"], vkey=row["vkey"], at=row["at"])
        raise IntegrityError("the catalog does not know who founded the vault", "bwc catalog rebuild")

    def operators(self) -> list[OperatorRow]:
        """Every key ever enrolled, in order; look at `is_active`."""
        return [operator_row(row) for row in self._db.read("SELECT * FROM operators ORDER BY seq")]

    def operator(self, key_id: str) -> OperatorRow:
        """One enrolled key. Raises `NotFound`."""
        found = self.find_operator(key_id)
        if found is not None:
            return found
        raise NotFound(f"key {key_id} is not enrolled", "bwc key list")

    def find_operator(self, key_id: str) -> OperatorRow | None:
        """One enrolled key, if it is."""
        found = self._db.read("SELECT * FROM operators WHERE key = ?", (key_id,))
        return operator_row(found[0]) if found else None

    def recipients(self) -> list[RecipientRow]:
        """Recipients that are no operators, in order."""
        return [recipient_row(row) for row in self._db.read("SELECT * FROM recipients ORDER BY seq")]

    def policy(self) -> Policy:
        """The policy in force."""
        for row in self._db.read("SELECT policy FROM policies ORDER BY seq DESC LIMIT 1"):
            return Policy.from_json(stored_json(row["policy"]))
        return Policy()

    # --- below ---

    def _make_tables(self, *, read_only: bool) -> None:
        version = self._version()
        if version > catalog_schema.VERSION:
            raise StorageError(f"{self.path} was written by a newer bwc", "install that version")
        if version == catalog_schema.VERSION:
            return
        if read_only and version == 0:
            raise StorageError(f"{self.path} is not a catalog", "bwc catalog rebuild")
        if read_only:
            # an earlier version's: brought up by whoever may write it
            Catalog(self.path).close()
            return
        with self._db.transaction():
            version = self._version()  # somebody may have been faster
            if version == 0:
                self._db.script(catalog_schema.EVENTS + catalog_schema.WAITING + catalog_schema.PROJECTION)
            while 0 < version < catalog_schema.VERSION:
                self._db.script(catalog_schema.UPGRADES[version])
                version += 1
            self._db.write(f"PRAGMA user_version = {catalog_schema.VERSION}")

    def _version(self) -> int:
        return int(self._db.read("PRAGMA user_version")[0][0])

    def _event(self, rest: str, *values: str | int) -> EventRow | None:
        found = self._db.read("SELECT seq, leaf_hash, entry FROM events " + rest, values)  # noqa: S608
        return EventRow(*found[0]) if found else None

    def _events(self, rest: str, *values: str | int) -> Iterator[EventRow]:
        for row in self._db.stream("SELECT seq, leaf_hash, entry FROM events " + rest, values):  # noqa: S608
            yield EventRow(*row)
