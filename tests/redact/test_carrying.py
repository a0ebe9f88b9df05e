"""A decision to keep holds in later checks of the same recording, and only for what it was made of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bwc.custody.house import House
from bwc.evidence import ItemId
from bwc.redact.carrying import carry, decisions, is_same
from bwc.redact.check_report import CheckReport, Sight, Suspect
from bwc.redact.check_sight import named
from tests.custody.vaults import CHIEF, make_vault

POSTER = (100, 50, 140, 100)


def suspect(
    first: int = 300, last: int = 340, box: tuple[int, int, int, int] = POSTER, sight: Sight = Sight.VISIBLE
) -> Suspect:
    boxes = tuple((ordinal, *box) for ordinal in range(first, last + 1, 5))
    (one,) = named([
        Suspect(
            id="", class_="face", sight=sight, first=first, last=last, first_ms=first * 33, last_ms=last * 33,
            sightings=len(boxes), best_permille=900, risk=7, boxes=boxes,
        )
    ])  # fmt: skip
    return one


def report(suspects: Sequence[Suspect], copy: str = "b") -> CheckReport:
    return CheckReport(
        plan_id="pln-0123456789ab", plan_revision=1, plan_sha256="a" * 64, content_sha256="c" * 64,
        copy_sha256=copy * 64, copy_bytes=9, tool="test", stride=5, frames=900, frames_checked=180, frames_lost=0,
        covers_checked=0, detectors=(), not_checked=(), suspects=tuple(suspects), findings=(), kept=(), measures={},
    )  # fmt: skip


class Desk:
    """A vault in which checks are recorded and decided, as `bwc check` and `bwc decide` do."""

    def __init__(self, folder: Path) -> None:
        places = make_vault(folder, b"footage")
        self.house = House.enter(places, CHIEF)
        self.item: ItemId = self.house.items()[0].item_id

    def check(self, made: CheckReport) -> dict[str, tuple[str, str | None]]:
        facts = {"report_sha256": made.sha256, "copy_sha256": made.copy_sha256, "segment": 0}
        carried = carry(self.house, self.item, 0, made)
        facts |= {"carried": [one.to_json() for one in carried]} if carried else {}
        self.house.record_report(self.item, 0, made.to_bytes(), facts)
        return {name: (said.choice, said.earlier) for name, said in decisions(self.house, made, facts).items()}

    def decide(self, made: CheckReport, name: str, choice: str) -> None:
        facts = {"choice": choice, "report_sha256": made.sha256, "segment": 0, "suspect": name}
        self.house.record_suspect(self.item, facts, note="a poster")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "vault")


def test_a_kept_suspect_stays_kept_in_the_check_of_another_copy_under_its_new_name(desk: Desk) -> None:
    first = report([suspect()])
    assert desk.check(first) == {}
    desk.decide(first, "s300", "keep")
    # another copy: the same thing is seen two frames earlier, and somebody else shows as well
    second = report([suspect(298, 344), suspect(500, 520)], copy="d")
    assert desk.check(second) == {"s298": ("keep", "s300")}
    # and on to a third, though nobody decided on the second
    assert desk.check(report([suspect(301, 339)], copy="e")) == {"s301": ("keep", "s300")}


def test_what_was_taken_back_or_to_be_hidden_is_not_carried(desk: Desk) -> None:
    first, second = report([suspect()]), report([suspect()], copy="d")
    desk.check(first)
    desk.decide(first, "s300", "keep")
    assert desk.check(second) == {"s300": ("keep", "s300")}
    desk.decide(second, "s300", "redact")
    assert desk.check(report([suspect()], copy="e")) == {}


def test_another_recording_under_the_same_item_carries_nothing(desk: Desk) -> None:
    first = report([suspect()])
    desk.check(first)
    desk.decide(first, "s300", "keep")
    assert desk.check(replace(report([suspect()], copy="d"), content_sha256="f" * 64)) == {}


@pytest.mark.parametrize(
    ("new", "same"),
    [
        (suspect(), True),
        (suspect(305, 335), True),
        (suspect(300, 400), False),  # longer
        (suspect(800, 840), False),  # at another time
        (suspect(box=(400, 50, 440, 100)), False),  # somewhere else
        (replace(suspect(), class_="plate"), False),
        (suspect(sight=Sight.PARTLY), True),  # less of it shows
        (suspect(sight=Sight.INSIDE), True),
        (suspect(sight=Sight.GAP), True),
        (suspect(box=(104, 54, 144, 104)), True),  # the same, seen a little beside
        (suspect(box=(0, 0, 400, 400)), False),  # a face that fills the picture before the poster
        (suspect(box=(95, 45, 150, 110)), False),  # more of it
        (suspect(box=(110, 60, 125, 80)), False),  # somebody on the poster's place, far smaller
    ],
)
def test_only_what_shows_no_more_than_before_is_the_same(new: Suspect, *, same: bool) -> None:
    assert is_same(new, suspect()) is same


def test_what_was_partly_hidden_and_now_is_not_must_be_decided_again() -> None:
    assert not is_same(suspect(), suspect(sight=Sight.PARTLY))
    assert not is_same(suspect(), suspect(sight=Sight.INSIDE))
    assert not is_same(suspect(sight=Sight.PARTLY), suspect(sight=Sight.INSIDE))
    assert not is_same(suspect(sight=Sight.GAP), suspect(sight=Sight.PARTLY))


def test_names_tell_the_first_frame_and_do_not_depend_on_others() -> None:
    left, right = suspect(box=(10, 10, 50, 50)), suspect(box=(90, 10, 130, 50))
    assert [one.id for one in named([right, left, suspect(7, 9)])] == ["s300b", "s300", "s7"]
    assert [one.id for one in named([suspect(7, 9)])] == ["s7"]
