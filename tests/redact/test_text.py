"""Writing in the picture: found by the shipped network, hidden or left to a person; the camera's own overlay is known and left."""

import io
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import av
import cv2
import numpy as np
import pytest

from bwc.canonical import sha256_hex
from bwc.errors import BwcError
from bwc.evidence import Choice
from bwc.redact.detect import analyse
from bwc.redact.detectors.base import Floats, Picture8
from bwc.redact.detectors.text import TextFinder, lines
from bwc.redact.lookout import Lookout
from bwc.redact.overlay import Motion, parted
from bwc.redact.plan import OVERLAY, RedactionPlan
from bwc.redact.track import Path
from bwc.roles import Policy

WIDTH, HEIGHT, FRAMES = 640, 352, 150
SIGN = (150, 150)  # where the sign's text begins in the first picture


@pytest.fixture(scope="module")
def finder() -> TextFinder:
    try:
        return TextFinder.open((640,))
    except BwcError as error:
        pytest.skip(f"weights absent: {error.message}; run: {error.hint}")


def street(ordinal: int) -> Picture8:
    """A textured wall that moves to the left with a house number on it, and the camera's own line above."""
    rng = np.random.default_rng(3)
    wall = cv2.resize(rng.integers(70, 170, (30, 120), np.uint8), (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    picture = np.ascontiguousarray(np.stack([wall[:, 2 * ordinal : 2 * ordinal + WIDTH]] * 3, axis=2))
    cv2.rectangle(picture, (SIGN[0] - 2 * ordinal + 80, 110), (SIGN[0] - 2 * ordinal + 330, 170), (230, 230, 230), -1)
    cv2.putText(
        picture, "1742 ELM", (SIGN[0] - 2 * ordinal + 95, SIGN[1]), cv2.FONT_HERSHEY_SIMPLEX, 1.4, (20, 20, 20), 3
    )
    cv2.putText(picture, "2026-03-17 BODY 3 X81234", (20, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
    return picture


@pytest.fixture(scope="module")
def clip() -> bytes:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "20", "preset": "ultrafast", "bf": "0", "g": "30"}
        for ordinal in range(FRAMES):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(street(ordinal), format="bgr24")))
        out.mux(stream.encode())
    return sink.getvalue()


def analysed(clip: bytes, finder: TextFinder, text: str) -> RedactionPlan:
    return analyse(
        io.BytesIO(clip),
        content_sha256=sha256_hex(clip),
        item=None,
        segment=0,
        policy=replace(Policy(), text=text),
        now=datetime.now(UTC),
        lookout=Lookout((), (), (finder,)),
    )


def test_writing_is_found_where_it_stands(finder: TextFinder) -> None:
    found = finder.detect(street(0))
    for place in ((290, 135), (70, 22)):  # the number, the overlay
        assert any(one.box[0] < place[0] < one.box[2] and one.box[1] < place[1] < one.box[3] for one in found)
    assert finder.detect(np.full((200, 300, 3), 120, np.uint8)) == []


def test_the_overlay_is_left_and_what_hangs_on_the_wall_waits_for_a_person(clip: bytes, finder: TextFinder) -> None:
    plan = analysed(clip, finder, "review")
    overlay: Any = plan.extensions[OVERLAY]
    assert overlay
    assert all(box[3] < 50 for box in overlay)
    assert plan.tracks
    for track in plan.tracks:
        assert track.class_ == "text"
        assert track.decision.choice is Choice.UNDECIDED  # hidden until somebody says otherwise
        assert "writing" in track.doubts
        assert all(one[1] > 60 for span in track.spans for one in span.boxes)
    hidden = analysed(clip, finder, "hide")
    assert {track.decision.choice for track in hidden.tracks} == {Choice.REDACT}


def test_lines_are_the_connected_cores_grown() -> None:
    likely: Floats = np.zeros((64, 128), np.float32)
    likely[20:28, 10:90] = 0.9
    likely[50:52, 10:12] = 0.9  # a speck
    likely[40:48, 100:120] = 0.4  # too unsure
    boxes, scores = lines(likely, 0.5)
    assert scores.tolist() == [pytest.approx(0.9)]
    x0, y0, x1, y1 = boxes[0]
    assert x0 < 10 and y0 < 20 and x1 > 90 and y1 > 28  # noqa: PT018  one box, four sides
    assert y0 > 10


def path(boxes: list[tuple[float, float, float, float]], class_: str = "text", hits: int = 5) -> Path:
    found = deque(np.asarray(box, np.float32) for box in boxes)
    made = Path(class_, 0, found, deque([True] * len(boxes)), found[-1], len(boxes) - 1, 0)
    made.hits = hits
    return made


def moving(levels: int) -> Motion:
    motion = Motion()
    for look in range(6):
        motion.look(np.full((90, 160), 60 + levels * (look % 2), np.uint8))
    return motion


def test_only_still_writing_near_the_edge_of_a_moving_picture_is_an_overlay() -> None:
    still = [(10.0, 4.0, 60.0, 10.0)] * 100
    drifting = [(10.0 + i / 2, 4.0, 60.0 + i / 2, 10.0) for i in range(100)]
    middle = [(10.0, 40.0, 60.0, 46.0)] * 100
    for boxes, class_, motion, expected in (
        (still, "text", moving(20), 1),
        (still, "text", moving(1), 0),  # a camera that stands still: a sign stands still too
        (still, "plate", moving(20), 0),
        (drifting, "text", moving(20), 0),
        (middle, "text", moving(20), 0),
        (still[:40], "text", moving(20), 0),  # there for less than most of the recording
    ):
        rest, overlay = parted([path(boxes, class_)], 100, (160, 90), motion)
        assert (len(overlay), len(rest)) == (expected, 1 - expected)


def test_policy_names_what_is_done_with_writing() -> None:
    assert Policy().text == "off"
    with pytest.raises(BwcError, match="text"):
        replace(Policy(), text="maybe")
    assert Policy.from_json(Policy(text="hide").to_json()).text == "hide"
