"""One byte flipped, one file deleted, one file swapped for another valid one: `bwc verify` exits 5 and names the thing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.conftest import FIXTURES, World

CLIPS = [FIXTURES / "clips" / name for name in ("plain.mp4", "silent.mp4")]
SHELVES = ("objects", "manifests", "envelopes", "bodies", "log/tile/entries", "log/tile/0", "log/checkpoints")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A vault with two items, taken in once for all tests here; each test works on a copy of it."""
    folder = tmp_path_factory.mktemp("filled")
    world = World(folder)
    world.run(
        "init", world.vault, "--agency", "Springfield PD", "--operator", "chief", "--recovery-file", folder / "r.txt"
    )
    card = folder / "card"
    card.mkdir()
    for clip in CLIPS:
        shutil.copy(clip, card / clip.name)
    world.run("ingest", card, "--officer", "B1", "--camera", "X1")
    world.run("verify")
    return world


@pytest.fixture
def copy(filled: World, tmp_path: Path) -> World:
    shutil.copytree(filled.vault, tmp_path / "vault")
    shutil.copytree(filled.home, tmp_path / "home")
    return World(tmp_path)


def _files(world: World, shelf: str) -> list[Path]:
    found = sorted(path for path in (world.vault / shelf).rglob("*") if path.is_file())
    assert found, shelf
    return found


def _named(world: World, path: Path) -> None:
    """`bwc verify` exits 5 and a bad finding names `path`: its digest, its place in the log, or the entry inside it."""
    findings = world.run("verify", "--json", code=5).first_json["findings"]
    bad = [f"{one['where']} {one['what']}" for one in findings if one["grade"] == "bad"]
    log = world.vault / "log"
    wanted = str(path.relative_to(log)) if log in path.parents else path.stem
    entries = [text for text in bad if text.startswith("entry ")] if "entries" in path.parts else []
    assert entries or any(wanted in text for text in bad), f"{wanted} is not named in {bad}"


def _flip(path: Path, share: float) -> None:
    data = bytearray(path.read_bytes())
    data[min(len(data) - 1, int(len(data) * share))] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("shelf", [*SHELVES, "log/checkpoint"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_flipped_bit_is_found_and_named(copy: World, shelf: str, share: float) -> None:
    path = copy.vault / shelf if shelf == "log/checkpoint" else _files(copy, shelf)[-1]
    _flip(path, share)
    _named(copy, path)


@pytest.mark.parametrize("shelf", SHELVES[:-1])
def test_a_deleted_file_is_found_and_named(copy: World, shelf: str) -> None:
    path = _files(copy, shelf)[0]
    path.unlink()
    _named(copy, path)


@pytest.mark.parametrize("shelf", SHELVES[:4])
def test_two_valid_files_swapped_are_found_and_named(copy: World, shelf: str) -> None:
    first, second, *_ = _files(copy, shelf)
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    _named(copy, first)


def test_an_old_vault_in_place_of_the_new_one_is_found(filled: World, copy: World, card: Callable[..., Path]) -> None:
    copy.run("verify")  # this auditor has seen the log as it is
    copy.run("ingest", card(FIXTURES / "clips" / "cut.mp4"), "--officer", "B1", "--camera", "X1")
    copy.run("verify")
    shutil.rmtree(copy.vault)
    shutil.copytree(filled.vault, copy.vault)
    done = copy.run("verify", code=5)
    assert "checkpoint" in done.err


def test_the_vault_of_somebody_else_is_not_ours(copy: World, tmp_path: Path) -> None:
    copy.extra["BWC_HOME"] = str(tmp_path / "elsewhere")
    copy.run("verify", code=7)
    vkey = (copy.vault / "keys" / "log.json").read_text().split('"vkey":"')[1].split('"')[0]
    copy.run("verify", "--key", vkey)


def test_quick_reads_the_log_only(copy: World) -> None:
    _flip(_files(copy, "objects")[0], 0.5)
    copy.run("verify", "--quick")
    copy.run("verify", "--read-data", "100%", code=5)


def test_verification_writes_nothing_into_the_vault(copy: World) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_size)
            for path in copy.vault.rglob("*")
            if path.is_file() and not path.name.endswith("-shm")  # SQLite's table of readers, not data
        }

    before = state()
    copy.run("verify")
    copy.run("list")
    assert state() == before


def test_new_reads_only_what_came_since(copy: World, card: Callable[..., Path]) -> None:
    copy.run("verify", "--quick")
    copy.run("ingest", card(FIXTURES / "clips" / "cut.mp4"), "--officer", "B1", "--camera", "X1")
    altered = _files(copy, "log/tile/entries")[-1]
    good = altered.read_bytes()
    _flip(altered, 0.99)
    copy.run("verify", "--new", code=5)
    altered.write_bytes(good)
    assert "from entry" in copy.run("verify", "--new").out
