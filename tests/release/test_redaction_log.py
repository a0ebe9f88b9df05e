"""The redaction log: every covered stretch with time, class, code and reason; nothing that is not to be said."""

import csv
import io
from html.parser import HTMLParser

import pytest

from bwc.evidence import Choice
from bwc.redact.plan import Decision, Effect, RedactionPlan, SoundSpan, Span, Track
from bwc.release.redaction_log import Covered, Part, count_exemptions, rows_of, to_csv, to_html
from tests.release.making import MADE_AT, a_plan


def table(plan: RedactionPlan, **more: object) -> list[dict[str, str]]:
    rows = rows_of([Covered(file="a.mp4", plan=plan, frames_lost=0, **more)])  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(to_csv(rows).decode("utf-8-sig"))))


def test_each_covered_stretch_has_its_row_in_order_of_time() -> None:
    rows = table(a_plan())
    said = [(row["part"], row["what"], row["from"], row["to"], row["exemption"]) for row in rows]
    assert said == [
        ("picture", "licence plate", "0:00:00.000", "0:00:00.040", "privacy"),
        ("picture", "face", "0:00:01.000", "0:00:03.000", "b7c"),
        ("sound", "sound silenced", "0:00:01.500", "0:00:02.001", "b7c"),
        ("picture", "face", "0:00:04.000", "0:00:05.000", "b7c"),
        ("whole picture", "whole picture", "0:00:09.600", "0:00:10.000", "b7c"),
    ]
    assert (rows[1]["first_frame"], rows[1]["last_frame"]) == ("25", "74")
    assert "552(b)(7)(C)" in rows[1]["explanation"]


def test_what_is_kept_visible_and_what_people_noted_is_not_told() -> None:
    decided = Decision(choice=Choice.REDACT, by="J. Clerk", at=MADE_AT, exemption="b6", note="the mayor's daughter")
    plan = a_plan(
        tracks=(Track(id="t1", class_="face", spans=(Span(first=0, boxes=[(0, 0, 8, 8)]),), decision=decided),)
    )
    rows = rows_of([Covered(file="a.mp4", plan=plan, frames_lost=0)])
    whole = to_csv(rows) + to_html(rows, title="Log", lead=["by the agency"])
    for secret in (b"mayor", b"Clerk", b"officer of this agency"):
        assert secret not in whole
    assert all(row.what != "t2" for row in rows)


def test_undecided_is_covered_so_it_is_logged() -> None:
    plan = a_plan(
        tracks=(Track(id="t1", class_="face", spans=(Span(first=0, boxes=[(0, 0, 8, 8)]),)),),
        whole_frame=(),
        audio_spans=(),
    )
    assert [row["exemption"] for row in table(plan)] == ["privacy"]


def test_inverse_plan_says_that_all_else_is_hidden() -> None:
    rows = table(a_plan(effect=Effect(inverse=True)))
    assert rows[0]["what"] == "everything but what is kept visible"
    assert (rows[0]["from"], rows[0]["to"]) == ("0:00:00.000", "0:00:10.000")


def test_lost_frames_are_told_with_and_without_their_place() -> None:
    rows = rows_of([Covered(file="a.mp4", plan=a_plan(), frames_lost=5, lost=[(49, 3)])])
    lost = [(row.what, row.start_ms, row.code) for row in rows if row.part is Part.LOST]
    assert lost == [("3 frames lost", 1960, ""), ("2 frames lost", None, "")]
    assert "" not in {count.code for count in count_exemptions(rows)}


def test_codes_of_the_agency_are_explained_in_its_words() -> None:
    decided = Decision(choice=Choice.REDACT, by="x", at=MADE_AT, exemption="RCW 42.56.240(14)")
    plan = a_plan(audio_spans=(SoundSpan(id="a1", start_ns=0, end_ns=1, decision=decided),), tracks=(), whole_frame=())
    covered = [Covered(file="a.mp4", plan=plan, frames_lost=0)]
    assert rows_of(covered)[0].explanation == "withheld by the agency under RCW 42.56.240(14)"
    texts = {"RCW 42.56.240(14)": "a minor"}
    assert rows_of(covered, explanations=texts)[0].explanation == "a minor"


@pytest.mark.parametrize("code", ["=HYPERLINK(1)", "+1", "-1", "@x"])
def test_no_cell_is_a_formula(code: str) -> None:
    decided = Decision(choice=Choice.REDACT, by="x", at=MADE_AT, exemption=code)
    plan = a_plan(audio_spans=(SoundSpan(id="a1", start_ns=0, end_ns=1, decision=decided),))
    assert all(not cell.startswith(tuple("=+-@")) for row in table(plan) for cell in row.values())


def test_page_loads_and_runs_nothing() -> None:
    decided = Decision(choice=Choice.REDACT, by="x", at=MADE_AT, exemption="<script>alert(1)</script>")
    plan = a_plan(audio_spans=(SoundSpan(id="a1", start_ns=0, end_ns=1, decision=decided),))
    rows = rows_of([Covered(file="a.mp4", plan=plan, frames_lost=0)])
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert not {name for name, _ in attrs} & {"src", "href", "onload", "onclick", "style"}

    page = to_html(rows, title="Log <b>", lead=["a & b"]).decode()
    Reader().feed(page)
    assert "script" not in tags
    assert tags.count("tr") == 1 + len(rows)
    assert "default-src 'none'" in page
