"""Replay of a log: which keys, roles and policy are in force at each entry, and what they permit (steps 6 and 7).

Everything is read from the log itself, beginning with the operator whom the first entry enrols.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bwc.audit.checkpoint import NoteKey
from bwc.audit.disposals import Disposals
from bwc.audit.event import Entry, fact, verify_signatures
from bwc.audit.findings import Findings
from bwc.audit.keychain import Handover, KeyChain
from bwc.errors import IntegrityError, ProofInvalid, UsageError
from bwc.evidence import EventKind, Outcome, parse_utc
from bwc.keys import PublicKey
from bwc.roles import Policy, Role, approvals_missing, may

_KINDS = {kind.value: kind for kind in EventKind}
# Where the outcome is part of the meaning. What changes the rules succeeds; an attempt is an `act.failed`.
_RULES = {"disposition", "hold", "key", "policy", "recipient", "retention"}  # what their kinds begin with
_RULINGS = {EventKind.VAULT_CREATED, EventKind.LOG_REKEYED, EventKind.COPY_APPROVED, EventKind.RELEASE_PUBLISHED}
_OUTCOMES = {kind: Outcome.OK for kind in EventKind if kind in _RULINGS or kind.partition(".")[0] in _RULES} | {
    EventKind.ACT_REFUSED: Outcome.REFUSED,
    EventKind.ACT_FAILED: Outcome.FAILED,
}


@dataclass(slots=True)
class Enrolled:
    """A key as the log enrolled it. `person` is the first key of the same person, so rotation keeps people apart."""

    key: PublicKey
    roles: frozenset[Role]
    person: str
    since: int  # entry that enrolled it
    revoked: int | None = None  # entry that revoked it


@dataclass(frozen=True, slots=True)
class _Approval:
    copy: str
    plan: str
    report: str
    people: frozenset[str]


@dataclass(slots=True)
class Standing:
    """What is in force after the entries replayed so far."""

    keys: dict[str, Enrolled] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    chain: KeyChain | None = None  # the keys of the log itself
    disposals: Disposals = field(default_factory=Disposals)


class Replay:
    """Takes the entries of a log in order and reports what no key, role or policy permitted."""

    def __init__(
        self, findings: Findings, *, signatures: bool, back: Callable[[int], Iterator[Entry]] = lambda _: iter(())
    ) -> None:
        """`back(seq)` gives the entries before `seq`, newest first; needed when a compromise is announced."""
        self.standing = Standing()
        self.verified = 0
        self._findings = findings
        self._signatures = self._arithmetic = signatures
        self._back = back
        self._approvals: dict[int, _Approval] = {}
        self._renderers: dict[str, str] = {}
        self._checked: set[tuple[str, str]] = set()
        disposals = self.standing.disposals
        self._effects: dict[EventKind, Callable[[Entry], None]] = {
            EventKind.VAULT_CREATED: self._created,
            EventKind.KEY_ENROLLED: self._enrol,
            EventKind.KEY_ROTATED: self._rotated,
            EventKind.KEY_REVOKED: self._revoked,
            EventKind.POLICY_SET: self._policy,
            EventKind.LOG_REKEYED: self._rekeyed,
            EventKind.COPY_RENDERED: self._rendered,
            EventKind.COPY_CHECKED: self._check_made,
            EventKind.COPY_APPROVED: self._approved,
            EventKind.RELEASE_PUBLISHED: self._released,
            EventKind.HOLD_PLACED: disposals.placed,
            EventKind.HOLD_LIFTED: disposals.lifted,
            EventKind.DISPOSITION_ORDERED: lambda entry: disposals.ordered(entry, self._person(entry)),
            EventKind.DISPOSITION_CANCELLED: disposals.cancelled,
            EventKind.DISPOSITION_CONFIRMED: lambda entry: disposals.confirmed(entry, self._person(entry)),
            EventKind.DISPOSITION_DONE: disposals.done,
        }

    def resume(self, entries: Iterable[Entry]) -> None:
        """Let entries that were verified at an earlier time take effect again; nothing is said of them."""
        findings, back = self._findings, self._back
        self._findings, self._back = Findings(), lambda _: iter(())
        for entry in entries:
            self.take(entry, verified=True)
        self._findings, self._back = findings, back

    @property
    def effects(self) -> frozenset[str]:
        """The kinds that change what is permitted from then on."""
        return frozenset(kind.value for kind in self._effects)

    def permits(self, signers: Iterable[str], kind: str, outcome: str) -> bool:
        """Whether `take` would find nothing to say of an entry of a kind without effect, but for its arithmetic."""
        by = [self.standing.keys.get(name) for name in signers]
        known = _KINDS.get(kind)
        if known is None or known is EventKind.VAULT_CREATED or not all(by) or by[0] is None:
            return False
        asked = _OUTCOMES.get(known, outcome)
        return all(one and one.revoked is None for one in by) and _may(by[0].roles, known) and outcome == asked

    def take(self, entry: Entry, *, verified: bool = False) -> None:
        """Check one entry against what is in force, then let it take effect; `verified`: its signatures were, elsewhere."""
        self._arithmetic = self._signatures and not verified
        where = f"entry {entry.seq}"
        kind = _KINDS.get(entry.kind)
        if (entry.seq == 0) != (kind is EventKind.VAULT_CREATED):
            self._findings.bad(7, "a log begins with vault.created, once", where)
            return
        try:
            if kind is EventKind.VAULT_CREATED:
                self._created(entry)
            newcomer = PublicKey.from_json(entry.facts.get("operator")) if kind is EventKind.KEY_ROTATED else None
            signed = self._check_signatures(entry, where, newcomer)
        except IntegrityError as error:
            self._findings.refused(6, error, where)
            return
        if kind is None:
            self._findings.note(7, f"{entry.kind} is not known to this version: check with a newer one", where)
        elif signed:
            self._check_act(entry, kind, where)

    # --- step 6 ------------------------------------------------------------------------------------------

    def _check_signatures(self, entry: Entry, where: str, newcomer: PublicKey | None) -> bool:
        signed = True
        for name in entry.signers:
            if newcomer is not None and name == newcomer.key_id != entry.actor:
                continue  # it is enrolled by this very entry; its signature shows that somebody holds it
            by = self.standing.keys.get(name)
            if by is None:
                self._findings.bad(6, f"key {name} is not enrolled", where, ProofInvalid)
                signed = False
            elif by.revoked is not None:
                self._findings.bad(6, f"key {name} was revoked by entry {by.revoked}", where, ProofInvalid)
                signed = False
        if signed and self._arithmetic:
            keys = {name: self.standing.keys[name].key for name in entry.signers if name in self.standing.keys}
            verify_signatures(entry.raw, keys | ({newcomer.key_id: newcomer} if newcomer else {}))
            self.verified += len(entry.signers)
        return signed

    # --- step 7 ------------------------------------------------------------------------------------------

    def _check_act(self, entry: Entry, kind: EventKind, where: str) -> None:
        roles = self.standing.keys[entry.actor].roles
        if not _may(roles, kind):
            self._findings.bad(7, f"{entry.kind} by a key that is {_names(roles)}", where)
            return
        asked = _OUTCOMES.get(kind)
        if asked is not None and entry.outcome != asked:
            self._findings.bad(7, f"{entry.kind} cannot have the outcome {entry.outcome}", where)
            return
        try:
            self.standing.disposals.may_act(entry)
        except IntegrityError as error:
            self._findings.refused(7, error, where)
            return
        effect = self._effects.get(kind)
        if effect is None or kind is EventKind.VAULT_CREATED or entry.outcome != "ok":
            return
        try:
            effect(entry)
        except IntegrityError as error:
            self._findings.refused(7, error, where)

    def _person(self, entry: Entry) -> str:
        return self.standing.keys[entry.actor].person

    def _created(self, entry: Entry) -> None:
        if entry.facts.get("log") != entry.log:
            raise IntegrityError("vault.created names another log")
        self.standing.chain = KeyChain(NoteKey.parse(fact(entry.facts, "vkey", str)))
        self._enrol(entry, entry.actor)

    def _enrol(self, entry: Entry, must_be: str | None = None) -> None:
        operator = fact(entry.facts, "operator", dict)
        key = PublicKey.from_json(operator)
        if must_be not in (None, key.key_id):
            raise IntegrityError("vault.created is signed by another than the operator it enrols")
        known = self.standing.keys.get(key.key_id)
        if known is not None and known.revoked is not None:
            raise IntegrityError(f"key {key.key_id} was revoked and cannot be enrolled again")
        person = known.person if known else str(key.key_id)
        if operator.get("replaces") is not None:
            # The same person under a new key; two-person rules count people
            replaced = self.standing.keys.get(fact(operator, "replaces", str))
            if known is not None or replaced is None:
                raise IntegrityError(f"key {key.key_id} replaces a key that is not enrolled")
            person = replaced.person
        roles = frozenset(_role(one) for one in fact(operator, "roles", list))
        self.standing.keys[key.key_id] = Enrolled(key, roles, person, entry.seq)

    def _rotated(self, entry: Entry) -> None:
        """A person's own key gives way to another, which signs too and gets the same roles, no more."""
        operator = fact(entry.facts, "operator", dict)
        old = self.standing.keys[entry.actor]
        if entry.signers != (entry.actor, operator.get("key")) or operator.get("replaces") != entry.actor:
            raise IntegrityError("key.rotated is signed by the old key, then the new one, and replaces the old one")
        if operator["key"] in self.standing.keys:
            raise IntegrityError(f"key {operator['key']} was enrolled before and replaces nothing")
        if frozenset(_role(one) for one in fact(operator, "roles", list)) != old.roles:
            raise IntegrityError("key.rotated gives other roles than the old key had")
        self._enrol(entry)
        old.revoked = entry.seq

    def _revoked(self, entry: Entry) -> None:
        name = fact(entry.facts, "key", str)
        known = self.standing.keys.get(name)
        if known is None or known.revoked is not None:
            raise IntegrityError(f"key {name} is not enrolled, so it cannot be revoked")
        known.revoked = entry.seq
        since = entry.facts.get("compromised_from")
        if since is None:
            return
        try:
            parse_utc(since if isinstance(since, str) else "")
        except UsageError as error:
            raise IntegrityError(error.message) from error
        # What it signed before stands; what it signed after is flagged
        doubtful = [one.seq for one in self._back(entry.seq) if one.at >= since and name in one.signers]
        if doubtful:
            span = f"{len(doubtful)} between entry {doubtful[-1]} and {doubtful[0]}"
            self._findings.note(6, f"signed by key {name} after it was compromised: {span}", f"entry {entry.seq}")

    def _policy(self, entry: Entry) -> None:
        self.standing.policy = Policy.from_json(fact(entry.facts, "policy", dict))

    def _rekeyed(self, entry: Entry) -> None:
        """The log's own key gives way to another: the old one signed that, or nothing changes."""
        if self.standing.chain is None:
            raise IntegrityError("the key of the log is not known")
        handover = Handover.of_entry(entry.facts, log=entry.log, seq=entry.seq)
        self.standing.chain = self.standing.chain.extended(handover)
        if since := handover.compromised_from:
            doubtful = [one.seq for one in self._back(entry.seq) if one.at >= since]
            if doubtful:
                what = (
                    f"entries {doubtful[-1]} to {doubtful[0]} rest on a key of the log that somebody else may have held"
                )
                self._findings.note(2, f"{what}: only what outsiders or you saw of them tells", f"entry {entry.seq}")

    def _rendered(self, entry: Entry) -> None:
        self._renderers[fact(entry.facts, "copy_sha256", str)] = self._person(entry)

    def _check_made(self, entry: Entry) -> None:
        self._checked.add((fact(entry.facts, "copy_sha256", str), fact(entry.facts, "report_sha256", str)))

    def _approved(self, entry: Entry) -> None:
        signers = [self.standing.keys[name] for name in entry.signers]
        people = frozenset(one.person for one in signers if may(one.roles, EventKind.COPY_APPROVED))
        copy, plan, report = (fact(entry.facts, name, str) for name in ("copy_sha256", "plan_sha256", "report_sha256"))
        self._approvals[entry.seq] = _Approval(copy, plan, report, people)

    def _released(self, entry: Entry) -> None:
        """Each copy: approvals of these very bytes, by as many different people as policy asks."""
        named = fact(entry.facts, "approvals", list)
        approvals = [self._approvals[seq] for seq in named if isinstance(seq, int) and seq in self._approvals]
        if len(approvals) != len(named):
            raise IntegrityError("the release names approvals that are not in the log")
        for copy in fact(entry.facts, "copies", list):
            if not isinstance(copy, str) or copy not in self._renderers:
                raise IntegrityError(f"the released copy {copy} was never rendered here")
            mine = [one for one in approvals if one.copy == copy]
            people: set[str] = set().union(*(one.people for one in mine))
            missing = approvals_missing(self.standing.policy, approvers=people, renderer=self._renderers[copy])
            if missing:
                raise IntegrityError(f"the released copy {copy} lacks the approval of {missing} more people")
            if any((copy, one.report) not in self._checked for one in mine):
                self._findings.note(
                    7, f"the approval of {copy} names a check that is not in the log", f"entry {entry.seq}"
                )


@lru_cache(maxsize=1000)
def _may(roles: frozenset[Role], kind: EventKind) -> bool:
    return may(roles, kind)


def _names(roles: Iterable[Role]) -> str:
    return ", ".join(sorted(role.value for role in roles)) or "without a role"


def _role(value: Any) -> Role:
    try:
        return Role(value)
    except ValueError:
        raise IntegrityError(f"{value!r} is not a role") from None
