"""The log's own key gives way to another: `log.rekeyed`, signed by both, and checkpoints by the new key from then on.

1. what was recorded until now is published under the old key
2. the new key, wrapped to the operators of now, is durable beside the old one
3. the handover that both keys sign is recorded: **it happened**
4. the log is published under the new key; dying before, the next to publish does it
5. the new key takes the old one's place. Not before: a vault that lost its catalog, and a copy of it, goes on from its
   checkpoint with the key that signed that
"""

import os
from datetime import datetime

from bwc.appending.writing import hand_over, log_key
from bwc.audit.checkpoint import NoteKey, parse_checkpoint
from bwc.audit.keychain import KeyChain
from bwc.canonical import Json
from bwc.custody.acting import Acting
from bwc.custody.log_copy import NEXT_LOG_KEY
from bwc.enrolment import log_signer, wrap_log_key
from bwc.evidence import EventDraft, EventKind
from bwc.identities import SEED_BYTES


class Rekeying(Acting):
    """The log under a new key."""

    def rekey_log(self, *, note: str, compromised_from: datetime | None = None) -> NoteKey:
        """`log.rekeyed`; the key that signs from now on. Whoever pinned the old one follows the handover to it.

        `compromised_from`: since when somebody else may hold the old key; what it signed since is flagged.
        """
        self._require(EventKind.LOG_REKEYED)
        seed = os.urandom(SEED_BYTES)
        new = log_signer(seed)
        key = log_key(self.log_origin, new)
        since = int(compromised_from.timestamp()) if compromised_from else 0
        facts: dict[str, Json] = {}
        with self._disk.lock("lock"):
            self._publish()  # 1
            old = self._signer_of(self.log_key_file())

            def hand_it_over() -> None:  # in the transaction: nobody comes or goes, and the entry's number is known
                readers = [row.recipient for row in self.operators() if row.is_active]
                wrapped = wrap_log_key(seed, log=self.log_origin, vkey=key.text(), recipients=readers)
                self._disk.replace(NEXT_LOG_KEY, wrapped)  # 2
                handover = hand_over(
                    seq=self._catalog.count, origin=self.log_origin, old=old, new=new, compromised_s=since
                )
                facts.update(handover.facts())

            draft = EventDraft(kind=EventKind.LOG_REKEYED, facts=facts, private={"note": note})
            self._record([draft], first=hand_it_over)  # 3
            self._publish()  # 4, 5
        return key

    def key_chain(self) -> KeyChain:
        """The log's keys, from the first to the one that signed the published checkpoint."""
        _, note = parse_checkpoint(self.checkpoint_note())
        return KeyChain.carried(note, self.log_origin) or KeyChain(NoteKey.parse(self.vkey))
