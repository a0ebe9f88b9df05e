"""What keeps things and what was ordered, by signed entries alone: holds, cases, the schedule, orders, each item's trail.

Nothing is destroyed on the word of a table. The whole log is read by its own bytes and projected by the code that wrote
the tables; what rules is judged as a verifier judges it, and a table that says otherwise stops the act. The private parts
that decide (tags, cases) are opened with the key of whoever acts; what no key opens keeps the item.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bwc.audit.event import NO_HASH, parse_entry
from bwc.audit.findings import Findings
from bwc.audit.replay import Replay
from bwc.custody.chained import chained
from bwc.custody.standing import Standing, is_ruling
from bwc.custody.told import tell
from bwc.errors import IntegrityError
from bwc.evidence import EventKind, ItemId
from bwc.storage.catalog import Catalog
from bwc.storage.rows import EventRow

_JUDGED = ("hold.", "case.", "retention.", "disposition.")
_TAGS = (EventKind.ITEM_INGESTED, EventKind.ITEM_TAGGED, EventKind.ITEM_DUPLICATE, EventKind.ITEM_INDEXED)
OpenBody = Callable[[str], Mapping[str, Any] | None]


class Grounds:
    """What the log says of `items`, and of all that may keep them; `look` takes in what came since."""

    def __init__(self, catalog: Catalog, items: Iterable[ItemId], open_body: OpenBody) -> None:
        """`open_body` gives the private body of a commitment where the key of whoever acts opens it."""
        self._catalog = catalog
        self.items = frozenset(items)
        self._open = open_body
        self._size = 0
        self._last = NO_HASH
        self._agrees = False  # the tables, with what was read
        self._findings = Findings()
        self._replay = Replay(self._findings, signatures=True)
        self.truth = Catalog.temporary()

    def close(self) -> None:
        """Let go of the projection."""
        self.truth.close()

    def look(self, standing: Standing) -> Catalog:
        """What is so up to what `standing` looked at.

        Raises `IntegrityError` when the tables say otherwise; once they agreed they are not asked any more.
        """
        if self._size < standing.size or not self._size:
            for batch in chained(self._catalog, self._size, self._last, standing.size):
                self._judge(row for row, kind in zip(batch.rows, batch.kinds, strict=True) if self._decides(row, kind))
                tell(self.truth, batch.rows, self._body)
                self._size, self._last = batch.rows[-1].seq + 1, batch.hashes[-1]
            if (self._size, self._last) != (standing.size, standing.last):
                raise IntegrityError("the catalog's entries are not those that were read before", "bwc verify")
        if not self._agrees:
            for one in self._catalog.tables.differences(self.truth.tables):
                raise one.error()
            self._agrees = True
        return self.truth

    def _decides(self, row: EventRow, kind: str) -> bool:
        """Whether an entry says what may be destroyed."""
        if is_ruling(kind) or kind.startswith(_JUDGED):
            return True
        return kind in _TAGS and parse_entry(row.entry).item in self.items

    def _judge(self, rows: Iterable[EventRow]) -> None:
        for row in rows:
            self._replay.take(parse_entry(row.entry))
        try:
            self._findings.raise_if_bad()
        except IntegrityError as error:
            error.hint = error.hint or "bwc verify"
            raise

    def _body(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The private body where it decides what is kept."""
        if event["body"] is None:
            return None
        kind = event["kind"]
        decides = kind.startswith(("case.", "hold.")) and event["item"] is None
        if decides or (kind in _TAGS and event["item"] in self.items):
            return self._open(event["body"]["commit"])
        return None
