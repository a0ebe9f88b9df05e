"""Vaults for the tests of destruction; a module's own fixtures of these names win."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwc.config import Places
from bwc.custody import retaining
from bwc.custody.founding import found
from bwc.storage.retention import Schedule
from tests.custody.disposals import CHIEF, DEPUTY, FOOTAGE, OTHER, RECOVERY, Later, public, take_in


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retaining, "datetime", Later)


@pytest.fixture(scope="module")
def worked_on(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Two items; the first was worked on: opened, tagged, a plan. A deputy with the role records."""
    places = Places(vault=tmp_path_factory.mktemp("filled") / "vault")
    with found(places, agency="Springfield PD", operator=CHIEF, recovery=RECOVERY.recipient) as house:
        house.enrol(public(DEPUTY), roles=["records", "administrator"])
        house.set_schedule(Schedule.parse({"grace_days": 5, "keep": {"traffic": "90 days"}}))
        item = take_in(house, FOOTAGE)
        take_in(house, OTHER, officer="B1", camera="X1", name="1.mp4")
        with house.open_original(item, 0, purpose="export", reason="because of Jane Doe") as source:
            assert source.read() == FOOTAGE
        house.save_plan(
            item,
            0,
            b'{"plan":1}',
            made_from=None,
            facts={"plan_sha256": "a" * 64, "segment": 0},
            sheet=b"jpeg",
            detected=True,
        )
        house.tag(item, {"officer": "B0-NOBODY"}, note="neighbour's name")
    return places


@pytest.fixture
def places(worked_on: Places, tmp_path: Path) -> Iterator[Places]:
    shutil.copytree(worked_on.vault, tmp_path / "vault")
    yield Places(vault=tmp_path / "vault")
    shutil.rmtree(tmp_path / "vault")
