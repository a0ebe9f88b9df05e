"""A disk that is full at any byte, a vault that cannot be written, a clock that is wrong."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bwc.errors import StorageError, StoreFull
from tests.faults.dock import Dock, Trial
from tests.faults.warm import Forked, preload

PAGE = 4096
SMALL = 300_000  # of the card's largest file: every page of the disk can be tried


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Dock:
    preload()
    return Dock(tmp_path_factory.mktemp("full") / "dock", big=SMALL)


@contextmanager
def memory_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes; needs the right to mount."""
    folder.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "bwc-test", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: a full disk; mounting needs root: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def used(folder: Path) -> int:
    return shutil.disk_usage(folder).used


def full_at(dock: Dock, name: str, pages: int) -> bool:
    """Take in with so many free pages; whether they were enough. What was not is said, and enough space mends it."""
    with memory_disk(dock.folder / f"{name}.disk", 64 << 20) as disk:
        trial = dock.fresh(name, vault=disk / "vault")
        remount(disk, f"size={used(disk) + pages * PAGE}")
        said = Forked(trial, trial.ingest).end()
        remount(disk, "size=64m")  # whoever judges needs a little space too: SQLite's shared memory
        trial.check(said)
        assert said.code in (0, StoreFull.exit_code), said.err
        if said.code:
            assert "no space left" in said.err
            assert "hint" in said.err
            assert not said.safe
        trial.check_complete(Forked(trial, trial.ingest).end())
    trial.remove()
    return said.code == 0


def test_a_disk_that_is_full_somewhere(dock: Dock) -> None:
    assert not full_at(dock, "little", 110)
    assert full_at(dock, "enough", 4000)


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_page(dock: Dock) -> None:
    pages = 0
    while not full_at(dock, f"full{pages}", pages):
        pages += 1
    assert pages > SMALL // PAGE


def test_a_vault_that_cannot_be_written(dock: Dock) -> None:
    with memory_disk(dock.folder / "readonly.disk", 64 << 20) as disk:
        trial = dock.fresh("readonly", vault=disk / "vault")
        trial.complete()
        remount(disk, "ro")
        said = trial.run(*trial.ingest)
        assert said.code == StorageError.exit_code
        assert "hint" in said.err
        assert "internal error" not in said.err
        assert trial.run(*trial.verify).code == 0  # it can still be judged
        remount(disk, "rw")
        trial.complete()
    trial.remove()


@pytest.mark.skipif(not shutil.which("faketime"), reason="NOT TESTED: a wrong clock; apt-get install faketime")
@pytest.mark.parametrize("when", ["1970-01-01 00:00:10", "2038-01-19 04:00:00"])
def test_a_wrong_clock(dock: Dock, when: str) -> None:
    trial = dock.fresh("clock")
    # only the time of day is wrong: a machine's time since boot is not set by anybody
    said = trial.run(*trial.ingest, before=("env", "DONT_FAKE_MONOTONIC=1", "faketime", "-f", when))
    assert said.code == 0, said.err
    trial.check(said)
    assert any("clock" in one["what"] or "time" in one["what"] for one in noted(trial))
    trial.complete()
    trial.remove()


def noted(trial: Trial) -> list[dict[str, str]]:
    return list(trial.inspect().to_json()["findings"])  # type: ignore[arg-type]
