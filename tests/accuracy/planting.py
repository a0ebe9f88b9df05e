"""Leaks on purpose: pieces of tracks, or whole ones, taken out of a good plan, and what of it a check's suspects point at. No pictures.

A good plan hides every truth box: what the detectors missed is added from the truth. Then pieces of tracks go, chosen
by chance, of subjects that do not touch each other at that time, so that one copy holds many independent leaks. What
counts as a leak is judged by the plan's own geometry afterwards, not by what was meant to be taken out.
"""

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bwc.redact.check_report import Suspect
from bwc.redact.check_sight import shared_permille, visible_permille
from bwc.redact.exposure import TruthBox
from bwc.redact.plan import Box, Coverage, Origin, RedactionPlan, Span, Track

SHOWN_PERMILLE = 100  # of a truth box: what shows more is not hidden
LEAST_FRAMES = 6  # the goal speaks of leaks longer than 5 frames
LEAST_HEIGHT = 20
_MOST_FRAMES = 90
_APART = 45  # frames between two pieces taken from one subject
_TOUCHES_PERMILLE = 50
_POINTS_PERMILLE = 300  # of the smaller of suspect and truth box

Frames = Sequence[Sequence[TruthBox]]
Subject = tuple[str, str]  # label, id


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Consecutive frames in which one subject shows."""

    subject: Subject
    boxes: Mapping[int, Box]

    @property
    def first(self) -> int:
        return min(self.boxes)

    @property
    def height(self) -> int:
        heights = sorted(box[3] - box[1] for box in self.boxes.values())
        return heights[len(heights) // 2]

    @property
    def counts(self) -> bool:
        return len(self.boxes) >= LEAST_FRAMES and self.height >= LEAST_HEIGHT


def good_plan(plan: RedactionPlan, frames: Frames) -> RedactionPlan:
    """`plan` with a track for every subject that it does not hide in every frame."""
    missed = {leak.subject for leak in leaks_of(plan, frames)}
    paths = _paths(frames, plan)
    more = [
        Track(id=f"t{9000 + place}", class_=subject[0], origin=Origin.DETECTOR, score_permille=900, spans=_spans(paths[subject]))
        for place, subject in enumerate(sorted(missed))
    ]  # fmt: skip
    return replace(plan, tracks=(*plan.tracks, *more))


def plant(plan: RedactionPlan, frames: Frames, chance: random.Random, most: int) -> RedactionPlan:
    """`plan` without up to `most` pieces of tracks, each of 6 to 90 frames of a subject from 20 px, half of its frames at most."""
    taken: dict[Subject, list[tuple[int, int]]] = defaultdict(list)
    holes: list[dict[int, Box]] = []
    runs = [run for path in _paths(frames, plan).values() for run in _tall_runs(path)]
    names = [subject for subject, path in _paths(frames, plan).items() for _ in _tall_runs(path)]
    for _ in range(20 * most if runs else 0):
        if len(holes) == most:
            break
        place = chance.randrange(len(runs))
        run, subject = runs[place], names[place]
        length = min(
            max(LEAST_FRAMES, len(run) // 2),
            round(math.exp(chance.uniform(math.log(LEAST_FRAMES), math.log(_MOST_FRAMES)))),
        )
        start = chance.randint(0, len(run) - length)
        hole = dict(run[start : start + length])
        first, last = min(hole), max(hole)
        near = any(first - _APART < other[1] and other[0] < last + _APART for other in taken[subject])
        if near or any(_touch(hole, other) for other in holes):
            continue
        taken[subject].append((first, last))
        holes.append(hole)
    for hole in holes:
        plan = _without(plan, hole)
    return plan


def plant_whole(plan: RedactionPlan, frames: Frames, chance: random.Random, most: int) -> RedactionPlan:
    """`plan` without anything over up to `most` subjects from 20 px, a third of all at most, in every frame: nobody ever found them."""
    paths = _paths(frames, plan)
    tall = [subject for subject, path in paths.items() if _tall_runs(path)]
    holes: list[dict[int, Box]] = []
    for subject in chance.sample(tall, len(tall)):
        hole = dict(paths[subject])
        if len(holes) < min(most, -(-len(tall) // 3)) and not any(_touch(hole, other) for other in holes):
            holes.append(hole)
    for hole in holes:
        plan = _without(plan, hole)
    return plan


def leaks_of(plan: RedactionPlan, frames: Frames) -> list[Leak]:
    """Every run of frames in which a truth box is not hidden by `plan`."""
    cover = Coverage(plan)
    shown: dict[Subject, dict[int, Box]] = defaultdict(dict)
    for ordinal, boxes in enumerate(frames[: plan.media.frames]):
        here = cover.at(ordinal)
        for one in boxes:
            box = _whole(one, plan)
            if not one.ignored and box and not here.whole and visible_permille(box, here.boxes) > SHOWN_PERMILLE:
                shown[one.label, one.subject][ordinal] = box
    return [
        Leak(subject=subject, boxes=dict(run)) for subject, path in shown.items() for run in _runs(sorted(path.items()))
    ]


def is_pointed_at(leak: Leak, suspects: Sequence[Suspect]) -> bool:
    """Whether one of `suspects` lies on the leak, at a time at which it shows."""
    return any(
        abs(ordinal - seen) <= 1 and shared_permille((x0, y0, x1, y1), box) >= _POINTS_PERMILLE
        for suspect in suspects
        if suspect.first <= max(leak.boxes) + 1 and suspect.last >= leak.first - 1
        for ordinal, x0, y0, x1, y1 in suspect.boxes
        for seen in (ordinal - 1, ordinal, ordinal + 1)
        if (box := leak.boxes.get(seen)) is not None
    )


def is_about_somebody(suspect: Suspect, frames: Frames, plan: RedactionPlan) -> bool:
    """Whether a suspect lies on a truth box that `plan` leaves in the open (in a good plan an ignored one): then it is not false."""
    cover = Coverage(plan)
    for ordinal, *where in suspect.boxes:
        for one in frames[ordinal] if ordinal < len(frames) else ():
            box = _whole(one, plan)
            place = where[0], where[1], where[2], where[3]
            if box is not None and shared_permille(place, box) >= _POINTS_PERMILLE:
                here = cover.at(ordinal)
                if not here.whole and visible_permille(box, here.boxes) > SHOWN_PERMILLE:
                    return True
    return False


def _paths(frames: Frames, plan: RedactionPlan) -> dict[Subject, list[tuple[int, Box]]]:
    paths: dict[Subject, list[tuple[int, Box]]] = defaultdict(list)
    for ordinal, boxes in enumerate(frames[: plan.media.frames]):
        for one in boxes:
            box = _whole(one, plan)
            if not one.ignored and box is not None:
                paths[one.label, one.subject].append((ordinal, box))
    return dict(paths)


def _tall_runs(path: Sequence[tuple[int, Box]]) -> list[list[tuple[int, Box]]]:
    tall = [(ordinal, box) for ordinal, box in path if box[3] - box[1] >= LEAST_HEIGHT]
    return [run for run in _runs(tall) if len(run) >= LEAST_FRAMES]


def _runs(path: Sequence[tuple[int, Box]]) -> list[list[tuple[int, Box]]]:
    runs: list[list[tuple[int, Box]]] = []
    for ordinal, box in path:
        if runs and runs[-1][-1][0] == ordinal - 1:
            runs[-1].append((ordinal, box))
        else:
            runs.append([(ordinal, box)])
    return runs


def _spans(path: Sequence[tuple[int, Box]]) -> tuple[Span, ...]:
    return tuple(Span(first=run[0][0], boxes=[box for _, box in run]) for run in _runs(path))


def _touch(one: Mapping[int, Box], other: Mapping[int, Box]) -> bool:
    return any(shared_permille(box, other[ordinal]) > 0 for ordinal, box in one.items() if ordinal in other)


def _without(plan: RedactionPlan, hole: Mapping[int, Box]) -> RedactionPlan:
    """`plan` with nothing over the boxes of `hole`: every track that hides a part of one is cut there."""
    tracks = []
    for track in plan.tracks:
        path = [(span.first + place, box) for span in track.spans for place, box in enumerate(span.boxes)]
        kept = [
            (ordinal, box)
            for ordinal, box in path
            if ordinal not in hole or visible_permille(hole[ordinal], [_grown(box, plan)]) > 1000 - _TOUCHES_PERMILLE
        ]
        tracks += [replace(track, spans=_spans(kept))] if kept else []
    return replace(plan, tracks=tuple(tracks))


def _grown(box: Box, plan: RedactionPlan) -> Box:
    dx, dy = ((box[i + 2] - box[i]) * plan.effect.margin_permille // 2000 + 2 for i in (0, 1))
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy


def _whole(one: TruthBox, plan: RedactionPlan) -> Box | None:
    x0, y0 = max(0, math.floor(one.x)), max(0, math.floor(one.y))
    x1, y1 = min(plan.media.width, math.ceil(one.x + one.w)), min(plan.media.height, math.ceil(one.y + one.h))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None
