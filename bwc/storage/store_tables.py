"""What the catalog knows of further stores: which were added, what was copied into them, what must go from them."""

from collections.abc import Collection
from dataclasses import dataclass

from bwc.canonical import Json
from bwc.evidence import ItemId, SealedObject
from bwc.storage.database import Database
from bwc.storage.queries import document_row
from bwc.storage.rows import DocumentRow
from bwc.storage.store import Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRow:
    """A store that was added, and how much of what is held it has."""

    store_id: str
    kind: str  # folder or s3
    lock: str
    added_at: str
    copied: int  # objects, with the envelope they have now
    pending: int

    def to_json(self) -> dict[str, Json]:
        return {
            "added_at": self.added_at,
            "copied": self.copied,
            "kind": self.kind,
            "lock": self.lock,
            "pending": self.pending,
            "store": self.store_id,
        }


_HAS = "SELECT 1 FROM stored s WHERE s.store = ?1 AND s.object = o.object AND s.envelope = o.envelope"


class StoreTables:
    """Questions about copies. One instance belongs to one thread."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def stores(self, item: ItemId | None = None) -> list[StoreRow]:
        """The stores that were added, in order, with what they have of everything, or of one item."""
        held = self._db.read("SELECT count(*) FROM objects o WHERE ?1 IS NULL OR o.item = ?1", (item,))[0][0]
        found = []
        for row in self._db.read("SELECT * FROM stores ORDER BY seq"):
            copied = self._db.read(
                f"SELECT count(*) FROM objects o WHERE (?2 IS NULL OR o.item = ?2) AND EXISTS ({_HAS})",  # noqa: S608
                (row["store"], item),
            )[0][0]
            found.append(
                StoreRow(
                    store_id=row["store"],
                    kind=row["kind"],
                    lock=row["lock"],
                    added_at=row["at"],
                    copied=copied,
                    pending=held - copied,
                )
            )
        return found

    def pending(self, store: str, items: Collection[ItemId] | None = None) -> list[DocumentRow]:
        """Objects that `store` lacks, or has under another envelope, the oldest first; of `items` or of all."""
        rows = self._db.read(
            f"SELECT o.* FROM objects o WHERE NOT EXISTS ({_HAS}) ORDER BY o.seq, o.place",  # noqa: S608
            (store,),
        )
        found = [document_row(row) for row in rows]
        return found if items is None else [one for one in found if one.item_id in items]

    def is_destroyed(self, item: str) -> bool:
        """Whether the destruction of an item was confirmed."""
        return bool(self._db.read("SELECT 1 FROM destroyed WHERE item = ? LIMIT 1", (item,)))

    def destroyed_items(self) -> dict[str, ItemId]:
        """Of which item each destroyed object was."""
        return {row["object"]: ItemId(row["item"]) for row in self._db.read("SELECT object, item FROM destroyed")}

    def is_current(self, sealed: SealedObject) -> bool:
        """Whether the log names an object so now: it was not destroyed, and its envelope not replaced."""
        found = self._db.read(
            "SELECT 1 FROM objects WHERE object = ? AND envelope = ?", (sealed.object_id, sealed.envelope_sha256)
        )
        return bool(found)

    def to_clear(self) -> dict[Shelf, set[str]]:
        """What no store may keep: replaced envelopes, and all of items whose destruction was confirmed."""
        gone = self._db.read("SELECT object, envelope FROM destroyed")
        replaced = self._db.read("SELECT envelope FROM replaced WHERE envelope NOT IN (SELECT envelope FROM objects)")
        resealed = self._db.read("SELECT envelope FROM replaced WHERE envelope NOT IN (SELECT file FROM bodies)")
        bodies = self._db.read("SELECT file FROM destroyed_bodies WHERE file NOT IN (SELECT file FROM bodies)")
        objects = {row["object"] for row in gone}
        return {
            Shelf.ENVELOPES: {row["envelope"] for row in (*gone, *replaced)},
            Shelf.BODIES: {row["file"] for row in bodies} | {row["envelope"] for row in resealed},
            Shelf.OBJECTS: objects,
            Shelf.MANIFESTS: objects,
        }
