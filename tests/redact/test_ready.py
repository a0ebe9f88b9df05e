"""Networks made ready are kept beside the code, whole or not at all, and compute the same to the last bit."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bwc.redact.detectors import finder, network, ready
from bwc.redact.detectors.base import Picture8
from bwc.redact.detectors.network import OPENVINO, Network


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(ready, "_folder", lambda: tmp_path / "__pycache__")
    return tmp_path / "__pycache__"


def test_what_was_kept_comes_back(folder: Path) -> None:
    name = ready.name_of("network", (1, 2))
    assert ready.kept(name) is None
    ready.keep(name, b"made ready")
    assert ready.kept(name) == b"made ready"
    assert [path.suffix for path in folder.iterdir()] == [".ready"]


def test_what_decides_it_names_it() -> None:
    assert ready.name_of("network", (1, 2)) == ready.name_of("network", (1, 2))
    assert (
        len({ready.name_of("network", (1, 2)), ready.name_of("network", (1, 3)), ready.name_of("other", (1, 2))}) == 3
    )


def test_other_code_takes_nothing_of_this(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.keep(ready.name_of("network"), b"made ready")
    monkeypatch.setattr(ready, "work_of", lambda: {"code_sha256": "other"})
    assert ready.kept(ready.name_of("network")) is None


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"", lambda data: data[:20]]
)
def test_what_is_not_whole_is_not_taken(spoil: Callable[[bytes], bytes], folder: Path) -> None:
    name = ready.name_of("network")
    ready.keep(name, b"made ready")
    (path,) = folder.iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    assert ready.kept(name) is None


def test_nothing_is_written_where_python_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    ready.keep(ready.name_of("network"), b"made ready")
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path, folder: Path) -> None:
    folder.write_bytes(b"a file is in the way")
    name = ready.name_of("network")
    ready.keep(name, b"made ready")
    assert ready.kept(name) is None
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_few_are_kept_and_those_in_use_longest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "_MOST", 2)
    names = [ready.name_of(number) for number in range(3)]
    for age, name in zip((30, 20), names[:2], strict=True):
        ready.keep(name, b"made ready")
        path = ready._path(name)
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
    assert ready.kept(names[0]) is not None  # used again: the other is now the older
    ready.keep(names[2], b"made ready")
    assert [ready.kept(name) is not None for name in names] == [True, False, True]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    network.runtime.cache_clear()


def _scores(picture: Picture8) -> bytes:
    return Network(finder.FILE.load()).see(["score", "sides"], picture, finder._FEED)[1].tobytes()


@pytest.fixture
def picture(monkeypatch: pytest.MonkeyPatch) -> Picture8:
    if not importlib.util.find_spec(OPENVINO):
        pytest.skip("OPENVINO ABSENT: pip install '.[fast]'")
    monkeypatch.setenv("BWC_RUNTIME", OPENVINO)
    network.runtime.cache_clear()
    return np.random.default_rng(7).integers(0, 255, (96, 160, 3), dtype=np.uint8)


def test_a_kept_network_computes_the_same_and_reads_no_graph(
    folder: Path, picture: Picture8, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _scores(picture)
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr(network._OpenVino, "_of_floats", lambda *_: pytest.fail("its graph was made again"))
    assert _scores(picture) == first


def test_what_the_runtime_does_not_take_is_made_anew(
    folder: Path, picture: Picture8, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _scores(picture)
    monkeypatch.setattr(ready, "kept", lambda name: b"something else, though whole")
    assert _scores(picture) == first
