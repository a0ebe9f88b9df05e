"""key.rotated: one person's step from a key to the next; every other use of it is refused by step 6 or 7."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bwc.evidence import EventKind
from bwc.identities import SeedSigner
from tests.audit.logs import ADMIN, CLERK, SECOND, STRANGER, TECH, House, operator, signer
from tests.audit.verifying import bad_steps, house_with

NEW = signer("clerk's new key")


def rotate(
    signers: Sequence[SeedSigner] = (CLERK, NEW),
    *roles: str,
    new: SeedSigner = NEW,
    replaces: Any = CLERK.key_id,
) -> Callable[[House], object]:
    facts = {"operator": operator(new, *(roles or ("records",)), replaces=replaces)}
    return lambda house: house.do(list(signers), EventKind.KEY_ROTATED, facts)


def approve(*keys: SeedSigner) -> Callable[[House], object]:
    return lambda house: [house.approve(one) for one in keys]


def test_the_new_key_acts_and_the_old_one_signs_no_more() -> None:
    assert not bad_steps(house_with(rotate(), approve(NEW)))
    assert bad_steps(house_with(rotate(), approve(CLERK))) == {6}


def test_a_rotation_does_not_make_two_people_of_one() -> None:
    def release(first: SeedSigner, second: SeedSigner) -> Callable[[House], object]:
        def act(house: House) -> None:
            one = house.approve(first)
            rotate()(house)
            house.release(one, house.approve(second), key=NEW)

        return act

    assert bad_steps(house_with(release(CLERK, NEW))) == {7}
    assert not bad_steps(house_with(release(SECOND, NEW)))


@pytest.mark.parametrize(
    ("act", "steps"),
    [
        (rotate([CLERK]), {7}),  # nobody shows that the new key is held
        (rotate([NEW]), {6}),  # a stranger enrols itself
        (rotate([CLERK, SECOND]), {7}),
        (rotate([CLERK, NEW, SECOND]), {7}),
        (rotate([NEW, CLERK]), {6}),
        (rotate([CLERK, NEW], "records", "administrator"), {7}),  # more roles than before
        (rotate([CLERK, NEW], "administrator"), {7}),
        (rotate([CLERK, SECOND], new=SECOND), {7}),  # takes over a colleague's key
        (rotate([SECOND, NEW]), {7}),  # replaces another's key
        (rotate([ADMIN, NEW]), {7}),
        (rotate([TECH, NEW], replaces=TECH.key_id), {7}),  # a technician becomes a records officer
        (rotate([STRANGER, NEW], replaces=STRANGER.key_id), {6}),
        (rotate(replaces=None), {7}),
    ],
)
def test_anything_else_is_refused(act: Callable[[House], object], steps: set[int]) -> None:
    found = bad_steps(house_with(act))
    assert found
    assert found <= steps


def test_a_revoked_key_cannot_rotate_itself_back() -> None:
    def revoke(house: House) -> None:
        house.do(ADMIN, EventKind.KEY_REVOKED, {"key": CLERK.key_id})

    assert bad_steps(house_with(revoke, rotate())) == {6}
    assert bad_steps(house_with(rotate(), rotate())) == {6}
    assert not bad_steps(house_with(rotate(), rotate([NEW, STRANGER], new=STRANGER, replaces=NEW.key_id)))


def test_a_strange_rotation_is_a_finding_and_no_crash() -> None:
    for facts in ({}, {"operator": []}, {"operator": {"key": []}}, {"operator": operator(NEW, "king", replaces=[])}):
        assert bad_steps(house_with(lambda house, facts=facts: house.do([CLERK, NEW], EventKind.KEY_ROTATED, facts)))
