"""Acts on how long things are kept: the schedule, cases opened and closed, holds placed and lifted."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from bwc.canonical import Json
from bwc.custody.acting import Acting
from bwc.errors import BwcError, NotFound, UsageError
from bwc.evidence import EventDraft, EventKind, ItemId
from bwc.recording import CROCKFORD
from bwc.storage.retention import Schedule, Verdict, judge
from bwc.storage.retention_tables import CaseRow, HoldRow, OrderRow, RetentionTables

_TRIES = 20


class Retaining(Acting):
    """What keeps an item, and what the rules say of it."""

    # --- what holds now ---------------------------------------------------------------------------------

    def schedule(self) -> Schedule | None:
        """The retention schedule in force; None before the first."""
        return self._catalog.retention.schedule()

    def verdicts(
        self,
        items: Sequence[ItemId] | None = None,
        *,
        now: datetime | None = None,
        schedule: Schedule | None = None,
        tables: RetentionTables | None = None,
    ) -> list[Verdict]:
        """What the rules say of every item that is held, or of these; by another `schedule` than the one in force.

        From the catalog's `tables` or, before something is destroyed, from those that signed entries give.
        """
        tables = tables or self._catalog.retention
        schedule, holds, cases = schedule or tables.schedule(), tables.holds(), tables.cases()
        kept = tables.kept() if items is None else [one for item in items for one in tables.kept(item)]
        now = now or datetime.now(UTC)
        return [judge(one, schedule=schedule, holds=holds, cases=cases, now=now) for one in kept]

    def holds(self) -> list[HoldRow]:
        """Every hold, lifted ones too, in order."""
        return self._catalog.retention.hold_rows()

    def held_by(self, hold: str) -> list[ItemId]:
        """The items that a hold covers, in force or lifted, or may cover."""
        tables = self._catalog.retention
        mine = [one for one in tables.holds() if one.hold == hold]
        return [one.item for one in tables.kept() if any(hold.covers(one) for hold in mine)]

    def cases(self) -> list[CaseRow]:
        """All that was said of cases, in order."""
        return self._catalog.retention.case_rows()

    def cases_named(self) -> dict[str, int]:
        """Every case number that an item names, and how many do."""
        return self._catalog.retention.cases_named()

    def items_of_case(self, case: str) -> list[ItemId]:
        """The items that name this case, at any arrival."""
        return self._catalog.retention.items_of_case(case)

    def orders(self, order: str | None = None) -> list[OrderRow]:
        """Orders to destroy, one row for each item. Raises `NotFound` for one that was never given."""
        found = self._catalog.retention.orders(order=order)
        if order is not None and not found:
            raise NotFound(f"no order {order} here", "bwc dispose --orders")
        return found

    # --- acts -------------------------------------------------------------------------------------------

    def set_schedule(self, schedule: Schedule) -> None:
        """`retention.set`: in force from the next entry on."""
        self.act(EventKind.RETENTION_SET, None, {"schedule": schedule.to_json()}, {})

    def open_case(self, case: str, *, note: str) -> None:
        """`case.opened`: whatever names it is kept."""
        self.act(EventKind.CASE_OPENED, None, {}, {"case": _line(case), "note": note})

    def close_case(self, case: str, *, note: str) -> None:
        """`case.closed`: it no longer keeps what names it."""
        known = {name.casefold() for name in self.cases_named()} | {(row.case or "").casefold() for row in self.cases()}
        if case.casefold() not in known:
            raise NotFound(f"no item names case {case}", "bwc case list")
        self.act(EventKind.CASE_CLOSED, None, {}, {"case": _line(case), "note": note})

    def place_hold(self, items: Sequence[ItemId], cases: Sequence[str], *, reason: str) -> str:
        """`hold.placed` for each item and each case, all or none; the hold's name.

        A hold on a case covers what names it now and whatever comes to name it.
        """
        hold = self._fresh("H", {row.hold for row in self.holds()})
        said: dict[str, Json] = {"reason": reason}
        drafts = [
            EventDraft(
                kind=EventKind.HOLD_PLACED,
                item=item,
                facts={"hold": hold, "scope": "item"},
                private=said | {"case": None},
            )
            for item in dict.fromkeys(items)
        ]
        drafts += [
            EventDraft(
                kind=EventKind.HOLD_PLACED, facts={"hold": hold, "scope": "case"}, private=said | {"case": _line(case)}
            )
            for case in dict.fromkeys(cases)
        ]
        self.act_together(EventKind.HOLD_PLACED, drafts)
        return hold

    def lift_hold(self, hold: str, *, reason: str) -> int:
        """`hold.lifted` wherever this hold is in force, all or nowhere. On how many items and cases."""
        rows = [row for row in self.holds() if row.hold == hold and row.lifted_seq is None]
        if not rows:
            raise NotFound(f"no hold {hold} is in force", "bwc hold list")
        gone = [row for row in rows if row.item is not None and self.tombstone(row.item) is not None]
        drafts = [
            EventDraft(kind=EventKind.HOLD_LIFTED, item=item, facts={"hold": hold}, private={"reason": reason})
            for item in dict.fromkeys(row.item for row in rows if row not in gone)
        ]
        self.act_together(EventKind.HOLD_LIFTED, drafts)
        return len(rows)

    def _fresh(self, letter: str, taken: set[str]) -> str:
        """A name to say aloud: H-4K7QXA."""
        for _ in range(_TRIES):
            made = f"{letter}-" + "".join(secrets.choice(CROCKFORD) for _ in range(6))
            if made not in taken:
                return made
        raise BwcError("no fresh name could be made", "bwc doctor")


def _line(text: str) -> str:
    made = " ".join(text.split())
    if not made or len(made) > 100:
        raise UsageError(f"{text!r} is no case number", "one line of at most 100 characters")
    return made
