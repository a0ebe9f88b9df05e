"""bwc.redact.likeness: a box is set back to what it showed, and who vouches for it."""

import cv2
import numpy as np

from bwc.redact.flow import Floats, Grey
from bwc.redact.likeness import Follower, found_near, patch_of
from tests.redact.test_track import H, W, scene, texture


def grain(seed: int, shape: tuple[int, int]) -> Grey:
    rough = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), 1.5)
    return np.asarray(np.clip(128 + 120 * smooth / max(float(smooth.std()) * 3, 1e-6), 0, 255), np.uint8)


def fine(at: tuple[int, int] | None) -> tuple[Grey, Floats]:
    """A subject of fine grain, or nobody, on a background of another."""
    x, y = at or (120, 60)
    picture = grain(1, (H, W))
    if at:
        picture[y : y + 40, x : x + 32] = grain(2, (40, 32))
    return picture, np.asarray([x, y, x + 32, y + 40], np.float32)


BOX = np.asarray([100, 60, 132, 100], np.float32)


def test_a_patch_is_found_where_it_went() -> None:
    before, box = scene((120, 60))
    after, truth = scene((125, 57))
    patch = patch_of(before, box)
    assert patch is not None
    there, like = found_near(after, patch, box)
    assert like > 0.9
    np.testing.assert_allclose(there, truth, atol=1.0)


def test_small_and_plain_boxes_have_no_patch() -> None:
    assert patch_of(texture(1), np.asarray([10, 10, 14, 14], np.float32)) is None
    assert patch_of(np.full((H, W), 128, np.uint8), BOX) is None


def test_errors_of_motion_do_not_add_up() -> None:
    follower: Follower | None = None
    before: Grey | None = None
    for step in range(20):
        grey, truth = scene((80 + 2 * step, 60))
        if follower is None or before is None:
            follower = Follower.at(grey, truth)
        else:  # motion is wrong by a pixel in every picture
            moved: Floats = (follower.box + np.asarray([1, 0, 1, 0], np.float32)).astype(np.float32)
            assert follower.step(before, grey, moved, by_motion=True)
        before = grey
    assert follower is not None
    np.testing.assert_allclose(follower.box, truth, atol=2.0)


def test_the_background_does_not_vouch_for_who_vanished() -> None:
    before, box = fine((120, 60))
    empty = fine(None)[0]
    follower = Follower.at(before, box)
    assert not follower.step(before, empty, box, by_motion=True)
    assert follower.vanished
    assert not follower.step(empty, empty, box, by_motion=True)  # whatever stands still there now
    assert follower.lost == 2


def test_who_comes_back_is_known_again() -> None:
    before, box = fine((120, 60))
    empty = fine(None)[0]
    follower = Follower.at(before, box)
    follower.step(before, empty, box, by_motion=False)
    again, truth = fine((123, 60))
    assert follower.step(empty, again, follower.box, by_motion=False)
    assert not follower.vanished
    np.testing.assert_allclose(follower.box, truth, atol=1.5)


def test_who_stands_in_the_dark_is_not_gone() -> None:
    lit, box = fine((100, 60))
    dark = np.asarray(np.clip(np.random.default_rng(3).normal(18, 2, lit.shape), 16, 235), np.uint8)
    follower = Follower.at(lit, box)
    before = lit
    for _ in range(60):
        assert follower.step(before, dark, follower.box, by_motion=False)
        before = dark
    assert not follower.vanished
    assert follower.step(dark, lit, follower.box, by_motion=False)  # known again in the light


def test_what_nobody_can_vouch_for_in_the_dark_does_not_grow_over_the_whole_picture() -> None:
    lit, box = fine((100, 60))
    dark = np.full((H, W), 20, np.uint8)
    follower, sizes = Follower.at(lit, box), []
    for _ in range(60):
        grown = (follower.box[2:] - follower.box[:2]) * np.float32(0.04)
        moved = np.concatenate([follower.box[:2] - grown, follower.box[2:] + grown]).astype(np.float32)
        assert follower.step(dark, dark, moved, by_motion=False)
        sizes.append(float(follower.box[2] - follower.box[0]))
    assert sizes[10] > 2 * 32
    assert max(sizes) <= 3.01 * 32
    np.testing.assert_allclose((follower.box[:2] + follower.box[2:]) / 2, (box[:2] + box[2:]) / 2, atol=0.01)
    follower.step(dark, dark, np.asarray([0, 0, 200, 150], np.float32), by_motion=True)  # its own motion is believed
    assert float(follower.box[2]) == 200
