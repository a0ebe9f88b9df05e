"""Acts on keys and policy: enrol, revoke, set what holds. What is held then gets its new readers (`rewrapping`)."""

from collections.abc import Sequence

from bwc.custody.reading import LOG_KEY
from bwc.custody.rewrapping import Rewrapping
from bwc.enrolment import OperatorPublic, open_log_key, wrap_log_key
from bwc.errors import NotFound, UsageError
from bwc.evidence import EventKind, KeyId
from bwc.keys import Unwrapper
from bwc.roles import FOOTAGE_READERS, Policy, Role


class Keyring(Rewrapping):
    """Who may sign and open from now on."""

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

    def set_policy(self, policy: Policy) -> None:
        """`policy.set`."""
        self.act(EventKind.POLICY_SET, None, {"policy": policy.to_json()}, {})

    def _rewrap_log_key(self) -> None:
        file = self.log_key_file()
        signers = [row.recipient for row in self.operators() if row.is_active]
        seed = open_log_key(file, self.person)
        self._disk.replace(LOG_KEY, wrap_log_key(seed, log=self.log_origin, vkey=self.vkey, recipients=signers))
