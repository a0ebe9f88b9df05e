"""The attacks of the threat model, each caught in the step named here."""

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bwc.appending.writing import log_key
from bwc.audit.checkpoint import parse_checkpoint
from bwc.audit.event import EntrySignature, parse_entry
from bwc.audit.findings import MAX_PER_STEP, Grade
from bwc.audit.merkle import leaf_hash
from bwc.audit.verify import verify_log
from bwc.canonical import canonical
from bwc.errors import CheckpointRolledBack, IntegrityError, LogForked, ProofInvalid
from bwc.evidence import EventKind, Outcome
from bwc.identities import SeedSigner
from bwc.verifier.inspected import STEPS
from bwc.verifier.trail import ItemChains
from tests.audit.entries import encode_entry
from tests.audit.logs import (
    ADMIN,
    APPROVAL,
    CLERK,
    ITEM,
    ORIGIN,
    OTHER,
    STRANGER,
    TECH,
    VKEY,
    House,
    MemoryFiles,
    grown_house,
    operator,
    small_house,
)
from tests.audit.verifying import (
    HONEST,
    RAWS,
    again,
    bad_steps,
    edited,
    house_with,
    log_of,
    relinked,
    verified,
    without,
)


def test_an_honest_log_is_clean() -> None:
    report = verified(HONEST.files, VKEY, HONEST.rows)
    assert [one.grade for one in report.findings] == [Grade.OK] * 8
    assert [one.step for one in report.findings] == [1, 2, 3, 4, 5, 6, 7, 9]
    assert (report.pinned, report.entries, report.items, report.signatures) == (True, 12, 2, 12)
    assert set(STEPS) == set(range(1, 11))
    report.findings.raise_if_bad()


def test_without_a_key_it_is_consistent_with_itself_only() -> None:
    report = verify_log(HONEST.files, None)
    assert report.findings.count() == 0
    assert not report.pinned
    assert report.key == VKEY
    forger = log_of(RAWS, key=STRANGER)
    assert bad_steps(verify_log(forger, None)) == {1}


# --- by whoever can write to the folder -------------------------------------------------------------------


@pytest.mark.parametrize("every", [25, pytest.param(0, marks=pytest.mark.slow)])
def test_every_flipped_bit_of_every_file_is_caught(every: int) -> None:
    """A bit of each 25th byte by default, all bits when slow ones run. Nothing but findings comes out."""
    final = {path: data for path, data in HONEST.files.held.items() if not path.startswith("checkpoints/")}
    del final["tile/entries/000.p/5"], final["tile/entries/000.p/9"]  # of checkpoints that are not in force
    del final["tile/0/000.p/5"], final["tile/0/000.p/9"]
    for path, data in final.items():
        for bit in range(0, 8 * len(data), 8 * every + 1):
            broken = bytearray(data)
            broken[bit // 8] ^= 1 << bit % 8
            report = verify_log(MemoryFiles(final | {path: bytes(broken)}), VKEY, signatures=False)
            assert bad_steps(report) & ({1} if path == "checkpoint" else {3, 4}), (path, bit)


def test_a_flipped_bit_of_a_kept_checkpoint_is_caught() -> None:
    data = HONEST.files.held["checkpoints/9"]
    for bit in range(0, 8 * len(data), 41):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        files = MemoryFiles(HONEST.files.held | {"checkpoints/9": bytes(broken)})
        assert bad_steps(verify_log(files, VKEY, signatures=False)) == {2}


@pytest.mark.parametrize("path", ["checkpoint", "tile/entries/000.p/12", "tile/0/000.p/12"])
def test_a_deleted_file_is_named(path: str) -> None:
    files = MemoryFiles(HONEST.files.held)
    del files.held[path]
    found = [one for one in verify_log(files, VKEY).findings if one.grade is Grade.BAD]
    assert found[0].where == path


@pytest.mark.parametrize("data", [b"", b"\x00", b"x" * 40, bytes(32 * 13)])
def test_a_torn_or_longer_file_is_caught(data: bytes) -> None:
    for path in ("checkpoint", "tile/entries/000.p/12", "tile/0/000.p/12"):
        for content in (data, HONEST.files.held[path][:-1], HONEST.files.held[path] + data):
            if content != HONEST.files.held[path]:
                files = MemoryFiles(HONEST.files.held | {path: content})
                assert verify_log(files, VKEY).findings.count(), path


def test_a_swapped_checkpoint_of_another_time_is_a_rollback() -> None:
    files = MemoryFiles(HONEST.files.held | {"checkpoint": HONEST.files.held["checkpoints/9"]})
    assert 2 in bad_steps(verify_log(files, VKEY))


ATTACKS: list[tuple[str, Callable[[], MemoryFiles], int]] = [
    # by whoever holds the vault's key but no operator's: signatures and chains catch it
    ("edit", lambda: log_of(edited(5, b'"gaps":0', b'"gaps":1')), 6),
    ("delete a middle one", lambda: log_of(without(6)), 4),
    ("delete a middle one and mend the chain", lambda: log_of(relinked(without(6), sign=False)), 6),
    ("swap two", lambda: log_of([*RAWS[:5], RAWS[6], RAWS[5], *RAWS[7:]]), 4),
    ("swap two and mend the chain", lambda: log_of(relinked([*RAWS[:5], RAWS[6], RAWS[5], *RAWS[7:]], sign=False)), 6),
    ("duplicate", lambda: log_of([*RAWS, RAWS[11]]), 4),
    ("duplicate and mend the chain", lambda: log_of(relinked([*RAWS, RAWS[10]], sign=False)), 6),
    ("backdate", lambda: log_of(edited(5, b'"at":"2026-11-22T08:00:06', b'"at":"2026-11-21T08:00:06')), 6),
    ("insert", lambda: log_of([*RAWS[:6], RAWS[5], *RAWS[6:]]), 4),
    ("sign with another vault key", lambda: log_of(RAWS, key=STRANGER), 1),
    ("another vault's log, same key", lambda: log_of(RAWS, origin="log.example/other"), 1),
    ("its entries in a log of ours", lambda: log_of([again(parse_entry(raw), log="log.example/x") for raw in RAWS]), 4),
    ("no signature in its place", lambda: log_of(_with_signature(7, bytes(64))), 6),
    ("A's signature as B's", lambda: log_of(_with_signature(7, parse_entry(RAWS[8]).signatures[0].signature)), 6),
    ("by a key nobody enrolled", lambda: log_of(_appended(STRANGER, EventKind.ITEM_OPENED)), 6),
    ("another founder", lambda: log_of([again(parse_entry(RAWS[0]), by=STRANGER, actor=STRANGER.key_id)]), 6),
    ("two foundings", lambda: log_of(_appended(ADMIN, EventKind.VAULT_CREATED, parse_entry(RAWS[0]).facts)), 7),
    ("no founding", lambda: log_of([again(parse_entry(RAWS[1]), seq=0, prev="0" * 64)]), 7),
    # by operators who may not
    ("technician opens", lambda: log_of(_appended(TECH, EventKind.ITEM_OPENED, item=ITEM)), 7),
    ("clerk enrols", lambda: log_of(_appended(CLERK, EventKind.KEY_ENROLLED, {"operator": operator(STRANGER)})), 7),
    ("administrator approves", lambda: log_of(_appended(ADMIN, EventKind.COPY_APPROVED, APPROVAL, item=ITEM)), 7),
    ("clerk sets policy", lambda: log_of(_appended(CLERK, EventKind.POLICY_SET, {"policy": {"approvals": 0}})), 7),
    ("administrator's policy is nonsense", lambda: log_of(_appended(ADMIN, EventKind.POLICY_SET, {"policy": {"approvals": -1}})), 7),
    ("enrolment in a role there is not", lambda: log_of(_appended(ADMIN, EventKind.KEY_ENROLLED, {"operator": operator(STRANGER, "god")})), 7),
    ("revocation of a key there is not", lambda: log_of(_appended(ADMIN, EventKind.KEY_REVOKED, {"key": STRANGER.key_id})), 7),
    ("refusal that says ok", lambda: log_of(_appended(CLERK, EventKind.ACT_REFUSED, outcome=Outcome.OK)), 7),
    ("approval that failed", lambda: log_of(_appended(CLERK, EventKind.COPY_APPROVED, APPROVAL, outcome=Outcome.FAILED)), 7),
    # by operators colluding with the vault's key: the trail of the item tells
    ("item's event left out by its signers", lambda: log_of(_left_out_of_trail()), 5),
]  # fmt: skip


def _with_signature(number: int, signature: bytes) -> list[bytes]:
    entry = parse_entry(RAWS[number])
    by = EntrySignature("ed25519", entry.signatures[0].key, signature)
    return relinked([*RAWS[:number], encode_entry(entry.event, [by]), *RAWS[number + 1 :]], sign=False)[: number + 1]


def _appended(key: SeedSigner, kind: EventKind, facts: Any = None, **more: Any) -> list[bytes]:
    house = small_house()
    house.do(key, kind, facts, **more)
    return [row.entry for row in house.rows.held]


def _left_out_of_trail() -> list[bytes]:
    """Entry 8 (a check of the item) never was: all later ones are made and signed again, but for the item's count."""
    found = RAWS[:8]
    for raw in RAWS[9:]:
        entry = parse_entry(raw)
        found = [*found, again(entry, seq=len(found), prev=leaf_hash(found[-1]).hex())]
    return found


@pytest.mark.parametrize(("files", "step"), [pytest.param(*row[1:], id=row[0]) for row in ATTACKS])
def test_attack_is_caught_in_its_step(files: Callable[[], MemoryFiles], step: int) -> None:
    report = verify_log(files(), VKEY)
    assert step in bad_steps(report)
    with pytest.raises(IntegrityError) as caught:
        report.findings.raise_if_bad()
    assert caught.value.details


# --- by everybody together, against a checkpoint that an outsider kept --------------------------------------

SAVED = parse_checkpoint(HONEST.files.held["checkpoints/9"])[0]
REWRITES: list[tuple[str, Callable[[], list[bytes]], type[IntegrityError]]] = [
    ("edited", lambda: relinked(edited(5, b'"gaps":0', b'"gaps":1'), sign=True), LogForked),
    ("deleted", lambda: relinked(without(6), sign=True), LogForked),
    ("swapped", lambda: relinked([*RAWS[:5], RAWS[6], RAWS[5], *RAWS[7:]], sign=True), LogForked),
    ("inserted", lambda: relinked([*RAWS[:6], RAWS[5], *RAWS[6:]], sign=True), LogForked),
    ("truncated below it", lambda: RAWS[:8], CheckpointRolledBack),
    ("truncated below it and grown", lambda: relinked([*RAWS[:8], RAWS[5], RAWS[6]], sign=True), LogForked),
]


@pytest.mark.parametrize(("raws", "error"), [pytest.param(*row[1:], id=row[0]) for row in REWRITES])
def test_a_saved_checkpoint_catches_everybody_together(raws: Any, error: type[IntegrityError]) -> None:
    files = log_of(raws())
    assert bad_steps(verify_log(files, VKEY)) <= {7}  # nothing in the copy itself can tell
    report = verify_log(files, VKEY, SAVED)
    assert [one.error for one in report.findings if one.step == 2] == [error]


def test_the_limit_is_what_came_after_the_last_checkpoint_seen() -> None:
    """Truncated exactly to the saved size, or changed above it, by everybody together: only a later anchor tells."""
    assert not bad_steps(verify_log(log_of(RAWS[:9]), VKEY, SAVED))
    assert not bad_steps(verify_log(log_of(relinked(without(9), sign=True)[:10]), VKEY, SAVED))
    assert bad_steps(verify_log(log_of(RAWS[:9]), VKEY, parse_checkpoint(HONEST.files.held["checkpoint"])[0])) == {2}


def test_a_saved_checkpoint_of_another_log_is_refused() -> None:
    other = dataclasses.replace(SAVED, origin="log.example/other")
    assert bad_steps(verify_log(HONEST.files, VKEY, other)) == {2}


def test_kept_checkpoints_catch_a_fork_even_when_nobody_saved_one() -> None:
    files = log_of(relinked(without(6), sign=True))
    files.held["checkpoints/9"] = HONEST.files.held["checkpoints/9"]
    assert 2 in bad_steps(verify_log(files, VKEY))
    files.held["checkpoints/../../x"] = b""
    assert 2 in bad_steps(verify_log(files, VKEY))


# --- clocks, catalog, trails --------------------------------------------------------------------------------


def test_strange_clocks_are_noted_not_condemned() -> None:
    def skew(**by: float) -> Callable[[House], object]:
        def act(house: House) -> None:
            house.clock.skew += timedelta(**by)
            house.approve()

        return act

    for act in (skew(hours=-1), skew(hours=1), skew(days=20_000), skew(seconds=-3)):
        report = house_with(act)
        assert not bad_steps(report)
        assert [one.step for one in report.findings if one.grade is Grade.NOTE] == [4]


def test_catalog_and_log_are_compared() -> None:
    house = small_house()
    house.approve()
    report = verified(house.files, VKEY, house.rows)
    assert next(one.what for one in report.findings if one.step == 9).startswith("1 events are recorded")
    row = house.rows.held[5]
    house.rows.held[5] = dataclasses.replace(row, entry=row.entry.replace(b'"gaps":0', b'"gaps":1'))
    assert bad_steps(verified(house.files, VKEY, house.rows)) == {9}
    del house.rows.held[7:]
    assert verified(house.files, VKEY, house.rows).findings.count(9) == 6


def test_an_exported_trail_with_one_entry_left_out_is_caught() -> None:
    trail = [parse_entry(raw) for raw in RAWS if parse_entry(raw).item == ITEM]
    chains = ItemChains()
    for entry in trail:
        chains.verify_next(entry)
    for left_out in range(len(trail) - 1):
        chains = ItemChains()
        for entry in trail[:left_out]:
            chains.verify_next(entry)
        with pytest.raises(IntegrityError):
            chains.verify_next(trail[left_out + 1])
    swapped = ItemChains()
    swapped.verify_next(trail[0])
    with pytest.raises(IntegrityError):
        swapped.verify_next(parse_entry(again(trail[1], item_prev="2" * 64)))
    swapped.verify_next(parse_entry(RAWS[6]))  # another item begins its own
    assert parse_entry(RAWS[6]).item == OTHER


def test_a_flood_of_findings_is_counted_not_listed() -> None:
    house = grown_house(200)
    house.publish()
    house.rows.held = [dataclasses.replace(row, entry=b"") for row in house.rows.held]
    report = verified(house.files, VKEY, house.rows)
    listed = [one for one in report.findings if one.grade is Grade.BAD]
    assert len(listed) == MAX_PER_STEP + 1
    assert report.findings.count(9) == 200


def test_only_findings_come_out_of_a_strange_founding() -> None:
    first = parse_entry(RAWS[0])
    for facts in ({}, {"log": ORIGIN}, {"log": ORIGIN, "vkey": "x"}, first.facts | {"vkey": "x"}, {"vkey": 5}):
        files = log_of([again(first, facts=facts)])
        for key in (VKEY, None):
            assert verify_log(files, key).findings.count()


def test_another_key_in_the_first_entry_than_the_one_that_signs_is_caught() -> None:
    first = parse_entry(RAWS[0])
    facts = first.facts | {"vkey": log_key(ORIGIN, STRANGER).text()}
    report = verify_log(log_of([again(first, facts=facts)]), VKEY)
    assert [one.error for one in report.findings if one.step == 1 and one.grade is Grade.BAD] == [ProofInvalid]


def test_findings_have_a_stable_form() -> None:
    found = next(iter(verify_log(HONEST.files, VKEY).findings)).to_json()
    assert sorted(found) == ["grade", "step", "what", "where"]
    assert json.loads(canonical(found)) == found
