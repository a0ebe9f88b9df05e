"""Groups that a copy holds bit for bit are told from those that it does not, and need not be decoded twice."""

import io
from fractions import Fraction

import numpy as np
import pytest

from bwc.media.decode import VideoReader
from bwc.media.twins import Spans, same_pictures
from bwc.redact.check import check
from tests.redact.test_render_groups import FRAMES, b_frames, closed, plan, rendered

STEP = 3000


def spans_of(source: bytes, copy: bytes, **settings: Fraction) -> Spans:
    return same_pictures(io.BytesIO(source), io.BytesIO(copy), **settings)


def test_whole_groups_that_were_copied_are_the_same_and_neighbours_are_one_run() -> None:
    source = closed()
    copy, _ = rendered(source, plan(source, [(23, 26), (40, 41)]))
    assert spans_of(source, copy) == ((0, 19 * STEP), (30 * STEP, 39 * STEP), (50 * STEP, 59 * STEP))
    assert spans_of(source, source) == ((0, 59 * STEP),)


def test_a_changed_byte_or_another_time_makes_a_group_another() -> None:
    source = closed()
    at = source.index(b"mdat") + 1000
    changed = source[:at] + bytes([source[at] ^ 1]) + source[at + 1 :]
    assert sum(last - first for first, last in spans_of(source, changed)) < 59 * STEP
    assert spans_of(source, source, shift=Fraction(1, 30)) == ()
    assert spans_of(source, closed(range(0, FRAMES * 3001, 3001))) in ((), ((0, 0),))


@pytest.mark.parametrize(
    "known", [((0, 19 * STEP),), ((10 * STEP, 29 * STEP), (50 * STEP, 59 * STEP)), ((0, 59 * STEP),)]
)
def test_what_is_known_is_not_decoded_and_the_rest_is_as_ever(known: Spans) -> None:
    source = closed()
    whole = list(VideoReader(io.BytesIO(source)).frames())
    reader = VideoReader(io.BytesIO(source))
    reader.known = known
    some = list(reader.frames())
    assert [(one.ordinal, one.pts) for one in some] == [(one.ordinal, one.pts) for one in whole]
    assert [one.known for one in some] == [any(a <= one.pts <= b for a, b in known) for one in some]
    assert all(one.known or np.array_equal(one.y, other.y) for one, other in zip(some, whole, strict=True))
    assert (reader.frames_lost, reader.damaged, reader.retimed) == (0, 0, [])


def test_b_frames_are_compared_picture_by_picture() -> None:
    assert spans_of(b_frames(), b_frames()) == ()


def test_the_check_says_how_many_pictures_it_need_not_compare() -> None:
    source = closed()
    wanted = plan(source, [(23, 26)])
    copy, _ = rendered(source, wanted)
    report = check(io.BytesIO(source), io.BytesIO(copy), wanted)
    assert report.measures["frames_same_bytes"] == 50
    assert report.findings == ()
