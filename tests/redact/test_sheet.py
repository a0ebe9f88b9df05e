"""What the contact sheet of a plan shows: frames with boxes, then every track enlarged."""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from bwc.errors import UnreadableMedia
from bwc.evidence import Choice
from bwc.media.decode import VideoReader
from bwc.redact import sheet
from bwc.redact.detectors.base import Picture8
from bwc.redact.plan import Decision, Origin, RedactionPlan, Span, Track
from bwc.redact.sheet import Upright, contact_sheet
from tests.redact import clips
from tests.redact.test_detect import recording, walking

PLAIN = Path(__file__).resolve().parents[2] / "fixtures" / "clips" / "plain.mp4"


def seen(jpeg: bytes) -> Picture8:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def magenta(part: Picture8) -> float:
    """The share of `part` that has the subject's colour."""
    blue, green, red = (part[..., place].astype(int) for place in range(3))
    return float(((red - green > 60) & (blue - green > 60)).mean())


def many_tracks(plan: RedactionPlan, count: int) -> RedactionPlan:
    spans = plan.tracks[0].spans
    return replace(plan, tracks=tuple(Track(id=f"t{i}", class_="face", spans=spans) for i in range(1, count + 1)))


def test_every_track_follows_enlarged_with_its_caption(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []
    caption = sheet.caption
    monkeypatch.setattr(sheet, "caption", lambda text, width: (words.append(text), caption(text, width))[1])
    data = clips.make_clip()
    plan = clips.plan_for(data, spans=((15, 36),))
    decided = Decision(choice=Choice.REDACT, by="ana", at=clips.NOON)
    other = Track(id="t2", class_="plate", spans=(Span(first=0, boxes=[(250, 10, 300, 40)] * 31),), decision=decided)
    plan = replace(plan, tracks=(*plan.tracks, other))
    picture = seen(contact_sheet(io.BytesIO(data), plan, pictures=4, columns=2, width=320))
    assert sorted(words) == ["t1 face 0.50-1.20 s undecided", "t2 plate 0.00-1.03 s redact"]
    # two rows of frames, then squares of 180 pixels with a caption below
    assert picture.shape == (2 * 240 + 4 + 4 + 180 + 20, 644, 3)
    crops = picture[488 : 488 + 180]
    # the subject fills the middle of its enlarged picture: a box of 40 with its margin is a third of it
    assert magenta(crops[70:110, 70:110]) > 0.7
    assert magenta(crops[:, 184:364]) < 0.2


def test_a_sheet_without_a_plan_has_frames_only() -> None:
    picture = seen(contact_sheet(io.BytesIO(clips.make_clip()), None, pictures=4, columns=2, width=160))
    assert picture.shape == (2 * 120 + 4, 2 * 160 + 4, 3)


def test_pictures_are_labelled_with_the_time_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    labels: list[str] = []
    moment = sheet.moment
    monkeypatch.setattr(sheet, "moment", lambda *what: (labels.append(moment(*what)), labels[-1])[1])
    late = [72_000 + tick for tick in clips.regular()]  # the first picture comes 0.8 s after zero
    data = clips.make_clip(pts=late)
    for plan in (clips.plan_for(data, pts=late, spans=()), None):
        labels.clear()
        contact_sheet(io.BytesIO(data), plan, pictures=4, columns=2, width=160)
        assert labels[0] == "#0  0:00.000"
        assert labels[1].endswith(f"{int(labels[1][1:3]) * 3003 / 90_000:06.3f}")
    assert moment(1800, Fraction(3003 * 1800, 90_000)) == "#1800  1:00.060"


def test_what_is_not_enlarged_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []
    caption = sheet.caption
    monkeypatch.setattr(sheet, "caption", lambda text, width: (words.append(text), caption(text, width))[1])
    data = clips.make_clip()
    contact_sheet(io.BytesIO(data), many_tracks(clips.plan_for(data), 43), pictures=2, columns=2, width=160)
    assert len(words) == sheet.MAX_CROPS + 1
    assert words[-1] == "3 more tracks are not enlarged here"


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_pictures_are_turned_as_shown_and_boxes_with_them(rotation: int) -> None:
    file = recording(walking, 1, rotation=rotation)
    picture = next(VideoReader(file).frames())
    coded = picture.bgr()
    upright = Upright.of(picture, rotation)
    assert np.array_equal(upright.bgr, np.rot90(coded, rotation // 90))
    x0, y0, x1, y1 = upright.place((60, 90, 90, 126))  # the green subject
    part = upright.bgr[y0:y1, x0:x1]
    assert sorted(part.shape[:2]) == [30, 36]
    assert np.array_equal(np.rot90(part, -(rotation // 90)), coded[90:126, 60:90])
    small = Upright.of(picture, rotation, 120)
    assert small.bgr.shape[1] == 120
    scale = 120 / upright.bgr.shape[1]
    assert small.place((60, 90, 90, 126)) == pytest.approx([side * scale for side in (x0, y0, x1, y1)], abs=1)


def test_labels_lie_inside_the_picture_and_not_on_each_other() -> None:
    bgr = np.zeros((120, 200, 3), np.uint8)
    colours = [(0, 0, 250), (0, 250, 0), (250, 0, 0)]
    sheet.mark(bgr, [((2, 0, 40, 30), f"t{i}", colour) for i, colour in enumerate(colours)])
    # each label's ground is still there: 13 rows of its colour, less the letters
    for colour in colours:
        assert int((bgr == colour).all(axis=2).sum()) > 120


def test_a_box_larger_than_the_frame_allows_and_a_clip_narrower_than_a_tile() -> None:
    data = clips.make_clip()
    plan = clips.plan_for(data)
    whole = Track(id="t1", class_="face", origin=Origin.PERSON, spans=(Span(first=0, boxes=[(0, 0, 320, 240)] * 9),))
    picture = seen(contact_sheet(io.BytesIO(data), replace(plan, tracks=(whole,)), pictures=1, width=640))
    assert picture.shape == (240 + 4 + 360 + 20, 360, 3)


def test_a_fixture_clip_is_shown() -> None:
    with PLAIN.open("rb") as file:
        assert seen(contact_sheet(file, pictures=2, columns=2, width=200)).shape[1] == 404
    with pytest.raises(UnreadableMedia):
        contact_sheet(io.BytesIO(b"not a recording"))
