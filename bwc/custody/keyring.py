"""Acts on keys and policy: enrol, revoke, set what holds. What is held then gets its new readers (`rewrapping`)."""

from collections.abc import Sequence
from datetime import datetime

from bwc.canonical import Json
from bwc.custody.log_copy import LOG_KEY, NEXT_LOG_KEY
from bwc.custody.rewrapping import Rewrapping
from bwc.enrolment import OperatorPublic, log_vkey, open_log_key, wrap_log_key
from bwc.errors import KeyUnavailable, NotFound, UsageError
from bwc.evidence import EventDraft, EventKind, KeyId, utc_text
from bwc.identities import Operator, PublicKey, Recipient, Unwrapper
from bwc.roles import BODY_READERS, FOOTAGE_READERS, WORKERS, Policy, Role

RECOVERY = "recovery"  # the purpose of a recipient that is no operator
READERS = FOOTAGE_READERS | BODY_READERS | WORKERS


class Keyring(Rewrapping):
    """Who may sign and open from now on."""

    def enrol(self, person: OperatorPublic, *, roles: Sequence[str], recovery: Unwrapper | None = None) -> int:
        """`key.enrolled`; the log key is wrapped to the newcomer, and what is held when they may read it.

        Enrolled again, a key has these roles and no others: what is held is taken from whoever may read it no more.
        `recovery` opens the envelopes when no key of this operator does. How many envelopes were wrapped anew.
        """
        self._require(EventKind.KEY_ENROLLED)
        self._check_recovery(recovery)
        self._check_suites([person.recipient], self.policy)
        before = {Role(role) for row in self.operators() if row.key_id == person.key_id for role in row.roles}
        self.act(EventKind.KEY_ENROLLED, None, {"operator": person.facts(roles)}, {"name": person.name})
        self._rewrap_log_key(self.person)
        return self.rewrap(recovery) if READERS & (before | {Role(role) for role in roles}) else 0

    def rotate(self, new: Operator) -> int:
        """`key.rotated`: this operator's key gives way to `new`, which signs too and acts from here on.

        The same person with the same roles; everything the old key opens is given to the new one (`finish_rotation`).
        How many envelopes were wrapped anew. Raises `NotAllowed` when the old key is not enrolled.
        """
        self._require(EventKind.KEY_ROTATED)
        old = self.person
        if new.key_id in {row.key_id for row in self.operators()}:
            raise UsageError(f"key {new.key_id} is enrolled already", "bwc key list")
        self._check_suites([new.recipient], self.policy)
        public = OperatorPublic(name=new.name, key=PublicKey(new.alg, new.public), recipient=new.recipient)
        facts = public.facts(sorted(role.value for role in self.roles())) | {"replaces": old.key_id}
        draft = EventDraft(kind=EventKind.KEY_ROTATED, facts={"operator": facts}, private={"name": new.name})
        self._record([draft], also=[new])
        self.operator = new
        return self.finish_rotation(old)

    def finish_rotation(self, old: Unwrapper) -> int:
        """Give what only `old` opens to the key that replaced it; done again, it does what is still left."""
        self._rewrap_log_key(old)
        return self.rewrap(old)

    def rewrap_now(self, recovery: Unwrapper | None = None) -> int:
        """`rewrap`, asked for by a person: refused where their role does not permit it. How many envelopes.

        The log's key too: whoever enrolled or revoked somebody may have died before it followed.
        """
        self._require(EventKind.ITEM_REWRAPPED)
        self._check_recovery(recovery)
        self._rewrap_log_key(self.person)
        return self.rewrap(recovery)

    def revoke(
        self, who: str, *, note: str, compromised_from: datetime | None = None, recovery: Unwrapper | None = None
    ) -> tuple[KeyId, int]:
        """`key.revoked`: what the key signed before stands; it is taken off the log key and every envelope.

        What it signed from `compromised_from` on is flagged by verification. Envelopes are wrapped anew by whoever
        can open them: this operator, or the holder of the `recovery` key.
        """
        self._check_recovery(recovery)
        matches = [row for row in self.operators() if row.is_active and (row.name == who or row.key_id.startswith(who))]
        if len(matches) != 1:
            raise NotFound(f"{'no' if not matches else 'more than one'} enrolled key is {who}", "bwc key list")
        if matches[0].key_id == self.person.key_id:
            hint = "another administrator does it; to change your own: bwc key rotate"
            raise UsageError("you cannot revoke the key you are signing with", hint)
        facts: dict[str, Json] = {"key": matches[0].key_id}
        if compromised_from is not None:
            facts["compromised_from"] = utc_text(compromised_from)
        self.act(EventKind.KEY_REVOKED, None, facts, {"note": note})
        self._rewrap_log_key(self.person)
        return KeyId(matches[0].key_id), self.rewrap(recovery)

    def replace_recovery(self, new: Recipient, *, recovery: Unwrapper | None = None) -> int:
        """`recipient.added`, then `recipient.removed` for the recovery key before; what is held follows.

        How many envelopes were wrapped anew: by this operator if their key opens footage, or by the old `recovery`
        key. Raises `KeyUnavailable` when neither can, for the new paper would then open nothing that is held.
        """
        self._require(EventKind.RECIPIENT_ADDED)
        self._check_recovery(recovery)
        self._check_suites([new], self.policy)
        if recovery is None and not FOOTAGE_READERS & self.roles() and self.items():
            hint = "a records officer who is an administrator too does it, or --recovery-file with the old key"
            raise KeyUnavailable("you cannot open what is held, so you cannot give it to a new recovery key", hint)
        old = [row.recipient.recipient_id for row in self.recipients() if row.purpose == RECOVERY]
        self.act(EventKind.RECIPIENT_ADDED, None, {"purpose": RECOVERY, "recipient": new.to_json()}, {})
        for one in old:
            self.act(EventKind.RECIPIENT_REMOVED, None, {"recipient": one}, {})
        return self.rewrap(recovery)

    def set_policy(self, policy: Policy) -> None:
        """`policy.set`."""
        everybody = [row.recipient for row in self.operators() if row.is_active]
        self._check_suites([*everybody, *(row.recipient for row in self.recipients())], policy)
        before = self.policy
        self.act(EventKind.POLICY_SET, None, {"policy": policy.to_json()}, {})
        if before.worker != policy.worker:
            self.rewrap()

    def _check_recovery(self, recovery: Unwrapper | None) -> None:
        known = {row.recipient.recipient_id for row in self.recipients()}
        if recovery is not None and recovery.recipient_id not in known:
            raise KeyUnavailable("this recovery key is not of this vault", "look for the paper with its date")

    def _rewrap_log_key(self, opener: Unwrapper) -> None:
        """The log's key, wrapped to the operators of now; while it is handed over, the next one too."""
        with self._disk.lock("lock"):  # a handover between reading and replacing would be undone
            for path in (NEXT_LOG_KEY, LOG_KEY):
                if (file := self._disk.read(path)) is not None:
                    self._disk.replace(path, self._rewrapped_log_key(file, opener))

    def _rewrapped_log_key(self, file: bytes, opener: Unwrapper) -> bytes:
        signers = [row.recipient for row in self.operators() if row.is_active]
        try:
            seed = open_log_key(file, self.person)
        except KeyUnavailable:  # this operator's key is new, and another's was wrapped to
            seed = open_log_key(file, opener)
        return wrap_log_key(seed, log=self.log_origin, vkey=log_vkey(file)[1], recipients=signers)
