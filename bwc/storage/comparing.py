"""What the catalog's tables say against what the log says: two catalogs, table by table, row by row, a few at a time.

What only a private body tells is compared where both know it: a catalog that was rebuilt without a key, or a log that
is read without one, knows less and says nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from sqlite3 import Row
from typing import Any, Self

from bwc.errors import IntegrityError
from bwc.storage.catalog_schema import PROJECTION_TABLES
from bwc.storage.database import Database

# Columns that come from private bodies, wholly or in part
PRIVATE: Mapping[str, Sequence[str]] = {
    "items": (
        "officer", "camera", "category", "case_ids", "recorded_at", "clock_offset_ms", "vendor", "source", "names",
    ),
    "segments": ("name", "sha256", "bytes"),
    "approvals": ("note",),
    "suspects": ("note",),
    "releases": ("request", "requester", "to_folder"),
    "operators": ("name",),
    "enrolments": ("name",),
    "claims": ("category", "case_ids"),
    "case_states": ("case_id", "note"),
    "holds": ("case_id", "reason"),
    "orders": ("reason",),
}  # fmt: skip
# Never empty, so nobody can tell what a body gave to them: not compared. An unread claim keeps its item
# And rows that are there only where a body was opened
NEVER: Mapping[str, Sequence[str]] = {"claims": ("unread",), "segments": ("media",), "cases": ("case_id",)}
_ROWS_OF_BODIES = ("cases",)
# Brought up from an earlier version without the log: less than the log says until the catalog is rebuilt
_UPGRADED = ("enrolments",)
_NAMES = {
    "bodies": "private body",
    "cases": "case of an item",
    "case_states": "case",
    "claims": "claim",
    "destroyed": "destroyed object",
    "destroyed_bodies": "destroyed private body",
    "enrolments": "enrolment",
    "items": "item",
    "objects": "object",
    "operators": "operator",
    "policies": "policy",
    "recipients": "recipient",
    "replaced": "replaced file",
    "schedules": "retention schedule",
    "stored": "copy in a store",
    "vault": "founding",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row of one table that is not what the log says."""

    table: str
    row: str
    what: str

    @property
    def where(self) -> str:
        return f"table {self.table}, {self.row}"

    def error(self) -> IntegrityError:
        return IntegrityError(
            f"the catalog does not say what the log says: {self.where}: {self.what}",
            "bwc verify, then: bwc catalog rebuild",
            details=[{"row": self.row, "table": self.table, "what": self.what}],
        )


class Tables:
    """The derived tables of one catalog, whole, and in the order of their keys."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def differences(self, truth: Self, tables: Sequence[str] = PROJECTION_TABLES) -> Iterator[Difference]:
        """Where these say otherwise than those of `truth`, which were projected from the log."""
        for table in tables:
            if table not in _ROWS_OF_BODIES:
                yield from self._differences(truth, table)

    def _differences(self, truth: Self, table: str) -> Iterator[Difference]:
        columns, key = truth._columns(table)
        if self._columns(table)[0] != columns:
            yield Difference(table=table, row="all of it", what="it has other columns than this version makes")
            return
        for said, kept in _pairs(truth._rows(table, key), self._rows(table, key), key):
            if kept is None:
                if table not in _UPGRADED:
                    yield Difference(
                        table=table, row=_name(table, key, said), what="the log has it, the catalog lacks it"
                    )
            elif said is None:
                yield Difference(table=table, row=_name(table, key, kept), what="no entry of the log says so")
            elif wrong := [name for name in columns if not _agree(table, name, said[name], kept[name])]:
                what = f"not what the log says: {', '.join(wrong)}"
                yield Difference(table=table, row=_name(table, key, kept), what=what)

    def snapshot(self) -> AbstractContextManager[None]:
        """All that is read inside of it is as it stood at its first reading, whatever others write."""
        return self._db.snapshot()

    def _columns(self, table: str) -> tuple[list[str], list[str]]:
        """All columns of a table, and those of its key."""
        rows = self._db.read(f"PRAGMA table_info({table})")
        key = sorted((row["pk"], row["name"]) for row in rows if row["pk"])
        return [row["name"] for row in rows], [name for _, name in key]

    def _rows(self, table: str, key: Sequence[str]) -> Iterator[Row]:
        return self._db.stream(f"SELECT * FROM {table} ORDER BY {', '.join(key)}")  # noqa: S608


def _pairs(ours: Iterator[Row], theirs: Iterator[Row], key: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    """Rows of the same key side by side; None where one side has none. Both are in the order of the key."""
    said, kept = next(ours, None), next(theirs, None)
    while said is not None or kept is not None:
        at_said = None if said is None else [said[name] for name in key]
        at_kept = None if kept is None else [kept[name] for name in key]
        if at_kept is None or (at_said is not None and at_said < at_kept):
            yield said, None
            said = next(ours, None)
        elif at_said is None or at_said > at_kept:
            yield None, kept
            kept = next(theirs, None)
        else:
            yield said, kept
            said, kept = next(ours, None), next(theirs, None)


def _agree(table: str, column: str, said: object, kept: object) -> bool:
    if (said == kept and type(said) is type(kept)) or column in NEVER.get(table, ()):
        return True
    return column in PRIVATE.get(table, ()) and (said is None or kept is None)


def _name(table: str, key: Sequence[str], row: Row) -> str:
    told = " ".join(str(row[name]) for name in key)
    if list(key) == ["seq"]:
        told = f"of entry {told}"
    return f"{_NAMES.get(table, table.removesuffix('s'))} {told}"
