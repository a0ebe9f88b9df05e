"""Giving what is held its new readers: every envelope wrapped anew, footage never touched.

The new envelopes are written, then recorded, then published; only then are the old ones erased. If we die before,
envelopes are left that nothing names or nothing names any more: the latter are erased by the next rewrap.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from bwc.canonical import Json
from bwc.custody.acting import Acting
from bwc.errors import IntegrityError
from bwc.evidence import EventDraft, EventKind, ItemId, SealedObject
from bwc.keys import Recipient, Unwrapper
from bwc.roles import FOOTAGE_READERS

_TOGETHER = 500  # items recorded in one transaction: 3 s of work that other writers wait for at most
# A sync waits for the device, not for us: 32 at once reach 1,500 /s on a busy disk, one by one 160 (2026-11)
_AT_ONCE = 32


class Rewrapping(Acting):
    """Envelopes that name exactly today's readers."""

    def rewrap(self, recovery: Unwrapper | None = None) -> int:
        """`item.rewrapped` for every item whose envelopes do not name exactly today's readers. How many envelopes.

        They are opened by the `recovery` key or, without one, this operator; 0 when neither can.
        """
        readers = self._readers(FOOTAGE_READERS)
        opener = recovery or self.person
        if opener.recipient_id not in {one.recipient_id for one in readers}:
            return 0
        count = 0
        items = [row.item_id for row in self.items()]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for start in range(0, len(items), _TOGETHER):
                count += self._rewrap_some(items[start : start + _TOGETHER], readers, opener, pool)
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
        except IntegrityError:  # another process may have rewrapped it meanwhile
            return self._as_named_now(one.object_id, lambda sealed: self._vault.rewrapped(sealed, readers, opener))

    def _erase_replaced(self, pool: Executor) -> None:
        """Erase the envelopes that no object has any more."""
        replaced = [one for one in self._catalog.replaced_envelopes() if self._vault.has_envelope(one)]
        if replaced:
            self.publish()  # a verifier reads what is published, and must find what that names
        for _ in pool.map(self._vault.erase_envelope, replaced):
            pass
