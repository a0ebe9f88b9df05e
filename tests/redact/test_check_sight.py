"""From hits of a detector to suspects: how much proves something, and what is one subject."""

import pytest

from bwc.redact.check_sight import Chains, Hit, visible_permille
from bwc.redact.plan import Box


def hit(
    ordinal: int,
    score: int,
    box: Box = (10, 10, 50, 50),
    visible: int = 1000,
    beside: bool = False,
    class_: str = "face",
) -> Hit:
    return Hit(ordinal=ordinal, box=box, score_permille=score, class_=class_, visible_permille=visible, beside=beside)


@pytest.mark.parametrize(
    ("scores", "beside", "is_suspect"),
    [
        ([860], False, True),  # a single strong one
        ([700], False, False),
        ([770, 600], False, True),
        ([700, 600], False, False),
        ([730, 600, 600, 600], False, True),
        ([660, 600, 600], False, False),
        ([560, 560, 560], False, False),
        ([600] * 6, False, True),
        ([810], True, True),  # beside a cover less is asked
        ([760, 300], True, True),
        ([630, 630], True, False),
        ([550], True, False),
    ],
)
def test_evidence_is_a_chain_longer_the_weaker_it_is(scores: list[int], beside: bool, is_suspect: bool) -> None:
    chains = Chains(max_gap=12)
    for ordinal, score in enumerate(scores):
        chains.add(ordinal, [hit(ordinal, score, beside=beside)])
    assert bool(chains.suspects(lambda place: place * 33 + 33, lambda place: place * 33)) is is_suspect


@pytest.mark.parametrize(
    ("scores", "is_suspect"),
    [
        ([660], True),
        ([640], False),
        ([500, 300], True),
        ([490, 400], False),
        ([360, 300, 280, 260], True),
        ([340] * 4, False),
    ],
)
def test_plates_are_scored_calmly_so_less_proves_them(scores: list[int], is_suspect: bool) -> None:
    chains = Chains(max_gap=12)
    for ordinal, score in enumerate(scores):
        chains.add(ordinal, [hit(ordinal, score, class_="plate")])
    assert bool(chains.suspects(lambda place: place * 33 + 33, lambda place: place * 33)) is is_suspect


def test_a_large_hit_must_be_surer_than_a_small_one_unless_a_cover_is_on_it() -> None:
    for box, visible, expected in (
        ((10, 10, 90, 110), 1000, 0),
        ((10, 10, 90, 110), 700, 1),
        ((10, 10, 40, 50), 1000, 1),
    ):
        chains = Chains(max_gap=12)
        for ordinal in range(20):
            chains.add(ordinal, [hit(ordinal, 780, box, visible)])
        assert len(chains.suspects(lambda place: place * 33 + 33, lambda place: place * 33)) == expected


def test_hits_far_apart_are_different_subjects_and_the_riskiest_comes_first() -> None:
    chains = Chains(max_gap=12)
    for ordinal in range(5):
        chains.add(ordinal, [hit(ordinal, 800), hit(ordinal, 830, (300, 10, 400, 110))])
    chains.add(40, [hit(40, 900)])
    found = chains.suspects(lambda place: place * 33 + 33, lambda place: place * 33)
    assert [(one.id, one.first, one.sightings) for one in found] == [("s0b", 0, 5), ("s0", 0, 5), ("s40", 40, 1)]
    assert found[0].boxes[0] == (0, 300, 10, 400, 110)
    assert found[0].risk > found[1].risk > found[2].risk


@pytest.mark.parametrize(
    ("covers", "expected"),
    [
        ([], 1000),
        ([(0, 0, 100, 100)], 0),
        ([(0, 0, 50, 100)], 500),
        ([(0, 0, 50, 100), (25, 0, 75, 100)], 250),
        ([(0, 0, 50, 50), (50, 50, 100, 100), (200, 200, 300, 300)], 500),
    ],
)
def test_the_visible_share_counts_overlapping_covers_once(covers: list[Box], expected: int) -> None:
    assert visible_permille((0, 0, 100, 100), covers) == expected


def test_a_hit_counts_for_an_area_only_in_its_frame_and_where_it_touches_it() -> None:
    chains = Chains(max_gap=12)
    chains.add(3, [hit(3, 510)])
    chains.add(40, [hit(40, 510, box=(200, 200, 240, 240))])
    assert chains.saw_within({3: [(40, 40, 90, 90)]})
    assert chains.saw_within({40: [(0, 0, 20, 20), (150, 150, 300, 300)]})
    assert not chains.saw_within({3: [(60, 10, 90, 50)], 4: [(0, 0, 100, 100)]})
