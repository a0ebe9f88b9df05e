"""Who comes in over an edge is hidden on the way in, back to the edge or the beginning of the scene."""

from collections import deque

import numpy as np
import pytest

from bwc.redact.likeness import Follower
from bwc.redact.path import Path, come_in, is_across, keep_size, reach_in

ROOM = (480.0, 270.0)


def path(first: int, *lefts: float, side: float = 20.0) -> Path:
    boxes = deque(np.asarray([left, 50, left + side, 50 + side], np.float32) for left in lefts)
    return Path(
        class_="face", first=first, boxes=boxes, trust=deque([True] * len(boxes)),
        now=Follower(boxes[-1], None), last_seen=first, first_seen=first,
    )  # fmt: skip


def test_the_way_in_is_hidden_up_to_the_edge() -> None:
    one = path(50, 6, 12, 18, 24)
    come_in(one, 0, ROOM, 15)
    assert one.first == 35
    assert [box[0] for box in one.boxes][12:16] == [-12, -6, 0, 6]
    assert not any(list(one.trust)[:15])


def test_outside_a_strip_stays_hidden_for_a_camera_that_shakes() -> None:
    left, right = path(50, 6, 12, 18, 24), path(50, 455, 450, 445, 440)
    for one in (left, right):
        come_in(one, 0, ROOM, 15)
    assert left.boxes[0].tolist() == [-12, 42, 8, 78]  # and brings them up and down as well
    assert right.boxes[0].tolist() == [472, 42, 492, 78]
    assert [box[1] for box in left.boxes][14:16] == [49, 50]


def test_a_face_that_a_side_cuts_reaches_further_in() -> None:
    for lefts, sides in (((-10,), (-10, 14)), ((470,), (466, 490)), ((200,), (200, 220))):
        one = path(50, *lefts)
        reach_in(one, ROOM)
        assert (one.boxes[0][0], one.boxes[0][2]) == sides
    whole = path(50, 2)
    reach_in(whole, ROOM)
    assert whole.boxes[0].tolist() == [2, 50, 22, 70]


def test_a_box_lies_across_an_edge_from_a_tenth_of_it_outside() -> None:
    assert is_across(np.asarray([-5, 50, 15, 70], np.float32), ROOM)
    assert is_across(np.asarray([100, 260, 120, 280], np.float32), ROOM)
    assert not is_across(np.asarray([-1, 50, 19, 70], np.float32), ROOM)


def test_not_before_the_scene_nor_longer_than_asked() -> None:
    for earliest, most, first in ((49, 15, 49), (50, 15, 50), (0, 2, 48)):
        one = path(50, 6, 12, 18, 24)
        come_in(one, earliest, ROOM, most)
        assert one.first == first


def test_who_stands_at_the_edge_or_leaves_or_begins_in_the_middle_has_no_way_in() -> None:
    for lefts in ((2, 2.1, 2.2, 2.3), (8, 6, 4, 2), (200, 206, 212, 218), (6,)):
        one = path(50, *lefts)
        come_in(one, 0, ROOM, 15)
        assert one.first == 50
    right = path(50, 455, 450, 445, 440)
    come_in(right, 0, ROOM, 15)
    assert right.first < 50


def test_a_face_that_looks_miss_where_it_stood_was_mostly_none() -> None:
    one = path(50, 100, 101, 102, 104)
    one.seen = one.boxes[0]
    assert one.is_missed(12, 15)
    assert not one.is_missed(31, 15), "a small one is easily missed"
    gone = path(50, 100, 125, 145)
    gone.seen = gone.boxes[0]
    assert not gone.is_missed(12, 15), "it moved away: who knows where to"
    one.best = 0.6
    assert not one.is_missed(12, 15), "it was seen well once"
    one.best, one.is_head = 0.3, True
    assert not one.is_missed(12, 15), "a head may be turned away"


def test_an_ended_track_says_the_same_and_gives_up_what_it_was_followed_by() -> None:
    one = path(50, 6, 12, 18, 24)
    before = [box.tolist() for box in one.boxes]
    one.close()
    assert [box.tolist() for box in one.boxes] == before
    assert (one.last, one.at(51).tolist(), len(one.boxes)) == (53, before[1], 4)
    assert all(box.dtype == np.float32 for box in one.boxes)
    assert (one.now.patch, one.body, one.sights, one.cuts) == (None, None, [], [])


def faintly(well: float) -> Path:
    """A face of 40 pixels, later seen as one of 24."""
    made = path(0, *[50.0] * 21, side=40)
    for place in range(10, 21):
        made.boxes[place] = np.asarray([50, 50, 90, 74], np.float32)
    made.sizes = [(0, 40.0, well), (9, 40.0, well), (15, 24.0, 0.3), (20, 24.0, 0.2)]  # ordinal, height, score
    return made


def test_a_face_seen_faintly_is_as_high_as_where_it_was_seen_well() -> None:
    made = faintly(0.8)
    keep_size(made, 60)
    heights = [float(box[3] - box[1]) for box in made.boxes]
    assert heights == [40.0] * 10 + [36.0] * 11  # by half at most
    assert all(float(box[1]) == 50 for box in made.boxes)


@pytest.mark.parametrize(("well", "reach"), [(0.5, 60), (0.8, 5)])
def test_a_face_never_seen_well_or_long_ago_stays_as_it_is(well: float, reach: int) -> None:
    made = faintly(well)
    keep_size(made, reach)
    assert [float(box[3] - box[1]) for box in made.boxes][16:] == [24.0] * 5
