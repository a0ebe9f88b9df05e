"""Roles and policy: who may do what, and what a second person is needed for."""

from typing import Any

import pytest

from bwc.errors import IntegrityError, UsageError
from bwc.evidence import EventKind
from bwc.roles import EFFECTS, MAY, Policy, Role, approvals_missing, may


def test_every_event_kind_has_its_roles() -> None:
    assert set(MAY) == set(EventKind)
    assert all(MAY.values())


def test_a_technician_takes_in_and_nothing_more() -> None:
    allowed = {kind for kind in EventKind if may([Role.TECHNICIAN], kind)}
    assert EventKind.ITEM_INGESTED in allowed
    assert EventKind.ITEM_OPENED not in allowed
    assert EventKind.COPY_APPROVED not in allowed
    assert EventKind.POLICY_SET not in allowed
    assert not may([], EventKind.ACT_REFUSED)


@pytest.mark.parametrize(
    ("approvals", "separate", "approvers", "missing"),
    [
        (1, False, [], 1),
        (1, False, ["a"], 0),
        (2, False, ["a", "a"], 1),
        (2, False, ["a", "b"], 0),
        (1, True, ["a"], 1),
        (1, True, ["a", "b"], 0),
        (1, True, ["b"], 0),
        (3, True, ["a"], 2),
    ],
)
def test_approvals_count_people(approvals: int, separate: bool, approvers: list[str], missing: int) -> None:
    policy = Policy(approvals=approvals, separate_approver=separate)
    assert approvals_missing(policy, approvers=approvers, renderer="a") == missing


def test_a_policy_goes_to_the_log_and_back() -> None:
    policy = Policy(copies=2, approvals=2, separate_approver=True, effect="mean", default_exemption="(b)(6)")
    assert Policy.from_json(dict(policy.to_json()) | {"later": 1}) == policy


@pytest.mark.parametrize(
    "wrong",
    [
        {"approvals": 0},
        {"approvals": -1},
        {"approvals": True},
        {"copies": 0},
        {"margin_permille": 0},
        {"cover_colour": "black"},
        {"cover_colour": "#20408"},
        {"effect": "glitter"},
        {"separate_approver": 1},
        {"default_exemption": ""},
    ],
)
def test_a_policy_that_would_hurt_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Policy(**wrong)
    with pytest.raises(IntegrityError):
        Policy.from_json(dict(Policy().to_json()) | wrong)


def test_effects_are_those_that_can_be_drawn() -> None:
    from bwc.redact.plan_effect import EffectKind

    assert set(EFFECTS) == {kind.value for kind in EffectKind}
