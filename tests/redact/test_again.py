"""Who was only seen faintly is looked at again; only what is a clear no each time is left in sight, and listed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import cv2
import numpy as np
import pytest
from skimage import data

from bwc.errors import BwcError
from bwc.media.decode import Picture
from bwc.redact.again import AGAIN, Again, listed
from bwc.redact.cut_out import SIDE, Cut
from bwc.redact.detectors.base import Detection, FloatBox, Picture8
from bwc.redact.detectors.faces import FaceNetwork
from bwc.redact.detectors.faces import open_network as open_faces
from bwc.redact.detectors.finder import open_network as open_heads
from bwc.redact.flow import Still
from bwc.redact.path import Habits
from bwc.redact.track import Sighting, Tracker

HABITS = Habits(start={"face": 0.3, "plate": 0.5}, sure={"face": 0.5, "plate": 0.7}, new={"face": 0.2}, brief=15)
BOX = np.asarray([100, 80, 120, 100], np.float32)
GREY = np.asarray(
    cv2.GaussianBlur(np.random.default_rng(3).integers(60, 190, (270, 480), np.uint8), (7, 7), 0), np.uint8
)


def picture_of(bgr: Picture8) -> Picture:
    flat = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    rows, columns = bgr.shape[:2]
    y, rest = flat[:rows], flat[rows:].reshape(2, rows // 2, columns // 2)
    return Picture(0, 0, Fraction(1, 30), True, np.ascontiguousarray(y), rest[0].copy(), rest[1].copy())


NOTHING = picture_of(np.full((540, 960, 3), 128, np.uint8))


@dataclass(slots=True)
class Told:
    """What second looks say, one after the other."""

    answers: Iterator[float]
    asked: list[FloatBox] = field(default_factory=list)


def looks(monkeypatch: pytest.MonkeyPatch, *answers: float) -> tuple[Again, Told]:
    told = Told(iter(answers))

    def likely(_: Again, cut: Cut, high: int) -> float:
        told.asked.append(cut.box)
        return next(told.answers)

    monkeypatch.setattr(Again, "likely", likely)
    monkeypatch.setattr(Again, "surely", lambda _, cut, high: 0.0)
    return Again(None, None), told  # type: ignore[arg-type]  # nobody asks the networks


def run(
    again: Again, *scores: float | None, class_: str = "face", known: list[list[Detection]] | None = None
) -> Tracker:
    """A tracker after a look at every tenth picture; None where nothing was seen."""
    tracker = Tracker(HABITS, width=480, height=270)
    for number, score in enumerate(scores):
        seen = [] if score is None else [Sighting(BOX, score, class_)]
        tracker.advance([(10 * number + i, Still(GREY)) for i in range(10)], seen)
        found = again.ask(tracker, NOTHING, 0, 2.0, known[number] if known else [])
        assert all(one.class_ == AGAIN for one in found)
    tracker.finish()
    return tracker


def test_what_is_a_clear_no_each_time_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    again, told = looks(monkeypatch, 0.1, 0.15, 0.05)
    tracker = run(again, 0.35, 0.25, 0.3)
    assert not tracker.done
    assert len(tracker.let_go) == 1
    assert told.asked == [(200, 160, 240, 200)] * 3
    (row,) = listed(tracker.let_go, (480, 270), (960, 540))
    assert row[:2] == (0, 30)
    assert row[2:] == pytest.approx((200, 160, 240, 200), abs=1)


@pytest.mark.parametrize("answers", [(0.2,), (0.1, 0.1, 0.6), (1.0,)])
def test_one_better_answer_keeps_it_and_ends_the_asking(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[float, ...]
) -> None:
    again, told = looks(monkeypatch, *answers)
    tracker = run(again, 0.35, 0.25, 0.3, 0.3, 0.3)
    assert len(tracker.done) == 1
    assert not tracker.let_go
    assert len(told.asked) == len(answers)


def test_a_single_no_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    again, _ = looks(monkeypatch, 0.0)
    assert len(run(again, 0.35).done) == 1


def test_seen_once_it_is_looked_for_where_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    again, told = looks(monkeypatch, 0.1, 0.1, 0.1)
    tracker = run(again, 0.35, None, None, None)
    assert len(told.asked) == 2
    assert len(tracker.let_go) == 1


def test_its_best_sight_is_always_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    again, told = looks(monkeypatch, *[0.0] * 5, 0.9)
    tracker = run(again, 0.3, 0.3, 0.3, 0.3, 0.4, 0.3, 0.5)
    assert len(told.asked) == 6
    assert len(tracker.done) == 1


@pytest.mark.parametrize(("score", "class_"), [(0.6, "face"), (0.55, "plate"), (0.4, "head")])
def test_who_was_seen_well_plates_and_heads_are_never_asked_about(
    monkeypatch: pytest.MonkeyPatch, score: float, class_: str
) -> None:
    again, told = looks(monkeypatch)
    assert len(run(again, score, score, score, class_=class_).done) == 1
    assert not told.asked


@pytest.mark.parametrize(("answer", "tracks"), [(0.8, 1), (0.75, 0), (0.0, 0)])
def test_who_is_seen_once_and_faintly_is_somebody_if_that_is_sure(
    monkeypatch: pytest.MonkeyPatch, answer: float, tracks: int
) -> None:
    again, told = looks(monkeypatch, 0.3, 0.3)
    asked: list[FloatBox] = []

    def surely(_: Again, cut: Cut, high: int) -> float:
        asked.append(cut.box)
        return answer

    monkeypatch.setattr(Again, "surely", surely)
    tracker = run(again, 0.25, None, None)
    assert asked == [(200, 160, 240, 200)]
    assert len(tracker.done) == tracks
    assert not tracker.let_go
    assert len(told.asked) == 2 * tracks  # who is a track is asked about as any other, at the first sight too


def test_of_whom_nothing_can_be_said_clearly_one_faint_sight_is_nobody() -> None:
    again = Again(None, None)  # type: ignore[arg-type]  # the networks are not asked
    dark = picture_of(np.full((540, 960, 3), 30, np.uint8))
    tracker = Tracker(HABITS, width=480, height=270)
    tracker.advance([(i, Still(GREY)) for i in range(10)], [Sighting(BOX, 0.25, "face")])
    (answer,) = again.ask(tracker, dark, 0, 2.0, [])
    assert answer.score == 0.0
    assert not tracker.finish()


def test_what_is_seen_weakly_is_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    again, told = looks(monkeypatch)
    assert not run(again, 0.15).done
    assert not told.asked


def test_about_the_first_sight_of_a_track_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    again, told = looks(monkeypatch, 0.1, 0.1)
    tracker = run(again, 0.25, 0.25)
    assert len(told.asked) == 2
    assert len(tracker.let_go) == 1


def test_answers_of_an_earlier_run_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    again, _ = looks(monkeypatch, 0.1, 0.15, 0.05)
    known: list[list[Detection]] = []
    tracker = Tracker(HABITS, width=480, height=270)
    for number in range(3):
        tracker.advance([(10 * number + i, Still(GREY)) for i in range(10)], [Sighting(BOX, 0.35, "face")])
        known.append(again.ask(tracker, NOTHING, 0, 2.0, []))
    again, told = looks(monkeypatch)
    assert len(run(again, 0.35, 0.35, 0.35, known=known).let_go) == 1
    assert not told.asked


def test_what_is_dark_or_small_gives_no_clear_answer() -> None:
    again = Again(None, None)  # type: ignore[arg-type]  # the networks are not asked
    dark = picture_of(np.full((540, 960, 3), 30, np.uint8))
    assert again.likely(Cut.of(dark, (100, 100, 140, 140), 0)) == 1.0
    assert again.likely(Cut.of(NOTHING, (100, 100, 112, 112), 0)) == 1.0


def networks() -> Again:
    try:
        faces: FaceNetwork = open_faces()
    except BwcError as error:
        pytest.skip(f"weights absent: {error.message}; run: {error.hint}")
    return Again(faces, open_heads())


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_face_is_likely_and_a_shirt_is_not(turns: int) -> None:
    again = networks()
    upright = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    lying = picture_of(np.ascontiguousarray(np.rot90(upright, -turns)))
    height = width = 512

    def there(x0: float, y0: float, x1: float, y1: float) -> FloatBox:
        for _ in range(turns):  # what np.rot90 undoes
            x0, y0, x1, y1 = height - y1, x0, height - y0, x1
        return x0, y0, x1, y1

    assert width == height
    assert again.likely(Cut.of(lying, there(175, 65, 275, 200), turns)) > 0.5
    assert again.likely(Cut.of(lying, there(120, 330, 190, 410), turns)) < 0.2


def test_one_look_at_a_face_is_sure_and_at_a_shirt_is_not() -> None:
    again = networks()
    sheet = np.full((540, 960, 3), 128, np.uint8)
    sheet[:512, :512] = data.astronaut()[:, :, ::-1]
    picture = picture_of(sheet)
    assert again.surely(Cut.of(picture, (172, 60, 278, 200), 0)) > 0.9
    assert again.surely(Cut.of(picture, (60, 330, 160, 460), 0)) < 0.3


def test_a_cut_at_the_edge_is_black_outside() -> None:
    cut = Cut.of(NOTHING, (0, 0, 20, 20), 0)
    assert cut.square.shape == (SIDE, SIDE, 3)
    assert cut.square[: SIDE // 3, : SIDE // 3].max() < 20
    assert cut.square[SIDE // 2 :, SIDE // 2 :].min() > 100
