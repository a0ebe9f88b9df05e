"""Going on from an earlier verification gives the verdict of a whole one, and never believes another log."""

import random
from pathlib import Path

import pytest

from bwc.anchors.remembered import Remembered
from bwc.audit.log_report import LogReport
from bwc.audit.verify import verify_log
from bwc.errors import CheckpointRolledBack, ConfigError, LogForked
from bwc.evidence import EventKind, ItemId
from tests.audit.logs import ADMIN, CLERK, SECOND, VKEY, House, grown_house
from tests.audit.verifying import verified


def looked(house: House, path: Path, *, new: bool = True) -> LogReport:
    report = verified(house.files, VKEY, house.rows, remembered=Remembered(path, VKEY), only_new=new)
    report.remember()
    return report


@pytest.mark.parametrize("start", [5, 255, 256, 257, 700, 768])
def test_only_what_is_new_is_read_and_the_verdict_is_that_of_the_whole(tmp_path: Path, start: int) -> None:
    rows, rng = grown_house(1100).rows.held, random.Random(start)
    house, path = House(), tmp_path / "seen" / "log.sqlite"
    size = start
    while True:
        house.rows.held = rows[:size]
        house.publish()
        before = Remembered(path, VKEY).head
        report, whole = looked(house, path), verify_log(house.files, VKEY)
        assert [one for one in report.findings if one.grade != "ok"] == []
        assert report.since == (before.size if before else 0)
        assert report.signatures == size - report.since
        assert (report.entries, report.items, report.last_at) == (whole.entries, whole.items, whole.last_at)
        if size == len(rows):
            break
        size = min(len(rows), size + rng.choice([1, 2, 255, 256, 300]))
    again = looked(house, path)
    assert again.findings.count() == 0
    assert again.signatures == 0


def test_what_was_in_force_still_is(tmp_path: Path) -> None:
    house, path = grown_house(400), tmp_path / "log.sqlite"
    house.ingest()
    house.render()
    first = house.approve(CLERK)
    house.do(ADMIN, EventKind.KEY_REVOKED, {"key": SECOND.key_id})
    house.publish()
    looked(house, path)
    house.release(first)
    house.do(SECOND, EventKind.ITEM_OPENED, {})
    house.publish()
    bad = [(one.step, one.what) for one in looked(house, path).findings if one.grade == "bad"]
    whole = [(one.step, one.what) for one in verify_log(house.files, VKEY).findings if one.grade == "bad"]
    assert bad == whole
    assert [step for step, _ in bad] == [7, 6]
    remembered = Remembered(path, VKEY).head
    assert remembered
    assert remembered.size == 405  # a verification that found something is not gone on from


def test_a_broken_trail_across_the_verifications_is_caught(tmp_path: Path) -> None:
    house, path = grown_house(300), tmp_path / "log.sqlite"
    house.publish()
    looked(house, path)
    house.rows.last_of_item = lambda _: None  # type: ignore[method-assign]
    house.do(CLERK, EventKind.ITEM_OPENED, {}, item=ItemId("2026-1122-000003"))
    house.publish()
    assert [one.step for one in looked(house, path).findings if one.grade == "bad"] == [5]


def test_another_history_is_not_gone_on_from(tmp_path: Path) -> None:
    house, path = grown_house(600), tmp_path / "log.sqlite"
    house.publish()
    looked(house, path)
    for size, error in ((500, CheckpointRolledBack), (700, LogForked)):
        other = grown_house(size)
        other.clock.seconds += 1
        fork = House()
        fork.found()
        fork.clock.seconds += 1
        for number in range(size - 5):
            fork.do(CLERK, EventKind.ITEM_OPENED, {"n": number})
        fork.publish()
        found = [one for one in looked(fork, path).findings if one.grade == "bad"]
        assert found[0].step == 2
        assert found[0].error is error


def test_a_damaged_memory_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError) as caught:
        Remembered(path, VKEY)
    assert "rm " in (caught.value.hint or "")
