"""One frame's covers drawn into its planes, and what is known of frames whose picture cannot be trusted."""

from bwc.media.facts import VideoFacts
from bwc.redact.effects import Held, Planes, cover_boxes, cover_whole, write_labels, yuv_of
from bwc.redact.plan import Coverage, FrameCover, RedactionPlan
from bwc.redact.plan_effect import Effect

DAMAGE_REACH = 5  # frames before and after a damaged one whose covers are added to its own
_H273_BT709 = 1
_HD_HEIGHT = 720  # a recording without a matrix tag is BT.709 from here on, as players assume

Fill = tuple[int, int, int]


def fill_of(effect: Effect, video: VideoFacts) -> Fill:
    """The effect's colour as Y, U, V of the recording."""
    is_bt709 = video.colour.matrix == _H273_BT709 or (video.colour.matrix == 2 and video.height >= _HD_HEIGHT)
    return yuv_of(effect.colour, is_bt709=is_bt709, is_full_range=video.colour.range == 2)


def draw(planes: Planes, cover: FrameCover, effect: Effect, fill: Fill, held: Held) -> None:
    """Hide what `cover` says, in place. Frames come in order; `held` is new with every group of pictures."""
    if cover.whole:
        cover_whole(planes, fill, cover.keep)
    cover_boxes(planes, cover.boxes, effect, fill, held)
    write_labels(planes, cover.labels, fill)


def around_damage(covers: Coverage, plan: RedactionPlan, ordinal: int) -> FrameCover:
    """The cover of a damaged frame: concealment repeats or drags parts of neighbours, what was hidden there may show."""
    around = range(max(0, ordinal - DAMAGE_REACH), min(plan.media.frames, ordinal + DAMAGE_REACH + 1))
    boxes = {box: None for place in around for box in covers.at(place).boxes}
    whole = any(covers.at(place).whole for place in around)
    here = covers.at(ordinal)
    return FrameCover(
        whole=whole,
        boxes=tuple(boxes),
        keep=here.keep if plan.effect.inverse else (),
        labels=() if whole else here.labels,
    )
