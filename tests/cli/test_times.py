"""Times and boxes as people type them."""

import pytest

from bwc.cli.decisions import _box
from bwc.cli.terminal import seconds_text, size_text, table
from bwc.cli.times import parse_moment, parse_time, span_of
from bwc.errors import UsageError


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("12", 12_000_000_000),
        ("12.5", 12_500_000_000),
        ("1:02.5", 62_500_000_000),
        ("1:02:03.250", 3_723_250_000_000),
        ("0.000000001", 1),
    ],
)
def test_times_are_exact(text: str, nanoseconds: int) -> None:
    assert parse_time(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "1:", ":1", "a", "-1", "1:2:3:4", "1.2.3", "1e3", "١"])
def test_other_words_are_no_times(text: str) -> None:
    with pytest.raises(UsageError):
        parse_time(text)


def test_a_box_is_four_numbers() -> None:
    assert _box("10,20,30,40") == (10, 20, 40, 60)
    for text in ("1,2,3", "a,b,c,d", "1,2,0,4", "-1,2,3,4"):
        with pytest.raises(UsageError):
            _box(text)


def test_people_read_sizes_and_lengths() -> None:
    assert [size_text(size) for size in (0, 999, 1000, 2_104_109, 5_000_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "2.1 MB",
        "5.0 GB",
    ]
    assert [seconds_text(value) for value in (7, 750, 3723)] == ["0:07", "12:30", "1:02:03"]
    assert table(("a", "b"), []) == ""
    assert table(("a", "b"), [("xx", 1)]).splitlines() == ["A   B", "xx  1"]


def test_a_span_may_be_open_at_either_end() -> None:
    assert span_of(None, None) is None
    assert span_of("1:00", None) == (60_000_000_000, None)
    assert span_of(None, "0.5") == (None, 500_000_000)


def test_sound_may_begin_before_the_first_picture() -> None:
    assert [parse_moment(text) for text in ("-1.5", "1:00", "-0:01.5")] == [
        -1_500_000_000,
        60_000_000_000,
        -1_500_000_000,
    ]
    for text in ("-", "--1", "- 1"):
        with pytest.raises(UsageError):
            parse_moment(text)
