"""A backup is whole, grows by what is new, and never hides that something was lost; a store alone is enough."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from bwc.config import Places, StorePlace
from bwc.custody.backup import back_up, restore
from bwc.custody.house import House
from bwc.custody.inspection import Inspection, inspect
from bwc.enrolment import OperatorPublic
from bwc.errors import CheckpointRolledBack, IntegrityError, LogForked, NotFound, UsageError
from bwc.identities import LocalOperator
from bwc.storage.store import Shelf, path_of
from tests.custody.test_replicating import FOOTAGE, kinds, place
from tests.custody.vaults import CHIEF, make_vault, take

__all__ = ["place"]


def enter(places: Places) -> House:
    return House.enter(places, CHIEF)


def verify(folder: Path, tmp_path: Path) -> Inspection:
    report = inspect(Places(vault=folder), vkey=None, pins=(), seen=tmp_path / "nothing", quick=False, share=1)
    report.log.findings.raise_if_bad()
    return report


def from_folder(folder: Path) -> StorePlace:
    return StorePlace(name="source", folder=folder)


def test_a_backup_grows_by_what_is_new_and_verifies_as_it_is(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", *FOOTAGE)
    with enter(places) as house:
        first = back_up(house, tmp_path / "backup")
        assert (first.objects, first.copied, first.damaged) == (2, 2, [])
        take(house, b"third")
        second = back_up(house, tmp_path / "backup")
        assert (second.objects, second.copied) == (3, 1)
        assert kinds(house).count("backup.made") == 2
    report = verify(tmp_path / "backup", tmp_path)
    assert report.log.entries == second.entries
    assert not (tmp_path / "backup" / "catalog.sqlite").exists()
    with pytest.raises(UsageError, match="is a backup"):
        enter(Places(vault=tmp_path / "backup"))


def test_a_backup_beside_somebody_who_never_rests_verifies_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = make_vault(tmp_path / "vault", *FOOTAGE)
    real, counted = House.copy_log_to, []

    def busy(self: House, *words: Any) -> Any:
        counted.append(len(counted))
        with enter(places) as other:
            take(other, b"busy %d" % len(counted))
        return real(self, *words)

    monkeypatch.setattr(House, "copy_log_to", busy)
    with enter(places) as house:
        done = back_up(house, tmp_path / "backup")
    assert len(counted) == 3
    assert verify(tmp_path / "backup", tmp_path).log.entries == done.entries
    assert done.objects == len(FOOTAGE) + 3


def test_a_vault_comes_back_from_its_backup(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", *FOOTAGE)
    with enter(places) as house:
        items = house.items()
        back_up(house, tmp_path / "backup")
        size = house.published()
    shutil.rmtree(places.vault)
    done = restore(from_folder(tmp_path / "backup"), tmp_path / "again", CHIEF, seen=tmp_path / "seen")
    assert done.entries == size + 1
    verify(tmp_path / "again", tmp_path)
    shutil.rmtree(tmp_path / "again")
    with pytest.raises(CheckpointRolledBack):  # that a restore happened is lost now
        restore(from_folder(tmp_path / "backup"), tmp_path / "again", CHIEF, seen=tmp_path / "seen")
    assert not list(tmp_path.glob("*again*")), "nothing is left"
    done = restore(
        from_folder(tmp_path / "backup"), tmp_path / "again", CHIEF, seen=tmp_path / "seen", lost="the disk died"
    )
    assert done.damaged == []
    with enter(Places(vault=tmp_path / "again")) as house:
        assert [row.item_id for row in house.items()] == [row.item_id for row in items]
        assert house.items()[0].officer == "B1"
        assert kinds(house)[-1] == "vault.restored"
        assert house.entries() == size + 1
        with house.open_original(items[1].item_id, 0, purpose="test") as source:
            assert source.read() == FOOTAGE[0]
    verify(tmp_path / "again", tmp_path)


def test_a_further_store_alone_is_enough(place: StorePlace, tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", *FOOTAGE, stores=[place])
    with enter(places) as house:
        house.add_store("second")
        house.replicate()
        entries = house.entries()
    shutil.rmtree(places.vault)
    done = restore(place, tmp_path / "again", CHIEF, seen=tmp_path / "seen")
    assert (done.entries, done.objects, done.damaged) == (entries + 1, 2, [])
    verify(tmp_path / "again", tmp_path)
    with enter(Places(vault=tmp_path / "again", stores=(place,))) as house:
        take(house, b"life goes on")
        assert house.replicate(again=True)[0].said == ""


def test_an_older_vault_never_overwrites_its_newer_copy(
    place: StorePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = make_vault(tmp_path / "vault", b"one", stores=[place])
    with enter(places) as house:
        house.add_store("second")
    shutil.copytree(places.vault, tmp_path / "older")
    with enter(places) as house:
        take(house, b"two")
        house.replicate()
        back_up(house, tmp_path / "backup")
    monkeypatch.setenv("BWC_HOME", str(tmp_path / "another computer"))
    with enter(Places(vault=tmp_path / "older", stores=(place,))) as house:
        with pytest.raises(CheckpointRolledBack, match="holds a log of"):
            house.replicate()
        with pytest.raises(CheckpointRolledBack):
            back_up(house, tmp_path / "backup")
        for at in range(9):
            take(house, b"other %d" % at)
        with pytest.raises(LogForked):
            back_up(house, tmp_path / "backup")
    verify(tmp_path / "backup", tmp_path)


def test_one_rotten_object_does_not_stop_a_backup_and_is_named(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", *FOOTAGE)
    with enter(places) as house:
        rotten = house.objects(house.items()[1].item_id)[0].object_id
        with (places.vault / path_of(Shelf.OBJECTS, rotten)).open("r+b") as out:
            out.seek(1000)
            out.write(b"rot")
        done = back_up(house, tmp_path / "backup")
        assert (done.copied, len(done.damaged)) == (1, 1)
        with pytest.raises(IntegrityError, match=rotten):
            done.raise_if_damaged()


def test_what_was_replaced_goes_from_the_backup_too(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", b"one")
    deputy = LocalOperator.generate("deputy")
    with enter(places) as house:
        back_up(house, tmp_path / "backup")
        public = OperatorPublic(name="deputy", key=deputy.verify_key, recipient=deputy.recipient)
        house.enrol(public, roles=["records"])
        back_up(house, tmp_path / "backup")
        envelope = house.objects(house.items()[0].item_id)[0].envelope_sha256
    assert [path.stem for path in (tmp_path / "backup" / "envelopes").rglob("*.json")] == [envelope]
    verify(tmp_path / "backup", tmp_path)


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", b"one")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("")
    with enter(places) as house:
        for folder in (tmp_path / "full", places.vault / "backup", tmp_path):
            with pytest.raises(UsageError):
                back_up(house, folder)
    with pytest.raises(NotFound, match="holds no vault"):
        restore(from_folder(tmp_path / "full"), tmp_path / "again", CHIEF, seen=tmp_path / "seen")
    with pytest.raises(UsageError, match="not empty"):
        restore(from_folder(tmp_path / "full"), tmp_path / "full", CHIEF, seen=tmp_path / "seen")
