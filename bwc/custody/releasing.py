"""What a release rests on, by signed entries: who rendered each copy, who approved these very bytes, and whether that is enough.

An entry that is there and signed proves itself, so the ones that are named are looked at and no others.
"""

from collections.abc import Sequence

from bwc.audit.event import Entry, parse_entry, verify_signatures
from bwc.custody.governed import Governed
from bwc.errors import IntegrityError, NotApproved
from bwc.evidence import EventKind, ItemId, Outcome
from bwc.roles import Role, approvals_missing, may

_HINT = "bwc verify, then: bwc catalog rebuild"


class Approved(Governed):
    """A release goes out only on approvals that were signed."""

    def verify_approved(self, item: ItemId, copies: Sequence[str], approvals: Sequence[int]) -> None:
        """Raise `IntegrityError` unless each of `copies` was rendered here and these are approvals, `NotApproved` if too few."""
        rendered: dict[str, str] = {}
        for row in self._catalog.rows_of_item(item):
            if EventKind.COPY_RENDERED.encode() in row.entry:
                entry = self._signed(row.seq, EventKind.COPY_RENDERED)
                if entry is not None:
                    rendered[str(entry.facts.get("copy_sha256"))] = self.person_of(entry.actor)
        people: dict[str, set[str]] = {}
        for seq in approvals:
            entry = self._signed(seq, EventKind.COPY_APPROVED)
            if entry is None:
                raise IntegrityError(f"table approvals, entry {seq}: no entry of the log says so", _HINT)
            people.setdefault(str(entry.facts.get("copy_sha256")), set()).add(self.person_of(entry.actor))
        for copy in copies:
            if copy not in rendered:
                raise IntegrityError(f"the copy {copy} was never rendered here", _HINT)
            missing = approvals_missing(self.policy, approvers=people.get(copy, ()), renderer=rendered[copy])
            if missing:
                raise NotApproved(f"{item} lacks the approval of {missing} more people", f"bwc approve {item}")

    def _signed(self, seq: int, kind: EventKind) -> Entry | None:
        """The entry, if it is of this kind and succeeded. Raises `IntegrityError` unless somebody who might do that signed it."""
        entry = parse_entry(self.entry(seq))
        if (entry.kind, entry.outcome, entry.log, entry.seq) != (kind, Outcome.OK, self.log_origin, seq):
            return None
        truth = self._in_force().truth
        row = truth.find_operator(entry.actor)
        _, roles = truth.retention.enrolled_as(entry.actor, seq)
        if row is None or (row.revoked_seq or seq) < seq or not may(map(Role, roles), kind):
            raise IntegrityError(f"entry {seq}: {kind.value} by a key that may not", "bwc verify")
        verify_signatures(entry.raw, {one.key_id: one.key for one in truth.operators()})
        return entry
