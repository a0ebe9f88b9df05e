"""The auditor's report, the exported log and the draft certificate, of a small vault with a day's work in it."""

import csv
import io
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bwc.audit.findings import Grade
from bwc.config import Places
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.custody.inspection import inspect
from bwc.errors import Disposed, IntegrityError, NotDue, UsageError
from bwc.evidence import ItemId
from bwc.identities import LocalOperator
from bwc.oversight.certificate import certificate, certificate_text
from bwc.oversight.exchange import export_log
from bwc.oversight.report import Report, make_report
from bwc.oversight.report_forms import events_csv, html
from bwc.oversight.report_pdf import pdf
from bwc.oversight.report_sections import Span
from bwc.verifier.inspected import Inspection
from bwc.verifier.there import look_for_objects
from tests.custody.disposals import CHIEF, DEPUTY, RECOVERY, public, take_in

AUDITOR = LocalOperator.generate("auditor")
SOON = timedelta(hours=1)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Two items, one opened with a reason that looks like markup, one destroyed early; a refusal, a hold, a heartbeat."""
    made = Places(vault=tmp_path_factory.mktemp("report") / "vault")
    with found(made, agency="Springfield <PD>", operator=CHIEF, recovery=RECOVERY.recipient) as house:
        house.enrol(public(DEPUTY), roles=["records", "administrator"])
        house.enrol(public(AUDITOR), roles=["auditor"])
        kept, gone = take_in(house, b"kept", name="=cmd|' /C calc'!A0"), take_in(house, b"gone", officer="B0-GONE")
        with house.open_original(kept, 0, purpose="export", reason="<script>alert(1)</script>") as source:
            source.read()
        with pytest.raises(NotDue):
            house.order_destruction([gone], reason="tidy")
        house.place_hold([kept], ["26-7"], reason="Doe v. City")
        house.note_frames(kept, 0, what="sheet", to="sheet.jpg")
        house.note_heartbeat()
        house.set_policy(replace(house.policy, approvals=2, separate_approver=True))
        house.enrol(public(AUDITOR), roles=["auditor", "technician"])
        house.note_failed_logins(count=3, first_at="2026-11-28T00:00:00.000000Z", last_at="2026-11-28T00:01:00.000000Z")
        order = house.order_destruction([gone], reason="court order 12", early=True)
    with House.enter(made, DEPUTY) as house:
        house.confirm_order(order)
    return made


def inspected(places: Places, tmp_path: Path) -> Inspection:
    with House.enter(places, None) as house:
        vkey = house.vkey
    return inspect(places, vkey=vkey, pins=(), seen=tmp_path / "seen", quick=True, share=1.0)


def reported(places: Places, tmp_path: Path, operator: LocalOperator | None = AUDITOR) -> Report:
    now = datetime.now(UTC)
    with House.enter(places, operator) as house:
        return make_report(
            inspected(places, tmp_path),
            house.events(),
            Span(since=now - SOON, until=now + SOON),
            made_by="auditor",
            names=house.names(),
        )


def rows(report: Report, name: str) -> list[dict[str, object]]:
    sections: dict[str, dict[str, list[dict[str, object]]]] = report.to_json()["sections"]  # type: ignore[assignment]
    return sections[name]["rows"]


def test_the_report_says_what_happened(places: Places, tmp_path: Path) -> None:
    report = reported(places, tmp_path)
    counts = {str(one["event"]): one for one in rows(report, "counts")}
    assert counts["item.ingested"]["ok"] == 2
    assert counts["act.refused"]["refused"] == 1
    assert [one["why"] for one in rows(report, "failed")] == ["NotDue", None]
    (opened, frames) = rows(report, "openings")
    assert (opened["who"], opened["purpose"], opened["reason"]) == ("chief", "export", "<script>alert(1)</script>")
    assert (frames["purpose"], frames["to"]) == ("sheet", "sheet.jpg")
    (destroyed,) = rows(report, "destruction")
    assert (destroyed["state"], str(destroyed["ordered by"])[:5], str(destroyed["confirmed by"])[:6]) == (
        "done",
        "chief",
        "deputy",
    )
    assert {one["grade"] for one in rows(report, "exceptions")} == {"refused", "failed", "early"}
    assert [one["name"] for one in rows(report, "keys") if one["what"] == "key.enrolled"] == [
        "deputy",
        "auditor",
        "auditor",
    ]
    assert sum(one["what"] == "in force" for one in rows(report, "keys")) == 3
    assert "NotDue: [erased]" in next(
        str(one["what"]) for one in rows(report, "exceptions") if one["grade"] == "refused"
    )
    (first, changed) = [one for one in rows(report, "rules") if one["what"] == "policy.set"]
    assert "approvals=1" in str(first["set"])
    assert changed["set"] == "approvals=2; separate_approver=true"
    (again,) = [one for one in rows(report, "keys") if one["roles before"]]
    assert (again["name"], again["roles before"], again["roles"]) == ("auditor", "auditor", "auditor, technician")
    assert report.head["agency"] == "Springfield <PD> (as the log says)"
    (span,) = rows(report, "anchors")
    assert (span["first entry"], str(span["state"])[:12]) == (0, "NOT anchored")
    assert report.head["verdict"] == "INTACT"
    assert "B0-GONE" not in json.dumps(report.to_json())


def test_a_recording_that_was_deleted_is_an_exception(places: Places, tmp_path: Path) -> None:
    copy = Places(vault=tmp_path / "vault")
    shutil.copytree(places.vault, copy.vault)
    found = inspected(copy, tmp_path)
    look_for_objects(found.log, copy.vault)
    assert (found.verdict, found.log.findings.count(8)) == ("INTACT", 0), "what an order destroyed is not missing"
    (held,) = copy.vault.glob("objects/*/*")
    held.chmod(0o600)
    held.write_bytes(b"")
    look_for_objects(found.log, copy.vault)
    held.unlink()
    look_for_objects(found.log, copy.vault)
    now = datetime.now(UTC)
    with House.enter(copy, None) as house:
        report = make_report(found, house.events(), Span(since=now - SOON, until=now + SOON), made_by="x")
    assert report.head["verified"] == "BAD (log only; no recording was looked at)"
    said = {one["what"] for one in rows(report, "exceptions") if one["grade"] == "bad"}
    assert "its sealed bytes are missing" in said
    assert any(str(one).startswith("it has 0 bytes, the log says ") for one in said)


def test_every_event_of_the_log_is_counted(places: Places, tmp_path: Path) -> None:
    report = reported(places, tmp_path)
    counted = sum(int(str(one[name])) for one in rows(report, "counts") for name in ("ok", "failed", "refused"))
    assert counted == report.head["events"] == report.head["entries_in_log"]
    table = list(csv.reader(io.StringIO(events_csv(report))))
    assert len(table) == counted + 1
    assert [int(row[0]) for row in table[1:]] == list(range(counted))
    assert not [cell for row in table for cell in row if cell[:1] in ("=", "+", "-", "@")]


def test_without_a_key_the_report_is_made_and_names_nobody_s_reasons(places: Places, tmp_path: Path) -> None:
    report = reported(places, tmp_path, None)
    assert {one["reason"] for one in rows(report, "openings")} == {None}
    assert {one["who"] for one in rows(report, "openings")} == {"chief"}


def test_silences_are_found_inside_the_span_only(places: Places, tmp_path: Path) -> None:
    begun = datetime(2020, 1, 1, tzinfo=UTC)
    with House.enter(places, None) as house:
        first = next(house.events())
        span = Span(
            since=datetime.fromisoformat(first.at) - timedelta(days=3), until=datetime.now(UTC) + timedelta(days=30)
        )
        report = make_report(
            inspected(places, tmp_path), house.events(), span, made_by="x", now=datetime.now(UTC) + timedelta(days=2)
        )
        quiet = make_report(
            inspected(places, tmp_path), house.events(), Span(since=begun, until=begun + SOON), made_by="x"
        )
    assert [one["hours"] for one in rows(report, "silences")] == [48]
    assert quiet.head["events"] == 0


def test_the_page_runs_nothing_and_shows_what_people_wrote_as_text(places: Places, tmp_path: Path) -> None:
    page = html(reported(places, tmp_path))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Springfield &lt;PD&gt;" in page or "springfield-pd" in page
    assert "default-src 'none'" in page


def test_the_pdf_is_one_and_is_the_same_again(places: Places, tmp_path: Path) -> None:
    pytest.importorskip("reportlab")
    report = reported(places, tmp_path)
    made = pdf(report)
    assert made.startswith(b"%PDF-")
    assert made == pdf(report)


def test_a_damaged_log_is_reported_as_such(places: Places, tmp_path: Path) -> None:
    copy = Places(vault=tmp_path / "vault")
    shutil.copytree(places.vault, copy.vault)
    bundle = next((copy.vault / "log" / "tile" / "entries").rglob("*.p/*"))
    for path in bundle.parent.iterdir():
        path.write_bytes(path.read_bytes().replace(b'"outcome":"refused"', b'"outcome":"failed!"'))
    now = datetime.now(UTC)
    with House.enter(copy, None) as house:
        found = inspected(copy, tmp_path)
        report = make_report(found, house.events(), Span(since=now - SOON, until=now + SOON), made_by="x")
    assert report.head["verdict"] == "BAD"
    assert Grade.BAD.value in {one["grade"] for one in rows(report, "exceptions")}
    with pytest.raises(IntegrityError):
        export_log(found.log, copy.log, tmp_path / "out", agency="x", bag=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("bag", [False, True])
def test_the_exported_log_verifies_elsewhere_and_holds_no_private_part(
    places: Places, tmp_path: Path, bag: bool
) -> None:
    found = inspected(places, tmp_path)
    done = export_log(found.log, places.log, tmp_path / "out", agency="Springfield", bag=bag)
    place = tmp_path / "out" / ("data" if bag else "")
    assert done.entries == found.log.entries
    again = inspect(
        Places(vault=place),
        vkey=(place / "vkey.txt").read_text().strip(),
        pins=(),
        seen=tmp_path / "other",
        quick=True,
        share=1.0,
    )
    assert (again.verdict, again.log.entries) == ("INTACT", found.log.entries)
    everything = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    for word in (b"B0-NOBODY", b"B0-GONE", b"Doe v. City", b"alert(1)", b"court order"):
        assert word not in everything
    assert len((place / "entries.jsonl").read_text().splitlines()) == done.entries
    graph = json.loads((place / "case.jsonld").read_text())["@graph"]
    assert sum(one["@type"] == "case-investigation:InvestigativeAction" for one in graph) == done.entries
    ids = [one["@id"] for one in graph]
    assert len(ids) == len(set(ids))
    with pytest.raises(UsageError):
        export_log(found.log, places.log, tmp_path / "out", agency="x", bag=bag)


def test_a_certificate_has_the_machine_s_part_filled_in_and_the_person_s_blank(places: Places, tmp_path: Path) -> None:
    found = inspected(places, tmp_path)
    with House.enter(places, AUDITOR) as house:
        (kept,) = [row.item_id for row in house.items()]
        data = certificate(house, found, kept)
        text = certificate_text(data)
        gone = next(one.item for one in house.orders())
        with pytest.raises(Disposed):
            certificate(house, found, ItemId(gone))
    assert text.startswith("DRAFT.")
    assert data["files"][0]["sha256"] in text
    assert f"entry {data['entries'][0]['entry']}" in text
    for needed in ("902(13)", "902(14)", "902(11)", "under penalty of perjury", "Signature ____", "INTACT", "chief"):
        assert needed in text
    assert max(map(len, text.splitlines())) <= 140
