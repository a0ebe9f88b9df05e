"""bwc.redact.flow: boxes go on by the codec's motion, else by points, and tiny ones not elsewhere than the picture."""

import cv2
import numpy as np
import pytest

from bwc.redact.flow import Still, carry
from bwc.redact.motion import CELL, MotionField

W, H = 240, 136
WIDE = np.asarray(
    cv2.GaussianBlur(np.random.default_rng(5).integers(0, 255, (H, W + 40), np.uint8), (0, 0), 2.0), np.uint8
)


@pytest.mark.parametrize(("side", "is_trusted"), [(6, False), (30, True)])
def test_a_box_of_few_pixels_is_not_led_away_from_the_picture_by_points(side: int, is_trusted: bool) -> None:
    before, after = np.ascontiguousarray(WIDE[:, 20 : W + 20]), np.ascontiguousarray(WIDE[:, 10 : W + 10])
    moves = np.zeros((H // CELL, W // CELL, 2), np.float32)
    moves[:] = (1, 0)
    moves[4:11, 9:18] = np.nan  # nothing is known where the box is
    box = np.asarray([[100, 50, 100 + side, 50 + side]], np.float32)
    moved = carry(Still(before), Still(after, MotionField(moves, 1.0)), box)
    assert moved.trusted.tolist() == [is_trusted]
    middle = (moved.boxes[0, 0] + moved.boxes[0, 2]) / 2 - (100 + side / 2)
    assert middle == pytest.approx(10 if is_trusted else 1, abs=0.5)
    if not is_trusted:
        assert moved.boxes[0, 2] - moved.boxes[0, 0] > side
