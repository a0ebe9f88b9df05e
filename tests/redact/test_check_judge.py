"""Judging pictures beside searching them: faults are told as the pictures came, and what goes wrong is raised."""

from fractions import Fraction

import numpy as np
import pytest

from bwc.errors import MediaError
from bwc.media.decode import Picture
from bwc.redact.check_judge import Judge
from bwc.redact.check_report import Fault
from bwc.redact.plan import Coverage, FrameCover
from tests.redact.test_plan import a_plan

W, H = 320, 240
COVER = FrameCover(boxes=((40, 40, 120, 120),))
CLEAR = FrameCover()


def picture(ordinal: int, *, hidden: bool = False, level: int = 0) -> Picture:
    """Noise that is the same each time, `level` brighter; with a black box where `COVER` is."""
    y = np.random.default_rng(5).integers(60, 190, (H, W), np.uint8) + np.uint8(level)
    u, v = (np.full((H // 2, W // 2), 128, np.uint8) for _ in range(2))
    if hidden:
        y[40:120, 40:120] = 16
    return Picture(ordinal, ordinal, Fraction(1, 30), keyframe=False, y=y, u=u, v=v)


def judge() -> Judge:
    plan = a_plan()
    media = plan.media
    assert media.width >= W
    assert media.height >= H
    return Judge(media, plan.effect, Coverage(plan))


def test_faults_are_told_as_the_pictures_came() -> None:
    with judge() as one:
        for ordinal in range(12):
            bare = ordinal in (2, 3, 7)
            one.take(picture(ordinal), picture(ordinal, hidden=not bare), ordinal, COVER, is_same=False)
    weak = [(found.first, found.last, found.frames) for found in (*one.findings, *one.last())]
    assert weak == [(2, 3, 2), (7, 7, 1)]
    assert one.covers_checked == 12


def test_a_picture_that_is_another_is_a_fault_and_the_originals_own_bytes_are_not_compared() -> None:
    with judge() as one:
        one.take(picture(0), picture(0, level=30), 0, CLEAR, is_same=True)
        one.take(picture(1), picture(1, level=30), 1, CLEAR, is_same=False)
    (found,) = one.last()
    assert (found.fault, found.first) == (Fault.PICTURE_DIFFERS, 1)
    assert one.worst.mean > 20


def test_all_that_was_taken_is_judged_when_the_others_fail() -> None:
    one = judge()

    def all_that_comes() -> None:
        with one:
            for ordinal in range(3):
                one.take(picture(ordinal), picture(ordinal), ordinal, COVER, is_same=False)
            raise MediaError("elsewhere")

    with pytest.raises(MediaError, match="elsewhere"):
        all_that_comes()
    (found,) = one.last()
    assert (found.first, found.last) == (0, 2)


class NoSmalls:
    def at(self, pts: int) -> None:
        raise MediaError(f"picture {pts} was not kept")


@pytest.mark.parametrize("more", [0, 9])
def test_what_judging_raises_is_raised_also_from_the_last_picture(more: int) -> None:
    one = judge()
    one.smalls = NoSmalls()  # type: ignore[assignment]
    known = picture(0)
    known.known = True

    def all_that_comes() -> None:
        with one:
            one.take(known, picture(0), 0, CLEAR, is_same=False)
            for ordinal in range(1, 1 + more):
                one.take(picture(ordinal), picture(ordinal), ordinal, CLEAR, is_same=False)

    with pytest.raises(MediaError, match="was not kept"):
        all_that_comes()
