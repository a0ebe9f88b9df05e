"""A rotten vault is made whole from a copy: named, moved aside, put back, recorded; a rotten copy repairs nothing."""

from pathlib import Path

import pytest

from bwc.config import Places, StorePlace
from bwc.custody.backup import back_up
from bwc.custody.house import House
from bwc.custody.inspection import inspect
from bwc.custody.mending import mend
from bwc.errors import IntegrityError
from bwc.storage.store import Shelf, path_of
from tests.custody.test_replicating import FOOTAGE, kinds, place
from tests.custody.vaults import CHIEF, make_vault

__all__ = ["place"]


def verify(places: Places, tmp_path: Path) -> None:
    report = inspect(places, vkey=None, pins=(), seen=tmp_path / "nothing", quick=False, share=1)
    report.log.findings.raise_if_bad()


def rot(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)


def test_every_kind_of_file_is_put_back_from_a_store(place: StorePlace, tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", *FOOTAGE, stores=[place])
    with House.enter(places, CHIEF) as house:
        house.add_store("second")
        house.replicate()
        one = house.objects(house.items()[1].item_id)[0]
        other = house.objects(house.items()[0].item_id)[0]
        rot(places.vault / path_of(Shelf.OBJECTS, one.object_id))
        rot(places.vault / path_of(Shelf.MANIFESTS, one.object_id))
        rot(places.vault / path_of(Shelf.ENVELOPES, one.envelope_sha256))
        (places.vault / path_of(Shelf.OBJECTS, other.object_id)).unlink()
        rot(places.vault / path_of(Shelf.BODIES, sorted(house._catalog.body_ids())[0]))
        with pytest.raises(IntegrityError):
            verify(places, tmp_path)
        done = mend(house, "second")
        assert (len(done.repaired), done.open, done.checked) == (5, [], 2)
        assert kinds(house).count("item.damaged") == kinds(house).count("item.repaired") == 3
        assert mend(house, "second").repaired == []
    verify(places, tmp_path)
    assert len([path for path in (places.vault / "quarantine").rglob("*") if path.is_file()]) == 4


def test_a_backup_repairs_too_and_what_is_rotten_on_both_sides_stays_named(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", *FOOTAGE)
    with House.enter(places, CHIEF) as house:
        back_up(house, tmp_path / "backup")
        names = [house.objects(row.item_id)[0].object_id for row in house.items()]
        for name in names:
            rot(places.vault / path_of(Shelf.OBJECTS, name))
        rot(tmp_path / "backup" / path_of(Shelf.OBJECTS, names[0]))
        before = (places.vault / path_of(Shelf.OBJECTS, names[0])).read_bytes()
        done = mend(house, str(tmp_path / "backup"))
        assert done.repaired == [f"objects/{names[1]}"]
        assert [names[0] in one.message for one in done.open] == [True]
        assert (places.vault / path_of(Shelf.OBJECTS, names[0])).read_bytes() == before
