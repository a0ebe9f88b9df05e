"""The one door: role → vault → event and catalog in one transaction → tiles and checkpoint. Acts only.

Every act on evidence passes here. The order of a change (docs/architecture.md) is kept in `act` and `publish`:
objects are durable and proven before their event, the event is durable before the person is told.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import BinaryIO

from bwc.audit.event import Entry
from bwc.canonical import Json
from bwc.custody.reading import LOG_KEY
from bwc.custody.receiving import Receiving
from bwc.enrolment import OperatorPublic, open_log_key, wrap_log_key
from bwc.errors import BwcError, NotFound, UsageError
from bwc.evidence import (
    EventKind,
    ItemId,
    KeyId,
    ObjectId,
    ObjectRole,
    new_item_id,
)
from bwc.keys import Unwrapper
from bwc.roles import FOOTAGE_READERS, Policy, Role
from bwc.storage.scratch import Scratch
from bwc.storage.vault import Held, Sink

_TRIES = 20  # item ids carry 30 random bits a day: a clash is rare, twenty in a row is a broken random source


class House(Receiving):
    """Every act on evidence, one method per event kind; every computation belongs to a room or a service."""

    # --- acts: intake -----------------------------------------------------------------------------------

    def new_item(self) -> ItemId:
        """A fresh item id that the catalog does not know."""
        for _ in range(_TRIES):
            made = new_item_id(datetime.now(UTC))
            if not self._catalog.has_item(made):
                return made
        raise BwcError("no fresh item id could be made", "bwc doctor")

    def seal(self, source: BinaryIO, *, item: ItemId, role: ObjectRole, segment: int) -> Held:
        """Step 1: seal `source` and prove it. Nothing is recorded yet; nothing is left if it fails."""
        return self._vault.seal(
            source,
            item=item,
            role=role,
            segment=segment,
            signer=self.person,
            recipients=self._readers(FOOTAGE_READERS),
            now=datetime.now(UTC),
        )

    # --- acts: opening and redaction --------------------------------------------------------------------

    def record_opening(self, item: ItemId, segment: int, *, purpose: str, reason: str = "", to: str = "") -> None:
        """`item.opened`: recorded before the first byte is read."""
        self.act(EventKind.ITEM_OPENED, item, {"purpose": purpose, "segment": segment}, {"reason": reason, "to": to})

    @contextmanager
    def open_original(
        self, item: ItemId, segment: int, *, purpose: str, reason: str = "", to: str = ""
    ) -> Iterator[BinaryIO]:
        """The plaintext of one segment, seekable, in memory only; its opening is an event, and so is a failure."""
        with self.open_kept(
            item, segment, self.segment(item, segment).object_id, purpose=purpose, reason=reason, to=to
        ) as source:
            yield source

    @contextmanager
    def open_kept(
        self, item: ItemId, segment: int, object_id: ObjectId, *, purpose: str, reason: str = "", to: str = ""
    ) -> Iterator[BinaryIO]:
        """The same for anything sealed of an item: an original, a sidecar, a redacted copy on its way out."""
        self.record_opening(item, segment, purpose=purpose, reason=reason, to=to)
        try:
            with self.open_object(object_id) as source:
                yield source
        except BwcError as error:
            self.record_failure(item, purpose, error)
            raise

    def save_plan(
        self, item: ItemId, segment: int, data: bytes, *, facts: Mapping[str, Json], sheet: bytes | None, detected: bool
    ) -> None:
        """`plan.saved`; after a fresh analysis `detection.run` before it, and its contact sheet with it."""
        held = [self._seal_bytes(data, item, ObjectRole.PLAN, segment)]
        if sheet is not None:
            held.append(self._seal_bytes(sheet, item, ObjectRole.SHEET, segment))
        if detected:
            self.act(EventKind.DETECTION_RUN, item, facts, {})
        self.act(EventKind.PLAN_SAVED, item, facts, {}, [one.sealed for one in held])

    def sink(self, item: ItemId, role: ObjectRole, segment: int) -> AbstractContextManager[Sink]:
        """Seal what is written, while it is written; `.held` after a clean end, nothing left after an error."""
        return self._vault.sink(
            item=item,
            role=role,
            segment=segment,
            signer=self.person,
            recipients=self._readers(FOOTAGE_READERS),
            now=datetime.now(UTC),
        )

    def scratch(self) -> Scratch:
        """A working file sealed under a throw-away key."""
        return self._vault.scratch()

    def record_copy(self, item: ItemId, held: Held, facts: Mapping[str, Json]) -> None:
        """`copy.rendered`."""
        self.act(EventKind.COPY_RENDERED, item, facts, {}, [held.sealed])

    def record_report(self, item: ItemId, segment: int, data: bytes, facts: Mapping[str, Json]) -> None:
        """`copy.checked`, with the report sealed."""
        held = self._seal_bytes(data, item, ObjectRole.REPORT, segment)
        self.act(EventKind.COPY_CHECKED, item, facts, {}, [held.sealed])

    def record_suspect(self, item: ItemId, facts: Mapping[str, Json], *, note: str) -> None:
        """`suspect.decided`: what a person said of a suspect of the check."""
        self.act(EventKind.SUSPECT_DECIDED, item, facts, {"note": note})

    def record_approval(self, item: ItemId, facts: Mapping[str, Json], *, note: str) -> int:
        """`copy.approved`: this operator signs the digests of plan, copy and report. The entry's place."""
        return self.act(EventKind.COPY_APPROVED, item, facts, {"note": note}).seq

    def record_release(self, item: ItemId, facts: Mapping[str, Json], private: Mapping[str, Json]) -> Entry:
        """`release.published`."""
        return self.act(EventKind.RELEASE_PUBLISHED, item, facts, private)

    # --- acts: keys and policy --------------------------------------------------------------------------

    def enrol(self, person: OperatorPublic, *, roles: Sequence[str], recovery: Unwrapper | None = None) -> int:
        """`key.enrolled`; the log key is wrapped to the newcomer, and envelopes when they may read footage.

        `recovery` opens the envelopes when no key of this operator does. How many envelopes were wrapped anew.
        """
        self._require(EventKind.KEY_ENROLLED)
        self.act(EventKind.KEY_ENROLLED, None, {"operator": person.facts(roles)}, {"name": person.name})
        self._rewrap_log_key()
        return self.rewrap(recovery) if FOOTAGE_READERS & {Role(role) for role in roles} else 0

    def revoke(self, who: str, *, note: str, recovery: Unwrapper | None = None) -> tuple[KeyId, int]:
        """`key.revoked`: what the key signed before stands; it is taken off the log key and every envelope.

        Envelopes are wrapped anew by whoever can open them: this operator, or the holder of the `recovery` key.
        """
        matches = [row for row in self.operators() if row.is_active and (row.name == who or row.key_id.startswith(who))]
        if len(matches) != 1:
            raise NotFound(f"{'no' if not matches else 'more than one'} enrolled key is {who}", "bwc key list")
        if matches[0].key_id == self.person.key_id:
            raise UsageError("you cannot revoke the key you are signing with", "another administrator does it")
        self.act(EventKind.KEY_REVOKED, None, {"key": matches[0].key_id}, {"note": note})
        self._rewrap_log_key()
        return KeyId(matches[0].key_id), self.rewrap(recovery)

    def rewrap(self, recovery: Unwrapper | None = None) -> int:
        """`item.rewrapped` for every item whose envelopes do not name exactly today's readers. How many envelopes.

        The new envelope is written, then recorded, then published; only then is the old one erased. If we die before,
        an envelope is left that nothing names or nothing names any more: the latter are erased by the next rewrap.
        """
        readers = self._readers(FOOTAGE_READERS)
        opener = recovery or self.person
        if opener.recipient_id not in {one.recipient_id for one in readers}:
            return 0
        count = 0
        for row in self.items():
            found = [
                self._as_named_now(one.object_id, lambda sealed: self._vault.rewrap(sealed, readers, opener))
                for one in self.objects(row.item_id)
            ]
            changed = [one for one in found if one is not None]
            if changed:
                self.act(EventKind.ITEM_REWRAPPED, row.item_id, {"envelopes": len(changed)}, {}, changed)
            count += len(changed)
        self._erase_replaced()
        return count

    def _erase_replaced(self) -> None:
        """Erase the envelopes that no object has any more."""
        replaced = [one for one in self._catalog.replaced_envelopes() if self._vault.has_envelope(one)]
        if replaced:
            self.publish()  # a verifier reads what is published, and must find what that names
        for digest in replaced:
            self._vault.erase_envelope(digest)

    def set_policy(self, policy: Policy) -> None:
        """`policy.set`."""
        self.act(EventKind.POLICY_SET, None, {"policy": policy.to_json()}, {})

    def _seal_bytes(self, data: bytes, item: ItemId, role: ObjectRole, segment: int) -> Held:
        held = self.seal(io.BytesIO(data), item=item, role=role, segment=segment)
        held.forget()
        return held

    def _rewrap_log_key(self) -> None:
        file = self.log_key_file()
        signers = [row.recipient for row in self.operators() if row.is_active]
        seed = open_log_key(file, self.person)
        self._disk.replace(LOG_KEY, wrap_log_key(seed, log=self.log_origin, vkey=self.vkey, recipients=signers))
