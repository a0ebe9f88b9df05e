"""Copies in further stores: N are proven or it is said that they are not; what must go goes there too."""

import json
import random
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from bwc.config import Places, StorePlace
from bwc.custody.house import House
from bwc.custody.inspection import inspect
from bwc.custody.rebuilding import rebuild_catalog
from bwc.custody.replica import raise_unless_whole
from bwc.enrolment import OperatorPublic
from bwc.errors import ConfigError, IntegrityError, NotFound, StorageError
from bwc.evidence import EventKind
from bwc.identities import LocalOperator
from bwc.storage.store import Shelf, path_of
from tests.custody.vaults import CHIEF, make_vault, take
from tests.suites.s3_server import KEY, SECRET, S3Server

FOOTAGE = (random.Random(1).randbytes(9 << 20), b"second")
Make = Callable[..., Places]


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StorePlace:
    """A place for copies: a folder beside the vault, or a bucket."""
    if request.param == "folder":
        return StorePlace(name="second", folder=tmp_path / "nas")
    server: S3Server = request.getfixturevalue("s3_server")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return StorePlace(
        name="second",
        bucket="locking",
        prefix=f"r{secrets.token_hex(4)}",
        endpoint=server.endpoint,
        region="us-east-1",
        lock="governance",
        lock_days=1,
    )


def enter(places: Places) -> House:
    return House.enter(places, CHIEF)


def kinds(house: House) -> list[str]:
    return [json.loads(house.entry(seq))["event"]["kind"] for seq in range(house.entries())]


def verified(places: Places, tmp_path: Path) -> list[str]:
    report = inspect(places, vkey=None, pins=(), seen=tmp_path / "seen", quick=False, share=1)
    report.log.findings.raise_if_bad()
    return [f"{one.where} {one.what}" for one in report.log.findings if one.grade == "note" and one.step == 8]


def test_copies_are_made_proven_recorded_and_survive_a_rebuild(place: StorePlace, tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", *FOOTAGE, stores=[place])
    with enter(places) as house:
        items = [row.item_id for row in house.items()]
        store = house.add_store("second")
        done = house.replicate()
        raise_unless_whole(done)
        assert (done[0].copied, done[0].pending) == (2, 0)
        assert house.proven_copies(items) == 2
        for item in items:
            for one in house.objects(item):
                assert b"".join(map(bytes, store.shelves.blocks(Shelf.OBJECTS, one.object_id)))
                assert store.shelves.get(Shelf.ENVELOPES, one.envelope_sha256)
        assert set(store.shelves.names(Shelf.BODIES)) == house._catalog.body_ids()
        assert [row.copied for row in house.stores()] == [2]
        assert kinds(house).count(EventKind.ITEM_COPIED) == 2
        assert house.replicate()[0].copied == 0
    rebuild_catalog(places, CHIEF)
    with enter(places) as house:
        assert [row.copied for row in house.stores()] == [2]
        assert house.replicate(again=True)[0].proven == 2
    assert verified(places, tmp_path) == []


def test_an_item_counts_only_when_its_store_answers_now(place: StorePlace, tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", b"one", stores=[place])
    with enter(places) as house:
        item = house.items()[0].item_id
        assert house.proven_copies([item]) == 1
        done = house.replicate([item])
        assert isinstance(done[0].problem, StorageError)
        assert "bwc stores add second" in done[0].problem.hint
        assert house.proven_copies([item]) == 1
        with pytest.raises(StorageError):
            raise_unless_whole(done)
        house.add_store("second")
        assert house.proven_copies([item]) == 1
        house.replicate([item])
        assert house.proven_copies([item]) == 2


def test_a_store_that_is_not_mounted_is_not_filled(tmp_path: Path) -> None:
    place = StorePlace(name="second", folder=tmp_path / "nas")
    places = make_vault(tmp_path / "vault", b"one", stores=[place])
    with enter(places) as house:
        house.add_store("second")
        (tmp_path / "nas").rename(tmp_path / "away")
        done = house.replicate()
        assert "mounted" in done[0].problem.hint if done[0].problem else False
        (tmp_path / "nas").mkdir()  # the empty mount point
        assert house.replicate()[0].problem
        assert list((tmp_path / "nas").iterdir()) == []


def test_one_place_under_two_names_is_one_copy(tmp_path: Path) -> None:
    stores = [StorePlace(name=name, folder=tmp_path / "nas") for name in ("one", "two")]
    places = make_vault(tmp_path / "vault", b"one", stores=stores)
    with enter(places) as house:
        house.add_store("one")
        house.add_store("two")
        done = house.replicate()
        assert isinstance(done[1].problem, ConfigError)
        assert house.proven_copies([house.items()[0].item_id]) == 2


def test_another_vaults_store_is_refused(tmp_path: Path) -> None:
    stores = [StorePlace(name="nas", folder=tmp_path / "nas")]
    with enter(make_vault(tmp_path / "first", stores=stores)) as house:
        house.add_store("nas")
    with enter(make_vault(tmp_path / "second", stores=stores)) as house:
        with pytest.raises(ConfigError, match="another vault"):
            house.add_store("nas")
        with pytest.raises(NotFound):
            house.add_store("cloud")


def test_a_damaged_copy_is_named_and_made_anew(place: StorePlace, tmp_path: Path, s3_server: S3Server) -> None:
    places = make_vault(tmp_path / "vault", *FOOTAGE, stores=[place])
    with enter(places) as house:
        house.add_store("second")
        house.replicate()
        for shelf in (Shelf.OBJECTS, Shelf.MANIFESTS, Shelf.ENVELOPES):
            big = max(house._catalog.documents(house.items()[1].item_id), key=lambda one: one.sealed.sealed_bytes)
            name = big.sealed.envelope_sha256 if shelf is Shelf.ENVELOPES else big.object_id
            _spoil(place, s3_server, path_of(shelf, name))
            done = house.replicate(again=True)
            assert len(done[0].damaged) == 1
            assert house.proven_copies([row.item_id for row in house.items()]) == 1
            assert [row.copied for row in house.stores()] == [1]
            with pytest.raises(IntegrityError, match=r"second: .*"):
                raise_unless_whole(done)
            raise_unless_whole(house.replicate(again=True, repair=True))
            assert house.proven_copies([row.item_id for row in house.items()]) == 2
        assert kinds(house).count(EventKind.ITEM_REPAIRED) == 3
    assert verified(places, tmp_path) == []


def _spoil(place: StorePlace, server: S3Server, path: str) -> None:
    if place.folder is not None:
        file = place.folder / path
        file.chmod(0o600)
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        return
    client, key = server.client(), f"{place.prefix}/{path}"
    data = bytearray(client.get_object(Bucket=place.bucket, Key=key)["Body"].read())
    data[len(data) // 2] ^= 1
    client.put_object(Bucket=place.bucket, Key=key, Body=bytes(data))


def test_rot_in_the_vault_is_never_copied(tmp_path: Path) -> None:
    place = StorePlace(name="second", folder=tmp_path / "nas")
    places = make_vault(tmp_path / "vault", *FOOTAGE, stores=[place])
    with enter(places) as house:
        house.add_store("second")
        one = house.objects(house.items()[1].item_id)[0]
        file = places.vault / path_of(Shelf.OBJECTS, one.object_id)
        with file.open("r+b") as out:
            out.seek(5 << 20)
            out.write(b"rot")
        done = house.replicate()
        assert len(done[0].damaged) == 1
        assert not (tmp_path / "nas" / path_of(Shelf.OBJECTS, one.object_id)).exists()
        assert EventKind.ITEM_DAMAGED not in kinds(house)


def test_new_envelopes_replace_the_old_ones_there_too(place: StorePlace, tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", b"one", stores=[place])
    deputy = LocalOperator.generate("deputy")
    with enter(places) as house:
        store = house.add_store("second")
        house.replicate()
        before = house.objects(house.items()[0].item_id)[0].envelope_sha256
        public = OperatorPublic(name="deputy", key=deputy.verify_key, recipient=deputy.recipient)
        house.enrol(public, roles=["records"])
        after = house.objects(house.items()[0].item_id)[0].envelope_sha256
        assert before != after
        assert [row.pending for row in house.stores()] == [1]
        done = house.replicate()
        raise_unless_whole(done)
        facts = json.loads(house.entry(house.entries() - 1))["event"]["facts"]
        assert (facts["envelopes"], facts["bodies"], facts["objects"]) == (1, 2, [])  # resealed to the deputy
        assert done[0].cleared == 3
        assert list(store.shelves.names(Shelf.ENVELOPES)) == [after]
        assert set(store.shelves.names(Shelf.BODIES)) == house._catalog.body_ids()
        assert EventKind.STORE_CLEARED in kinds(house)
    assert verified(places, tmp_path) == []


def test_a_run_that_dies_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = StorePlace(name="second", folder=tmp_path / "nas")
    places = make_vault(tmp_path / "vault", b"one", b"two", b"three", stores=[place])
    with enter(places) as house:
        house.add_store("second")
        seen: list[int] = []

        def stop(done: int, total: int | None) -> None:
            seen.append(done)
            if len(seen) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            house.replicate(progress=stop)
        assert 0 < house.stores()[0].pending < 3
    with enter(places) as house:
        take(house, b"four")
        assert raise_unless_whole(house.replicate()) is None
        assert house.stores()[0].pending == 0
