"""The one door: role → vault → event and catalog in one transaction → tiles and checkpoint. Acts only.

Every act on evidence passes here. The order of a change (docs/architecture.md) is kept in `act` and `publish`:
objects are durable and proven before their event, the event is durable before the person is told.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import BinaryIO, TypeVar

from bwc.anchors.contradicted import Contradictions
from bwc.audit.event import Entry, parse_entry
from bwc.canonical import Json
from bwc.config import seen_dir
from bwc.custody.disposing import Disposing
from bwc.custody.keyring import Keyring
from bwc.custody.noting import Noting
from bwc.custody.receiving import Receiving
from bwc.custody.rekeying import Rekeying
from bwc.custody.releasing import Approved
from bwc.custody.replicating import Replicating
from bwc.errors import BwcError, KeyUnavailable, NotAllowed, PlanStale
from bwc.evidence import EventDraft, EventKind, ItemId, ObjectId, ObjectRole, SealedObject
from bwc.recording import Gap, new_item_id
from bwc.roles import FOOTAGE_READERS, WORKER_PURPOSES, Role, approvals_missing, footage_readers
from bwc.storage.held import Held
from bwc.storage.pieces import Pieces
from bwc.storage.rows import ItemState, SuspectRow
from bwc.storage.scratch import Scratch
from bwc.storage.vault import Sink

_T = TypeVar("_T")

_TRIES = 20  # item ids carry 30 random bits a day: a clash is rare, twenty in a row is a broken random source


class House(Receiving, Keyring, Rekeying, Disposing, Replicating, Noting, Approved):
    """Every act on evidence, one method per event kind; every computation belongs to a room or a service."""

    # --- acts: intake -----------------------------------------------------------------------------------

    def new_item(self) -> ItemId:
        """A fresh item id that the catalog does not know."""
        for _ in range(_TRIES):
            made = new_item_id(datetime.now(UTC))
            if not self._catalog.has_item(made):
                return made
        raise BwcError("no fresh item id could be made", "bwc doctor")

    def contradicted(self) -> tuple[str, ...]:
        """What witnesses of the policy say who saw another log than this, until they cosign again (`bwc verify` judges it)."""
        named = {one.name for one in self.policy.witnesses}
        held = Contradictions(seen_dir(), self.log_origin).held.values()
        return tuple(one.text() for one in held if one.witness in named)

    def seal(
        self,
        source: BinaryIO,
        *,
        item: ItemId,
        role: ObjectRole,
        segment: int,
        gaps: Callable[[], Sequence[Gap]] = tuple,
    ) -> Held:
        """Step 1: seal `source` and prove it. Nothing is recorded yet; nothing is left if it fails.

        `gaps` is asked after the last byte: the stretches that are zeros because they could not be read.
        """
        return self._vault.seal(
            source,
            item=item,
            role=role,
            segment=segment,
            signer=self.person,
            recipients=self._readers(footage_readers(self.policy)),
            now=datetime.now(UTC),
            gaps=gaps,
        )

    # --- acts: opening and redaction --------------------------------------------------------------------

    def record_opening(
        self, item: ItemId, segment: int, *, purpose: str, reason: str = "", to: str = "", version: str = ""
    ) -> None:
        """`item.opened`: recorded before the first byte is read. Raises `NotAllowed` when a worker wants it out.

        `version`: of whose copy, when it is not that of the common plan.
        """
        roles = self.roles()
        if Role.WORKER in roles and FOOTAGE_READERS.isdisjoint(roles) and purpose not in WORKER_PURPOSES:
            refusal = NotAllowed(
                f"not allowed: a worker opens footage to detect, not to {purpose}", "a records officer does it"
            )
            self.record_refusal(item, EventKind.ITEM_OPENED, refusal, reason=reason)
            raise refusal
        facts: dict[str, Json] = {"purpose": purpose, "segment": segment}
        facts |= {"version": version} if version else {}
        self.act(EventKind.ITEM_OPENED, item, facts, {"reason": reason, "to": to})

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
        self,
        item: ItemId,
        segment: int,
        object_id: ObjectId,
        *,
        purpose: str,
        reason: str = "",
        to: str = "",
        version: str = "",
    ) -> Iterator[BinaryIO]:
        """The same for anything sealed of an item: an original, a sidecar, a redacted copy on its way out."""
        self.record_opening(item, segment, purpose=purpose, reason=reason, to=to, version=version)
        try:
            with self.open_object(object_id) as source:
                yield source
        except BwcError as error:
            self.record_failure(item, purpose, error)
            raise

    def save_plan(
        self,
        item: ItemId,
        segment: int,
        data: bytes,
        *,
        made_from: str | None,
        facts: Mapping[str, Json],
        sheet: bytes | None,
        detected: bool,
        unless: Callable[[], None] | None = None,
        request: str = "",
    ) -> None:
        """`plan.saved`; after a fresh analysis `detection.run` before it, and its contact sheet with it.

        `made_from` is the digest of the plan that it follows, of the same version (`facts`), which is for `request`. Raises `PlanStale`, and nothing is
        recorded, when another one was saved meanwhile: two plans never follow the same one. What `unless` raises, in the same
        moment, stops it too.
        """
        held = [self._seal_bytes(data, item, ObjectRole.PLAN, segment)]
        if sheet is not None:
            held.append(self._seal_bytes(sheet, item, ObjectRole.SHEET, segment))
        objects = tuple(one.sealed for one in held)
        private: dict[str, Json] = {"request": request} if request else {}
        saved = EventDraft(kind=EventKind.PLAN_SAVED, item=item, facts=facts, private=private, objects=objects)
        run = [EventDraft(kind=EventKind.DETECTION_RUN, item=item, facts=facts)] if detected else []

        def still() -> None:
            row = self.latest(item, segment, ObjectRole.PLAN, version=str(facts.get("version", "")))
            if (row.facts.get("plan_sha256") if row else None) != made_from:
                raise PlanStale(
                    f"the plan of {item} was changed by somebody else meanwhile; nothing was saved",
                    f"bwc plan {item}, then the same command again",
                )
            if unless:
                unless()

        self.act_together(EventKind.PLAN_SAVED, [*run, saved], first=still)

    def sink(self, item: ItemId, role: ObjectRole, segment: int) -> AbstractContextManager[Sink]:
        """Seal what is written, while it is written; `.held` after a clean end, nothing left after an error."""
        return self._vault.sink(
            item=item,
            role=role,
            segment=segment,
            signer=self.person,
            recipients=self._readers(footage_readers(self.policy)),
            now=datetime.now(UTC),
        )

    def scratch(self) -> Scratch:
        """A working file sealed under a throw-away key."""
        return self._vault.scratch()

    def pieces(self, item: ItemId, segment: int) -> Pieces:
        """Finished parts of work on one recording, sealed so that only its readers can open them."""
        object_id = self.segment(item, segment).object_id
        return self._as_named_now(object_id, lambda sealed: self._vault.pieces(sealed, self.person))

    def _as_named_now(self, object_id: ObjectId, act: Callable[[SealedObject], _T]) -> _T:
        """As for readers. Whoever reads no footage by role is told so, and the attempt is recorded (`NotAllowed`)."""
        try:
            return super()._as_named_now(object_id, act)
        except KeyUnavailable as missing:
            self._require(EventKind.ITEM_OPENED, self._catalog.object(object_id).item_id)
            if FOOTAGE_READERS.isdisjoint(self.roles()) and not self.policy.worker:
                raise KeyUnavailable(missing.message, "an administrator: bwc policy set worker=true") from None
            raise

    def record_copy(
        self, item: ItemId, held: Held, facts: Mapping[str, Json], *, segment: int, proof: bytes | None = None
    ) -> None:
        """`copy.rendered`; with it what proves which of its pictures are the recording's own."""
        kept = [held] if proof is None else [held, self._seal_bytes(proof, item, ObjectRole.GROUPS, segment)]
        self.act(EventKind.COPY_RENDERED, item, facts, {}, [one.sealed for one in kept])

    def record_report(self, item: ItemId, segment: int, data: bytes, facts: Mapping[str, Json]) -> None:
        """`copy.checked`, with the report sealed."""
        held = self._seal_bytes(data, item, ObjectRole.REPORT, segment)
        self.act(EventKind.COPY_CHECKED, item, facts, {}, [held.sealed])

    def record_suspect(self, item: ItemId, facts: Mapping[str, Json], *, note: str) -> None:
        """`suspect.decided`: what a person said of a suspect of the check."""
        self.act(EventKind.SUSPECT_DECIDED, item, facts, {"note": note})

    def suspects_decided(self, report_sha256: str) -> dict[str, SuspectRow]:
        """What was last said of each suspect of a report."""
        return {row.suspect: row for row in self._catalog.suspects_decided(report_sha256)}

    def record_approval(self, item: ItemId, facts: Mapping[str, Json], private: Mapping[str, Json]) -> int:
        """`copy.approved`: this operator signs the digests of plan, copy and report. The entry's place."""
        return self.act(EventKind.COPY_APPROVED, item, facts, private).seq

    def approvals_of(self, item: ItemId) -> tuple[int, int]:
        """How many people approved the newest copies of `item`'s common plan, and how many it takes before a release."""
        have, missing = 0, 0
        for segment in {one.segment for one in self.segments(item)}:
            row = self.latest(item, segment, ObjectRole.COPY)
            if row is None:
                continue
            signed = self.approvals(str(row.facts.get("copy_sha256")))
            people = {self.person_of(one.actor) for one in signed if one.plan_sha256 == row.facts.get("plan_sha256")}
            short = approvals_missing(self.policy, approvers=people, renderer=self.person_of(row.actor))
            if short >= missing:
                have, missing = len(people), short
        return have, have + missing

    def record_release(
        self,
        item: ItemId,
        facts: Mapping[str, Json],
        private: Mapping[str, Json],
        *,
        unless: Callable[[], None] | None = None,
    ) -> Entry:
        """`release.published`, on approvals that were signed. What `unless` raises in the same transaction stops it."""
        copies, approvals = facts["copies"], facts["approvals"]
        assert isinstance(copies, list)
        assert isinstance(approvals, list)
        self.verify_approved(item, [str(one) for one in copies], [int(str(one)) for one in approvals])
        return self.act(EventKind.RELEASE_PUBLISHED, item, facts, private, first=unless).entry

    def versions_of(self, item: ItemId, state: ItemState) -> int:
        """How many requests, at most, the plans of `item` have versions for; `state` is its own, for most have no plan yet."""
        if state in (ItemState.INGESTED, ItemState.INDEXED, ItemState.DISPOSED):
            return 0
        per_segment = Counter[int]()
        rows = self._catalog.documents(item, ObjectRole.PLAN)
        for segment, _ in {(row.sealed.segment, row.facts["version"]) for row in rows if "version" in row.facts}:
            per_segment[segment] += 1
        return max(per_segment.values(), default=0)

    def released_on(self, item: ItemId) -> set[int]:
        """The approvals that releases of `item` went out on."""
        return {seq for row in self._catalog.releases(item) for seq in row.approvals}

    def private_of(self, seq: int) -> Mapping[str, Json] | None:
        """The private body of one entry; None where there is none, or this reader's key does not open it."""
        return self._private(parse_entry(self.entry(seq)).body_commit)

    def _seal_bytes(self, data: bytes, item: ItemId, role: ObjectRole, segment: int) -> Held:
        held = self.seal(io.BytesIO(data), item=item, role=role, segment=segment)
        held.forget()
        return held
