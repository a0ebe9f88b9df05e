"""The versions of an item's plan side by side: for whom, how far each is on its way out, what of the common plan each lacks."""

from collections.abc import Iterator
from dataclasses import dataclass

from bwc.canonical import Json
from bwc.custody.house import House
from bwc.errors import NotFound
from bwc.evidence import Choice, ItemId, ObjectRole
from bwc.redact import session
from bwc.redact.branching import Behind, behind
from bwc.redact.copies import last_check, missing_approvals
from bwc.redact.session import PlanState
from bwc.redact.versions import versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one version of the plan of one recording stands; `stage` in words."""

    state: PlanState
    stage: str
    behind: Behind | None

    def to_json(self) -> dict[str, Json]:
        return {
            "behind": self.behind.to_json() if self.behind else None,
            "keep": self._kept,
            "plan_sha256": self.state.sha256,
            "request": self.state.request,
            "revision": self.state.plan.revision,
            "segment": self.state.segment,
            "stage": self.stage,
            "version": self.state.version,
        }

    @property
    def _kept(self) -> int:
        return sum(one.decision.choice is Choice.KEEP for one in self.state.plan.tracks)

    def cells(self) -> tuple[object, ...]:
        """For a table of them: request, segment, revision, how many tracks are kept, stage, and what of the common plan it lacks."""
        lacks = self.behind.lacks if self.behind else ""
        return self.state.request, self.state.segment, self.state.plan.revision, self._kept, self.stage, lacks


def side_by_side(house: House, item: ItemId, segment: int | None = None) -> list[Standing]:
    """Every version of the plans of `item`, or of one recording's."""
    places = session.recordings(house, item) if segment is None else [segment]
    found = [state for place in places for state in _states(house, item, place)]
    return [Standing(state=state, stage=_stage(house, state), behind=behind(house, state)) for state in found]


def _states(house: House, item: ItemId, segment: int) -> Iterator[PlanState]:
    for request in sorted(versions(house, item, segment).values()):
        if (state := session.newest(house, item, segment, request)) is not None:
            yield state


def _stage(house: House, state: PlanState) -> str:
    """planned, redacted, checked, approved or released: this very revision."""
    copy = house.latest(state.item, state.segment, ObjectRole.COPY, version=state.version)
    if copy is None or copy.facts.get("plan_sha256") != state.sha256:
        return "planned"
    copy_sha256 = str(copy.facts.get("copy_sha256"))
    signed = [row for row in house.approvals(copy_sha256) if row.plan_sha256 == state.sha256]
    if not house.released_on(state.item).isdisjoint(row.seq for row in signed):
        return "released"
    try:
        checked = last_check(house, state)
    except NotFound:
        return "redacted"
    if (checked.report.copy_sha256, checked.report.plan_sha256) != (copy_sha256, state.sha256):
        return "redacted"
    people = {house.person_of(row.actor) for row in signed if row.report_sha256 == checked.report.sha256}
    if not people:
        return f"checked, {len(checked.open_suspects)} open" if checked.open_suspects else "checked"
    missing = missing_approvals(house, state, copy_sha256)
    return f"{len(people)} of {len(people) + missing} approvals" if missing else "approved"
