"""Redacted copies of an item: checked; what stands between a copy and its approval and release."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from bwc.canonical import Json
from bwc.custody.house import House
from bwc.errors import NotApproved, NotFound, PlanStale, SecondPersonNeeded, Undecided, UsageError
from bwc.evidence import Choice, ItemId, ObjectId, ObjectRole
from bwc.redact import editing, plan_edit, session, sounds
from bwc.redact.branching import verify_not_behind
from bwc.redact.carrying import Said, carry, decisions
from bwc.redact.check_places import rate_of
from bwc.redact.check_report import CheckReport, Sight, Suspect
from bwc.redact.check_turns import frames_in
from bwc.redact.checked import Checked
from bwc.redact.editing import Edited
from bwc.redact.excerpt import Excerpt, excerpt_of
from bwc.redact.plan import RedactionPlan, undecided
from bwc.redact.plan_view import counted
from bwc.redact.session import PlanState
from bwc.redact.versions import selected
from bwc.roles import approvals_missing

_BESIDE_SECONDS = Fraction(2, 5)  # a suspect is covered so long before and after it was seen, if not longer

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Releasable:
    """One copy that nothing stands in the way of."""

    segment: int
    plan: RedactionPlan
    plan_sha256: str
    copy: ObjectId
    copy_sha256: str
    report_sha256: str
    frames: int
    frames_lost: int
    duration_ms: int
    frames_checked: int
    stride: int
    suspects: int
    approvals: tuple[int, ...]
    version: str = ""  # what the log calls the version it is of; empty: the common plan
    request: str = ""  # for which that is
    not_checked: tuple[str, ...] = ()
    excerpt: Excerpt | None = None  # None: of the whole recording


def check(
    house: House, item: ItemId, *, stride: int | None, progress: Progress | None = None, request: str = ""
) -> list[Checked]:
    """Second opinion on the sealed bytes of every copy of `item`, or of its versions for `request`; the report is sealed and recorded."""
    from bwc.redact.check import check as check_copy

    done = []
    for state in session.plans(house, item, request=request):
        copy = _copy(house, state)
        with (
            house.open_original(item, state.segment, purpose="check") as original,
            house.open_object(copy.object_id) as redacted,
        ):
            report = check_copy(original, redacted, state.plan, stride=stride, progress=progress, excerpt=copy.excerpt)
        if report.copy_sha256 != copy.copy_sha256:
            raise PlanStale(f"{item}: the copy is not the one recorded", f"bwc redact {state.words}")
        facts: dict[str, Json] = {
            "copy_sha256": report.copy_sha256,
            "faults": len(report.faults),
            "frames_checked": report.frames_checked,
            "plan_sha256": state.sha256,
            "report_sha256": report.sha256,
            "segment": state.segment,
            "stride": report.stride,
            "suspects": len(report.suspects),
        }
        facts |= {"version": state.version} if state.version else {}
        carried = carry(house, item, state.segment, report, state.version)
        if carried:
            facts["carried"] = [one.to_json() for one in carried]
        house.record_report(item, state.segment, report.to_bytes(), facts)
        decided = decisions(house, report, facts)
        done.append(_checked(state, report, decided))
    return done


def last_check(house: House, state: PlanState) -> Checked:
    """The newest check of the current copy. Raises `NotFound` when there is none."""
    row = house.latest(state.item, state.segment, ObjectRole.REPORT, version=state.version)
    if row is None:
        raise NotFound(f"{state.item} was not checked", f"bwc check {state.words}")
    report = CheckReport.from_bytes(house.read(row.object_id))
    return _checked(state, report, decisions(house, report, row.facts))


def _checked(state: PlanState, report: CheckReport, decided: dict[str, Said]) -> Checked:
    return Checked(
        item=state.item,
        segment=state.segment,
        report=report,
        decided=decided,
        media=state.plan.media,
        request=state.request,
        words=state.words,
    )


def decide_suspects(
    house: House,
    item: ItemId,
    segment: int | None,
    names: Sequence[str],
    *,
    choice: str,
    exemption: str,
    note: str,
    at: datetime,
    request: str = "",
) -> Edited:
    """`keep`: a person looked and it is no leak. `redact`: its boxes become a mask of the next plan revision.

    The check looks at some pictures: what it saw was there before and after, so the mask is longer on both sides.
    """
    state = session.current(house, item, segment, request)
    checked = last_check(house, state)
    known = {one.id: one for one in checked.report.suspects}
    missing = [name for name in names if name not in known]
    if missing:
        raise NotFound(f"the last check has no suspect {', '.join(missing)}", f"bwc check {state.words}")
    if choice == Choice.KEEP and not note:
        raise UsageError("a suspect is left visible only with a reason", "--note 'a poster, no person'")
    if choice == Choice.UNDECIDED:
        raise UsageError("a suspect is kept or redacted", f"bwc decide {item} {names[0]} redact")
    edited = Edited(state=state, changed=tuple(names), what="left visible")
    if choice == Choice.REDACT:
        by = house.person.key_id

        def cover(plan: RedactionPlan) -> RedactionPlan:
            for name in names:
                if known[name].sight is Sight.HEARD:
                    plan = sounds.suspect_muted(
                        plan, known[name], checked.report, by=by, at=at, exemption=exemption, note=note
                    )
                    continue
                boxes = {box[0]: box[1:] for box in known[name].boxes}
                most = max(checked.report.stride, frames_in(_BESIDE_SECONDS, rate_of(plan)))
                wide = plan_edit.reaching(_widened(boxes, plan), known[name].last, most, plan.media.frames)
                plan = plan_edit.add_mask(
                    plan, wide, class_=known[name].class_, by=by, at=at, exemption=exemption, note=note
                )
            return plan

        edited = editing.edit(house, item, state.segment, cover, what="covered, render again", request=request)
    for name in names:
        facts: dict[str, Json] = {
            "choice": choice,
            "report_sha256": checked.report.sha256,
            "segment": state.segment,
            "suspect": name,
        }
        facts |= {"version": state.version} if state.version else {}
        house.record_suspect(item, facts, note=note)
    return edited


def copy_sheet(house: House, item: ItemId, segment: int, suspects: Sequence[Suspect] = (), request: str = "") -> bytes:
    """A contact sheet (JPEG) of the redacted copy: its suspects enlarged where there are any, else all of it in short."""
    from bwc.redact.sheet import contact_sheet
    from bwc.redact.suspect_sheet import suspect_sheet

    state = session.current(house, item, segment, request)
    with house.open_object(_copy(house, state).object_id) as redacted:
        return suspect_sheet(redacted, suspects) if suspects else contact_sheet(redacted, None)


def copy_object(house: House, item: ItemId, segment: int, request: str = "") -> tuple[ObjectId, str]:
    """The newest redacted copy of one recording, and what the log calls the version it is of.

    Raises `NotFound`, or `PlanStale` when the plan is newer.
    """
    state = session.current(house, item, segment, request)
    return _copy(house, state).object_id, state.version


def releasable(
    house: House, item: ItemId, span: tuple[int | None, int | None] | None = None, request: str = ""
) -> list[Releasable]:
    """Every copy of `item`, if nothing stands in the way of its release for `request`. Raises what does.

    They are those of the versions for it, where there are any; else those of the common plan. With `span` the copy must be
    of exactly that part of the recording.
    """
    found = []
    for state in session.plans(house, item, request=selected(house, item, request)):
        _verify_part(house, state, span)
        one = ready(house, state)
        missing = missing_approvals(house, state, one.copy_sha256)
        if not one.approvals:
            raise NotApproved(f"{_named(state)} was not approved", f"bwc approve {state.words}")
        if missing:
            people = "1 other person" if missing == 1 else f"{missing} other people"
            hint = f"from their own login: bwc approve {state.words}"
            raise SecondPersonNeeded(f"{people} must approve {_named(state)}", hint)
        found.append(one)
    return found


def _verify_part(house: House, state: PlanState, span: tuple[int | None, int | None] | None) -> None:
    """Only bytes that were checked and approved are released: a part must have been rendered as that part, and is asked for."""
    if span is None:
        part = _copy(house, state).excerpt
        if part is not None:
            hint = f"say so: --from … --to …; or make the whole copy again: bwc redact {state.words}"
            raise NotApproved(f"the copy of {state.item} is only {part.text(state.plan)}", hint)
        return
    wanted = Excerpt.between(state.plan, *span)
    if _copy(house, state).excerpt != wanted:
        item = state.item
        hint = f"bwc redact {state.words} --from … --to … makes a copy of that part; then check and approve it"
        raise NotApproved(f"the copy of {item} is not of {wanted.text(state.plan)}", hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    object_id: ObjectId
    copy_sha256: str
    frames: int
    frames_lost: int
    actor: str
    excerpt: Excerpt | None  # None: of the whole recording


def _copy(house: House, state: PlanState) -> _Copy:
    """The newest copy, which must be made from the current plan."""
    row = house.latest(state.item, state.segment, ObjectRole.COPY, version=state.version)
    if row is None:
        raise NotFound(f"{_named(state)} has no redacted copy", f"bwc redact {state.words}")
    facts = row.facts
    if facts.get("plan_sha256") != state.sha256:
        raise PlanStale(f"the copy of {_named(state)} is older than its plan", f"bwc redact {state.words}")
    return _Copy(
        object_id=row.object_id,
        copy_sha256=str(facts["copy_sha256"]),
        frames=int(str(facts["frames"])),
        frames_lost=int(str(facts["frames_lost"])),
        actor=row.actor,
        excerpt=excerpt_of(state.plan, facts),
    )


def ready(house: House, state: PlanState) -> Releasable:
    """The checked copy of a plan, approved or not. Raises what stands in the way of an approval."""
    item = _named(state)
    open_tracks = undecided(state.plan)
    if open_tracks:
        raise Undecided(
            f"{item} has {counted(len(open_tracks), 'undecided track')}", f"bwc decide {state.words} --undecided redact"
        )
    verify_not_behind(house, state)
    copy = _copy(house, state)
    try:
        checked = last_check(house, state)
    except NotFound as error:
        raise NotApproved(error.message, error.hint) from error
    if (checked.report.copy_sha256, checked.report.plan_sha256) != (copy.copy_sha256, state.sha256):
        raise PlanStale(f"the last check of {item} is of another copy", f"bwc check {state.words}")
    checked.raise_if_open()
    approvals = house.approvals(copy.copy_sha256)
    return Releasable(
        segment=state.segment,
        plan=state.plan,
        plan_sha256=state.sha256,
        copy=copy.object_id,
        copy_sha256=copy.copy_sha256,
        report_sha256=checked.report.sha256,
        frames=copy.frames,
        frames_lost=copy.frames_lost,
        duration_ms=_duration_ms(state.plan, copy.excerpt),
        excerpt=copy.excerpt,
        frames_checked=checked.report.frames_checked,
        stride=checked.report.stride,
        suspects=len(checked.report.suspects),
        not_checked=checked.report.not_checked,
        approvals=tuple(row.seq for row in approvals if row.report_sha256 == checked.report.sha256),
        version=state.version,
        request=state.request,
    )


def _named(state: PlanState) -> str:
    """What is spoken of: the item, or its version for a request."""
    return f"the version of {state.item} for {state.request}" if state.request else str(state.item)


def _duration_ms(plan: RedactionPlan, excerpt: Excerpt | None) -> int:
    seconds = excerpt.end - excerpt.start if excerpt else plan.media.duration * plan.media.time_base
    return int(seconds * 1000)


def missing_approvals(house: House, state: PlanState, copy_sha256: str) -> int:
    """How many different people must still approve a copy of this plan: another version may have the same bytes."""
    signed = [row for row in house.approvals(copy_sha256) if row.plan_sha256 == state.sha256]
    approvers = {house.person_of(row.actor) for row in signed}
    renderer = house.person_of(_copy(house, state).actor)
    return approvals_missing(house.policy, approvers=approvers, renderer=renderer)


def _widened(boxes: dict[int, tuple[int, int, int, int]], plan: RedactionPlan) -> dict[int, tuple[int, int, int, int]]:
    """Boxes of a suspect with the plan's margin: a person's mask is drawn as it is, this one was drawn by a detector."""
    wide = {}
    for ordinal, (x0, y0, x1, y1) in boxes.items():
        dx = (x1 - x0) * plan.effect.margin_permille // 2000 + 2
        dy = (y1 - y0) * plan.effect.margin_permille // 2000 + 2
        wide[ordinal] = (
            max(0, x0 - dx),
            max(0, y0 - dy),
            min(plan.media.width, x1 + dx),
            min(plan.media.height, y1 + dy),
        )
    return wide
