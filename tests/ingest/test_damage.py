"""A better reading of a damaged recording is known as such, and nothing else is."""

import io

from bwc.evidence import ObjectRole
from bwc.ingest.damage import damage_of, gaps_text, good_stretches, is_better
from bwc.recording import Gap

WHOLE = bytes(range(1, 201)) * 10
GAPS = (Gap(offset=0, size_bytes=100, cause="EIO"), Gap(offset=500, size_bytes=50, cause="EIO"))


def with_gaps(*gaps: Gap) -> io.BytesIO:
    data = bytearray(WHOLE)
    for gap in gaps:
        data[gap.offset : gap.end] = bytes(gap.size_bytes)
    return io.BytesIO(data)


DAMAGE = damage_of(with_gaps(*GAPS), GAPS, name="A.MP4", role=ObjectRole.SEGMENT, segment=0, size_bytes=len(WHOLE))


def test_good_stretches_are_what_is_between_the_gaps() -> None:
    assert good_stretches(GAPS, len(WHOLE)) == [(100, 400), (550, 1450)]
    assert good_stretches((Gap(offset=5, size_bytes=5, cause="EIO"),), 10) == [(0, 5)]


def test_a_whole_reading_is_better() -> None:
    assert is_better(io.BytesIO(WHOLE), (), DAMAGE)


def test_a_reading_with_one_of_two_gaps_is_better() -> None:
    assert is_better(with_gaps(GAPS[1]), GAPS[1:], DAMAGE)


def test_the_same_or_a_worse_reading_is_not() -> None:
    more = (*GAPS, Gap(offset=1000, size_bytes=10, cause="EIO"))
    assert not is_better(with_gaps(*GAPS), GAPS, DAMAGE)
    assert not is_better(with_gaps(*more), more, DAMAGE)


def test_a_reading_that_misses_what_the_first_one_had_is_not() -> None:
    other = (Gap(offset=1000, size_bytes=10, cause="EIO"),)
    assert not is_better(with_gaps(*other), other, DAMAGE)


def test_another_recording_of_the_same_size_is_not() -> None:
    assert not is_better(io.BytesIO(b"x" * len(WHOLE)), (), DAMAGE)
    assert not is_better(io.BytesIO(WHOLE), (), None)
    assert not is_better(io.BytesIO(WHOLE), (), {"gaps": [1], "good": []})


def test_the_receipt_names_the_places() -> None:
    assert gaps_text("A.MP4", GAPS, 2000) == (
        "A.MP4: 2 stretches could not be read (150 of 2,000 bytes, the first from byte 0); all else is held"
    )
