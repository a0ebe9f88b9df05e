"""Giving what is held its new readers: every envelope wrapped anew, footage never touched.

The new envelopes are written, then recorded, then published; only then are the old ones erased. If we die before,
envelopes are left that nothing names or nothing names any more: the latter are erased by the next rewrap.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from bwc.audit.event import parse_entry
from bwc.canonical import Json
from bwc.custody.acting import Acting
from bwc.errors import IntegrityError, KeyUnavailable
from bwc.evidence import EventDraft, EventKind, ItemId, KeyId, SealedObject
from bwc.keys import Recipient, Unwrapper
from bwc.roles import BODY_READERS, footage_readers, may
from bwc.storage.body import reseal_body
from bwc.storage.store import Shelf

_BODIES_TOGETHER = 300  # an entry has at most 65,535 bytes, each of these takes 136
_TOGETHER = 500  # items recorded in one transaction: 3 s of work that other writers wait for at most
# A sync waits for the device, not for us: 32 at once reach 1,500 /s on a busy disk, one by one 160 (2026-11)
_AT_ONCE = 32


class Rewrapping(Acting):
    """Envelopes and private bodies that name exactly today's readers."""

    def rewrap(self, opener: Unwrapper | None = None) -> int:
        """`item.rewrapped` for what does not name exactly today's readers. How many envelopes.

        It is opened by `opener` (a recovery key, a key that gives way to another) or, without one, by this operator;
        what that does not open stays as it is. 0 also when this operator's role permits no rewrapping.
        """
        if not may(self.roles(), EventKind.ITEM_REWRAPPED):
            return 0
        readers = self._readers(footage_readers(self.policy))
        reads = opener is not None or self.person.recipient_id in {one.recipient_id for one in readers}
        count = 0
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            items = [row.item_id for row in self.items() if reads and self.tombstone(row.item_id) is None]
            for start in range(0, len(items), _TOGETHER):
                count += self._rewrap_some(items[start : start + _TOGETHER], readers, opener or self.person, pool)
            self._rewrap_bodies(opener or self.person, pool)
            self._erase_replaced(pool)
        return count

    def _rewrap_some(
        self, items: Sequence[ItemId], readers: Sequence[Recipient], opener: Unwrapper, pool: Executor
    ) -> int:
        """One event an item, all in one transaction, once their envelopes are durable. How many envelopes."""
        drafts, envelopes = [], []
        for item in items:
            found = [self._rewrapped(one, readers, opener) for one in self.objects(item)]
            changed = [one for one in found if one is not None]
            if changed:
                facts: dict[str, Json] = {"envelopes": len(changed)}
                objects = tuple(sealed for sealed, _ in changed)
                drafts.append(EventDraft(kind=EventKind.ITEM_REWRAPPED, item=item, facts=facts, objects=objects))
            envelopes += [data for _, data in changed]
        for _ in pool.map(self._vault.put_envelope, envelopes):
            pass  # the first that fails is raised here; none is recorded then
        self.act_together(EventKind.ITEM_REWRAPPED, drafts)
        return len(envelopes)

    def _rewrapped(
        self, one: SealedObject, readers: Sequence[Recipient], opener: Unwrapper
    ) -> tuple[SealedObject, bytes] | None:
        try:
            return self._vault.rewrapped(one, readers, opener)
        except KeyUnavailable:
            return None
        except IntegrityError:  # another process may have rewrapped it meanwhile
            return self._as_named_now(one.object_id, lambda sealed: self._vault.rewrapped(sealed, readers, opener))

    def _rewrap_bodies(self, opener: Unwrapper, pool: Executor) -> None:
        """Private bodies get today's readers, and whoever acted stays one of them, under the key they have now."""
        self.publish()  # bodies of events that are not published yet are not on their shelf
        readers = self._readers(BODY_READERS)
        now = {self.person_of(row.key_id): row.recipient for row in self.operators() if row.is_active}
        of = {row.key_id: now.get(self.person_of(row.key_id)) for row in self.operators()}
        known = self._catalog.bodies()
        for start in range(0, len(known), _BODIES_TOGETHER):
            files: dict[str, bytes] = {}
            for commit, file, seq in known[start : start + _BODIES_TOGETHER]:
                actor = of.get(KeyId(parse_entry(self.entry(seq)).actor))
                wanted = {one.recipient_id: one for one in [*readers, *([actor] if actor else [])]}
                held = self._vault.store.get(Shelf.BODIES, file)  # None: erased
                data = None if held is None else reseal_body(held, opener, list(wanted.values()))
                if data is not None:
                    files[commit] = data
            if files:
                written = dict(zip(files, pool.map(self._vault.put_body, files.values()), strict=True))
                self.act(EventKind.ITEM_REWRAPPED, None, {"bodies": written, "envelopes": 0}, {})

    def _erase_replaced(self, pool: Executor) -> None:
        """Erase the envelopes and bodies that nothing has any more."""
        envelopes = [one for one in self._catalog.replaced_envelopes() if self._vault.has_envelope(one)]
        bodies = [one for one in self._catalog.replaced_bodies() if self._vault.store.size(Shelf.BODIES, one)]
        if envelopes or bodies:
            self.publish()  # a verifier reads what is published, and must find what that names
        for _ in pool.map(self._vault.erase_envelope, envelopes):
            pass
        for _ in pool.map(self._vault.erase_body, bodies):
            pass
