"""Our own network on drawn plates, a drawn telephone and a drawn page; its decoding; its file and digest."""

import cv2
import numpy as np
import pytest
from skimage import data

from bwc.canonical import sha256_hex
from bwc.redact.detectors import finder as module
from bwc.redact.detectors.base import Picture8
from bwc.redact.detectors.finder import Finder, cells, decode

PLATES = ((250, 300, 370, 360), (60, 130, 120, 160))  # x0, y0, x1, y1
PHONE, PAGE = (90, 200, 190, 400), (360, 230, 470, 380)


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder.open()


def scene(plates: tuple[tuple[int, int, int, int], ...]) -> Picture8:
    """Two cars' rears as a few rectangles with lamps, with American plates at `plates`, a little unsharp."""
    picture = np.full((480, 640, 3), 120, np.uint8)
    picture[200:] = 84
    for x0, y0, x1, y1 in ((150, 180, 480, 420), (10, 80, 170, 190)):
        cv2.rectangle(picture, (x0, y0), (x1, y1), (70, 48, 40), -1)
        cv2.rectangle(picture, (x0 + 20, y0 + 10), (x1 - 20, (2 * y0 + y1) // 3), (30, 28, 26), -1)
        for x in (x0 + 12, x1 - 12):
            cv2.circle(picture, (x, (y0 + y1) // 2), (y1 - y0) // 12, (30, 30, 190), -1, cv2.LINE_AA)
    for x0, y0, x1, y1 in plates:
        cv2.rectangle(picture, (x0, y0), (x1, y1), (240, 240, 236), -1)
        high = y1 - y0
        words = [("CALIFORNIA", 0.2, 0.16, (40, 40, 170)), ("7KLR482", 0.8, 0.52, (110, 40, 30))]
        for text, down, share, ink in words:
            (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
            size = min(share * high / tall, 0.9 * (x1 - x0) / wide)
            at = (round((x0 + x1 - wide * size) / 2), round(y0 + down * high))
            cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, ink, max(1, high // 22), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.7), np.uint8)


def iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, wide) * max(0.0, high)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared)


def test_plates_near_and_far_are_found(finder: Finder) -> None:
    found = finder.detect(scene(PLATES))
    for plate in PLATES:
        assert max(iou(one.box, plate) for one in found) > 0.5, plate


def test_nothing_sure_is_found_where_no_plate_is(finder: Finder) -> None:
    assert not [one for one in finder.detect(scene(())) if one.score > 0.5]


def desk() -> Picture8:
    """A desk with a lit telephone at `PHONE` and a page of print at `PAGE`, a little unsharp."""
    rng = np.random.default_rng(5)
    picture = np.full((480, 640, 3), (70, 96, 128), np.uint8)
    picture[:150] = (150, 150, 146)
    x0, y0, x1, y1 = PHONE
    cv2.rectangle(picture, (x0, y0), (x1, y1), (20, 20, 20), -1)
    cv2.rectangle(picture, (x0 + 6, y0 + 10), (x1 - 6, y1 - 10), (236, 232, 228), -1)
    for row, y in enumerate(range(y0 + 18, y1 - 30, 30)):
        left = x0 + 12 + 34 * (row % 2)
        cv2.rectangle(picture, (left, y), (left + 44, y + 20), (210, 170, 80) if row % 2 else (190, 190, 190), -1)
        cv2.putText(picture, "see you there", (left + 2, y + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.18, (40, 40, 40))
    x0, y0, x1, y1 = PAGE
    cv2.rectangle(picture, (x0, y0), (x1, y1), (242, 244, 244), -1)
    cv2.putText(picture, "STATEMENT", (x0 + 20, y0 + 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (30, 30, 30), 2)
    for y in range(y0 + 50, y1 - 20, 13):
        words = "".join(chr(int(v)) if v < 120 else " " for v in rng.integers(97, 126, 30))
        cv2.putText(picture, words, (x0 + 14, y), cv2.FONT_HERSHEY_SIMPLEX, 0.3, (50, 50, 50), 1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.7), np.uint8)


def test_a_lit_telephone_and_a_page_are_found_when_asked_for() -> None:
    asked = Finder(module.open_network(sheets=True), (640,), {"screen": 0.3, "paper": 0.3})
    found = asked.detect(desk())
    for place in (PHONE, PAGE):
        assert max(iou(one.box, place) for one in found) > 0.4, place
    assert not asked.detect(scene(()))


def test_integers_find_what_floats_find() -> None:
    boxes = [
        max(Finder(module.open_network(integers=integers)).detect(scene(PLATES)), key=lambda one: one.score).box
        for integers in (True, False)
    ]
    assert iou(*boxes) > 0.8


def test_any_size_of_picture_and_boxes_inside_it(finder: Finder) -> None:
    for shape in ((33, 47), (480, 640), (1080, 608)):
        picture = cv2.resize(scene(PLATES), shape[::-1])
        for one in finder.detect(picture):
            x0, y0, x1, y1 = one.box
            assert 0 <= x0 < x1 <= shape[1]
            assert 0 <= y0 < y1 <= shape[0]
            assert finder.thresholds[one.class_] < one.score <= 1


def test_only_the_kinds_asked_for_are_told(finder: Finder) -> None:
    heads = Finder(finder.source, (640,), {"head": 0.05})
    assert heads.classes == ("head",)
    assert {one.class_ for one in heads.detect(scene(PLATES))} <= {"head"}


def test_of_heads_only_low_ones_are_told_where_only_those_are_wanted(finder: Finder) -> None:
    person = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    picture = np.full((512, 900, 3), 120, np.uint8)
    picture[:, :512] = person
    picture[256:384, 600:728] = cv2.resize(person, (128, 128), interpolation=cv2.INTER_AREA)
    both, low = (Finder(finder.source, (900,), {"head": 0.3}, heads_below=below) for below in (0, 100))
    heights = sorted(round(one.box[3] - one.box[1]) for one in both.detect(picture))
    assert heights[0] < 100 < heights[-1]
    assert sorted(round(one.box[3] - one.box[1]) for one in low.detect(picture)) == [
        one for one in heights if one < 100
    ]
    assert low.describe().settings["heads_below"] == 100
    assert "heads_below" not in both.describe().settings


def test_a_size_for_large_pictures_is_left_out_in_smaller_ones(finder: Finder) -> None:
    large = Finder(finder.source, (640,), {"plate": 0.2}, enlarge=False)
    picture = scene(PLATES)
    assert max(picture.shape) >= 640
    assert large.detect(picture) == Finder(finder.source, (640,), {"plate": 0.2}).detect(picture) != []
    assert large.detect(cv2.resize(picture, (600, 400))) == []
    assert large.describe().settings["enlarge"] is False


@pytest.mark.parametrize(("sheets", "kinds"), [(False, 2), (True, 4)])
def test_there_is_a_cell_for_every_score_of_the_network(*, sheets: bool, kinds: int) -> None:
    picture = np.zeros((1, 3, 96, 160), np.float32)
    scores, sides = module.open_network(sheets=sheets).network.run(["score", "sides"], {"picture": picture})
    count = 12 * 20 + 6 * 10 + 3 * 5
    assert cells(96, 160).shape == (2, count)
    assert scores.shape == (1, kinds, count)
    assert sides.shape == (1, 4 * kinds, count)


def test_a_cell_becomes_the_box_around_its_middle() -> None:
    middles = cells(64, 96)
    assert middles[:, 0].tolist() == [4, 4]
    assert middles[:, 12].tolist() == [4, 12]
    assert middles[:, -1].tolist() == [80, 48]
    scores, sides = np.zeros(middles.shape[1], np.float32), np.zeros((4, middles.shape[1]), np.float32)
    scores[13], scores[0] = 0.9, 0.4
    sides[:, 13] = (8, 3, 9, 4)
    boxes, likely = decode(scores, sides, middles, 0.5)
    assert boxes.tolist() == [[4.0, 9.0, 21.0, 16.0]]
    assert likely.tolist() == pytest.approx([0.9])


def test_candidates_are_few_and_the_best() -> None:
    middles = cells(640, 640)
    scores = np.linspace(0, 1, middles.shape[1], dtype=np.float32)
    _, likely = decode(scores, np.ones((4, middles.shape[1]), np.float32), middles, 0.1)
    assert len(likely) == 300
    assert likely[0] == 1.0
    assert np.all(np.diff(likely) <= 0)


def test_what_is_recorded_is_what_ran(finder: Finder) -> None:
    said = finder.describe()
    data = finder.source.file.load()
    assert said.file_sha256 == sha256_hex(data)
    assert said.precision == finder.source.precision
    assert said.name == "bwc_finder"
    assert said.settings["plate_threshold_permille"] == 500
    assert said.settings["head_threshold_permille"] == 500
    assert len(data) <= 5_000_000
