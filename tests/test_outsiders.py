"""Outsiders in a policy: strict form, and back again."""

import base64

import pytest

from bwc.errors import IntegrityError, UsageError
from bwc.outsiders import MOST_OUTSIDERS, TimeAuthority, Witness
from bwc.roles import Policy

VKEY = "clerk.example/bwc+00112233+" + base64.b64encode(b"\4" + bytes(32)).decode()
ROOT = base64.b64encode(b"certificate").decode()
WITNESS = Witness(vkey=VKEY, url="http://127.0.0.1:7380/")
TSA = TimeAuthority(name="county", url="https://tsa.example/tsr", roots=(ROOT,))


def test_a_policy_with_outsiders_goes_both_ways() -> None:
    policy = Policy(witnesses=(WITNESS,), time_authorities=(TSA,), witness_quorum=1, anchor_minutes=60)
    assert Policy.from_json(policy.to_json()) == policy
    assert WITNESS.name == "clerk.example/bwc"


def test_a_policy_of_before_has_no_outsiders_and_no_limit() -> None:
    old = {"approvals": 2, "separate_approver": True}
    assert Policy.from_json(old) == Policy(approvals=2, separate_approver=True)


@pytest.mark.parametrize(
    "value",
    [
        {"witnesses": "x"},
        {"witnesses": [{}]},
        {"witnesses": [{"vkey": VKEY}]},
        {"witnesses": [{"vkey": "x", "url": "http://x"}]},
        {"witnesses": [{"vkey": VKEY, "url": "file:///etc/passwd"}]},
        {"witnesses": [WITNESS.to_json()] * 2},
        {"time_authorities": [{"name": "A B", "url": "http://x", "roots": [ROOT]}]},
        {"time_authorities": [{"name": "a", "url": "http://x", "roots": []}]},
        {"time_authorities": [{"name": "a", "url": "http://x", "roots": ["!"]}]},
        {"time_authorities": [{"name": "a", "url": "http://x", "roots": [7]}]},
        {"time_authorities": [TSA.to_json()] * 2},
        {"witness_quorum": MOST_OUTSIDERS + 1},
        {"witness_quorum": True},
        {"anchor_minutes": -1},
    ],
)
def test_other_forms_are_refused(value: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        Policy.from_json(value)


def test_too_many_are_refused() -> None:
    many = tuple(Witness(vkey=VKEY.replace("clerk", f"c{one}"), url="http://x/") for one in range(MOST_OUTSIDERS + 1))
    with pytest.raises(UsageError):
        Policy(witnesses=many)
