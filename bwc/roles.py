"""Who may do what, and what needs a second person: one table and pure functions.

A role is the role of the enrolled key that signs; the operating system's user is not an identity.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bwc.canonical import Json
from bwc.errors import IntegrityError, UsageError
from bwc.evidence import EventKind
from bwc.outsiders import MOST_OUTSIDERS, TimeAuthority, Witness, check_distinct


class Role(StrEnum):
    TECHNICIAN = "technician"
    RECORDS = "records"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    WORKER = "worker"  # a machine that runs the detectors with nobody there


_T, _R, _A, _M, _W = Role.TECHNICIAN, Role.RECORDS, Role.AUDITOR, Role.ADMINISTRATOR, Role.WORKER
_ANY = frozenset(Role)

MAY: dict[EventKind, frozenset[Role]] = {
    EventKind.VAULT_CREATED: frozenset({_M}),
    EventKind.KEY_ENROLLED: frozenset({_M}),
    EventKind.KEY_ROTATED: _ANY,  # of one's own key only, to the same roles
    EventKind.KEY_REVOKED: frozenset({_M}),
    EventKind.RECIPIENT_ADDED: frozenset({_M}),
    EventKind.RECIPIENT_REMOVED: frozenset({_M}),
    EventKind.POLICY_SET: frozenset({_M}),
    EventKind.ITEM_INGESTED: frozenset({_T}),
    EventKind.ITEM_DUPLICATE: frozenset({_T}),
    EventKind.ITEM_REREAD: frozenset({_T}),
    EventKind.ITEM_INDEXED: frozenset({_T, _R, _W}),
    EventKind.ITEM_OPENED: frozenset({_R, _W}),
    EventKind.ITEM_EXPORTED: frozenset({_R}),
    EventKind.ITEM_IMPORTED: frozenset({_T}),
    EventKind.ITEM_TAGGED: frozenset({_T, _R}),
    EventKind.ITEM_REWRAPPED: frozenset({_R, _M}),
    EventKind.ITEM_COPIED: frozenset({_T, _R, _M}),
    EventKind.ITEM_DAMAGED: _ANY,
    EventKind.ITEM_REPAIRED: frozenset({_T, _R, _M}),
    EventKind.RETENTION_SET: frozenset({_M}),
    EventKind.CASE_OPENED: frozenset({_T, _R, _M}),
    EventKind.CASE_CLOSED: frozenset({_R, _M}),
    EventKind.HOLD_PLACED: frozenset({_R, _M}),
    EventKind.HOLD_LIFTED: frozenset({_M}),
    EventKind.DISPOSITION_ORDERED: frozenset({_R, _M}),
    EventKind.DISPOSITION_CANCELLED: frozenset({_R, _M}),
    EventKind.DISPOSITION_CONFIRMED: frozenset({_R, _M}),
    EventKind.DISPOSITION_DONE: frozenset({_R, _M}),
    EventKind.PLAN_SAVED: frozenset({_R, _W}),
    EventKind.DETECTION_RUN: frozenset({_R, _W}),
    EventKind.COPY_RENDERED: frozenset({_R}),
    EventKind.COPY_CHECKED: frozenset({_R}),
    EventKind.SUSPECT_DECIDED: frozenset({_R}),
    EventKind.COPY_APPROVED: frozenset({_R}),
    EventKind.RELEASE_PUBLISHED: frozenset({_R}),
    EventKind.ACT_REFUSED: _ANY,
    EventKind.ACT_FAILED: _ANY,
    EventKind.STORE_ADDED: frozenset({_M}),
    EventKind.STORE_CLEARED: frozenset({_T, _R, _M}),
    EventKind.BACKUP_MADE: frozenset({_M}),
    EventKind.VAULT_RESTORED: frozenset({_M}),
    EventKind.VAULT_VERIFIED: _ANY,
    EventKind.FRAMES_EXPORTED: frozenset({_R}),
    EventKind.LOG_EXPORTED: _ANY,
    EventKind.LOG_REKEYED: frozenset({_M}),
    EventKind.LOG_HEARTBEAT: _ANY,
    EventKind.LOGIN_OK: _ANY,
    EventKind.LOGIN_FAILED: _ANY,
    EventKind.CATALOG_REBUILT: frozenset({_M, _A}),
}

# What may still be recorded of an item that was destroyed
AFTER_DESTRUCTION = frozenset({EventKind.DISPOSITION_DONE, EventKind.ACT_REFUSED, EventKind.ACT_FAILED})

FOOTAGE_READERS = frozenset({Role.RECORDS})  # envelopes of footage, plans, copies and reports are wrapped to these
WORKERS = frozenset({Role.WORKER})  # and, where policy says so, to these
WORKER_PURPOSES = frozenset({"detect", "sheet"})  # what a worker may open an original for
BODY_READERS = frozenset({Role.RECORDS, Role.AUDITOR, Role.ADMINISTRATOR})  # and to whoever acted


_RANGES = (
    ("copies", 1, 9),
    ("approvals", 1, 9),
    ("margin_permille", 100, 2000),
    ("witness_quorum", 0, MOST_OUTSIDERS),
    ("anchor_minutes", 0, 525_600),
)
_COLOUR = re.compile("#[0-9a-f]{6}")
OFF, REVIEW, HIDE = "off", "review", "hide"  # what is done with what need not be private
EFFECTS = ("solid", "mean", "pixelate", "blur")  # how covered regions may be drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the agency decided, as the public facts of a `policy.set` entry."""

    copies: int = 1  # proven copies before a card is safe to wipe
    approvals: int = 1  # different people who must approve a copy before release
    separate_approver: bool = False  # whoever rendered a copy may not be its only approver
    effect: str = "solid"
    cover_colour: str = "#000000"  # of solid covers
    margin_permille: int = 300
    default_exemption: str = "privacy"
    text: str = OFF  # writing in the picture: not looked for, hidden until a person decides, or hidden
    screens: str = OFF  # screens and papers: the same
    worker: bool = False  # footage is sealed to enrolled workers too
    fips: bool = False  # keys are sealed to recipients of the P-384 suite only
    witnesses: tuple[Witness, ...] = ()  # whose cosignatures count
    witness_quorum: int = 0  # of how many witnesses a checkpoint needs cosignatures to be anchored; 0: any outsider
    time_authorities: tuple[TimeAuthority, ...] = ()
    anchor_minutes: int = 0  # how old the last outside anchor may be; 0: no limit

    def to_json(self) -> dict[str, Json]:
        return {
            "anchor_minutes": self.anchor_minutes,
            "approvals": self.approvals,
            "copies": self.copies,
            "cover_colour": self.cover_colour,
            "default_exemption": self.default_exemption,
            "effect": self.effect,
            "fips": self.fips,
            "margin_permille": self.margin_permille,
            "screens": self.screens,
            "separate_approver": self.separate_approver,
            "text": self.text,
            "time_authorities": [one.to_json() for one in self.time_authorities],
            "witness_quorum": self.witness_quorum,
            "worker": self.worker,
            "witnesses": [one.to_json() for one in self.witnesses],
        }

    @property
    def has_outsiders(self) -> bool:
        """Whether anybody outside is named to sign checkpoints."""
        return bool(self.witnesses or self.time_authorities)

    def __post_init__(self) -> None:
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise UsageError(f"{name} is {value!r}", f"a whole number from {least} to {most}")
        for name in ("separate_approver", "fips", "worker"):
            if type(getattr(self, name)) is not bool:
                raise UsageError(f"{name} is {getattr(self, name)!r}", "true or false")
        check_distinct("witnesses", [one.name for one in self.witnesses])
        check_distinct("time_authorities", [one.name for one in self.time_authorities])
        if self.effect not in EFFECTS:
            raise UsageError(f"effect is {self.effect!r}", "one of " + ", ".join(EFFECTS))
        if not isinstance(self.cover_colour, str) or not _COLOUR.fullmatch(self.cover_colour):
            raise UsageError(f"cover_colour is {self.cover_colour!r}", "#RRGGBB in small letters, for example #204080")
        for name in ("text", "screens"):
            if getattr(self, name) not in (OFF, REVIEW, HIDE):
                raise UsageError(f"{name} is {getattr(self, name)!r}", "off, review or hide")
        if not isinstance(self.default_exemption, str) or not 0 < len(self.default_exemption) <= 100:
            raise UsageError(f"default_exemption is {self.default_exemption!r}", "a code of at most 100 characters")

    @classmethod
    def from_json(cls, value: Any) -> "Policy":
        """The policy in a log entry; what it does not know is for newer readers and ignored here.

        Raises `IntegrityError` for a policy that no `policy.set` would have recorded.
        """
        if not isinstance(value, dict):
            raise IntegrityError("a policy entry holds no policy")
        try:
            given = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
            for name, read in (("witnesses", Witness.from_json), ("time_authorities", TimeAuthority.from_json)):
                if name in given:
                    given[name] = tuple(read(one) for one in _listed(name, given[name]))
            return cls(**given)
        except UsageError as error:
            raise IntegrityError(f"the policy gives no usable {error.message.split()[0]}") from error


def _listed(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise UsageError(f"{name} are not a list")
    return value


def looking_for(policy: Policy, *, text: str | None, screens: str | None) -> Policy:
    """`policy` with what one command asks for instead of it."""
    return replace(policy, text=text or policy.text, screens=screens or policy.screens)


def footage_readers(policy: Policy) -> frozenset[Role]:
    """Whose keys open footage under `policy`."""
    return FOOTAGE_READERS | WORKERS if policy.worker else FOOTAGE_READERS


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
