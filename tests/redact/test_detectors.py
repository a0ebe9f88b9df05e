"""The shipped detectors on a public-domain photograph and drawn plates; graph surgery; shared arithmetic."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

from bwc.errors import BwcError, IntegrityError
from bwc.redact.detectors import weights
from bwc.redact.detectors.base import Detection, Picture8, fit, merge, suppress
from bwc.redact.detectors.faces import FAR, CenterFace
from bwc.redact.detectors.faces_check import CheckFaces
from bwc.redact.detectors.graph import free_sizes
from bwc.redact.detectors.plates import PlateFinder, anchors
from bwc.redact.detectors.view import View
from bwc.redact.detectors.weights import WEIGHTS

FACE = (172.0, 60.0, 278.0, 200.0)  # the astronaut's, drawn by hand


def weights_or_skip() -> None:
    for name in (weight.name for weight in WEIGHTS.values() if not weight.is_optional):
        try:
            weights.load(name)
        except BwcError as error:
            pytest.skip(f"weights absent: {error.message}; run: {error.hint}")


@pytest.fixture(scope="module")
def astronaut() -> Picture8:
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


@pytest.fixture(scope="module")
def faces() -> CenterFace:
    weights_or_skip()
    return CenterFace.open()


@pytest.fixture(scope="module")
def plates() -> PlateFinder:
    weights_or_skip()
    return PlateFinder.open()


def iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, wide) * max(0.0, high)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared)


def drawn_plate() -> Picture8:
    """A car's rear as a few rectangles, with a blue plate on it at (270, 300)-(400, 340)."""
    picture = np.full((480, 640, 3), 110, np.uint8)
    cv2.rectangle(picture, (140, 120), (500, 400), (60, 50, 45), -1)
    cv2.rectangle(picture, (270, 300), (400, 340), (160, 80, 20), -1)
    cv2.rectangle(picture, (273, 303), (397, 337), (245, 245, 245), 2)
    cv2.putText(picture, "A 12345", (281, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.85, (250, 250, 250), 2, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (3, 3), 0), np.uint8)


@pytest.mark.parametrize("size", [512, 200, 97])
def test_centerface_finds_the_face_at_any_size(faces: CenterFace, astronaut: Picture8, size: int) -> None:
    scale = size / 512
    small = np.asarray(cv2.resize(astronaut, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    found = faces.detect(small)
    assert iou(found[0].box, tuple(side * scale for side in FACE)) > 0.5
    assert found[0].score > 0.5
    assert found[0].class_ == "face"


def test_centerface_boxes_stay_in_the_picture(faces: CenterFace, astronaut: Picture8) -> None:
    half = np.ascontiguousarray(astronaut[:, 225:])  # cut through the face
    for one in faces.detect(half):
        assert 0 <= one.box[0] < one.box[2] <= half.shape[1]
        assert 0 <= one.box[1] < one.box[3] <= half.shape[0]


def test_a_look_for_far_faces_finds_those_alone(faces: CenterFace, astronaut: Picture8) -> None:
    street = np.full((720, 1280, 3), 90, np.uint8)
    far = cv2.resize(astronaut, (64, 64), interpolation=cv2.INTER_AREA)  # a face of 17 px, 26 as it is looked at
    street[300:364, 200:264] = far
    street[100:612, 600:1112] = astronaut
    looks = CenterFace(faces.source, (1280, 1920), 0.2, FAR)
    there = tuple(corner + side / 8 for corner, side in zip((200, 300, 200, 300), FACE, strict=True))
    assert [iou(one.box, there) > 0.3 for one in looks.detect(street)] == [True]
    assert looks.detect(np.ascontiguousarray(street[:480, :640])) == []  # it would not be looked at above 1280
    assert looks.describe().settings["below"] == FAR.below


def test_a_look_for_far_faces_may_be_made_in_pieces_by_anybody(faces: CenterFace, astronaut: Picture8) -> None:
    picture = np.zeros((1080, 1920, 3), np.uint8)
    for at in (100, 900, 1700):  # the middle one lies in the strip that two pieces share
        picture[500 : 500 + 64, at : at + 64] = fit(astronaut, 64)[0][:64, :64]
    looks, view = CenterFace(faces.source, (1280, 1920), 0.12, FAR), View.of(picture)
    pieces = looks.pieces(view)
    assert len(pieces) == 4
    done = [piece() for piece in reversed(pieces)]
    assert looks.together(view.shape, done[::-1]) == looks.look(view) != []


def test_centerface_is_repeatable(faces: CenterFace, astronaut: Picture8) -> None:
    assert faces.detect(astronaut) == faces.detect(astronaut)


def test_nothing_is_found_in_nothing(faces: CenterFace, plates: PlateFinder) -> None:
    grey = np.full((360, 640, 3), 128, np.uint8)
    assert faces.detect(grey) == []
    assert plates.detect(grey) == []
    assert CheckFaces.open().detect(grey) == []


def test_the_second_face_detector_agrees(astronaut: Picture8) -> None:
    found = CheckFaces.open().detect(astronaut)
    assert iou(found[0].box, FACE) > 0.5


def test_plates_are_found(plates: PlateFinder) -> None:
    found = plates.detect(drawn_plate())
    assert found
    assert iou(found[0].box, (270, 300, 400, 340)) > 0.5
    assert found[0].class_ == "plate"


def test_what_is_larger_than_a_plate_can_be_is_none(plates: PlateFinder) -> None:
    picture = drawn_plate()
    (x0, y0, x1, y1), area = plates.detect(picture)[0].box, picture.shape[0] * picture.shape[1]
    share = (x1 - x0) * (y1 - y0) / area
    assert replace(plates, largest=1.01 * share).detect(picture)
    assert replace(plates, largest=0.99 * share).detect(picture) == []


def test_every_anchor_has_its_place(plates: PlateFinder) -> None:
    # one pass tells how many the network has; the table must agree in number for odd grids too
    for height, width in ((96, 160), (480, 864)):
        picture = np.zeros((1, 3, height, width), np.float32)
        (moves,) = plates.network.run(["loc"], {"image": picture})
        assert moves.shape[1] == len(anchors(height, width))


@pytest.mark.parametrize("detector", [CheckFaces.open(), "faces", "plates"])
def test_a_detector_says_what_it_is(detector: Any, request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue(detector) if isinstance(detector, str) else detector
    told = made.describe()
    assert len(told.file_sha256) == 64
    assert told.licence
    assert told.settings["threshold_permille"] == round(made.threshold * 1000)


def test_a_graph_without_the_expected_input_is_refused(faces: CenterFace) -> None:
    model = weights.load("centerface.onnx")
    with pytest.raises(IntegrityError):
        free_sizes(model, inputs={"picture": [1, 3, "H", "W"]}, outputs={})


@pytest.mark.parametrize("junk", [b"", b"\xff" * 40, b"\x3a\xff\x7f", b"\x0f", b"PK\x03\x04 no model"])
def test_what_is_no_model_is_refused(junk: bytes) -> None:
    with pytest.raises(IntegrityError):
        free_sizes(junk, inputs={}, outputs={})


def test_fit_keeps_the_shape_and_pads_to_whole_strides() -> None:
    canvas, scale = fit(np.full((480, 854, 3), 7, np.uint8), 640)
    assert canvas.shape == (384, 640, 3)
    assert scale == pytest.approx(640 / 854)
    assert int(canvas[359, 639, 0]) == 7
    assert int(canvas[360:].max()) == 0


def test_suppress_drops_the_weaker_of_two_that_overlap() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [1, 1, 11, 11], [40, 40, 50, 50]], np.float32)
    assert suppress(boxes, np.asarray([0.4, 0.9, 0.3], np.float32), iou=0.4) == [1, 2]


def test_merge_keeps_a_small_box_inside_a_large_one() -> None:
    large = Detection((0, 0, 100, 100), 0.9, "face")
    small = Detection((40, 40, 52, 52), 0.4, "face")
    same = Detection((5, 5, 95, 95), 0.5, "face")
    other = Detection((0, 0, 100, 100), 0.2, "plate")
    assert merge([small, same, other, large]) == [large, small, other]
