"""A copy may be behind what was seen, a vault may not: what makes a folder a copy is how it was named and what its mark says."""

import shutil
from pathlib import Path

import pytest

from bwc.audit.checkpoint import NoteKey
from bwc.canonical import canonical
from bwc.config import Places
from bwc.custody.backup import back_up
from bwc.custody.house import House
from bwc.custody.inspection import Inspection, inspect
from bwc.errors import CheckpointRolledBack, CopyBehind
from tests.custody.vaults import CHIEF, make_vault, take
from tests.faults.test_full_disk import memory_disk, remount


@pytest.fixture
def older(tmp_path: Path) -> tuple[Path, str, str]:
    """A copy of a vault's folder, taken before an event that was seen; the log's key; its name."""
    places = make_vault(tmp_path / "vault", b"first")
    with House.enter(places, CHIEF) as house:
        vkey = house.vkey
        back_up(house, tmp_path / "backup")
        shutil.copytree(places.vault, tmp_path / "older")
        take(house, b"second")
    assert verdict(tmp_path, places.vault, vkey, named=False).verdict == "INTACT"
    return tmp_path / "older", vkey, NoteKey.parse(vkey).name


def verdict(tmp_path: Path, folder: Path, vkey: str, *, named: bool = True) -> Inspection:
    return inspect(
        Places(vault=folder),
        vkey=vkey,
        pins=(),
        seen=tmp_path / "seen",
        quick=True,
        share=1,
        is_elsewhere=named,
    )


def marks(log: str) -> dict[str, bytes]:
    return {
        "backup.json": canonical(
            {"at": "2026-11-28T10:00:00.000000Z", "entries": 4, "format": "bwc.backup/1", "log": log}
        ),
        "bwc-store.json": canonical({"format": "bwc.store/1", "log": log, "store": "ab" * 16}),
    }


@pytest.mark.parametrize("name", ["backup.json", "bwc-store.json"])
def test_a_marked_copy_elsewhere_is_behind(tmp_path: Path, older: tuple[Path, str, str], name: str) -> None:
    folder, vkey, log = older
    (folder / name).write_bytes(marks(log)[name])
    with pytest.raises(CopyBehind):
        verdict(tmp_path, folder, vkey).raise_unless_ours()
    assert verdict(tmp_path, tmp_path / "backup", vkey).verdict == "BEHIND"


@pytest.mark.parametrize("name", ["backup.json", "bwc-store.json"])
def test_the_vault_itself_is_rolled_back_whatever_lies_in_it(
    tmp_path: Path, older: tuple[Path, str, str], name: str
) -> None:
    folder, vkey, log = older
    (folder / name).write_bytes(marks(log)[name])
    with pytest.raises(CheckpointRolledBack):
        verdict(tmp_path, folder, vkey, named=False).raise_unless_ours()


@pytest.mark.parametrize("name", ["backup.json", "bwc-store.json"])
@pytest.mark.parametrize("wrong", ["empty", "no JSON", "another log", "another form", "a folder"])
def test_a_mark_that_does_not_name_this_log_makes_no_copy(
    tmp_path: Path, older: tuple[Path, str, str], name: str, wrong: str
) -> None:
    folder, vkey, log = older
    data = {
        "empty": b"{}",
        "no JSON": b"",
        "another log": marks("log.example/other")[name],
        "another form": marks(log)[name].replace(b"/1", b"/9"),
    }
    if wrong == "a folder":
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(data[wrong])
    with pytest.raises(CheckpointRolledBack):
        verdict(tmp_path, folder, vkey).raise_unless_ours()


def test_a_copy_on_a_read_only_medium_is_not_called_bad_for_rows_that_cannot_be_read_there(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", b"first")
    with memory_disk(tmp_path / "disk", 32 << 20) as disk:
        with House.enter(places, CHIEF) as house:
            take(house, b"second")
            house.publish()
            shutil.copytree(places.vault, disk / "vault", ignore=shutil.ignore_patterns("*-shm"))
        assert (disk / "vault" / "catalog.sqlite-wal").stat().st_size
        remount(disk, "ro")
        found = verdict(tmp_path, disk / "vault", house.vkey)
        assert found.verdict == "INTACT"
        (note,) = [one for one in found.log.findings if one.step == 9]
        assert "cannot be read where nothing may be written" in note.what
