"""From tracked paths to the tracks of a plan: whole pixels, the doubts in words, and what policy may decide alone."""

import math
from collections.abc import Collection, Sequence
from datetime import datetime

import numpy as np

from bwc.evidence import Choice
from bwc.redact.flow import Floats
from bwc.redact.plan import UNDECIDED, Box, Decision, Origin, Span, Track
from bwc.redact.track import Habits, Path
from bwc.roles import HIDE, Policy

_SHEETS = ("screen", "paper")
_ASKED_FOR = ("text", *_SHEETS)  # looked for only when policy says so, which then says what is done with it
_FAST = 0.08  # of its size from one picture to the next: less stays within the margin
# Of the smear: what the outer half of it shows was there for less than half of the time, too short for letters to stand out
_FRINGE = {"plate": 0.5}

DOUBTS: dict[str, str] = {
    "single_sighting": "seen in one picture only",
    "few_sightings": "seen in fewer pictures than policy wants before it decides",
    "low_score": "the detector was never sure",
    "unmeasured": "found by a detector of which no figures are known here",
    "writing": "writing: whether it names or places anybody is for a person to say",
    "sheet": "a screen or a paper: whether it shows anything private is for a person to say",
    "lost_in_view": "was not found again although it should still have been in the picture",
    "gap_filled": "was not found in between, for more than half a second (writing: 1.5 s); hidden there all the same",
    "blind_steps": "could not be followed by its own texture in a third of its pictures",
    "plate_unsure": "the plate detector misses small and slanted plates and invents some",
}


def tracks_of(
    paths: Sequence[Path],
    habits: Habits,
    small: tuple[int, int],
    size: tuple[int, int],
    *,
    policy: Policy,
    now: datetime,
) -> tuple[Track, ...]:
    """Tracks `t1`, `t2`… in order of first frame; boxes in pixels of `size`, those of `paths` in pixels of `small`."""
    scale = (size[0] / small[0], size[1] / small[1])
    tracks: list[Track] = []
    for path in paths:
        spans = _spans(path, scale, size, habits.shutter)
        if not spans:
            continue
        doubts = doubts_of(path, habits)
        strong = _is_proven(path, habits)
        if path.class_ in _ASKED_FOR:  # evidence says what it is, not that it must be hidden
            strong = (policy.text if path.class_ == "text" else policy.screens) == HIDE
        tracks.append(
            Track(
                id=f"t{len(tracks) + 1}",
                class_=path.class_,
                origin=Origin.DETECTOR,
                score_permille=round(path.likely * 1000),
                doubts=doubts,
                spans=spans,
                decision=Decision(choice=Choice.REDACT, by="policy", at=now, exemption=policy.default_exemption)
                if strong
                else UNDECIDED,
            )
        )
    return tuple(tracks)


def doubts_of(path: Path, habits: Habits) -> tuple[str, ...]:
    """Codes of `DOUBTS` that hold for a path, in the order of that table."""
    is_measured = path.class_ in habits.sure
    weak = is_measured and path.likely < habits.sure[path.class_]
    found = {
        "single_sighting": path.hits == 1,
        "few_sightings": 1 < path.hits < habits.sure_hits,
        "low_score": weak,
        "writing": path.class_ == "text",
        "sheet": path.class_ in _SHEETS,
        "unmeasured": not is_measured or (path.guessed > 0 and not _is_proven(path, habits)),
        "lost_in_view": path.ended_by == "lost" and path.hits >= habits.sure_hits and not weak,
        "gap_filled": path.longest_gap > habits.between(path.class_),
        "blind_steps": sum(path.trust) < len(path.trust) * 2 / 3,
        "plate_unsure": path.class_ == "plate" and (weak or path.hits < habits.sure_hits),
    }
    return tuple(code for code in DOUBTS if found[code])


def _is_proven(path: Path, habits: Habits) -> bool:
    """Whether detectors whose figures are known here say enough for policy to decide."""
    return path.hits - path.guesses >= habits.sure_hits and path.best >= habits.sure[path.class_]


def _spans(path: Path, scale: tuple[float, float], size: tuple[int, int], shutter: float) -> tuple[Span, ...]:
    """Runs of consecutive frames in which something of the box is in the picture."""
    spans: list[Span] = []
    run: list[Box] = []
    boxes = smeared(
        path.boxes, shutter * _FRINGE.get(path.class_, 1.0), {place for place, sure in enumerate(path.trust) if sure}
    )
    for i, box in enumerate(boxes):
        whole = whole_box(box, scale, size)
        if whole is not None:
            run.append(whole)
        if run and (whole is None or i == len(boxes) - 1):
            after = path.first + i + (1 if whole is not None else 0)
            spans.append(Span(first=after - len(run), boxes=run))
            run = []
    return tuple(spans)


def smeared(boxes: Sequence[Floats], shutter: float = 1.0, known: Collection[int] = ()) -> list[Floats]:
    """`boxes` of consecutive pictures, those of what moves fast grown along its way by half of what it moves.

    Where it is known where it was (`known`: places among `boxes`), because a detector saw it or its own texture was found, it moves so only
    while the shutter is open, `shutter` of the time from one picture to the next; elsewhere it may be anywhere between two pictures.

    While the shutter is open the subject goes on, and a detector finds the middle of the smear: of people who cross under
    a pan boxes covered 78 to 88 % (hard set, 2026-11).
    """
    if len(boxes) < 2:
        return list(boxes)
    rows = np.stack(list(boxes))
    size = rows[:, 2:] - rows[:, :2]
    step = (rows[1:, :2] + rows[1:, 2:] - rows[:-1, :2] - rows[:-1, 2:]) / 2
    open_for = np.ones((len(rows), 1), np.float32)
    open_for[[place for place in known if place < len(rows)]] = shutter
    low, high = np.zeros_like(size), np.zeros_like(size)
    for move in (np.concatenate([np.zeros_like(step[:1]), -step]), np.concatenate([step, np.zeros_like(step[:1])])):
        is_fast = np.abs(move / size).max(axis=1, keepdims=True) > _FAST
        end = np.where(is_fast, np.clip(move * open_for / 2, -size / 2, size / 2), np.float32(0))
        low, high = np.minimum(low, end), np.maximum(high, end)
    return list(np.concatenate([rows[:, :2] + low, rows[:, 2:] + high], axis=1))


def whole_box(box: Floats, scale: tuple[float, float], size: tuple[int, int]) -> Box | None:
    """`box` as whole pixels of a picture of `size`, rounded outward; None outside it."""
    x0 = max(0, math.floor(float(box[0]) * scale[0]))
    y0 = max(0, math.floor(float(box[1]) * scale[1]))
    x1 = min(size[0], math.ceil(float(box[2]) * scale[0]))
    y1 = min(size[1], math.ceil(float(box[3]) * scale[1]))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None
