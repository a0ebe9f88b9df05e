"""Holds and destruction in a replay: two people, no hold, nothing afterwards; and only then may anything be absent."""

from typing import Any

import pytest

from bwc.audit.findings import Grade
from bwc.audit.log_report import LogReport
from bwc.audit.verify import verify_log
from bwc.evidence import EventKind as Kind
from tests.audit.logs import ADMIN, CLERK, ITEM, SECOND, STRANGER, TECH, VKEY, House, operator

ORDER = {"order": "D-1", "scope": "item"}


def house() -> House:
    made = House()
    made.found()
    made.ingest()
    return made


def judged(made: House) -> tuple[list[str], LogReport]:
    made.publish()
    report = verify_log(made.files, VKEY)
    return [one.what for one in report.findings if one.grade is Grade.BAD], report


def test_ordered_by_one_and_confirmed_by_another_is_a_tombstone() -> None:
    made = house()
    made.do(CLERK, Kind.DISPOSITION_ORDERED, ORDER, item=ITEM)
    confirmed = made.do(SECOND, Kind.DISPOSITION_CONFIRMED, ORDER, item=ITEM)
    found, report = judged(made)
    assert not found
    stone = report.standing.disposals.items[ITEM]
    assert (stone.confirmed, stone.done) == (confirmed.seq, None)
    done = made.do(SECOND, Kind.DISPOSITION_DONE, ORDER, item=ITEM)
    found, report = judged(made)
    assert not found
    assert report.standing.disposals.items[ITEM].done == done.seq


@pytest.mark.parametrize(
    ("acts", "said"),
    [
        ([(CLERK, Kind.DISPOSITION_CONFIRMED, ORDER)], "no open order"),
        ([(CLERK, Kind.DISPOSITION_ORDERED, ORDER), (CLERK, Kind.DISPOSITION_CONFIRMED, ORDER)], "the same person"),
        ([(CLERK, Kind.DISPOSITION_DONE, ORDER)], "nobody confirmed"),
        ([(CLERK, Kind.DISPOSITION_ORDERED, ORDER), (SECOND, Kind.DISPOSITION_DONE, ORDER)], "nobody confirmed"),
        ([(TECH, Kind.DISPOSITION_ORDERED, ORDER)], "by a key that is technician"),
        ([(CLERK, Kind.DISPOSITION_ORDERED, {"order": "D-1", "scope": "vault"})], "what it is about"),
        ([(CLERK, Kind.DISPOSITION_ORDERED, {"order": "D-1", "scope": "bodies"})], "what it is about"),
        (
            [(CLERK, Kind.HOLD_PLACED, {"hold": "H-1", "scope": "item"}), (CLERK, Kind.DISPOSITION_ORDERED, ORDER)],
            "under legal hold H-1",
        ),
        (
            [
                (CLERK, Kind.DISPOSITION_ORDERED, ORDER),
                (CLERK, Kind.HOLD_PLACED, {"hold": "H-1", "scope": "item"}),
                (SECOND, Kind.DISPOSITION_CONFIRMED, ORDER),
            ],
            "under legal hold H-1",
        ),
        ([(ADMIN, Kind.HOLD_LIFTED, {"hold": "H-1"})], "is not in force"),
        (
            [
                (CLERK, Kind.DISPOSITION_ORDERED, ORDER),
                (CLERK, Kind.DISPOSITION_CANCELLED, ORDER),
                (SECOND, Kind.DISPOSITION_CONFIRMED, ORDER),
            ],
            "no open order",
        ),
        (
            [
                (CLERK, Kind.DISPOSITION_ORDERED, ORDER),
                (SECOND, Kind.DISPOSITION_CONFIRMED, ORDER),
                (CLERK, Kind.ITEM_OPENED, {"purpose": "export", "segment": 0}),
            ],
            "destroyed",
        ),
        (
            [
                (CLERK, Kind.DISPOSITION_ORDERED, {"order": "D-1", "scope": "bodies", "erase": [{"commit": "a"}]}),
                (
                    SECOND,
                    Kind.DISPOSITION_CONFIRMED,
                    {"order": "D-1", "scope": "bodies", "erase": [{"commit": "a"}, {"commit": "b"}]},
                ),
            ],
            "something else than entry",
        ),
    ],
)
def test_what_the_rules_forbid_is_named(acts: list[tuple[Any, Kind, Any]], said: str) -> None:
    made = house()
    for key, kind, facts in acts:
        made.do(key, kind, facts, item=ITEM)
    found, _ = judged(made)
    assert len(found) == 1
    assert said in found[0]


def test_two_keys_of_one_person_are_one_person() -> None:
    made = house()
    made.do(ADMIN, Kind.KEY_ENROLLED, {"operator": operator(STRANGER, "records", replaces=CLERK.key_id)})
    made.do(CLERK, Kind.DISPOSITION_ORDERED, ORDER, item=ITEM)
    made.do(STRANGER, Kind.DISPOSITION_CONFIRMED, ORDER, item=ITEM)
    found, _ = judged(made)
    assert any("the same person" in one for one in found)


def test_a_lifted_hold_no_longer_bars() -> None:
    made = house()
    made.do(CLERK, Kind.HOLD_PLACED, {"hold": "H-1", "scope": "item"}, item=ITEM)
    made.do(CLERK, Kind.HOLD_PLACED, {"hold": "H-2", "scope": "case"})
    made.do(ADMIN, Kind.HOLD_LIFTED, {"hold": "H-1"}, item=ITEM)
    made.do(CLERK, Kind.DISPOSITION_ORDERED, ORDER, item=ITEM)
    made.do(SECOND, Kind.DISPOSITION_CONFIRMED, ORDER, item=ITEM)
    assert judged(made)[0] == []


def test_erased_bodies_may_be_absent_and_no_others() -> None:
    made = house()
    erase = {"order": "D-1", "scope": "bodies", "erase": [{"commit": "a" * 64, "kind": "item.ingested", "seq": 3}]}
    made.do(CLERK, Kind.DISPOSITION_ORDERED, erase, item=ITEM)
    confirmed = made.do(SECOND, Kind.DISPOSITION_CONFIRMED, erase, item=ITEM)
    opened = made.do(
        CLERK,
        Kind.ITEM_OPENED,
        {"purpose": "export", "segment": 0},
        item=ITEM,
        body={"commit": "b" * 64, "file": "b" * 64},
    )
    found, report = judged(made)
    assert not found
    disposals = report.standing.disposals
    assert disposals.bodies == {"a" * 64: confirmed.seq}
    assert disposals.may_miss_body(opened) is None
