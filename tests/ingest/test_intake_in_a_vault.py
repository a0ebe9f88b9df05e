"""The intake with the real door, vault and log behind it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bwc.config import Places
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.errors import IntegrityError, NotAllowed
from bwc.evidence import ObjectRole
from bwc.identities import LocalOperator, RecoveryKey
from bwc.ingest.facts import Described
from bwc.ingest.intake import take_in
from bwc.ingest.receipt import State
from bwc.ingest.sidecar_map import load_map
from bwc.ingest.tags import Rules, Tags
from tests.ingest.worn import put_in

TAGS = Tags(officer="B1234", camera="X81234", case_ids=("26-1182",))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[House]:
    operator = LocalOperator.generate("chief")
    recovery = RecoveryKey.parse(RecoveryKey.generate()).recipient
    with found(Places(vault=tmp_path / "vault"), agency="Example PD", operator=operator, recovery=recovery) as house:
        yield house


def facts(content: BinaryIO, name: str) -> Described:
    return Described(document={"name": name}, public={"readable": True, "frames": 7, "frames_lost": 0})


def take(house: House, card: Path, **more: Any) -> Any:
    return take_in(house, card, TAGS, describe=facts, **more)


def test_what_was_taken_in_is_listed_and_opens_to_the_same_bytes(vault: House, card: Path) -> None:
    (card / "D").mkdir()
    (card / "D" / "GX010001.MP4").write_bytes(b"chapter one")
    (card / "D" / "GX020001.MP4").write_bytes(b"chapter two")
    (card / "D" / "GX010001.THM").write_bytes(b"thumbnail")
    (card / "empty.mp4").write_bytes(b"")
    receipt = take(vault, card)
    assert receipt.safe_to_wipe
    assert receipt.checkpoint == vault.entries()
    item = receipt.lines[0].item
    row = vault.item(item)
    assert row.names == ("D/GX010001.MP4", "D/GX020001.MP4")
    assert (row.officer, row.vendor, row.case_ids) == ("B1234", "gopro", ("26-1182",))
    with vault.open_original(item, 1, purpose="export", reason="test", to="nowhere") as content:
        assert content.read() == b"chapter two"
    roles = sorted(one.role for one in vault.objects(item))
    assert roles == sorted([ObjectRole.SEGMENT] * 2 + [ObjectRole.SIDECAR] + [ObjectRole.FACTS] * 2)


def test_names_no_text_can_hold_are_held_escaped(vault: House, card: Path) -> None:
    (card / "\udcff\n.mp4").write_bytes(b"x")
    receipt = take(vault, card)
    assert receipt.safe_to_wipe
    assert vault.item(receipt.lines[0].item).names == ("\\xff\\x0a.mp4",)


def test_the_same_card_again_stores_nothing_new(vault: House, card: Path) -> None:
    (card / "A.MP4").write_bytes(b"first")
    (card / "A.json").write_bytes(b"{}")
    item = take(vault, card).lines[0].item
    objects = sorted((vault.places.vault / "objects").rglob("*"))
    receipt = take(vault, card)
    assert {line.state for line in receipt.lines} == {State.HELD}
    assert receipt.safe_to_wipe
    assert sorted((vault.places.vault / "objects").rglob("*")) == objects
    assert [event.kind for event in vault.trail(item)][-1] == "item.duplicate"


def test_a_held_object_that_rotted_is_found_out_and_the_card_kept(vault: House, card: Path) -> None:
    (card / "A.MP4").write_bytes(b"first" * 1000)
    item = take(vault, card).lines[0].item
    segment = next(one for one in vault.objects(item) if one.role is ObjectRole.SEGMENT)
    path = vault.places.vault / "objects" / segment.object_id[:2] / segment.object_id
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)
    receipt = take(vault, card)
    assert receipt.lines[0].state is State.NEW
    assert receipt.lines[0].item != item
    assert not receipt.safe_to_wipe
    with pytest.raises(IntegrityError):
        receipt.raise_if_incomplete()


def test_a_technician_takes_in_what_they_cannot_open(vault: House, card: Path, tmp_path: Path) -> None:
    from bwc.enrolment import OperatorPublic

    technician = LocalOperator.generate("dock")
    person = OperatorPublic(name="dock", key=technician.verify_key, recipient=technician.recipient)
    vault.enrol(person, roles=["technician"])
    (card / "A.MP4").write_bytes(b"first")
    with House.enter(vault.places, technician) as theirs:
        receipt = take(theirs, card)
        assert receipt.safe_to_wipe
        assert receipt.lines[0].notes == ()  # facts are read while the key is in memory
        segment = next(one for one in theirs.objects(receipt.lines[0].item) if one.role is ObjectRole.SEGMENT)
        with pytest.raises(NotAllowed):  # asked only where nothing is wrapped to their key
            theirs.read(segment.object_id)


def test_a_better_reading_of_a_worn_card_is_a_new_item_linked_to_the_first(
    vault: House, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(1 + at % 251 for at in range(30_000))
    (card / "A.MP4").write_bytes(content)
    worn = put_in(monkeypatch)
    worn.wear(card / "A.MP4", range(10, 12), range(20, 21))
    first = take(vault, card).lines[0].item
    worn.wear(card / "A.MP4", range(20, 21))
    second = take(vault, card)
    better = second.lines[0].item
    assert second.lines[0].state is State.NEW
    assert not second.safe_to_wipe
    worn.wear(card / "A.MP4")
    third = take(vault, card)
    whole = third.lines[0].item
    assert third.safe_to_wipe
    assert len({first, better, whole}) == 3
    assert [vault.item(one).gaps for one in (first, better, whole)] == [2, 1, 0]
    assert third.lines[0].notes[0] == f"reads better what is held with gaps as {better}"
    reread = vault.trail(first)[-1]
    assert (reread.kind, reread.facts) == ("item.reread", {"by": better, "gaps": 1})
    assert vault.trail(whole)[0].facts["rereads"] == better
    assert vault.segments(first)[0].media["damage"]["reread_by"] == better
    damage = vault.trail(first)[0].private["damage"][0]  # type: ignore[index]
    assert damage["gaps"] == [
        {"bytes": 1024, "cause": "EIO", "offset": 5120},
        {"bytes": 512, "cause": "EIO", "offset": 10240},
    ]
    assert [gap.offset for gap in vault.gaps(vault.segment(first, 0).object_id)] == [5120, 10240]
    with vault.open_original(first, 0, purpose="export") as source:
        opened = source.read()
    assert opened == content[:5120] + bytes(1024) + content[6144:10240] + bytes(512) + content[10752:]


def test_the_same_damage_again_is_held_already_and_the_card_still_kept(
    vault: House, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (card / "A.MP4").write_bytes(b"a" * 30_000)
    put_in(monkeypatch).wear(card / "A.MP4", range(10, 12))
    item = take(vault, card).lines[0].item
    receipt = take(vault, card)
    assert (receipt.lines[0].state, receipt.lines[0].item) == (State.HELD, item)
    assert not receipt.safe_to_wipe


def test_two_docks_that_read_one_card_at_once_make_one_item(vault: House, card: Path) -> None:
    """The other dock records the same bytes after we looked, before we record."""
    (card / "A.MP4").write_bytes(b"first")
    theirs = None
    record = vault.record_ingest

    def late(*words: Any, **more: Any) -> Any:
        nonlocal theirs
        vault.record_ingest = record  # type: ignore[method-assign]
        theirs = take(vault, card).lines[0].item
        return record(*words, **more)

    vault.record_ingest = late  # type: ignore[method-assign]
    receipt = take(vault, card)
    assert receipt.lines[0].state is State.HELD
    assert receipt.lines[0].item == theirs
    assert receipt.safe_to_wipe
    assert len(vault.items()) == 1


def test_what_a_mapped_sidecar_says_is_recorded_beside_what_was_typed(vault: House, card: Path, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text("[[sidecar]]\n[sidecar.fields]\nofficer = 'Wearer/ID'\nclock_offset = 'Drift'\n")
    (card / "A.MP4").write_bytes(b"first")
    (card / "A.xml").write_bytes(b"<r><Drift>2.5</Drift><Wearer><ID>B9</ID></Wearer></r>")
    known = load_map(tmp_path / "map.toml")
    receipt = take(vault, card, rules=Rules(known=known))
    assert receipt.safe_to_wipe
    assert receipt.lines[0].notes == ("A.xml names officer B9, not B1234", "the clock offset 2500 ms is from A.xml")
    row = vault.item(receipt.lines[0].item)
    assert (row.officer, row.clock_offset_ms) == ("B1234", 2500)
    body = vault.trail(row.item_id)[0].private
    assert body is not None
    assert body["said"] == [{"by": "A.xml", "clock_offset_ms": 2500}, {"by": "A.xml", "officer": "B9"}]
    assert body["map"] == known.sha256
