"""The parts of a plan in short, a row each: when it is there, what was decided, what is doubtful."""

from fractions import Fraction

from bwc.canonical import Json
from bwc.redact.plan import Decision, RedactionPlan, SoundSpan, Track, WholeFrame
from bwc.redact.plan_view import within
from bwc.redact.speech.record import class_of, record_of


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


def _ms(plan: RedactionPlan, ordinal: int) -> int:
    """When frame `ordinal` begins; that after the last one when the recording ends."""
    media = plan.media
    ticks: Fraction = (
        media.pts.pts_of(ordinal) - media.pts.start if ordinal < media.frames else media.duration
    ) * media.time_base
    return int(ticks * 1000)
