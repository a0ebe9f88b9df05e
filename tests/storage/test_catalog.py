"""The catalog: projection, queries, rebuild, transactions."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bwc.errors import IntegrityError, InUse, NotFound, StorageError
from bwc.evidence import ObjectRole
from bwc.identities import LocalOperator
from bwc.storage.catalog import Catalog, ItemFilter, ItemState
from bwc.storage.catalog_schema import PROJECTION_TABLES
from bwc.storage.queries import stored_json
from tests.storage.events import History, digest, ingest, sealed, whole_day, work

A, B = "2026-1122-AAAAAA", "2026-1122-BBBBBB"


@pytest.fixture(scope="module")
def people() -> tuple[LocalOperator, LocalOperator]:
    return LocalOperator.generate("Ada"), LocalOperator.generate("Grace")


@pytest.fixture
def told(people: tuple[LocalOperator, LocalOperator]) -> History:
    return whole_day(*people)


@pytest.fixture
def catalog(tmp_path: Path, told: History) -> Catalog:
    made = Catalog(tmp_path / "catalog.sqlite")
    told.write(made)
    return made


def dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(path) as database:
        return {
            table: sorted(database.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            for table in ("events", *PROJECTION_TABLES)
        }


def test_every_table_is_filled_by_the_day(catalog: Catalog) -> None:
    assert [table for table, rows in dump(catalog.path).items() if not rows] == []


def test_rebuild_from_own_rows_equals_the_original(catalog: Catalog, told: History) -> None:
    before = dump(catalog.path)
    assert catalog.rebuild(told.body_of) == len(told.events)
    assert dump(catalog.path) == before


def test_rebuild_of_a_lost_catalog_from_the_log_equals_the_original(
    catalog: Catalog, told: History, tmp_path: Path
) -> None:
    with Catalog(tmp_path / "again.sqlite") as again:
        again.rebuild(told.body_of, told.rows)
    assert dump(tmp_path / "again.sqlite") == dump(catalog.path)


def test_rebuild_without_a_key_leaves_personal_columns_empty(catalog: Catalog) -> None:
    catalog.rebuild(lambda event: None)
    item = catalog.item(A)
    assert (item.officer, item.camera, item.category, item.case_ids, item.names) == (None, None, None, (), ())
    assert (item.segments, item.size_bytes, item.state) == (2, 5000, ItemState.RELEASED)
    assert [row.name for row in catalog.operators()] == [None, None]
    assert [row.request for row in catalog.releases()] == [None]
    for word in (b"B1234", b"X81234", b"26-1182", b"Gazette", b"poster"):
        assert word not in catalog.path.read_bytes()


def test_rebuild_from_rows_with_a_gap_changes_nothing(catalog: Catalog, told: History) -> None:
    before = dump(catalog.path)
    with pytest.raises(IntegrityError, match="entry 3 is missing"):
        catalog.rebuild(told.body_of, told.rows[:3] + told.rows[4:])
    assert dump(catalog.path) == before


def test_items_can_be_filtered(catalog: Catalog) -> None:
    def ids(wanted: ItemFilter) -> list[str]:
        return [row.item_id for row in catalog.items(wanted)]

    assert ids(ItemFilter()) == [B, A]
    assert ids(ItemFilter(limit=1)) == [B]
    assert ids(ItemFilter(officer="b1234")) == [A]
    assert ids(ItemFilter(officer="B777")) == []  # corrected to B9
    assert ids(ItemFilter(case="26-5")) == [B]
    assert ids(ItemFilter(case="26-1182")) == [A]
    assert ids(ItemFilter(camera="x81234", category="traffic")) == [B, A]
    assert ids(ItemFilter(text="gx02")) == [A]
    assert ids(ItemFilter(text="%")) == []
    assert ids(ItemFilter(state=ItemState.RELEASED)) == [A]
    assert ids(ItemFilter(state=ItemState.INGESTED)) == [B]
    assert ids(ItemFilter(since="2026-11-22T08:00:05.000000Z")) == [B]
    assert ids(ItemFilter(until="2026-11-22T08:00:05.000000Z")) == [A]


def test_an_item_stands_where_its_least_advanced_readable_segment_stands(tmp_path: Path) -> None:
    told = History()
    ingest(told, A, names=("1.mp4", "2.mp4"), officer="x", cases=())
    told.tell(
        "item.indexed", {"segments": [{"segment": n, "readable": True} for n in (0, 1)]}, {"segments": []}, item=A
    )
    work(told, A)
    with Catalog(tmp_path / "c.sqlite") as catalog:
        told.write(catalog)
        assert catalog.item(A).state is ItemState.INDEXED
        assert [row.state for row in catalog.segments(A)] == [ItemState.RELEASED, ItemState.INDEXED]


def test_a_new_plan_starts_over_and_indexing_late_does_not(tmp_path: Path) -> None:
    told = History()
    ingest(told, A, names=("1.mp4",), officer="x", cases=())
    work(told, A)
    told.tell("item.indexed", {"segments": [{"segment": 0, "readable": True}]}, {"segments": []}, item=A)
    with Catalog(tmp_path / "c.sqlite") as catalog:
        told.write(catalog)
        assert catalog.item(A).state is ItemState.RELEASED
    facts = {"segment": 0, "revision": 2, "tracks": 2, "undecided": 0, "plan_sha256": digest("plan2")}
    told.tell("plan.saved", facts, {}, item=A, objects=(sealed("plan", 0, "plan2"),))
    with Catalog(tmp_path / "d.sqlite") as catalog:
        told.write(catalog)
        assert catalog.item(A).state is ItemState.DETECTED
        assert [row.facts["revision"] for row in catalog.documents(A, ObjectRole.PLAN)] == [2, 1]


def test_a_failed_act_changes_no_state_but_its_objects_are_known(tmp_path: Path) -> None:
    told = History()
    ingest(told, A, names=("1.mp4",), officer="x", cases=())
    facts = {
        "segment": 0,
        "plan_sha256": digest("p"),
        "copy_sha256": digest("c"),
        "frames": 0,
        "frames_lost": 9,
        "bytes": 1,
    }
    told.tell("copy.rendered", facts, {}, item=A, objects=(sealed("copy", 0, "bad"),), outcome="failed")
    with Catalog(tmp_path / "c.sqlite") as catalog:
        told.write(catalog)
        assert catalog.item(A).state is ItemState.INGESTED
        assert digest("objectbad") in catalog.object_ids()


def test_documents_decisions_and_releases_are_found(catalog: Catalog, told: History) -> None:
    (plan,) = catalog.documents(A, ObjectRole.PLAN)
    assert (plan.sha256, plan.facts["undecided"], plan.segment) == (digest("plan"), 1, 0)
    assert catalog.documents(A, ObjectRole.COPY, 1) == []
    assert [row.sealed.role.value for row in catalog.documents(A)] == [
        "report", "copy", "sheet", "plan", "facts", "sidecar", "segment", "segment",
    ]  # fmt: skip
    assert [one.role.value for one in catalog.objects_of(A)][:3] == ["segment", "segment", "sidecar"]
    (approval,) = catalog.approvals(digest("copy"))
    assert (approval.note, approval.report_sha256) == ("fine", digest("report"))
    (suspect,) = catalog.suspects_decided(digest("report"))
    assert (suspect.choice, suspect.note) == ("keep", "a poster")
    (release,) = catalog.releases(A)
    assert (release.request, release.copies, release.approvals) == ("R-311", (digest("copy"),), (approval.seq,))
    gone = {one.file for one in catalog.retention.destroyed_bodies(GONE)}
    assert catalog.body_ids() == {digest(f"file{seq}") for seq in told.bodies} - gone
    assert {catalog.body_file(digest(f"body{seq}")) for seq in told.bodies} - {None} == catalog.body_ids()
    assert catalog.body_file(digest("none")) is None


def test_media_facts_public_and_private_are_merged(catalog: Catalog) -> None:
    first, second = catalog.segments(A)
    assert first.media == {
        "codec": "h264", "duration_ms": 3000, "frames": 90, "frames_lost": 1, "height": 480,
        "readable": True, "segment": 0, "width": 640,
    }  # fmt: skip
    assert (first.is_readable, second.is_readable, second.name) == (True, False, "GX020001.MP4")


def test_content_is_found_by_digest_and_size(catalog: Catalog) -> None:
    assert [(row.item_id, row.name) for row in catalog.find_content(digest(B + "axon.mp4"))] == [(B, "axon.mp4")]
    assert [(row.item_id, row.role) for row in catalog.find_content(digest(A + "side"))] == [(A, ObjectRole.SIDECAR)]
    assert catalog.find_content(digest("none")) == []
    assert catalog.may_hold(2500)
    assert not catalog.may_hold(2501)


def test_people_policy_and_founding(catalog: Catalog, people: tuple[LocalOperator, LocalOperator]) -> None:
    first, second = catalog.operators()
    assert (first.name, first.roles, first.is_active) == ("Ada", frozenset({"administrator"}), True)
    assert (second.key, second.recipient, second.is_active) == (people[1].verify_key, people[1].recipient, False)
    assert catalog.operator(first.key_id) == first
    assert [row.purpose for row in catalog.recipients()] == ["recovery"]
    assert (catalog.policy().approvals, catalog.policy().effect) == (2, "solid")
    assert catalog.founding().agency == "Springfield PD"
    with pytest.raises(NotFound):
        catalog.operator("00")


def test_items_are_found_by_what_people_remember(catalog: Catalog) -> None:
    assert catalog.items_starting("2026-1122-a") == [A]
    assert catalog.items_starting("bbbb") == [B]
    assert catalog.items_starting("%") == []
    with pytest.raises(NotFound):
        catalog.item("2026-0000-XXXXXX")
    assert catalog.has_item(A)
    assert not catalog.has_item("2026-0000-XXXXXX")


def test_what_was_rewrapped_has_its_new_file(catalog: Catalog, told: History) -> None:
    again = sealed("copy", 0, "copy") | {"envelope": digest("rewrapped")}
    bodies = {digest("body1"): digest("file1 again")}
    event = told.tell("item.rewrapped", {"bodies": bodies, "envelopes": 1}, objects=(again,))
    row = told.rows[-1]
    with catalog.transaction():
        catalog.append_rows([(row.seq, row.leaf_hash, row.entry, None, None)])
        catalog.project(event, None)
    found = catalog.object(again["object"])
    assert (found.sealed.envelope_sha256, found.item_id, found.sha256) == (digest("rewrapped"), A, digest("copy"))
    assert digest("rewrapped") in catalog.envelope_ids()
    assert digest("envelopecopy") not in catalog.envelope_ids()
    replaced = {digest("envelopeA0"), digest("envelopecopy"), digest("file1")}  # envelopes and private bodies
    assert set(catalog.replaced_envelopes()) == replaced
    assert catalog.body_file(digest("body1")) == digest("file1 again")
    assert digest("file1") not in catalog.body_ids()


def test_log_rows_are_given_back_in_order(catalog: Catalog, told: History) -> None:
    assert catalog.count == len(told.rows)
    assert catalog.last_row() == told.rows[-1]
    assert list(catalog.rows(2, 5)) == told.rows[2:5]
    assert list(catalog.rows()) == told.rows
    assert catalog.row(3) == told.rows[3]
    assert catalog.row(999) is None
    trail = [row for row, event in zip(told.rows, told.events, strict=True) if event["item"] == A]
    assert list(catalog.rows_of_item(A)) == trail
    assert catalog.last_of_item(A) == trail[-1]
    assert catalog.last_of_item("nothing") is None


def test_an_exception_undoes_event_and_tables(catalog: Catalog, told: History) -> None:
    before = dump(catalog.path)
    with pytest.raises(RuntimeError, match="died"), catalog.transaction():  # noqa: PT012
        ingest(told, "2026-1122-CCCCCC", names=("c.mp4",), officer="x", cases=())
        catalog.append_rows([(told.rows[-1].seq, b"", b"", None, None)])
        catalog.project(told.events[-1], told.body_of(told.events[-1]))
        raise RuntimeError("died")
    assert dump(catalog.path) == before


def test_a_taken_place_and_a_write_outside_a_transaction_are_refused(catalog: Catalog) -> None:
    with pytest.raises(IntegrityError), catalog.transaction():
        catalog.append_rows([(0, b"", b"", None, None)])
    with pytest.raises(RuntimeError):
        catalog.append_rows([(99, b"", b"", None, None)])


def test_entries_cannot_be_changed_or_deleted_by_a_slip(catalog: Catalog) -> None:
    with sqlite3.connect(catalog.path) as database:
        for sql in ("UPDATE events SET entry = x'00' WHERE seq = 1", "DELETE FROM events WHERE seq = 1"):
            with pytest.raises(sqlite3.IntegrityError):
                database.execute(sql)


def test_facts_of_another_shape_are_refused(catalog: Catalog, told: History) -> None:
    event = told.tell("item.ingested", {"segments": 1}, {}, item="2026-1122-DDDDDD")
    with pytest.raises(IntegrityError, match="do not fit item"), catalog.transaction():
        catalog.project(event, {})


def test_a_second_writer_waits_then_says_in_use(catalog: Catalog) -> None:
    with Catalog(catalog.path, wait_s=0.05) as other, catalog.transaction():
        with pytest.raises(InUse), other.transaction():
            pass
        assert other.count == catalog.count  # reading goes on


def test_a_writer_killed_in_its_transaction_leaves_nothing(catalog: Catalog) -> None:
    before = dump(catalog.path)
    script = f"""
import os, signal
from pathlib import Path
from bwc.storage.catalog import Catalog
catalog = Catalog(Path({str(catalog.path)!r}))
with catalog.transaction():
    catalog.append_rows([({catalog.count}, b"x", b"y", None, None)])
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert dump(catalog.path) == before


def test_a_damaged_file_is_an_integrity_error_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "damaged.sqlite").write_bytes(b"not a database, for sure" * 100)
    with pytest.raises(IntegrityError):
        Catalog(tmp_path / "damaged.sqlite")
    with sqlite3.connect(tmp_path / "newer.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="newer"):
        Catalog(tmp_path / "newer.sqlite")


def test_a_lost_catalog_and_a_damaged_row_say_how_it_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is not there") as lost:
        Catalog(tmp_path / "none" / "catalog.sqlite", read_only=True)
    with pytest.raises(IntegrityError, match="damaged") as damaged:
        stored_json('{"a":')
    assert lost.value.hint == damaged.value.hint == "bwc catalog rebuild"


def test_read_only_writes_nothing(catalog: Catalog, tmp_path: Path) -> None:
    catalog.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with Catalog(catalog.path, read_only=True) as reader:
        assert len(reader.items()) == 2
        with pytest.raises(StorageError), reader.transaction():
            reader.append_rows([(reader.count, b"", b"", None, None)])
    assert {
        path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.endswith(("-wal", "-shm"))
    } == before
    with pytest.raises(StorageError):
        Catalog(tmp_path / "absent.sqlite", read_only=True)


def test_only_the_owner_can_read_the_file(catalog: Catalog) -> None:
    assert {path.stat().st_mode & 0o777 for path in catalog.path.parent.glob("catalog.sqlite*")} == {0o600}


GONE = "2026-1122-EEEEEE"
PERSONAL = (b"B0GONE", b"gone.mp4", b"26-77", b"26-78", b"Goner", digest(GONE + "gone.mp4").encode(), b"assault")


def test_a_destroyed_item_leaves_a_tombstone_and_nothing_of_people(catalog: Catalog, told: History) -> None:
    row = catalog.item(GONE)
    assert row.state is ItemState.DISPOSED
    assert (row.officer, row.category, row.case_ids, row.names, row.recorded_at) == (None, None, (), (), None)
    assert catalog.items(ItemFilter(state=ItemState.DISPOSED)) == [row]
    assert len(catalog.items(ItemFilter(disposed=True))) == 3
    assert catalog.objects_of(GONE) == []
    assert catalog.segments(GONE, None) == []
    assert not catalog.find_content(digest(GONE + "gone.mp4"))
    assert not catalog.may_hold(31)
    tombstone = catalog.retention.tombstone(GONE)
    assert tombstone is not None
    assert (tombstone.order, tombstone.state, tombstone.reason) == ("D-1", "done", "schedule")
    assert sorted(one.role for one in catalog.retention.destroyed_objects(GONE)) == ["segment", "sidecar"]
    assert len(catalog.retention.destroyed_bodies(GONE)) == 4  # the order's own stays
    assert catalog.body_file(digest("body" + str(tombstone.seq))) is not None
    assert GONE not in {one.item for one in catalog.retention.kept()}


def test_what_a_second_arrival_says_counts_for_retention(catalog: Catalog) -> None:
    (second,) = catalog.retention.kept(B)
    assert second.categories == ("traffic", "dui")
    assert second.cases == ("26-5", "26-6")
    assert second.changed_at is not None
    assert not second.unread
    assert catalog.retention.items_of_case("26-6") == [B]


def test_a_rebuild_without_a_key_knows_no_reason_to_destroy(catalog: Catalog) -> None:
    catalog.rebuild(lambda event: None)
    assert {(one.categories, one.unread) for one in catalog.retention.kept()} == {(None, False), (None, True)}
    assert [(one.hold, one.case) for one in catalog.retention.holds()] == [("H-1", None), ("H-2", None)]
    assert [one.case for one in catalog.retention.cases()] == [None, None]


def test_a_catalog_of_the_first_version_is_brought_up(catalog: Catalog, told: History) -> None:
    from bwc.storage.catalog_schema import RETENTION, STORES

    old = [line.split()[2] for line in (RETENTION + STORES).splitlines() if line.startswith("CREATE TABLE")]
    before = catalog.items()
    catalog.close()
    with sqlite3.connect(catalog.path) as database:
        for table in old:
            database.execute(f"DROP TABLE {table}")
        database.execute("PRAGMA user_version = 1")
    with Catalog(catalog.path, read_only=True) as again:
        assert again.items() == before
        assert again.retention.enrolled_as("ab" * 16, 5) == (None, ())
        assert {one.item: one.unread for one in again.retention.kept()} == {A: False, B: True}
    with Catalog(catalog.path) as again:
        again.rebuild(told.body_of)
        assert {one.item: one.unread for one in again.retention.kept()} == {A: False, B: False}
