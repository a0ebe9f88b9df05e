"""Who may sign what, from proven entries alone: enrolments taken in the log's order, each signed by who was enrolled.

What cannot be shown so is what was left out: a key revoked since. Whoever reads the log itself sees that.
"""

from dataclasses import dataclass, field

from bwc.audit.event import Entry
from bwc.errors import IntegrityError, ProofInvalid
from bwc.evidence import EventKind, Outcome
from bwc.keys import PublicKey
from bwc.roles import Role, may

ENROLS = frozenset({EventKind.VAULT_CREATED, EventKind.KEY_ENROLLED, EventKind.KEY_ROTATED})


@dataclass(slots=True)
class People:
    """The keys that entries taken so far enrolled, and their roles."""

    agency: str
    log: str
    keys: dict[str, PublicKey] = field(default_factory=dict)
    roles: dict[str, frozenset[Role]] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """Check one entry against those before it and let it take effect. Raises `IntegrityError` or `ProofInvalid`."""
        if entry.kind not in ENROLS:
            self.verify(entry)
            return
        if entry.outcome != Outcome.OK:
            raise ProofInvalid(f"entry {entry.seq} is an act that {entry.outcome}")
        key, roles = _enrolled(entry)
        if entry.kind == EventKind.VAULT_CREATED:
            if (entry.seq, entry.facts.get("agency"), entry.facts.get("log")) != (0, self.agency, self.log):
                raise ProofInvalid("the log was not founded by this agency under this name")
            if key.key_id != entry.actor:
                raise ProofInvalid("the log was founded by another key than it enrolled")
            self._enrol(key, roles)
            self.verify(entry)
        elif entry.kind == EventKind.KEY_ENROLLED:
            self.verify(entry)
            self._enrol(key, roles)
        else:
            if entry.signers != (entry.actor, key.key_id) or roles != self.roles.get(entry.actor):
                raise ProofInvalid(f"entry {entry.seq} is not one person's step from a key to the next")
            self._enrol(key, roles)  # it signs this very entry
            self.verify(entry)
            del self.roles[entry.actor]

    def verify(self, entry: Entry) -> None:
        """Raise `ProofInvalid` unless every signature is by somebody enrolled, and the actor's role permits the act."""
        for signature in entry.signatures:
            key = self.keys.get(signature.key)
            if key is None or signature.key not in self.roles:
                raise ProofInvalid(f"entry {entry.seq} is signed by {signature.key}, whom no earlier entry enrols")
            if signature.alg != key.alg:
                raise ProofInvalid(f"entry {entry.seq} names another algorithm than its key has")
            key.verify(entry.message, signature.signature)
        try:
            kind = EventKind(entry.kind)
        except ValueError:
            return  # of a newer version: whose role it needs is not known here
        if not may(self.roles[entry.actor], kind):
            raise ProofInvalid(f"{entry.actor} was not enrolled for {entry.kind}")

    def _enrol(self, key: PublicKey, roles: frozenset[Role]) -> None:
        self.keys[key.key_id] = key
        self.roles[key.key_id] = roles


def _enrolled(entry: Entry) -> tuple[PublicKey, frozenset[Role]]:
    operator = entry.facts.get("operator")
    if not isinstance(operator, dict) or not isinstance(operator.get("roles"), list):
        raise IntegrityError(f"entry {entry.seq} enrols nobody")
    try:
        return PublicKey.from_json(operator), frozenset(Role(role) for role in operator["roles"])
    except ValueError:
        raise IntegrityError(f"entry {entry.seq} enrols somebody in a role there is not") from None
