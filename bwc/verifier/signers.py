"""Who published and who approved a release: enrolments and approvals handed out with their own inclusion proofs.

What cannot be shown offline is what did not happen: a key revoked since. Whoever reads the log itself sees that.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from bwc.anchors.proof import LogProof
from bwc.audit.checkpoint import Checkpoint, NoteKey
from bwc.audit.event import Entry, parse_entry
from bwc.errors import BwcError, IntegrityError, LogForked, ProofInvalid
from bwc.evidence import EventKind, Outcome
from bwc.keys import PublicKey
from bwc.roles import Role, may
from bwc.verifier.released import ENTRY, CopyFacts, ProvenFacts, Release

Complain = Callable[[str, BwcError], None]  # the file it is about, and what is wrong
ReadSmall = Callable[[str], bytes]  # the bytes of a listed file; raises IntegrityError when missing


@dataclass(slots=True)
class Checkpoints:
    """The signed checkpoints of one package. Two roots for one size are two histories."""

    roots: dict[int, bytes] = field(default_factory=dict)
    notes: list[bytes] = field(default_factory=list)  # as they were signed

    def add(self, found: Checkpoint, note: bytes) -> None:
        if note not in self.notes:
            self.notes.append(note)
        if self.roots.setdefault(found.size, found.root) != found.root:
            raise LogForked(f"two checkpoints of {found.origin} at size {found.size} have different roots")


def read_proof(entry: bytes, proof: bytes, *, key: NoteKey, seen: Checkpoints) -> tuple[Entry, Checkpoint]:
    """The entry that `proof` proves. Raises `IntegrityError`, `ProofInvalid` or `LogForked`."""
    parsed, found = parse_entry(entry), LogProof.parse(proof)
    if found.extra is not None:
        # tlog-proof does not authenticate it, so nothing would notice a change in it; ours never have one
        raise IntegrityError("the proof carries an unauthenticated extra line")
    checkpoint = found.verify(entry, key)
    if parsed.seq != found.index or parsed.log != key.name:
        raise ProofInvalid(f"entry {parsed.seq} of {parsed.log} is proven as {found.index} of {key.name}")
    seen.add(checkpoint, found.checkpoint_note)
    return parsed, checkpoint


def read_proven(
    release: Release, read: ReadSmall, complain: Complain, *, key: NoteKey, seen: Checkpoints
) -> list[Entry]:
    """The enrolment and approval entries of the package that are in the log, in its order; complains of the others."""
    found = []
    for facts in release.entries:
        try:
            entry, _ = read_proof(read(facts.entry), read(facts.proof), key=key, seen=seen)
            _check_place(facts, entry)
            found.append(entry)
        except IntegrityError as error:
            complain(f"{facts.entry} with {facts.proof}", error)
    return sorted(found, key=lambda entry: entry.seq)


def check_signers(release: Release, published: Entry, proven: Sequence[Entry], complain: Complain) -> list[str]:
    """Check every signature, enrolment and role behind the release. Returns what was shown, in lines for people."""
    keys: dict[str, PublicKey] = {key.key_id: key for key in release.keys}
    roles: dict[str, frozenset[Role]] = {}
    shown = []
    names = {facts.seq: facts.entry for facts in release.entries}
    for entry in proven:
        try:
            _check_signatures(entry, keys)
            _check_act(entry, roles, release)
            if entry.kind == EventKind.COPY_APPROVED:
                shown.append(f"approved by {entry.actor} on {entry.at[:10]} (entry {entry.seq})")
        except IntegrityError as error:
            complain(names.get(entry.seq, ENTRY), error)
    try:
        _check_signatures(published, keys)
        _require_role(published, roles)
        _check_approvals(release, published, proven)
        shown.append(f"published by {published.actor} on {published.at[:10]} (entry {published.seq})")
    except IntegrityError as error:
        complain(ENTRY, error)
    return shown


def check_indexed(release: Release, indexed: Entry, proven: Sequence[Entry]) -> None:
    """Raise `ProofInvalid` unless whoever indexed the recording signed, and was enrolled for it earlier."""
    _check_signatures(indexed, {str(key.key_id): key for key in release.keys})
    roles: dict[str, frozenset[Role]] = {}
    for entry in proven:
        if entry.kind in _KINDS["enrolment"] and entry.seq < indexed.seq:
            key, held = _enrolled(entry)
            roles[key.key_id] = held
    _require_role(indexed, roles)


def check_signature_only(release: Release, published: Entry) -> None:
    """Raise `ProofInvalid` unless the published entry's signatures are by keys that release.json lists."""
    _check_signatures(published, {str(key.key_id): key for key in release.keys})


def _check_place(facts: ProvenFacts, entry: Entry) -> None:
    if entry.seq != facts.seq:
        raise ProofInvalid(f"this is entry {entry.seq}, not {facts.seq}")
    if entry.kind not in _KINDS.get(facts.why, ()):
        raise ProofInvalid(f"entry {entry.seq} is {entry.kind}, which is no {facts.why}")


_KINDS: Mapping[str, Iterable[str]] = {
    "enrolment": (EventKind.VAULT_CREATED, EventKind.KEY_ENROLLED, EventKind.KEY_ROTATED),
    "approval": (EventKind.COPY_APPROVED,),
}


def _check_signatures(entry: Entry, keys: Mapping[str, PublicKey]) -> None:
    for signature in entry.signatures:
        key = keys.get(signature.key)
        if key is None:
            raise ProofInvalid(f"entry {entry.seq} is signed by {signature.key}, a key release.json does not list")
        if signature.alg != key.alg:
            raise ProofInvalid(f"entry {entry.seq} names another algorithm than the key {signature.key} has")
        key.verify(entry.message, signature.signature)


def _check_act(entry: Entry, roles: dict[str, frozenset[Role]], release: Release) -> None:
    """Check one proven entry in log order; an enrolment adds to `roles`."""
    if entry.outcome != Outcome.OK:
        raise ProofInvalid(f"entry {entry.seq} is an act that {entry.outcome}")
    if entry.kind == EventKind.VAULT_CREATED:
        if entry.seq != 0 or entry.facts.get("log") != release.log or entry.facts.get("agency") != release.agency:
            raise ProofInvalid("the log was not founded by this agency under this name")
        key, held = _enrolled(entry)
        if key.key_id != entry.actor:
            raise ProofInvalid("the log was founded by another key than it enrolled")
        roles[key.key_id] = held
        return
    _require_role(entry, roles)
    if entry.kind == EventKind.KEY_ENROLLED:
        key, held = _enrolled(entry)
        roles[key.key_id] = held
    elif entry.kind == EventKind.KEY_ROTATED:
        key, held = _enrolled(entry)
        if entry.signers != (entry.actor, key.key_id) or held != roles[entry.actor]:
            raise ProofInvalid(f"entry {entry.seq} is not one person's step from a key to the next")
        roles[key.key_id] = roles.pop(entry.actor)
    elif entry.item != release.item or not any(_approves(entry, copy) for copy in release.copies):
        raise ProofInvalid(f"entry {entry.seq} approves another copy than the ones released")


def _require_role(entry: Entry, roles: Mapping[str, frozenset[Role]]) -> None:
    if entry.actor not in roles:
        raise ProofInvalid(f"no proven entry enrols {entry.actor}, who signed entry {entry.seq}")
    if not may(roles[entry.actor], EventKind(entry.kind)):
        raise ProofInvalid(f"{entry.actor} was not enrolled for {entry.kind}")


def _enrolled(entry: Entry) -> tuple[PublicKey, frozenset[Role]]:
    operator = entry.facts.get("operator")
    if not isinstance(operator, dict) or not isinstance(operator.get("roles"), list):
        _no_operator(entry)
    try:
        return PublicKey.from_json(operator), frozenset(Role(role) for role in operator["roles"])
    except ValueError:
        _no_operator(entry)


def _no_operator(entry: Entry) -> NoReturn:
    raise IntegrityError(f"entry {entry.seq} enrols nobody")


def _approves(entry: Entry, copy: CopyFacts) -> bool:
    facts: Mapping[str, Any] = entry.facts
    return (facts.get("segment"), facts.get("plan_sha256"), facts.get("copy_sha256"), facts.get("report_sha256")) == (
        copy.segment,
        copy.plan_sha256,
        copy.copy_sha256,
        copy.report_sha256,
    )


def _check_approvals(release: Release, published: Entry, proven: Sequence[Entry]) -> None:
    """Every approval the entry names is proven, and if it names any, no copy goes without one."""
    named = published.facts.get("approvals")
    approvals = {entry.seq: entry for entry in proven if entry.kind == EventKind.COPY_APPROVED}
    if not isinstance(named, list) or set(named) != set(approvals):
        raise ProofInvalid("the approvals the entry names are not the ones proven")
    for copy in release.copies if approvals else ():
        if not any(_approves(entry, copy) for entry in approvals.values()):
            raise ProofInvalid(f"nobody approved {copy.file}")
