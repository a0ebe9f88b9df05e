"""People who stand upside down or on their side in a picture: found when several looks agree, and told."""

import io
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from bwc.canonical import sha256_hex
from bwc.redact.bearings import Bearings
from bwc.redact.check import check
from bwc.redact.check_finders import Finders
from bwc.redact.detect import analyse
from bwc.redact.detectors.aside import OVER, SIDES, look_aside
from bwc.redact.detectors.base import Detection, Picture8
from bwc.redact.detectors.view import View
from bwc.redact.lookout import Lookout
from bwc.redact.plan import TURNED, DetectorInfo, RedactionPlan
from bwc.redact.plan_format import from_bytes, to_bytes
from bwc.redact.render import render
from bwc.roles import Policy
from tests.redact.clips import NOON, TIME_BASE, Memory, Pipe, plan_for, regular

SIZE = (320, 240)
FRAMES = 60


class Upright:
    """Sees a red half above a blue one, and nothing when it is turned."""

    name = "upright"
    classes = ("face",)

    def describe(self) -> DetectorInfo:
        return DetectorInfo(name="upright", package="test", file_sha256="00" * 32, licence="-", precision="-")

    def detect(self, bgr: Picture8) -> list[Detection]:
        blue, green, red = (bgr[:, :, place].astype(int) for place in range(3))
        hot, cold = red - np.maximum(blue, green) > 80, blue - np.maximum(red, green) > 80
        found = []
        for x, y, wide, high, count in cv2.connectedComponentsWithStats(hot.astype(np.uint8))[2][1:]:
            below = cold[y + high + 2 : y + 2 * high - 2, x + 2 : x + wide - 2]
            if count >= 30 and below.size and below.mean() > 0.8:
                found.append(Detection((float(x), float(y), float(x + wide), float(y + 2 * high)), 0.9, "face"))
        return found


def person(number: int = 0) -> Picture8:
    """A grey picture with a figure of 40 x 40 px at (60 + number, 100)."""
    rgb = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    rgb[100:120, 60 + number : 100 + number] = (240, 20, 20)
    rgb[120:140, 60 + number : 100 + number] = (20, 20, 240)
    return rgb


def recording(turns: int) -> bytes:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as out:
        shape = np.rot90(person(), turns).shape
        video = out.add_stream("libx264", rate=30, options={"crf": "12", "bf": "0", "g": "15"})
        video.width, video.height, video.pix_fmt = shape[1], shape[0], "yuv420p"
        video.time_base = video.codec_context.time_base = TIME_BASE
        for number, when in enumerate(regular(FRAMES)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(person(number), turns)), format="rgb24")
            frame.pts, frame.time_base = when, TIME_BASE
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return sink.getvalue()


def found(data: bytes, *, aside: bool = True) -> RedactionPlan:
    finder = Upright()
    lookout = Lookout((finder,), (finder,), aside=finder if aside else None)
    return analyse(
        io.BytesIO(data), content_sha256=sha256_hex(data), item=None, segment=0, policy=Policy(), now=NOON, lookout=lookout
    )  # fmt: skip


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("shape", [(240, 320), (320, 240), (240, 426)])
def test_a_look_aside_places_what_it_sees_in_the_picture_as_it_is(turns: int, shape: tuple[int, int]) -> None:
    bgr = np.full((*shape, 3), 90, np.uint8)
    bgr[60:80, 30:70], bgr[80:100, 30:70] = (20, 20, 240), (240, 20, 20)
    turned = np.ascontiguousarray(np.rot90(bgr, turns))
    view = View.of(turned)
    seen = [one for way in (OVER, SIDES) for one in look_aside(Upright(), view, way)]
    assert [turn for turn, _ in seen] == [4 - turns]
    box = seen[0][1].box
    where = np.argwhere(np.abs(turned.astype(int) - 90).sum(axis=2) > 60)
    wanted = (*where.min(0)[::-1], *(where.max(0) + 1)[::-1])
    assert box == pytest.approx(wanted, abs=4)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_people_who_stand_another_way_are_hidden_from_the_first_picture_on(turns: int) -> None:
    data = recording(turns)
    plan = found(data)
    assert plan.extensions[TURNED] == {"quarters": [4 - turns]}
    assert [one for one in plan.doubts if one.code == TURNED]
    assert len(plan.tracks) == 1
    assert {place for span in plan.tracks[0].spans for place in range(span.first, span.stop)} == set(range(FRAMES))
    assert from_bytes(to_bytes(plan)) == plan
    assert found(data, aside=False).tracks == ()


def test_an_upright_recording_is_looked_at_as_before() -> None:
    plan = found(recording(0))
    assert plan == found(recording(0), aside=False)
    assert TURNED not in plan.extensions


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_check_sees_them_without_the_plan(turns: int) -> None:
    data = recording(turns)
    size = SIZE if turns == 2 else SIZE[::-1]
    plan = plan_for(data, pts=regular(FRAMES), spans=(), size=size)
    copy = Pipe()
    render(io.BytesIO(data), plan, copy, Memory)
    finders = Finders(coarse=(Upright(),), fine=(), close=(Upright(),))
    report = check(io.BytesIO(data), io.BytesIO(copy.data), plan, finders=finders)
    assert report.suspects
    whole = found(data)
    copy = Pipe()
    render(io.BytesIO(data), whole, copy, Memory)
    assert check(io.BytesIO(data), io.BytesIO(copy.data), whole, finders=finders).is_clean


def told(bearings: Bearings, at: float, turns: tuple[int, ...], score: float = 0.8) -> tuple[int, ...]:
    way = bearings.due(Fraction(at))
    if way:
        seen = [(turn, Detection((10, 10, 30, 30), score, "face")) for turn in turns if turn in way]
        bearings.told(way, seen, [Detection((100, 100, 120, 120), 0.9, "face")])
    return way


def test_it_takes_three_looks_in_a_row_and_a_face_that_is_none_as_shown() -> None:
    bearings = Bearings()
    assert [told(bearings, at, ()) for at in (0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 7.6, 8, 14)] == [
        *(OVER, SIDES) * 3, (), OVER, (), SIDES,
    ]  # fmt: skip
    bearings.ends()
    assert not bearings.found
    once = Bearings()
    assert [told(once, at, (2,) if at == 0 else ()) for at in (0, 0.2, 0.4, 0.6, 0.8, 1)] == [OVER] * 6
    once.ends()
    assert not once.found
    short = Bearings()
    assert [told(short, at, (1,)) for at in (0, 0.5, 1)] == [OVER, SIDES, SIDES]
    assert not short.found
    short.ends()
    assert short.found == {1}
    often = Bearings()
    for at in (0, 0.2, 0.4):
        assert told(often, at, (2,)) == OVER
    assert often.found == {2}
    faint = Bearings()
    for at in (0, 0.2, 0.4, 0.6):
        told(faint, at, (1, 2, 3), score=0.5)
    assert not faint.found
    same = Bearings()
    for at in (0, 1, 2, 3, 4, 5):
        way = same.due(Fraction(at))
        same.told(way, [(way[0], Detection((10, 10, 30, 30), 0.9, "face"))], [Detection((11, 11, 31, 31), 0.3, "face")])
    assert not same.found
