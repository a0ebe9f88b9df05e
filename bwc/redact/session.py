"""One item on the redaction desk: its plan detected, shown and saved; each revision sealed and recorded.

A revision is saved only if the plan it was made from is still the newest: what somebody said meanwhile is never replaced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import BinaryIO

from bwc.canonical import Json, sha256_hex
from bwc.custody.house import House
from bwc.errors import MediaError, NotFound, PlanStale, PolicyRefuses, UsageError
from bwc.evidence import ItemId, ObjectRole
from bwc.memory import give_back
from bwc.redact.plan import (
    DECODING,
    LET_GO,
    OVERLAY,
    TURNED,
    Decision,
    Origin,
    RedactionPlan,
    SoundSpan,
    Track,
    WholeFrame,
    undecided,
)
from bwc.redact.plan_format import from_bytes, to_bytes
from bwc.redact.plan_view import PlanSummary, summary, within
from bwc.redact.speech.record import class_of, listened, record_of
from bwc.roles import looking_for
from bwc.storage.pieces import Pieces

Progress = Callable[[int, int | None], None]
Listen = Callable[[BinaryIO, RedactionPlan, Progress | None], RedactionPlan]

_TRIES = 20  # somebody else saved a plan between our reading and our saving, twenty times in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanState:
    """The current revision of the plan of one segment, with its bytes as they were sealed."""

    item: ItemId
    segment: int
    plan: RedactionPlan
    data: bytes

    @property
    def sha256(self) -> str:
        return sha256_hex(self.data)

    def summary(self) -> PlanSummary:
        return summary(self.plan)

    def to_json(self, *, tracks: bool = False) -> dict[str, Json]:
        """Stable keys for `--json`."""
        found: dict[str, Json] = {"item": self.item, "segment": self.segment, "plan_sha256": self.sha256}
        found["summary"] = self.summary().to_json()
        if tracks:
            found["tracks"] = [track_row(self.plan, track) for track in self.plan.tracks]
            found["sounds"] = [sound_row(self.plan, span) for span in self.plan.audio_spans]
            found["whole_frames"] = [whole_row(self.plan, span) for span in self.plan.whole_frame]
        return found


Make = Callable[[PlanState | None], RedactionPlan]  # the next plan after the newest one, if there is any
Look = Callable[[BinaryIO, int, Pieces], RedactionPlan]
Hear = Callable[[BinaryIO, RedactionPlan], RedactionPlan]


def track_row(plan: RedactionPlan, track: Track) -> dict[str, Json]:
    """One track in short: when it is seen (milliseconds of presentation time), what was decided, what is doubtful."""
    first = min((span.first for span in track.spans), default=0)
    stop = max((span.stop for span in track.spans), default=1)
    return {
        "class": track.class_,
        "decision": track.decision.choice.value,
        "doubts": list(track.doubts),
        "end_ms": _ms(plan, stop),
        "exemption": track.decision.exemption or "",
        "frames": sum(len(span.boxes) for span in track.spans),
        "id": track.id,
        "note": track.decision.note,
        "score_permille": track.score_permille,
        "start_ms": _ms(plan, first),
    }


def sound_row(plan: RedactionPlan, span: SoundSpan) -> dict[str, Json]:
    """One hidden span of sound in short, in milliseconds after the first frame."""
    begin = int(plan.media.pts.start * plan.media.time_base * 1_000_000_000)
    start, end = within(plan, span.start_ns, span.end_ns)
    times: dict[str, Json] = {"start_ms": (start - begin) // 1_000_000, "end_ms": (end - begin) // 1_000_000}
    record = record_of(plan)
    label = record.labels.get(span.id) if record else None
    return times | _said(span.id, class_of(label), span.decision) | {"kind": span.kind.value}


def whole_row(plan: RedactionPlan, span: WholeFrame) -> dict[str, Json]:
    """One span of wholly covered frames in short."""
    times: dict[str, Json] = {"start_ms": _ms(plan, span.first), "end_ms": _ms(plan, span.stop)}
    return times | _said(span.id, "whole frame", span.decision)


def _said(name: str, class_: str, decision: Decision) -> dict[str, Json]:
    return {
        "class": class_,
        "decision": decision.choice.value,
        "doubts": [],
        "exemption": decision.exemption or "",
        "id": name,
        "note": decision.note,
    }


def detect(
    house: House,
    item: ItemId,
    *,
    profile: str,
    again: bool = False,
    progress: Progress | None = None,
    also: Sequence[str] = (),
    text: str | None = None,
    screens: str | None = None,
    listen: Listen | None = None,
) -> list[PlanState]:
    """Analyse every recording of `item`; each gets a plan, sealed and recorded. `listen` adds what is heard.

    A plan that is there already goes on with the next revision. What a person drew, muted or decided of sounds stays; what
    a person decided of detected tracks starts anew, so that is refused (`PolicyRefuses`) without `again`, and always
    (`PlanStale`) when it was decided, or the copy approved, during the analysis.
    Raises `MediaError` when no segment can be read as video; the original stays safe.
    """
    from bwc.redact.detect import analyse

    def look(original: BinaryIO, segment: int, pieces: Pieces) -> RedactionPlan:
        plan = analyse(
            original,
            content_sha256=house.content_digest(item, segment),
            item=item,
            segment=segment,
            profile=profile,
            progress=progress,
            policy=looking_for(house.policy, text=text, screens=screens),
            now=datetime.now(UTC),
            pieces=pieces,
            also=also,
        )
        give_back()  # the networks that looked are gone
        return plan

    def hear(original: BinaryIO, plan: RedactionPlan) -> RedactionPlan:
        return listen(original, plan, progress) if listen is not None else plan

    return [_detect(house, item, segment, look, hear, again=again) for segment in recordings(house, item)]


def _detect(house: House, item: ItemId, segment: int, look: Look, hear: Hear, *, again: bool) -> PlanState:
    from bwc.redact.sheet import contact_sheet

    before, approved = newest(house, item, segment), _approvals(house, item, segment)
    if before and not again and (approved or _is_touched(before.plan)):
        done = "is approved" if approved else "holds what a person decided, drew or muted"
        raise PolicyRefuses(
            f"the plan of {item} {done}",
            f"bwc detect {item} --again keeps masks, mutes and what was decided of sounds; decisions on tracks start anew",
        )
    pieces = house.pieces(item, segment)
    with house.open_original(item, segment, purpose="detect") as original:
        fresh = look(original, segment, pieces)
        sheet = contact_sheet(original, fresh)

        said = PlanStale(
            f"somebody decided on tracks of {item}, or approved its copy, while it was analysed; that stays",
            f"bwc detect {item} --again starts these decisions anew, and asks the detectors nothing twice",
        )

        def make(now: PlanState | None) -> RedactionPlan:
            unless_approved()
            if now and _is_answered(now, before):
                raise said
            return hear(original, continued(now.plan, fresh) if now else fresh)

        def unless_approved() -> None:
            if _approvals(house, item, segment) != approved:
                raise said

        state = save_next(house, item, segment, make, sheet=sheet, detected=True, unless=unless_approved)
    pieces.clear()  # only now: whoever is killed before goes on from here
    return state


def newest(house: House, item: ItemId, segment: int) -> PlanState | None:
    """The current plan of one recording, if there is one."""
    row = house.latest(item, segment, ObjectRole.PLAN)
    if row is None:
        return None
    data = house.read(row.object_id)
    return PlanState(item=item, segment=segment, plan=from_bytes(data), data=data)


def _approvals(house: House, item: ItemId, segment: int) -> frozenset[int]:
    """The approvals of the copy of the current plan."""
    plan, copy = (house.latest(item, segment, role) for role in (ObjectRole.PLAN, ObjectRole.COPY))
    if plan is None or copy is None or copy.facts.get("plan_sha256") != plan.facts.get("plan_sha256"):
        return frozenset()
    return frozenset(row.seq for row in house.approvals(str(copy.facts.get("copy_sha256"))))


def _is_answered(now: PlanState, before: PlanState | None) -> bool:
    """Whether a person said something of detected tracks that an analysis begun at `before` does not know."""
    found = [one for one in now.plan.tracks if one.origin is Origin.DETECTOR]
    if before is None:
        return any(one.decision.by not in (None, "policy") for one in found)
    return found != [one for one in before.plan.tracks if one.origin is Origin.DETECTOR]


def _is_touched(plan: RedactionPlan) -> bool:
    parts: tuple[Track | SoundSpan | WholeFrame, ...] = (*plan.tracks, *plan.audio_spans, *plan.whole_frame)
    return any(part.origin is Origin.PERSON or part.decision.by not in (None, "policy") for part in parts)


def continued(before: RedactionPlan, fresh: RedactionPlan) -> RedactionPlan:
    """A fresh analysis of the pictures as the next revision of `before`, with all that a person added to that or chose.

    Its sounds and what was heard go along: only whoever listens anew may take a proposal back.
    """
    chosen = {key: said for key, said in before.extensions.items() if key not in (DECODING, LET_GO, OVERLAY, TURNED)}
    drawn = tuple(track for track in before.tracks if track.origin is Origin.PERSON)
    return replace(
        fresh,
        plan_id=before.plan_id,
        revision=before.revision + 1,
        previous=sha256_hex(to_bytes(before)),
        effect=before.effect,
        tracks=(*fresh.tracks, *drawn),
        audio_spans=before.audio_spans,
        whole_frame=before.whole_frame,
        detectors=(*fresh.detectors, *listened(before)),
        extensions={**chosen, **fresh.extensions},
    )


def recordings(house: House, item: ItemId) -> list[int]:
    """The segments of `item` that are video. Raises `MediaError` if there is none."""
    found = house.video_segments(item)
    if not found:
        raise MediaError(
            f"{item} holds no readable recording; the original is safe", f"bwc open {item} -o FILE --reason …"
        )
    return found


def plans(house: House, item: ItemId, segment: int | None = None) -> list[PlanState]:
    """The current plan of each recording of `item`, or of one. Raises `NotFound` before `bwc detect`."""
    wanted = recordings(house, item) if segment is None else [segment]
    return [current(house, item, one) for one in wanted]


def current(house: House, item: ItemId, segment: int | None) -> PlanState:
    """The current plan of one recording; `segment` may be None when the item has one only."""
    return there(newest(house, item, segment_of(house, item, segment)), item)


def revision(house: House, item: ItemId, segment: int | None, number: int) -> PlanState:
    """An earlier plan of one recording. Raises `NotFound`."""
    place = segment_of(house, item, segment)
    rows = house.documents(item, place, ObjectRole.PLAN)
    row = next((one for one in rows if one.facts.get("revision") == number), None)
    if row is None:
        raise NotFound(f"the plan of {item} has no revision {number}", f"bwc log {item}")
    data = house.read(row.object_id)
    return PlanState(item=item, segment=place, plan=from_bytes(data), data=data)


def there(found: PlanState | None, item: ItemId) -> PlanState:
    """Raises `NotFound` unless `item` has a plan."""
    if found is None:
        raise NotFound(f"{item} has no redaction plan", f"bwc detect {item}")
    return found


def sheet(house: House, item: ItemId, segment: int) -> bytes:
    """The contact sheet (JPEG) sealed with the last analysis. It shows faces in the clear: opening it is an event."""
    row = house.latest(item, segment, ObjectRole.SHEET)
    if row is None:
        raise NotFound(f"{item} has no contact sheet", f"bwc detect {item}")
    house.record_opening(item, segment, purpose="sheet")
    return house.read(row.object_id)


def save_next(
    house: House,
    item: ItemId,
    segment: int,
    make: Make,
    *,
    sheet: bytes | None = None,
    detected: bool = False,
    unless: Callable[[], None] | None = None,
) -> PlanState:
    """Save what `make` makes of the newest plan as the next one; made anew from what others saved meanwhile.

    Raises what `make` raises, and `PlanStale` if others were quicker each time.
    """
    tries = 0
    while True:
        before, tries = newest(house, item, segment), tries + 1
        plan = make(before)
        try:
            return save(house, item, segment, plan, made_from=before, sheet=sheet, detected=detected, unless=unless)
        except PlanStale:
            if tries == _TRIES:
                raise


def save(
    house: House,
    item: ItemId,
    segment: int,
    plan: RedactionPlan,
    *,
    made_from: PlanState | None,
    sheet: bytes | None = None,
    detected: bool = False,
    unless: Callable[[], None] | None = None,
) -> PlanState:
    """Save `plan` as the revision after `made_from`. Raises `PlanStale` if that is not the newest any more.

    Raises what `unless` raises, which is asked in the same transaction.
    """
    data = to_bytes(plan)
    models: list[Json] = [{"name": one.name, "sha256": one.file_sha256} for one in plan.detectors]
    facts: dict[str, Json] = {
        "plan_sha256": sha256_hex(data),
        "revision": plan.revision,
        "segment": segment,
        "tracks": len(plan.tracks),
        "undecided": len(undecided(plan)),
    }
    if detected:
        facts |= {"frames": plan.media.frames, "frames_lost": plan.media.frames_lost, "models": models}
    before = made_from.sha256 if made_from else None
    house.save_plan(item, segment, data, made_from=before, facts=facts, sheet=sheet, detected=detected, unless=unless)
    return PlanState(item=item, segment=segment, plan=plan, data=data)


def segment_of(house: House, item: ItemId, segment: int | None) -> int:
    """The recording that is meant; `segment` may be None when the item has one only."""
    found = recordings(house, item)
    if segment is None and len(found) > 1:
        raise UsageError(f"{item} has {len(found)} recordings", "say which one: --segment N")
    if segment is not None and segment not in found:
        raise NotFound(f"{item} has no recording {segment}", f"bwc show {item}")
    return found[0] if segment is None else segment


def _ms(plan: RedactionPlan, ordinal: int) -> int:
    """When frame `ordinal` begins; that after the last one when the recording ends."""
    media = plan.media
    ticks: Fraction = (
        media.pts.pts_of(ordinal) - media.pts.start if ordinal < media.frames else media.duration
    ) * media.time_base
    return int(ticks * 1000)
