"""Destruction dies at every file call: it is never half-said, always finished by the next run, and no key opens what went."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bwc.canonical import sha256_hex
from bwc.config import Places, marks_dir
from bwc.custody import retaining
from bwc.custody.house import House
from bwc.custody.rebuilding import rebuild_catalog
from bwc.errors import (
    BwcError,
    Disposed,
    HoldInForce,
    NotAllowed,
    NotDue,
    NotFound,
    SecondPersonNeeded,
    UsageError,
)
from bwc.evidence import ObjectRole
from bwc.storage.envelope import parse_envelope
from bwc.storage.retention import Schedule
from bwc.storage.rows import ItemState
from tests.custody.disposals import (
    CHIEF,
    DEPUTY,
    DOCK,
    FOOTAGE,
    RECOVERY,
    SECRETS,
    bad,
    confirm,
    dispose,
    everything_on,
    first_item,
    judged,
    notes,
    order,
    public,
    take_in,
)
from tests.custody.test_rewrap import dying

pytestmark = pytest.mark.usefixtures("later")


def test_after_destruction_no_key_opens_it_and_verification_passes_with_the_tombstone_shown(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        item = first_item(places)
        objects = house.objects(item)
    kept = {one.object_id: one for one in objects}
    copy = places.vault.parent / "copy"
    shutil.copytree(places.vault, copy)
    dispose(places)
    for path in places.vault.joinpath("envelopes").rglob("*.json"):
        assert parse_envelope(path.read_bytes()).object_id not in kept
    for key in (CHIEF, DEPUTY, RECOVERY):
        with House.enter(places, CHIEF) as house:
            for one in objects:
                with pytest.raises(BwcError):
                    house._vault.open(one, key)
                with pytest.raises(NotFound):
                    house.read(one.object_id)
    for one in objects:  # and with the sealed bytes and manifests put back, as a lock of the store would have kept them
        for shelf, ending in (("objects", ""), ("manifests", ".json")):
            place = places.vault / shelf / one.object_id[:2] / (one.object_id + ending)
            assert not place.exists()
            shutil.copy(copy / place.relative_to(places.vault), place)
    for key in (CHIEF, DEPUTY, RECOVERY):
        with House.enter(places, CHIEF) as house:
            for one in objects:
                with pytest.raises(BwcError, match="envelope"):
                    house._vault.open(one, key)
    shutil.rmtree(copy)
    found = judged(places)
    assert (found.verdict, bad(found), notes(found)) == ("INTACT", [], [])
    assert "(1 destroyed by order)" in found.text()
    assert [one["item"] for one in found.to_json()["destroyed"]] == [item]  # type: ignore[index, call-overload, union-attr]


def test_nothing_of_people_is_left_in_the_vault(places: Places) -> None:
    before = everything_on(places)
    assert all(word.encode() in before for word in (*SECRETS[:3], sha256_hex(FOOTAGE)))
    dispose(places)
    after = everything_on(places)  # the catalog and its journal among it
    for word in (*SECRETS, sha256_hex(FOOTAGE)):
        assert word.encode() not in after, word


def test_the_catalog_is_the_same_when_it_is_made_again(places: Places) -> None:
    item = dispose(places)
    with House.enter(places, None) as house:
        before = (house.item(item), house.tombstone(item), house.destroyed(item), house.items())
    assert before[0].state is ItemState.DISPOSED
    for path in places.vault.glob("catalog.sqlite*"):
        path.unlink()
    done = rebuild_catalog(places, CHIEF)
    assert done.closed == 3  # ingested, opened, tagged
    with House.enter(places, None) as house:
        assert (house.item(item), house.tombstone(item), house.destroyed(item), house.items()) == before
    assert bad(judged(places)) == []


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_dying_at_file_calls_is_never_half_said(
    worked_on: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    at, died, seen = 0, True, set()
    ordered = Places(vault=tmp_path / "ordered")
    shutil.copytree(worked_on.vault, ordered.vault)
    name = order(ordered)
    item = first_item(ordered)
    while died:
        places = Places(vault=tmp_path / "vault")
        shutil.copytree(ordered.vault, places.vault)
        shutil.rmtree(marks_dir(), ignore_errors=True)  # the computer of the turn before signed another history
        died = dying(lambda places=places: confirm(places, name), at, monkeypatch)  # type: ignore[misc]
        after = judged(places)
        assert not bad(after), f"dead after change {at}"
        with House.enter(places, DEPUTY) as house:
            state = house.orders(name)[0].state
            left = sorted((places.vault / "envelopes").rglob("*.json"))
            seen.add((state, len(left)))
            assert state == "confirmed" or len(left) == 1  # what is said to be done is
            with pytest.raises(Disposed):
                house.segment(item, 0)
            house.finish_destruction()
            assert house.orders(name)[0].state == "done"
        finished = judged(places)
        assert (bad(finished), [one for one in notes(finished) if "destr" in one]) == ([], [])
        assert len(list((places.vault / "envelopes").rglob("*.json"))) == 1
        shutil.rmtree(tmp_path / "seen")
        shutil.rmtree(places.vault)
        at += step
    assert {state for state, _ in seen} == {"confirmed", "done"}  # the first change is the confirmation itself
    assert step > 1 or len({count for state, count in seen if state == "confirmed"}) == 4


def test_one_person_alone_destroys_nothing(places: Places) -> None:
    name = order(places)
    with House.enter(places, CHIEF) as house, pytest.raises(SecondPersonNeeded):
        house.confirm_order(name)
    with House.enter(places, CHIEF) as house:
        assert house.orders(name)[0].state == "ordered"
        assert house.trail(first_item(places))[-1].kind == "disposition.ordered"
        house.cancel_order(name, reason="a mistake")
    with House.enter(places, DEPUTY) as house, pytest.raises(UsageError, match="is cancelled"):
        house.confirm_order(name)
    assert bad(judged(places)) == []


def test_a_technician_orders_nothing(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        house.enrol(public(DOCK), roles=["technician"])
    for act in (
        lambda house: house.order_destruction([first_item(places)], reason="x"),
        lambda house: house.place_hold([first_item(places)], [], reason="x"),
        lambda house: house.set_schedule(Schedule()),
    ):
        with House.enter(places, DOCK) as house, pytest.raises(NotAllowed):
            act(house)
    assert bad(judged(places)) == []


def test_a_hold_that_comes_between_order_and_confirmation_wins(places: Places) -> None:
    item = first_item(places)
    name = order(places)
    with House.enter(places, DEPUTY) as house:
        hold = house.place_hold([item], ["26-9"], reason="Doe v. City")
    with House.enter(places, DEPUTY) as house, pytest.raises(HoldInForce, match=hold):
        house.confirm_order(name)
    with House.enter(places, DEPUTY) as house, pytest.raises(HoldInForce):
        house.order_erasure([house.trail(item)[0].seq], reason="a court")
    with House.enter(places, CHIEF) as house:
        with pytest.raises(NotFound):
            house.lift_hold("H-NOTHING", reason="")
        assert house.lift_hold(hold, reason="settled") == 2
    confirm(places, name)
    assert bad(judged(places)) == []


@pytest.mark.parametrize("early", [False, True])
def test_an_open_case_forbids_it_until_it_is_closed(places: Places, early: bool) -> None:
    with House.enter(places, CHIEF) as house:
        item = take_in(house, b"of a case", case=("26-SECRET",))
        with pytest.raises(HoldInForce, match="case 26-SECRET is open"):
            house.order_destruction([item], reason="x", early=early)
        with pytest.raises(NotFound):
            house.close_case("26-OTHER", note="")
        house.close_case("26-secret", note="pleaded")
        assert [one.why for one in house.verdicts([item], now=datetime.now(UTC) + timedelta(days=94))] == ["grace"]
        house.order_destruction([item], reason="x", early=early)
        house.open_case("26-SECRET", note="appeal")
    with House.enter(places, DEPUTY) as house, pytest.raises(HoldInForce):
        house.confirm_order(house.orders()[0].order)


def test_what_is_not_due_goes_only_early_and_by_two_people(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retaining, "datetime", datetime)
    with House.enter(places, CHIEF) as house, pytest.raises(NotDue, match="until"):
        house.order_destruction([first_item(places)], reason="x")
    name = order(places, early=True)
    confirm(places, name)
    found = judged(places)
    assert (bad(found), found.verdict) == ([], "INTACT")


def test_nothing_more_is_done_with_it(places: Places) -> None:
    item = dispose(places)
    with House.enter(places, CHIEF) as house:
        for act in (
            lambda: house.tag(item, {"officer": "B9"}, note=""),
            lambda: house.segment(item, 0),
            lambda: house.video_segments(item),
            lambda: house.latest(item, 0, ObjectRole.PLAN),
            lambda: house.sidecar(item, "x"),
            lambda: house.save_plan(item, 0, b"{}", made_from=None, facts={"segment": 0}, sheet=None, detected=False),
            lambda: house.order_destruction([item], reason="again"),
            lambda: house.place_hold([item], [], reason="too late"),
        ):
            with pytest.raises(Disposed):
                act()
        assert house.rewrap() == 0
        assert [one.kind for one in house.trail(item)][-3:] == [
            "disposition.ordered",
            "disposition.confirmed",
            "disposition.done",
        ]
        assert house.trail(item)[0].private is None
        assert house.trail(item)[-3].private == {"reason": "schedule"}
    found = judged(places)
    assert bad(found) == []
    assert len(list((places.vault / "envelopes").rglob("*.json"))) == 1  # the plan that came too late has no key
