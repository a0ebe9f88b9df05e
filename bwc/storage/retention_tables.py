"""The catalog's tables of schedules, holds, cases and destruction, as typed rows."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Row
from typing import Any

from bwc.canonical import Json
from bwc.evidence import ItemId, KeyId, ObjectId
from bwc.storage.database import Database
from bwc.storage.queries import stored_json
from bwc.storage.retention import CaseState, Hold, Kept, Schedule, categories_of
from bwc.storage.rows import STATES, ItemState

_DISPOSED = STATES.index(ItemState.DISPOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """One entry of a hold: on an item, or on a case. `reason` and `case` are None where no key opened them."""

    hold: str
    scope: str
    item: ItemId | None
    case: str | None
    reason: str | None
    at: str
    actor: KeyId
    seq: int
    lifted_seq: int | None
    lifted_at: str | None

    def to_json(self) -> dict[str, Json]:
        return {
            "actor": self.actor,
            "at": self.at,
            "case": self.case,
            "entry": self.seq,
            "hold": self.hold,
            "item": self.item,
            "lifted_at": self.lifted_at,
            "reason": self.reason,
            "scope": self.scope,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """What was last said of one case."""

    case: str | None
    is_open: bool
    note: str | None
    at: str
    actor: KeyId
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One order to destroy one item (scope `item`) or private bodies of it (scope `bodies`), and how far it is."""

    order: str
    item: ItemId
    scope: str
    facts: Mapping[str, Any]
    reason: str | None
    seq: int
    at: str
    actor: KeyId
    cancelled_seq: int | None
    confirmed_seq: int | None
    confirmed_at: str | None
    confirmed_by: KeyId | None
    done_seq: int | None
    done_at: str | None
    done_facts: Mapping[str, Any] | None

    @property
    def state(self) -> str:
        if self.cancelled_seq is not None:
            return "cancelled"
        if self.done_seq is not None:
            return "done"
        return "ordered" if self.confirmed_seq is None else "confirmed"

    def to_json(self) -> dict[str, Json]:
        return {
            "actor": self.actor,
            "at": self.at,
            "confirmed_at": self.confirmed_at,
            "confirmed_by": self.confirmed_by,
            "done_at": self.done_at,
            "entry": self.seq,
            "item": self.item,
            "order": self.order,
            "reason": self.reason,
            "scope": self.scope,
            "state": self.state,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyedObject:
    """A sealed object of a destroyed item: what the log named."""

    object_id: ObjectId
    role: str
    segment: int
    sealed_bytes: int
    manifest_sha256: str
    envelope_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyedBody:
    """A private body that was destroyed: its commitment, and the file that held it last."""

    commit: str
    file: str


class RetentionTables:
    """Reads what `projection_retention` wrote."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def schedule(self) -> Schedule | None:
        """The schedule in force."""
        for row in self._db.read("SELECT schedule FROM schedules ORDER BY seq DESC LIMIT 1"):
            return Schedule.from_json(stored_json(row["schedule"]))
        return None

    def kept(self, item: str | None = None) -> list[Kept]:
        """What the rules need to know of each item that was not destroyed (or of one), oldest first."""
        categories: dict[str, list[str]] = defaultdict(list)
        cases: dict[str, list[str]] = defaultdict(list)
        changed: dict[str, str] = {}
        unread: set[str] = set()
        for row in self._db.read("SELECT * FROM cases WHERE ?1 IS NULL OR item = ?1", (item,)):
            cases[row["item"]].append(row["case_id"])
        for row in self._db.read("SELECT * FROM claims WHERE ?1 IS NULL OR item = ?1 ORDER BY seq", (item,)):
            name = row["item"]
            categories[name] += categories_of(row["category"])
            cases[name] += stored_json(row["case_ids"] or "[]")
            changed[name] = max(row["at"], changed.get(name, ""))
            unread |= {name} if row["unread"] else set()
        rows = self._db.read(
            "SELECT item, category, recorded_at, ingested_at FROM items"
            " WHERE state <> ?1 AND (?2 IS NULL OR item = ?2) ORDER BY seq",
            (_DISPOSED, item),
        )
        return [
            Kept(
                item=ItemId(row["item"]),
                categories=None
                if row["category"] is None
                else tuple(dict.fromkeys([*categories_of(row["category"]), *categories[row["item"]]])),
                cases=tuple(dict.fromkeys(cases[row["item"]])),
                recorded_at=row["recorded_at"],
                ingested_at=row["ingested_at"],
                changed_at=changed.get(row["item"]),
                unread=row["item"] in unread,
            )
            for row in rows
        ]

    def holds(self) -> list[Hold]:
        """Every hold, lifted ones too, as the rules see them."""
        return [Hold(hold=row.hold, item=row.item, case=row.case, lifted_at=row.lifted_at) for row in self.hold_rows()]

    def hold_rows(self) -> list[HoldRow]:
        """Every hold, in order."""
        return [
            HoldRow(
                hold=row["hold"],
                scope=row["scope"],
                item=row["item"],
                case=row["case_id"],
                reason=row["reason"],
                at=row["at"],
                actor=KeyId(row["actor"]),
                seq=row["seq"],
                lifted_seq=row["lifted"],
                lifted_at=row["lifted_at"],
            )
            for row in self._db.read("SELECT * FROM holds ORDER BY seq")
        ]

    def cases(self) -> list[CaseState]:
        """All that was said of cases, in order."""
        rows = self._db.read("SELECT * FROM case_states ORDER BY seq")
        return [CaseState(case=row["case_id"], is_open=bool(row["open"]), at=row["at"]) for row in rows]

    def case_rows(self) -> list[CaseRow]:
        """What was said of cases, in order, with who and why."""
        return [
            CaseRow(
                case=row["case_id"],
                is_open=bool(row["open"]),
                note=row["note"],
                at=row["at"],
                actor=KeyId(row["actor"]),
                seq=row["seq"],
            )
            for row in self._db.read("SELECT * FROM case_states ORDER BY seq")
        ]

    def cases_named(self) -> dict[str, int]:
        """Every case number that an item names, and how many items do."""
        rows = self._db.read("SELECT case_id, count(*) AS items FROM cases GROUP BY case_id ORDER BY case_id")
        return {row["case_id"]: row["items"] for row in rows}

    def items_of_case(self, case: str) -> list[ItemId]:
        """The items that name this case, at any arrival, oldest first."""
        wanted = case.casefold()
        return [one.item for one in self.kept() if wanted in {name.casefold() for name in one.cases}]

    def orders(self, *, order: str | None = None, item: str | None = None) -> list[OrderRow]:
        """Orders to destroy, in the order they were given."""
        rows = self._db.read(
            "SELECT * FROM orders WHERE (?1 IS NULL OR disposition = ?1) AND (?2 IS NULL OR item = ?2) ORDER BY seq",
            (order, item),
        )
        return [_order(row) for row in rows]

    def unfinished(self) -> list[OrderRow]:
        """Orders that were confirmed and whose destruction is not yet said to be done."""
        rows = self._db.read("SELECT * FROM orders WHERE confirmed IS NOT NULL AND done IS NULL ORDER BY seq")
        return [_order(row) for row in rows]

    def tombstone(self, item: str) -> OrderRow | None:
        """The order by which an item was destroyed; None while it is held."""
        rows = self._db.read(
            "SELECT * FROM orders WHERE item = ? AND scope = 'item' AND confirmed IS NOT NULL LIMIT 1", (item,)
        )
        return _order(rows[0]) if rows else None

    def destroyed_objects(self, item: str) -> list[DestroyedObject]:
        """The sealed objects of a destroyed item."""
        return [
            DestroyedObject(
                object_id=ObjectId(row["object"]),
                role=row["role"],
                segment=row["segment"],
                sealed_bytes=row["sealed_bytes"],
                manifest_sha256=row["manifest"],
                envelope_sha256=row["envelope"],
            )
            for row in self._db.read(
                "SELECT * FROM destroyed WHERE item = ? ORDER BY seq, role, segment, object", (item,)
            )
        ]

    def destroyed_bodies(self, item: str) -> list[DestroyedBody]:
        """The private bodies of an item that were destroyed, with it or by themselves."""
        rows = self._db.read("SELECT * FROM destroyed_bodies WHERE item = ? ORDER BY seq", (item,))
        return [DestroyedBody(commit=row["body"], file=row["file"]) for row in rows]

    def enrolments_of(self, key: str) -> list[int]:
        """The entries that enrolled a key, or gave it other roles."""
        return [row["seq"] for row in self._db.read("SELECT seq FROM enrolments WHERE key = ? ORDER BY seq", (key,))]

    def enrolled_as(self, key: str, seq: int) -> tuple[str | None, tuple[str, ...]]:
        """The name and the roles that a key had at an entry."""
        rows = self._db.read(
            "SELECT name, roles FROM enrolments WHERE key = ? AND seq <= ? ORDER BY seq DESC", (key, seq)
        )
        name = next((row["name"] for row in rows if row["name"]), None)
        return name, tuple(stored_json(rows[0]["roles"])) if rows else ()


def _order(row: Row) -> OrderRow:
    return OrderRow(
        order=row["disposition"],
        item=ItemId(row["item"]),
        scope=row["scope"],
        facts=stored_json(row["facts"]),
        reason=row["reason"],
        seq=row["seq"],
        at=row["at"],
        actor=KeyId(row["actor"]),
        cancelled_seq=row["cancelled"],
        confirmed_seq=row["confirmed"],
        confirmed_at=row["confirmed_at"],
        confirmed_by=None if row["confirmed_by"] is None else KeyId(row["confirmed_by"]),
        done_seq=row["done"],
        done_at=row["done_at"],
        done_facts=None if row["done_facts"] is None else stored_json(row["done_facts"]),
    )
