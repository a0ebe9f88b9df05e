"""A release rests on approvals that were signed: what a table says of them lets nothing out."""

import io
from collections.abc import Sequence

import pytest

from bwc.canonical import Json
from bwc.config import Places
from bwc.custody.house import House
from bwc.errors import IntegrityError, NotApproved
from bwc.evidence import ItemId, ObjectRole
from tests.custody.disposals import CHIEF, first_item
from tests.custody.test_standing import tamper

COPY, PLAN, REPORT = "b" * 64, "a" * 64, "c" * 64
FACTS: dict[str, Json] = {"copy_sha256": COPY, "plan_sha256": PLAN, "report_sha256": REPORT, "segment": 0}


def render(house: House, item: ItemId) -> None:
    with house.seal(io.BytesIO(b"a copy"), item=item, role=ObjectRole.COPY, segment=0) as held:
        house.record_copy(item, held, {"copy_sha256": COPY, "plan_sha256": PLAN, "segment": 0}, segment=0)


def release(house: House, item: ItemId, approvals: Sequence[int], copy: str = COPY) -> int:
    facts: dict[str, Json] = {
        "approvals": list(approvals),
        "copies": [copy],
        "release": "R-1",
        "release_sha256": "d" * 64,
    }
    return house.record_release(item, facts, {"request": "", "requester": "", "to_folder": ""}).seq


def test_a_release_with_its_approval_goes_out(places: Places) -> None:
    item = first_item(places)
    with House.enter(places, CHIEF) as house:
        render(house, item)
        assert release(house, item, [house.record_approval(item, FACTS, {"note": ""})])


def test_an_approval_that_stands_in_a_table_alone_lets_nothing_out(places: Places) -> None:
    item = first_item(places)
    with House.enter(places, CHIEF) as house:
        render(house, item)
        tamper(
            places,
            f"INSERT INTO approvals VALUES (1, '{item}', 0, '{PLAN}', '{COPY}', '{REPORT}', '{CHIEF.key_id}', 'now', '')",
        )
        (row,) = house.approvals(COPY)
        with pytest.raises(IntegrityError, match="table approvals, entry 1: no entry of the log says so"):
            release(house, item, [row.seq])
        with pytest.raises(NotApproved):
            release(house, item, [])
        with pytest.raises(IntegrityError, match="never rendered here"):
            release(house, item, [], copy="e" * 64)
