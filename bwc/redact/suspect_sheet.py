"""A sheet of suspects: for each thing that the check of a copy thinks is visible, the frame and an enlarged picture.

A person decides from it what is a face and what is a door handle. It may show people, so it is sealed like the copy.
Pictures are turned as they are shown; a caption's `x,y,w,h` are pixels of the picture so turned, as `--box` takes them.
"""

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from bwc.errors import UnreadableMedia
from bwc.media.decode import VideoReader
from bwc.redact.check_report import Suspect
from bwc.redact.detectors.base import Picture8
from bwc.redact.plan import Box
from bwc.redact.plan_view import counted
from bwc.redact.sheet import GAP, Colour, Upright, caption, enlarged, jpeg_of, laid_out, mark, stacked, time_range

MAX_SUSPECTS = 99  # 45 MB of pictures, and the sheet of them; that there are more is said, never passed over
_COLOUR: Colour = (0, 215, 255)


def suspect_sheet(copy: BinaryIO, suspects: Sequence[Suspect], *, width: int = 400, columns: int = 3) -> bytes:
    """A JPEG of `suspects` in their order, `columns` of them side by side, whole frames `width` pixels wide.

    Each is shown where it is largest. `copy` is seekable and stays the caller's; of its pictures only what is shown
    is kept. A suspect whose frame does not decode has a dark picture. Raises `UnreadableMedia` when none decodes.
    """
    if not suspects:
        return jpeg_of(caption("no suspects", width))
    reader = VideoReader(copy)
    video = reader.facts.video
    rotation = video.rotation if video else 0
    chosen = suspects[:MAX_SUSPECTS]
    best = [_largest(suspect) for suspect in chosen]
    last = max((spot[0] for spot in best if spot), default=-1)
    cells: dict[int, Picture8] = {}
    whole: Upright | None = None
    dark: Picture8 | None = None
    for picture in reader.frames():
        here = [place for place, spot in enumerate(best) if spot and spot[0] == picture.ordinal]
        if dark is None or here:
            whole, small = Upright.of(picture, rotation), Upright.of(picture, rotation, width)
            dark = np.zeros_like(_cell(whole, small, chosen[0], None))
            for place in here:
                cells[place] = _captioned(
                    _cell(whole, small, chosen[place], best[place]), chosen[place], best[place], whole
                )
        if picture.ordinal >= last:
            break
    if dark is None or whole is None:
        raise UnreadableMedia("no picture of the copy decodes")
    for place, suspect in enumerate(chosen):
        if place not in cells:
            cells[place] = _captioned(dark, suspect, best[place], whole)
    parts = [laid_out([cells[place] for place in range(len(chosen))], columns)]
    cells.clear()
    if len(suspects) > len(chosen):
        parts.append(
            caption(f"{counted(len(suspects) - len(chosen), 'more suspect')}: see the report", parts[0].shape[1])
        )
    return jpeg_of(stacked(parts))


_Spot = tuple[int, Box]  # an ordinal and a box of coded pixels


def _largest(suspect: Suspect) -> _Spot | None:
    """The suspect's largest box; of several the one nearest to its middle."""
    middle = len(suspect.boxes) // 2

    def rank(place: int) -> tuple[int, int]:
        _, x0, y0, x1, y1 = suspect.boxes[place]
        return -(x1 - x0) * (y1 - y0), abs(place - middle)

    found = min(range(len(suspect.boxes)), key=rank, default=None)
    if found is None:
        return None
    ordinal, x0, y0, x1, y1 = suspect.boxes[found]
    return ordinal, (x0, y0, x1, y1)


def _cell(whole: Upright, small: Upright, suspect: Suspect, spot: _Spot | None) -> Picture8:
    """The frame with the suspect's box, and beside it the same enlarged, as high as the frame."""
    frame = small.bgr.copy()
    height = frame.shape[0]
    gap = np.zeros((height, GAP, 3), np.uint8)
    if spot is None:
        return np.concatenate([frame, gap, np.zeros((height, height, 3), np.uint8)], axis=1)
    mark(frame, [(small.place(spot[1]), suspect.id, _COLOUR)])
    return np.concatenate([frame, gap, enlarged(whole, spot[1], _COLOUR, height)], axis=1)


def _captioned(cell: Picture8, suspect: Suspect, spot: _Spot | None, whole: Upright) -> Picture8:
    words = f"{suspect.id} {suspect.class_} {suspect.sight.value}  {time_range(suspect.first_ms, suspect.last_ms)}"
    if spot:
        ordinal, box = spot
        x0, y0, x1, y1 = whole.place(box)
        words += f"  #{ordinal} {x0},{y0},{x1 - x0},{y1 - y0}"
    return np.concatenate([cell, caption(words, cell.shape[1])])
