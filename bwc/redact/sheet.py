"""A contact sheet: pictures of a recording on one JPEG, with what a plan hides drawn on them.

It shows people uncovered (the plan is drawn as frames, not as fills), so it is sealed like the recording itself.
Boxes are drawn as the plan would hide them, margin included: red for redact, yellow for undecided, green for keep.
"""

from collections.abc import Sequence
from typing import BinaryIO

import cv2
import numpy as np

from bwc.errors import MediaError, UnreadableMedia
from bwc.evidence import Choice
from bwc.media.decode import Picture, VideoReader
from bwc.redact.detectors.base import Picture8
from bwc.redact.plan import Origin, RedactionPlan, Track
from bwc.redact.plan_effect import grow

_COLOURS = {Choice.REDACT: (60, 60, 255), Choice.UNDECIDED: (0, 215, 255), Choice.KEEP: (80, 200, 80)}
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GAP = 4


def contact_sheet(
    file: BinaryIO, plan: RedactionPlan | None = None, *, pictures: int = 24, columns: int = 4, width: int = 400
) -> bytes:
    """A JPEG of up to `pictures` pictures, `width` pixels each: the middle of every track first, the rest evenly.

    `file` is seekable and stays the caller's. Raises `UnreadableMedia` when no picture decodes.
    """
    reader = VideoReader(file)
    video = reader.facts.video
    frames = plan.media.frames if plan else (video.frames if video else 0)
    wanted = set(ordinals_to_show(plan, frames, pictures))
    last = max(wanted, default=0)
    tiles: list[Picture8] = []
    for picture in reader.frames():
        if picture.ordinal in wanted:
            tiles.append(_tile(picture, plan, width))
        if picture.ordinal >= last:
            break
    if not tiles:
        raise UnreadableMedia("no picture of the recording decodes")
    good, jpeg = cv2.imencode(".jpg", _laid_out(tiles, columns), [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not good:
        raise MediaError("the contact sheet could not be made")
    return bytes(jpeg.tobytes())


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


def _urgency(track: Track) -> tuple[bool, int, str]:
    length = sum(len(span.boxes) for span in track.spans)
    return track.decision.choice is not Choice.UNDECIDED, -length, track.id


def _middle(track: Track) -> int:
    longest = max(track.spans, key=lambda span: len(span.boxes))
    return longest.first + len(longest.boxes) // 2


def _tile(picture: Picture, plan: RedactionPlan | None, width: int) -> Picture8:
    bgr = np.ascontiguousarray(picture.bgr(width))
    scale = width / picture.width
    for track in plan.tracks if plan else ():
        margin = plan.effect.margin_permille if plan and track.origin is Origin.DETECTOR else 0
        for span in track.spans:
            if span.first <= picture.ordinal < span.stop:
                box = grow(span.boxes[picture.ordinal - span.first], margin, picture.width, picture.height)
                x0, y0, x1, y1 = (round(side * scale) for side in box)
                colour = _COLOURS[track.decision.choice]
                cv2.rectangle(bgr, (x0, y0), (x1, y1), colour, 1, cv2.LINE_AA)
                cv2.putText(
                    bgr, f"{track.id} {track.class_}", (x0, max(9, y0 - 3)), _FONT, 0.35, colour, 1, cv2.LINE_AA
                )
    seconds = float(picture.seconds)
    label = f"#{picture.ordinal}  {int(seconds // 60)}:{seconds % 60:06.3f}"
    cv2.putText(bgr, label, (5, bgr.shape[0] - 6), _FONT, 0.4, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(bgr, label, (5, bgr.shape[0] - 6), _FONT, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(bgr, np.uint8)


def _laid_out(tiles: Sequence[Picture8], columns: int) -> Picture8:
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    across = min(columns, len(tiles))
    sheet = np.full((rows * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP, 3), 24, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = i // columns * (height + _GAP), i % columns * (width + _GAP)
        sheet[y : y + height, x : x + width] = tile
    return sheet
