"""What moves fast is hidden along its way; what stands still keeps its box."""

import numpy as np

from bwc.redact.verdict import smeared


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


def test_where_it_was_seen_it_moves_only_while_the_shutter_is_open() -> None:
    first, middle, _ = smeared(boxes(100, 110, 120), 0.4, {1})
    assert first.tolist() == [100, 50, 125, 70]
    assert middle.tolist() == [108, 50, 132, 70]
