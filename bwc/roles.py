"""Who may do what, and what needs a second person: one table and pure functions.

A role is the role of the enrolled key that signs; the operating system's user is not an identity.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bwc.canonical import Json
from bwc.errors import IntegrityError
from bwc.evidence import EventKind


class Role(StrEnum):
    TECHNICIAN = "technician"
    RECORDS = "records"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


_T, _R, _A, _M = Role.TECHNICIAN, Role.RECORDS, Role.AUDITOR, Role.ADMINISTRATOR
_ANY = frozenset(Role)

MAY: dict[EventKind, frozenset[Role]] = {
    EventKind.VAULT_CREATED: frozenset({_M}),
    EventKind.KEY_ENROLLED: frozenset({_M}),
    EventKind.KEY_REVOKED: frozenset({_M}),
    EventKind.RECIPIENT_ADDED: frozenset({_M}),
    EventKind.POLICY_SET: frozenset({_M}),
    EventKind.ITEM_INGESTED: frozenset({_T}),
    EventKind.ITEM_DUPLICATE: frozenset({_T}),
    EventKind.ITEM_INDEXED: frozenset({_T, _R}),
    EventKind.ITEM_OPENED: frozenset({_R}),
    EventKind.ITEM_TAGGED: frozenset({_T, _R}),
    EventKind.ITEM_REWRAPPED: frozenset({_R, _M}),
    EventKind.PLAN_SAVED: frozenset({_R}),
    EventKind.DETECTION_RUN: frozenset({_R}),
    EventKind.COPY_RENDERED: frozenset({_R}),
    EventKind.COPY_CHECKED: frozenset({_R}),
    EventKind.SUSPECT_DECIDED: frozenset({_R}),
    EventKind.COPY_APPROVED: frozenset({_R}),
    EventKind.RELEASE_PUBLISHED: frozenset({_R}),
    EventKind.ACT_REFUSED: _ANY,
    EventKind.ACT_FAILED: _ANY,
    EventKind.VAULT_VERIFIED: _ANY,
    EventKind.CATALOG_REBUILT: frozenset({_M, _A}),
}

FOOTAGE_READERS = frozenset({Role.RECORDS})  # envelopes of footage, plans, copies and reports are wrapped to these
BODY_READERS = frozenset({Role.RECORDS, Role.AUDITOR, Role.ADMINISTRATOR})  # and to whoever acted


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the agency decided, as the public facts of a `policy.set` entry."""

    copies: int = 1  # proven copies before a card is safe to wipe
    approvals: int = 1  # different people who must approve a copy before release
    separate_approver: bool = False  # whoever rendered a copy may not be its only approver
    effect: str = "solid"
    margin_permille: int = 300
    default_exemption: str = "privacy"

    def to_json(self) -> dict[str, Json]:
        return {
            "approvals": self.approvals,
            "copies": self.copies,
            "default_exemption": self.default_exemption,
            "effect": self.effect,
            "margin_permille": self.margin_permille,
            "separate_approver": self.separate_approver,
        }

    @classmethod
    def from_json(cls, value: Any) -> "Policy":
        """The policy in a log entry; keys it does not know are kept for newer readers and ignored here."""
        if not isinstance(value, dict):
            raise IntegrityError("a policy entry holds no policy")
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        return cls(**known)


def may(roles: Iterable[Role], kind: EventKind) -> bool:
    """Whether a key with `roles` may do an act of `kind`."""
    return not MAY[kind].isdisjoint(roles)


def approvals_missing(policy: Policy, *, approvers: Iterable[str], renderer: str) -> int:
    """How many different people must still approve before a copy may be released."""
    people = set(approvers)
    missing = max(0, policy.approvals - len(people))
    if policy.separate_approver and people <= {renderer}:
        missing = max(missing, 1)
    return missing
