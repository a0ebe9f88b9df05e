"""Text in the check: whether a plan hides it, and which of it is meant to be seen. Pure arithmetic on boxes."""

from collections.abc import Sequence

from bwc.redact.check_sight import TEXT, visible_permille
from bwc.redact.plan import OVERLAY, Box, FrameCover, Origin, RedactionPlan, Track

SEEKER = "ppocr_text"  # the plan's detector of text
_LEFT_PERMILLE = 500  # of a line: two looks part words into lines differently, so boxes of lines are not compared


def hides_text(plan: RedactionPlan) -> bool:
    """Whether text is to be hidden: the plan's detectors looked for it, and not every line they found is kept."""
    lines = _lines(plan)
    was_sought = any(one.name == SEEKER for one in plan.detectors)
    return any(line.decision.is_covered for line in lines) or (was_sought and not lines)


def overlay_of(plan: RedactionPlan) -> tuple[Box, ...]:
    """Where the camera's own writing stands, a little larger: its digits change."""
    places = plan.extensions.get(OVERLAY, ())
    found = []
    for place in places if isinstance(places, (list, tuple)) else ():
        if isinstance(place, (list, tuple)) and len(place) == 4 and all(isinstance(side, int) for side in place):
            x0, y0, x1, y1 = (side for side in place if isinstance(side, int))
            high = (y1 - y0) // 2
            found.append((x0 - 2 * high, y0 - high, x1 + 2 * high, y1 + high))
    return tuple(found)


def is_left(box: Box, overlay: Sequence[Box], kept: Sequence[tuple[str, str, Box]], cover: FrameCover) -> bool:
    """Whether a line of text is the camera's, belongs to what a person keeps, or is a label that was drawn on a cover."""
    meant = (*overlay, *(place for _, _, place in kept), *(label.box for label in cover.labels))
    return visible_permille(box, meant) < 1000 - _LEFT_PERMILLE


def _lines(plan: RedactionPlan) -> list[Track]:
    return [track for track in plan.tracks if track.class_ == TEXT and track.origin is Origin.DETECTOR]
