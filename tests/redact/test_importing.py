"""A plan file that a person edited: what differs is their word, what may not be said so is refused, what opens is named."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bwc.canonical import sha256_hex
from bwc.errors import PlanStale, UsageError
from bwc.evidence import Choice
from bwc.redact import plan_edit
from bwc.redact.importing import INVERSE, opened_by, put_back, taken_over
from bwc.redact.plan import OVERLAY, Decision, Origin, RedactionPlan, Span, Track
from bwc.redact.plan_format import to_bytes
from tests.redact.clips import NOON, plan_for

ME, LATER = "me", NOON + timedelta(hours=1)
POLICY = Decision(choice=Choice.REDACT, by="policy", at=NOON, exemption="privacy")


@pytest.fixture
def plan() -> RedactionPlan:
    """A found track, a mask, a cover of whole frames and a mute."""
    found = plan_for(b"clip")
    tracks = tuple(replace(one, decision=POLICY) for one in found.tracks)
    drawn = plan_edit.add_mask(replace(found, tracks=tracks), {3: (8, 8, 40, 40)}, last=5, by="ann", at=NOON)
    covered = plan_edit.add_whole_frame(drawn, 3, 6, by="ann", at=NOON)
    return plan_edit.add_mute(covered, 0, 1_000_000, by="ann", at=NOON)


def with_track(plan: RedactionPlan, **changes: object) -> RedactionPlan:
    """`plan` with its first track changed."""
    return replace(plan, tracks=(replace(plan.tracks[0], **changes), *plan.tracks[1:]))  # type: ignore[arg-type]


def said(**words: str) -> Decision:
    return Decision(choice=Choice.KEEP, by="somebody else", at=NOON - timedelta(days=9), **words)  # type: ignore[arg-type]


def test_whoever_imports_decided_what_differs_and_nothing_else(plan: RedactionPlan) -> None:
    after = taken_over(plan, with_track(plan, decision=said(note="consent")), by=ME, at=LATER)
    assert after.tracks[0].decision == Decision(choice=Choice.KEEP, by=ME, at=LATER, note="consent")
    assert after.tracks[1:] == plan.tracks[1:]
    assert (after.revision, after.previous) == (plan.revision + 1, sha256_hex(to_bytes(plan)))
    shorter = (Span(first=0, boxes=list(plan.tracks[0].spans[0].boxes)[:-1]),)
    moved = with_track(plan, spans=shorter, origin=Origin.PERSON, score_permille=1, doubts=("x",))
    track = taken_over(plan, moved, by=ME, at=LATER).tracks[0]
    assert (track.decision.by, track.decision.at, track.origin) == (ME, LATER, Origin.DETECTOR)
    assert (track.score_permille, track.doubts) == (plan.tracks[0].score_permille, plan.tracks[0].doubts)
    looked = replace(plan, extensions={OVERLAY: [[0, 0, 8, 8]]})
    forged = replace(looked, tool="other 1", extensions={OVERLAY: [[0, 0, 320, 240]], "labels": {"show": "class"}})
    after = taken_over(looked, forged, by=ME, at=LATER)
    assert after.tool == plan.tool
    assert after.extensions == {OVERLAY: [[0, 0, 8, 8]], "labels": {"show": "class"}}


def test_why_it_was_hidden_is_no_reason_to_show_it(plan: RedactionPlan) -> None:
    for leftover in (said(exemption="privacy"), said(exemption="privacy", note="  ")):
        with pytest.raises(UsageError, match="t1 is kept without a reason"):
            taken_over(plan, with_track(plan, decision=leftover), by=ME, at=LATER)
    taken_over(plan, with_track(plan, decision=said(exemption="consent 12")), by=ME, at=LATER)


def test_what_was_made_from_another_revision_is_refused(plan: RedactionPlan) -> None:
    newer = plan_edit.add_mask(plan, {3: (60, 8, 90, 40)}, last=5, by="ann", at=NOON)
    with pytest.raises(PlanStale, match="from revision 4"):
        taken_over(newer, with_track(plan, decision=said(note="consent")), by=ME, at=LATER)
    own = replace(plan, revision=plan.revision + 1, previous=sha256_hex(to_bytes(plan)))  # a tool that counts itself
    assert taken_over(plan, own, by=ME, at=LATER).revision == plan.revision + 1


def test_what_was_found_is_not_removed_unless_it_stays_hidden(plan: RedactionPlan) -> None:
    gone = replace(plan, tracks=plan.tracks[1:])
    with pytest.raises(UsageError, match="t1: found by a detector, gone from the file"):
        taken_over(plan, gone, by=ME, at=LATER)
    media = plan.media
    everything = [(0, 0, media.width, media.height)] * media.frames
    wide = Track(id="m9", class_="manual", origin=Origin.PERSON, spans=(Span(first=0, boxes=everything),))
    assert taken_over(plan, replace(gone, tracks=(*gone.tracks, wide)), by=ME, at=LATER).tracks[-1].id == "m9"


def test_everything_that_opens_is_named(plan: RedactionPlan) -> None:
    assert opened_by(plan, plan) == []
    assert opened_by(plan, replace(plan, tracks=())) == ["t1"], "the mask lies under the cover of whole frames"
    assert opened_by(plan, replace(plan, tracks=plan.tracks[:1], whole_frame=())) == ["m1", "w1"]
    assert opened_by(plan, replace(plan, whole_frame=())) == ["w1"]
    assert opened_by(plan, replace(plan, audio_spans=())) == ["a1"]
    assert opened_by(plan, with_track(plan, decision=said(note="x"))) == ["t1"]
    span = plan.tracks[0].spans[0]
    shorter = Span(first=span.first + 1, boxes=list(span.boxes)[1:])
    assert opened_by(plan, with_track(plan, spans=(shorter, *plan.tracks[0].spans[1:]))) == ["t1"]
    narrow = replace(plan, effect=replace(plan.effect, margin_permille=0))
    assert opened_by(plan, narrow) == ["t1"], "its margin; a mask is as it was drawn"


def test_an_inverse_plan_opens_by_keeping_more_or_by_hiding_less(plan: RedactionPlan) -> None:
    inverse = replace(plan, effect=replace(plan.effect, inverse=True))
    assert opened_by(plan, inverse) == []
    assert opened_by(inverse, plan) == [INVERSE]
    kept = with_track(inverse, decision=said(note="x"))
    assert opened_by(inverse, kept) == ["t1"]
    assert opened_by(kept, kept) == []


def test_what_was_said_at_an_earlier_revision_is_said_again(plan: RedactionPlan) -> None:
    kept = plan_edit.decide(plan, ["t1"], Choice.KEEP, by="ann", at=NOON, note="consent")
    wide = plan_edit.add_mask(kept, {8: (60, 8, 90, 40)}, last=9, by="ann", at=NOON)
    back = put_back(wide, plan, by=ME, at=LATER)
    assert [one.id for one in back.tracks] == [one.id for one in plan.tracks]
    assert back.tracks[0].decision == replace(POLICY, by=ME, at=LATER)
    assert back.tracks[1:] == plan.tracks[1:], "what did not change since is nobody's word anew"
    assert (back.revision, back.previous) == (wide.revision + 1, sha256_hex(to_bytes(wide)))
    assert opened_by(wide, back) == ["m2"]
    forth = put_back(back, kept, by=ME, at=LATER)
    assert opened_by(back, forth) == ["t1"]
    assert forth.tracks[0].decision == Decision(choice=Choice.KEEP, by=ME, at=LATER, note="consent")


def test_decisions_on_tracks_that_were_found_anew_since_are_not_said_again(plan: RedactionPlan) -> None:
    span = plan.tracks[0].spans[0]
    anew = with_track(plan, spans=(Span(first=span.first + 1, boxes=list(span.boxes)[1:]), *plan.tracks[0].spans[1:]))
    with pytest.raises(PlanStale, match="analysed anew since revision"):
        put_back(anew, plan, by=ME, at=LATER)
