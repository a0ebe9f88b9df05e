"""What a span of time is told to be: counted from the first picture, as much of it as the recording has."""

import pytest

from bwc.errors import UsageError
from bwc.redact.plan_view import span_text, span_within
from tests.redact import clips

SECOND = 1_000_000_000
LATE = [72_072 + tick for tick in clips.regular()]  # the first picture comes 0.8008 s after zero


def test_a_span_past_the_end_is_told_as_what_is_hidden_of_it() -> None:
    plan = clips.plan_for(b"clip", pts=LATE)
    length = float(plan.media.duration * plan.media.time_base)
    assert span_text(plan, SECOND // 2, SECOND) == "0.50-1.00 s"
    assert span_text(plan, SECOND // 2, 20 * SECOND) == f"only 0.50 to {length:.2f} s of {length:.2f} s"
    assert span_within(plan, SECOND // 2, 20 * SECOND) == (1_300_800_000, 20_800_800_000)


def test_a_span_that_begins_at_the_end_or_ends_before_it_begins_is_refused() -> None:
    plan = clips.plan_for(b"clip", pts=LATE)
    length = int(plan.media.duration * plan.media.time_base * SECOND)
    for start, end in ((length, length + SECOND), (length + SECOND // 2, 20 * SECOND), (SECOND, SECOND)):
        with pytest.raises(UsageError) as refused:
            span_within(plan, start, end)
        assert refused.value.hint
    span_within(plan, length - 1, length)


def test_sound_before_the_first_picture_can_be_hidden_as_far_as_the_file_reaches() -> None:
    plan = clips.plan_for(b"clip", pts=LATE)
    assert span_within(plan, -SECOND // 2, SECOND) == (300_800_000, 1_800_800_000)
    assert span_text(plan, -SECOND // 2, SECOND) == "-0.50 to 1.00 s"
    with pytest.raises(UsageError, match="before the file begins"):
        span_within(plan, -3 * SECOND, -SECOND)
