"""One item on the redaction desk: its plan detected, shown and edited; each revision sealed and recorded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import BinaryIO

from bwc.canonical import Json, sha256_hex
from bwc.custody.house import House
from bwc.errors import MediaError, NotFound, PlanStale, PolicyRefuses, UsageError
from bwc.evidence import Choice, ItemId, ObjectRole
from bwc.memory import give_back
from bwc.redact import plan_edit
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
from bwc.redact.plan_format import from_bytes, from_edited, to_bytes
from bwc.redact.plan_view import PlanSummary, muted_spans, span_text, span_within, summary, within
from bwc.redact.speech.record import class_of, listened, record_of, sounds_of_class
from bwc.roles import looking_for

Progress = Callable[[int, int | None], None]
Edit = Callable[[RedactionPlan], RedactionPlan]
Listen = Callable[[BinaryIO, RedactionPlan, Progress | None], RedactionPlan]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What a decision changed. `left`: sounds of the class it was for that hold something else too, and stay as they are."""

    state: PlanState
    changed: tuple[str, ...]
    what: str
    left: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return self.state.to_json() | {"changed": list(self.changed), "left": list(self.left), "what": self.what}

    def text(self) -> str:
        left = len(undecided(self.state.plan))
        names = ", ".join(self.changed) if len(self.changed) <= 12 else f"{len(self.changed)} tracks"
        done = f"{self.what}: {names} (plan revision {self.state.plan.revision}, {left} undecided)"
        return f"{done}\nnot kept, other data is said there too: {', '.join(self.left)}" if self.left else done


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
    a person decided of detected tracks starts anew, so that is refused (`PolicyRefuses`) without `again`.
    Raises `MediaError` when no segment can be read as video; the original stays safe.
    """
    from bwc.redact.detect import analyse
    from bwc.redact.sheet import contact_sheet

    states = []
    for segment in recordings(house, item):
        before = _earlier(house, item, segment)
        if before and not again and _is_touched(before):
            raise PolicyRefuses(
                f"the plan of {item} holds what a person decided, drew or muted",
                f"bwc detect {item} --again keeps masks, mutes and what was decided of sounds; decisions on tracks start anew",
            )
        pieces = house.pieces(item, segment)
        with house.open_original(item, segment, purpose="detect") as original:
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
            sheet = contact_sheet(original, plan)
            if before:
                plan = continued(before, plan)
            if listen is not None:
                plan = listen(original, plan, progress)
        states.append(save(house, item, segment, plan, sheet=sheet, detected=True))
        pieces.clear()  # only now: whoever is killed before goes on from here
    return states


def _earlier(house: House, item: ItemId, segment: int) -> RedactionPlan | None:
    row = house.latest(item, segment, ObjectRole.PLAN)
    return from_bytes(house.read(row.object_id)) if row else None


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
    chosen = _segment(house, item, segment)
    row = house.latest(item, chosen, ObjectRole.PLAN)
    if row is None:
        raise NotFound(f"{item} has no redaction plan", f"bwc detect {item}")
    data = house.read(row.object_id)
    return PlanState(item=item, segment=chosen, plan=from_bytes(data), data=data)


def edit(
    house: House, item: ItemId, segment: int | None, change: Edit, *, what: str, names: Sequence[str] = ()
) -> Edited:
    """Apply `change` to the current plan and save the result as its next revision."""
    before = current(house, item, segment)
    edited = change(before.plan)
    plan = plan_edit.next_revision(before.plan, edited, made_at=datetime.now(UTC))
    after = save(house, item, before.segment, plan)
    changed = tuple(names) or tuple(sorted(_ids(plan) - _ids(before.plan)))
    return Edited(state=after, changed=changed, what=what)


def decide(
    house: House,
    item: ItemId,
    segment: int | None,
    names: Sequence[str],
    *,
    choice: str,
    all_undecided: bool = False,
    all_tracks: bool = False,
    class_: str | None = None,
    exemption: str = "",
    note: str = "",
    at: datetime,
) -> Edited:
    """Decide on tracks by name, class or state, and on suspects (`s342`) of the last check.

    To keep a class of sounds leaves those that hold something else as well: `left` of the result.
    """
    from bwc.redact import copies

    by = house.person.key_id
    code = exemption or (house.policy.default_exemption if choice == Choice.REDACT else "")
    tracks = [name for name in names if not name.startswith("s")]
    suspects = [name for name in names if name.startswith("s")]
    if suspects:
        return copies.decide_suspects(house, item, segment, suspects, choice=choice, exemption=code, note=note, at=at)
    before = current(house, item, segment)
    wanted = dict.fromkeys(tracks)
    if all_undecided:
        wanted |= dict.fromkeys(undecided(before.plan))
    if all_tracks or class_:
        wanted |= dict.fromkeys(one.id for one in before.plan.tracks if all_tracks or one.class_ == class_)
    left: list[str] = []
    if class_:
        spans, left = sounds_of_class(before.plan, class_, wholly=choice == Choice.KEEP)
        wanted |= dict.fromkeys(spans)
        left = [name for name in left if name not in wanted]
    if not wanted:
        return Edited(state=before, changed=(), what="nothing to decide", left=tuple(left))
    chosen = Choice(choice)
    done = edit(
        house,
        item,
        before.segment,
        lambda plan: plan_edit.decide(plan, wanted, chosen, by=by, at=at, exemption=code or None, note=note),
        what=choice,
        names=tuple(wanted),
    )
    return replace(done, left=tuple(left))


def mask(
    house: House,
    item: ItemId,
    segment: int | None,
    *,
    box: tuple[int, int, int, int] | None,
    start_ns: int,
    end_ns: int,
    exemption: str = "",
    note: str = "",
    at: datetime,
) -> Edited:
    """Cover `box` (or with None the whole picture) from `start_ns` to `end_ns` after the first frame."""
    by, code = house.person.key_id, exemption or house.policy.default_exemption
    before = current(house, item, segment)
    span = span_within(before.plan, start_ns, end_ns)

    def change(plan: RedactionPlan) -> RedactionPlan:
        first, stop = plan_edit.ordinals_of(plan, *span)
        if box is None:
            return plan_edit.add_whole_frame(plan, first, stop, by=by, at=at, exemption=code, note=note)
        return plan_edit.add_mask(plan, {first: box}, last=stop - 1, by=by, at=at, exemption=code, note=note)

    return edit(house, item, before.segment, change, what=f"covered {span_text(before.plan, start_ns, end_ns)}")


def import_plan(house: House, item: ItemId, segment: int | None, data: bytes) -> PlanState:
    """Save an edited plan file as the next revision. Raises `PlanStale` if it was made for another recording."""
    before = current(house, item, segment)
    plan = from_edited(data)
    if (plan.content_sha256, plan.media.pts) != (before.plan.content_sha256, before.plan.media.pts):
        raise PlanStale("that plan belongs to another recording", f"bwc plan {item} --export FILE")
    return save(house, item, before.segment, plan_edit.next_revision(before.plan, plan, made_at=datetime.now(UTC)))


def dropped_by(before: RedactionPlan, after: RedactionPlan) -> list[str]:
    """What a detector found and an imported plan hides no longer: tracks it does not hold, sounds that can be heard."""
    held, silent = _ids(after), muted_spans(after)
    tracks = [track.id for track in before.tracks if track.origin is Origin.DETECTOR and track.id not in held]
    sounds = [
        span.id
        for span in before.audio_spans
        if span.origin is Origin.DETECTOR
        and span.decision.is_covered
        and not any(start <= span.start_ns and span.end_ns <= end for start, end in silent)
    ]
    return tracks + sounds


def sheet(house: House, item: ItemId, segment: int) -> bytes:
    """The contact sheet (JPEG) sealed with the last analysis. It shows faces in the clear: opening it is an event."""
    row = house.latest(item, segment, ObjectRole.SHEET)
    if row is None:
        raise NotFound(f"{item} has no contact sheet", f"bwc detect {item}")
    house.record_opening(item, segment, purpose="sheet")
    return house.read(row.object_id)


def save(
    house: House, item: ItemId, segment: int, plan: RedactionPlan, *, sheet: bytes | None = None, detected: bool = False
) -> PlanState:
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
    house.save_plan(item, segment, data, facts=facts, sheet=sheet, detected=detected)
    return PlanState(item=item, segment=segment, plan=plan, data=data)


def _segment(house: House, item: ItemId, segment: int | None) -> int:
    found = recordings(house, item)
    if segment is None and len(found) > 1:
        raise UsageError(f"{item} has {len(found)} recordings", "say which one: --segment N")
    if segment is not None and segment not in found:
        raise NotFound(f"{item} has no recording {segment}", f"bwc show {item}")
    return found[0] if segment is None else segment


def _ids(plan: RedactionPlan) -> set[str]:
    ids = {part.id for part in plan.tracks} | {part.id for part in plan.audio_spans}
    return ids | {part.id for part in plan.whole_frame}


def _ms(plan: RedactionPlan, ordinal: int) -> int:
    """When frame `ordinal` begins; that after the last one when the recording ends."""
    media = plan.media
    ticks: Fraction = (
        media.pts.pts_of(ordinal) - media.pts.start if ordinal < media.frames else media.duration
    ) * media.time_base
    return int(ticks * 1000)
