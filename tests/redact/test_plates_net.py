"""The packaged plate network on drawn plates; its decoding; its file and digest."""

import cv2
import numpy as np
import pytest

from bwc.canonical import sha256_hex
from bwc.redact.detectors import plates_net
from bwc.redact.detectors.base import Picture8
from bwc.redact.detectors.plates_net import PlateNetFinder, decode

PLATES = ((250, 300, 370, 360), (60, 130, 120, 160))  # x0, y0, x1, y1


@pytest.fixture(scope="module")
def finder() -> PlateNetFinder:
    return PlateNetFinder.open()


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


def test_plates_near_and_far_are_found(finder: PlateNetFinder) -> None:
    found = finder.detect(scene(PLATES))
    for plate in PLATES:
        assert max(iou(one.box, plate) for one in found) > 0.5, plate


def test_nothing_sure_is_found_where_no_plate_is(finder: PlateNetFinder) -> None:
    assert not [one for one in finder.detect(scene(())) if one.score > 0.5]


def test_any_size_of_picture_and_boxes_inside_it(finder: PlateNetFinder) -> None:
    for shape in ((33, 47), (480, 640), (1080, 608)):
        picture = cv2.resize(scene(PLATES), shape[::-1])
        for one in finder.detect(picture):
            x0, y0, x1, y1 = one.box
            assert 0 <= x0 < x1 <= shape[1]
            assert 0 <= y0 < y1 <= shape[0]
            assert one.class_ == "plate"
            assert finder.threshold < one.score <= 1


def test_a_cell_becomes_the_box_around_its_middle() -> None:
    scores, sides = np.zeros((4, 6), np.float32), np.zeros((4, 4, 6), np.float32)
    scores[2, 3], scores[0, 0] = 0.9, 0.4
    sides[:, 2, 3] = (8, 3, 9, 4)
    boxes, likely = decode(scores, sides, 0.5)
    assert boxes.tolist() == [[6.0, 7.0, 23.0, 14.0]]
    assert likely.tolist() == pytest.approx([0.9])


def test_candidates_are_few_and_the_best() -> None:
    scores = np.linspace(0, 1, 40 * 40, dtype=np.float32).reshape(40, 40)
    _, likely = decode(scores, np.ones((4, 40, 40), np.float32), 0.1)
    assert len(likely) == 300
    assert likely[0] == 1.0
    assert np.all(np.diff(likely) <= 0)


def test_what_is_recorded_is_what_ran(finder: PlateNetFinder) -> None:
    said = finder.describe()
    data = plates_net.FILE.load()
    assert said.file_sha256 == sha256_hex(data)
    assert said.name == "bwc_plates"
    assert said.settings["threshold_permille"] == 300
    assert len(data) <= 5_000_000
