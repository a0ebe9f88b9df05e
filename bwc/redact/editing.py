"""What a person says of an item's plan: decided, drawn, imported; each the next revision after the newest.

Others may work on the same plan: a mask or mute is drawn into whatever is the newest plan when it is saved; a decision is refused
when what it is about was decided on or changed meanwhile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bwc.canonical import Json
from bwc.custody.house import House
from bwc.errors import PlanStale, UsageError
from bwc.evidence import Choice, ItemId
from bwc.redact import plan_edit
from bwc.redact.branching import base, ensure
from bwc.redact.importing import opened_by, put_back, taken_over
from bwc.redact.plan import VERSION, Box, RedactionPlan, undecided
from bwc.redact.plan_edit import ids_of, parts_of
from bwc.redact.plan_format import from_edited
from bwc.redact.plan_view import span_text, span_within
from bwc.redact.session import PlanState, current, revision, save, save_next, segment_of, there
from bwc.redact.shown import Clock, box_within, from_picture
from bwc.redact.speech.record import sounds_of_class
from bwc.redact.versions import version_of

Edit = Callable[[RedactionPlan], RedactionPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What a decision changed. `left`: sounds of the class it was for that hold something else too, and stay as they are."""

    state: PlanState
    changed: tuple[str, ...]
    what: str
    left: tuple[str, ...] = ()
    made: tuple[str, ...] = ()  # versions that were made for this, in words

    def to_json(self) -> dict[str, Json]:
        said: dict[str, Json] = {"changed": list(self.changed), "left": list(self.left), "what": self.what}
        return self.state.to_json() | said | {"made": list(self.made)}

    def text(self) -> str:
        left = len(undecided(self.state.plan))
        names = ", ".join(self.changed) if len(self.changed) <= 12 else f"{len(self.changed)} tracks"
        of = f", for {self.state.request} only" if self.state.request else ""
        done = f"{self.what}{': ' if names else ''}{names} (plan revision {self.state.plan.revision}{of}, {left} undecided)"
        more = [f"not kept, other data is said there too: {', '.join(self.left)}"] if self.left else []
        return "\n".join((*self.made, done, *more))


def edit(
    house: House,
    item: ItemId,
    segment: int | None,
    change: Edit,
    *,
    what: str,
    names: Sequence[str] = (),
    request: str = "",
) -> Edited:
    """Apply `change` to the newest plan, also if that changes meanwhile, and save the result as its next revision.

    With `request` to the version for it, which is made from the common plan if there is none, unless `change` raises.
    """
    seen: list[RedactionPlan] = []
    place = segment_of(house, item, segment)

    def make(before: PlanState | None) -> RedactionPlan:
        plan = there(before, item, request).plan
        seen.append(plan)
        return plan_edit.next_revision(plan, change(plan), made_at=datetime.now(UTC))

    def first(common: PlanState) -> None:
        if common.segment == place:
            change(common.plan)

    made = ensure(house, item, request, at=datetime.now(UTC), first=first) if request else ()
    after = save_next(house, item, place, make, request=request)
    changed = tuple(names) or tuple(sorted(ids_of(after.plan) - ids_of(seen[-1])))
    return Edited(state=after, changed=changed, what=what, made=made)


def decide(
    house: House,
    item: ItemId,
    segment: int | None,
    names: Sequence[str],
    *,
    choice: str,
    all_undecided: bool = False,
    all_tracks: bool = False,
    class_: str | None = None,
    exemption: str = "",
    note: str = "",
    at: datetime,
    request: str = "",
) -> Edited:
    """Decide on tracks by name, class or state, and on suspects (`s342`) of the last check.

    To keep a class of sounds leaves those that hold something else as well: `left` of the result.
    Raises `PlanStale` if what is decided on was decided on or changed by somebody else meanwhile.
    """
    from bwc.redact import copies

    by = house.person.key_id
    code = exemption or (house.policy.default_exemption if choice == Choice.REDACT else "")
    tracks = [name for name in names if not name.startswith("s")]
    suspects = [name for name in names if name.startswith("s")]
    if suspects:
        more: dict[str, Any] = {"exemption": code, "note": note, "at": at, "request": request}
        return copies.decide_suspects(house, item, segment, suspects, choice=choice, **more)
    before = base(house, item, segment, request)
    wanted = dict.fromkeys(tracks)
    if all_undecided:
        wanted |= dict.fromkeys(undecided(before.plan))
    if all_tracks or class_:
        wanted |= dict.fromkeys(one.id for one in before.plan.tracks if all_tracks or one.class_ == class_)
    left: list[str] = []
    if class_:
        spans, left = sounds_of_class(before.plan, class_, wholly=choice == Choice.KEEP)
        wanted |= dict.fromkeys(spans)
        left = [name for name in left if name not in wanted]
    if not wanted:
        return Edited(state=before, changed=(), what="nothing to decide", left=tuple(left))

    def change(plan: RedactionPlan) -> RedactionPlan:
        seen, now = parts_of(before.plan), parts_of(plan)
        moved = [name for name in wanted if seen.get(name) != now.get(name)]
        if moved:
            raise PlanStale(
                f"{', '.join(moved)} of {item} was decided on or changed by somebody else meanwhile; nothing was saved",
                f"bwc plan {before.words}, then say it again",
            )
        return plan_edit.decide(plan, wanted, Choice(choice), by=by, at=at, exemption=code or None, note=note)

    done = edit(house, item, before.segment, change, what=choice, names=tuple(wanted), request=request)
    return replace(done, left=tuple(left))


def mask(
    house: House,
    item: ItemId,
    segment: int | None,
    *,
    box: Box | None,
    start_ns: int,
    end_ns: int,
    clock: Clock = Clock.PICTURE,
    exemption: str = "",
    note: str = "",
    at: datetime,
    request: str = "",
) -> Edited:
    """Cover `box`, in pixels of the picture as it is shown (or with None the whole picture), from `start_ns` to `end_ns` of `clock`."""
    by, code = house.person.key_id, exemption or house.policy.default_exemption
    before = base(house, item, segment, request)
    start, end = (from_picture(before.plan, ns, clock) for ns in (start_ns, end_ns))
    if end <= 0 < end_ns:
        raise UsageError("no picture is shown yet by then", f"bwc mute {item} hides sound before the first picture")
    start = max(0, start)
    span = span_within(before.plan, start, end)
    coded, cut = (None, "") if box is None else box_within(before.plan.media, box)

    def change(plan: RedactionPlan) -> RedactionPlan:
        first, stop = plan_edit.ordinals_of(plan, *span)
        if coded is None:
            return plan_edit.add_whole_frame(plan, first, stop, by=by, at=at, exemption=code, note=note)
        return plan_edit.add_mask(plan, {first: coded}, last=stop - 1, by=by, at=at, exemption=code, note=note)

    what = f"covered {span_text(before.plan, start, end)}" + (f", {cut}" if cut else "")
    return edit(house, item, before.segment, change, what=what, request=request)


def import_plan(
    house: House, item: ItemId, segment: int | None, data: bytes, *, at: datetime, request: str = ""
) -> tuple[PlanState, list[str], tuple[str, ...]]:
    """Save an edited plan file as the next revision; with it, by name, what is no longer hidden, and versions made for it.

    With `request` where there is no version for it: that file of the common plan becomes the version's.
    Raises `PlanStale` if it was made from another revision than the newest, or for another recording or version.
    """
    before = base(house, item, segment, request)
    plan = taken_over(before.plan, from_edited(data), by=house.person.key_id, at=at)
    opened, made = opened_by(before.plan, plan), tuple[str, ...]()
    if request and not before.request:
        common, made = before, ensure(house, item, request, at=at)
        before = current(house, item, common.segment, request)
        said = version_of(before.plan)
        if said is None or said.sha256 != common.sha256 or before.plan.revision != 1:
            raise PlanStale(
                f"the plan of {item} was changed by somebody else meanwhile; the file was not taken",
                f"bwc plan {before.words} --export FILE, and make the same changes there",
            )
        own = {VERSION: before.plan.extensions[VERSION]}
        plan = replace(plan, plan_id=before.plan.plan_id, extensions={**plan.extensions, **own})
        plan = plan_edit.next_revision(before.plan, plan, made_at=at)
    return save(house, item, before.segment, plan, made_from=before), opened, made


def restore(
    house: House, item: ItemId, segment: int | None, number: int, *, at: datetime, request: str = ""
) -> tuple[PlanState, list[str]]:
    """Save what was said at revision `number` as the next one; with it, by name, what is no longer hidden.

    Raises `PlanStale` if tracks were found anew since, or if somebody saves a plan meanwhile.
    """
    before = current(house, item, segment, request)
    earlier = revision(house, item, before.segment, number, request)
    plan = put_back(before.plan, earlier.plan, by=house.person.key_id, at=at)
    return save(house, item, before.segment, plan, made_from=before), opened_by(before.plan, plan)
