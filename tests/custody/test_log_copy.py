"""The log's key changes while a copy is made, or dies on the way: every copy can be gone on from, at every moment."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bwc.audit.findings import Grade
from bwc.config import Places, StorePlace, marks_dir
from bwc.custody.backup import back_up, restore
from bwc.custody.house import House
from bwc.custody.inspection import inspect
from bwc.custody.log_copy import copy_log, is_beyond
from bwc.custody.rebuilding import rebuild_catalog
from bwc.errors import ProofInvalid
from bwc.roles import Policy
from bwc.storage.fsops import Disk
from tests.custody.dying import dying
from tests.custody.vaults import CHIEF, make_vault

STEPS = [11, pytest.param(1, marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return make_vault(tmp_path_factory.mktemp("filled") / "vault", b"footage")


def rekey(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        house.rekey_log(note="")


def go_on(places: Places, tmp_path: Path) -> None:
    """An act is recorded and published, and nobody has anything against it."""
    with House.enter(places, CHIEF) as house:
        house.set_policy(Policy(approvals=3 - house.policy.approvals))
        assert house.publish() == house.entries()
    found = inspect(places, vkey=None, pins=(), seen=tmp_path / "nothing", quick=False, share=1)
    assert not [one for one in found.log.findings if one.grade is Grade.BAD]


def restored(backup: Path, tmp_path: Path) -> Places:
    shutil.rmtree(marks_dir(), ignore_errors=True)  # on another computer
    again = tmp_path / "again"
    shutil.rmtree(again, ignore_errors=True)
    restore(StorePlace(name="source", folder=backup), again, CHIEF, seen=tmp_path / "nothing")
    return Places(vault=again)


def at_every_change(
    filled: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[Places], None]
) -> list[Places]:
    """What `act` left of a copy of the vault, dead after each `step`-th change; the last of them whole."""
    found: list[Places] = []
    died = True
    while died:
        places = Places(vault=tmp_path / f"vault.{len(found)}")
        shutil.copytree(filled.vault, places.vault)
        shutil.rmtree(marks_dir(), ignore_errors=True)
        died = dying(lambda places=places: act(places), step * len(found), monkeypatch)  # type: ignore[misc]
        found.append(places)
    return found


@pytest.mark.parametrize("step", STEPS)
def test_a_vault_that_died_handing_over_goes_on_even_without_its_catalog(
    filled: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    vaults = at_every_change(filled, tmp_path, monkeypatch, step, rekey)
    assert len(vaults) > 30 / step
    for places in vaults:
        lost = Places(vault=tmp_path / "lost")
        shutil.copytree(places.vault, lost.vault)
        shutil.rmtree(marks_dir(), ignore_errors=True)
        go_on(places, tmp_path)
        for path in lost.vault.glob("catalog.sqlite*"):
            path.unlink()
        shutil.rmtree(marks_dir(), ignore_errors=True)
        rebuild_catalog(lost, CHIEF)
        go_on(lost, tmp_path)
        shutil.rmtree(lost.vault)


@pytest.mark.parametrize("step", STEPS)
def test_a_copy_made_while_the_key_changes_can_be_gone_on_from(
    filled: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    vaults = at_every_change(filled, tmp_path, monkeypatch, step, rekey)
    for places in vaults:  # another process stands there, and nobody published since
        copy = Places(vault=tmp_path / "copy")
        copy_log(Disk(places.vault), Disk(copy.vault))
        for shelf in ("bodies", "envelopes", "manifests", "objects"):
            shutil.copytree(places.vault / shelf, copy.vault / shelf)
        go_on(restored(copy.vault, tmp_path), tmp_path)
        shutil.rmtree(copy.vault)


@pytest.mark.parametrize("step", STEPS)
def test_a_backup_that_died_when_the_key_had_changed_can_be_gone_on_from(
    filled: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    begun = Places(vault=tmp_path / "begun")
    shutil.copytree(filled.vault, begun.vault)
    with House.enter(begun, CHIEF) as house:
        back_up(house, tmp_path / "first")
    rekey(begun)
    at, died = 0, True
    while died:
        places, backup = Places(vault=tmp_path / "vault"), tmp_path / "backup"
        shutil.copytree(begun.vault, places.vault)
        shutil.copytree(tmp_path / "first", backup)
        shutil.rmtree(marks_dir(), ignore_errors=True)

        def copy(places: Places = places, backup: Path = backup) -> None:
            with House.enter(places, CHIEF) as house:
                back_up(house, backup)

        died = dying(copy, at, monkeypatch)
        go_on(restored(backup, tmp_path), tmp_path)
        shutil.rmtree(marks_dir(), ignore_errors=True)
        rekey(places)  # and again, before the backup is made anew: it dies there too
        dying(copy, at, monkeypatch)
        go_on(restored(backup, tmp_path), tmp_path)
        shutil.rmtree(marks_dir(), ignore_errors=True)
        copy()
        go_on(restored(backup, tmp_path), tmp_path)
        for folder in (places.vault, backup):
            shutil.rmtree(folder)
        at += step


def test_a_copy_whose_key_did_not_sign_it_is_refused(filled: Places, tmp_path: Path) -> None:
    places = Places(vault=tmp_path / "vault")
    shutil.copytree(filled.vault, places.vault)
    shutil.rmtree(marks_dir(), ignore_errors=True)
    with House.enter(places, CHIEF) as house:
        back_up(house, tmp_path / "backup")
    rekey(places)
    shutil.copy(places.vault / "keys/log.json", tmp_path / "backup/keys/log.json")
    with pytest.raises(ProofInvalid, match="did not sign"):
        restored(tmp_path / "backup", tmp_path)
    assert not list(tmp_path.glob("*again*"))


def test_what_another_history_left_beyond_the_checkpoint_of_a_copy_is_replaced(filled: Places, tmp_path: Path) -> None:
    places, backup = Places(vault=tmp_path / "vault"), tmp_path / "backup"
    shutil.copytree(filled.vault, places.vault)
    shutil.rmtree(marks_dir(), ignore_errors=True)
    with House.enter(places, CHIEF) as house:
        size = back_up(house, backup).entries
        for width in range(size + 1, size + 3):
            for tile in ("entries", "0"):
                (backup / f"log/tile/{tile}/000.p/{width}").write_bytes(b"of a vault that is gone")
        back_up(house, backup)
    go_on(restored(backup, tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("log/tile/0/000.p/5", 5),
        ("log/tile/entries/001", 512),
        ("log/tile/1/000.p/2", 512),
        ("log/tile/0/x001/234", 1235 * 256),
        ("log/checkpoints/7", 7),
        ("log/timestamps/9/somebody-17", 9),
        ("log/checkpoint", 0),
    ],
)
def test_a_file_of_the_log_belongs_to_a_size(path: str, first: int) -> None:
    assert not is_beyond(path, first)
    assert first == 0 or is_beyond(path, first - 1)
