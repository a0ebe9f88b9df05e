"""What the common plan hides since a version branched from it is missed in the version, and taken over; what was decided for it stays."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bwc.evidence import Choice
from bwc.redact import plan_edit
from bwc.redact.importing import INVERSE, opened_by
from bwc.redact.joining import joined, missed, unsought
from bwc.redact.plan import TURNED, VERSION, Box, Decision, Origin, RedactionPlan, SoundSpan, Span, Track
from bwc.redact.speech.record import KEY
from bwc.redact.versions import branched
from tests.redact.clips import FRAMES, NOON, plan_for

LATER = NOON + timedelta(hours=1)
POLICY = Decision(choice=Choice.REDACT, by="policy", at=NOON, exemption="privacy")


def found(name: str, left: int) -> Track:
    boxes: list[Box] = [(left, 80, left + 40, 120)] * FRAMES
    return Track(id=name, class_="face", score_permille=900, spans=(Span(first=0, boxes=boxes),), decision=POLICY)


@pytest.fixture
def base() -> RedactionPlan:
    """Three people, all hidden."""
    return plan_for(b"clip", tracks=(found("t1", 20), found("t2", 120), found("t3", 220)))


def keep(plan: RedactionPlan, *names: str, by: str = "ann") -> RedactionPlan:
    return plan_edit.decide(plan, names, Choice.KEEP, by=by, at=LATER, note="herself")


def redact(plan: RedactionPlan, *names: str) -> RedactionPlan:
    return plan_edit.decide(plan, names, Choice.REDACT, by="bob", at=LATER, exemption="b6")


def mask(plan: RedactionPlan, box: Box) -> RedactionPlan:
    return plan_edit.add_mask(plan, {0: box}, last=FRAMES - 1, by="bob", at=LATER)


def version(base: RedactionPlan) -> RedactionPlan:
    return branched(base, "0" * 64, "R-311", made_at=NOON)


def closed(base: RedactionPlan, common: RedactionPlan, mine: RedactionPlan) -> RedactionPlan:
    """What was taken over; it opens nothing, and nothing is missed any more."""
    after = joined(base, common, mine)
    assert opened_by(mine, after) == []
    assert missed(base, common, after) == []
    assert joined(base, common, after) == after, "taken over once"
    return after


def choices(plan: RedactionPlan) -> dict[str, str]:
    return {name: part.decision.choice.value for name, part in plan_edit.parts_of(plan).items()}


def test_what_was_decided_for_the_request_is_not_missed(base: RedactionPlan) -> None:
    mine = keep(version(base), "t1")
    assert missed(base, base, mine) == []
    assert missed(base, redact(base, "t1", "t2"), mine) == [], "hidden from all others, now with a code"
    assert joined(base, base, mine) == mine
    assert choices(closed(base, keep(base, "t2"), mine))["t2"] == "redact", "taking over opens nothing"


def test_a_mask_of_the_common_plan_is_missed_and_taken_over(base: RedactionPlan) -> None:
    mine = keep(version(base), "t1")
    common = mask(mask(base, (200, 10, 240, 50)), (222, 82, 258, 118))  # m2 lies under the cover of t3
    assert missed(base, common, mine) == ["m1"]
    after = closed(base, common, mine)
    assert choices(after) == {"t1": "keep", "t2": "redact", "t3": "redact", "m1": "redact"}
    assert after.tracks[-1] == plan_edit.parts_of(common)["m1"]
    assert after.extensions[VERSION] == mine.extensions[VERSION], "whoever saves it says what it has taken in"


def test_a_name_that_is_taken_does_not_hide_what_is_missed(base: RedactionPlan) -> None:
    mine = mask(version(base), (60, 10, 90, 30))  # m1 of the version
    common = mask(base, (200, 10, 240, 50))  # m1 of the common plan
    assert missed(base, common, mine) == ["m1"]
    after = closed(base, common, mine)
    assert [one.id for one in after.tracks] == ["t1", "t2", "t3", "m1", "m2"]
    assert after.tracks[-1].spans == common.tracks[-1].spans
    assert after.tracks[-2] == mine.tracks[-1]


def test_what_everybody_was_to_see_and_is_hidden_again_is_missed(base: RedactionPlan) -> None:
    known = keep(base, "t2")
    mine = keep(version(known), "t1")
    common = redact(known, "t2")  # no officer after all
    assert missed(known, common, mine) == ["t2"]
    after = closed(known, common, mine)
    assert choices(after) == {"t1": "keep", "t2": "redact", "t3": "redact"}
    assert plan_edit.parts_of(after)["t2"].decision == plan_edit.parts_of(common)["t2"].decision
    own = keep(mine, "t2", by="carl")  # said for this request, too
    assert missed(known, common, own) == []
    undecided = plan_edit.decide(known, ["t2"], Choice.UNDECIDED, by="bob", at=LATER)
    assert choices(closed(known, undecided, mine))["t2"] == "undecided"


def test_a_decision_is_about_a_place(base: RedactionPlan) -> None:
    mine = keep(version(base), "t1")
    moved = replace(base, tracks=(replace(found("t1", 30)), *base.tracks[1:]))
    assert missed(base, moved, mine) == ["t1"]
    after = closed(base, moved, mine)
    assert choices(after) == {"t1": "keep", "t2": "redact", "t3": "redact", "t4": "redact"}
    assert after.tracks[-1].spans == moved.tracks[0].spans


def test_tracks_that_were_found_anew_hide_whom_the_version_showed(base: RedactionPlan) -> None:
    mine = keep(version(base), "t1")
    anew = replace(base, tracks=(found("t1", 220), found("t2", 18)), extensions={TURNED: {"quarters": [1]}})
    assert missed(base, anew, mine) == ["t2"], "t1 lies under the cover of t3"
    after = closed(base, anew, mine)
    assert choices(after) == {"t1": "keep", "t2": "redact", "t3": "redact", "t4": "redact"}
    assert unsought(anew, mine) == ["people who stand turned"]
    assert unsought(anew, after) == unsought(base, mine) == []


def test_whole_frames_sound_and_wider_covers_are_missed(base: RedactionPlan) -> None:
    mine = version(base)
    whole = plan_edit.add_whole_frame(base, 3, 6, by="bob", at=LATER)
    assert missed(base, whole, mine) == ["w1"]
    assert closed(base, whole, mine).whole_frame == whole.whole_frame
    muted = plan_edit.add_mute(base, 0, 1_000_000, by="bob", at=LATER)
    assert missed(base, muted, mine) == ["a1"]
    assert closed(base, muted, mine).audio_spans == muted.audio_spans
    assert missed(base, muted, plan_edit.add_mute(mine, -5, 2_000_000, by="ann", at=LATER)) == []
    wide = replace(base, effect=replace(base.effect, margin_permille=base.effect.margin_permille + 200))
    assert missed(base, wide, keep(mine, "t1")) == ["t2", "t3"]
    after = closed(base, wide, keep(mine, "t1"))
    assert after.effect == wide.effect
    assert choices(after)["t1"] == "keep"


def test_a_common_plan_that_hides_all_but_who_is_kept(base: RedactionPlan) -> None:
    mine = keep(version(base), "t1")
    inverse = replace(base, effect=replace(base.effect, inverse=True))
    assert missed(base, inverse, mine) == [INVERSE]
    assert closed(base, inverse, mine).effect.inverse
    assert missed(inverse, inverse, mine) == [], "said before the version branched: it was taken back for this request"
    both = keep(version(inverse), "t1")
    common = mask(inverse, (25, 85, 35, 95))  # over her face
    assert missed(inverse, common, both) == ["m1"]
    assert choices(closed(inverse, common, both))["m1"] == "redact"


def test_sounds_take_their_labels_along(base: RedactionPlan) -> None:
    def heard(plan: RedactionPlan, **kinds: list[str]) -> RedactionPlan:
        labels = {name: {"certain": True, "core": [[0, 3]], "kinds": what} for name, what in kinds.items()}
        speech = {"labels": labels, "missing": "", "models": [], "tracks": [], "watch": []}
        spans = tuple(
            SoundSpan(
                id=name, start_ns=int(name[1:]) * 10**9, end_ns=int(name[1:]) * 10**9 + 10**8, origin=Origin.DETECTOR
            )
            for name in kinds
        )
        return replace(plan, audio_spans=spans, extensions={**plan.extensions, KEY: speech})

    known = heard(base, a1=["name"])
    mine = keep(version(known), "a1")
    again = heard(base, a1=["name", "phone"], a2=["name"])
    assert missed(known, again, mine) == ["a1", "a2"], "more is said in a1 than was known when it was kept"
    after = closed(known, again, mine)
    assert choices(after) == {
        "t1": "redact",
        "t2": "redact",
        "t3": "redact",
        "a1": "keep",
        "a2": "undecided",
        "a3": "undecided",
    }
    labels = after.extensions[KEY]["labels"]  # type: ignore[index,call-overload]
    assert labels["a2"] == again.extensions[KEY]["labels"]["a1"]  # type: ignore[index,call-overload]
    assert labels["a1"]["kinds"] == ["name"]
    speech = dict(again.extensions[KEY]) | {"watch": ["Doe"]}  # type: ignore[arg-type]
    watched = replace(again, extensions={**again.extensions, KEY: speech})
    assert unsought(watched, after) == ["the word 'Doe'"]
    assert unsought(watched, joined(again, watched, after)) == []
