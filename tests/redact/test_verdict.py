"""What moves fast is hidden along its way, what stands still keeps its box, and a wall is no plate."""

from collections import deque
from fractions import Fraction

import numpy as np
import pytest

from bwc.redact.profiles import PROFILES, habits_for
from bwc.redact.track import Path
from bwc.redact.verdict import smeared, tracks_of
from bwc.roles import Policy
from tests.redact.clips import NOON


def boxes(*lefts: float, side: float = 20.0) -> list[np.ndarray]:
    return [np.asarray([left, 50, left + side, 50 + side], np.float32) for left in lefts]


def test_what_stands_or_moves_slowly_keeps_its_boxes() -> None:
    still = boxes(100, 101, 101.5, 102)
    assert all(np.array_equal(one, other) for one, other in zip(smeared(still), still, strict=True))


def test_what_moves_fast_is_hidden_half_a_step_before_and_after() -> None:
    first, middle, last = smeared(boxes(100, 110, 120))
    assert first.tolist() == [100, 50, 125, 70]
    assert middle.tolist() == [105, 50, 135, 70]
    assert last.tolist() == [115, 50, 140, 70]


def test_a_jump_grows_a_box_by_half_of_it_at_most() -> None:
    assert smeared(boxes(100, 400))[0].tolist() == [100, 50, 130, 70]
    assert smeared(boxes(100))[0].tolist() == [100, 50, 120, 70]


@pytest.mark.parametrize(
    ("class_", "side", "score", "is_hidden"),
    [("plate", 100, 0.4, False), ("plate", 100, 0.8, True), ("plate", 30, 0.2, True), ("face", 100, 0.2, True)],
)
def test_a_plate_as_large_as_a_wall_is_hidden_only_when_somebody_was_sure(
    class_: str, side: int, score: float, is_hidden: bool
) -> None:
    path = Path(class_, 0, deque(boxes(10, 10, side=side)), deque([True] * 2), None, 1, 0, hits=3, best=score)  # type: ignore[arg-type]
    habits = habits_for(Fraction(30), PROFILES["max"], 0.25)
    found = tracks_of([path], habits, (480, 270), (1920, 1080), policy=Policy(), now=NOON)
    assert bool(found) is is_hidden
