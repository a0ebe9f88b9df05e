"""A plan as bytes and back: canonical JSON `bwc.plan/1`, read strictly (docs/formats/redaction-plan.md)."""

import json
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, TypeVar

from bwc.canonical import Json, canonical, is_sha256_hex, parse_canonical
from bwc.errors import BwcError, UsageError
from bwc.evidence import Choice, parse_utc, utc_text
from bwc.redact.plan import (
    UNDECIDED,
    Decision,
    DetectorInfo,
    Doubt,
    Origin,
    PlanMedia,
    PtsTable,
    RedactionPlan,
    SoundKind,
    SoundSpan,
    Span,
    Track,
    WholeFrame,
)
from bwc.redact.plan_boxes import Boxes
from bwc.redact.plan_effect import Effect, EffectKind

FORMAT = "bwc.plan/1"
MAX_SIDE = 1 << 15  # pixels; a coded frame is never wider
_Part = TypeVar("_Part")


def to_bytes(plan: RedactionPlan) -> bytes:
    """The canonical bytes of `plan`: what is hashed, signed and sealed. Raises `UsageError` if it is not a valid plan."""
    _verify(plan)
    try:
        return canonical(_plan_json(plan))
    except ValueError as error:
        raise UsageError(f"the plan cannot be written: {error}") from error


def from_bytes(data: bytes) -> RedactionPlan:
    """The plan in `data`. Raises `UsageError` unless `data` is exactly what `to_bytes` would write."""
    try:
        value = parse_canonical(data)
    except BwcError as error:
        raise UsageError(f"not a redaction plan: {error.message}") from error
    return _read(value)


def from_edited(text: bytes) -> RedactionPlan:
    """The plan in a file a person may have touched: any white space and key order, otherwise as strict as `from_bytes`."""
    try:
        value = json.loads(text.decode("utf-8"))
        data = canonical(value)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not a redaction plan: {error}") from error
    return from_bytes(data)


def _read(value: Any) -> RedactionPlan:
    try:
        plan = _plan_of(value)
    except BwcError as error:
        raise UsageError(f"not a redaction plan: {error.message}", error.hint) from error
    except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
        raise UsageError(f"not a redaction plan: {error}") from error
    _verify(plan)
    return plan


# --- writing


def _plan_json(plan: RedactionPlan) -> dict[str, Json]:
    media, effect = plan.media, plan.effect
    return {
        "audio_spans": [
            {
                "decision": _decision_json(span.decision),
                "end_ns": span.end_ns,
                "id": span.id,
                "kind": span.kind.value,
                "origin": span.origin.value,
                "start_ns": span.start_ns,
            }
            for span in plan.audio_spans
        ],
        "content_sha256": plan.content_sha256,
        "detectors": [
            {
                "file_sha256": info.file_sha256,
                "licence": info.licence,
                "name": info.name,
                "package": info.package,
                "precision": info.precision,
                "settings": dict(info.settings),
            }
            for info in plan.detectors
        ],
        "doubts": [{"code": doubt.code, "first": doubt.first, "stop": doubt.stop} for doubt in plan.doubts],
        "effect": {
            "blur_permille": effect.blur_permille,
            "cells": effect.cells,
            "colour": "#{:02x}{:02x}{:02x}".format(*effect.colour),
            "inverse": effect.inverse,
            "kind": effect.kind.value,
            "margin_permille": effect.margin_permille,
        },
        "extensions": dict(plan.extensions),
        "format": FORMAT,
        "item": plan.item,
        "made_at": utc_text(plan.made_at),
        "media": {
            "duration": media.duration,
            "frames": media.frames,
            "frames_lost": media.frames_lost,
            "height": media.height,
            "pts": {"runs": [[delta, times] for delta, times in media.pts.runs], "start": media.pts.start},
            "rotation": media.rotation,
            "time_base": [media.time_base.numerator, media.time_base.denominator],
            "width": media.width,
        },
        "plan_id": plan.plan_id,
        "previous": plan.previous,
        "revision": plan.revision,
        "segment": plan.segment,
        "tool": plan.tool,
        "tracks": [_track_json(track) for track in plan.tracks],
        "whole_frame": [
            {
                "decision": _decision_json(span.decision),
                "first": span.first,
                "id": span.id,
                "origin": span.origin.value,
                "stop": span.stop,
            }
            for span in plan.whole_frame
        ],
    }


def _track_json(track: Track) -> dict[str, Json]:
    return {
        "class": track.class_,
        "decision": _decision_json(track.decision),
        "doubts": list(track.doubts),
        "id": track.id,
        "origin": track.origin.value,
        "score_permille": track.score_permille,
        "spans": [{"boxes": span.boxes.deltas(), "first": span.first} for span in track.spans],
    }


def _decision_json(decision: Decision) -> Json:
    if decision.choice is Choice.UNDECIDED:
        return None
    return {
        "at": None if decision.at is None else utc_text(decision.at),
        "by": decision.by,
        "choice": decision.choice.value,
        "exemption": decision.exemption,
        "note": decision.note,
    }


# --- reading


def _plan_of(value: Any) -> RedactionPlan:
    names = (
        "audio_spans content_sha256 detectors doubts effect extensions format item made_at media plan_id previous "
        "revision segment tool tracks whole_frame"
    )
    part = _fields(value, names)
    if part["format"] != FORMAT:
        raise UsageError(f"this reader knows {FORMAT}, not {part['format']!r}")
    return RedactionPlan(
        plan_id=_text(part["plan_id"]),
        item=None if part["item"] is None else _text(part["item"]),
        segment=_count(part["segment"]),
        content_sha256=_digest(part["content_sha256"]),
        revision=_count(part["revision"]),
        previous=None if part["previous"] is None else _digest(part["previous"]),
        made_at=parse_utc(_text(part["made_at"])),
        tool=_text(part["tool"]),
        media=_media_of(part["media"]),
        effect=_effect_of(part["effect"]),
        detectors=_each(part["detectors"], _detector_of),
        tracks=_each(part["tracks"], _track_of),
        audio_spans=_each(part["audio_spans"], _sound_of),
        whole_frame=_each(part["whole_frame"], _whole_of),
        doubts=_each(part["doubts"], _doubt_of),
        extensions=_object(part["extensions"]),
    )


def _media_of(value: Any) -> PlanMedia:
    part = _fields(value, "duration frames frames_lost height pts rotation time_base width")
    pts = _fields(part["pts"], "runs start")
    numerator, denominator = _pair(part["time_base"])
    return PlanMedia(
        width=_count(part["width"]),
        height=_count(part["height"]),
        rotation=_integer(part["rotation"]),
        time_base=Fraction(numerator, denominator),
        pts=PtsTable(_integer(pts["start"]), _each(pts["runs"], _pair), _count(part["frames"])),
        frames_lost=_count(part["frames_lost"]),
        duration=_count(part["duration"]),
    )


def _effect_of(value: Any) -> Effect:
    part = _fields(value, "blur_permille cells colour inverse kind margin_permille")
    colour = _text(part["colour"])
    if len(colour) != 7 or colour[0] != "#" or not set(colour[1:]) <= set("0123456789abcdef"):
        raise UsageError(f"{colour!r} is not a colour like #000000")
    red, green, blue = bytes.fromhex(colour[1:])
    if not isinstance(part["inverse"], bool):
        raise UsageError("inverse is true or false")
    return Effect(
        kind=EffectKind(_text(part["kind"])),
        margin_permille=_count(part["margin_permille"]),
        colour=(red, green, blue),
        cells=_count(part["cells"]),
        blur_permille=_count(part["blur_permille"]),
        inverse=part["inverse"],
    )


def _detector_of(value: Any) -> DetectorInfo:
    part = _fields(value, "file_sha256 licence name package precision settings")
    return DetectorInfo(
        name=_text(part["name"]),
        package=_text(part["package"]),
        file_sha256=_digest(part["file_sha256"]),
        licence=_text(part["licence"]),
        precision=_text(part["precision"]),
        settings=_object(part["settings"]),
    )


def _track_of(value: Any) -> Track:
    part = _fields(value, "class decision doubts id origin score_permille spans")
    return Track(
        id=_text(part["id"]),
        class_=_text(part["class"]),
        origin=Origin(_text(part["origin"])),
        score_permille=_count(part["score_permille"]),
        doubts=_each(part["doubts"], _text),
        spans=_each(part["spans"], _span_of),
        decision=_decision_of(part["decision"]),
    )


def _span_of(value: Any) -> Span:
    part = _fields(value, "boxes first")
    flat = part["boxes"]
    # `set(map(type, …))` looks at a million integers in 20 ms; bool is a subclass of int and must not pass
    if not isinstance(flat, list) or set(map(type, flat)) != {int}:
        raise UsageError("a span's boxes are one list of integers")
    return Span(first=_count(part["first"]), boxes=Boxes.from_deltas(flat))


def _sound_of(value: Any) -> SoundSpan:
    part = _fields(value, "decision end_ns id kind origin start_ns")
    return SoundSpan(
        id=_text(part["id"]),
        start_ns=_integer(part["start_ns"]),
        end_ns=_integer(part["end_ns"]),
        kind=SoundKind(_text(part["kind"])),
        origin=Origin(_text(part["origin"])),
        decision=_decision_of(part["decision"]),
    )


def _whole_of(value: Any) -> WholeFrame:
    part = _fields(value, "decision first id origin stop")
    return WholeFrame(
        id=_text(part["id"]),
        first=_count(part["first"]),
        stop=_count(part["stop"]),
        origin=Origin(_text(part["origin"])),
        decision=_decision_of(part["decision"]),
    )


def _doubt_of(value: Any) -> Doubt:
    part = _fields(value, "code first stop")
    return Doubt(code=_text(part["code"]), first=_count(part["first"]), stop=_count(part["stop"]))


def _decision_of(value: Any) -> Decision:
    if value is None:
        return UNDECIDED
    part = _fields(value, "at by choice exemption note")
    choice = Choice(_text(part["choice"]))
    if choice is Choice.UNDECIDED:
        raise UsageError("an undecided track has the decision null")
    return Decision(
        choice=choice,
        by=_text(part["by"]),
        at=parse_utc(_text(part["at"])),
        exemption=None if part["exemption"] is None else _text(part["exemption"]),
        note=_text(part["note"]),
    )


def _verify(plan: RedactionPlan) -> None:
    """Raises `UsageError` unless the parts of `plan` fit each other."""
    media, frames = plan.media, plan.media.frames
    if not is_sha256_hex(plan.content_sha256) or (plan.revision == 1) != (plan.previous is None) or plan.revision < 1:
        raise UsageError("the first revision, and only that one, has no previous one")
    if not -180 <= media.rotation <= 180 or media.time_base <= 0 or max(media.width, media.height) > MAX_SIDE:
        raise UsageError("the picture's size, rotation or time base makes no sense")
    if (min(media.width, media.height) > 0) != (frames > 0):
        raise UsageError("a picture has a size and frames")
    ids = [*(track.id for track in plan.tracks), *(span.id for span in plan.audio_spans)]
    ids += [span.id for span in plan.whole_frame]
    if len(set(ids)) != len(ids) or "" in ids:
        raise UsageError("ids of tracks and spans are not unique")
    for track in plan.tracks:
        if not track.class_ or track.score_permille > 1000:
            raise UsageError(f"track {track.id} has no class or a score above 1000")
        end = 0
        for span in track.spans:
            if span.first < end or span.stop > frames:
                raise UsageError(f"track {track.id} has spans out of order or beyond the last frame")
            span.boxes.verify_within(media.width, media.height)
            end = span.stop
    ranges = [(span.first, span.stop) for span in plan.whole_frame]
    ranges += [(doubt.first, doubt.stop) for doubt in plan.doubts]
    if any(not first < stop <= frames for first, stop in ranges):
        raise UsageError("a span of frames is empty or beyond the last frame")
    if any(span.start_ns >= span.end_ns for span in plan.audio_spans):
        raise UsageError("a span of sound is empty")


def _fields(value: Any, names: str) -> dict[str, Any]:
    wanted = names.split()
    if not isinstance(value, dict) or set(value) != set(wanted):
        raise UsageError(f"expected exactly {', '.join(wanted)}")
    return value


def _each(value: Any, read: Callable[[Any], _Part]) -> tuple[_Part, ...]:
    if not isinstance(value, list):
        raise UsageError("expected a list")
    items: Iterable[Any] = value
    return tuple(read(item) for item in items)


def _object(value: Any) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise UsageError("expected an object")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError("expected text")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise UsageError("expected an integer")
    return value


def _count(value: Any) -> int:
    if _integer(value) < 0:
        raise UsageError("expected a number from 0 up")
    return int(value)


def _pair(value: Any) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise UsageError("expected two integers")
    return _integer(value[0]), _integer(value[1])


def _digest(value: Any) -> str:
    if not is_sha256_hex(value):
        raise UsageError("expected a SHA-256 digest")
    return str(value)
