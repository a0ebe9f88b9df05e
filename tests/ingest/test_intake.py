"""The technician's promise: "safe to wipe" only when it is true, and nothing that was done is lost."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bwc.canonical import canonical
from bwc.errors import DigestMismatch, IntegrityError, Interrupted, PartlyDone, SealBroken, StoreFull
from bwc.ingest.facts import Described
from bwc.ingest.receipt import State
from tests.ingest.worn import put_in

Take = Callable[..., Any]


def fill(card: Path, **files: bytes) -> None:
    for name, data in files.items():
        path = card / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_a_card_is_taken_in_and_safe_to_wipe(card: Path, house: Any, take: Take) -> None:
    fill(card, DCIM__A_MP4=b"first", DCIM__A_json=b"{}", DCIM__B_MP4=b"second", C_BIN=b"unknown kind")
    receipt = take()
    assert receipt.safe_to_wipe
    assert receipt.complete
    receipt.raise_if_incomplete()
    assert house.kinds() == ["ingest", "ingest", "ingest"]
    assert receipt.checkpoint == house.published > 0
    digests = {file.name: file.sha256 for line in receipt.lines for file in line.files}
    assert digests["DCIM/B.MP4"] == hashlib.sha256(b"second").hexdigest()
    assert len(digests) == 4
    item = house.events[0][1]["item"]
    assert (item.officer_id, item.camera_id, item.case_ids) == ("B1234", "X81234", ("26-1182",))
    assert all(held.is_forgotten for held in house.sealed)


def test_the_receipt_prints_and_has_a_canonical_form(card: Path, take: Take) -> None:
    fill(card, A_MP4=b"first")
    receipt = take()
    assert json.loads(canonical(receipt.to_json()))["safe_to_wipe"] is True
    text = receipt.text()
    assert "SAFE TO WIPE THE CARD: YES" in text
    assert hashlib.sha256(b"first").hexdigest() in text


def test_the_same_card_again_is_recorded_not_sealed(card: Path, house: Any, take: Take) -> None:
    fill(card, A_MP4=b"first", A_json=b"{}", B_MP4=b"second")
    take()
    before = len(house.sealed)
    receipt = take()
    assert len(house.sealed) == before
    assert house.kinds() == ["ingest", "ingest", "duplicate", "duplicate"]
    assert {line.state for line in receipt.lines} == {State.HELD}
    assert receipt.safe_to_wipe


def test_two_equal_files_on_one_card_share_one_object(card: Path, house: Any, take: Take) -> None:
    fill(card, A_MP4=b"same", B_MP4=b"same")
    receipt = take()
    assert [line.state for line in receipt.lines] == [State.NEW, State.HELD]
    assert receipt.lines[0].item == receipt.lines[1].item


def test_a_new_sidecar_of_a_held_recording_is_taken(card: Path, house: Any, take: Take) -> None:
    fill(card, A_MP4=b"first")
    take()
    fill(card, A_json=b'{"badge": "B1234"}')
    receipt = take()
    assert [line.state for line in receipt.lines] == [State.HELD, State.NEW]
    assert receipt.safe_to_wipe


def test_a_held_object_that_is_broken_is_taken_in_anew_and_exits_5(card: Path, house: Any, take: Take) -> None:
    fill(card, A_MP4=b"first")
    house.broken.add(take().lines[0].item)
    receipt = take()
    assert receipt.lines[0].state is State.NEW
    assert not receipt.safe_to_wipe
    old = next(iter(house.broken))
    assert receipt.lines[0].notes[0] == f"held again, because {old}, which holds it too, is damaged here: bwc verify"
    assert [told["rereads"] for kind, told in house.events if kind == "ingest"] == [None, old]
    with pytest.raises(DigestMismatch):
        receipt.raise_if_incomplete()
    again = take()  # the whole one is found, not made once more
    assert [(line.state, line.item) for line in again.lines] == [(State.HELD, receipt.lines[0].item)]


def test_empty_files_are_evidence_and_never_duplicates(card: Path, house: Any, take: Take) -> None:
    fill(card, A_MP4=b"", B_MP4=b"")
    receipt = take()
    assert receipt.safe_to_wipe
    assert [line.state for line in receipt.lines] == [State.NEW, State.NEW]
    assert receipt.lines[0].notes[0] == "A.MP4 is empty"


def test_a_file_that_grows_is_not_accepted(card: Path, house: Any, take: Take) -> None:
    fill(card, A_MP4=b"first", B_MP4=b"second")

    def grow(count: int) -> None:
        if count == 0:
            (card / "A.MP4").write_bytes(b"first and more")

    house.before_seal = grow
    receipt = take()
    assert {line.state for line in receipt.lines} == {State.NOT_TAKEN, State.NEW}
    assert not receipt.safe_to_wipe
    assert house.kinds() == ["ingest"]
    with pytest.raises(PartlyDone) as raised:
        receipt.raise_if_incomplete()
    assert raised.value.exit_code == 3
    assert raised.value.details == ({"name": "A.MP4"},)


def test_a_file_that_changes_after_it_was_read_is_noticed(card: Path, house: Any, take: Take) -> None:
    fill(card, A_MP4=b"first", B_MP4=b"second")

    def change(count: int) -> None:
        if count == 3:  # A, its facts, B, its facts
            (card / "A.MP4").write_bytes(b"other")
            (card / "C.MP4").write_bytes(b"new")

    house.before_seal = change
    receipt = take()
    assert not receipt.safe_to_wipe
    assert not receipt.complete
    assert "A.MP4 changed after it was read" in receipt.changes
    assert any(text.startswith("C.MP4 appeared") for text in receipt.changes)


def test_good_chapters_are_kept_when_one_cannot_be_read(card: Path, house: Any, take: Take) -> None:
    fill(card, GX010042_MP4=b"one", GX020042_MP4=b"two", GX030042_MP4=b"three")

    def spoil(count: int) -> None:
        if count == 1:
            (card / "GX020042.MP4").write_bytes(b"changed")

    house.before_seal = spoil
    receipt = take()
    item = house.events[0][1]["item"]
    assert [segment.name for segment in item.segments] == ["GX010042.MP4", "GX030042.MP4"]
    assert receipt.not_taken == ("GX020042.MP4",)
    assert not receipt.safe_to_wipe


def test_what_lay_beside_an_unreadable_recording_is_still_taken(card: Path, house: Any, take: Take) -> None:
    fill(card, A_MP4=b"first", A_json=b"{}")

    def spoil(count: int) -> None:
        if count == 0:
            os.truncate(card / "A.MP4", 2)

    house.before_seal = spoil
    receipt = take()
    assert [(line.state, line.files[0].name) for line in receipt.lines] == [
        (State.NOT_TAKEN, "A.MP4"),
        (State.NEW, "A.json"),
    ]


def test_a_link_out_of_the_card_stands_against_wiping(card: Path, take: Take) -> None:
    fill(card, A_MP4=b"first")
    (card / "out.mp4").symlink_to("/etc/hostname")
    receipt = take()
    assert not receipt.safe_to_wipe
    assert receipt.not_taken == ("out.mp4",)


def test_an_empty_card_is_not_safe_to_wipe(card: Path, take: Take) -> None:
    receipt = take()
    assert not receipt.safe_to_wipe
    assert receipt.complete


def test_policy_may_ask_for_more_copies(card: Path, house: Any, take: Take) -> None:
    from bwc.roles import Policy

    house.policy = Policy(copies=2)
    fill(card, A_MP4=b"first")
    receipt = take()
    assert receipt.complete
    assert receipt.objections == ("policy asks for 2 proven copies, 1 proven",)


@pytest.mark.parametrize("error", [StoreFull("no space left"), SealBroken("read back differs"), KeyboardInterrupt()])
def test_what_is_done_before_a_stop_is_recorded_and_published(
    card: Path, house: Any, take: Take, error: BaseException
) -> None:
    fill(card, A_MP4=b"first", B_MP4=b"second", C_MP4=b"third")

    def stop(count: int) -> None:
        if count == 2:
            raise error

    house.before_seal = stop
    receipt = take()
    assert house.kinds() == ["ingest"]
    assert receipt.checkpoint == house.published
    assert [line.state for line in receipt.lines] == [State.NEW, State.NOT_TAKEN, State.NOT_TAKEN]
    assert not receipt.safe_to_wipe
    expected = Interrupted if isinstance(error, KeyboardInterrupt) else type(error)
    with pytest.raises(expected):
        receipt.raise_if_incomplete()
    house.before_seal = lambda count: None
    assert take().safe_to_wipe
    assert house.kinds() == ["ingest", "duplicate", "ingest", "ingest"]


def test_interrupted_while_reading_media_facts_the_recording_is_held(card: Path, house: Any, take: Take) -> None:
    fill(card, A_MP4=b"first")

    def describe(content: BinaryIO, name: str) -> Described:
        raise KeyboardInterrupt

    receipt = take(describe=describe)
    assert house.kinds() == ["ingest"]
    assert receipt.lines[0].state is State.NEW
    assert not receipt.safe_to_wipe


def test_a_failing_probe_is_a_note(card: Path, take: Take) -> None:
    fill(card, A_MP4=b"first")

    def describe(content: BinaryIO, name: str) -> Described:
        raise ValueError("a bug in a parser")

    receipt = take(describe=describe)
    assert receipt.safe_to_wipe
    assert receipt.lines[0].notes == ("media facts are pending: ValueError; bwc catalog index reads them later",)


def test_a_broken_seal_seen_while_reading_facts_is_not_a_note(card: Path, take: Take) -> None:
    fill(card, A_MP4=b"first")

    def describe(content: BinaryIO, name: str) -> Described:
        raise SealBroken("segment 3 does not open")

    receipt = take(describe=describe)
    assert not receipt.safe_to_wipe
    with pytest.raises(IntegrityError):
        receipt.raise_if_incomplete()


def test_a_failed_publish_is_never_safe(card: Path, house: Any, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(card, A_MP4=b"first")

    def fail() -> int:
        raise StoreFull("no space left for tiles")

    monkeypatch.setattr(house, "publish", fail)
    receipt = take()
    assert not receipt.safe_to_wipe
    with pytest.raises(StoreFull):
        receipt.raise_if_incomplete()


def test_the_cameras_own_digest_must_agree(card: Path, take: Take) -> None:
    said = {"file": "A.MP4", "sha256": hashlib.sha256(b"what the camera wrote").hexdigest()}
    fill(card, A_MP4=b"what arrived", A_json=json.dumps(said).encode())
    receipt = take()
    assert receipt.lines[0].state is State.NEW  # held all the same: it is evidence
    assert receipt.complete
    assert not receipt.safe_to_wipe


def test_another_camera_in_the_sidecar_is_noted(card: Path, take: Take) -> None:
    fill(card, A_MP4=b"first", A_json=b'{"deviceSerial": "X99999"}')
    receipt = take()
    assert receipt.safe_to_wipe
    assert receipt.lines[0].notes == ("A.json names camera X99999, not X81234",)


def test_somebody_else_took_it_in_meanwhile(card: Path, house: Any, take: Take) -> None:
    from bwc.evidence import ItemId

    fill(card, A_MP4=b"first")
    theirs = ItemId("2026-1122-THEIRS")
    house.before_seal = lambda count: house.holders.update({hashlib.sha256(b"first").hexdigest(): [theirs]})
    receipt = take()
    assert house.kinds() == ["duplicate"]
    assert receipt.lines[0].item == theirs


def test_a_worn_file_is_held_with_its_gaps_and_the_card_kept(
    card: Path, house: Any, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(card, A_MP4=b"a" * 3000, B_MP4=b"b" * 2000)
    put_in(monkeypatch).wear(card / "A.MP4", range(2, 3))
    receipt = take()
    assert house.kinds() == ["ingest", "ingest"]
    assert receipt.lines[0].files[0].sha256 == hashlib.sha256(b"a" * 1024 + bytes(512) + b"a" * 1464).hexdigest()
    assert receipt.objections == (
        "A.MP4: one stretch could not be read (512 of 3,000 bytes, from byte 1,024); all else is held",
    )
    assert house.sealed[0].gaps[0].to_json() == {"bytes": 512, "cause": "EIO", "offset": 1024}
    assert "The card is worn" in receipt.text()
    assert receipt.to_json()["items"][0]["files"][0]["gaps"] == [{"bytes": 512, "cause": "EIO", "offset": 1024}]
    with pytest.raises(PartlyDone) as raised:
        receipt.raise_if_incomplete()
    assert raised.value.exit_code == 3


def test_a_card_pulled_mid_read_stops_the_intake_and_keeps_what_is_whole(
    card: Path, house: Any, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(card, A_MP4=b"a" * 9000, B_MP4=os.urandom(40_000), C_MP4=b"c" * 9000)
    worn = put_in(monkeypatch)
    second = (card / "B.MP4").stat().st_ino

    def pull(fd: int, offset: int) -> None:
        worn.is_out = worn.is_out or (os.fstat(fd).st_ino == second and offset > 20_000)

    worn.after = pull
    receipt = take()
    assert house.kinds() == ["ingest"]
    assert receipt.not_taken == ("B.MP4", "C.MP4")
    assert receipt.objections[0] == "stopped: the card went away while B.MP4 was read"
    with pytest.raises(PartlyDone, match="went away"):
        receipt.raise_if_incomplete()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_listed(card: Path, take: Take) -> None:
    fill(card, A_MP4=b"first", B_MP4=b"second")
    (card / "A.MP4").chmod(0)
    receipt = take()
    assert receipt.not_taken == ("A.MP4",)
    assert not receipt.safe_to_wipe


def test_progress_ends_at_the_size_of_the_card(card: Path, take: Take) -> None:
    fill(card, A_MP4=b"x" * 5000, B_MP4=b"x" * 5000)
    seen: list[tuple[int, int | None]] = []
    take(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (10000, 10000)
    assert seen == sorted(seen)


def test_the_card_is_not_changed(card: Path, take: Take) -> None:
    fill(card, A_MP4=b"first", D__B_MP4=b"second")
    before = {path: path.stat() for path in card.rglob("*")}
    take()
    assert {path: path.stat() for path in card.rglob("*")} == before
