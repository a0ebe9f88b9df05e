"""Acting in a vault: role → body → event and catalog in one transaction → tiles and checkpoint.

The order of a change (docs/architecture.md) is kept in `act` and `publish`: objects are durable and proven before
their event, the event is durable before the person is told.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bwc.appending.clock import SystemClock
from bwc.appending.writing import Appended
from bwc.audit.checkpoint import Checkpoint, parse_checkpoint
from bwc.audit.keychain import KeyChain
from bwc.canonical import Json, sha256_hex
from bwc.config import Places, marks_dir
from bwc.custody.governed import Governed
from bwc.custody.log_copy import NEXT_LOG_KEY, place_key
from bwc.custody.marks import Mark
from bwc.custody.shelf import LogShelf
from bwc.custody.standing import is_ruling
from bwc.enrolment import log_signer, log_vkey, open_log_key
from bwc.errors import BwcError, Disposed, NotAllowed, PolicyRefuses, UsageError
from bwc.evidence import EventDraft, EventKind, ItemId, KeyId, Outcome, SealedObject
from bwc.identities import Operator, Recipient, SeedSigner, Signer
from bwc.roles import AFTER_DESTRUCTION, MAY, Role, footage_readers, may
from bwc.storage.body import seal_body
from bwc.storage.envelope import parse_envelope
from bwc.storage.projection import has_effect

# of a refused act: what it was for is recorded with the refusal
_STATED = frozenset({"reason", "request", "requester", "to"})
_MAKES_READERS = frozenset(kind for kind in EventKind if is_ruling(kind.value))


@dataclass(slots=True)
class _Known:
    """What follows for a key from the first `entries` of the log; still so while only plain acts of ours came after."""

    key: KeyId
    entries: int
    roles: frozenset[Role]
    body_readers: Sequence[Recipient] | None = None  # not looked up yet


class _ServedError(Exception):
    """Another process published our acts."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Acting(Governed):
    """A vault entered by one operator, or by nobody (`operator=None`): then it can only be read.

    A context manager: on leaving, what was recorded is published and the catalog is closed.
    """

    def __init__(self, places: Places, operator: Operator | None) -> None:
        super().__init__(places, operator)
        self._clock = SystemClock()
        self._unpublished = False
        self._recorded = 0  # entries up to the last one of ours
        self.has_published = False
        self._mark = Mark(marks_dir(), self.log_origin)
        self._signer: tuple[bytes, SeedSigner, str] | None = None  # of this key file; with its vkey
        self._marked = False  # compared with the mark already
        self._known: _Known | None = None

    # --- coming and going -------------------------------------------------------------------------------

    @classmethod
    def enter(cls, places: Places, operator: Operator | None) -> Self:
        """The vault at `places`. Raises `NoVault`."""
        return cls(places, operator)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._unpublished and error is None:
                self.publish()
            elif self._unpublished:
                with suppress(BwcError):  # what stopped the act is what the person must hear
                    self.publish()
        except BwcError as late:
            late.message = f"recorded, but not yet published: {late.message}"
            raise
        finally:
            self.close()

    # --- publishing -------------------------------------------------------------------------------------

    def publish(self) -> int:
        """Steps 3 and 4: tiles, then a signed checkpoint that holds every event so far. The number of entries.

        When another process signed for ours while we waited for the lock, that is enough: what came after is theirs who
        recorded it, and one checkpoint serves everybody who waited, at once and without the lock.
        """
        self._mark.forget_look()  # it may have moved already
        try:
            with self._disk.lock("lock", meanwhile=self._raise_if_served):
                return self._publish(whole=False)
        except _ServedError as served:
            self._unpublished, self.has_published = False, True
            return served.size

    def _raise_if_served(self) -> None:
        """End the wait for the lock when whoever has had it published our acts, and all that is durable."""
        # The mark is raised last, so what it holds is durable; a key that is being handed over is for the lock
        mark = self._mark.read() if self._unpublished and self._mark.has_moved() else None
        if mark is None or mark.size < self._recorded or self._disk.size(NEXT_LOG_KEY) is not None:
            return
        key = self.log_key_file()
        size = self._log.signed_by(self._signer_of(key))
        if size >= self._recorded:
            self.vkey = self._vkey_of(key)
            raise _ServedError(size)

    def _publish(self, *, whole: bool = True) -> int:
        """The same; `whole` whatever others signed. Callers hold the vault's lock."""
        key, is_placed = self._signing_key()
        signer = self._signer_of(key)
        self._check_mark()
        size = 0 if whole else self._published_for_us(signer)
        # If we die before its end the mark is behind: it then refuses less than it could, nothing honest
        with self._mark.rising() as mark:
            if not size:
                size = self._publish_all(signer, mark.stage)
            elif self._mark.is_below(size):
                mark.stage(*self._log.signed_note())
        if not is_placed:
            place_key(self._disk, key)
        self.vkey = self._vkey_of(key)
        self._unpublished = False
        self.has_published = True
        return size

    def _published_for_us(self, signer: SeedSigner) -> int:
        """The size of the published checkpoint, if there are acts of ours and it holds them; else 0."""
        if not self._unpublished or self.published() < self._recorded or self._disk.size(NEXT_LOG_KEY) is not None:
            return 0
        return self._log.signed(signer, self._catalog.count)

    def _publish_all(self, signer: SeedSigner, signed: Callable[[Checkpoint, bytes], None]) -> int:
        size = self._catalog.count
        if size > self._recorded:
            self._catalog.settle()  # what others recorded may not be signed before it is durable
        # Read after `size`: whatever that many events name is on its shelf before they are published
        waiting = self._catalog.waiting_bodies()
        if waiting:
            self._vault.put_bodies(data for _, data in waiting)
        size = self._log.publish(signer, upto=size, signed=signed).size
        if waiting:
            self._catalog.drop_waiting_bodies(file for file, _ in waiting)
        return size

    def _signing_key(self) -> tuple[bytes, bool]:
        """The file of the key that signs the next checkpoint, and whether it is the only one in its place.

        Callers hold the vault's lock.
        """
        key = self._disk.read(NEXT_LOG_KEY)
        if key is None:
            return self.log_key_file(), True
        return (key if self._is_handed_over(log_vkey(key)[1]) else self.log_key_file()), False

    def _is_handed_over(self, vkey: str) -> bool:
        """Whether the log's key gave way to this one: the checkpoint says so, or an entry that is not published yet."""
        size = self.published()
        chain = KeyChain.carried(parse_checkpoint(self._log.checkpoint())[1], self.log_origin) if size else None
        handovers = [*(chain.handovers if chain else ()), *self._log.rekeyed(size=self._catalog.count, since=size)]
        return bool(handovers) and handovers[-1].new.text() == vkey

    def _signer_of(self, key: bytes) -> SeedSigner:
        """The log's signer from its wrapped `key`, which is opened once."""
        if self._signer is None or self._signer[0] != key:
            self._signer = key, log_signer(open_log_key(key, self.person)), log_vkey(key)[1]
        return self._signer[1]

    def _vkey_of(self, key: bytes) -> str:
        return self._signer[2] if self._signer is not None and self._signer[0] == key else log_vkey(key)[1]

    def _check_mark(self) -> None:
        """Refuse to go on from a vault that is older than, or not, what this computer signed; looked at once."""
        if not self._marked:
            self._mark.verify(self._catalog, LogShelf(self._disk), self.published())
            self._marked = True

    # --- the order of a change --------------------------------------------------------------------------

    def act(
        self,
        kind: EventKind,
        item: ItemId | None,
        facts: Mapping[str, Json],
        private: Mapping[str, Json],
        objects: Sequence[SealedObject] = (),
        *,
        outcome: Outcome = Outcome.OK,
        first: Callable[[], None] | None = None,
    ) -> Appended:
        """Record one act: role, body, then event and catalog in one transaction. Durable when it returns.

        A refused act is itself recorded. `first` as for `act_together`.
        """
        draft = EventDraft(kind=kind, item=item, facts=facts, private=private, objects=tuple(objects), outcome=outcome)
        try:
            return self._record([draft], first=first)[0]
        except NotAllowed as refusal:
            self._record_not_allowed(kind, item, refusal, private)
            raise

    def act_together(
        self, kind: EventKind, drafts: Sequence[EventDraft], *, first: Callable[[], None] | None = None
    ) -> list[Appended]:
        """Record many acts of one `kind` in one transaction: all of them or none.

        `first` is called inside it: what it finds is still so when the acts are recorded; what it raises undoes all.
        """
        try:
            return self._record(drafts, first=first)
        except NotAllowed as refusal:
            items = {draft.item for draft in drafts}
            self._record_not_allowed(kind, items.pop() if len(items) == 1 else None, refusal)
            raise

    def record_genesis(
        self, facts: Mapping[str, Json], private: Mapping[str, Json], readers: Sequence[Recipient]
    ) -> Appended:
        """`vault.created`: the one act that no enrolled role permits, for it enrols the first operator."""
        if self.entries():
            raise UsageError("this vault is founded already")
        draft = EventDraft(kind=EventKind.VAULT_CREATED, facts=facts, private=private)
        return self._record([draft], founding=readers)[0]

    def _record(
        self,
        drafts: Sequence[EventDraft],
        *,
        founding: Sequence[Recipient] = (),
        first: Callable[[], None] | None = None,
        also: Sequence[Signer] = (),
    ) -> list[Appended]:
        """Record `drafts`, signed by who acts and `also` by others."""
        self._check_mark()
        wanted = {(draft.kind, draft.item) for draft in drafts}
        kinds = {kind for kind, _ in wanted}
        is_private = not founding and any(draft.private for draft in drafts)
        readers = self._body_readers(self._known_now()) if is_private else founding
        before = self._known
        bodies = self._sealed_bodies(drafts, readers)
        try:
            with self._catalog.transaction():
                # Here, since another process may have revoked this key or destroyed the item until this began
                known = None if founding else self._known_now()
                if known:
                    for kind in kinds:
                        self._check_role(kind, known)
                if first:
                    first()
                for kind, item in wanted:
                    self._bar_destroyed(kind, item)
                for draft in drafts:
                    if draft.objects and draft.kind != EventKind.ITEM_REWRAPPED:  # a rewrap looks for itself
                        self._bar_former_readers(draft.objects)
                if known and is_private and known is not before and (now := self._body_readers(known)) != readers:
                    bodies = self._sealed_bodies(drafts, now)  # else somebody revoked meanwhile could read them
                placed: list[tuple[EventDraft, dict[str, str] | None]] = []
                for draft, (commit, data) in zip(drafts, bodies, strict=True):
                    file = sha256_hex(data) if data else ""
                    if data:  # one sync for event and body, which goes to its shelf when the event is published
                        self._catalog.add_waiting_body(file, data)
                    placed.append((draft, {"commit": commit, "file": file} if data else None))
                entries = self._log.append_all(self._catalog, placed, [self.person, *also], self._clock)
                for draft, entry in zip(drafts, entries, strict=True):
                    if has_effect(draft):
                        self._catalog.project(entry.event, draft.private)
        except (Disposed, PolicyRefuses):
            for one in (sealed for draft in drafts for sealed in draft.objects):
                self._vault.erase_envelope(one.envelope_sha256)  # no key to what came too late may stay
            raise
        if entries:
            self._unpublished, self._recorded = True, entries[-1].seq + 1
            known = self._known
            if known and known.entries == entries[0].seq and kinds.isdisjoint(_MAKES_READERS):
                known.entries = self._recorded
                if self._standing is not None:
                    self._standing.advance(entries)
        return entries

    def _sealed_bodies(self, drafts: Sequence[EventDraft], readers: Sequence[Recipient]) -> Sequence[tuple[str, bytes]]:
        """The commitment and the sealed bytes of each draft's private body."""
        return [seal_body(one.private, readers, self.log_origin) if one.private else ("", b"") for one in drafts]

    def _bar_destroyed(self, kind: EventKind, item: ItemId | None) -> None:
        """Raise `Disposed` for an act on what was destroyed, perhaps while the act was being prepared."""
        if item is not None and kind not in AFTER_DESTRUCTION:
            self._raise_if_destroyed(item)

    def _bar_former_readers(self, objects: Sequence[SealedObject]) -> None:
        """Raise `PolicyRefuses` for what was sealed to somebody who was revoked meanwhile: their rewrap is over."""
        today = {one.recipient_id for one in self._readers(footage_readers(self.policy))}
        for one in objects:
            if not today.issuperset(parse_envelope(self._vault.envelope_bytes(one)).recipients):
                hint = "run the same command again"
                raise PolicyRefuses("a reader was revoked while this was sealed to them; nothing was recorded", hint)

    def _require(self, kind: EventKind, item: ItemId | None = None) -> None:
        """Check the role of the key that signs before a longer act; a refused one is itself recorded."""
        try:
            self._check_role(kind, self._known_now())
        except NotAllowed as refusal:
            self._record_not_allowed(kind, item, refusal)
            raise

    def _check_role(self, kind: EventKind, known: _Known) -> None:
        roles = known.roles
        if not may(roles, kind):
            needed = " or ".join(sorted(MAY[kind]))
            mine = ", ".join(sorted(roles)) or "no role here (not enrolled, or revoked)"
            raise NotAllowed(
                f"not allowed: {kind.value} needs the role {needed}; {self.person.name} has {mine}",
                _enrol_hint(roles, sorted(MAY[kind])[0]),
            )

    def _record_not_allowed(
        self, kind: EventKind, item: ItemId | None, refusal: NotAllowed, private: Mapping[str, Json] | None = None
    ) -> None:
        if self.roles():
            facts: dict[str, Json] = {"act": kind.value, "error": refusal.name}
            stated = {name: value for name, value in (private or {}).items() if name in _STATED and value}
            told = {"message": refusal.message} | stated
            self.act(EventKind.ACT_REFUSED, item, facts, told, outcome=Outcome.REFUSED)

    def record_refusal(self, item: ItemId | None, act: str, error: PolicyRefuses, *, reason: str = "") -> None:
        """`act.refused`: policy said no. `reason` is what the act was for."""
        facts: dict[str, Json] = {"act": act, "error": error.name}
        told: dict[str, Json] = {"message": error.message}
        told |= {"reason": reason} if reason else {}
        self.act(EventKind.ACT_REFUSED, item, facts, told, outcome=Outcome.REFUSED)

    def _known_now(self) -> _Known:
        """What is known after all entries; looked up anew after what was not a plain act of ours."""
        key, entries = self.person.key_id, self.entries()
        if self._known is None or (self._known.key, self._known.entries) != (key, entries):
            self._known = _Known(key, entries, self.roles())
        return self._known

    def _body_readers(self, known: _Known) -> Sequence[Recipient]:
        """Who reads private bodies."""
        if known.body_readers is None:
            known.body_readers = self._body_readers_now()
        return known.body_readers

    def record_failure(self, item: ItemId | None, act: str, error: BwcError) -> None:
        """`act.failed`: an act that was tried and did not succeed, and why."""
        self.act(
            EventKind.ACT_FAILED,
            item,
            {"act": act, "error": error.name},
            {"message": error.message},
            outcome=Outcome.FAILED,
        )


def _enrol_hint(roles: frozenset[Role], needed: str) -> str:
    """What an administrator types: for somebody enrolled all roles again, since an enrolment replaces those before."""
    if not roles:
        return "ask an administrator: bwc key enrol FILE --role ROLE"
    words = " ".join(f"--role {role}" for role in sorted({*roles, needed}))
    return f"ask an administrator; roles are replaced, so all are named: bwc key enrol FILE {words}"
