"""The log's own key gives way to another: `log.rekeyed`, signed by both, and checkpoints by the new key from then on.

1. what was recorded until now is published under the old key
2. the new key, wrapped to the operators, is durable beside the old one
3. the handover that both keys sign is recorded: **it happened**
4. the new key takes the old one's place; dying before, the next to publish does it
5. the log is published under the new key
"""

import os
from datetime import datetime

from bwc.audit.checkpoint import NoteKey, parse_checkpoint
from bwc.audit.keychain import KeyChain, hand_over
from bwc.canonical import Json
from bwc.custody.acting import NEXT_LOG_KEY, Acting
from bwc.enrolment import log_signer, wrap_log_key
from bwc.evidence import EventDraft, EventKind
from bwc.keys import SEED_BYTES


class Rekeying(Acting):
    """The log under a new key."""

    def rekey_log(self, *, note: str, compromised_from: datetime | None = None) -> NoteKey:
        """`log.rekeyed`; the key that signs from now on. Whoever pinned the old one follows the handover to it.

        `compromised_from`: since when somebody else may hold the old key; what it signed since is flagged.
        """
        self._require(EventKind.LOG_REKEYED)
        self.publish()  # 1
        seed = os.urandom(SEED_BYTES)
        new = log_signer(seed)
        key = NoteKey.of(self.log_origin, new)
        since = int(compromised_from.timestamp()) if compromised_from else 0
        facts: dict[str, Json] = {}
        with self._disk.lock("lock"):
            old = self._log_signer()
            readers = [row.recipient for row in self.operators() if row.is_active]
            wrapped = wrap_log_key(seed, log=self.log_origin, vkey=key.text(), recipients=readers)
            self._disk.replace(NEXT_LOG_KEY, wrapped)  # 2

            def place() -> None:  # in the transaction: now the entry's number is known
                handover = hand_over(
                    seq=self._catalog.count, origin=self.log_origin, old=old, new=new, compromised_s=since
                )
                facts.update(handover.facts())

            self._record(
                [EventDraft(kind=EventKind.LOG_REKEYED, facts=facts, private={"note": note})], first=place
            )  # 3
            self._finish_rekeying()  # 4
        self.publish()  # 5
        return key

    def key_chain(self) -> KeyChain:
        """The log's keys, from the first to the one that signed the published checkpoint."""
        _, note = parse_checkpoint(self.checkpoint_note())
        return KeyChain.carried(note, self.log_origin) or KeyChain(NoteKey.parse(self.vkey))
