"""The camera's clock offset, as people say it."""

from datetime import UTC, datetime

import pytest

from bwc.errors import UsageError
from bwc.ingest.clock import offset_now, offset_text, parse_offset


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("+90", 90_000), ("-1.5s", -1_500), ("+00:01:30", 90_000), ("-2d00:00:00.250", -172_800_250), ("+0", 0),
    ],
)  # fmt: skip
def test_offsets(text: str, milliseconds: int) -> None:
    assert parse_offset(text) == milliseconds


@pytest.mark.parametrize("text", ["", "90", "+", "+1:2", "+-1", "fast", "+99999d00:00:00"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_offset(text)


def test_what_the_camera_shows_gives_the_offset() -> None:
    now = datetime(2026, 11, 28, 8, 0, 0, tzinfo=UTC)
    assert offset_now("2026-11-28T08:01:30Z", now) == 90_000
    assert offset_now("1970-01-01 00:00:00", now) < -(10**12)
    with pytest.raises(UsageError):
        offset_now("half past eight", now)


def test_people_read_it() -> None:
    assert offset_text(90_000) == "0:01:30.000 ahead"
    assert offset_text(-172_800_250) == "2 days 0:00:00.250 behind"
