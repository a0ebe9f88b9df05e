"""bwc.redact.cadence: how often detectors look, decided by time, picture and doubt."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from bwc.redact.cadence import Cadence
from bwc.redact.cuts import reduced
from bwc.redact.flow import Grey
from bwc.redact.profiles import PROFILES

RATE = 30


def texture(seed: int) -> Grey:
    rng = np.random.default_rng(seed)
    return np.asarray(cv2.resize(rng.integers(0, 255, (30, 54)).astype(np.uint8), (480, 270)), np.uint8)


def nudged(grey: Grey, ordinal: int) -> Grey:
    """Shaken by hand: never quite the picture of the last look."""
    rng = np.random.default_rng(ordinal)
    return np.asarray(np.clip(grey.astype(int) + rng.normal(0, 60, grey.shape), 0, 255), np.uint8)


def looks(pictures: "list[Grey]", *, unsure: range = range(0), profile: str = "balanced") -> list[int]:
    cadence = Cadence(PROFILES[profile])
    found = []
    for ordinal, picture in enumerate(pictures):
        cadence.is_unsure = ordinal in unsure
        if cadence.is_due(reduced(picture), Fraction(ordinal, RATE)):
            cadence.looked(reduced(picture), Fraction(ordinal, RATE))
            found.append(ordinal)
    return found


def test_a_scene_begins_with_dense_looks() -> None:
    assert looks([texture(1)] * 31)[:7] == [0, 5, 10, 15, 20, 25, 40][:6]


def test_the_same_picture_is_looked_at_every_half_second_only() -> None:
    later = [one for one in looks([texture(1)] * 120) if one > 30]
    assert set(np.diff(later)) == {15}


def test_doubt_brings_dense_looks_and_they_end_with_it() -> None:
    found = looks([texture(1)] * 180, unsure=range(60, 90))
    assert [one for one in found if 65 <= one < 90] == [65, 70, 75, 80, 85]
    assert set(np.diff([one for one in found if one > 90])) == {15}


def test_another_picture_is_looked_at_at_once() -> None:
    pictures = [texture(1)] * 62 + [texture(2)] * 30
    found = looks(pictures)
    assert any(62 <= one <= 66 for one in found)


def test_a_picture_that_is_another_all_the_time_is_looked_at_ten_times_a_second() -> None:
    """Under a fast pan somebody is in sight for a few frames."""
    found = looks([texture(ordinal // 3) for ordinal in range(120)])
    assert set(np.diff([one for one in found if one > 30])) == {3}
    assert all(np.diff(looks([nudged(texture(1), ordinal) for ordinal in range(120)])) >= 5)


def test_what_detectors_say_decides_nothing_but_by_doubt() -> None:
    pictures = [nudged(texture(1), ordinal) for ordinal in range(90)]
    assert looks(pictures) == looks(pictures)


@pytest.mark.parametrize("profile", ["fast", "max"])
def test_other_profiles_keep_one_pace(profile: str) -> None:
    found = looks([texture(1)] * 90, profile=profile)
    assert len(set(np.diff(found))) == 1
