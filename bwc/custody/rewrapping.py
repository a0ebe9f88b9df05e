"""Giving what is held its new readers: every envelope and private body made again for them, footage never touched.

The new ones are written, then recorded, then published; only then are the old ones erased. If we die before,
some are left that nothing names or nothing names any more: the latter are erased by the next rewrap, the former by one
that comes a day later, when no process can be about to name them.

Others go on meanwhile. So what was made is recorded only if, inside the transaction, the readers are still those it was
made for and the log still names what it was made from. What was overtaken is erased, and looked at again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from bwc.canonical import Json
from bwc.custody.acting import Acting
from bwc.errors import IntegrityError, NotFound, StorageError
from bwc.evidence import EventDraft, EventKind, ItemId, KeyId, SealedObject
from bwc.identities import Recipient, Unwrapper
from bwc.roles import BODY_READERS, footage_readers, may
from bwc.storage.body import parse_body
from bwc.storage.envelope import parse_envelope
from bwc.storage.renewing import Renewed, Renewer, Spread, spread
from bwc.storage.rows import ItemFilter
from bwc.storage.store import Shelf

_BODIES_TOGETHER = 300  # an entry has at most 65,535 bytes, each of these takes 136
_LEFT_S = 86_400.0
_TOGETHER = 1000  # items recorded in one transaction: half a second that other writers wait
_T = TypeVar("_T")


class Rewrapping(Acting):
    """Envelopes and private bodies that name exactly today's readers."""

    rewrap_progress: Callable[[int, int | None], None] | None = None  # told of things done, of so many
    destroyed_meanwhile: frozenset[ItemId] = frozenset()  # what the last rewrap therefore left alone

    def rewrap(self, opener: Unwrapper | None = None) -> int:
        """`item.rewrapped` for what does not name exactly today's readers. How many envelopes.

        It is opened by `opener` (a recovery key, a key that gives way to another) or, without one, by this operator;
        what that does not open stays as it is. 0 also when this operator's role permits no rewrapping.
        Raises `IntegrityError` for something damaged once all that is sound was done.
        """
        if not may(self.roles(), EventKind.ITEM_REWRAPPED):
            return 0
        count, overtaken, gone = 0, True, set[ItemId]()
        while overtaken:  # each time because another process got further
            one = _Pass(self, opener or self.person)
            one.run()
            count, overtaken = count + one.count, one.overtaken
            gone |= one.gone
        self.destroyed_meanwhile = frozenset(gone)
        self._erase_replaced()
        if one.damaged:
            details: list[dict[str, object]] = [{"error": each.name, "message": each.message} for each in one.damaged]
            raise type(one.damaged[0])(one.damaged[0].message, "bwc verify --repair-from STORE", details=details)
        return count

    def _objects_to_rewrap(self, opener: Unwrapper) -> list[tuple[ItemId, SealedObject]]:
        if opener is self.person and self.person.recipient_id not in _ids(self._footage_readers()):
            return []
        items = [row.item_id for row in self.items() if self.tombstone(row.item_id) is None]
        return [(item, one) for item in items for one in self.objects(item)]

    def _footage_readers(self) -> list[Recipient]:
        return self._readers(footage_readers(self.policy))

    def _body_readers_of(self) -> tuple[list[Recipient], dict[str, list[Recipient]]]:
        """Who reads private bodies today; and those of each actor, who stays one of them under the key they have now."""
        readers = self._readers(BODY_READERS)
        now = {self.person_of(row.key_id): row.recipient for row in self.operators() if row.is_active}
        actors = {row.key_id: now.get(self.person_of(row.key_id)) for row in self.operators()}
        return readers, {
            key: list({one.recipient_id: one for one in [*readers, *([actor] if actor else [])]}.values())
            for key, actor in actors.items()
        }

    def former_readers(self, most: int) -> dict[str, int]:
        """Recipients who read footage no more, and how many envelopes of the newest `most` items name them still."""
        today, found = _ids(self._footage_readers()), Counter[str]()
        for row in self.items(ItemFilter(limit=most)):
            for one in self.objects(row.item_id):
                with suppress(IntegrityError, NotFound):  # verification names it
                    found.update(set(parse_envelope(self._vault.envelope_bytes(one)).recipients) - today)
        return dict(found)

    def _erase_replaced(self) -> None:
        """Erase the envelopes and bodies that nothing has any more."""
        store = self._vault.store
        envelopes = [one for one in self._catalog.replaced_envelopes() if self._vault.has_envelope(one)]
        bodies = [one for one in self._catalog.replaced_bodies() if store.size(Shelf.BODIES, one) is not None]
        if envelopes or bodies:
            told = self.told()
            envelopes = [one for one in told.replaced_envelopes() if self._vault.has_envelope(one)]
            bodies = [one for one in told.replaced_bodies() if store.size(Shelf.BODIES, one) is not None]
            self.publish()  # a verifier reads what is published, and must find what that names
            store.erase_together(Shelf.ENVELOPES, envelopes)
            store.erase_together(Shelf.BODIES, bodies)
        self._erase_left()

    def _erase_left(self) -> None:
        """Erase what a rewrap wrote and died before naming: others of what is named, so nothing needs them.

        They may be wrapped to readers who were revoked since. What belongs to nothing named, or cannot be read, stays
        for verification to name.
        """
        store, catalog = self._vault.store, self._catalog
        known = {
            Shelf.ENVELOPES: catalog.envelope_ids().union(catalog.replaced_envelopes()),
            Shelf.BODIES: catalog.body_ids().union(catalog.replaced_bodies()),
        }
        for shelf, named in known.items():
            left = [name for name in set(store.names(shelf)) - named if self._is_left(shelf, name)]
            if left:
                told = self.told()
                of_log = told.envelope_ids() if shelf is Shelf.ENVELOPES else told.body_ids()
                store.erase_together(shelf, [name for name in left if name not in of_log])

    def _is_left(self, shelf: Shelf, name: str) -> bool:
        """Whether this unnamed file is old, and another of an object or a private body that has the one that is named."""
        store = self._vault.store
        with suppress(IntegrityError, NotFound, StorageError):
            data = store.get(shelf, name) or b""
            if store.age_s(shelf, name) < _LEFT_S:
                return False
            if shelf is Shelf.BODIES:
                now = self._catalog.body_file(parse_body(data).commit)
            else:
                now = self._catalog.object(parse_envelope(data).object_id).sealed.envelope_sha256
            return now is not None and now != name and store.size(shelf, now) is not None
        return False


class _OvertakenError(Exception):
    """Another process changed what `these` were made from, or who reads them."""

    def __init__(self, these: Iterable[str]) -> None:
        super().__init__()
        self.these = frozenset(these)


@dataclass(slots=True)
class _Pass:
    """One look at all that is held."""

    house: Rewrapping
    opener: Unwrapper
    count: int = 0
    overtaken: bool = False
    gone: set[ItemId] = field(default_factory=set)
    damaged: list[IntegrityError] = field(default_factory=list)
    _done: int = 0
    _total: int = 0

    def run(self) -> None:
        house = self.house
        bodies = house._catalog.bodies()
        objects = house._objects_to_rewrap(self.opener)
        self._total = len(objects) + len(bodies)
        with spread(Renewer(vault=house._vault, opener=self.opener), self._total) as helpers:
            self._objects(objects, helpers)
            house.publish()  # bodies of events that are not published yet are not on their shelf
            self._bodies(bodies, helpers)

    def _tell(self, count: int) -> None:
        self._done += count
        if self.house.rewrap_progress:
            self.house.rewrap_progress(self._done, self._total)

    # --- envelopes ---

    def _objects(self, objects: Sequence[tuple[ItemId, SealedObject]], helpers: Spread) -> None:
        """One event an item, many in one transaction, once their envelopes are durable."""
        readers = self.house._footage_readers()
        item_of = {sealed.object_id: item for item, sealed in objects}
        made: dict[ItemId, dict[str, _Made]] = {}
        last = None
        for batch in helpers.over(partial(Renewer.envelopes, readers=readers), [sealed for _, sealed in objects]):
            for old, found in batch:
                item = item_of[old.object_id]
                if item != last and len(made) >= _TOGETHER:  # all of an item is in one event
                    self._record_objects(made, readers)
                    made = {}
                last = item
                if (new := self._sound(item, old, found)) is not None:
                    made.setdefault(item, {})[old.object_id] = _Made(old.envelope_sha256, new)
            self._tell(len(batch))
        self._record_objects(made, readers)

    def _sound(self, item: ItemId, old: SealedObject, found: Renewed) -> SealedObject | None:
        """What was `found`, unless it is an error: another process was faster, or it is damaged."""
        if not isinstance(found, IntegrityError):
            return found
        if self.house.tombstone(item) is not None:
            self.gone.add(item)
        elif self.house._catalog.object(old.object_id).sealed != old:
            self.overtaken = True
        else:
            self.damaged.append(found)
        return None

    def _record_objects(self, made: dict[ItemId, dict[str, "_Made"]], readers: Sequence[Recipient]) -> None:
        """Record what was made, but for what was overtaken."""
        while made:
            drafts = [_rewrapped(item, [one.new for one in objects.values()]) for item, objects in made.items()]
            try:
                self.house.act_together(
                    EventKind.ITEM_REWRAPPED, drafts, first=partial(self._verify_objects, made, readers)
                )
            except _OvertakenError as late:
                stale = [one.new for objects in made.values() for key, one in objects.items() if key in late.these]
                self.house._vault.store.erase_together(Shelf.ENVELOPES, [one.envelope_sha256 for one in stale])
                left = {item: _without(objects, late.these) for item, objects in made.items()}
                made = {item: objects for item, objects in left.items() if objects}
            else:
                self.count += sum(map(len, made.values()))
                return

    def _verify_objects(self, made: Mapping[ItemId, Mapping[str, "_Made"]], readers: Sequence[Recipient]) -> None:
        """In the transaction: raise `_OvertakenError` unless all of it is still so."""
        if _ids(self.house._footage_readers()) != _ids(readers):
            self.overtaken = True
            raise _OvertakenError(key for objects in made.values() for key in objects)
        gone = {item for item in made if self.house.tombstone(item) is not None}
        self.gone |= gone
        late = {
            key
            for item, objects in made.items()
            for key, one in objects.items()
            if item not in gone and (self._is_overtaken(key, one) or not self._is_there(one))
        }
        self.overtaken |= bool(late)
        if gone or late:
            raise _OvertakenError(late.union(*(made[item] for item in gone)))

    def _is_overtaken(self, key: str, one: "_Made") -> bool:
        return self.house._catalog.object(key).sealed.envelope_sha256 != one.old_envelope

    def _is_there(self, one: "_Made") -> bool:
        """A process that slept for a day may wake to find that its envelopes were taken for left ones."""
        return self.house._vault.has_envelope(one.new.envelope_sha256)

    # --- private bodies ---

    def _bodies(self, bodies: Sequence[tuple[str, str, str]], helpers: Spread) -> None:
        wanted = self.house._body_readers_of()
        readers, of_actor = wanted
        commits = {file: commit for commit, file, _ in bodies}
        written: dict[str, tuple[str, str]] = {}
        tasks = [(file, of_actor.get(KeyId(actor), readers)) for _, file, actor in bodies]
        for batch in helpers.over(Renewer.bodies, tasks):
            if len(written) + len(batch) > _BODIES_TOGETHER:
                self._record_bodies(written, wanted)
                written = {}
            for (file, _), new in batch:
                if isinstance(new, IntegrityError):
                    self._bad_body(commits[file], file, new)
                elif new is not None:
                    written[commits[file]] = file, new
            self._tell(len(batch))
        self._record_bodies(written, wanted)

    def _bad_body(self, commit: str, file: str, error: IntegrityError) -> None:
        if self.house._catalog.body_file(commit) == file:
            self.damaged.append(error)
        else:
            self.overtaken = True

    def _record_bodies(
        self, written: dict[str, tuple[str, str]], wanted: tuple[list[Recipient], dict[str, list[Recipient]]]
    ) -> None:
        while written:
            facts: dict[str, Json] = {"bodies": {commit: new for commit, (_, new) in written.items()}, "envelopes": 0}
            draft = EventDraft(kind=EventKind.ITEM_REWRAPPED, item=None, facts=facts, private={})
            try:
                self.house.act_together(
                    EventKind.ITEM_REWRAPPED, [draft], first=partial(self._verify_bodies, written, wanted)
                )
            except _OvertakenError as late:
                self.overtaken = True
                self.house._vault.store.erase_together(Shelf.BODIES, [written[one][1] for one in late.these])
                written = _without(written, late.these)
            else:
                return

    def _verify_bodies(
        self,
        written: Mapping[str, tuple[str, str]],
        wanted: tuple[list[Recipient], dict[str, list[Recipient]]],
    ) -> None:
        readers, of_actor = self.house._body_readers_of()
        if _ids(readers) != _ids(wanted[0]) or any(
            _ids(of_actor[key]) != _ids(those) for key, those in wanted[1].items()
        ):
            raise _OvertakenError(written)
        size = self.house._vault.store.size
        late = [
            commit
            for commit, (old, new) in written.items()
            if self.house._catalog.body_file(commit) != old or size(Shelf.BODIES, new) is None
        ]
        if late:
            raise _OvertakenError(late)


@dataclass(frozen=True, slots=True)
class _Made:
    """An object as it is to be named, and the envelope that its new one was made from."""

    old_envelope: str
    new: SealedObject


def _rewrapped(item: ItemId, objects: Sequence[SealedObject]) -> EventDraft:
    facts: dict[str, Json] = {"envelopes": len(objects)}
    return EventDraft(kind=EventKind.ITEM_REWRAPPED, item=item, facts=facts, objects=tuple(objects))


def _without(those: Mapping[str, _T], these: frozenset[str]) -> dict[str, _T]:
    return {key: one for key, one in those.items() if key not in these}


def _ids(readers: Iterable[Recipient]) -> set[str]:
    return {one.recipient_id for one in readers}
