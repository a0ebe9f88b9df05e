"""Destruction reaches what lies astray, backups, further stores and single private bodies, and says where it cannot."""

import io
import shutil
from pathlib import Path
from typing import Any

import pytest

from bwc.audit.checkpoint import NoteKey
from bwc.canonical import sha256_hex
from bwc.config import Places, StorePlace
from bwc.custody.house import House
from bwc.custody.rebuilding import rebuild_catalog
from bwc.errors import (
    BwcError,
    Disposed,
    NotFound,
    ProofInvalid,
    SecondPersonNeeded,
    UsageError,
)
from bwc.evidence import EventKind, ObjectRole
from bwc.oversight.destruction import proof_of, proof_text, verify_destruction
from bwc.storage.envelope import parse_envelope
from bwc.storage.shredding import ASTRAY_S
from tests.custody.disposals import (
    CHIEF,
    DEPUTY,
    DOCK,
    FOOTAGE,
    RECOVERY,
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

pytestmark = pytest.mark.usefixtures("later")


def test_the_same_bytes_may_come_again_and_are_a_new_item(places: Places) -> None:
    gone = dispose(places)
    with House.enter(places, CHIEF) as house:
        assert house.find_content(sha256_hex(FOOTAGE)) == []
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
        assert verify_destruction(after, NoteKey.parse(house.vkey)).tie.to
    left = {path.stem for path in second.folder.rglob("*") if path.is_file()}  # type: ignore[union-attr]
    assert not left & {one.object_id for one in objects}
    assert not left & {one.envelope_sha256 for one in objects}
    assert bad(judged(places)) == []


def test_the_proof_says_when_the_lock_of_a_further_store_ends(places: Places, tmp_path: Path) -> None:
    places = Places(vault=places.vault, stores=(StorePlace(name="second", folder=tmp_path / "second"),))
    with House.enter(places, CHIEF) as house:
        store = house.add_store("second").store_id
    dispose(places)
    facts: dict[str, Any] = {"bodies": 1, "envelopes": 1, "locked": 1, "objects": [], "store": store}
    for more, said in (
        ({}, "kept by a lock or a legal hold"),
        ({"locked_until": "2027-03-01T08:00:00.000000Z"}, "its lock, which ends at 2027-03-01T08:00:00Z at the latest"),
    ):
        with House.enter(places, CHIEF) as house:
            house.act(EventKind.STORE_CLEARED, None, facts | more, {})
            (row,) = house.orders()
            (text,) = [one for one in proof_of(house, row)["remains"] if "further store" in str(one)]  # type: ignore[union-attr]
        assert said in str(text)
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


def test_a_proof_by_a_key_that_the_log_gave_up_is_no_proof_to_whoever_saw_the_handover(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispose(places)
    stolen = Places(vault=tmp_path / "stolen")
    shutil.copytree(places.vault, stolen.vault)
    with House.enter(places, CHIEF) as house:
        old = NoteKey.parse(house.vkey)
        house.rekey_log(note="yearly")
        chain = house.key_chain()
        (row,) = house.orders()
        honest = proof_of(house, row)
    monkeypatch.setenv("BWC_HOME", str(tmp_path / "thief"))
    with House.enter(stolen, CHIEF) as house:
        for data in (b"two", b"three"):
            take_in(house, data)
        house.publish()
        forged = proof_of(house, row)
    for key in (old, chain.last):
        assert verify_destruction(honest, key, known=lambda _: chain).tie.to == old.name
    assert verify_destruction(forged, old).tie.to, "who never saw the handover cannot know"
    with pytest.raises(ProofInvalid, match="handed over otherwise than was seen"):
        verify_destruction(forged, old, known=lambda _: chain)
    assert not verify_destruction(honest, None).tie.to
