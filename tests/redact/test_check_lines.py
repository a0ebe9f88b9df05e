"""The check looks for text where the plan hides text: what was missed is a suspect, what is meant to be seen is not."""

import io
from dataclasses import replace

import pytest

from bwc.errors import NotFound
from bwc.evidence import Choice
from bwc.redact import check_finders
from bwc.redact.check import check
from bwc.redact.check_finders import Finders
from bwc.redact.check_lines import hides_text, is_left, overlay_of
from bwc.redact.check_report import CheckReport
from bwc.redact.check_sight import Chains, Hit
from bwc.redact.detectors.text import TextFinder
from bwc.redact.labels import Label
from bwc.redact.plan import OVERLAY, Decision, FrameCover, RedactionPlan
from tests.redact.clips import NOON
from tests.redact.test_check import rendered
from tests.redact.test_text import analysed, clip, finder

__all__ = ["clip", "finder"]
KEPT = Decision(choice=Choice.KEEP, by="k", at=NOON, note="a shop")


@pytest.fixture(scope="module")
def plan(clip: bytes, finder: TextFinder) -> RedactionPlan:
    return analysed(clip, finder, "hide")


def checked(clip: bytes, copy: bytes, plan: RedactionPlan, finder: TextFinder) -> CheckReport:
    look = Finders(coarse=(), fine=(), close=(replace(finder, long_sides=(320,)),), lines=(finder,))
    return check(io.BytesIO(clip), io.BytesIO(copy), plan, finders=look)


def test_a_line_that_the_plan_missed_is_a_suspect_and_the_overlay_is_not(
    clip: bytes, plan: RedactionPlan, finder: TextFinder
) -> None:
    good = checked(clip, rendered(clip, plan), plan, finder)
    assert not good.suspects
    assert not [line for line in good.not_checked if line.startswith(("text", "lines"))]
    blind = replace(plan, tracks=())
    (found,) = checked(clip, rendered(clip, blind), blind, finder).suspects
    assert (found.class_, found.first < 15, found.sightings >= 3) == ("text", True, True)


def test_a_line_that_the_plan_hides_for_a_while_only_is_a_suspect(
    clip: bytes, plan: RedactionPlan, finder: TextFinder
) -> None:
    tracks = []
    for track in plan.tracks:
        spans = [replace(span, boxes=list(span.boxes)[: 60 - span.first]) for span in track.spans if span.first < 60]
        tracks += [replace(track, spans=tuple(spans))] if spans else []
    short = replace(plan, tracks=tuple(tracks))
    found = checked(clip, rendered(clip, short), short, finder).suspects
    assert found
    assert all(one.class_ == "text" and one.first >= 58 for one in found)


def test_nobody_looks_for_text_that_is_all_kept_or_was_never_sought(plan: RedactionPlan) -> None:
    assert hides_text(plan)
    assert hides_text(replace(plan, tracks=()))
    assert not hides_text(replace(plan, tracks=(), detectors=()))
    assert not hides_text(replace(plan, tracks=tuple(replace(track, decision=KEPT) for track in plan.tracks)))


def test_a_line_of_the_camera_of_what_is_kept_or_on_a_cover_is_left() -> None:
    line = (100, 20, 200, 40)
    bare = FrameCover()
    assert not is_left(line, (), (), bare)
    assert is_left(line, ((90, 15, 210, 45),), (), bare)
    assert is_left(line, (), (("t3", "plate", (80, 10, 180, 60)),), bare)
    assert is_left(line, (), (), FrameCover(labels=(Label((95, 15, 205, 45), ("TEXT",), 2),)))
    assert not is_left(line, ((190, 20, 300, 40),), (("t3", "text", (60, 20, 120, 40)),), bare)


def test_the_overlay_is_read_from_the_plan_and_nonsense_is_not(plan: RedactionPlan) -> None:
    assert overlay_of(replace(plan, extensions={OVERLAY: [[20, 10, 120, 30], [1, 2], "x"]})) == ((0, 0, 140, 40),)
    assert overlay_of(replace(plan, extensions={OVERLAY: "x"})) == ()


@pytest.mark.parametrize(
    ("scores", "is_suspect"), [([990, 990], False), ([600, 600, 600], False), ([720, 610, 650], True)]
)
def test_writing_takes_three_looks(scores: list[int], is_suspect: bool) -> None:
    chains = Chains(max_gap=12, text_gap=36)
    for place, score in enumerate(scores):
        hit = Hit(ordinal=15 * place, box=(10, 10, 90, 30), score_permille=score, class_="text", visible_permille=1000)
        chains.add(15 * place, [hit])
    assert bool(chains.suspects(lambda place: place * 33 + 33, lambda place: place * 33)) is is_suspect


def test_without_its_weight_file_text_is_not_checked_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> None:
        raise NotFound("the model file is not here")

    monkeypatch.setattr(check_finders.TextFinder, "open", absent)
    found = Finders.open(text=True)
    assert (found.lines, found.not_checked[-1]) == ((), "text: the weight file ppocr_v4_det.onnx is not here")
