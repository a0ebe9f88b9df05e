"""What people are told of one check."""

from dataclasses import replace

import pytest

from bwc.errors import LeakFound
from bwc.evidence import ItemId
from bwc.redact.check_report import Sight, Suspect
from bwc.redact.checked import Checked
from tests.redact.test_carrying import report


def suspect(name: str) -> Suspect:
    return Suspect(
        id=name, class_="face", sight=Sight.VISIBLE, first=3, last=3, first_ms=100, last_ms=133, sightings=1,
        best_permille=900, risk=7, boxes=((3, 8, 8, 40, 40),),
    )  # fmt: skip


def test_one_is_told_as_one() -> None:
    one = Checked(item=ItemId("2026-0317-K4J7QX"), segment=0, report=report([suspect("s3")]), decided={})
    with pytest.raises(LeakFound, match=r": 1 suspect is open$"):
        one.raise_if_open()
    assert ", 1 suspect, 0 faults" in one.text()
    assert ", 1 sighting, " in one.text()
    two = replace(one, report=report([suspect("s3"), suspect("s3b")]))
    with pytest.raises(LeakFound, match=r": 2 suspects are open$"):
        two.raise_if_open()
