"""Acts that change nothing held and must be on record: what was shown, exported, verified, tried."""

from collections.abc import Mapping

from bwc.canonical import Json
from bwc.custody.acting import Acting
from bwc.evidence import EventKind, ItemId, Outcome


class Noting(Acting):
    """What happened at the vault without touching it."""

    def note_frames(self, item: ItemId, segment: int, *, what: str, to: str) -> None:
        """`frames.exported`: pictures of an item leave the vault in the clear; recorded before they are written."""
        self.act(EventKind.FRAMES_EXPORTED, item, {"purpose": what, "segment": segment}, {"to": to})

    def note_verified(self, facts: Mapping[str, Json], *, intact: bool) -> None:
        """`vault.verified`: who verified up to where, and with which result."""
        outcome = Outcome.OK if intact else Outcome.FAILED
        self.act(EventKind.VAULT_VERIFIED, None, facts, {}, outcome=outcome)

    def note_export(self, *, entries: int, to: str) -> None:
        """`log.exported`: the whole log was handed out, without footage."""
        self.act(EventKind.LOG_EXPORTED, None, {"entries": entries}, {"to": to})

    def note_trail(self, item: ItemId, *, entries: int, to: str) -> None:
        """`log.exported` of one item: its trail was handed out, which ends with this."""
        self.act(EventKind.LOG_EXPORTED, item, {"entries": entries}, {"to": to})

    def note_heartbeat(self) -> None:
        """`log.heartbeat`: nothing happened, and the log was on."""
        self.act(EventKind.LOG_HEARTBEAT, None, {}, {})

    def note_login(self) -> None:
        """`login.ok`: this operator unlocked their key."""
        self.act(EventKind.LOGIN_OK, None, {}, {})

    def note_failed_logins(self, *, count: int, first_at: str, last_at: str) -> None:
        """`login.failed`: passphrases of this key that were wrong. Only its holder can sign that, so it is said later."""
        facts: dict[str, Json] = {"count": count, "first_at": first_at, "last_at": last_at}
        self.act(EventKind.LOGIN_FAILED, None, facts, {}, outcome=Outcome.FAILED)
