"""Screens and papers: looked for only when asked for, and what is found waits for a person unless policy hides it."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest

from bwc.errors import BwcError
from bwc.evidence import Choice
from bwc.redact.likeness import Follower
from bwc.redact.lookout import lookout_for
from bwc.redact.path import Path
from bwc.redact.plan import Track
from bwc.redact.profiles import PROFILES, habits_for
from bwc.redact.verdict import tracks_of
from bwc.roles import Policy, looking_for


def path(class_: str, hits: int, score: float) -> Path:
    """Something that stood there for two seconds and was seen `hits` times."""
    box = np.asarray([10, 10, 60, 40], np.float32)
    one = Path(
        class_=class_,
        first=0,
        boxes=deque([box] * 60),
        trust=deque([True] * 60),
        now=Follower(box, None),
        last_seen=59,
        first_seen=0,
    )
    one.hits = hits
    for _ in range(hits):
        one.note(score, None)
    return one


def decided(one: Path, policy: Policy) -> Track:
    habits = habits_for(Fraction(30), PROFILES["balanced"], 1.0)
    (track,) = tracks_of([one], habits, (160, 90), (640, 360), policy=policy, now=datetime.now(UTC))
    return track


@pytest.mark.parametrize("class_", ["screen", "paper"])
def test_strong_evidence_alone_decides_nothing(class_: str) -> None:
    found = decided(path(class_, 9, 0.95), Policy(screens="review"))
    assert found.decision.choice is Choice.UNDECIDED  # hidden until somebody says otherwise
    assert "sheet" in found.doubts
    assert decided(path(class_, 1, 0.4), Policy(screens="hide")).decision.choice is Choice.REDACT


def test_a_plate_is_not_kept_waiting() -> None:
    found = decided(path("plate", 9, 0.95), Policy(screens="review"))
    assert found.decision.choice is Choice.REDACT
    assert "sheet" not in found.doubts


def test_nobody_looks_for_them_unasked() -> None:
    try:
        plain, asked = (lookout_for(PROFILES["balanced"], screens=wanted) for wanted in (False, True))
    except BwcError as error:
        pytest.skip(f"weights absent: {error.message}; run: {error.hint}")
    sought = [{class_ for one in look.ordinary for class_ in one.classes} for look in (plain, asked)]
    assert sought[0] == {"face", "head", "plate"}
    assert sought[1] == sought[0] | {"screen", "paper"}
    files = [{one.describe().file_sha256 for one in look.ordinary} for look in (plain, asked)]
    assert files[0] < files[1]  # people and plates are found by the same networks as without


def test_a_command_may_ask_for_other_than_the_policy() -> None:
    policy = Policy(text="hide", screens="review")
    assert looking_for(policy, text=None, screens=None) == policy
    assert looking_for(policy, text="off", screens="hide") == replace(policy, text="off", screens="hide")


def test_policy_names_what_is_done_with_them() -> None:
    assert Policy().screens == "off"
    with pytest.raises(BwcError, match="screens"):
        replace(Policy(), screens="maybe")
    assert Policy.from_json(Policy(screens="hide").to_json()).screens == "hide"
