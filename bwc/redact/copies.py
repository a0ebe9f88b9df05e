"""Redacted copies of an item: checked, approved; what stands between a copy and its release."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bwc.canonical import Json
from bwc.custody.house import House
from bwc.errors import LeakFound, NotApproved, NotFound, PlanStale, SecondPersonNeeded, Undecided, UsageError
from bwc.evidence import Choice, ItemId, ObjectId, ObjectRole
from bwc.redact import plan_edit, session
from bwc.redact.check_report import CheckReport, Suspect
from bwc.redact.excerpt import Excerpt, excerpt_of
from bwc.redact.plan import RedactionPlan, undecided
from bwc.redact.session import Edited, PlanState
from bwc.roles import approvals_missing

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A check just made, and which of its suspects a person has already decided."""

    item: ItemId
    segment: int
    report: CheckReport
    decided: dict[str, str]

    @property
    def data(self) -> bytes:
        return self.report.to_bytes()

    @property
    def open_suspects(self) -> tuple[Suspect, ...]:
        return tuple(one for one in self.report.suspects if one.id not in self.decided)

    def to_json(self) -> dict[str, Json]:
        return {
            "faults": [f"{one.fault.value}: {one.detail}" for one in self.report.faults],
            "frames": self.report.frames,
            "frames_checked": self.report.frames_checked,
            "item": self.item,
            "not_checked": list(self.report.not_checked),
            "open": [one.id for one in self.open_suspects],
            "report_sha256": self.report.sha256,
            "segment": self.segment,
            "stride": self.report.stride,
            "suspects": [_suspect_json(one) for one in self.report.suspects],
        }

    def text(self) -> str:
        report = self.report
        every = "every frame" if report.stride == 1 else f"one frame in {report.stride}"
        lines = [
            f"{report.frames_checked} of {report.frames} frames searched ({every}), {report.covers_checked} covers tested, "
            f"{len(report.suspects)} suspects, {len(report.faults)} faults"
        ]
        lines += [f"  {one.id}  {_suspect_text(one)}{self._said(one.id)}" for one in report.suspects]
        lines += [
            f"  {'fault' if one.stops_release else 'note'} {one.fault.value}: {one.detail}" for one in report.findings
        ]
        lines += [f"  not checked: {what}" for what in report.not_checked]
        return "\n".join(lines)

    def _said(self, suspect: str) -> str:
        return f" ({self.decided[suspect]}, decided by a person)" if suspect in self.decided else ""

    def raise_if_open(self) -> None:
        """Raise `LeakFound` while a suspect is open or the copy has a fault."""
        details: list[dict[str, Json]] = [_suspect_json(one) for one in self.open_suspects]
        details += [{"fault": one.fault.value, "detail": one.detail} for one in self.report.faults]
        if self.open_suspects:
            first = self.open_suspects[0].id
            hint = f"look, then: bwc decide {self.item} {first} redact, or {first} keep --note '…'"
            raise LeakFound(f"{self.item}: {len(self.open_suspects)} suspects are open", hint, details=details)
        if self.report.faults:
            hint = f"bwc redact {self.item}, then check again"
            raise LeakFound(f"{self.item}: the copy has {len(self.report.faults)} faults", hint, details=details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What a person signed."""

    item: ItemId
    entries: tuple[int, ...]
    missing: int
    parts: tuple[str, ...] = ()  # of copies that are not of the whole recording

    def to_json(self) -> dict[str, Json]:
        return {"entries": list(self.entries), "item": self.item, "more_people_needed": self.missing}

    def text(self) -> str:
        people = "1 other person" if self.missing == 1 else f"{self.missing} other people"
        more = f"; {people} must approve from their own login" if self.missing else ""
        return f"{self.item} approved (entry {', '.join(map(str, self.entries))} of the log){more}" + "".join(
            f"\nonly a part: {part}" for part in self.parts
        )


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
    excerpt: Excerpt | None = None  # None: of the whole recording


def check(house: House, item: ItemId, *, stride: int, progress: Progress | None = None) -> list[Checked]:
    """Second opinion on the sealed bytes of every copy of `item`; the report is sealed and recorded."""
    from bwc.redact.check import check as check_copy

    done = []
    for state in session.plans(house, item):
        copy = _copy(house, state)
        with (
            house.open_original(item, state.segment, purpose="check") as original,
            house.open_object(copy.object_id) as redacted,
        ):
            report = check_copy(original, redacted, state.plan, stride=stride, progress=progress, excerpt=copy.excerpt)
        if report.copy_sha256 != copy.copy_sha256:
            raise PlanStale(f"{item}: the copy is not the one recorded", f"bwc redact {item}")
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
        house.record_report(item, state.segment, report.to_bytes(), facts)
        decided = house.suspects_decided(report.sha256)  # the same bytes give the same report: what was said holds
        done.append(Checked(item=item, segment=state.segment, report=report, decided=decided))
    return done


def last_check(house: House, state: PlanState) -> Checked:
    """The newest check of the current copy. Raises `NotFound` when there is none."""
    row = house.latest(state.item, state.segment, ObjectRole.REPORT)
    if row is None:
        raise NotFound(f"{state.item} was not checked", f"bwc check {state.item}")
    report = CheckReport.from_bytes(house.read(row.object_id))
    return Checked(item=state.item, segment=state.segment, report=report, decided=house.suspects_decided(report.sha256))


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
) -> Edited:
    """`keep`: a person looked and it is no leak. `redact`: its boxes become a mask of the next plan revision."""
    state = session.current(house, item, segment)
    checked = last_check(house, state)
    known = {one.id: one for one in checked.report.suspects}
    missing = [name for name in names if name not in known]
    if missing:
        raise NotFound(f"the last check has no suspect {', '.join(missing)}", f"bwc check {item}")
    if choice == Choice.KEEP and not note:
        raise UsageError("a suspect is left visible only with a reason", "--note 'a poster, no person'")
    if choice == Choice.UNDECIDED:
        raise UsageError("a suspect is kept or redacted", f"bwc decide {item} {names[0]} redact")
    edited = Edited(state=state, changed=tuple(names), what="left visible")
    if choice == Choice.REDACT:
        by = house.person.key_id

        def cover(plan: RedactionPlan) -> RedactionPlan:
            for name in names:
                boxes = {box[0]: box[1:] for box in known[name].boxes}
                plan = plan_edit.add_mask(
                    plan, _widened(boxes, plan), last=known[name].last, by=by, at=at, exemption=exemption, note=note
                )
            return plan

        edited = session.edit(house, item, state.segment, cover, what="covered, render again")
    for name in names:
        facts: dict[str, Json] = {
            "choice": choice,
            "report_sha256": checked.report.sha256,
            "segment": state.segment,
            "suspect": name,
        }
        house.record_suspect(item, facts, note=note)
    return edited


def copy_sheet(house: House, item: ItemId, segment: int, suspects: Sequence[Suspect] = ()) -> bytes:
    """A contact sheet (JPEG) of the redacted copy: its suspects enlarged where there are any, else all of it in short."""
    from bwc.redact.sheet import contact_sheet
    from bwc.redact.suspect_sheet import suspect_sheet

    state = session.current(house, item, segment)
    with house.open_object(_copy(house, state).object_id) as redacted:
        return suspect_sheet(redacted, suspects) if suspects else contact_sheet(redacted, None)


def copy_object(house: House, item: ItemId, segment: int) -> ObjectId:
    """The newest redacted copy of one recording. Raises `NotFound`, or `PlanStale` when the plan is newer."""
    return _copy(house, session.current(house, item, segment)).object_id


def approve(house: House, item: ItemId, *, note: str) -> Approved:
    """Sign the digests of plan, copy and report of every recording of `item`. Raises what stands in the way."""
    entries, parts = [], []
    missing = 0
    for state in session.plans(house, item):
        ready = _ready(house, state)
        parts += [ready.excerpt.text(state.plan)] if ready.excerpt else []
        facts: dict[str, Json] = {
            "copy_sha256": ready.copy_sha256,
            "plan_sha256": ready.plan_sha256,
            "report_sha256": ready.report_sha256,
            "segment": ready.segment,
        }
        mine = [row.seq for row in house.approvals(ready.copy_sha256) if row.actor == house.person.key_id]
        again = [seq for seq in mine if seq in ready.approvals]
        entries.append(again[0] if again else house.record_approval(item, facts, note=note))
        missing = max(missing, _missing(house, state, ready.copy_sha256))
    return Approved(item=item, entries=tuple(entries), missing=missing, parts=tuple(parts))


def releasable(house: House, item: ItemId, span: tuple[int | None, int | None] | None = None) -> list[Releasable]:
    """Every copy of `item`, if nothing stands in the way of its release. Raises what does.

    With `span` the copy must be of exactly that part of the recording.
    """
    ready = []
    for state in session.plans(house, item):
        _verify_part(house, state, span)
        one = _ready(house, state)
        missing = _missing(house, state, one.copy_sha256)
        if not one.approvals:
            raise NotApproved(f"{item} was not approved", f"bwc approve {item}")
        if missing:
            people = "1 other person" if missing == 1 else f"{missing} other people"
            raise SecondPersonNeeded(f"{people} must approve {item}", f"from their own login: bwc approve {item}")
        ready.append(one)
    return ready


def _verify_part(house: House, state: PlanState, span: tuple[int | None, int | None] | None) -> None:
    """Only bytes that were checked and approved are released: a part must have been rendered as that part, and is asked for."""
    if span is None:
        part = _copy(house, state).excerpt
        if part is not None:
            hint = f"say so: --from … --to …; or make the whole copy again: bwc redact {state.item}"
            raise NotApproved(f"the copy of {state.item} is only {part.text(state.plan)}", hint)
        return
    wanted = Excerpt.between(state.plan, *span)
    if _copy(house, state).excerpt != wanted:
        item = state.item
        hint = f"bwc redact {item} --from … --to … makes a copy of that part; then check and approve it"
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
    row = house.latest(state.item, state.segment, ObjectRole.COPY)
    if row is None:
        raise NotFound(f"{state.item} has no redacted copy", f"bwc redact {state.item}")
    facts = row.facts
    if facts.get("plan_sha256") != state.sha256:
        raise PlanStale(f"the copy of {state.item} is older than its plan", f"bwc redact {state.item}")
    return _Copy(
        object_id=row.object_id,
        copy_sha256=str(facts["copy_sha256"]),
        frames=int(str(facts["frames"])),
        frames_lost=int(str(facts["frames_lost"])),
        actor=row.actor,
        excerpt=excerpt_of(state.plan, facts),
    )


def _ready(house: House, state: PlanState) -> Releasable:
    item = state.item
    open_tracks = undecided(state.plan)
    if open_tracks:
        raise Undecided(f"{item} has {len(open_tracks)} undecided tracks", f"bwc decide {item} --undecided redact")
    copy = _copy(house, state)
    try:
        checked = last_check(house, state)
    except NotFound as error:
        raise NotApproved(error.message, error.hint) from error
    if (checked.report.copy_sha256, checked.report.plan_sha256) != (copy.copy_sha256, state.sha256):
        raise PlanStale(f"the last check of {item} is of another copy", f"bwc check {item}")
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
        approvals=tuple(row.seq for row in approvals if row.report_sha256 == checked.report.sha256),
    )


def _duration_ms(plan: RedactionPlan, excerpt: Excerpt | None) -> int:
    seconds = excerpt.end - excerpt.start if excerpt else plan.media.duration * plan.media.time_base
    return int(seconds * 1000)


def _missing(house: House, state: PlanState, copy_sha256: str) -> int:
    approvers = {house.person_of(row.actor) for row in house.approvals(copy_sha256)}
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


def _suspect_json(one: Suspect) -> dict[str, Json]:
    return {
        "class": one.class_,
        "first_ms": one.first_ms,
        "id": one.id,
        "last_ms": one.last_ms,
        "risk": one.risk,
        "score_permille": one.best_permille,
        "sight": one.sight.value,
        "sightings": one.sightings,
    }


def _suspect_text(one: Suspect) -> str:
    _, x0, y0, x1, y1 = one.boxes[len(one.boxes) // 2]
    return (
        f"{one.class_} {one.sight.value} at {x0},{y0},{x1 - x0},{y1 - y0}, {one.first_ms / 1000:.2f}-{one.last_ms / 1000:.2f} s, "
        f"{one.sightings} sightings, score {one.best_permille / 1000:.2f}"
    )
