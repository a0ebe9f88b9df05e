"""Edits of a plan: what a person decides, draws and mutes. Pure: every edit is the next revision.

An edit's `previous` is the digest of the plan it was given. Several edits saved as one revision go through
`next_revision(saved, edited, …)`, which ties the result to the plan that was saved.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from bwc.canonical import Json, sha256_hex
from bwc.errors import NotFound, UsageError
from bwc.evidence import Choice
from bwc.media.delivery import Delivery
from bwc.redact.labels import Labels
from bwc.redact.plan import (
    DELIVERY,
    LABELS,
    Box,
    Decision,
    Effect,
    Origin,
    RedactionPlan,
    SoundKind,
    SoundSpan,
    Span,
    Track,
    WholeFrame,
    labels_of,
    undecided,
)
from bwc.redact.plan_effect import EffectKind
from bwc.redact.plan_format import to_bytes
from bwc.redact.plan_view import delivery_of

_Part = TypeVar("_Part", Track, SoundSpan, WholeFrame)

MANUAL = "manual"  # the class of what a person drew


def next_revision(saved: RedactionPlan, edited: RedactionPlan, *, made_at: datetime) -> RedactionPlan:
    """`edited` as the one revision that follows `saved`. Raises `UsageError` if it is a plan of something else."""
    if (edited.plan_id, edited.content_sha256, edited.media) != (saved.plan_id, saved.content_sha256, saved.media):
        raise UsageError("the edited plan belongs to another recording or another analysis")
    previous = sha256_hex(to_bytes(saved))
    return replace(edited, revision=saved.revision + 1, previous=previous, made_at=made_at)


def decide(
    plan: RedactionPlan,
    track_ids: Iterable[str],
    choice: Choice,
    *,
    by: str,
    at: datetime,
    exemption: str | None = None,
    note: str = "",
) -> RedactionPlan:
    """`plan` with the named tracks, sound spans and whole-frame spans decided.

    Raises `NotFound` for an id that is not in the plan, `UsageError` to keep without a note or an exemption.
    """
    wanted = set(track_ids)
    missing = sorted(wanted - ids_of(plan))
    if missing:
        raise NotFound(f"the plan has no {', '.join(missing)}", f"bwc plan {plan.item or 'ITEM'} lists the tracks")
    if choice is Choice.UNDECIDED:
        decision = Decision()
    else:
        decision = Decision(choice=choice, by=by, at=at, exemption=exemption, note=note)
    return _next(
        plan,
        at,
        tracks=_decided(plan.tracks, wanted, decision),
        audio_spans=_decided(plan.audio_spans, wanted, decision),
        whole_frame=_decided(plan.whole_frame, wanted, decision),
    )


def decide_rest(
    plan: RedactionPlan, choice: Choice, *, by: str, at: datetime, exemption: str | None = None, note: str = ""
) -> RedactionPlan:
    """`plan` with everything nobody has decided on decided alike."""
    return decide(plan, undecided(plan), choice, by=by, at=at, exemption=exemption, note=note)


def add_mask(
    plan: RedactionPlan,
    keyframes: Mapping[int, Box] | Sequence[tuple[int, Box]],
    *,
    last: int | None = None,
    class_: str = MANUAL,
    by: str,
    at: datetime,
    exemption: str | None = None,
    note: str = "",
) -> RedactionPlan:
    """`plan` with a region a person drew, hidden as drawn (no margin): one box, or boxes at several ordinals.

    `class_` is what it hides where that is known: labels and logs say it.

    Between keyframes the box that covers both neighbours' interpolation is rounded outward; after the last
    keyframe it stands still up to and including `last`. Raises `UsageError` for a region outside the picture.
    """
    marks = sorted(dict(keyframes).items())
    if not marks:
        raise UsageError("a mask needs at least one box")
    end = max(marks[-1][0], last if last is not None else marks[-1][0])
    if marks[0][0] < 0 or end >= plan.media.frames:
        raise UsageError(f"a mask of frames {marks[0][0]} to {end} leaves the recording of {plan.media.frames} frames")
    boxes: list[Box] = []
    for (start, before), (stop, after) in pairwise(marks):
        boxes += [_between(before, after, step, stop - start) for step in range(stop - start)]
    boxes += [marks[-1][1]] * (end - marks[-1][0] + 1)
    clipped = [_clip(box, plan.media.width, plan.media.height) for box in boxes]
    track = Track(
        id=fresh_id(plan, "m"),
        class_=class_,
        origin=Origin.PERSON,
        score_permille=1000,
        spans=(Span(first=marks[0][0], boxes=clipped),),
        decision=Decision(choice=Choice.REDACT, by=by, at=at, exemption=exemption, note=note),
    )
    return _next(plan, at, tracks=(*plan.tracks, track))


def reaching(boxes: Mapping[int, Box], last: int, most: int, frames: int) -> dict[int, Box]:
    """`boxes` of something seen now and then, up to frame `last`, and `most` frames more on both sides, of `frames` in all.

    It was there before it was first seen and after it was last seen: there its box covers where it was and where it was going.
    """
    marks = sorted(boxes.items())
    begin, end = max(0, marks[0][0] - most), min(frames - 1, max(last, marks[-1][0]) + most)
    found = dict(marks)
    for ordinal, pair in ((begin, marks[1::-1]), (end, marks[-2:])):
        (there, box), (here, edge) = pair[0], pair[-1]
        steps = (ordinal - here) / (here - there) if here != there else 0.0
        going = [round(side + (side - other) * steps) for side, other in zip(edge, box, strict=True)]
        hull = min(edge[0], going[0]), min(edge[1], going[1]), max(edge[2], going[2]), max(edge[3], going[3])
        found[ordinal] = hull
        found[here] = edge if ordinal != here else hull
    return found


def add_mute(
    plan: RedactionPlan,
    start_ns: int,
    end_ns: int,
    *,
    by: str,
    at: datetime,
    kind: SoundKind = SoundKind.MUTE,
    exemption: str | None = None,
    note: str = "",
) -> RedactionPlan:
    """`plan` with the sound of all tracks hidden from `start_ns` to `end_ns` of presentation time."""
    return add_mutes(plan, [(start_ns, end_ns)], by=by, at=at, kind=kind, exemption=exemption, note=note)


def add_mutes(
    plan: RedactionPlan,
    spans: Iterable[tuple[int, int]],
    *,
    by: str,
    at: datetime,
    kind: SoundKind = SoundKind.MUTE,
    exemption: str | None = None,
    note: str = "",
) -> RedactionPlan:
    """The same for several spans, as one revision."""
    decision = Decision(choice=Choice.REDACT, by=by, at=at, exemption=exemption, note=note)
    edited = plan
    for start_ns, end_ns in spans:
        if start_ns >= end_ns:
            raise UsageError("a muted span ends after it begins")
        name = fresh_id(edited, "a")
        span = SoundSpan(id=name, start_ns=start_ns, end_ns=end_ns, kind=kind, decision=decision)
        edited = replace(edited, audio_spans=(*edited.audio_spans, span))
    return _next(plan, at, audio_spans=edited.audio_spans)


def add_whole_frame(
    plan: RedactionPlan,
    first: int,
    stop: int,
    *,
    by: str,
    at: datetime,
    exemption: str | None = None,
    note: str = "",
) -> RedactionPlan:
    """`plan` with frames `first` to `stop` (half-open ordinals) hidden altogether."""
    if not 0 <= first < stop <= plan.media.frames:
        raise UsageError(f"frames {first} to {stop} leave the recording of {plan.media.frames} frames")
    decision = Decision(choice=Choice.REDACT, by=by, at=at, exemption=exemption, note=note)
    span = WholeFrame(id=fresh_id(plan, "w"), first=first, stop=stop, decision=decision)
    return _next(plan, at, whole_frame=(*plan.whole_frame, span))


def remove_drawn(plan: RedactionPlan, ids: Iterable[str], *, at: datetime) -> RedactionPlan:
    """`plan` without things a person added. What a detector found is never removed, only decided on."""
    wanted = set(ids)
    drawn = {part.id for part in plan.tracks if part.origin is Origin.PERSON}
    drawn |= {part.id for part in plan.audio_spans if part.origin is Origin.PERSON}
    drawn |= {part.id for part in plan.whole_frame if part.origin is Origin.PERSON}
    if not wanted <= drawn:
        raise UsageError(f"{', '.join(sorted(wanted - drawn))} was not drawn by a person", "decide on it instead")
    return _next(
        plan,
        at,
        tracks=tuple(part for part in plan.tracks if part.id not in wanted),
        audio_spans=tuple(part for part in plan.audio_spans if part.id not in wanted),
        whole_frame=tuple(part for part in plan.whole_frame if part.id not in wanted),
    )


def labelled(plan: RedactionPlan, labels: Labels) -> RedactionPlan:
    """The same revision, whose covers are to bear words. Raises `UsageError` where covers are not solid."""
    if labels is not Labels.NONE and plan.effect.kind is not EffectKind.SOLID:
        raise UsageError(f"only solid covers bear labels, these are {plan.effect.kind.value}", "--effect solid")
    if labels is labels_of(plan):
        return plan
    others = {name: value for name, value in plan.extensions.items() if name != LABELS}
    said: dict[str, Json] = {} if labels is Labels.NONE else {LABELS: {"show": labels.value}}
    return replace(plan, extensions=others | said)


def delivered(plan: RedactionPlan, delivery: Delivery) -> RedactionPlan:
    """The same revision, whose copy is to be delivered another way."""
    if delivery is delivery_of(plan):
        return plan
    return replace(plan, extensions={**plan.extensions, DELIVERY: {"profile": delivery.value}})


def set_effect(plan: RedactionPlan, effect: Effect, *, at: datetime) -> RedactionPlan:
    """`plan` drawn with another effect."""
    return _next(plan, at, effect=effect)


def ordinals_of(plan: RedactionPlan, start_ns: int, end_ns: int) -> tuple[int, int]:
    """The frames (half-open ordinals) visible at any moment from `start_ns` to `end_ns` of presentation time.

    Raises `UsageError` if none is.
    """
    nanoseconds = plan.media.time_base * 1_000_000_000
    times = [tick * nanoseconds for tick in plan.media.pts]
    first = max((place for place, time in enumerate(times) if time <= start_ns), default=0)
    stop = sum(1 for time in times if time < end_ns)
    if first >= stop:
        raise UsageError("no frame is shown in that span")
    return first, stop


def _next(
    plan: RedactionPlan,
    at: datetime,
    *,
    tracks: tuple[Track, ...] | None = None,
    audio_spans: tuple[SoundSpan, ...] | None = None,
    whole_frame: tuple[WholeFrame, ...] | None = None,
    effect: Effect | None = None,
) -> RedactionPlan:
    edited = replace(
        plan,
        tracks=plan.tracks if tracks is None else tracks,
        audio_spans=plan.audio_spans if audio_spans is None else audio_spans,
        whole_frame=plan.whole_frame if whole_frame is None else whole_frame,
        effect=plan.effect if effect is None else effect,
    )
    return next_revision(plan, edited, made_at=at)


def _decided(parts: tuple[_Part, ...], wanted: set[str], decision: Decision) -> tuple[_Part, ...]:
    return tuple(replace(part, decision=decision) if part.id in wanted else part for part in parts)


def parts_of(plan: RedactionPlan) -> dict[str, Track | SoundSpan | WholeFrame]:
    """Tracks, sounds and whole-frame covers by name."""
    parts: tuple[Track | SoundSpan | WholeFrame, ...] = (*plan.tracks, *plan.audio_spans, *plan.whole_frame)
    return {part.id: part for part in parts}


def ids_of(plan: RedactionPlan) -> set[str]:
    """The names of tracks, sounds and whole-frame covers."""
    return set(parts_of(plan))


def fresh_id(plan: RedactionPlan, letter: str) -> str:
    """The next free name of a part that begins with `letter`."""
    taken = [int(name[1:]) for name in ids_of(plan) if name[0] == letter and name[1:].isdecimal()]
    return f"{letter}{max(taken, default=0) + 1}"


def _between(before: Box, after: Box, step: int, steps: int) -> Box:
    # rounded outward: floor at the top left, ceiling at the bottom right
    left, top = (a + (b - a) * step // steps for a, b in zip(before[:2], after[:2], strict=True))
    right, bottom = (a - (a - b) * step // steps for a, b in zip(before[2:], after[2:], strict=True))
    return left, top, right, bottom


def _clip(box: Box, width: int, height: int) -> Box:
    x0, y0, x1, y1 = max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3])
    if x0 >= x1 or y0 >= y1:
        raise UsageError(f"the box {box} is empty or outside the picture of {width} x {height}")
    return x0, y0, x1, y1
