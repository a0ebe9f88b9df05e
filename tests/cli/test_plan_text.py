"""What `bwc plan` tells people."""

from dataclasses import replace

from bwc.cli.plan_text import plan_text
from bwc.evidence import Choice, ItemId
from bwc.redact import plan_edit
from bwc.redact.plan import LET_GO, Doubt, RedactionPlan
from bwc.redact.plan_format import to_bytes
from bwc.redact.plan_view import SpeechSummary
from bwc.redact.session import PlanState
from tests.redact import clips


def told(plan: RedactionPlan, *, tracks: bool = True) -> str:
    state = PlanState(item=ItemId("2026-0317-K4J7QX"), segment=0, plan=plan, data=to_bytes(plan))
    return plan_text(state, tracks=tracks)


def test_the_note_of_a_decision_is_shown() -> None:
    plan = plan_edit.decide(
        clips.plan_for(b"clip"), ["t1"], Choice.KEEP, by="key", at=clips.NOON, note="officer\non duty"
    )
    (row,) = [line for line in told(plan).splitlines() if line.startswith("t1 ")]
    assert " keep " in row
    assert row.endswith("  officer on duty")
    assert "officer" not in told(plan, tracks=False)


def test_when_something_was_left_in_sight_after_a_second_look_is_said() -> None:
    plan = replace(clips.plan_for(b"clip"), doubts=(Doubt(code=LET_GO, first=3, stop=9),))
    starts = [*plan.media.pts]
    first, stop = (float((starts[place] - starts[0]) * plan.media.time_base) for place in (3, 9))
    said = "faintly like a face, at second looks clearly none, so not covered (s)"
    assert f"{said}: {first:.2f} to {stop:.2f}" in told(plan)
    assert "doubts: let_go 1" in told(plan, tracks=False)


def test_the_line_about_sound_says_what_shows_the_words() -> None:
    heard = SpeechSummary(voice_ms=1600, words=7, missing="", proposals={})
    assert heard.text().endswith("spoken personal data proposed: nothing")
    assert heard.text("2026-0317-K4J7QX").endswith("nothing (bwc plan 2026-0317-K4J7QX --transcript FILE)")
    named = replace(heard, proposals={"name": 2})
    assert named.text("2026-0317-K4J7QX").endswith("name 2 (bwc plan 2026-0317-K4J7QX --words)")
    silent = replace(heard, words=0)
    assert "bwc plan" not in silent.text("2026-0317-K4J7QX")
