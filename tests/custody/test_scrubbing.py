"""A share a night reads every object in turn, those read longest ago first."""

from pathlib import Path

import pytest

from bwc.config import Places
from bwc.custody.house import House
from bwc.custody.inspection import inspect
from bwc.custody.scrubbing import Readings
from bwc.errors import ConfigError
from bwc.storage.store import Shelf, path_of
from tests.custody.vaults import CHIEF, make_vault


def test_what_was_never_read_comes_first_then_the_oldest(tmp_path: Path) -> None:
    readings = Readings(tmp_path / "read.sqlite")
    objects = {"a": 10, "b": 10, "c": 10, "d": 10}
    seen: list[str] = []
    for _ in range(4):
        chosen = readings.oldest_first(objects, 0.25)
        assert len(chosen) == 1
        for name in chosen:
            readings.was_read(name)
            seen.append(name)
    assert sorted(seen) == sorted(objects)
    assert readings.oldest_first(objects, 0.25) == {seen[0]}
    assert readings.oldest_first(objects | {"new": 1}, 0.001) == {"new"}
    assert readings.oldest_first(objects, 1.0) == set(objects)
    assert readings.oldest_first({}, 1.0) == readings.oldest_first(objects, 0.0) == set()


def test_a_damaged_memory_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "read.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match=r"read\.sqlite"):
        Readings(tmp_path / "read.sqlite").oldest_first({"a": 1}, 1.0)


def test_rot_is_found_within_as_many_nights_as_there_are_shares(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", *(bytes([at]) * 1000 for at in range(5)))
    with House.enter(places, CHIEF) as house:
        vkey = house.vkey
        victim = house.objects(house.items()[2].item_id)[0].object_id
    file = places.vault / path_of(Shelf.OBJECTS, victim)
    file.chmod(0o600)
    file.write_bytes(b"rot" + file.read_bytes()[3:])
    found = [_night(places, vkey, tmp_path) for _ in range(5)]
    assert sorted(found) == [0, 0, 0, 0, 1]


def _night(places: Places, vkey: str, tmp_path: Path) -> int:
    report = inspect(places, vkey=vkey, pins=(), seen=tmp_path / "seen", quick=False, share=0.2)
    return report.log.findings.count()
