"""Copies in further stores: made, proven, recorded; what must not be kept any more is taken from there too.

For each store, in this order (numbers are repeated in the code):
1. it is opened by its mark, and the log knows that it was added;
2. what it lacks is copied, envelope, manifest, object, and proven there; what it had is proven again if that is asked;
3. the copies are recorded (`item.copied`), many in one transaction;
4. private bodies are copied, and what was replaced or destroyed here is destroyed there (`store.cleared`);
5. the log and its wrapped key are copied, so that a store alone is enough to restore from;
6. where the store locks, retention and legal holds are brought to what the schedule and the log ask (`locking`).
A store that does not answer is reported and stops nothing else. A damaged copy is recorded, and raised at the end.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime

from bwc.audit.checkpoint import parse_checkpoint
from bwc.audit.event import parse_entry
from bwc.audit.merkle import root_at
from bwc.audit.tiles import CHECKPOINT, TileTree
from bwc.canonical import Json
from bwc.config import Places, StorePlace
from bwc.custody.acting import Acting
from bwc.custody.locking import bring_locks, clear_held, is_locking
from bwc.custody.log_copy import copy_log
from bwc.custody.replica import Replica
from bwc.custody.shelf import LogShelf
from bwc.errors import (
    CheckpointRolledBack,
    ConfigError,
    Disposed,
    HoldInForce,
    IntegrityError,
    LogForked,
    NotFound,
    StorageError,
    StoreFull,
)
from bwc.evidence import EventDraft, EventKind, ItemId, utc_text
from bwc.identities import Operator
from bwc.storage.copying import copy_body, copy_object, prove_copy, wrong_files
from bwc.storage.files import Files
from bwc.storage.retention import lock_wish
from bwc.storage.rows import DocumentRow
from bwc.storage.store import Shelf
from bwc.storage.store_tables import StoreRow
from bwc.storage.stores import Store, add_store, open_store

VAULT = "vault"  # the vault's own folder, where entries name a store
Progress = Callable[[int, int | None], None]
_TOGETHER = 50  # copies recorded in one transaction; if we die before, they are proven again and recorded then
_CLEARED_AT_ONCE = 500  # names in one entry, which holds 64 KiB


class Replicating(Acting):
    """Acts on copies of what is held."""

    def __init__(self, places: Places, operator: Operator | None) -> None:
        super().__init__(places, operator)
        self._replicas: list[Replica] = []

    # --- stores -----------------------------------------------------------------------------------------

    def stores(self, item: ItemId | None = None) -> list[StoreRow]:
        """The stores that were added, and how much of everything, or of one item, they have by what is recorded."""
        return self._catalog.copies.stores(item)

    def place_of(self, name: str) -> StorePlace:
        """The place of a store in bwc.toml. Raises `NotFound`."""
        for one in self.places.stores:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.places.stores) or "none"
        raise NotFound(f"bwc.toml names no store {name}; it names: {known}", "see [stores]: docs/administrator.md")

    def open_store(self, place: StorePlace) -> Store:
        """1. A store of this vault that was added. Raises `StorageError` when it does not answer or is not one."""
        found = open_store(place, self.log_origin, self._disk)
        if found.store_id not in {row.store_id for row in self.stores()}:
            raise StorageError(f"store {place.name} was never added to this vault", f"bwc stores add {place.name}")
        return found

    def add_store(self, name: str) -> Store:
        """`store.added`: the place is marked as this vault's, and copies there count from now on."""
        self._require(EventKind.STORE_ADDED)
        place = self.place_of(name)
        found = add_store(place, self.log_origin, self._disk)
        if found.store_id not in {row.store_id for row in self.stores()}:
            kind = "folder" if place.folder is not None else "s3"
            self.act(EventKind.STORE_ADDED, None, {"kind": kind, "lock": place.lock, "store": found.store_id}, {})
        return found

    # --- copies -----------------------------------------------------------------------------------------

    def replicate(
        self,
        items: Collection[ItemId] | None = None,
        *,
        only: str | None = None,
        again: bool = False,
        repair: bool = False,
        clear: bool = False,
        progress: Progress | None = None,
    ) -> Sequence[Replica]:
        """Bring every store named in bwc.toml up to date, for `items` or for all that is held.

        `again` proves also what was copied before; `clear` destroys there what was destroyed here even when only some
        `items` are asked for; `repair` moves a damaged copy aside and makes it anew. Nothing is
        raised for a store that fails: see `Replica.problem` and `raise_unless_whole`.
        """
        self._require(EventKind.ITEM_COPIED)
        if self._unpublished:
            self.publish()  # private bodies are on their shelf from then on
        places = [one for one in self.places.stores if only in (None, one.name)]
        seen: dict[str, str] = {}
        self._replicas = []
        for place in places:
            replica = Replica(place=place)
            self._replicas.append(replica)
            try:
                store = self.open_store(place)  # 1
                replica.store_id = store.store_id
                if store.store_id in seen:
                    what = f"stores {seen[store.store_id]} and {place.name} of bwc.toml are one place"
                    raise ConfigError(what, "take one of them out: one place is one copy")
                seen[store.store_id] = place.name
                _Run(self, store, replica, again=again, repair=repair, progress=progress).run(
                    items, clear=clear or items is None
                )
            except (StorageError, StoreFull, ConfigError, HoldInForce) as error:
                replica.problem = error
                if replica.store_id:
                    replica.pending = len(self._catalog.copies.pending(replica.store_id, items))
        return self._replicas

    def bring_locks(self, items: Collection[ItemId] | None = None) -> Sequence[Replica]:
        """Only step 6, of `items` or of all that is held; what became of each store that locks."""
        self._require(EventKind.ITEM_COPIED)
        replicas = [Replica(place=place) for place in self.places.stores if is_locking(place)]
        for replica in replicas:
            try:
                self._lock_there(self.open_store(replica.place), replica, items)
            except (StorageError, StoreFull, ConfigError, HoldInForce) as error:
                replica.problem = error
        return replicas

    def _lock_there(self, store: Store, replica: Replica, items: Collection[ItemId] | None) -> None:
        """6. Raises the first error when all was tried, `Unreachable` at once."""
        if not is_locking(store.place):
            return
        self.told()  # a hold that a table calls lifted would be lifted there
        tables = self._catalog.retention
        schedule, holds, cases = tables.schedule(), tables.holds(), tables.cases()
        lacking = {one.object_id for one in self._catalog.copies.pending(store.store_id, items)}
        kept = tables.kept() if items is None else [one for item in items for one in tables.kept(item)]
        wishes = {
            one.object_id: lock_wish(row, schedule=schedule, holds=holds, cases=cases)
            for row in kept
            for one in self._catalog.documents(row.item)
        }
        bring_locks(store, wishes, lacking=lacking, locks=replica.locks)

    def proven_copies(self, items: Sequence[ItemId]) -> int:
        """The fewest copies any of `items` has: the vault's own, and the stores that proved theirs in this run."""
        return min((1 + sum(item in one.items for one in self._replicas) for item in items), default=0)

    def record_damage(
        self, item: ItemId | None, store: str, parts: Sequence[tuple[Shelf, str]], error: IntegrityError
    ) -> None:
        """`item.damaged`: what was found damaged or missing, and where."""
        if not self._catalog.copies.is_destroyed(item or ""):
            self.act(EventKind.ITEM_DAMAGED, item, _parts(store, parts) | {"error": error.name}, {})

    def record_repair(
        self, item: ItemId | None, store: str, parts: Sequence[tuple[Shelf, str]], *, source: str
    ) -> None:
        """`item.repaired`: the same files, whole again, from `source`."""
        if not self._catalog.copies.is_destroyed(item or ""):
            self.act(EventKind.ITEM_REPAIRED, item, _parts(store, parts) | {"from": source}, {})

    def copy_log_to(self, files: Files, where: str) -> None:
        """Publish, then copy the log and its wrapped key; raises as `verify_continues`."""
        self.verify_continues(files, where)
        copy_log(self._disk, files)

    def verify_continues(self, files: Files, where: str) -> None:
        """Publish, then raise `CheckpointRolledBack` or `LogForked` when a newer or another log of ours lies there."""
        self.publish()
        data = files.read(f"log/{CHECKPOINT}")
        if data is not None:
            there, published = parse_checkpoint(data)[0], self.published()
            if there.size > published:
                what = f"{where} holds a log of {there.size} entries, this vault has {published}"
                raise CheckpointRolledBack(what, "this vault was put back: docs/administrator.md, 'After a restore'")
            if root_at(there.size, TileTree(LogShelf(self._disk), published).node) != there.root:
                raise LogForked(f"{where} holds another history of this log", "bwc verify")

    def _body_files_of(self, item: ItemId) -> list[str]:
        """The files of the private bodies of an item's events."""
        commits = [parse_entry(row.entry).body_commit for row in self._catalog.rows_of_item(item)]
        files = [self._catalog.body_file(commit) for commit in commits if commit is not None]
        return [file for file in files if file is not None]


class _Run:
    """One store, brought up to date."""

    def __init__(
        self,
        house: Replicating,
        store: Store,
        replica: Replica,
        *,
        again: bool,
        repair: bool,
        progress: Progress | None,
    ) -> None:
        self._house = house
        self._store = store
        self._replica = replica
        self._again = again
        self._repair = repair
        self._progress = progress
        self._made: dict[ItemId, dict[str, Json]] = defaultdict(dict)
        self._done = self._total = 0

    def run(self, items: Collection[ItemId] | None, *, clear: bool) -> None:
        catalog = self._house._catalog
        self._house.verify_continues(self._store.files, self._store.place.text)
        lacking = catalog.copies.pending(self._store.store_id, items)
        wanted = set(items) if items is not None else {row.item_id for row in self._house.items()}
        held = [] if not self._again else [one for item in sorted(wanted) for one in catalog.documents(item)]
        names = {one.object_id for one in lacking}
        held = [one for one in held if one.object_id not in names]
        self._total = sum(one.sealed.sealed_bytes for one in (*lacking, *held))
        broken: set[ItemId | None] = set()
        try:
            for one in held:
                if not self._attempt(one, self._prove):
                    broken.add(one.item_id)
            for one in lacking:
                if not self._attempt(one, self._copy):
                    broken.add(one.item_id)
                if sum(map(len, self._made.values())) >= _TOGETHER:
                    self._record()
            self._bodies(items)
            self._record()
            if clear:
                self._clear()
            self._house.copy_log_to(self._store.files, self._store.place.text)  # 5
            self._house._lock_there(self._store, self._replica, items)  # 6
        finally:
            self._record()
            pending = catalog.copies.pending(self._store.store_id, items)
            self._replica.pending = len(pending)
        self._replica.items = wanted - broken - {one.item_id for one in pending}

    # --- 2 ---

    def _attempt(self, one: DocumentRow, act: Callable[[DocumentRow], None]) -> bool:
        before = self._done
        try:
            act(one)
        except IntegrityError as error:
            if self._house._catalog.copies.is_destroyed(one.item_id or ""):
                return True  # destroyed by order while we copied
            self._replica.damaged.append(error)
            return False
        finally:
            self._done = before
            self._advance(one.sealed.sealed_bytes)
        return True

    def _copy(self, one: DocumentRow) -> None:
        assert one.item_id is not None
        try:
            self._copy_as_named_now(one)
        except IntegrityError as error:
            self._mend(one, error, missing=False)

    def _copy_as_named_now(self, one: DocumentRow) -> None:
        assert one.item_id is not None
        source, target = self._house._vault.store, self._store.shelves

        def copied(sealed: object) -> str:
            row = self._house._catalog.object(one.object_id).sealed
            copy_object(source, target, row, progress=self._advance)
            return row.envelope_sha256

        self._made[one.item_id][one.object_id] = self._house._as_named_now(one.object_id, copied)
        self._replica.copied += 1
        self._replica.copied_bytes += one.sealed.sealed_bytes

    def _prove(self, one: DocumentRow) -> None:
        try:
            self._house._as_named_now(
                one.object_id, lambda sealed: prove_copy(self._store.shelves, sealed, progress=self._advance)
            )
            self._replica.proven += 1
        except IntegrityError as error:
            self._mend(one, error, missing=True)

    def _mend(self, one: DocumentRow, error: IntegrityError, *, missing: bool) -> None:
        """Record which files are wrong (or `missing`) there; to repair, move them aside and copy anew. Else raises."""
        sealed = self._house._catalog.object(one.object_id).sealed
        wrong = wrong_files(self._house._vault.store, self._store.shelves, sealed)
        parts = [(shelf, name) for shelf, name, is_there in wrong if is_there or missing]
        if not parts:
            raise error  # what lies in the vault is wrong: `bwc verify` names it
        self._house.record_damage(one.item_id, self._store.store_id, parts, error)
        if not self._repair:
            raise error
        for shelf, name in parts:
            self._store.shelves.isolate(shelf, name)
        self._copy_as_named_now(one)
        self._house.record_repair(one.item_id, self._store.store_id, parts, source=VAULT)

    # --- 3 ---

    def _record(self) -> None:
        """`item.copied`, one for each item, in one transaction; not of what was destroyed meanwhile."""
        made, self._made = self._made, defaultdict(dict)
        drafts = [
            EventDraft(kind=EventKind.ITEM_COPIED, item=item, facts={"copied": copied, "store": self._store.store_id})
            for item, copied in made.items()
        ]
        while drafts:
            drafts = [one for one in drafts if not self._house._catalog.copies.is_destroyed(one.item or "")]
            with suppress(Disposed):  # one was destroyed just now: the others are recorded
                self._house.act_together(EventKind.ITEM_COPIED, drafts)
                return

    # --- 4 ---

    def _bodies(self, items: Collection[ItemId] | None) -> None:
        source, target = self._house._vault.store, self._store.shelves
        if items is not None:
            wanted = {file for item in items for file in self._house._body_files_of(item)}
        else:
            wanted = self._house._catalog.body_ids() - set(target.names(Shelf.BODIES))
        for file in sorted(wanted):
            try:
                copy_body(source, target, file)
            except IntegrityError as error:
                if file in self._house._catalog.body_ids():
                    self._replica.damaged.append(error)

    def _clear(self) -> None:
        """Destroy in the store what was replaced or destroyed here; what a lock keeps is counted."""
        gone: list[str] = []
        locked: list[str] = []
        counts: dict[str, int] = {}
        ends: list[datetime] = []
        stale = self._held_once()
        for shelf, names in self._house.names_to_clear().items():
            there = names.intersection(self._store.shelves.names(shelf)) if names else set()
            counts[shelf.value] = 0
            for name in sorted(there):
                try:
                    is_gone = self._store.shelves.destroy(shelf, name)
                except HoldInForce:
                    is_gone = False
                if not is_gone:
                    is_gone, end = clear_held(self._store, shelf, name, is_ours=name in stale)
                    ends += [end] if end else []
                counts[shelf.value] += is_gone
                if shelf is Shelf.OBJECTS:
                    (gone if is_gone else locked).append(name)
        self._replica.cleared, self._replica.locked = sum(counts.values()), len(locked)
        self._replica.locked_until = max(ends, default=None)
        until: dict[str, Json] = {"locked_until": utc_text(max(ends))} if ends else {}
        for start in range(0, len(gone) or bool(sum(counts.values())), _CLEARED_AT_ONCE):
            facts: dict[str, Json] = {
                "bodies": counts["bodies"],
                "envelopes": counts["envelopes"],
                "locked": len(locked),
                "objects": list(gone[start : start + _CLEARED_AT_ONCE]),
                "store": self._store.store_id,
                **until,
            }
            self._house.act(EventKind.STORE_CLEARED, None, facts, {})

    def _held_once(self) -> set[str]:
        """Destroyed objects that may lie under a hold of the log, lifted while the store was away."""
        catalog = self._house._catalog
        rows = catalog.retention.hold_rows()
        items, by_case = {row.item for row in rows}, any(row.scope == "case" for row in rows)
        return {name for name, item in catalog.copies.destroyed_items().items() if by_case or item in items}

    def _advance(self, count: int) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, self._total)


def _parts(store: str, parts: Sequence[tuple[Shelf, str]]) -> dict[str, Json]:
    return {"parts": [f"{shelf.value}/{name}" for shelf, name in parts], "store": store}
