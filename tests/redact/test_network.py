"""Two runtimes, one answer; and the integers of the packaged face network find what its floats find."""

import importlib.util

import numpy as np
import pytest
from skimage import data

from bwc.errors import BwcError, UsageError
from bwc.redact.detectors import faces, finder, network
from bwc.redact.detectors.base import Picture8, fit, planes
from bwc.redact.detectors.faces import CenterFace
from bwc.redact.detectors.network import ONNXRUNTIME, OPENVINO, Network


@pytest.fixture(autouse=True)
def _fresh() -> None:
    network.runtime.cache_clear()


@pytest.fixture
def astronaut() -> Picture8:
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def test_another_runtime_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BWC_RUNTIME", "abacus")
    with pytest.raises(UsageError):
        network.runtime()


def test_both_runtimes_give_the_same_scores(monkeypatch: pytest.MonkeyPatch, astronaut: Picture8) -> None:
    if not importlib.util.find_spec(OPENVINO):
        pytest.skip("OPENVINO ABSENT: pip install '.[fast]'")
    found = []
    for name in (OPENVINO, ONNXRUNTIME):
        network.runtime.cache_clear()
        monkeypatch.setenv("BWC_RUNTIME", name)
        ready = Network(finder.FILE.load())
        assert network.runtime_label().startswith(name)
        found.append(ready.run(["score", "sides"], {"picture": planes(fit(astronaut, 640)[0])}))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3, rtol=1e-3)


def test_integers_find_the_face_that_floats_find(astronaut: Picture8) -> None:
    boxes = []
    for integers in (True, False):
        try:
            source = faces.open_network(integers=integers)
        except BwcError as error:
            pytest.skip(f"weights absent: {error.message}; run: {error.hint}")
        assert source.precision == ("int8" if integers else "f32")
        best = CenterFace(source, (640,)).detect(astronaut)[0]
        assert best.score > 0.7
        boxes.append(best.box)
    np.testing.assert_allclose(boxes[0], boxes[1], atol=6)
