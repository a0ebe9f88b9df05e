"""A version branches from the common plan, is held against it, and takes over what is new there.

Who is hidden in the common plan is hidden from everybody unless somebody says otherwise for a request. So a version that would show
what was hidden there since is not approved and not released until it has taken that over, or a person kept it for that request.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bwc.canonical import Json, sha256_hex
from bwc.custody.house import House
from bwc.errors import IntegrityError, PlanStale
from bwc.evidence import ItemId, ObjectRole
from bwc.redact import session
from bwc.redact.joining import joined, missed, unsought
from bwc.redact.plan import VERSION, RedactionPlan
from bwc.redact.plan_edit import parts_of
from bwc.redact.plan_format import to_bytes
from bwc.redact.session import PlanState, there
from bwc.redact.versions import Version, branched, version_id, version_of

_MOST_NAMES = 12  # that are told in a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The common plan went on since a version took it in.

    `shown`: what it hides by now and the version would show. `unsought`: what the check would not look for in the version's copy.
    """

    state: PlanState
    since: int  # revision of the common plan that the version has taken in
    now: int
    shown: tuple[str, ...]
    unsought: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        return {
            "common_revision": self.now,
            "shown": list(self.shown),
            "taken_in": self.since,
            "unsought": list(self.unsought),
        }

    def text(self) -> str:
        moved = f"the common plan went on from revision {self.since} to {self.now}"
        if not self.lacks:
            return f"{moved}; it hides nothing that this version would show"
        return f"{moved}; {self.lacks} ({self.hint})"

    @property
    def lacks(self) -> str:
        """What stands in the way of this version, in words; empty when nothing does."""
        shown = [f"it would show what is hidden there since: {_listed(self.shown)}"] if self.shown else []
        unsought = [f"its check would not look for: {_listed(self.unsought)}"] if self.unsought else []
        return "; ".join((*shown, *unsought))

    @property
    def hint(self) -> str:
        return f"bwc plan {self.state.words} --take-over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a version took over: under these names it now has it."""

    state: PlanState
    names: tuple[str, ...]
    is_new: bool

    def text(self) -> str:
        if self.is_new and not self.names:
            return f"{self.state.words} segment {self.state.segment}: the check looks for what it looks for in the common plan's copy"
        if not self.is_new:
            return f"{self.state.words} segment {self.state.segment}: nothing to take over"
        return f"hidden now, as in the common plan: {_listed(self.names)}"


def ensure(
    house: House,
    item: ItemId,
    request: str,
    *,
    at: datetime,
    first: Callable[[PlanState], object] = lambda _: None,
) -> tuple[str, ...]:
    """Make a version for `request` of the plan of each recording of `item` that has none; what was made, in words.

    `first` is asked with the common plan of each before any is saved: what it raises leaves nothing behind.
    """
    wanted = [one for one in session.plans(house, item) if version_id(house, item, one.segment, request) is None]
    for common in wanted:
        first(common)
    made = []
    for common in wanted:

        def unless(segment: int = common.segment) -> None:
            if version_id(house, item, segment, request) is not None:
                raise PlanStale(f"somebody else made a version for {request} meanwhile", f"bwc plan {item}")

        plan = branched(common.plan, common.sha256, request, made_at=at)
        try:
            session.save(house, item, common.segment, plan, made_from=None, unless=unless)
        except PlanStale:
            if version_id(house, item, common.segment, request) is None:
                raise
            continue  # theirs is as good
        where = f" (segment {common.segment})" if len(wanted) > 1 else ""
        made.append(f"a version for {request} was made from revision {common.plan.revision} of the common plan{where}")
    return tuple(made)


def base(house: House, item: ItemId, segment: int | None, request: str) -> PlanState:
    """What an edit for `request` begins with: its version, or the common plan that one would branch from."""
    place = session.segment_of(house, item, segment)
    return (session.newest(house, item, place, request) if request else None) or session.current(house, item, place)


def behind(house: House, state: PlanState) -> Behind | None:
    """What became of the common plan since the version `state` took it in; None while it is the same, and for the common plan."""
    said = version_of(state.plan)
    if said is None:
        return None
    common = session.current(house, state.item, state.segment)
    if common.sha256 == said.sha256:
        return None
    before = _taken_in(house, state, said)
    return Behind(
        state=state,
        since=said.revision,
        now=common.plan.revision,
        shown=tuple(missed(before, common.plan, state.plan)),
        unsought=tuple(unsought(common.plan, state.plan)),
    )


def verify_not_behind(house: House, state: PlanState) -> None:
    """Raise `PlanStale` when a version would show what is hidden in the common plan by now."""
    found = behind(house, state)
    if found and found.lacks:
        raise PlanStale(
            f"the common plan of {state.item} went on since its version for {state.request} was made: {found.lacks}",
            f"{found.hint}; then keep what may be seen: bwc decide {state.words} … keep --note …",
        )


def take_over(house: House, item: ItemId, segment: int | None, request: str, *, at: datetime) -> list[Taken]:
    """Hide in the versions for `request` what the common plan hides since they took it in; the next revision where that is anything.

    What was decided for the request stays, and nothing opens. A recording that has no version yet, while others of `item` have, gets one.
    """
    places = session.recordings(house, item) if segment is None else [session.segment_of(house, item, segment)]
    if all(version_id(house, item, one, request) is None for one in places):
        there(None, item, request)
    ensure(house, item, request, at=at)
    return [_take_over(house, item, place, request, at) for place in places]


def _take_over(house: House, item: ItemId, segment: int, request: str, at: datetime) -> Taken:
    seen: list[RedactionPlan] = []

    def make(now: PlanState | None) -> RedactionPlan:
        state = there(now, item, request)
        seen.append(state.plan)
        common = session.current(house, item, segment)
        return _joined(house, state, common, at)

    now = session.current(house, item, segment, request)
    if _is_same(now.plan, make(now)):
        return Taken(state=now, names=(), is_new=False)
    after = session.save_next(house, item, segment, make, request=request)
    was, has = parts_of(seen[-1]), parts_of(after.plan)
    names = [name for name, part in has.items() if was.get(name) != part]
    return Taken(state=after, names=tuple(names), is_new=True)


def _joined(house: House, state: PlanState, common: PlanState, at: datetime) -> RedactionPlan:
    said = version_of(state.plan)
    if said is None or common.sha256 == said.sha256:
        return state.plan
    plan = joined(_taken_in(house, state, said), common.plan, state.plan)
    taken = Version(request=said.request, revision=common.plan.revision, sha256=common.sha256)
    return replace(
        plan,
        revision=state.plan.revision + 1,
        previous=sha256_hex(to_bytes(state.plan)),
        made_at=at,
        extensions={**plan.extensions, VERSION: taken.to_json()},
    )


def _is_same(before: RedactionPlan, after: RedactionPlan) -> bool:
    """Whether nothing was to be taken over: then a copy that was made of it, and perhaps approved, stays good."""
    bare = {name: value for name, value in after.extensions.items() if name != VERSION}
    said = {name: value for name, value in before.extensions.items() if name == VERSION}
    same = replace(
        after, revision=before.revision, previous=before.previous, made_at=before.made_at, extensions=bare | said
    )
    return to_bytes(same) == to_bytes(before)


def _listed(names: Sequence[str]) -> str:
    return (
        ", ".join(names)
        if len(names) <= _MOST_NAMES
        else f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more"
    )


def _taken_in(house: House, state: PlanState, said: Version) -> RedactionPlan:
    """The revision of the common plan that a version knows."""
    for row in house.documents(state.item, state.segment, ObjectRole.PLAN):
        if row.facts.get("plan_sha256") == said.sha256:
            return session.state_of(house, row, state.item, state.segment).plan
    raise IntegrityError(
        f"{state.item}: the plan that the version for {state.request} branched from is gone", "bwc verify"
    )
