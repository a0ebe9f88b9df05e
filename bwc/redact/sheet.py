"""A contact sheet: pictures of a recording on one JPEG, with what a plan hides drawn on them.

It shows people uncovered (the plan is drawn as frames, not as fills), so it is sealed like the recording itself.
Boxes are drawn as the plan would hide them, margin included: red for redact, yellow for undecided, green for keep.
Below the pictures every track is shown once more, enlarged: boxes overlap, and nobody can judge 10 pixels.
Pictures are turned as they are shown, and so are the boxes that a person gives (bwc.redact.shown).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, TypeAlias

import cv2
import numpy as np

from bwc.errors import MediaError, UnreadableMedia
from bwc.evidence import Choice
from bwc.media.decode import Picture, VideoReader
from bwc.redact.detectors.base import Picture8
from bwc.redact.plan import Box, Origin, RedactionPlan, Track
from bwc.redact.plan_effect import grow

Colour: TypeAlias = tuple[int, int, int]  # blue, green, red

GAP = 4
MAX_CROPS = 40
_COLOURS: dict[Choice, Colour] = {
    Choice.REDACT: (90, 90, 255),
    Choice.UNDECIDED: (0, 215, 255),
    Choice.KEEP: (80, 200, 80),
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BACK = 24  # grey between the pictures
_CONTEXT = 3  # how many times the box's longer side an enlarged picture shows
_LEAST = 32  # pixels an enlarged picture shows at least
_STRIP = 20  # height of a caption


@dataclass(frozen=True, slots=True)
class Upright:
    """A picture as it is shown: turned counter-clockwise by `turns` quarters, and perhaps smaller than it is coded."""

    bgr: Picture8
    turns: int
    coded: tuple[int, int]  # width, height

    @classmethod
    def of(cls, picture: Picture, rotation: int, width: int | None = None) -> "Upright":
        """`picture` of a recording with `rotation` (degrees), at most `width` columns wide when given."""
        turns = round(rotation / 90) % 4
        if width is not None and turns % 2:
            width = round(width * picture.width / picture.height)
        bgr = np.ascontiguousarray(np.rot90(picture.bgr(width), turns))
        return cls(np.asarray(bgr, np.uint8), turns, (picture.width, picture.height))

    def place(self, box: Box) -> Box:
        """Where a box of coded pixels is in this picture."""
        (x0, y0, x1, y1), (width, height) = box, self.coded
        for _ in range(self.turns):
            x0, y0, x1, y1 = y0, width - x1, y1, width - x0
            width, height = height, width
        across, down = self.bgr.shape[1] / width, self.bgr.shape[0] / height
        return round(x0 * across), round(y0 * down), round(x1 * across), round(y1 * down)


def contact_sheet(
    file: BinaryIO, plan: RedactionPlan | None = None, *, pictures: int = 24, columns: int = 4, width: int = 400
) -> bytes:
    """A JPEG of up to `pictures` pictures, `width` pixels each: the middle of every track first, the rest evenly.

    With a plan, an enlarged picture of every track follows (the `MAX_CROPS` most urgent ones if there are more).
    `file` is seekable and stays the caller's. Raises `UnreadableMedia` when no picture decodes.
    """
    reader = VideoReader(file)
    video = reader.facts.video
    rotation = video.rotation if video else 0
    frames = plan.media.frames if plan else (video.frames if video else 0)
    wanted = set(ordinals_to_show(plan, frames, pictures))
    urgent = sorted(plan.tracks if plan else (), key=_urgency)[:MAX_CROPS]
    middles = {track.id: _middle(track) for track in urgent}
    last = max({*wanted, *middles.values()}, default=0)
    tiles: list[Picture8] = []
    crops: dict[str, Picture8] = {}
    begin: Fraction | None = None
    for picture in reader.frames():
        begin = picture.seconds if begin is None else begin
        if picture.ordinal in wanted:
            tiles.append(_tile(picture, plan, width, rotation, begin))
        here = [track for track in urgent if middles[track.id] == picture.ordinal]
        if plan and here:
            whole = Upright.of(picture, rotation)
            crops |= {track.id: _crop(whole, plan, track, picture.ordinal, width) for track in here}
        if picture.ordinal >= last:
            break
    if not tiles:
        raise UnreadableMedia("no picture of the recording decodes")
    parts = [laid_out(tiles, columns)]
    shown = [crops[track.id] for track in plan.tracks if track.id in crops] if plan else []
    if shown:
        parts.append(laid_out(shown, max(1, (parts[0].shape[1] + GAP) // (shown[0].shape[1] + GAP))))
    if plan and len(shown) < len(plan.tracks):
        parts.append(caption(f"{len(plan.tracks) - len(shown)} more tracks are not enlarged here", parts[0].shape[1]))
    return jpeg_of(stacked(parts))


def ordinals_to_show(plan: RedactionPlan | None, frames: int, pictures: int) -> list[int]:
    """Which frames: one of each track (undecided before decided, long before short), then an even spread."""
    chosen: list[int] = []
    for track in sorted(plan.tracks if plan else (), key=_urgency):
        if len(chosen) >= pictures * 2 // 3:
            break
        middle = _middle(track)
        if middle not in chosen:
            chosen.append(middle)
    spread = [round(i * (frames - 1) / max(1, pictures - 1)) for i in range(pictures)] if frames else []
    while len(chosen) < min(pictures, frames):
        left = [ordinal for ordinal in spread if ordinal not in chosen]
        if not left:
            break
        # the one farthest from all that are shown already
        chosen.append(max(left, key=lambda ordinal: min((abs(ordinal - one) for one in chosen), default=frames)))
    return sorted(chosen)


def enlarged(picture: Upright, box: Box, colour: Colour, side: int) -> Picture8:
    """A square of `side` pixels: `box` (coded pixels) drawn in it, and what is around it, three boxes wide."""
    x0, y0, x1, y1 = picture.place(box)
    height, width = picture.bgr.shape[:2]
    reach = max(_LEAST, _CONTEXT * max(x1 - x0, y1 - y0))
    left = max(0, min((x0 + x1 - reach) // 2, width - reach))
    top = max(0, min((y0 + y1 - reach) // 2, height - reach))
    part = picture.bgr[top : top + reach, left : left + reach]
    scale = side / max(part.shape[:2])
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    big = np.asarray(cv2.resize(part, size, interpolation=how), np.uint8)
    corners = [round(scale * step) for step in (x0 - left, y0 - top, x1 - left, y1 - top)]
    cv2.rectangle(big, (corners[0], corners[1]), (corners[2], corners[3]), colour, 1, cv2.LINE_AA)
    square = np.full((side, side, 3), _BACK, np.uint8)
    y, x = (side - size[1]) // 2, (side - size[0]) // 2
    square[y : y + size[1], x : x + size[0]] = big
    return square


def mark(bgr: Picture8, marks: Sequence[tuple[Box, str, Colour]]) -> None:
    """Draw boxes (pixels of `bgr`), each with its label on its own colour, clear of other labels and boxes if it can."""
    for (x0, y0, x1, y1), _, colour in marks:
        cv2.rectangle(bgr, (x0, y0), (x1, y1), colour, 1, cv2.LINE_AA)
    height, width = bgr.shape[:2]
    taken = [box for box, _, _ in marks]
    for (x0, y0, x1, y1), label, colour in marks:
        wide, high = cv2.getTextSize(label, _FONT, 0.4, 1)[0][0] + 4, 13
        corners = [(x0, y0 - high), (x0, y1 + 1), (x1 + 1, y0), (x0 - wide, y0), (x1 + 1, y1 - high), (x0, y0 + 1)]
        inside = [(max(0, min(x, width - wide)), max(0, min(y, height - high))) for x, y in corners]
        spots = [(x, y, x + wide, y + high) for x, y in inside]
        spot = min(spots, key=lambda spot: sum(_touch(spot, other) for other in taken))
        taken.append(spot)
        cv2.rectangle(bgr, spot[:2], (spot[2] - 1, spot[3] - 1), colour, cv2.FILLED)
        cv2.putText(bgr, label, (spot[0] + 2, spot[3] - 3), _FONT, 0.4, (0, 0, 0), 1, cv2.LINE_AA)


def caption(text: str, width: int) -> Picture8:
    """A strip with `text`, made small enough to fit."""
    strip = np.full((_STRIP, width, 3), _BACK, np.uint8)
    wide = cv2.getTextSize(text, _FONT, 0.45, 1)[0][0]
    size = 0.45 * min(1.0, (width - 6) / max(1, wide))
    cv2.putText(strip, text, (3, 14), _FONT, size, (235, 235, 235), 1, cv2.LINE_AA)
    return strip


def laid_out(tiles: Sequence[Picture8], columns: int) -> Picture8:
    """`tiles`, all of one size, in rows of `columns`."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    across = min(columns, len(tiles))
    sheet = np.full((rows * (height + GAP) - GAP, across * (width + GAP) - GAP, 3), _BACK, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = i // columns * (height + GAP), i % columns * (width + GAP)
        sheet[y : y + height, x : x + width] = tile
    return sheet


def stacked(parts: Sequence[Picture8]) -> Picture8:
    """`parts` one below the other."""
    if len(parts) == 1:
        return parts[0]
    width = max(part.shape[1] for part in parts)
    sheet = np.full((sum(part.shape[0] + GAP for part in parts) - GAP, width, 3), _BACK, np.uint8)
    y = 0
    for part in parts:
        sheet[y : y + part.shape[0], : part.shape[1]] = part
        y += part.shape[0] + GAP
    return sheet


def jpeg_of(sheet: Picture8) -> bytes:
    good, jpeg = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not good:
        raise MediaError("the contact sheet could not be made")
    return bytes(jpeg.tobytes())


def time_range(first_ms: int, last_ms: int) -> str:
    return f"{first_ms / 1000:.2f}-{last_ms / 1000:.2f} s"


def moment(ordinal: int, seconds: Fraction) -> str:
    """The label of a picture: its ordinal, and its time after the first picture."""
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"#{ordinal}  {minutes}:{rest / 1000:06.3f}"


def _urgency(track: Track) -> tuple[bool, int, str]:
    length = sum(len(span.boxes) for span in track.spans)
    return track.decision.choice is not Choice.UNDECIDED, -length, track.id


def _middle(track: Track) -> int:
    longest = max(track.spans, key=lambda span: len(span.boxes))
    return longest.first + len(longest.boxes) // 2


def _tile(picture: Picture, plan: RedactionPlan | None, width: int, rotation: int, begin: Fraction) -> Picture8:
    shown = Upright.of(picture, rotation, width)
    marks = []
    for track in plan.tracks if plan else ():
        box = _hidden(plan, track, picture.ordinal) if plan else None
        if box is not None:
            marks.append((shown.place(box), track.id, _COLOURS[track.decision.choice]))
    mark(shown.bgr, marks)
    label = moment(picture.ordinal, picture.seconds - begin)
    at = (5, shown.bgr.shape[0] - 6)
    cv2.putText(shown.bgr, label, at, _FONT, 0.4, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(shown.bgr, label, at, _FONT, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return shown.bgr


def _crop(whole: Upright, plan: RedactionPlan, track: Track, ordinal: int, width: int) -> Picture8:
    """The track enlarged, with its caption below: a square as high as a 16:9 tile."""
    side = max(96, width * 9 // 16)
    box = _hidden(plan, track, ordinal)
    if box is None:
        raise MediaError(f"{track.id} has no box in frame {ordinal}")
    choice = track.decision.choice
    picture = enlarged(whole, box, _COLOURS[choice], side)
    first, stop = track.spans[0].first, track.spans[-1].stop
    words = f"{track.id} {track.class_} {time_range(_ms(plan, first), _ms(plan, stop))} {choice.value}"
    return np.concatenate([picture, caption(words, side)])


def _hidden(plan: RedactionPlan, track: Track, ordinal: int) -> Box | None:
    """What of frame `ordinal` the track would hide."""
    margin = plan.effect.margin_permille if track.origin is Origin.DETECTOR else 0
    for span in track.spans:
        if span.first <= ordinal < span.stop:
            return grow(span.boxes[ordinal - span.first], margin, plan.media.width, plan.media.height)
    return None


def _ms(plan: RedactionPlan, ordinal: int) -> int:
    """As the list of tracks says it: from the first frame on, in whole milliseconds; after the last one the end of the recording."""
    media = plan.media
    ticks = media.pts.pts_of(ordinal) - media.pts.start if ordinal < media.frames else media.duration
    return int(ticks * media.time_base * 1000)


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
