"""Destruction: one person orders, another confirms, then it happens and is said. Resumable after every step.

1 `disposition.ordered`; nothing is touched. 2 `disposition.confirmed` by another person, who is bound by the rules as
they stand inside that transaction; published. 3 Keys and private bodies are destroyed, then sealed bytes, then what
lies astray. 4 The catalog forgets. 5 `disposition.done`, published. What may go, what was ordered and what to destroy is taken from signed entries
(`grounds`), never from the catalog's tables. Dying between 2 and 5 leaves an order that says
"confirmed", which `finish` (any later `bwc dispose`) completes; nothing is called done before it is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bwc.audit.disposals import BODIES, ITEM
from bwc.audit.event import parse_entry
from bwc.canonical import Json, canonical, sha256_hex
from bwc.custody.grounds import Grounds
from bwc.custody.retaining import Retaining
from bwc.errors import HoldInForce, NotDue, NotFound, PolicyRefuses, SecondPersonNeeded, UsageError
from bwc.evidence import EventDraft, EventKind, ItemId
from bwc.storage.catalog import Catalog
from bwc.storage.retention import Verdict, Why
from bwc.storage.retention_tables import DestroyedBody, OrderRow, RetentionTables
from bwc.storage.shredding import shred, sweep

Progress = Callable[[int, int | None], None]
# Bodies without which the rules would be blind, or that say who destroyed what
_NOT_EXPUNGED = ("disposition.", "hold.", "case.", "key.", "vault.", "policy.", "retention.", "recipient.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """What became of one item. `left`: sealed objects that a store's lock keeps, unreadable."""

    item: ItemId
    order: str
    scope: str
    objects: int
    bodies: int
    left: int

    def to_json(self) -> dict[str, Json]:
        return {
            "bodies": self.bodies,
            "item": self.item,
            "left": self.left,
            "objects": self.objects,
            "order": self.order,
            "scope": self.scope,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a further store still has of an item that was destroyed; its keys are gone there too, once it answered."""

    objects: int
    is_locked: bool  # it said so: a lock or a hold keeps sealed bytes there
    until: str | None  # when the last of its locks ends; None: it said no date


class Disposing(Retaining):
    """Two people and a proof."""

    _grounds: Grounds | None = None

    def close(self) -> None:
        """Close the catalog."""
        if self._grounds is not None:
            self._grounds.close()
        super().close()

    def _grounds_for(self, items: Iterable[ItemId]) -> Catalog:
        """What signed entries say of these items and of all that may keep them."""
        wanted = frozenset(items)
        if self._grounds is None or not wanted <= self._grounds.items:
            if self._grounds is not None:
                self._grounds.close()
            self._grounds = Grounds(self._catalog, wanted, self._private)
        return self._grounds.look(self._in_force(whole=True))

    # --- 1: the order -----------------------------------------------------------------------------------

    def order_destruction(self, items: Sequence[ItemId], *, reason: str, early: bool = False) -> str:
        """`disposition.ordered` for each item, all or none; the order's name.

        Raises `HoldInForce` when a hold or an open case forbids it, `NotDue` when the schedule does and `early` (a
        court's order, an error at intake) is not claimed; a refusal is recorded.
        """
        items = list(dict.fromkeys(items))
        self._require(EventKind.DISPOSITION_ORDERED)
        self._refuse_recorded(EventKind.DISPOSITION_ORDERED, lambda: self._verify_may_go(items, early=early))
        waiting = [row for row in self.orders() if row.state == "ordered" and row.scope == ITEM and row.item in items]
        if waiting:
            raise UsageError(
                f"{waiting[0].item} is in order {waiting[0].order} already", f"bwc dispose --confirm {waiting[0].order}"
            )
        order = self._fresh("D", {row.order for row in self.orders()})
        facts: dict[str, Json] = {"due": not early, "order": order, "scope": ITEM}
        drafts = [
            EventDraft(kind=EventKind.DISPOSITION_ORDERED, item=item, facts=facts, private={"reason": reason})
            for item in items
        ]
        self.act_together(EventKind.DISPOSITION_ORDERED, drafts, first=lambda: self._verify_may_go(items, early=early))
        return order

    def order_erasure(self, entries: Sequence[int], *, reason: str) -> str:
        """`disposition.ordered` of private bodies alone, by their entries, all of one item; the order's name."""
        self._require(EventKind.DISPOSITION_ORDERED)
        found = [parse_entry(self.entry(seq)) for seq in dict.fromkeys(entries)]
        items = {one.item for one in found}
        erase: list[Json] = []
        for one in found:
            if one.body_commit is None or self._catalog.body_file(one.body_commit) is None:
                raise NotFound(f"entry {one.seq} has no private part here", "bwc log ITEM")
            if one.item is None or one.kind.startswith(_NOT_EXPUNGED):
                raise UsageError(f"the private part of {one.kind} cannot be erased", "bwc log ITEM: another entry")
            erase.append({"commit": one.body_commit, "kind": one.kind, "seq": one.seq})
        if len(items) != 1:
            raise UsageError("these entries are of several items", "one order for each item")
        item = ItemId(items.pop() or "")
        self._refuse_recorded(EventKind.DISPOSITION_ORDERED, lambda: self._verify_no_hold([item]))
        order = self._fresh("D", {row.order for row in self.orders()})
        facts: dict[str, Json] = {"due": False, "erase": erase, "order": order, "scope": BODIES}
        draft = EventDraft(kind=EventKind.DISPOSITION_ORDERED, item=item, facts=facts, private={"reason": reason})
        self.act_together(EventKind.DISPOSITION_ORDERED, [draft], first=lambda: self._verify_no_hold([item]))
        return order

    def cancel_order(self, order: str, *, reason: str) -> int:
        """`disposition.cancelled` for whatever of the order is not confirmed. How many items."""
        rows = self._waiting(order)
        drafts = [
            EventDraft(
                kind=EventKind.DISPOSITION_CANCELLED, item=row.item, facts={"order": order}, private={"reason": reason}
            )
            for row in rows
        ]
        self.act_together(EventKind.DISPOSITION_CANCELLED, drafts)
        return len(rows)

    # --- 2 to 5: another person confirms, and it happens ------------------------------------------------

    def confirm_order(self, order: str, *, progress: Progress | None = None) -> list[Destroyed]:
        """`disposition.confirmed` by another person than who ordered, then destruction.

        Raises `SecondPersonNeeded`, `HoldInForce` or `NotDue`, judged now; nothing is then destroyed.
        """
        self._require(EventKind.DISPOSITION_CONFIRMED)
        rows = self._waiting_signed(order)
        self._refuse_recorded(EventKind.DISPOSITION_CONFIRMED, lambda: self._verify_second_person(rows))
        self._refuse_recorded(EventKind.DISPOSITION_CONFIRMED, lambda: self._verify_still(rows))
        drafts = [
            EventDraft(
                kind=EventKind.DISPOSITION_CONFIRMED,
                item=row.item,
                facts={name: row.facts[name] for name in ("order", "scope", "erase") if name in row.facts},
            )
            for row in rows
        ]

        def still() -> None:
            if {row.seq for row in self._waiting_signed(order)} != {row.seq for row in rows}:
                raise UsageError(f"order {order} was confirmed or cancelled meanwhile", "bwc dispose --orders")
            self._verify_still(rows)

        self.act_together(EventKind.DISPOSITION_CONFIRMED, drafts, first=still)
        return self.finish_destruction(progress=progress)

    def finish_destruction(self, *, again: bool = False, progress: Progress | None = None) -> list[Destroyed]:
        """Complete every order that was confirmed; with `again`, destroy once more what was destroyed before.

        The latter is for a vault restored from a backup, which brings back keys and private bodies.
        """
        known = self._catalog.retention
        items = {row.item for row in known.orders() if row.state == "confirmed" or (again and row.state == "done")}
        if not items:
            if self.entries() > self.published():
                self.publish()  # it was said, and we died before it was published
            return []
        self._require(EventKind.DISPOSITION_DONE)
        tables = self._grounds_for(items).retention
        rows = tables.unfinished()
        old = [row for row in tables.orders() if row.state == "done"] if again else []
        self.publish()  # a verifier reads what is published, and must know what may be absent
        done: list[Destroyed] = []
        for count, row in enumerate([*old, *rows]):
            if progress:
                progress(count, len(old) + len(rows))
            one = self._destroy(row, tables)
            done += [one] if row in rows else []
        self._sweep([*old, *rows])
        self._catalog.forget()
        drafts = [
            EventDraft(kind=EventKind.DISPOSITION_DONE, item=row.item, facts=self._done_facts(row, one))
            for row, one in zip(rows, done, strict=True)
        ]
        self.act_together(EventKind.DISPOSITION_DONE, drafts)
        if drafts:
            self.publish()
        return done

    def _destroy(self, row: OrderRow, tables: RetentionTables) -> Destroyed:
        objects = tables.destroyed_objects(row.item) if row.scope == ITEM else []
        bodies = self._bodies_of(row, tables)
        left = shred(self._vault.stores, objects, bodies)
        return Destroyed(
            item=row.item, order=row.order, scope=row.scope, objects=len(objects), bodies=len(bodies), left=len(left)
        )

    def _sweep(self, rows: Sequence[OrderRow]) -> None:
        truth = self._grounds_for(row.item for row in rows)  # an object that a table lacks is not astray
        commits = {one.commit for row in rows for one in self._bodies_of(row, truth.retention)}
        sweep(
            self._vault.stores,
            objects=truth.object_ids(),
            envelopes=truth.envelope_ids(),
            bodies=truth.body_ids(),
            items={row.item for row in rows if row.scope == ITEM},
            commits=commits,
        )

    def _bodies_of(self, row: OrderRow, tables: RetentionTables | None = None) -> list[DestroyedBody]:
        found = (tables or self._catalog.retention).destroyed_bodies(row.item)
        if row.scope == ITEM:
            return found
        named = {one["commit"] for one in row.facts["erase"]}
        return [one for one in found if one.commit in named]

    def left_in_stores(self, row: OrderRow) -> dict[str, Left]:
        """What of an order each further store is not known to have cleared, by its `store.cleared`."""
        objects = {one.object_id for one in self._catalog.retention.destroyed_objects(row.item)}
        left = {store.store_id: set(objects) for store in self._catalog.copies.stores() if row.scope == ITEM}
        ends: dict[str, str | None] = {}
        for one in self._catalog.rows(row.confirmed_seq or 0) if left else ():
            if EventKind.STORE_CLEARED.encode() in one.entry:  # few entries: the others need no parsing here
                facts = parse_entry(one.entry).facts
                left.get(str(facts.get("store")), set()).difference_update(facts.get("objects", ()))
                if facts.get("locked"):
                    ends[str(facts.get("store"))] = facts.get("locked_until")
        return {
            store: Left(objects=len(names), is_locked=store in ends, until=ends.get(store))
            for store, names in left.items()
            if names
        }

    def destroyed_list(self, row: OrderRow) -> dict[str, Json]:
        """What an order destroyed, as the log named it: the list that its proof shows and its entry digests."""
        objects = self._catalog.retention.destroyed_objects(row.item) if row.scope == ITEM else []
        return {
            "bodies": [{"commit": one.commit, "file": one.file} for one in self._bodies_of(row)],
            "objects": [
                {
                    "envelope": one.envelope_sha256,
                    "manifest": one.manifest_sha256,
                    "object": one.object_id,
                    "role": one.role,
                    "sealed_bytes": one.sealed_bytes,
                    "segment": one.segment,
                }
                for one in objects
            ],
        }

    def _done_facts(self, row: OrderRow, one: Destroyed) -> dict[str, Json]:
        listed = sha256_hex(canonical(self.destroyed_list(row)))
        facts: dict[str, Json] = {"bodies": one.bodies, "left": one.left, "objects": one.objects}
        return facts | {"list_sha256": listed, "order": row.order, "scope": row.scope}

    # --- the rules --------------------------------------------------------------------------------------

    def _verify_may_go(self, items: Sequence[ItemId], *, early: bool) -> None:
        tables = self._grounds_for(items).retention
        for item in items:
            self._raise_if_destroyed(item)
        for one in self.verdicts(items, tables=tables):
            _verify_verdict(one, early=early)

    def _verify_no_hold(self, items: Sequence[ItemId]) -> None:
        for one in self.verdicts(items, tables=self._grounds_for(items).retention):
            if one.why is Why.HOLD:
                raise HoldInForce(f"{one.item} may not be destroyed: {one.text}", "bwc hold list")

    def _verify_still(self, rows: Sequence[OrderRow]) -> None:
        whole = [row for row in rows if row.scope == ITEM]
        for early in (False, True):
            self._verify_may_go([row.item for row in whole if bool(row.facts.get("due")) != early], early=early)
        self._verify_no_hold([row.item for row in rows if row.scope != ITEM])

    def _waiting_signed(self, order: str) -> list[OrderRow]:
        """The same by signed entries."""
        known = self._waiting(order)
        tables = self._grounds_for(row.item for row in known).retention
        found = [row for row in tables.orders(order=order) if row.state == "ordered"]
        if not found:
            raise UsageError(f"order {order} waits for nobody", "bwc dispose --orders")
        return found

    def _verify_second_person(self, rows: Sequence[OrderRow]) -> None:
        me = self.person_of(self.person.key_id)
        for row in rows:
            if self.person_of(row.actor) == me:
                raise SecondPersonNeeded(
                    f"order {row.order} is yours: another person confirms it",
                    f"bwc dispose --confirm {row.order}, from their own login",
                )

    def _waiting(self, order: str) -> list[OrderRow]:
        rows = self.orders(order)
        found = [row for row in rows if row.state == "ordered"]
        if not found:
            raise UsageError(f"order {order} is {rows[0].state}", "bwc dispose --orders")
        return found

    def _refuse_recorded(self, kind: EventKind, rule: Callable[[], None]) -> None:
        try:
            rule()
        except PolicyRefuses as error:
            named = error.details[0].get("item") if error.details else None
            self.record_refusal(None if named is None else ItemId(str(named)), kind, error)
            raise


def _verify_verdict(one: Verdict, *, early: bool) -> None:
    about: Mapping[str, object] = {"item": one.item, "why": one.why.value}
    if one.is_barred:
        hint = "bwc hold list" if one.why is Why.HOLD else "bwc case close NUMBER, when it is"
        raise HoldInForce(f"{one.item} may not be destroyed: {one.text}", hint, details=[about])
    if one.why is Why.UNKNOWN or (not one.is_due and not early):
        hint = "bwc catalog rebuild" if one.why is Why.UNKNOWN else "bwc retain due; --early for a court's order"
        raise NotDue(f"{one.item} is not due: {one.text}", hint, details=[about])
