"""What a refused act leaves: which act, why, what it was for; and what the person is told to do."""

from pathlib import Path

import pytest

from bwc.custody.house import House
from bwc.errors import KeyUnavailable, NotAllowed, NotFound
from bwc.identities import LocalOperator
from bwc.oversight.report_sections import why
from tests.custody.disposals import public
from tests.custody.vaults import CHIEF, make_vault

AUDITOR = LocalOperator.generate("auditor")


def test_a_refused_opening_says_what_it_was_for_and_the_hint_names_all_roles(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", b"footage")
    with House.enter(places, CHIEF) as house:
        house.enrol(public(AUDITOR), roles=["auditor"])
        item = house.items()[0].item_id
    with (
        House.enter(places, AUDITOR) as house,
        pytest.raises(NotAllowed) as refused,
        house.open_original(item, 0, purpose="export", reason="a friend asked", to="usb.mp4"),
    ):
        pass
    assert "--role auditor --role " in refused.value.hint
    assert "replaced" in refused.value.hint
    with House.enter(places, AUDITOR) as house:
        event = list(house.events())[-1]
    assert (event.kind, event.facts["act"]) == ("act.refused", "item.opened")
    assert event.private is not None
    assert (event.private["reason"], event.private["to"]) == ("a friend asked", "usb.mp4")
    assert why(event).endswith("stated reason: a friend asked")


def test_whoever_reads_no_footage_is_told_the_role_it_needs_wherever_something_is_opened(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", b"footage")
    with House.enter(places, CHIEF) as house:
        house.enrol(public(AUDITOR), roles=["auditor"])
        item = house.items()[0].item_id
        held = house.segment(item, 0).object_id
    for reading in (lambda house: house.read(held), lambda house: house.pieces(item, 0)):
        with House.enter(places, AUDITOR) as house:
            with pytest.raises(NotAllowed, match="needs the role records or worker; auditor has auditor"):
                reading(house)
            event = list(house.events())[-1]
        assert (event.kind, event.item, event.facts["act"]) == ("act.refused", item, "item.opened")


def test_a_reader_whom_nothing_was_given_to_yet_is_not_refused_but_has_no_key(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault", b"footage")
    worker = LocalOperator.generate("night")
    with House.enter(places, CHIEF) as house:
        house.enrol(public(worker), roles=["worker"])  # the policy gives workers nothing
        held = house.segment(house.items()[0].item_id, 0).object_id
    with House.enter(places, worker) as house, pytest.raises(KeyUnavailable) as refused:
        house.read(held)
    assert refused.value.hint == "an administrator: bwc policy set worker=true"


def test_an_item_named_by_too_little_is_told_how_much_it_takes(tmp_path: Path) -> None:
    with House.enter(make_vault(tmp_path / "vault", b"footage"), CHIEF) as house:
        item = house.items()[0].item_id
        assert house.find(item[-4:].lower()) == item
        with pytest.raises(NotFound, match="too short") as caught:
            house.find(item[-3:])
    assert "last 4 characters" in caught.value.hint
