"""The log's own key handed over: followed from any key of the chain, offline; refused unless the old key signed it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from bwc.anchors.fork import ForkKind
from bwc.anchors.openssl_ts import check_stamp
from bwc.anchors.remembered import Remembered
from bwc.anchors.seen import Seen
from bwc.anchors.slip import read_slip, slip_text
from bwc.appending.writing import hand_over, log_key, sign_checkpoint
from bwc.audit.checkpoint import Checkpoint, Note, NoteKey
from bwc.audit.keychain import Handover, KeyChain, open_checkpoint, read_checkpoint
from bwc.audit.verify import verify_log
from bwc.errors import IntegrityError, ProofInvalid
from bwc.evidence import EventKind
from bwc.identities import SeedSigner
from bwc.verifier.inspected import judge
from bwc.verifier.package import examine_package
from tests.audit.logs import ADMIN, CLERK, LOG_KEY, ORIGIN, STRANGER, VKEY, House, MemoryFiles, signer, small_house
from tests.audit.verifying import bad_steps, verified
from tests.release.making import Maker

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "fixtures/vectors/rekey.json").read_bytes())
NEXT, THIRD = signer("the log's next key"), signer("and its third")
NEXT_KEY = log_key(ORIGIN, NEXT)


def rekeyed_house(*, compromised_s: int = 0) -> House:
    """Twelve events under the first key, three under the next."""
    house = small_house()
    house.rekey(NEXT, compromised_s=compromised_s)
    house.publish()
    house.approve()
    house.approve()
    house.publish()
    return house


# --- vectors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_key_of_the_chain_leads_to_the_vectors_checkpoints(number: int) -> None:
    key = NoteKey.parse(VECTORS["vkeys"][number])
    note = VECTORS["checkpoints"]["6"].encode()
    checkpoint, chain = read_checkpoint(note, key)
    assert checkpoint.size == 6
    assert [one.text() for one in chain.keys] == VECTORS["vkeys"]
    assert [chain.at(size).text() for size in (1, 3, 4, 5, 6)] == [VECTORS["vkeys"][at] for at in (0, 0, 1, 1, 2)]
    assert chain.handovers[1].compromised_s == VECTORS["compromised_s"]
    signers = [SeedSigner(base64.b64decode(seed)) for seed in VECTORS["seeds"]]
    assert sign_checkpoint(checkpoint, signers[2], chain.handovers) == note


def test_handovers_go_both_ways() -> None:
    for told, facts in zip(VECTORS["handovers"], VECTORS["facts"], strict=True):
        data = base64.b64decode(told)
        found = Handover.parse(data, VECTORS["origin"])
        assert found.to_bytes() == data
        assert Handover.of_entry(facts, log=VECTORS["origin"], seq=found.seq) == found
        with pytest.raises(ProofInvalid):
            Handover.of_entry(facts, log=VECTORS["origin"], seq=found.seq + 1)


@pytest.mark.parametrize("name", list(VECTORS["bad"]))
def test_what_the_vectors_call_bad_is_refused(name: str) -> None:
    with pytest.raises(IntegrityError):
        open_checkpoint(VECTORS["bad"][name].encode(), NoteKey.parse(VECTORS["vkeys"][0]))


def test_every_flipped_bit_of_a_handover_is_refused() -> None:
    data = base64.b64decode(VECTORS["handovers"][1])
    for bit in range(0, 8 * len(data), 7):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IntegrityError):
            Handover.parse(bytes(broken), VECTORS["origin"])


# --- a log ----------------------------------------------------------------------------------------------------


def test_a_log_is_verified_with_any_of_its_keys_and_with_none() -> None:
    house = rekeyed_house()
    for key in (VKEY, NEXT_KEY, None):
        report = verified(house.files, key, house.rows)
        assert not bad_steps(report)
        assert report.chain is not None
        assert report.chain.keys == (VKEY, NEXT_KEY)
    assert [one.where for one in report.findings if "gave way" in one.what] == ["entry 12"]


def test_a_key_is_handed_over_again_and_again_and_what_is_new_is_read_alone(tmp_path: Path) -> None:
    house = rekeyed_house()
    remembered = Remembered(tmp_path / "memory.sqlite", VKEY)
    verify_log(house.files, VKEY, remembered=remembered).remember()
    house.rekey(THIRD)
    house.approve()
    house.publish()
    again = Remembered(tmp_path / "memory.sqlite", VKEY)
    report = verify_log(house.files, VKEY, remembered=again, only_new=True)
    assert not bad_steps(report)
    assert report.since == 15


def test_a_rekey_by_the_new_key_alone_is_refused() -> None:
    """Whoever can write entries, but does not hold the old key, makes no new key of the log."""
    house = small_house()
    true = hand_over(seq=12, origin=ORIGIN, old=LOG_KEY, new=NEXT)
    other = hand_over(seq=12, origin=ORIGIN, old=STRANGER, new=NEXT)
    told = base64.b64encode(
        true.to_bytes()[:80] + other.to_bytes()[80:]
    ).decode()  # the old key's signature is another's
    house.do(ADMIN, EventKind.LOG_REKEYED, true.facts() | {"handover": told})
    house.publish_as_forger(NEXT)
    assert 1 in bad_steps(verify_log(house.files, VKEY))
    assert 7 in bad_steps(verify_log(house.files, NEXT_KEY))


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts | {"vkey": VKEY.text()},
        lambda facts: facts | {"compromised_from": "2026-11-22T08:00:00.000000Z"},
        lambda facts: {"vkey": facts["vkey"]},
        lambda facts: facts | {"handover": "AAAA"},
        lambda facts: facts | {"handover": None},
    ],
)
def test_an_entry_that_says_another_thing_than_its_handover_is_bad(change: Any) -> None:
    house = small_house()
    facts = hand_over(seq=12, origin=ORIGIN, old=LOG_KEY, new=NEXT).facts()
    house.do(ADMIN, EventKind.LOG_REKEYED, change(facts))
    house.publish_as_forger(LOG_KEY)
    assert 7 in bad_steps(verify_log(house.files, VKEY))


def test_only_an_administrator_hands_the_log_over() -> None:
    house = small_house()
    house.do(CLERK, EventKind.LOG_REKEYED, hand_over(seq=12, origin=ORIGIN, old=LOG_KEY, new=NEXT).facts())
    house.publish_as_forger(NEXT, hand_over(seq=12, origin=ORIGIN, old=LOG_KEY, new=NEXT))
    assert {1, 7} <= bad_steps(verify_log(house.files, VKEY))


def test_the_old_key_signs_no_more() -> None:
    house = rekeyed_house()
    house.log_key = LOG_KEY
    house.approve()
    with pytest.raises(ProofInvalid):
        house.publish()
    forged = sign_checkpoint(
        Checkpoint(ORIGIN, 15, open_checkpoint(house.files.held["checkpoint"], VKEY).root), LOG_KEY
    )
    files = MemoryFiles(house.files.held | {"checkpoint": forged})
    assert 1 in bad_steps(verify_log(files, VKEY))  # its entries name another key
    kept = MemoryFiles(house.files.held | {"checkpoints/15": forged})
    assert bad_steps(verify_log(kept, VKEY)) == {2}


def test_handovers_that_are_not_in_the_log_are_bad() -> None:
    house = small_house()
    house.publish_as_forger(NEXT, hand_over(seq=11, origin=ORIGIN, old=LOG_KEY, new=NEXT))
    assert 1 in bad_steps(verify_log(house.files, VKEY))


def test_what_rests_on_a_stolen_key_is_flagged() -> None:
    house = rekeyed_house(compromised_s=1_795_334_411)  # 08:00:11, as of the eleventh event
    report = verify_log(house.files, VKEY)
    assert not bad_steps(report)
    assert [one.where for one in report.findings if "rest on a key" in one.what] == ["entry 12"]


# --- who saw it before ------------------------------------------------------------------------------------------


def test_who_saw_the_handover_catches_the_old_key_and_the_rollback(tmp_path: Path) -> None:
    house, before = rekeyed_house(), small_house()
    memory = Seen(tmp_path, ORIGIN)
    assert memory.look(before.files.held["checkpoint"], VKEY, before.files) == []
    assert memory.look(house.files.held["checkpoint"], VKEY, house.files) == []
    assert memory.chain() == KeyChain(VKEY, (hand_over(seq=12, origin=ORIGIN, old=LOG_KEY, new=NEXT),))
    back = memory.look(before.files.held["checkpoint"], VKEY, before.files)
    assert [one.kind for one in back] == [ForkKind.SHORTER]
    on = small_house()  # the thief of the old key goes on from before the handover
    for _ in range(5):
        on.approve()
    on.publish()
    found = memory.look(on.files.held["checkpoint"], VKEY, on.files)
    assert [one.kind for one in found] == [ForkKind.OTHER_KEYS]
    assert found[0].is_of(VKEY)
    assert not found[0].is_of(NEXT_KEY)
    found[0].verify()
    assert type(found[0]).parse(found[0].to_bytes()) == found[0]


def test_a_slip_of_before_and_one_of_after_hold_the_log_to_them() -> None:
    house = rekeyed_house()
    for note in (small_house().files.held["checkpoint"], house.files.held["checkpoint"]):
        slip = read_slip(slip_text(note, VKEY).encode(), "slip")
        report = judged(house, [("slip", slip)])
        assert report == "INTACT"
    thief = small_house()
    thief.rekey(THIRD)
    thief.publish()
    assert judged(house, [("slip", thief.files.held["checkpoint"])]) == "BAD"


def judged(house: House, against: list[tuple[str, bytes]]) -> str:
    return judge(
        house.files, key=VKEY, agency="", memory=None, rows=None, objects=None, share=1, check_stamp=check_stamp,
        against=against,
    ).verdict  # fmt: skip


# --- packages ------------------------------------------------------------------------------------------------------


def test_packages_of_before_and_after_are_the_agencys(tmp_path: Path) -> None:
    maker = Maker()
    before = maker.make(tmp_path / "before").folder
    maker.rekey(NEXT)
    after = maker.make(tmp_path / "after").folder
    for key in (VKEY, NEXT_KEY):
        report = examine_package(after, key=key)
        assert report.verdict == "ours", report.text()
        assert report.key == VKEY
    assert examine_package(before, key=VKEY).verdict == "ours"
    # whoever has only the new key learns from anything newer that the old one was the log's
    assert examine_package(before, key=NEXT_KEY).verdict == "bad"
    chain = KeyChain.of_note(Note.parse(maker.house.files.held["checkpoint"]), NEXT_KEY)
    assert examine_package(before, key=NEXT_KEY, known=lambda _: chain).verdict == "ours"
    assert examine_package(before, key=VKEY, known=lambda _: chain).verdict == "ours"


def test_a_package_by_the_old_key_after_the_handover_is_a_forgery_to_who_saw_it(tmp_path: Path) -> None:
    true, thief = Maker(), Maker()
    true.rekey(NEXT)
    chain = KeyChain.of_note(Note.parse(true.house.files.held["checkpoint"]), VKEY)
    forged = thief.make(tmp_path / "forged").folder
    assert examine_package(forged, key=VKEY).verdict == "ours"  # only who saw the handover, or an outsider, can tell
    report = examine_package(forged, key=VKEY, known=lambda _: chain)
    assert report.verdict == "bad"
    assert [one.step for one in report.findings] == [8]


def test_a_package_of_after_the_theft_is_tied_to_nobody(tmp_path: Path) -> None:
    maker = Maker()
    before = maker.make(tmp_path / "before").folder
    maker.rekey(NEXT, compromised_s=1_795_334_401)
    chain = KeyChain.of_note(Note.parse(maker.house.files.held["checkpoint"]), VKEY)
    report = examine_package(before, key=VKEY, known=lambda _: chain)
    assert report.verdict == "not-tied"
    assert "somebody else may have held" in report.text()
