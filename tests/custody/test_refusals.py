"""What a refused act leaves: which act, why, what it was for; and what the person is told to do."""

from pathlib import Path

import pytest

from bwc.custody.house import House
from bwc.errors import NotAllowed
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
