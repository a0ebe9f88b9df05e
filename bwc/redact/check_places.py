"""Where a plan stops hiding something although it is still in the picture: gaps, ends, beginnings, jumps.

Pure arithmetic on the plan. A place says where the subject should be in the frames that do not hide it; whether it shows
there is for pictures to say. A track that leaves or enters over the picture's edge is no place, nor is what a person drew.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from bwc.redact.check_sight import visible_permille
from bwc.redact.check_turns import frames_in, rate_from
from bwc.redact.plan import Box, Coverage, Origin, RedactionPlan

_GAP_SECONDS = Fraction(3)  # two pieces further apart are not taken for one subject
_REACH_SECONDS = Fraction(2, 5)  # how far an end or a beginning is followed
_BORDER_PERMILLE = 15  # of the picture's longer side: a box this near its edge is leaving
_SLOPE = 6  # boxes from which the speed at an end is taken
_UNLIKE = 2.2  # times the size: not the same subject
_SHOWN_PERMILLE = 500


class Kind(StrEnum):
    GAP = "gap"  # hidden before and after
    END = "end"
    BEGIN = "begin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A subject that the plan hides in some frames and not in `boxes`, the frames beside them.

    `before` and `after` are the last and the first frame that hide it, with the box as planned. `is_one_track`: the plan
    itself takes it for one subject.
    """

    kind: Kind
    class_: str
    boxes: Mapping[int, Box]
    before: tuple[int, Box] | None = None
    after: tuple[int, Box] | None = None
    is_one_track: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """Consecutive boxes of one track without a jump."""

    track: str
    class_: str
    first: int
    boxes: Sequence[Box]

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1


def rate_of(plan: RedactionPlan) -> Fraction:
    """Frames a second, from the plan's own times; 30 where they do not tell."""
    return rate_from(plan.media.frames, plan.media.duration, plan.media.time_base)


def places_of(plan: RedactionPlan) -> list[Place]:
    """Every place of doubt, in order of its first frame; only frames in which at least half of its box is not hidden."""
    rate = rate_of(plan)
    gap, reach = frames_in(_GAP_SECONDS, rate), frames_in(_REACH_SECONDS, rate)
    pieces = _pieces(plan)
    cover = Coverage(plan)
    begins = [piece for piece in pieces if piece.first > 0 and not _leaves(piece.boxes[0], plan)]
    found: list[Place] = []
    joined: set[int] = set()
    by_first: dict[int, list[_Piece]] = {}
    for piece in begins:
        by_first.setdefault(piece.first, []).append(piece)
    for piece, own in _with_own_next(pieces, gap):
        leaves = _leaves(piece.boxes[-1], plan) or (own is not None and _leaves(own.boxes[0], plan))
        if leaves and own is not None and own.first - piece.last > reach:
            own = None  # out of the picture and in again
        if piece.last + 1 >= plan.media.frames or (_leaves(piece.boxes[-1], plan) and own is None):
            continue
        after = own or _next_of(piece, by_first, gap)
        if after is not None:
            joined.add(id(after))
        boxes = _between(piece, after) if after else _onward(piece, reach, plan, forward=True)
        place = _place(piece, after, boxes, cover)
        found += [place] if place else []
    for piece in begins:
        if id(piece) not in joined:
            boxes = _onward(piece, reach, plan, forward=False)
            place = _place(None, piece, boxes, cover)
            found += [place] if place else []
    return sorted(found, key=lambda place: min(place.boxes))


def _place(before: _Piece | None, after: _Piece | None, boxes: Mapping[int, Box], cover: Coverage) -> Place | None:
    shown = {ordinal: box for ordinal, box in boxes.items() if _shows(box, ordinal, cover)}
    if not shown:
        return None
    some = before or after
    assert some is not None
    return Place(
        kind=Kind.GAP if before and after else Kind.END if before else Kind.BEGIN,
        class_=some.class_,
        boxes=shown,
        before=(before.last, before.boxes[-1]) if before else None,
        after=(after.first, after.boxes[0]) if after else None,
        is_one_track=bool(before and after and before.track == after.track),
    )


def _shows(box: Box, ordinal: int, cover: Coverage) -> bool:
    here = cover.at(ordinal)
    return not here.whole and visible_permille(box, here.boxes) > _SHOWN_PERMILLE


def _pieces(plan: RedactionPlan) -> list[_Piece]:
    found = []
    for track in plan.tracks:
        if not track.decision.is_covered or track.origin is not Origin.DETECTOR:
            continue
        for span in track.spans:
            start = 0
            usual = _usual_step(span.boxes)
            for place in range(1, len(span.boxes)):
                if _jumps(span.boxes, place, usual):
                    found.append(_Piece(track.id, track.class_, span.first + start, span.boxes[start:place]))
                    start = place
            found.append(_Piece(track.id, track.class_, span.first + start, span.boxes[start:]))
    return sorted(found, key=lambda piece: piece.first)


def _usual_step(boxes: Sequence[Box]) -> float:
    steps = sorted(_distance(one, other) for one, other in pairwise(boxes))
    return steps[len(steps) // 2] if steps else 0.0


def _jumps(boxes: Sequence[Box], place: int, usual: float) -> bool:
    """Whether box `place` is neither near the one before nor where that one was going, and this track is not always so quick."""
    box, other = boxes[place - 1], boxes[place]
    most = max(1.5 * max(side_of(box), side_of(other)), 4 * usual)
    if _distance(box, other) <= most:
        return False
    before = boxes[place - 2] if place > 1 else box
    going = _moved(
        box, ((box[0] - before[0] + box[2] - before[2]) / 2, (box[1] - before[1] + box[3] - before[3]) / 2), 1
    )
    return _distance(going, other) > most


def _with_own_next(pieces: Sequence[_Piece], gap: int) -> list[tuple[_Piece, _Piece | None]]:
    """Each piece with the one that goes on with the same track after a gap of frames: the plan's own word for who is there."""
    later: dict[str, _Piece] = {}
    found: list[tuple[_Piece, _Piece | None]] = []
    for piece in reversed(pieces):
        after = later.get(piece.track)
        is_near = after is not None and 1 < after.first - piece.last <= gap + 1
        found.append((piece, after if is_near else None))
        later[piece.track] = piece
    return found[::-1]


def _next_of(piece: _Piece, by_first: Mapping[int, Sequence[_Piece]], gap: int) -> _Piece | None:
    """The piece that takes this one up again, soonest first, then that of the same track, then nearest."""
    for first in range(piece.last + 1, piece.last + gap + 2):
        fitting = [other for other in by_first.get(first, ()) if other is not piece and _may_be(piece, other)]
        if fitting:
            return min(
                fitting, key=lambda other: (other.track != piece.track, _distance(piece.boxes[-1], other.boxes[0]))
            )
    return None


def _may_be(piece: _Piece, other: _Piece) -> bool:
    away = other.first - piece.last
    sizes = side_of(piece.boxes[-1]), side_of(other.boxes[0])
    if piece.track == other.track and away > 1:
        return True  # a piece is missing; what follows a jump is another matter
    if piece.class_ != other.class_ or max(sizes) > _UNLIKE * min(sizes):
        return False
    distances = [_distance(piece.boxes[-1], other.boxes[0])]
    distances.append(_distance(_moved(piece.boxes[-1], _speed(piece, forward=True), away), other.boxes[0]))
    return min(distances) <= max(sizes) * (0.8 + 0.05 * away)


def _between(piece: _Piece, other: _Piece) -> dict[int, Box]:
    start, stop = piece.boxes[-1], other.boxes[0]
    steps = other.first - piece.last
    return {
        piece.last + step: _rounded([a + (b - a) * step / steps for a, b in zip(start, stop, strict=True)])
        for step in range(1, steps)
    }


def _onward(piece: _Piece, reach: int, plan: RedactionPlan, *, forward: bool) -> dict[int, Box]:
    speed = _speed(piece, forward=forward)
    edge, box = (piece.last, piece.boxes[-1]) if forward else (piece.first, piece.boxes[0])
    found = {}
    for step in range(1, reach + 1):
        ordinal = edge + step if forward else edge - step
        moved = _moved(box, speed, step)
        if not 0 <= ordinal < plan.media.frames or _leaves(moved, plan):
            break
        found[ordinal] = moved
    return found


def _speed(piece: _Piece, *, forward: bool) -> tuple[float, float]:
    """Pixels a frame, away from the piece."""
    boxes = piece.boxes[-_SLOPE:] if forward else piece.boxes[:_SLOPE][::-1]
    if len(boxes) < 2:
        return 0.0, 0.0
    first, last = boxes[0], boxes[-1]
    steps = 2 * (len(boxes) - 1)
    return (last[0] + last[2] - first[0] - first[2]) / steps, (last[1] + last[3] - first[1] - first[3]) / steps


def _moved(box: Box, speed: tuple[float, float], steps: int) -> Box:
    dx, dy = speed[0] * steps, speed[1] * steps
    return _rounded([box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy])


def _leaves(box: Box, plan: RedactionPlan) -> bool:
    media = plan.media
    near = max(media.width, media.height) * _BORDER_PERMILLE // 1000
    return box[0] <= near or box[1] <= near or box[2] >= media.width - near or box[3] >= media.height - near


def _rounded(sides: Sequence[float]) -> Box:
    return round(sides[0]), round(sides[1]), max(round(sides[0]) + 1, round(sides[2])), max(round(sides[1]) + 1, round(sides[3]))  # fmt: skip


def side_of(box: Box) -> float:
    """The side of a square as large as `box`."""
    return max(1.0, math.sqrt((box[2] - box[0]) * (box[3] - box[1])))


def _distance(box: Box, other: Box) -> float:
    return math.hypot(box[0] + box[2] - other[0] - other[2], box[1] + box[3] - other[1] - other[3]) / 2
