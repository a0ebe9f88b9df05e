"""What schedules, cases, holds and destruction change in the catalog; see `projection`.

Destruction takes every column of an item that a private body filled: what the catalog then holds is what a rebuild
without those bodies gives.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bwc.evidence import EventKind
from bwc.storage.change import Act, Change, json_text
from bwc.storage.rows import STATES, ItemState

# Bodies that outlive the item: who ordered its destruction, and why
_KEPT_BODIES = "json_extract(CAST(entry AS TEXT), '$.event.kind') LIKE 'disposition.%'"
_PERSONAL = ("officer", "camera", "category", "case_ids", "recorded_at", "clock_offset_ms", "vendor", "source", "names")


def claim(act: Act) -> Iterator[Change]:
    """Somebody said again under what an item is kept: a tag, or the same bytes arriving under other ones."""
    is_tag = act.event["kind"] == EventKind.ITEM_TAGGED
    cases = None if is_tag else act.told("case_ids")
    yield Change(
        "INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)",
        (
            act.seq,
            act.item,
            act.at,
            int(act.is_unread),
            None if is_tag else act.told("category"),
            None if cases is None else json_text(cases),
        ),
    )


def _schedule(act: Act) -> Iterator[Change]:
    yield Change(
        "INSERT INTO schedules VALUES (?, ?, ?, ?)",
        (act.seq, json_text(act.facts["schedule"]), act.at, act.actor),
    )


def _case(*, is_open: bool) -> Callable[[Act], Iterator[Change]]:
    def effect(act: Act) -> Iterator[Change]:
        yield Change(
            "INSERT INTO case_states VALUES (?, ?, ?, ?, ?, ?)",
            (act.seq, act.told("case"), int(is_open), act.told("note"), act.at, act.actor),
        )

    return effect


def _held(act: Act) -> Iterator[Change]:
    yield Change(
        "INSERT INTO holds VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (
            act.seq,
            act.facts["hold"],
            act.facts["scope"],
            act.item,
            act.told("case"),
            act.told("reason"),
            act.at,
            act.actor,
        ),
    )


def _lifted(act: Act) -> Iterator[Change]:
    yield Change(
        "UPDATE holds SET lifted = ?, lifted_at = ? WHERE hold = ? AND item IS ? AND lifted IS NULL",
        (act.seq, act.at, act.facts["hold"], act.item),
    )


def _ordered(act: Act) -> Iterator[Change]:
    yield Change(
        "INSERT INTO orders (seq, disposition, item, scope, facts, reason, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            act.seq,
            act.facts["order"],
            act.item,
            act.facts["scope"],
            json_text(act.facts),
            act.told("reason"),
            act.at,
            act.actor,
        ),
    )


def _of_order(act: Act, assignments: str, *values: str | int | None) -> Change:
    return Change(
        f"UPDATE orders SET {assignments} WHERE disposition = ? AND item = ?",  # noqa: S608
        (*values, act.facts["order"], act.item),
    )


def _cancelled(act: Act) -> Iterator[Change]:
    yield _of_order(act, "cancelled = ?", act.seq)


def _confirmed(act: Act) -> Iterator[Change]:
    """From here on it is destroyed, as far as anybody who asks the catalog is concerned."""
    yield _of_order(act, "confirmed = ?, confirmed_at = ?, confirmed_by = ?", act.seq, act.at, act.actor)
    if act.facts["scope"] == "bodies":
        for one in act.facts["erase"]:
            yield from _forgotten(act, one)
        return
    yield Change(
        "INSERT INTO destroyed SELECT object, item, role, segment, sealed_bytes, manifest, envelope, seq"
        " FROM objects WHERE item = ?",
        (act.item,),
    )
    yield Change("DELETE FROM objects WHERE item = ?", (act.item,))
    mine = f"seq IN (SELECT seq FROM events WHERE item = ?1 AND NOT {_KEPT_BODIES})"  # noqa: S608
    yield Change(
        f"INSERT INTO destroyed_bodies SELECT body, file, ?1, seq FROM bodies WHERE {mine}",  # noqa: S608
        (act.item,),
    )
    yield Change(f"DELETE FROM bodies WHERE {mine}", (act.item,))  # noqa: S608
    yield _emptied(act.item)
    yield Change(
        "UPDATE items SET state = ? WHERE item = ?",
        (STATES.index(ItemState.DISPOSED), act.item),
    )
    for table in ("cases", "segments", "claims"):
        yield Change(f"DELETE FROM {table} WHERE item = ?", (act.item,))  # noqa: S608
    yield Change("UPDATE approvals SET note = NULL WHERE item = ?", (act.item,))
    yield Change("UPDATE releases SET request = NULL, requester = NULL, to_folder = NULL WHERE item = ?", (act.item,))
    yield Change("UPDATE holds SET reason = NULL WHERE item = ?", (act.item,))
    yield Change(
        "UPDATE suspects SET note = NULL WHERE seq IN (SELECT seq FROM events WHERE item = ?)",
        (act.item,),
    )


def _emptied(item: str | None) -> Change:
    nothing = ", ".join(f"{column} = NULL" for column in _PERSONAL)
    return Change(f"UPDATE items SET {nothing} WHERE item = ?", (item,))  # noqa: S608


def _forgotten(act: Act, one: Mapping[str, Any]) -> Iterator[Change]:
    """One private body goes: every column that it may have filled."""
    seq, kind = one["seq"], one["kind"]
    yield Change(
        "INSERT INTO destroyed_bodies SELECT body, file, ?, seq FROM bodies WHERE body = ?", (act.item, one["commit"])
    )
    yield Change("DELETE FROM bodies WHERE body = ?", (one["commit"],))
    if kind in (EventKind.ITEM_INGESTED, EventKind.ITEM_TAGGED):
        yield _emptied(act.item)
        yield Change("DELETE FROM cases WHERE item = ?", (act.item,))
    if kind == EventKind.ITEM_INGESTED:
        yield Change("UPDATE segments SET name = NULL, sha256 = NULL, bytes = NULL WHERE item = ?", (act.item,))
    if kind == EventKind.ITEM_INDEXED:
        yield Change("UPDATE segments SET media = '{}' WHERE item = ?", (act.item,))
        yield Change("UPDATE items SET recorded_at = NULL WHERE item = ?", (act.item,))
    # said to be erased: nothing more can be learnt from it, so that it does not keep the item for ever
    yield Change("UPDATE claims SET unread = 0, category = NULL, case_ids = NULL WHERE seq = ?", (seq,))
    yield Change("UPDATE approvals SET note = NULL WHERE seq = ?", (seq,))
    yield Change("UPDATE releases SET request = NULL, requester = NULL, to_folder = NULL WHERE seq = ?", (seq,))
    yield Change("UPDATE suspects SET note = NULL WHERE seq = ?", (seq,))
    yield Change("UPDATE holds SET reason = NULL WHERE seq = ?", (seq,))


def _done(act: Act) -> Iterator[Change]:
    yield _of_order(act, "done = ?, done_at = ?, done_facts = ?", act.seq, act.at, json_text(act.facts))


EFFECTS: dict[str, Callable[[Act], Iterator[Change]]] = {
    EventKind.RETENTION_SET: _schedule,
    EventKind.CASE_OPENED: _case(is_open=True),
    EventKind.CASE_CLOSED: _case(is_open=False),
    EventKind.HOLD_PLACED: _held,
    EventKind.HOLD_LIFTED: _lifted,
    EventKind.DISPOSITION_ORDERED: _ordered,
    EventKind.DISPOSITION_CANCELLED: _cancelled,
    EventKind.DISPOSITION_CONFIRMED: _confirmed,
    EventKind.DISPOSITION_DONE: _done,
}
