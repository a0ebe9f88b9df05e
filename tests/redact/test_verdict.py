"""What moves fast is hidden along its way; what stands still keeps its box."""

from collections import deque
from datetime import UTC, datetime

import numpy as np

from bwc.redact.likeness import Follower
from bwc.redact.path import Habits, Path
from bwc.redact.verdict import smeared, tracks_of
from bwc.roles import Policy

HABITS = Habits(start={"face": 0.3}, sure={"face": 0.5, "plate": 0.7}, shutter=0.4)


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


def test_where_it_is_known_to_be_it_moves_only_while_the_shutter_is_open() -> None:
    first, middle, _ = smeared(boxes(100, 110, 120), 0.4, {1})
    assert first.tolist() == [100, 50, 125, 70]
    assert middle.tolist() == [108, 50, 132, 70]


def test_an_ended_track_is_still_known_where_it_was_vouched_for() -> None:
    def hidden(class_: str) -> tuple[int, ...]:
        row = boxes(100, 110, 120)
        path = Path(
            class_=class_, first=0, boxes=deque(row), trust=deque([True, True, False]),
            now=Follower(row[-1], None), last_seen=0, first_seen=0,
        )  # fmt: skip
        path.close()
        (track,) = tracks_of([path], HABITS, (480, 270), (480, 270), policy=Policy(), now=datetime.now(UTC))
        return tuple(side for box in track.spans[0].boxes for side in (box[0], box[2]))

    assert hidden("face") == (100, 122, 108, 132, 115, 140)
    assert hidden("plate") == (100, 121, 109, 131, 115, 140)  # what the ends of a smear show cannot be read
