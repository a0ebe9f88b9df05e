"""Holds and destruction as a verifier replays them: who may order what, and what may be absent from then on.

An order names an item; another person confirms it. From the confirming entry on everything of the item that was
recorded before may be absent, except the bodies of the orders themselves. Nothing else ever may.
"""

from dataclasses import dataclass, field

from bwc.audit.event import Entry, fact
from bwc.errors import IntegrityError
from bwc.roles import AFTER_DESTRUCTION

ITEM, BODIES = "item", "bodies"  # what an order is about: a whole item, or private bodies of it
_OF_ORDERS = "disposition."


@dataclass(slots=True)
class _Order:
    seq: int
    person: str
    scope: str
    erase: tuple[str, ...]
    is_open: bool = True
    confirmed: int | None = None


@dataclass(slots=True)
class Tombstone:
    """An item that was destroyed: the entries that confirmed it and, when finished, said so."""

    confirmed: int
    done: int | None = None


@dataclass(slots=True)
class Disposals:
    """What is held and what was destroyed after the entries replayed so far."""

    items: dict[str, Tombstone] = field(default_factory=dict)
    bodies: dict[str, int] = field(default_factory=dict)  # erased by themselves: commitment, confirming entry
    _holds: dict[str, set[str]] = field(default_factory=dict)
    _orders: dict[tuple[str, str], _Order] = field(default_factory=dict)

    def may_act(self, entry: Entry) -> None:
        """Raise `IntegrityError` for an act on what was destroyed before it."""
        gone = self.items.get(entry.item or "")
        if gone is not None and entry.kind not in AFTER_DESTRUCTION:
            raise IntegrityError(f"{entry.kind} of an item that entry {gone.confirmed} destroyed")

    def may_miss_body(self, entry: Entry) -> int | None:
        """The entry by which the private body of `entry` may be absent; None if it may not."""
        by_itself = self.bodies.get(entry.body_commit or "")
        gone = self.items.get(entry.item or "")
        if gone is None or entry.seq > gone.confirmed or entry.kind.startswith(_OF_ORDERS):
            return by_itself
        return gone.confirmed

    def placed(self, entry: Entry) -> None:
        if entry.item is not None:
            self._holds.setdefault(entry.item, set()).add(fact(entry.facts, "hold", str))

    def lifted(self, entry: Entry) -> None:
        if entry.item is not None:
            holds, hold = self._holds.get(entry.item, set()), fact(entry.facts, "hold", str)
            if hold not in holds:
                raise IntegrityError(f"hold {hold} is not in force on {entry.item}")
            holds.remove(hold)

    def ordered(self, entry: Entry, person: str) -> None:
        item, facts = self._item(entry), entry.facts
        self._bar(item)
        scope = fact(facts, "scope", str)
        erase = tuple(fact(one, "commit", str) for one in facts.get("erase", ())) if scope == BODIES else ()
        if scope not in (ITEM, BODIES) or (scope == BODIES) != bool(erase):
            raise IntegrityError("the order does not say what it is about")
        name = fact(facts, "order", str)
        if (name, item) in self._orders:
            raise IntegrityError(f"order {name} was given twice")
        self._orders[name, item] = _Order(entry.seq, person, scope, erase)

    def cancelled(self, entry: Entry) -> None:
        self._open_order(entry).is_open = False

    def confirmed(self, entry: Entry, person: str) -> None:
        order, item = self._open_order(entry), self._item(entry)
        if order.person == person:
            raise IntegrityError(f"ordered by entry {order.seq} and confirmed by the same person")
        self._bar(item)
        erase = tuple(fact(one, "commit", str) for one in entry.facts.get("erase", ()))
        if entry.facts.get("scope") != order.scope or erase != order.erase:
            raise IntegrityError(f"confirms something else than entry {order.seq} ordered")
        order.is_open, order.confirmed = False, entry.seq
        if order.scope == ITEM:
            self.items[item] = Tombstone(entry.seq)
        self.bodies |= dict.fromkeys(erase, entry.seq)

    def done(self, entry: Entry) -> None:
        item = self._item(entry)
        order = self._orders.get((fact(entry.facts, "order", str), item))
        if order is None or order.confirmed is None:
            raise IntegrityError("says that something is destroyed that nobody confirmed")
        if order.scope == ITEM:
            self.items[item].done = entry.seq

    def _bar(self, item: str) -> None:
        if self._holds.get(item):
            raise IntegrityError(f"{item} is under legal hold {', '.join(sorted(self._holds[item]))}")

    def _open_order(self, entry: Entry) -> _Order:
        name = fact(entry.facts, "order", str)
        order = self._orders.get((name, self._item(entry)))
        if order is None or not order.is_open:
            raise IntegrityError(f"there is no open order {name} about this item")
        return order

    def _item(self, entry: Entry) -> str:
        if entry.item is None:
            raise IntegrityError(f"{entry.kind} names no item")
        return entry.item
