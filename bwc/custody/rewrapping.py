"""Giving what is held its new readers: every envelope and private body made again for them, footage never touched.

The new ones are written, then recorded, then published; only then are the old ones erased. If we die before,
some are left that nothing names or nothing names any more: the latter are erased by the next rewrap.
"""

from collections.abc import Callable, Sequence
from functools import partial

from bwc.canonical import Json
from bwc.custody.acting import Acting
from bwc.errors import IntegrityError, KeyUnavailable
from bwc.evidence import EventDraft, EventKind, ItemId, KeyId, SealedObject
from bwc.keys import Recipient, Unwrapper
from bwc.roles import BODY_READERS, footage_readers, may
from bwc.storage.renewing import Renewed, Renewer, Spread, spread
from bwc.storage.store import Shelf

_BODIES_TOGETHER = 300  # an entry has at most 65,535 bytes, each of these takes 136
_TOGETHER = 1000  # items recorded in one transaction: half a second that other writers wait


class Rewrapping(Acting):
    """Envelopes and private bodies that name exactly today's readers."""

    rewrap_progress: Callable[[int, int | None], None] | None = None  # told of things done, of so many

    def rewrap(self, opener: Unwrapper | None = None) -> int:
        """`item.rewrapped` for what does not name exactly today's readers. How many envelopes.

        It is opened by `opener` (a recovery key, a key that gives way to another) or, without one, by this operator;
        what that does not open stays as it is. 0 also when this operator's role permits no rewrapping.
        """
        if not may(self.roles(), EventKind.ITEM_REWRAPPED):
            return 0
        opener = opener or self.person
        bodies = self._catalog.bodies()
        objects = self._objects_to_rewrap(opener)
        done, total = 0, len(objects) + len(bodies)

        def tell(count: int) -> None:
            nonlocal done
            done += count
            if self.rewrap_progress:
                self.rewrap_progress(done, total)

        with spread(Renewer(vault=self._vault, opener=opener), total) as helpers:
            count = self._rewrap_objects(objects, helpers, opener, tell)
            self.publish()  # bodies of events that are not published yet are not on their shelf
            self._rewrap_bodies(bodies, helpers, tell)
        self._erase_replaced()
        return count

    def _objects_to_rewrap(self, opener: Unwrapper) -> list[tuple[ItemId, SealedObject]]:
        readers = {one.recipient_id for one in self._readers(footage_readers(self.policy))}
        if opener is self.person and self.person.recipient_id not in readers:
            return []
        items = [row.item_id for row in self.items() if self.tombstone(row.item_id) is None]
        return [(item, one) for item in items for one in self.objects(item)]

    def _rewrap_objects(
        self,
        objects: Sequence[tuple[ItemId, SealedObject]],
        helpers: Spread,
        opener: Unwrapper,
        tell: Callable[[int], None],
    ) -> int:
        """One event an item, many in one transaction, once their envelopes are durable. How many envelopes."""
        readers = self._readers(footage_readers(self.policy))
        work = partial(Renewer.envelopes, readers=readers)
        item_of = {sealed.object_id: item for item, sealed in objects}
        waiting: dict[ItemId, list[SealedObject]] = {}
        count, last = 0, None
        for batch in helpers.over(work, [sealed for _, sealed in objects]):
            for old, found in batch:
                item = item_of[old.object_id]
                if item != last and len(waiting) >= _TOGETHER:  # all of an item is in one event
                    count += self._record_rewrapped(waiting)
                    waiting = {}
                last = item
                if (new := self._looked_at_again(old, found, readers, opener)) is not None:
                    waiting.setdefault(item, []).append(new)
            tell(len(batch))
        return count + self._record_rewrapped(waiting)

    def _record_rewrapped(self, waiting: dict[ItemId, list[SealedObject]]) -> int:
        drafts = []
        for item, objects in waiting.items():
            facts: dict[str, Json] = {"envelopes": len(objects)}
            drafts.append(EventDraft(kind=EventKind.ITEM_REWRAPPED, item=item, facts=facts, objects=tuple(objects)))
        if drafts:
            self.act_together(EventKind.ITEM_REWRAPPED, drafts)
        return sum(len(objects) for objects in waiting.values())

    def _looked_at_again(
        self, old: SealedObject, found: Renewed, readers: Sequence[Recipient], opener: Unwrapper
    ) -> SealedObject | None:
        """What was `found`, or what is so now if another process rewrapped it meanwhile."""
        if not isinstance(found, IntegrityError):
            return found
        try:
            return self._as_named_now(old.object_id, lambda sealed: self._vault.rewrap(sealed, readers, opener))
        except KeyUnavailable:
            return None

    def _rewrap_bodies(
        self, bodies: Sequence[tuple[str, str, str]], helpers: Spread, tell: Callable[[int], None]
    ) -> None:
        """Private bodies get today's readers, and whoever acted stays one of them, under the key they have now."""
        readers = self._readers(BODY_READERS)
        now = {self.person_of(row.key_id): row.recipient for row in self.operators() if row.is_active}
        actors = {row.key_id: now.get(self.person_of(row.key_id)) for row in self.operators()}
        wanted = {
            key: list({one.recipient_id: one for one in [*readers, *([actor] if actor else [])]}.values())
            for key, actor in actors.items()
        }
        commits = {file: commit for commit, file, _ in bodies}
        written: dict[str, str] = {}
        for batch in helpers.over(
            Renewer.bodies, [(file, wanted.get(KeyId(actor), readers)) for _, file, actor in bodies]
        ):
            if len(written) + len(batch) > _BODIES_TOGETHER:
                self._record_resealed(written)
                written = {}
            written |= {commits[file]: new for (file, _), new in batch if new is not None}
            tell(len(batch))
        self._record_resealed(written)

    def _record_resealed(self, written: dict[str, str]) -> None:
        if written:
            self.act(EventKind.ITEM_REWRAPPED, None, {"bodies": written, "envelopes": 0}, {})

    def _erase_replaced(self) -> None:
        """Erase the envelopes and bodies that nothing has any more."""
        store = self._vault.store
        envelopes = [one for one in self._catalog.replaced_envelopes() if self._vault.has_envelope(one)]
        bodies = [one for one in self._catalog.replaced_bodies() if store.size(Shelf.BODIES, one) is not None]
        if envelopes or bodies:
            self.publish()  # a verifier reads what is published, and must find what that names
            store.erase_together(Shelf.ENVELOPES, envelopes)
            store.erase_together(Shelf.BODIES, bodies)
