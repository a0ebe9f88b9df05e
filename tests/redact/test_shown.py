"""Boxes and times as a person sees them."""

from dataclasses import replace

import numpy as np
import pytest

from bwc.errors import UsageError
from bwc.redact.plan import RedactionPlan
from bwc.redact.shown import (
    Clock,
    box_within,
    clock_text,
    coded_box,
    first_picture_ns,
    from_picture,
    shown_box,
    shown_size,
)
from tests.redact import clips

LATE = [630_000 + tick for tick in clips.regular()]  # the first picture comes 7 s after the file's beginning


def plan(rotation: int = 0, pts: list[int] | None = None) -> RedactionPlan:
    made = clips.plan_for(b"clip", pts=pts)
    return replace(made, media=replace(made.media, rotation=rotation))


@pytest.mark.parametrize("rotation", [0, 90, 180, -180, -90])
def test_a_box_of_the_picture_as_shown_is_the_one_a_player_would_show(rotation: int) -> None:
    media = plan(rotation).media
    shown = np.zeros(shown_size(media)[::-1], np.uint8)
    shown[20:50, 30:90] = 1
    coded = np.rot90(shown, -round(rotation / 90))
    assert coded.shape == (media.height, media.width)
    x0, y0, x1, y1 = coded_box(media, (30, 20, 90, 50))
    assert coded[y0:y1, x0:x1].all()
    assert coded.sum() == (x1 - x0) * (y1 - y0)
    assert shown_box(media, (x0, y0, x1, y1)) == (30, 20, 90, 50)


def test_what_of_a_box_lies_in_the_picture_is_said() -> None:
    media = plan(90).media  # coded 320 x 240, shown 240 x 320
    assert box_within(media, (200, 300, 240, 320)) == (coded_box(media, (200, 300, 240, 320)), "")
    box, told = box_within(media, (200, 300, 260, 400))
    assert box == coded_box(media, (200, 300, 240, 320))
    assert "only 200,300,40,20" in told
    assert "240 by 320" in told
    with pytest.raises(UsageError, match="240 by 320"):
        box_within(media, (250, 10, 300, 20))


def test_the_clock_of_the_file_is_told_where_it_differs_and_converted_exactly() -> None:
    late, half = plan(pts=LATE), plan(pts=[1000 + tick for tick in clips.regular()])
    assert first_picture_ns(late) == 7_000_000_000
    assert "at 7.000 s of the file" in clock_text(late)
    assert from_picture(late, 9_500_000_000, Clock.FILE) == 2_500_000_000
    assert from_picture(late, 9_500_000_000, Clock.PICTURE) == 9_500_000_000
    assert from_picture(late, 5_000_000_000, Clock.FILE) == -2_000_000_000
    assert (first_picture_ns(half), clock_text(half), clock_text(plan())) == (0, "", "")
