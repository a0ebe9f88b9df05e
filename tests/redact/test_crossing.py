"""Weak sights that cross their background are somebody; those that stay with it, or of which nobody knows, are not."""

from dataclasses import replace

import numpy as np
import pytest

from bwc.redact.crossing import Ground, Place, is_crossing
from bwc.redact.flow import Floats, Grey, Still
from bwc.redact.motion import CELL, MotionField
from bwc.redact.track import Path, Sighting, Tracker
from tests.redact.test_track import FACE, HABITS, H, W, covered, texture

WEAK = 0.15
WALL = texture(1, H, W + 400)
ONE_NEW = replace(HABITS, new={"face": 0.2}, brief=15)


def place(ordinal: int, x: float, era: int = 0) -> Place:
    return Place(ordinal, era, np.asarray([x, 50], np.float32), np.asarray([20, 26], np.float32))


def field(truth: Floats, step: tuple[float, float], camera: tuple[float, float] = (0, 0)) -> MotionField:
    """What a codec says of a subject that moved by `step` to `truth` while the rest moved by `camera`."""
    moves = np.tile(np.asarray(camera, np.float32), (-(-H // CELL), -(-W // CELL), 1))
    x0, y0, x1, y1 = np.clip(np.round(truth / CELL), 0, None).astype(int)
    moves[y0:y1, x0:x1] = step
    return MotionField(moves, 1.0)


def followed(made: list[tuple[Grey, Floats, MotionField | None]], score: float = WEAK) -> list[Path]:
    tracker = Tracker(ONE_NEW, width=W, height=H)
    stretch: list[tuple[int, Still]] = []
    for ordinal, (grey, truth, motion) in enumerate(made):
        stretch.append((ordinal, Still(grey, motion)))
        if ordinal % 5 == 0:
            tracker.advance(stretch, [Sighting(truth, score, "face")])
            stretch = []
    return tracker.finish()


def crossing(pace: int, camera: int, length: int = 21) -> list[tuple[Grey, Floats, MotionField | None]]:
    """A subject that goes `pace` pixels a picture over the background, which a pan moves by `camera`."""
    made: list[tuple[Grey, Floats, MotionField | None]] = []
    for n in range(length):
        x, behind = 60 + (pace + camera) * n, 200 - camera * n
        grey = WALL[:, behind : behind + W].copy()
        grey[60:100, x : x + 32] = FACE
        truth = np.asarray([x, 60, x + 32, 100], np.float32)
        made.append((grey, truth, field(truth, (pace + camera, 0), (camera, 0)) if n else None))
    return made


def test_weak_sights_that_cross_the_background_are_somebody() -> None:
    made = crossing(pace=14, camera=-7)  # a pan that follows half of the way
    (path,) = followed(made)
    assert path.firm == 0
    assert min(covered(path, n, truth) for n, (_, truth, _) in enumerate(made)) > 0.9


def test_weak_sights_of_what_a_pan_moves_are_nobody() -> None:
    assert followed(crossing(pace=0, camera=5, length=20)) == []


def test_weak_sights_are_nobody_where_the_camera_rests() -> None:
    assert followed(crossing(pace=7, camera=0)) == []


def test_nobody_crosses_where_the_codec_says_nothing() -> None:
    assert followed([(grey, truth, None) for grey, truth, _ in crossing(pace=14, camera=-7)]) == []


def test_who_is_seen_firmly_after_weak_sights_begins_there() -> None:
    made = crossing(pace=0, camera=5, length=26)
    tracker = Tracker(replace(ONE_NEW, lead=0), width=W, height=H)
    for ordinal, (grey, truth, motion) in enumerate(made):
        score = WEAK if ordinal < 10 else 0.25
        tracker.advance([(ordinal, Still(grey, motion))], [Sighting(truth, score, "face")] if not ordinal % 5 else [])
    (path,) = tracker.finish()
    assert (path.first_seen, path.hits, path.firm) == (10, 4, 4)


def test_weak_sights_alone_ask_for_no_more_looks() -> None:
    tracker = Tracker(ONE_NEW, width=W, height=H)
    for ordinal, (grey, truth, motion) in enumerate(crossing(pace=0, camera=5, length=11)):
        tracker.advance([(ordinal, Still(grey, motion))], [Sighting(truth, WEAK, "face")] if not ordinal % 5 else [])
    assert tracker.live()
    assert not tracker.is_unsure()


@pytest.mark.parametrize(
    ("way", "crosses"),
    [
        ([place(0, 0), place(5, 12), place(10, 25)], True),
        ([place(0, 0), place(5, 12)], False),  # twice
        ([place(0, 0), place(5, 8), place(10, 16)], False),  # not far
        ([place(0, 0), place(5, 40), place(10, 25)], False),  # there and back
        ([place(0, 0), place(10, 12), place(20, 25)], False),  # slowly
        ([place(0, 0), place(5, 12), place(10, 25, era=1)], False),  # the camera was lost between
    ],
)
def test_a_way_is_three_sights_going_on(way: list[Place], crosses: bool) -> None:
    assert is_crossing(way, within=15) is crosses


def test_the_ground_is_known_through_a_keyframe_and_not_beyond() -> None:
    grey = np.zeros((H, W), np.uint8)
    ground, box = Ground(15, W), np.asarray([10, 10, 30, 36], np.float32)
    pan = Still(grey, MotionField(np.full((4, 4, 2), 3, np.float32), 1.0))
    assert ground.place(0, box) is None
    ground.go(pan)
    before = ground.place(0, box)
    ground.go(Still(grey))
    after = ground.place(1, box)
    assert before is not None
    assert after is not None
    np.testing.assert_allclose(after.middle, before.middle - 3)
    ground.go(Still(grey))
    assert ground.place(2, box) is None
    ground.go(pan)
    later = ground.place(3, box)
    assert later is not None
    assert later.era != before.era


def test_what_nobody_asked_about_in_time_is_another_ground() -> None:
    grey = np.zeros((H, W), np.uint8)
    ground, box = Ground(5, W), np.asarray([10, 10, 30, 36], np.float32)
    eras = []
    for length in (1, 5, 6):
        for _ in range(length):
            ground.go(Still(grey, MotionField(np.zeros((4, 4, 2), np.float32), 1.0)))
        place = ground.place(0, box)
        assert place is not None
        eras.append(place.era)
    assert eras[0] == eras[1] != eras[2]
