"""Rewrapping dies at every file call: verification has nothing against what is left, and the next run finishes."""

import io
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bwc.agent import connect, start_agent, stop_agent
from bwc.audit.findings import Grade
from bwc.canonical import sha256_hex
from bwc.config import Places, marks_dir
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.custody.inspection import Inspection, inspect
from bwc.custody.rebuilding import rebuild_catalog
from bwc.enrolment import OperatorPublic
from bwc.errors import IntegrityError, NotAllowed, StoreFull
from bwc.evidence import EventKind, ItemId, ObjectRole
from bwc.identities import LocalOperator, Operator, RecoveryKey
from bwc.recording import EvidenceItem, Segment
from bwc.storage import renewing
from bwc.storage.store import LocalStore, Shelf
from tests.custody.dying import Death, dying

CHIEF, DEPUTY = LocalOperator.generate("chief"), LocalOperator.generate("deputy")
DEPUTY_PUBLIC = OperatorPublic(name="deputy", key=DEPUTY.verify_key, recipient=DEPUTY.recipient)
FOOTAGE = (b"first " * 1000, b"second")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A vault with one item of two recordings, sealed to the chief and the recovery key."""
    places = Places(vault=tmp_path_factory.mktemp("filled") / "vault")
    with found(
        places, agency="Springfield PD", operator=CHIEF, recovery=RecoveryKey.parse(RecoveryKey.generate()).recipient
    ) as house:
        item = house.new_item()
        held = [
            house.seal(io.BytesIO(data), item=item, role=ObjectRole.SEGMENT, segment=at)
            for at, data in enumerate(FOOTAGE)
        ]
        house.record_ingest(described(item), held=held, sidecars=[], vendor="generic", source="card")
    return places


def described(item: ItemId) -> EvidenceItem:
    return EvidenceItem(
        item_id=item,
        officer_id="B1",
        camera_id="X1",
        case_ids=(),
        category="traffic",
        recorded_at=None,
        clock_offset_ms=None,
        segments=tuple(
            Segment(name=f"{at}.mp4", sha256=sha256_hex(data), size_bytes=len(data), ordinal=at)
            for at, data in enumerate(FOOTAGE)
        ),
    )


@pytest.fixture
def places(filled: Places, tmp_path: Path) -> Places:
    shutil.copytree(filled.vault, tmp_path / "vault")
    return Places(vault=tmp_path / "vault")


def judged(places: Places, seen: Path) -> Inspection:
    with House.enter(places, None) as house:
        vkey = house.vkey
    return inspect(places, vkey=vkey, pins=(), seen=seen, quick=False, share=1.0)


def bad(inspection: Inspection) -> list[str]:
    return [f"{one.where}: {one.what}" for one in inspection.log.findings if one.grade is Grade.BAD]


def notes(inspection: Inspection) -> list[str]:
    found = [one for one in inspection.log.findings if (one.grade, one.step) == (Grade.NOTE, 8)]
    return [f"{one.where}: {one.what}" for one in found]


def opened(places: Places, operator: LocalOperator) -> tuple[bytes, ...]:
    with House.enter(places, operator) as house:
        (row,) = house.items()
        house.prove(row.item_id)
        return tuple(house.read(one.object_id) for one in house.objects(row.item_id))


def enrol(places: Places) -> None:
    with House.enter(places, CHIEF) as house:
        house.enrol(DEPUTY_PUBLIC, roles=["records"])


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_dying_at_every_file_call_of_a_rewrap_leaves_nothing_to_accuse(
    filled: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    at, died, noted = 0, True, set()
    while died:
        places = Places(vault=tmp_path / "vault")
        shutil.copytree(filled.vault, places.vault)
        shutil.rmtree(marks_dir(), ignore_errors=True)  # the computer of the turn before signed another history
        died = dying(lambda places=places: enrol(places), at, monkeypatch)  # type: ignore[misc]
        after = judged(places, tmp_path / "seen")
        assert not bad(after), f"dead after change {at}"
        noted |= {one.rpartition(": ")[2] for one in notes(after)}
        assert opened(places, CHIEF) == FOOTAGE
        with House.enter(places, CHIEF) as house:
            if DEPUTY.key_id not in {row.key_id for row in house.operators()}:
                house.enrol(DEPUTY_PUBLIC, roles=["records"])
            house.rewrap()
        finished = judged(places, tmp_path / "seen")
        assert not bad(finished)
        assert not any("replaced" in one for one in notes(finished))
        assert opened(places, DEPUTY) == opened(places, CHIEF) == FOOTAGE
        shutil.rmtree(tmp_path / "seen")
        shutil.rmtree(places.vault)
        at += step
    assert at > 40  # two envelopes, two events with their bodies, the log key, tiles, the checkpoint, two erasures
    every = {"no published entry names it", "replaced by a later entry, not erased yet"}
    assert noted == every if step == 1 else noted <= every


def test_what_a_rewrap_that_died_left_unnamed_goes_a_day_later(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = House.act_together

    def dies(self: House, kind: EventKind, *words: Any, **more: Any) -> Any:
        if kind == EventKind.ITEM_REWRAPPED:
            raise Death
        return real(self, kind, *words, **more)

    monkeypatch.setattr(House, "act_together", dies)
    with pytest.raises(Death):
        enrol(places)
    monkeypatch.setattr(House, "act_together", real)
    left = notes(judged(places, tmp_path / "seen"))
    assert len(left) == len(FOOTAGE)
    stray = places.vault / "envelopes" / "ab" / f"{'ab' * 32}.json"
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("{}")
    with House.enter(places, CHIEF) as house:
        house.rewrap()  # who knows whether that process lives
    assert set(left) < set(notes(judged(places, tmp_path / "seen")))
    old = time.time() - 90_000
    for file in (places.vault / "envelopes").rglob("*.json"):
        os.utime(file, (old, old))
    with House.enter(places, CHIEF) as house:
        house.rewrap()
    after = judged(places, tmp_path / "seen")
    assert not bad(after)
    assert [one.partition(":")[0] for one in notes(after)] == [f"envelopes/{'ab' * 32}"]  # what cannot be read is named
    assert opened(places, CHIEF) == opened(places, DEPUTY) == FOOTAGE


def test_a_rewrap_that_slept_while_its_envelopes_were_cleared_away_makes_them_again(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, slept = House.act_together, []

    def sleeps(self: House, kind: EventKind, drafts: Any, **more: Any) -> Any:
        if kind == EventKind.ITEM_REWRAPPED and not slept:
            slept.append(True)
            for one in (one for draft in drafts for one in draft.objects):
                self._vault.erase_envelope(one.envelope_sha256)
        return real(self, kind, drafts, **more)

    monkeypatch.setattr(House, "act_together", sleeps)
    enrol(places)
    assert slept
    assert not bad(judged(places, tmp_path / "seen"))
    assert opened(places, CHIEF) == opened(places, DEPUTY) == FOOTAGE


def test_a_rewrap_erases_what_it_replaced_and_nothing_else(places: Places, tmp_path: Path) -> None:
    before = sorted((places.vault / "envelopes").rglob("*.json"))
    enrol(places)
    after = sorted((places.vault / "envelopes").rglob("*.json"))
    assert len(before) == len(after) == len(FOOTAGE)
    assert not set(before) & set(after)
    assert opened(places, DEPUTY) == FOOTAGE
    with House.enter(places, CHIEF) as house:
        house.revoke("deputy", note="left")
    with pytest.raises(NotAllowed):  # asked only of those to whom it is not wrapped
        opened(places, DEPUTY)
    found = judged(places, tmp_path / "seen")
    assert (found.verdict, notes(found)) == ("INTACT", [])


@pytest.mark.parametrize("kind", ["in memory", "at the agent"])
def test_helper_processes_rewrap_as_this_one_does(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(renewing, "_FEW", 0)
    monkeypatch.setattr(renewing, "_BATCH", 1)
    chief: Operator = CHIEF
    if kind == "at the agent":
        socket = Path(tempfile.mkdtemp()) / "s"
        start_agent(CHIEF, path=socket)
        held = connect(socket)
        assert held is not None
        chief = held
    told: list[tuple[int, int | None]] = []
    with House.enter(places, chief) as house:
        house.rewrap_progress = lambda done, total: told.append((done, total))
        assert house.enrol(DEPUTY_PUBLIC, roles=["records"]) == len(FOOTAGE)
        assert house.revoke("deputy", note="") == (DEPUTY.key_id, len(FOOTAGE))
        assert house.rewrap() == 0
        assert house._vault.store.size(Shelf.ENVELOPES, house.objects(house.items()[0].item_id)[0].envelope_sha256)
    if kind == "at the agent":
        stop_agent(socket)
    assert told[-1][0] == told[-1][1]
    assert opened(places, CHIEF) == FOOTAGE
    with pytest.raises(NotAllowed):  # asked only of those to whom it is not wrapped
        opened(places, DEPUTY)
    found = judged(places, tmp_path / "seen")
    assert (found.verdict, notes(found)) == ("INTACT", [])


def test_a_full_disk_in_a_helper_is_said_as_it_is(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    put_together = LocalStore.put_together

    def full(self: LocalStore, shelf: Shelf, documents: Mapping[str, bytes]) -> None:
        if shelf is Shelf.ENVELOPES:
            raise StoreFull("no space left", "df")
        put_together(self, shelf, documents)

    monkeypatch.setattr(renewing, "_FEW", 0)
    monkeypatch.setattr(LocalStore, "put_together", full)
    with House.enter(places, CHIEF) as house, pytest.raises(StoreFull) as error:
        house.enrol(DEPUTY_PUBLIC, roles=["records"])
    assert error.value.hint == "df"


def test_the_published_log_never_names_an_envelope_that_was_erased(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpublished(self: House) -> int:
        raise Death

    with monkeypatch.context() as patched:
        patched.setattr(House, "publish", unpublished)
        with pytest.raises(Death):
            enrol(places)
    assert len(list((places.vault / "envelopes").rglob("*.json"))) == 2 * len(FOOTAGE)
    assert not bad(judged(places, tmp_path / "seen"))
    for path in places.vault.glob("catalog.sqlite*"):  # nor does a catalog that is lost then cost anything
        path.unlink()
    rebuild_catalog(places, CHIEF)
    assert not bad(judged(places, tmp_path / "seen"))
    assert opened(places, CHIEF) == FOOTAGE


def test_a_reader_that_meets_a_rewrap_looks_again(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    with House.enter(places, CHIEF) as house:
        (row,) = house.items()
        name = house.objects(row.item_id)[0].object_id
        real, looks = house._vault.open, []

        def late(sealed: Any, unwrapper: Any) -> Any:
            if not looks:
                enrol(places)  # another process, between our look at the catalog and the envelope
            looks.append(sealed.envelope_sha256)
            return real(sealed, unwrapper)

        monkeypatch.setattr(house._vault, "open", late)
        assert house.read(name) == FOOTAGE[0]
        assert len(set(looks)) == 2
        house._vault.erase_envelope(looks[-1])
        with pytest.raises(IntegrityError, match=looks[-1]):
            house.read(name)


def test_a_verifier_that_meets_a_rewrap_looks_again(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bwc.verifier import inspected as inspection

    real, looks = inspection.verify_objects, []

    def late(*args: Any, **more: Any) -> None:
        if not looks:
            enrol(places)  # after the log was read, before what it names is
        looks.append(args)
        real(*args, **more)

    monkeypatch.setattr(inspection, "verify_objects", late)
    assert not bad(judged(places, tmp_path / "seen"))
    assert len(looks) == 2
    envelope = next((places.vault / "envelopes").rglob("*.json"))
    envelope.unlink()
    (found,) = bad(judged(places, tmp_path / "seen"))
    assert envelope.stem in found
    assert len(looks) == 3  # nobody wrote meanwhile: it is as it is
