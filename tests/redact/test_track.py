"""Flow and tracks on drawn pictures with exact truth: nothing of a subject is left uncovered in between."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from bwc.redact.cuts import CutFinder
from bwc.redact.flow import Floats, Grey, Still, carry
from bwc.redact.heads import head_around
from bwc.redact.profiles import PROFILES, habits_for
from bwc.redact.track import Habits, Path, Sighting, Tracker, alike
from bwc.redact.verdict import doubts_of

W, H = 320, 180
HABITS = Habits(start={"face": 0.3}, sure={"face": 0.5}, hold=40, linger=12, lead=12, brief=6)


def texture(seed: int, height: int = H, width: int = W) -> Grey:
    """Noise at several scales, as in a photograph."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.float32) - 127.5
    smooth = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma**1.5 for sigma in (1.5, 4, 10, 25))
    return np.asarray(cv2.normalize(smooth, None, 20, 235, cv2.NORM_MINMAX), np.uint8)  # type: ignore[call-overload]


BACKGROUND = texture(1, H + 80, W + 80)
FACE = texture(2, 40, 32)


def scene(box_at: tuple[float, float], shake: tuple[int, int] = (0, 0), *, scale: float = 1.0) -> tuple[Grey, Floats]:
    """A picture with the subject's top left corner at `box_at`, the camera shifted by `shake`; and its true box."""
    dx, dy = shake
    picture = BACKGROUND[40 + dy : 40 + dy + H, 40 + dx : 40 + dx + W].copy()
    high, wide = round(40 * scale), round(32 * scale)
    face = cv2.resize(FACE, (wide, high), interpolation=cv2.INTER_LINEAR)
    x, y = round(box_at[0]) - dx, round(box_at[1]) - dy
    x0, y0, x1, y1 = max(0, x), max(0, y), min(W, x + wide), min(H, y + high)
    if x1 > x0 and y1 > y0:
        picture[y0:y1, x0:x1] = face[y0 - y : y1 - y, x0 - x : x1 - x]
    return picture, np.asarray([x, y, x + wide, y + high], np.float32)


def seen(box: Floats, score: float = 0.9) -> list[Sighting]:
    return [Sighting(box, score, "face")]


def covered(path: Path, ordinal: int, truth: Floats) -> float:
    """Share of the true box, as far as it is in the picture, under the path's box grown by 15 % on each side."""
    if not path.first <= ordinal <= path.last:
        return 0.0
    box = path.at(ordinal)
    grown = np.concatenate([box[:2] - (box[2:] - box[:2]) * 0.15, box[2:] + (box[2:] - box[:2]) * 0.15])
    inside = np.concatenate([np.maximum(truth[:2], 0), np.minimum(truth[2:], [W, H])])
    shared = np.minimum(grown[2:], inside[2:]) - np.maximum(grown[:2], inside[:2])
    return float(np.clip(shared, 0, None).prod() / (inside[2:] - inside[:2]).prod())


def walk(ordinal: int) -> tuple[Grey, Floats]:
    """A subject walking right under a shaking camera."""
    shake = (round(9 * np.sin(ordinal * 0.9)), round(7 * np.cos(ordinal * 0.7)))
    return scene((60 + 1.5 * ordinal, 60 + 0.4 * ordinal), shake)


def run(tracker: Tracker, frames: range, looks: dict[int, list[Sighting]], made: "dict[int, Grey]") -> None:
    stretch: list[tuple[int, Still]] = []
    for ordinal in frames:
        stretch.append((ordinal, Still(made[ordinal])))
        if ordinal in looks:
            tracker.advance(stretch, looks[ordinal])
            stretch = []
    if stretch:
        tracker.advance(stretch, [])


@pytest.mark.parametrize("move", [(0, 0), (5, -3), (9, 6), (-7, 8)])
def test_a_box_is_carried_with_its_subject(move: tuple[int, int]) -> None:
    before, box = scene((120, 60))
    after, truth = scene((120 + move[0], 60 + move[1]))
    carried = carry(Still(before), Still(after), box[None])
    assert carried.trusted[0]
    np.testing.assert_allclose(carried.boxes[0], truth, atol=1.5)


def test_a_box_grows_with_its_subject() -> None:
    before, box = scene((120, 60), scale=1.5)
    after, truth = scene((118, 58), scale=1.58)
    np.testing.assert_allclose(carry(Still(before), Still(after), box[None]).boxes[0], truth, atol=2.5)


def test_a_box_nobody_can_vouch_for_grows() -> None:
    flat = np.full((H, W), 128, np.uint8)
    box = np.asarray([100, 60, 132, 100], np.float32)
    carried = carry(Still(flat), Still(flat), box[None])
    assert not carried.trusted[0]
    assert (carried.boxes[0][:2] < box[:2]).all()
    assert (carried.boxes[0][2:] > box[2:]).all()


def test_a_box_without_texture_moves_with_the_camera() -> None:
    before, after = scene((400, 0))[0].copy(), scene((400, 0), (8, 4))[0].copy()
    before[60:100, 100:132] = 128
    after[56:96, 92:124] = 128
    carried = carry(Still(before), Still(after), np.asarray([[100, 60, 132, 100]], np.float32))
    centre = (carried.boxes[0][:2] + carried.boxes[0][2:]) / 2
    np.testing.assert_allclose(centre, [108, 76], atol=2)


def test_boxes_between_detections_cover_under_hand_shake() -> None:
    made = {i: walk(i) for i in range(61)}
    tracker = Tracker(HABITS, width=W, height=H)
    run(tracker, range(61), {i: seen(made[i][1]) for i in range(0, 61, 10)}, {i: g for i, (g, _) in made.items()})
    (path,) = tracker.finish()
    assert (path.first, path.last) == (0, 60)
    assert min(covered(path, i, made[i][1]) for i in range(61)) > 0.95
    widest = max(float(path.at(i)[2] - path.at(i)[0]) for i in range(61))
    assert widest < 32 * 1.3  # both ways together must not swell


def test_a_subject_missed_for_a_second_is_covered_throughout() -> None:
    made = {i: walk(i) for i in range(61)}
    looks = {i: seen(made[i][1]) if i <= 15 or i >= 45 else [] for i in range(0, 61, 5)}
    tracker = Tracker(HABITS, width=W, height=H)
    run(tracker, range(61), looks, {i: g for i, (g, _) in made.items()})
    (path,) = tracker.finish()
    assert path.longest_gap == 30
    assert min(covered(path, i, made[i][1]) for i in range(61)) > 0.9


def test_hidden_before_first_sight_and_after_last() -> None:
    made = {i: walk(i) for i in range(61)}
    looks = {i: seen(made[i][1]) if 20 <= i <= 35 else [] for i in range(0, 61, 5)}
    tracker = Tracker(HABITS, width=W, height=H)
    run(tracker, range(61), looks, {i: g for i, (g, _) in made.items()})
    (path,) = tracker.finish()
    assert path.first == 20 - HABITS.lead
    assert path.last == 35 + HABITS.linger
    assert min(covered(path, i, made[i][1]) for i in range(path.first, path.last + 1)) > 0.9


@pytest.mark.parametrize(("small", "first"), [(39, 40 - HABITS.lead), (41, 0)])
def test_who_is_small_is_hidden_longer_before_the_first_sight(small: int, first: int) -> None:
    made = {i: walk(i) for i in range(61)}
    looks = {i: seen(made[i][1]) if i >= 40 else [] for i in range(0, 61, 5)}
    tracker = Tracker(replace(HABITS, small=small), width=W, height=H)
    run(tracker, range(61), looks, {i: g for i, (g, _) in made.items()})
    (path,) = tracker.finish()
    assert path.first == first
    assert min(covered(path, i, made[i][1]) for i in range(path.first, path.last + 1)) > 0.9


def test_a_second_sight_mends_what_the_first_saw_in_part_and_before_it() -> None:
    made = {i: walk(i) for i in range(41)}
    part = made[20][1] + np.asarray([18, 0, 0, -8], np.float32)  # the right half of who steps out from behind somebody
    looks = {i: seen(made[i][1]) if i > 20 else [] for i in range(0, 41, 5)} | {20: seen(part)}
    tracker = Tracker(HABITS, width=W, height=H)
    run(tracker, range(41), looks, {i: g for i, (g, _) in made.items()})
    (path,) = tracker.finish()
    assert min(covered(path, i, made[i][1]) for i in range(20 - HABITS.brief, 41)) > 0.9


def test_a_track_is_carried_to_the_edge_and_ends_there() -> None:
    made = {i: scene((200 + 6 * i, 60)) for i in range(31)}
    looks = {i: seen(made[i][1]) if i <= 15 else [] for i in range(0, 31, 5)}
    tracker = Tracker(HABITS, width=W, height=H)
    run(tracker, range(31), looks, {i: g for i, (g, _) in made.items()})
    (path,) = tracker.finish()
    assert path.ended_by in ("edge", "end")
    visible = [i for i in range(31) if made[i][1][0] < W - 4]
    assert min(covered(path, i, made[i][1]) for i in visible) > 0.9


def test_a_cut_ends_every_track() -> None:
    tracker = Tracker(HABITS, width=W, height=H)
    made = {i: walk(i) for i in range(11)}
    run(tracker, range(11), {i: seen(made[i][1]) for i in (0, 5, 10)}, {i: g for i, (g, _) in made.items()})
    tracker.cut()
    other = texture(9)
    tracker.advance([(11, Still(other))], seen(made[10][1]))
    first, second = tracker.finish()
    assert (first.last, first.ended_by) == (10, "cut")
    assert (second.first, second.last) == (11, 11)


def test_a_lone_weak_sighting_is_no_track_but_two_are() -> None:
    made = {i: walk(i) for i in range(21)}
    greys = {i: g for i, (g, _) in made.items()}
    lone = Tracker(HABITS, width=W, height=H)
    run(lone, range(21), {0: [], 5: seen(made[5][1], 0.22), 10: [], 15: []}, greys)
    assert lone.finish() == []
    twice = Tracker(HABITS, width=W, height=H)
    run(twice, range(21), {0: [], 5: seen(made[5][1], 0.22), 10: seen(made[10][1], 0.25), 15: []}, greys)
    (path,) = twice.finish()
    assert path.hits == 2
    assert min(covered(path, i, made[i][1]) for i in range(path.first, path.last + 1)) > 0.9


def test_two_subjects_stay_two() -> None:
    tracker = Tracker(HABITS, width=W, height=H)
    greys = {i: scene((60, 60))[0] for i in range(16)}
    left, right = scene((60, 60))[1], np.asarray([200, 50, 232, 90], np.float32)
    run(tracker, range(16), {i: [*seen(left), *seen(right, 0.8)] for i in (0, 5, 10, 15)}, greys)
    assert sorted(path.hits for path in tracker.finish()) == [4, 4]


def test_alike_refuses_boxes_of_another_size_or_place() -> None:
    box = np.asarray([100, 100, 140, 140], np.float32)
    assert alike(box, box) == pytest.approx(2.0)
    assert alike(box, box + 12) > 0
    assert alike(box, box + 60) == 0
    assert alike(box, np.asarray([115, 115, 125, 125], np.float32)) == 0


def test_a_cut_is_told_from_a_lamp_and_a_shake() -> None:
    cuts = CutFinder()
    one = scene((60, 60))[0]
    dark = np.asarray(one // 3 + 5, np.uint8)
    shaken = scene((60, 60), (6, 4))[0]
    assert [cuts.is_cut(picture) for picture in (one, dark, one, shaken, texture(7), texture(7))] == [
        False,
        False,
        False,
        False,
        True,
        False,
    ]


def test_black_between_scenes_is_a_cut() -> None:
    cuts = CutFinder()
    black = np.zeros((H, W), np.uint8)
    assert [cuts.is_cut(picture) for picture in (texture(7), black, black, texture(7))] == [False, True, False, True]


TEXT_HABITS = Habits(
    start={"text": 0.6}, sure={"text": 0.6}, seldom={"text": 45}, hold=150, linger=90, lead=60, brief=15
)


@pytest.mark.parametrize("step", [30, 44])
def test_weak_text_that_is_looked_for_once_a_second_becomes_a_track(step: int) -> None:
    made = {i: walk(i) for i in range(3 * step)}
    looks: dict[int, list[Sighting]] = {i: [] for i in range(0, 3 * step, 5)}
    looks |= {i: [Sighting(made[i][1], 0.52, "text")] for i in range(10, 3 * step, step)}
    tracker = Tracker(TEXT_HABITS, width=W, height=H)
    run(tracker, range(3 * step), looks, {i: grey for i, (grey, _) in made.items()})
    (path,) = tracker.finish()
    assert (path.hits, path.longest_gap) == (3, step)
    assert min(covered(path, i, made[i][1]) for i in range(3 * step)) > 0.9
    assert "gap_filled" not in doubts_of(path, TEXT_HABITS)


def test_weak_text_seen_once_is_no_track() -> None:
    made = {i: walk(i) for i in range(150)}
    looks = {i: [Sighting(made[i][1], 0.52, "text")] if i == 30 else [] for i in range(0, 150, 5)}
    tracker = Tracker(TEXT_HABITS, width=W, height=H)
    run(tracker, range(150), looks, {i: grey for i, (grey, _) in made.items()})
    assert tracker.finish() == []


def test_a_face_that_is_hardly_seen_does_not_uncover_its_head() -> None:
    habits = replace(HABITS, new={"face": 0.2}, glance=3)
    made = {i: walk(i) for i in range(41)}
    looks = {i: seen(made[i][1], 0.9 if i <= 10 else 0.13) for i in range(0, 41, 5)}
    tracker = Tracker(habits, width=W, height=H)
    run(tracker, range(41), looks, {i: grey for i, (grey, _) in made.items()})
    (path,) = tracker.finish()
    assert path.hits == len(looks)  # it is still there, says each look
    for i in range(14, 41):
        head = head_around(made[i][1])
        assert (path.at(i)[:2] < head[:2] + 3).all()
        assert (path.at(i)[2:] > head[2:] - 3).all()


def test_where_a_detector_is_off_the_followed_box_stays_hidden_too() -> None:
    made = {i: walk(i) for i in range(21)}
    looks = {i: seen(made[i][1]) for i in range(0, 21, 5)}
    off = made[10][1] + np.asarray([12, 14, 12, 14], np.float32)
    looks[10] = seen(off)
    tracker = Tracker(HABITS, width=W, height=H)
    run(tracker, range(21), looks, {i: grey for i, (grey, _) in made.items()})
    (path,) = tracker.finish()
    assert covered(path, 10, made[10][1]) > 0.95
    assert covered(path, 10, off) > 0.95


def test_a_plate_hardly_seen_is_kept_but_makes_no_track() -> None:
    habits = habits_for(Fraction(30), PROFILES["balanced"], 1.0)
    made = {i: walk(i) for i in range(61)}

    def paths(scores: dict[int, float]) -> list[Path]:
        looks = {i: [Sighting(made[i][1], score, "plate")] for i, score in scores.items()}
        tracker = Tracker(habits, width=W, height=H)
        run(tracker, range(61), looks, {i: grey for i, (grey, _) in made.items()})
        return tracker.finish()

    weak = (PROFILES["balanced"].own_plate_threshold + PROFILES["balanced"].own_plate_new) / 2
    assert paths(dict.fromkeys(range(0, 61, 10), weak)) == []
    (path,) = paths({0: 0.6} | dict.fromkeys(range(10, 61, 10), weak))
    assert path.hits == 7
    assert min(covered(path, i, made[i][1]) for i in range(61)) > 0.9


def test_where_a_head_says_that_a_poor_face_is_stays_hidden_up_to_the_look_before() -> None:
    made = {i: walk(i) for i in range(21)}
    off = made[20][1] - np.asarray([14, 0, 14, 0], np.float32)
    tracker = Tracker(HABITS, width=W, height=H)
    looks = {0: seen(made[0][1]), 10: seen(made[10][1]), 20: [Sighting(off, 0.3, "face", also=made[20][1])]}
    run(tracker, range(21), looks, {i: grey for i, (grey, _) in made.items()})
    (path,) = tracker.finish()
    assert min(covered(path, i, made[i][1]) for i in range(21)) > 0.95
    assert covered(path, 20, off) > 0.95
