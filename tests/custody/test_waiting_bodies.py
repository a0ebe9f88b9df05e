"""Private bodies ride in the transaction of their event and are on their shelf before it is published."""

import sqlite3
from pathlib import Path

import pytest

from bwc.audit.checkpoint import NoteKey
from bwc.audit.verify import verify_log
from bwc.config import Places
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.errors import NotAllowed
from bwc.evidence import EventKind, ItemId
from bwc.identities import LocalOperator, RecoveryKey
from bwc.storage.catalog import Catalog
from bwc.storage.syscalls import OsCalls
from bwc.verifier.log_folder import LogFolder
from bwc.verifier.verify_objects import VaultFolder, verify_objects

ITEM = ItemId("2026-1128-ABCDEF")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(vault=tmp_path / "vault")


@pytest.fixture
def chief(places: Places) -> LocalOperator:
    chief = LocalOperator.generate("chief")
    recovery = RecoveryKey.parse(RecoveryKey.generate()).recipient
    found(places, agency="Test", operator=chief, recovery=recovery).close()
    return chief


def bodies(places: Places) -> int:
    return len(list((places.vault / "bodies").glob("*/*")))


def test_a_body_waits_in_the_catalog_until_its_event_is_published(places: Places, chief: LocalOperator) -> None:
    before = bodies(places)
    with House.enter(places, chief) as house:
        house.act(EventKind.ITEM_OPENED, ITEM, {"purpose": "x"}, {"reason": "y"})
        assert bodies(places) == before
        assert house._private(house.act(EventKind.ITEM_OPENED, ITEM, {}, {"reason": "z"}).entry.body_commit) == {
            "reason": "z"
        }
    assert bodies(places) == before + 2
    with Catalog(places.catalog) as catalog:
        assert catalog.waiting_bodies() == []


@pytest.mark.parametrize("after", [0, 1])
def test_a_crash_while_bodies_are_shelved_is_completed(
    places: Places, chief: LocalOperator, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    with House.enter(places, chief) as house:
        for reason in ("a", "b"):
            house.act(EventKind.ITEM_OPENED, ITEM, {}, {"reason": reason})
        link, count = OsCalls.link, iter(range(9))
        with monkeypatch.context() as patch:

            def dying(calls: OsCalls, old: str, new: str) -> None:
                if next(count) == after:
                    raise KeyboardInterrupt
                link(calls, old, new)

            patch.setattr(OsCalls, "link", dying)
            with pytest.raises(KeyboardInterrupt):
                house.publish()
        house._unpublished = False  # the process is gone
    with House.enter(places, chief) as house:
        house.publish()
        vkey = NoteKey.parse(house.vkey)
    report = verify_log(LogFolder(places.log), vkey)
    verify_objects(report, VaultFolder(places.vault))
    assert [one.what for one in report.findings if one.grade != "ok"] == []


def test_a_key_revoked_by_another_process_signs_nothing_more(places: Places, chief: LocalOperator) -> None:
    from bwc.enrolment import OperatorPublic

    clerk = LocalOperator.generate("clerk")
    public = OperatorPublic(name="clerk", key=clerk.verify_key, recipient=clerk.recipient)
    with House.enter(places, chief) as house:
        house.enrol(public, roles=["records"])
        with House.enter(places, clerk) as other:
            other.act(EventKind.ITEM_OPENED, ITEM, {}, {})
            house.revoke("clerk", note="")
            with pytest.raises(NotAllowed):
                other.act(EventKind.ITEM_OPENED, ITEM, {}, {})
            other._unpublished = False
        vkey = NoteKey.parse(house.vkey)
    assert verify_log(LogFolder(places.log), vkey).findings.count() == 0


def test_a_catalog_of_an_earlier_version_gets_its_table(places: Places, chief: LocalOperator) -> None:
    with sqlite3.connect(places.catalog) as old:
        old.execute("DROP TABLE waiting_bodies")
        old.execute("PRAGMA user_version = 3")
    with House.enter(places, chief) as house:
        house.act(EventKind.ITEM_OPENED, ITEM, {}, {"reason": "a"})
