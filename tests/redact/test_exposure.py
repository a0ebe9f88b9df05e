"""What still shows is counted from pixels: shares, runs, over-hiding, and how sure a share is."""

import numpy as np
import pytest

from bwc.errors import UsageError
from bwc.redact.exposure import Exposure, Sight, TruthBox, bounds, hidden_in, longest_runs, share_hidden


def box(x: float = 20, y: float = 20, w: float = 20, h: float = 20, **more: object) -> TruthBox:
    return TruthBox(label="face", subject="a", x=x, y=y, w=w, h=h, **more)  # type: ignore[arg-type]


def mask(*areas: tuple[int, int, int, int]) -> np.ndarray:
    """100 x 60 pixels of picture, at half size; areas in pixels."""
    made = np.zeros((30, 50), bool)
    for x0, y0, x1, y1 in areas:
        made[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = True
    return made


def sight(ordinal: int, share: float, subject: str = "a") -> Sight:
    return Sight(clip="c", label="face", subject=subject, ordinal=ordinal, ms=40.0, height=20.0, share=share, box=box())


def test_only_the_marking_colour_counts_as_hidden() -> None:
    u = np.array([[202, 128, 90, 202]], np.uint8)
    v = np.array([[222, 128, 240, 120]], np.uint8)
    assert hidden_in(u, v).tolist() == [[True, False, False, False]]


@pytest.mark.parametrize(
    ("area", "share"), [((20, 20, 40, 40), 1.0), ((20, 20, 30, 40), 0.5), ((0, 0, 20, 60), 0.0), ((0, 0, 100, 60), 1.0)]
)
def test_the_hidden_share_of_a_box(area: tuple[int, int, int, int], share: float) -> None:
    assert share_hidden(box(), mask(area)) == pytest.approx(share, abs=0.03)


def test_what_lies_outside_the_picture_counts_for_nothing() -> None:
    assert share_hidden(box(x=90), mask((90, 20, 100, 40))) == 1.0
    assert share_hidden(box(x=300), mask()) == 1.0


def test_a_break_ends_a_visible_run() -> None:
    runs = longest_runs([sight(n, 0.0 if n in {1, 2, 5, 6, 7} else 1.0) for n in range(10)])
    assert [(run.frames, run.ms, run.first) for run in runs] == [(3, 120.0, 5)]
    assert longest_runs([sight(n, 0.95) for n in range(3)])[0].frames == 0
    # frames in which the subject is out of sight are a break too
    assert longest_runs([sight(n, 0.0) for n in (0, 1, 5)])[0].frames == 2


def test_hidden_for_nothing_is_what_no_truth_and_no_margin_explains() -> None:
    found = Exposure()
    found.take("c", 0, 40.0, [box()], mask((20, 20, 40, 40), (80, 40, 100, 60)))
    data = found.to_json()
    assert data["over_hidden_share_of_picture"] == pytest.approx(400 / 6000, abs=0.005)
    assert data["hidden_share_of_picture"] == pytest.approx(800 / 6000, abs=0.005)


def test_what_is_hidden_is_compared_with_the_least_that_hiding_the_truth_takes() -> None:
    found = Exposure()
    assert found.to_json()["hidden_times_least"] is None
    found.take("c", 0, 40.0, [box()], mask((16, 16, 44, 44)))  # 20 x 20 with 15 % on every side is 26 x 26
    assert found.to_json()["hidden_times_least"] == pytest.approx(1.0, abs=0.01)
    found.take("c", 1, 40.0, [box(ignored=True)], mask((0, 0, 100, 60)))
    assert found.to_json()["hidden_times_least"] == pytest.approx((28 * 28 + 6000) / (2 * 28 * 28), abs=0.01)


def test_ignored_boxes_are_neither_miss_nor_excess() -> None:
    found = Exposure()
    found.take("c", 0, 40.0, [box(ignored=True)], mask((20, 20, 40, 40)))
    assert not found.sights
    assert found.to_json()["over_hidden_share_of_picture"] == 0.0


def test_frames_of_one_subject_do_not_make_a_figure_sure() -> None:
    assert bounds([sight(n, 1.0) for n in range(500)]) == (0.0, 1.0)
    low, high = bounds([sight(n, 1.0, subject=str(n % 20)) for n in range(500)])
    assert (round(low, 2), high) == (0.83, 1.0)
    low, high = bounds([sight(n, float(n % 20 > 4), subject=str(n % 20)) for n in range(500)])
    assert low < 0.75 < high


@pytest.mark.parametrize("bad", [{}, {"label": "face", "x": 1, "y": 1, "w": 0, "h": 2}, {"label": "f", "x": "?"}, 5])
def test_a_broken_truth_is_refused(bad: object) -> None:
    with pytest.raises(UsageError, match="truth box"):
        TruthBox.parse(bad)
