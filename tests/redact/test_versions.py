"""A version is a plan of its own that says for whom it is; a table that says otherwise is not believed."""

from dataclasses import replace
from pathlib import Path

import pytest

from bwc.canonical import canonical, parse_canonical, sha256_hex
from bwc.custody.house import House
from bwc.errors import IntegrityError, NotFound, PlanStale, UsageError
from bwc.evidence import Choice, ItemId, ObjectRole
from bwc.redact import branching, plan_edit, session
from bwc.redact.importing import put_back, taken_over
from bwc.redact.plan import VERSION, RedactionPlan
from bwc.redact.plan_format import from_bytes, to_bytes
from bwc.redact.versions import branched, id_of, is_same_request, plan_in, version_id, version_of, versions
from tests.custody.vaults import CHIEF, make_vault
from tests.redact.clips import NOON, plan_for

HERS = "R-311"


@pytest.fixture
def common() -> RedactionPlan:
    return plan_for(b"footage", tracks=plan_for(b"footage").tracks)


def test_a_version_is_a_plan_of_its_own(common: RedactionPlan) -> None:
    made = branched(common, "5" * 64, "  R-311  b ", made_at=NOON)
    assert (made.revision, made.previous, made.tracks) == (1, None, common.tracks)
    assert made.plan_id != common.plan_id != branched(common, "5" * 64, HERS, made_at=NOON).plan_id
    assert (id_of(made), id_of(common), version_of(common)) == (made.plan_id, "", None)
    said = version_of(from_bytes(to_bytes(made)))
    assert said is not None
    assert (said.request, said.revision, said.sha256) == ("R-311 b", common.revision, "5" * 64)
    assert is_same_request("r-311  B", said.request)
    assert not is_same_request("R-31", "R-311")
    for forged in ({}, {"request": HERS}, {"request": "", "common": {"revision": 1, "sha256": ""}}, 7, None):
        if forged is not None:
            with pytest.raises(UsageError, match="for which request"):
                version_of(replace(common, extensions={VERSION: forged}))


def test_a_file_of_one_version_is_not_taken_for_another(common: RedactionPlan) -> None:
    made = branched(common, sha256_hex(to_bytes(common)), HERS, made_at=NOON)
    for one, other in ((made, common), (common, made), (made, branched(common, "5" * 64, "R-9", made_at=NOON))):
        with pytest.raises(PlanStale, match="another version"):
            taken_over(one, other, by="me", at=NOON)
    nobodys = replace(made, extensions={})
    assert taken_over(made, nobodys, by="me", at=NOON).extensions == made.extensions


def test_an_earlier_revision_knows_of_the_common_plan_what_it_knew_then(common: RedactionPlan) -> None:
    first = branched(common, "1" * 64, HERS, made_at=NOON)
    later = plan_edit.add_mask(first, {3: (8, 8, 40, 40)}, last=5, by="ann", at=NOON)
    taken = replace(later, extensions=branched(common, "2" * 64, HERS, made_at=NOON).extensions)
    said = version_of(put_back(taken, first, by="me", at=NOON))
    assert said is not None
    assert said.sha256 == "1" * 64, "the mask is gone again, so it is missing again"


class Desk:
    """A vault with one recording, and plans saved as commands save them."""

    def __init__(self, folder: Path) -> None:
        self.house = House.enter(make_vault(folder, b"footage"), CHIEF)
        self.item: ItemId = self.house.items()[0].item_id

    def save(self, plan: RedactionPlan, made_from: session.PlanState | None = None) -> session.PlanState:
        return session.save(self.house, self.item, 0, plan, made_from=made_from)

    def now(self, request: str = "") -> session.PlanState:
        return session.there(session.newest(self.house, self.item, 0, request), self.item, request)

    def branch(self, request: str) -> session.PlanState:
        now = self.now()
        return self.save(branched(now.plan, now.sha256, request, made_at=NOON))

    def edit(self, request: str, box: tuple[int, int, int, int]) -> session.PlanState:
        def make(now: session.PlanState | None) -> RedactionPlan:
            plan = session.there(now, self.item, request).plan
            return plan_edit.add_mask(plan, {0: box}, last=5, by="ann", at=NOON)

        return session.save_next(self.house, self.item, 0, make, request=request)


@pytest.fixture
def desk(tmp_path: Path, common: RedactionPlan) -> Desk:
    made = Desk(tmp_path)
    made.save(common)
    return made


def test_each_version_has_its_own_line_of_revisions(desk: Desk) -> None:
    hers, his = desk.branch(HERS), desk.branch("R-320")
    desk.edit(HERS, (8, 8, 40, 40))
    desk.edit("", (200, 8, 240, 40))
    assert [desk.now(one).plan.revision for one in ("", HERS, "r-311", "R-320")] == [2, 2, 2, 1]
    assert [len(desk.now(one).plan.tracks) for one in ("", HERS, "R-320")] == [2, 2, 1]
    assert versions(desk.house, desk.item, 0) == {hers.version: HERS, his.version: "R-320"}
    with pytest.raises(NotFound, match="no version for R-999"):
        desk.now("R-999")
    with pytest.raises(NotFound, match="R-320 has no revision 2"):
        session.revision(desk.house, desk.item, 0, 2, "R-320")
    stale = plan_edit.add_mask(hers.plan, {0: (1, 1, 9, 9)}, last=5, by="bob", at=NOON)
    with pytest.raises(PlanStale, match="changed by somebody else"):
        desk.save(stale, hers)


def test_the_log_names_a_version_by_no_request(desk: Desk) -> None:
    hers = desk.branch(HERS)
    event = desk.house.trail(desk.item)[-1]
    assert event.facts["version"] == hers.version
    assert event.private == {"request": HERS}
    assert HERS.encode() not in desk.house.entry(event.seq)


def test_a_table_that_takes_one_version_for_another_is_not_believed(desk: Desk) -> None:
    hers = desk.branch(HERS)
    row = desk.house.latest(desk.item, 0, ObjectRole.PLAN, version=hers.version)
    assert row is not None
    with pytest.raises(IntegrityError, match="of another version"):
        plan_in(replace(row, facts={**row.facts, "version": "pln-000000000000"}), hers.data)
    bare = {name: value for name, value in row.facts.items() if name != "version"}
    with pytest.raises(IntegrityError, match="of another version"):
        plan_in(replace(row, facts=bare), hers.data)
    changed = parse_canonical(to_bytes(hers.plan))
    assert isinstance(changed, dict)
    assert from_bytes(canonical(changed)) == hers.plan


def test_a_version_is_held_against_the_common_plan_and_takes_over_what_is_new(desk: Desk) -> None:
    desk.branch(HERS)
    assert branching.behind(desk.house, desk.now(HERS)) is None
    assert branching.behind(desk.house, desk.now()) is None
    kept = plan_edit.decide(desk.now().plan, ["t1"], Choice.KEEP, by="ann", at=NOON, note="an officer")
    desk.save(kept, desk.now())
    moved = branching.behind(desk.house, desk.now(HERS))
    assert moved is not None
    assert (moved.since, moved.now, moved.shown) == (1, 2, ())
    branching.verify_not_behind(desk.house, desk.now(HERS))
    (idle,) = branching.take_over(desk.house, desk.item, None, HERS, at=NOON)
    assert (idle.names, desk.now(HERS).plan.revision) == ((), 1), "a copy that was approved stays good"

    desk.edit("", (200, 8, 240, 40))
    with pytest.raises(PlanStale, match="it would show what is hidden there since: m1"):
        branching.verify_not_behind(desk.house, desk.now(HERS))
    (taken,) = branching.take_over(desk.house, desk.item, None, HERS, at=NOON)
    assert (taken.names, taken.state.plan.revision) == (("m1",), 2)
    assert taken.state.plan.previous == sha256_hex(to_bytes(session.revision(desk.house, desk.item, 0, 1, HERS).plan))
    assert branching.behind(desk.house, desk.now(HERS)) is None
    assert desk.now(HERS).plan.tracks[0].decision.choice is not Choice.KEEP, (
        "what opened for everybody opens here by a word"
    )
    with pytest.raises(NotFound, match="no version for R-9"):
        branching.take_over(desk.house, desk.item, None, "R-9", at=NOON)


def test_two_people_make_one_version(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(_: session.PlanState) -> None:
        assert branching.ensure(desk.house, desk.item, "r-311", at=NOON) != ()

    assert branching.ensure(desk.house, desk.item, HERS, at=NOON, first=meanwhile) == (), "theirs is as good"
    assert list(versions(desk.house, desk.item, 0).values()) == ["r-311"]
    assert version_id(desk.house, desk.item, 0, HERS) == desk.now(HERS).version
