"""Boxes and times as a person sees them: the picture turned as it is shown, the clock of players.

A plan holds pixels of the coded frame and the recording's own time. People look at a player: it turns the picture by the recording's rotation,
and counts from the beginning of the file, where sound may come before the first picture.
"""

from enum import StrEnum

from bwc.errors import UsageError
from bwc.redact.plan import Box, PlanMedia, RedactionPlan

_NS = 1_000_000_000


class Clock(StrEnum):
    """What times count from."""

    PICTURE = "picture"  # the first picture, as in `bwc plan` and on the sheets
    FILE = "file"  # the beginning of the file, as players, captions and the redaction log do


def shown_size(media: PlanMedia) -> tuple[int, int]:
    """Width and height of the picture as it is shown."""
    return (media.height, media.width) if _quarters(media) % 2 else (media.width, media.height)


def coded_box(media: PlanMedia, box: Box) -> Box:
    """The pixels of the coded frame under `box`, which is in pixels of the picture as it is shown. May reach beyond either."""
    x0, y0, x1, y1 = box
    width, height = media.width, media.height
    match _quarters(media):
        case 1:
            return width - y1, x0, width - y0, x1
        case 2:
            return width - x1, height - y1, width - x0, height - y0
        case 3:
            return y0, height - x1, y1, height - x0
    return box


def shown_box(media: PlanMedia, box: Box) -> Box:
    """Where `box`, in pixels of the coded frame, is in the picture as it is shown."""
    (x0, y0, x1, y1), (width, height) = box, (media.width, media.height)
    for _ in range(_quarters(media)):
        x0, y0, x1, y1 = y0, width - x1, y1, width - x0
        width, height = height, width
    return x0, y0, x1, y1


def box_within(media: PlanMedia, box: Box) -> tuple[Box, str]:
    """The coded pixels of `box` (as shown), and what is to be said when not all of it lies in the picture.

    Raises `UsageError` when nothing of it does.
    """
    width, height = shown_size(media)
    inside = max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3])
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        hint = "--box X,Y,W,H are pixels of the picture as it is shown, from the top left"
        raise UsageError(f"the box lies outside the picture, which is shown {width} by {height}", hint)
    x0, y0, x1, y1 = inside
    told = f"only {x0},{y0},{x1 - x0},{y1 - y0} of the box, the rest lies outside the picture of {width} by {height}"
    return coded_box(media, inside), "" if inside == box else told


def first_picture_ns(plan: RedactionPlan) -> int:
    """When the first picture is shown on the file's clock; 0 where that is less than half a frame, which nobody sees."""
    media = plan.media
    begin = media.pts.start * media.time_base
    frame = media.duration * media.time_base / max(1, media.frames)
    return int(begin * _NS) if begin > 0 and begin >= frame / 2 else 0


def from_picture(plan: RedactionPlan, ns: int, clock: Clock) -> int:
    """`ns` on `clock`, counted from the first picture."""
    media = plan.media
    return ns if clock is Clock.PICTURE else ns - max(0, int(media.pts.start * media.time_base * _NS))


def clock_text(plan: RedactionPlan) -> str:
    """What people must know about the recording's clocks; nothing where they agree."""
    first = first_picture_ns(plan)
    if not first:
        return ""
    return (
        f"the first picture is at {first / _NS:.3f} s of the file: players, captions and the redaction log count from the file's beginning, "
        "these times from the first picture (--clock file takes a player's times)"
    )


def _quarters(media: PlanMedia) -> int:
    return round(media.rotation / 90) % 4
