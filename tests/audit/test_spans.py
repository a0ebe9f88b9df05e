"""A log checked span by span, by one process or two, gives the findings that one reading gives."""

import random
from typing import Any

import pytest

from bwc.audit import verify as verifying
from bwc.audit.event import split_entries
from bwc.audit.findings import Finding
from bwc.audit.log_report import LogReport
from bwc.audit.replay import Replay
from bwc.audit.tiles import TILE, bundle_path, encode_bundle, parse_bundle
from bwc.audit.verify import verify_log
from bwc.errors import IntegrityError
from bwc.evidence import EventKind
from bwc.verifier.cores import over_cores
from tests.audit.logs import (
    ADMIN,
    CLERK,
    SECOND,
    STRANGER,
    VKEY,
    House,
    MemoryFiles,
    grown_house,
    operator,
    small_house,
)
from tests.audit.verifying import verified

RAWS = [row.entry for row in grown_house(1200).rows.held]


@pytest.fixture
def house() -> House:
    """1,300 entries; a key is enrolled, used and revoked in the middle of spans."""
    house = grown_house(700)
    house.do(ADMIN, EventKind.KEY_REVOKED, {"key": SECOND.key_id})
    house.publish()
    for number in range(599):
        house.do(CLERK, EventKind.ITEM_OPENED, {"n": number})
    house.publish()
    return house


def all_of(report: LogReport) -> set[Finding]:
    return set(report.findings)


def spied(monkeypatch: pytest.MonkeyPatch) -> list[Replay]:
    """The replays that verifications use from here on."""
    made: list[Replay] = []

    def make(*args: Any, **options: Any) -> Replay:
        made.append(Replay(*args, **options))
        return made[-1]

    monkeypatch.setattr(verifying, "Replay", make)
    return made


def altered(files: MemoryFiles, seq: int, old: bytes, new: bytes) -> MemoryFiles:
    path, width = (bundle_path(seq // TILE), TILE) if seq < 1280 else (bundle_path(5, 20), 20)
    raws = parse_bundle(files.held[path], width)
    assert old in raws[seq % TILE]
    raws[seq % TILE] = raws[seq % TILE].replace(old, new, 1)
    return MemoryFiles(files.held | {path: encode_bundle(raws)})


@pytest.mark.parametrize("seq", [0, 255, 256, 511, 699, 700, 701, 1299])
def test_spans_join_to_the_same_findings(house: House, seq: int, monkeypatch: pytest.MonkeyPatch) -> None:
    files = altered(house.files, seq, b'"outcome":"ok"', b'"outcome":"failed"')
    whole = verified(files, VKEY, house.rows, spread=over_cores(1))
    monkeypatch.setattr(verifying, "SPAN", TILE)
    assert all_of(verified(files, VKEY, house.rows, spread=over_cores(1))) == all_of(whole)
    assert whole.findings.count(3)
    assert whole.findings.count(6)
    assert whole.findings.count(9)


def test_two_processes_find_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "SPAN", TILE)
    monkeypatch.setattr(verifying, "FIRST", TILE)
    files = altered(house.files, 700, b'"outcome":"ok"', b'"outcome":"failed"')
    one, two = (verified(files, VKEY, house.rows, spread=over_cores(jobs)) for jobs in (1, 2))
    assert all_of(one) == all_of(two)
    assert one.findings.count()
    honest = verified(house.files, VKEY, house.rows, spread=over_cores(2))
    assert honest.findings.count() == 0
    assert honest.signatures == 1300


@pytest.mark.parametrize(("first", "late"), [(TILE, 65), (6 * TILE, 0)])
def test_only_spans_begun_before_a_key_was_enrolled_leave_its_signatures_to_the_replay(
    house: House, first: int, late: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.do(ADMIN, EventKind.KEY_ENROLLED, {"operator": operator(STRANGER, "records")})
    for number in range(300):
        house.do(STRANGER, EventKind.ITEM_OPENED, {"n": number})
    house.publish()
    monkeypatch.setattr(verifying, "SPAN", TILE)
    monkeypatch.setattr(verifying, "FIRST", first)
    replays = spied(monkeypatch)
    found = verify_log(house.files, VKEY, spread=over_cores(2))
    assert (found.findings.count(), found.signatures, replays[0].verified) == (0, 1601, late)


def test_a_revoked_key_is_caught_among_entries_without_effect(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.do(SECOND, EventKind.ITEM_OPENED, {"purpose": "late"})
    house.do(CLERK, EventKind.ITEM_OPENED, {"purpose": "good"})
    house.publish()
    for span in (TILE, 8192):
        monkeypatch.setattr(verifying, "SPAN", span)
        bad = [one for one in verify_log(house.files, VKEY, spread=over_cores(1)).findings if one.grade == "bad"]
        assert [(one.step, one.where) for one in bad] == [(6, "entry 1300")]


def test_many_entries_at_once_are_read_as_one_by_one() -> None:
    rng = random.Random(4)
    pieces = (b"", b'"', b"\n", b"{", b"}", b",", b"0", b"\\n", b"\xc3\xa9", b"\xff", b"null", b'"a":1,', b"Z", RAWS[9])
    for _ in range(400):
        some = [*rng.sample(RAWS, 3), small_house().rows.held[5].entry] if rng.random() < 0.02 else rng.sample(RAWS, 4)
        raw = bytearray(some[2])
        at = rng.randrange(len(raw))
        raw[at : at + rng.choice((0, 1, 1, 4))] = rng.choice(pieces)
        some[2] = bytes(raw)
        try:
            alone = [split_entries([one])[0] for one in some]
        except IntegrityError:
            with pytest.raises(IntegrityError):
                split_entries(some)
        else:
            assert list(zip(*split_entries(some)[0], strict=True)) == [next(zip(*one, strict=True)) for one in alone]


def test_two_entries_in_the_place_of_one_are_not_two() -> None:
    with pytest.raises(IntegrityError):
        split_entries([RAWS[5] + b"\n" + RAWS[6], b""])
    with pytest.raises(IntegrityError):
        split_entries([RAWS[5], b"junk" + RAWS[6]])


def test_an_unsound_key_in_an_enrolment_is_a_finding() -> None:
    house = small_house()
    facts = operator(CLERK, "records") | {"public": "AAAA"}
    house.do(ADMIN, EventKind.KEY_ENROLLED, {"operator": facts})
    house.publish()
    bad = [one.step for one in verify_log(house.files, VKEY).findings if one.grade == "bad"]
    assert bad == [7]
