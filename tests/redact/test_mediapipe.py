"""MediaPipe's models as a plug-in: arithmetic with hand-made tensors, plain errors, and the real model where a file is named."""

import os
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

from bwc.errors import BwcError, ConfigError, NotFound
from bwc.redact.detectors import mediapipe, plugins
from bwc.redact.detectors.base import Detection, Picture8
from bwc.redact.detectors.conformance import check_detector
from bwc.redact.detectors.mediapipe import KINDS, MODEL, TILES, MediaPipe, decode, square, tiles_of, wanted_tiles

SHORT, FULL = KINDS
FACE = (172.0, 60.0, 278.0, 200.0)  # the astronaut's, drawn by hand


class Drawn:
    """A stand-in for LiteRT's interpreter with the tensors of a kind: it says what the test wrote into them."""

    def __init__(self, kind: mediapipe.Kind, *, dtype: Any = np.float32) -> None:
        self.many = len(kind.anchors())
        self.raw = np.zeros((1, self.many, 16), np.float32)
        self.logits = np.full((1, self.many, 1), -1000.0, np.float32)  # far past what float32 can exponentiate
        self.given: Any = None
        self._side, self._dtype = kind.side, dtype

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 0, "shape": np.asarray([1, self._side, self._side, 3]), "dtype": self._dtype}]

    def get_output_details(self) -> list[dict[str, Any]]:
        sized = ((1, self.logits.shape), (2, self.raw.shape))  # scores first: files differ in the order
        return [{"index": i, "shape": np.asarray(shape), "dtype": self._dtype} for i, shape in sized]

    def set_tensor(self, index: int, values: Any) -> None:
        self.given = values

    def invoke(self) -> None: ...

    def get_tensor(self, index: int) -> Any:
        return self.logits if index == 1 else self.raw


@pytest.fixture
def model(tmp_path: Path) -> Path:
    place = tmp_path / "model.tflite"
    place.write_bytes(b"not a model")
    return place


def test_anchors_are_those_of_the_published_graphs() -> None:
    short, full = SHORT.anchors(), FULL.anchors()
    assert (short.shape, full.shape) == ((896, 2), (2304, 2))
    assert full[0].tolist() == [2, 2]
    assert full[49].tolist() == [6, 6]  # second row, second column of 48
    assert short[:3].tolist() == [[4, 4], [4, 4], [12, 4]]  # two anchors a cell of 8 pixels
    assert short[511].tolist() == [124, 124]
    assert short[512:519].tolist() == [[8, 8]] * 6 + [[24, 8]]  # then six a cell of 16


def test_boxes_count_from_their_anchor_and_what_is_no_box_is_left_out() -> None:
    raw, logits = np.zeros((4, 16), np.float32), np.asarray([0.0, 2.0, 3.0, 500.0], np.float32)
    raw[1, :4] = 10, -5, 20, 40
    raw[2, :4] = 0, 0, -3, 8  # turned inside out
    raw[3, :4] = np.nan, 0, 3, 8
    boxes, scores = decode(raw, logits, np.full((4, 2), 50, np.float32), 0.5)
    assert boxes.tolist() == [[50, 25, 70, 65]]
    assert scores.tolist() == pytest.approx([1 / (1 + np.exp(-2))])


def test_the_picture_stands_in_the_middle_of_black_with_red_first() -> None:
    bgr = np.full((50, 100, 3), (0, 0, 255), np.uint8)
    values, scale, (left, top) = square(bgr, 200)
    assert (values.shape, values.dtype, scale, left, top) == ((1, 200, 200, 3), np.float32, 2.0, 0, 50)
    assert values[0, 100, 100].tolist() == [1, -1, -1]
    assert values[0, 49, 100].tolist() == [-1, -1, -1]


@pytest.mark.parametrize("shape", [(1080, 1920), (1920, 1080), (480, 854), (64, 1200)])
def test_tiles_cover_the_picture_and_share_a_quarter(shape: tuple[int, int]) -> None:
    tiles = list(tiles_of(*shape, (1, 2, 4), 192))
    assert tiles[0] == (0, 0, shape[1], shape[0])
    for level in (2, 4):
        long = -(-max(shape) // level)
        mine = [tile for tile in tiles[1:] if max(tile[2] - tile[0], tile[3] - tile[1]) == long]
        seen = np.zeros(shape, bool)
        for x0, y0, x1, y1 in mine:
            seen[y0:y1, x0:x1] = True
        assert seen.all()
        for axis in (0, 1):
            starts = sorted({tile[axis] for tile in mine})
            assert all(b - a <= long * 0.75 + 1 for a, b in pairwise(starts))


def test_small_pictures_are_not_enlarged_by_tiles() -> None:
    assert list(tiles_of(96, 96, (1, 2, 4), 192)) == [(0, 0, 96, 96)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_the_tensors_say_comes_back_in_pixels_of_the_picture(
    kind: mediapipe.Kind, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Drawn(kind)
    drawn.logits[0, 0] = 3.0
    drawn.raw[0, 0, :4] = *(kind.side / 2 - kind.anchors()[0]), 16, 16  # in the middle
    monkeypatch.setattr(mediapipe, "_open", lambda data, place: drawn)
    monkeypatch.setattr(mediapipe, "runtime_label", lambda: "drawn")
    detector = MediaPipe(model, (1,))
    assert detector.kind == kind
    (one,) = detector.detect(np.zeros((kind.side, kind.side * 2, 3), np.uint8))
    assert one == Detection((kind.side - 16, kind.side / 2 - 16, kind.side + 16, kind.side / 2 + 16), one.score, "face")
    assert drawn.given.shape == (1, kind.side, kind.side, 3)
    assert check_detector(detector) > 10


def test_a_file_that_is_no_face_model_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mediapipe, "_open", lambda data, place: Drawn(mediapipe.Kind("other", 256, ((16, 1),))))
    with pytest.raises(ConfigError, match=r"none of MediaPipe's.*1x256x256x3"):
        MediaPipe(model)
    monkeypatch.setattr(mediapipe, "_open", lambda data, place: Drawn(FULL, dtype=np.int8))
    with pytest.raises(ConfigError, match="none of MediaPipe's"):
        MediaPipe(model)


def test_what_is_missing_is_named_with_what_to_type(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MODEL, raising=False)
    with pytest.raises(NotFound, match="needs a model file") as caught:
        plugins.load("mediapipe")
    assert caught.value.hint.startswith(f"export {MODEL}=")
    with pytest.raises(NotFound, match="is not there"):
        MediaPipe(tmp_path / "absent.tflite")
    with pytest.raises(ConfigError, match="cannot be read"):
        MediaPipe(tmp_path)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(NotFound, match="LiteRT, which is not installed") as caught:
        MediaPipe(model)
    assert "pip install '.[mediapipe]'" in caught.value.hint


def test_tiles_are_chosen_by_the_environment() -> None:
    assert wanted_tiles({}) == (1, 2)
    assert wanted_tiles({TILES: "4"}) == (1, 2, 4)
    with pytest.raises(ConfigError, match="'3'"):
        wanted_tiles({TILES: "3"})


def test_it_is_a_plug_in_and_takes_no_name_of_ours() -> None:
    assert "mediapipe" in plugins.installed()
    assert MediaPipe.name not in plugins.OURS


@pytest.fixture(scope="module")
def real() -> MediaPipe:
    pytest.importorskip("ai_edge_litert", reason="LiteRT absent; pip install '.[mediapipe]'")
    if not os.environ.get(MODEL):
        pytest.skip(f"no model file: {MODEL} names none (docs/detectors.md)")
    return MediaPipe()


@pytest.fixture(scope="module")
def astronaut() -> Picture8:
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def test_the_real_model_keeps_the_contract_and_finds_a_face(real: MediaPipe, astronaut: Picture8) -> None:
    assert check_detector(real, photographs=[astronaut]) > 10
    best = real.detect(astronaut)[0]
    x, y = (best.box[0] + best.box[2]) / 2, (best.box[1] + best.box[3]) / 2
    assert FACE[0] < x < FACE[2]
    assert FACE[1] < y < FACE[3]
    assert best.score > 0.6


def test_the_real_model_says_the_same_in_four_threads(real: MediaPipe, astronaut: Picture8) -> None:
    said: list[list[Detection]] = []
    threads = [threading.Thread(target=lambda: said.append(real.detect(astronaut))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [real.detect(astronaut)] * 4


def test_real_litert_names_a_file_that_is_no_model(model: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT absent; pip install '.[mediapipe]'")
    with pytest.raises(BwcError, match="no model that LiteRT can run"):
        MediaPipe(model)
