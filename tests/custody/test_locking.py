"""What a store that locks is told: terms of the schedule, legal holds; and what of an item stays there when it is destroyed."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bwc.config import Places, StorePlace
from bwc.custody.disposing import Left
from bwc.custody.house import House
from bwc.custody.replica import Replica, raise_unless_whole
from bwc.enrolment import OperatorPublic
from bwc.errors import HoldInForce, StorageError
from bwc.evidence import ItemId, parse_utc, utc_text
from bwc.identities import LocalOperator
from bwc.roles import Role
from bwc.storage.retention import Schedule
from bwc.storage.store import Lock, LockingStore, Shelf
from bwc.storage.stores import Store
from tests.custody.vaults import CHIEF, make_vault
from tests.suites.s3_server import KEY, SECRET, S3Server

DEPUTY = LocalOperator.generate("deputy")
DAY = timedelta(days=1)


@pytest.fixture
def place(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> StorePlace:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    prefix = f"l{secrets.token_hex(4)}"
    return StorePlace(
        name="cloud",
        bucket="locking",
        prefix=prefix,
        endpoint=s3_server.endpoint,
        region="us-east-1",
        lock="governance",
        lock_days=2,
    )


@pytest.fixture
def places(place: StorePlace, tmp_path: Path) -> Places:
    made = make_vault(tmp_path / "vault", b"the first", b"the second", stores=[place])
    with House.enter(made, CHIEF) as house:
        house.add_store("cloud")
    return made


def locks(house: House, store: Store, item: ItemId) -> set[Lock]:
    assert isinstance(store.shelves, LockingStore)
    return {
        store.shelves.lock_of(shelf, one.object_id)
        for one in house.objects(item)
        for shelf in (Shelf.OBJECTS, Shelf.MANIFESTS)
    }


def ends(house: House, store: Store, item: ItemId) -> tuple[datetime, datetime]:
    found = [one.until for one in locks(house, store, item) if one.until]
    return min(found), max(found)


def replicated(house: House, **how: Any) -> Replica:
    done = house.replicate(**how)
    raise_unless_whole(done)
    return done[0]


def keep(house: House, **terms: str) -> None:
    house.set_schedule(Schedule.parse({"grace_days": 3, "keep": terms}))


def test_a_copy_is_locked_as_long_as_the_longest_of_schedule_and_store(places: Places, place: StorePlace) -> None:
    with House.enter(places, CHIEF) as house:
        first, second = [row.item_id for row in house.items()]
        keep(house, traffic="90 days", homicide="until disposition", short="1 day")
        house.tag(second, {"category": "short, traffic"}, note="")
        assert replicated(house).locks.extended > 0
        store = house.open_store(place)
        begun = parse_utc(house.item(first).ingested_at)
        least, most = ends(house, store, first)
        assert timedelta(0) <= least - (begun + 90 * DAY) <= most - (begun + 90 * DAY) < timedelta(seconds=5)
        assert ends(house, store, second)[0] > begun + 89 * DAY
        assert replicated(house).locks.to_json() == {"extended": 0, "foreign": 0, "held": 0, "lifted": 0}


def test_without_a_date_the_store_locks_for_its_own_days_and_never_shortens(places: Places, place: StorePlace) -> None:
    with House.enter(places, CHIEF) as house:
        item = house.items()[0].item_id
        store = house.open_store(place)
        keep(house, traffic="until disposition")
        replicated(house)
        least, most = ends(house, store, item)
        assert abs(least - (datetime.now(UTC) + 2 * DAY)) < timedelta(minutes=2)
        assert most - least < timedelta(minutes=2)
        keep(house, traffic="30 days")
        assert replicated(house).locks.extended == 4
        longer = ends(house, store, item)
        assert longer[0] > datetime.now(UTC) + 29 * DAY
        keep(house, traffic="1 day")
        assert replicated(house).locks.extended == 0
        assert ends(house, store, item) == longer


def test_a_lock_that_was_never_set_is_set(places: Places, place: StorePlace) -> None:
    unlocked = Places(vault=places.vault, stores=(_with(place, lock="none", lock_days=0),))
    with House.enter(unlocked, CHIEF) as house:
        item = house.items()[0].item_id
        replicated(house)
        assert locks(house, house.open_store(place), item) == {Lock()}
        assert house.bring_locks() == []
    with House.enter(places, CHIEF) as house:
        assert replicated(house).locks.extended == 4
        assert ends(house, house.open_store(place), item)[0] > datetime.now(UTC) + DAY


def test_holds_are_set_and_taken_off_with_the_log(places: Places, place: StorePlace) -> None:
    with House.enter(places, CHIEF) as house:
        first, second = [row.item_id for row in house.items()]
        replicated(house)
        store = house.open_store(place)
        one = house.place_hold([first], [], reason="Doe v. City")
        assert house.held_by(one) == [first]
        assert house.bring_locks([first])[0].locks.held == 2
        assert {lock.hold for lock in locks(house, store, first)} == {True}
        assert {lock.hold for lock in locks(house, store, second)} == {False}
        two = house.place_hold([], ["26-1"], reason="internal affairs")
        assert set(house.held_by(two)) == {first, second}
        assert replicated(house).locks.held == 2
        house.lift_hold(one, reason="settled")  # the other still holds it
        assert house.bring_locks([first])[0].locks.lifted == 0
        assert {lock.hold for lock in locks(house, store, first)} == {True}
        house.lift_hold(two, reason="closed")
        assert replicated(house).locks.lifted == 4
        assert {lock.hold for lock in locks(house, store, first) | locks(house, store, second)} == {False}


def test_a_hold_set_in_the_bucket_by_others_is_left_and_said(places: Places, place: StorePlace) -> None:
    with House.enter(places, CHIEF) as house:
        item = house.items()[0].item_id
        replicated(house)
        store = house.open_store(place)
        assert isinstance(store.shelves, LockingStore)
        store.shelves.set_hold(Shelf.OBJECTS, house.objects(item)[0].object_id, on=True)
        assert replicated(house).locks.foreign == 1
        assert True in {lock.hold for lock in locks(house, store, item)}


def test_what_the_store_refuses_is_said_when_the_rest_is_done(
    places: Places, place: StorePlace, s3_server: S3Server
) -> None:
    """A copy under compliance cannot be made longer by a store that is told to lock by governance now."""
    strict = Places(vault=places.vault, stores=(_with(place, lock="compliance", lock_days=1),))
    with House.enter(strict, CHIEF) as house:
        first = house.items()[-1].item_id
        replicated(house, items=[first])
    with House.enter(places, CHIEF) as house:
        keep(house, traffic="30 days")
        (done,) = house.replicate()
        assert isinstance(done.problem, HoldInForce)
        assert "cannot be changed" in done.said
        assert done.locks.extended == 2
        assert done.pending == 0


def test_a_store_that_lost_a_copy_says_so(places: Places, place: StorePlace, s3_server: S3Server) -> None:
    with House.enter(places, CHIEF) as house:
        item = house.items()[0].item_id
        replicated(house)
        name = house.objects(item)[0].object_id
        s3_server.client().delete_object(
            Bucket="locking", Key=f"{place.prefix}/objects/{name[:2]}/{name}"
        )  # hidden: a lock keeps the version
        keep(house, traffic="30 days")
        (done,) = house.bring_locks()
        assert isinstance(done.problem, StorageError)
        assert done.locks.extended == 3


def test_destroyed_under_a_lock_the_keys_go_and_what_stays_is_said_with_its_end(
    places: Places, place: StorePlace, s3_server: S3Server
) -> None:
    with House.enter(places, CHIEF) as house:
        house.enrol(
            OperatorPublic(name="deputy", key=DEPUTY.verify_key, recipient=DEPUTY.recipient),
            roles=[Role.RECORDS, Role.ADMINISTRATOR],
        )
        item = house.items()[0].item_id
        house.close_case("26-1", note="")
        keep(house, traffic="90 days")
        held = house.place_hold([item], [], reason="Doe v. City")
        replicated(house)
        objects = house.objects(item)
        bodies = house._body_files_of(item)
        store = house.open_store(place)
        end = ends(house, store, item)[1]
        house.lift_hold(held, reason="settled")  # and the store never hears of it before the item is destroyed
        order = house.order_destruction([item], reason="court", early=True)
    with House.enter(places, DEPUTY) as house:
        house.confirm_order(order)
        done = replicated(house, items=[], clear=True)
        assert (done.locked, done.locked_until) == (len(objects), end)
        row = house.orders(order)[0]
        left = Left(objects=len(objects), is_locked=True, until=utc_text(end))
        assert house.left_in_stores(row) == {store.store_id: left}
        there = s3_server.client().list_object_versions(Bucket="locking", Prefix=place.prefix)
        keys = {one["Key"].rpartition("/")[2] for one in (*there["Versions"], *there.get("DeleteMarkers", ()))}
        for one in objects:
            assert f"{one.envelope_sha256}.json" not in keys
            assert one.object_id in keys
            assert isinstance(store.shelves, LockingStore)
            lock = store.shelves.lock_of(Shelf.OBJECTS, one.object_id)
            assert (lock.until, lock.hold) == (end, False)
        assert bodies
        assert not {f"{file}.json" for file in bodies} & keys
        # nothing makes the lock longer any more, and every run says what stays
        again = replicated(house)
        assert (again.locked, again.locked_until, again.locks.extended) == (len(objects), end, 0)


def _with(place: StorePlace, **more: Any) -> StorePlace:
    return StorePlace(**({name: getattr(place, name) for name in place.__dataclass_fields__} | more))
