"""What shall become of a recording's sound beside spoken personal data: all voices hidden in its plan, or everything.

Here are the vault's rooms not needed: a loose file does without them, and loading them took a quarter of its beginning.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from bwc.errors import NotFound, UsageError
from bwc.redact import plan_edit
from bwc.redact.plan import RedactionPlan, SoundKind
from bwc.redact.plan_view import ALWAYS_NS
from bwc.redact.speech.record import record_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundWish:
    """What shall become of the sound of a loose file besides spoken personal data."""

    voices: bool = False  # no voice is left
    everything: bool = False  # no sound is left
    kind: SoundKind = SoundKind.MUTE

    def apply(self, plan: RedactionPlan) -> RedactionPlan:
        """`plan` with that hidden; without a voice it stays as it is. Raises `NotFound` when nobody listened for voices."""
        record = record_of(plan)
        now = datetime.now(UTC)
        if self.everything:
            return all_muted(plan, by="command line", at=now, kind=self.kind)
        if self.voices and (record is None or record.voice_ms):
            return voices_muted(plan, by="command line", at=now, kind=self.kind)
        return plan


def all_muted(
    plan: RedactionPlan, *, by: str, at: datetime, kind: SoundKind, exemption: str | None = None, note: str = ""
) -> RedactionPlan:
    """`plan` with all sound there can be hidden."""
    return plan_edit.add_mute(plan, -ALWAYS_NS, ALWAYS_NS, by=by, at=at, kind=kind, exemption=exemption, note=note)


def voices_muted(
    plan: RedactionPlan, *, by: str, at: datetime, kind: SoundKind, exemption: str | None = None, note: str = ""
) -> RedactionPlan:
    """`plan` with every voice hidden. Raises `NotFound` when nobody listened, `UsageError` when there is no voice."""
    from bwc.redact.speech.heard import MS
    from bwc.redact.speech.proposals import joined, voices_in

    record = record_of(plan)
    if record is None:
        raise NotFound("nobody listened to the recording yet", "bwc listen ITEM; for a loose file leave out --plan")
    voices = joined(one for track in record.tracks for one in voices_in(track))
    if not voices:
        raise UsageError("no voice was found", "bwc mute ITEM --no-audio hides all sound")
    spans = [(one.start_ms * MS, one.end_ms * MS) for one in voices]
    return plan_edit.add_mutes(plan, spans, by=by, at=at, kind=kind, exemption=exemption, note=note or "voice")
