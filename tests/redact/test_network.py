"""Two runtimes, one answer; and the integers of the packaged face network find what its floats find."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from bwc.errors import BwcError, UsageError
from bwc.redact.detectors import faces, finder, network, packaged
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
        monkeypatch.setattr(network, "has_fast_bfloats", lambda: False)
        ready = Network(finder.FILE.load())
        assert network.runtime_label().startswith(name)
        found.append(ready.run(["score", "sides"], {"picture": planes(fit(astronaut, 640)[0])}))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("file", [finder.FILE, finder.INT8, faces.INT8], ids=lambda file: file.name)
def test_bfloats_score_as_floats_do(
    file: packaged.PackagedFile, astronaut: Picture8, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not importlib.util.find_spec(OPENVINO) or not network.has_fast_bfloats():
        pytest.skip("OPENVINO OR AMX ABSENT: bfloat16 is not used here")
    monkeypatch.setenv("BWC_RUNTIME", OPENVINO)
    output, feed = ("537", faces._FEED) if file is faces.INT8 else ("score", finder._FEED)
    found, labels = [], []
    for fast in (True, False):
        monkeypatch.setattr(network, "has_fast_bfloats", lambda fast=fast: fast)
        labels.append((network.precision(), network.precision(integers=True)))
        found.append(Network(file.load()).see([output], fit(astronaut, 640)[0], feed)[0])
    assert labels == [("bf16", "int8 bf16"), ("f32", "int8")]
    assert not np.array_equal(*found)
    np.testing.assert_allclose(*found, atol=0.05)
    assert float(np.abs(found[0] - found[1]).mean()) < 1e-3


@pytest.mark.parametrize(
    ("flags", "integers", "bfloats"),
    [
        ("fpu avx2", False, False),
        ("fpu avx_vnni", True, False),
        ("avx512_vnni amx_bf16x", True, False),
        ("avx512_vnni amx_bf16 amx_int8", True, True),
    ],
)
def test_what_a_processor_is_good_at_is_read_from_its_flags(
    flags: str, *, integers: bool, bfloats: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "cpuinfo"
    said.write_text(f"processor : 0\nmodel name : any amx_bf16\nflags\t\t: {flags}\nbugs : none\n")
    monkeypatch.setattr(network, "_CPUINFO", said)
    network._abilities.cache_clear()
    try:
        assert (network.has_fast_integers(), network.has_fast_bfloats()) == (integers, bfloats)
    finally:
        network._abilities.cache_clear()


def test_integers_find_the_face_that_floats_find(astronaut: Picture8) -> None:
    boxes = []
    for integers in (True, False):
        try:
            source = faces.open_network(integers=integers)
        except BwcError as error:
            pytest.skip(f"weights absent: {error.message}; run: {error.hint}")
        assert source.precision == network.precision(integers=integers)
        best = CenterFace(source, (640,)).detect(astronaut)[0]
        assert best.score > 0.7
        boxes.append(best.box)
    np.testing.assert_allclose(boxes[0], boxes[1], atol=6)


@pytest.mark.parametrize(("name", "outputs"), [("finder", ["score"]), ("faces", ["537"])])
def test_a_picture_as_it_is_gives_what_its_floats_give(
    name: str, outputs: list[str], astronaut: Picture8, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not importlib.util.find_spec(OPENVINO) or not network.has_fast_integers():
        pytest.skip("OPENVINO OR VNNI ABSENT: pip install '.[fast]'")
    monkeypatch.setenv("BWC_RUNTIME", OPENVINO)
    file, feed = (finder.INT8, finder._FEED) if name == "finder" else (faces.INT8, faces._FEED)
    monkeypatch.setattr(network.ready, "kept", lambda _: None)  # else nothing is made ready
    ready, picture = Network(file.load()), fit(astronaut, 640)[0]
    plain = []
    real = network.plain_bytes
    monkeypatch.setattr(network, "plain_bytes", lambda *args, **named: plain.append(real(*args, **named)) or plain[-1])
    (seen,) = ready.see(outputs, picture, feed)
    (floats,) = ready.run(outputs, {feed.name: feed.planes(picture)})
    assert plain[0] is not None
    np.testing.assert_allclose(seen, floats, atol=0.03)
    assert float(np.abs(seen - floats).mean()) < 1e-3


def test_a_network_of_floats_is_left_as_it_is(astronaut: Picture8, monkeypatch: pytest.MonkeyPatch) -> None:
    if not importlib.util.find_spec(OPENVINO):
        pytest.skip("OPENVINO ABSENT: pip install '.[fast]'")
    monkeypatch.setenv("BWC_RUNTIME", OPENVINO)
    ready, picture = Network(finder.FILE.load()), fit(astronaut, 640)[0]
    (seen,) = ready.see(["score"], picture, finder._FEED)
    (floats,) = ready.run(["score"], {"picture": finder._FEED.planes(picture)})
    np.testing.assert_allclose(seen, floats, atol=1e-3)


_TWO_AT_ONCE = """
import os, sys, threading
import numpy as np
from bwc.redact.detectors import faces, finder, first_layer

sys.setswitchinterval(1e-6)
both, been, read = threading.Barrier(2), threading.local(), first_layer._constant

def read_together(node):
    if not hasattr(been, "here"):
        been.here = True
        try:
            both.wait(1)
        except threading.BrokenBarrierError:
            pass  # they come one after another: as well
    return read(node)

first_layer._constant = read_together
picture = np.zeros((96, 160, 3), np.uint8)
networks = [(finder.open_network(), ["score"], finder._FEED), (faces.open_network(), ["537"], faces._FEED)]
threads = [threading.Thread(target=one.network.see, args=(names, picture, feed)) for one, names, feed in networks]
[one.start() for one in threads]
[one.join() for one in threads]
"""


def test_two_networks_are_made_ready_at_the_same_moment() -> None:
    """OpenVINO stood still for ever when two threads first asked it for numbers of a graph (11 of 12 times in this script)."""
    if not importlib.util.find_spec(OPENVINO):
        pytest.skip("OPENVINO ABSENT: pip install '.[fast]'")
    for _ in range(2):
        subprocess.run([sys.executable, "-c", _TWO_AT_ONCE], check=True, timeout=100)
