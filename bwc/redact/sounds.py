"""The sound of one item on the redaction desk: listened to, muted by hand, by voice or altogether."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from bwc.custody.house import House
from bwc.evidence import ItemId
from bwc.redact import editing, plan_edit, session
from bwc.redact.branching import base
from bwc.redact.check_report import CheckReport, Suspect
from bwc.redact.editing import Edited
from bwc.redact.plan import RedactionPlan, SoundKind
from bwc.redact.plan_view import span_text, span_within
from bwc.redact.session import Listen, PlanState, Progress
from bwc.redact.shown import Clock, from_picture
from bwc.redact.sound_wish import all_muted, voices_muted


def listener(
    own_model: Path | None = None,
    *,
    watch: Sequence[str] = (),
    forget: bool = False,
    kind: SoundKind = SoundKind.MUTE,
    words: bool = True,
) -> Listen:
    """What listens to a recording for `session.detect` and `listen`; `words` False finds voices only.

    `watch`: words to look for besides those of the plan; `forget`: instead of those.

    Raises `NotFound` when `own_model` is no speech model; without any model only voices are found, and the plan says so.
    """
    from bwc.redact.speech.listen import Hearing, find_hearing
    from bwc.redact.speech.listen import listen as hear

    hearing = find_hearing(own_model) if words else Hearing(None, "nobody asked for words (--no-words)")

    def act(file: BinaryIO, plan: RedactionPlan, progress: Progress | None) -> RedactionPlan:
        return hear(file, plan, hearing, watch=watch, forget=forget, kind=kind, progress=progress)

    return act


def listen(
    house: House, item: ItemId, segment: int | None, act: Listen, *, at: datetime, progress: Progress | None = None
) -> list[PlanState]:
    """Listen to the recordings of `item` again: proposals nobody decided on are made anew, all else stays.

    Without a recogniser proposals stay as well.
    Raises `NotFound` before `bwc detect`.
    """
    done = []
    for before in session.plans(house, item, segment):
        with house.open_original(item, before.segment, purpose="detect") as original:

            def next_of(now: PlanState | None, original: BinaryIO = original) -> RedactionPlan:
                plan = session.there(now, item).plan
                return plan_edit.next_revision(plan, act(original, plan, progress), made_at=at)

            done.append(session.save_next(house, item, before.segment, next_of, detected=True))
    return done


def mute(
    house: House,
    item: ItemId,
    segment: int | None,
    *,
    start_ns: int,
    end_ns: int,
    clock: Clock = Clock.PICTURE,
    kind: SoundKind = SoundKind.MUTE,
    exemption: str = "",
    note: str = "",
    at: datetime,
    request: str = "",
) -> Edited:
    """Hide all sound from `start_ns` to `end_ns` of `clock`; before the first picture, too."""
    by, code = house.person.key_id, exemption or house.policy.default_exemption
    before = base(house, item, segment, request)
    asked = from_picture(before.plan, start_ns, clock), from_picture(before.plan, end_ns, clock)
    # to the end that was asked for: sound may outlast the pictures
    start, end = span_within(before.plan, *asked)

    def change(plan: RedactionPlan) -> RedactionPlan:
        return plan_edit.add_mute(plan, start, end, by=by, at=at, kind=kind, exemption=code, note=note)

    what = f"{_verb(kind)} {span_text(before.plan, *asked)}"
    return editing.edit(house, item, before.segment, change, what=what, request=request)


def mute_wide(
    house: House,
    item: ItemId,
    segment: int | None,
    *,
    voices: bool,
    kind: SoundKind = SoundKind.MUTE,
    exemption: str = "",
    note: str = "",
    at: datetime,
    request: str = "",
) -> Edited:
    """Hide all sound there is, or with `voices` every voice that was found: the sound between them stays."""
    by, code = house.person.key_id, exemption or house.policy.default_exemption
    act, where = (voices_muted, "every voice") if voices else (all_muted, "the whole recording")
    return editing.edit(
        house,
        item,
        segment,
        lambda plan: act(plan, by=by, at=at, kind=kind, exemption=code, note=note),
        what=f"{_verb(kind)} {where}",
        request=request,
    )


def suspect_muted(
    plan: RedactionPlan, one: Suspect, report: CheckReport, *, by: str, at: datetime, exemption: str, note: str
) -> RedactionPlan:
    """`plan` with what was heard in a copy muted; recognisers place words late, so a good deal more before it."""
    first = report.measures.get("excerpt_first", 0)  # a report counts milliseconds from where its copy begins
    begin_ns = int(plan.media.pts.pts_of(first) * plan.media.time_base * 1_000_000_000)
    start, end = (begin_ns + ms * 1_000_000 for ms in (one.first_ms - 600, one.last_ms + 400))
    return plan_edit.add_mute(plan, start, end, by=by, at=at, exemption=exemption, note=note)


def _verb(kind: SoundKind) -> str:
    return "bleeped" if kind is SoundKind.BLEEP else "muted"
