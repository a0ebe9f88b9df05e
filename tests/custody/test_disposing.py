"""Destruction dies at every file call: it is never half-said, always finished by the next run, and no key opens what went."""

import io
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bwc.audit.checkpoint import NoteKey
from bwc.audit.findings import Grade
from bwc.audit.inspected import Inspection
from bwc.canonical import sha256_hex
from bwc.config import Places, marks_dir
from bwc.custody import retaining
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.custody.inspection import inspect
from bwc.custody.rebuilding import rebuild_catalog
from bwc.enrolment import OperatorPublic
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
from bwc.evidence import EvidenceItem, ItemId, ObjectRole, Segment
from bwc.keys import LocalOperator, RecoveryKey
from bwc.storage.envelope import parse_envelope
from bwc.storage.retention import Schedule
from bwc.storage.rows import ItemFilter, ItemState
from bwc.storage.shredding import ASTRAY_S
from tests.custody.test_rewrap import dying

CHIEF, DEPUTY, DOCK = (LocalOperator.generate(name) for name in ("chief", "deputy", "dock"))
RECOVERY = RecoveryKey.parse(RecoveryKey.generate())
SECRETS = ("B0-NOBODY", "X0-CAMERA", "holiday.mp4", "because of Jane Doe", "neighbour's name")
FOOTAGE = b"what the camera saw " * 1000
OTHER = b"another recording"
LATER = timedelta(days=120)


class Later(datetime):
    """The day on which the schedule has run out."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + LATER


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retaining, "datetime", Later)


def public(person: LocalOperator) -> OperatorPublic:
    return OperatorPublic(name=person.name, key=person.verify_key, recipient=person.recipient)


def take_in(
    house: House,
    data: bytes,
    *,
    case: tuple[str, ...] = (),
    category: str = "traffic",
    officer: str = "B0-NOBODY",
    camera: str = "X0-CAMERA",
    name: str = "holiday.mp4",
) -> ItemId:
    item = house.new_item()
    segment = Segment(name=name, sha256=sha256_hex(data), size_bytes=len(data), ordinal=0)
    with house.seal(io.BytesIO(data), item=item, role=ObjectRole.SEGMENT, segment=0) as held:
        house.record_ingest(
            EvidenceItem(
                item_id=item,
                officer_id=officer,
                camera_id=camera,
                case_ids=case,
                category=category,
                recorded_at=None,
                clock_offset_ms=None,
                segments=(segment,),
            ),
            held=[held],
            sidecars=[],
            vendor="generic",
            source="card",
        )
    return item


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Two items; the first was worked on: opened, tagged, a plan. A deputy with the role records."""
    places = Places(vault=tmp_path_factory.mktemp("filled") / "vault")
    with found(places, agency="Springfield PD", operator=CHIEF, recovery=RECOVERY.recipient) as house:
        house.enrol(public(DEPUTY), roles=["records", "administrator"])
        house.set_schedule(Schedule.parse({"grace_days": 5, "keep": {"traffic": "90 days"}}))
        item = take_in(house, FOOTAGE)
        take_in(house, OTHER, officer="B1", camera="X1", name="1.mp4")
        with house.open_original(item, 0, purpose="export", reason="because of Jane Doe") as source:
            assert source.read() == FOOTAGE
        house.save_plan(
            item, 0, b'{"plan":1}', facts={"plan_sha256": "a" * 64, "segment": 0}, sheet=b"jpeg", detected=True
        )
        house.tag(item, {"officer": "B0-NOBODY"}, note="neighbour's name")
    return places


@pytest.fixture
def places(filled: Places, tmp_path: Path) -> Iterator[Places]:
    shutil.copytree(filled.vault, tmp_path / "vault")
    yield Places(vault=tmp_path / "vault")
    shutil.rmtree(tmp_path / "vault")


def judged(places: Places) -> Inspection:
    with House.enter(places, None) as house:
        vkey = house.vkey
    return inspect(places, vkey=vkey, pins=(), seen=places.vault.parent / "seen", quick=False, share=1.0)


def bad(inspection: Inspection) -> list[str]:
    return [f"{one.where}: {one.what}" for one in inspection.log.findings if one.grade is Grade.BAD]


def notes(inspection: Inspection) -> list[str]:
    return [one.what for one in inspection.log.findings if (one.grade, one.step) == (Grade.NOTE, 8)]


def first_item(places: Places) -> ItemId:
    with House.enter(places, None) as house:
        return house.items(ItemFilter(disposed=True))[-1].item_id


def order(places: Places, **more: Any) -> str:
    with House.enter(places, CHIEF) as house:
        return house.order_destruction([first_item(places)], reason="schedule", **more)


def confirm(places: Places, name: str) -> None:
    with House.enter(places, DEPUTY) as house:
        house.confirm_order(name)


def dispose(places: Places) -> ItemId:
    item = first_item(places)
    confirm(places, order(places))
    return item


def everything_on(places: Places) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(places.vault.rglob("*")) if path.is_file())


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
    filled: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    at, died, seen = 0, True, set()
    ordered = Places(vault=tmp_path / "ordered")
    shutil.copytree(filled.vault, ordered.vault)
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
            lambda: house.save_plan(item, 0, b"{}", facts={"segment": 0}, sheet=None, detected=False),
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


def test_the_same_bytes_may_come_again_and_are_a_new_item(places: Places) -> None:
    gone = dispose(places)
    with House.enter(places, CHIEF) as house:
        assert house.find_content(sha256_hex(FOOTAGE)) is None
        assert not house.may_hold(len(FOOTAGE))
        again = take_in(house, FOOTAGE)
        assert again != gone
        house.prove(again)
    assert bad(judged(places)) == []


def test_what_lies_astray_goes_with_it(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object sealed for the item whose act never came, an intake interrupted long ago, one that goes on now."""
    import os
    import time

    item = first_item(places)
    with House.enter(places, CHIEF) as house:
        stray = house.seal(io.BytesIO(b"a half copy"), item=item, role=ObjectRole.COPY, segment=0).sealed
        old = house.seal(io.BytesIO(FOOTAGE), item=house.new_item(), role=ObjectRole.SEGMENT, segment=0).sealed
        young = house.seal(io.BytesIO(FOOTAGE), item=house.new_item(), role=ObjectRole.SEGMENT, segment=0).sealed
        before = time.time() - ASTRAY_S - 60
        for shelf, name in (("envelopes", old.envelope_sha256), ("manifests", old.object_id)):
            os.utime(places.vault / shelf / name[:2] / f"{name}.json", (before, before))
    dispose(places)
    left = {path.stem for path in places.vault.joinpath("envelopes").rglob("*.json")}
    assert young.envelope_sha256 in left
    assert not {stray.envelope_sha256, old.envelope_sha256} & left
    objects = {path.name for path in places.vault.joinpath("objects").rglob("*") if path.is_file()}
    assert not {stray.object_id, old.object_id} & objects


def test_a_backup_brings_keys_back_and_is_told_and_mended(places: Places) -> None:
    saved = {path: path.read_bytes() for path in places.vault.joinpath("envelopes").rglob("*.json")}
    dispose(places)
    for path, data in saved.items():
        path.write_bytes(data)
    found = judged(places)
    assert bad(found) == []
    assert sum("lies here (again)" in one for one in notes(found)) == 3
    with House.enter(places, DEPUTY) as house:
        house.finish_destruction(again=True)
    assert notes(judged(places)) == []


def test_an_envelope_that_nobody_ordered_gone_is_still_missed(places: Places) -> None:
    dispose(places)
    next(places.vault.joinpath("envelopes").rglob("*.json")).unlink()
    assert judged(places).verdict == "BAD"


def test_one_private_body_is_erased_by_order_and_every_proof_holds(places: Places) -> None:
    item = first_item(places)
    with House.enter(places, CHIEF) as house:
        trail = house.trail(item)
        tagged = next(one for one in trail if one.kind == "item.tagged")
        opened = next(one for one in trail if one.kind == "item.opened")
        with pytest.raises(NotFound):
            house.order_erasure([next(one.seq for one in trail if one.kind == "plan.saved")], reason="a court")
        name = house.order_erasure([tagged.seq, opened.seq], reason="court order 12 of 2027")
    with House.enter(places, CHIEF) as house, pytest.raises(SecondPersonNeeded):
        house.confirm_order(name)
    confirm(places, name)
    with House.enter(places, CHIEF) as house:
        erased = {one.seq: one.private for one in house.trail(item)}
        assert erased[tagged.seq] is None
        assert erased[opened.seq] is None
        assert erased[trail[0].seq] is not None
        assert house.content_digest(item, 0) == sha256_hex(FOOTAGE)  # the item itself is held as before
        house.prove(item)
        before = house.items()
    assert (bad(judged(places)), notes(judged(places))) == ([], [])
    assert b"neighbour" not in everything_on(places)
    rebuild_catalog(places, CHIEF)
    with House.enter(places, CHIEF) as house:
        assert house.items() == before
        with pytest.raises(UsageError, match="cannot be erased"):
            house.order_erasure([house.orders(name)[0].seq], reason="x")


def test_an_act_prepared_before_and_recorded_after_leaves_no_key(places: Places) -> None:
    item = first_item(places)
    name = order(places)
    with House.enter(places, CHIEF) as house:
        held = house.seal(io.BytesIO(b"a copy rendered meanwhile"), item=item, role=ObjectRole.COPY, segment=0)
        confirm(places, name)
        with pytest.raises(Disposed):
            house.record_copy(item, held, {"copy_sha256": "b" * 64, "plan_sha256": "a" * 64, "segment": 0}, segment=0)
    left = [parse_envelope(path.read_bytes()).item for path in places.vault.joinpath("envelopes").rglob("*.json")]
    assert item not in left
    assert bad(judged(places)) == []


def test_copies_in_a_further_store_are_destroyed_too_and_the_proof_says_until_when_not(
    places: Places, tmp_path: Path
) -> None:
    from bwc.config import StorePlace
    from bwc.oversight.destruction import proof_of, verify_destruction

    second = StorePlace(name="second", folder=tmp_path / "second")
    places = Places(vault=places.vault, stores=(second,))
    with House.enter(places, CHIEF) as house:
        house.enrol(public(DOCK), roles=["technician"])
        house.add_store("second")
        house.replicate()
        objects = house.objects(first_item(places))
    copied = {path.name for path in second.folder.rglob("*") if path.is_file()}  # type: ignore[union-attr]
    assert {one.object_id for one in objects} <= copied
    dispose(places)
    with House.enter(places, None) as house:
        (row,) = house.orders()
        before = proof_of(house, row)
        assert any("further store" in str(text) for text in before["remains"])  # type: ignore[union-attr]
    with House.enter(places, CHIEF) as house:
        (done,) = house.replicate([], clear=True)
        assert done.cleared >= 3 * len(objects)
    with House.enter(places, None) as house:
        after = proof_of(house, row)
        assert not any("further store" in str(text) for text in after["remains"])  # type: ignore[union-attr]
        verify_destruction(after, NoteKey.parse(house.vkey))
    left = {path.stem for path in second.folder.rglob("*") if path.is_file()}  # type: ignore[union-attr]
    assert not left & {one.object_id for one in objects}
    assert not left & {one.envelope_sha256 for one in objects}
    assert bad(judged(places)) == []


def test_a_body_whose_dropping_from_the_catalog_was_lost_does_not_come_back(places: Places) -> None:
    item = first_item(places)
    name = order(places)
    with House.enter(places, CHIEF) as house:
        house.tag(item, {"officer": "B0-NOBODY"}, note="said late")
        ((file, data),) = house._catalog.waiting_bodies()
    with House.enter(places, CHIEF) as house, house._catalog.transaction():
        house._catalog.add_waiting_body(file, data)  # as a power cut leaves it: on its shelf, and still waiting
    confirm(places, name)
    with House.enter(places, CHIEF) as house:
        assert house._catalog.waiting_bodies() == []
        house.note_heartbeat()
    assert not list((places.vault / "bodies").rglob(f"{file}.json"))
    assert data[:200] not in everything_on(places)
    assert (bad(judged(places)), notes(judged(places))) == ([], [])


def test_what_a_lock_of_the_store_keeps_stays_unreadable_and_is_said(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store with Object Lock refuses to delete objects and manifests; keys and private parts are never locked."""
    from bwc.oversight.destruction import proof_of, proof_text
    from bwc.storage.store import LocalStore, Shelf

    real = LocalStore.destroy

    def locked(self: LocalStore, shelf: Shelf, name: str) -> bool:
        return shelf not in (Shelf.OBJECTS, Shelf.MANIFESTS) and real(self, shelf, name)

    with House.enter(places, CHIEF) as house:
        objects = house.objects(first_item(places))
    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "destroy", locked)
        dispose(places)
    for one in objects:
        assert (places.vault / "objects" / one.object_id[:2] / one.object_id).exists()
        for key in (CHIEF, DEPUTY, RECOVERY):
            with House.enter(places, CHIEF) as house, pytest.raises(BwcError, match="envelope"):
                house._vault.open(one, key)
    found = judged(places)
    assert (found.verdict, bad(found), notes(found)) == ("INTACT", [], [])
    with House.enter(places, DEPUTY) as house:
        (row,) = house.orders()
        assert row.done_facts is not None
        assert row.done_facts["left"] == len(objects)
        assert f"{len(objects)} sealed objects that a lock of the store keeps" in proof_text(proof_of(house, row))
        house.finish_destruction(again=True)  # the lock has ended
    assert not any((places.vault / "objects" / one.object_id[:2] / one.object_id).exists() for one in objects)
