"""What a person says of an item's plan: decided, drawn, imported; each the next revision after the newest.

Others may work on the same plan: a mask or mute is drawn into whatever is the newest plan when it is saved; a decision is refused
when what it is about was decided on or changed meanwhile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bwc.canonical import Json
from bwc.custody.house import House
from bwc.errors import PlanStale, UsageError
from bwc.evidence import Choice, ItemId
from bwc.redact import plan_edit
from bwc.redact.importing import opened_by, put_back, taken_over
from bwc.redact.plan import Box, RedactionPlan, undecided
from bwc.redact.plan_edit import ids_of, parts_of
from bwc.redact.plan_format import from_edited
from bwc.redact.plan_view import span_text, span_within
from bwc.redact.session import PlanState, current, revision, save, save_next, segment_of, there
from bwc.redact.shown import Clock, box_within, from_picture
from bwc.redact.speech.record import sounds_of_class

Edit = Callable[[RedactionPlan], RedactionPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What a decision changed. `left`: sounds of the class it was for that hold something else too, and stay as they are."""

    state: PlanState
    changed: tuple[str, ...]
    what: str
    left: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return self.state.to_json() | {"changed": list(self.changed), "left": list(self.left), "what": self.what}

    def text(self) -> str:
        left = len(undecided(self.state.plan))
        names = ", ".join(self.changed) if len(self.changed) <= 12 else f"{len(self.changed)} tracks"
        done = f"{self.what}: {names} (plan revision {self.state.plan.revision}, {left} undecided)"
        return f"{done}\nnot kept, other data is said there too: {', '.join(self.left)}" if self.left else done


def edit(
    house: House, item: ItemId, segment: int | None, change: Edit, *, what: str, names: Sequence[str] = ()
) -> Edited:
    """Apply `change` to the newest plan, also if that changes meanwhile, and save the result as its next revision."""
    seen: list[RedactionPlan] = []

    def make(before: PlanState | None) -> RedactionPlan:
        plan = there(before, item).plan
        seen.append(plan)
        return plan_edit.next_revision(plan, change(plan), made_at=datetime.now(UTC))

    after = save_next(house, item, segment_of(house, item, segment), make)
    changed = tuple(names) or tuple(sorted(ids_of(after.plan) - ids_of(seen[-1])))
    return Edited(state=after, changed=changed, what=what)


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
        return copies.decide_suspects(house, item, segment, suspects, choice=choice, exemption=code, note=note, at=at)
    before = current(house, item, segment)
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
                f"bwc plan {item}, then say it again",
            )
        return plan_edit.decide(plan, wanted, Choice(choice), by=by, at=at, exemption=code or None, note=note)

    done = edit(house, item, before.segment, change, what=choice, names=tuple(wanted))
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
) -> Edited:
    """Cover `box`, in pixels of the picture as it is shown (or with None the whole picture), from `start_ns` to `end_ns` of `clock`."""
    by, code = house.person.key_id, exemption or house.policy.default_exemption
    before = current(house, item, segment)
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
    return edit(house, item, before.segment, change, what=what)


def import_plan(
    house: House, item: ItemId, segment: int | None, data: bytes, *, at: datetime
) -> tuple[PlanState, list[str]]:
    """Save an edited plan file as the next revision; with it, by name, what is no longer hidden.

    Raises `PlanStale` if it was made from another revision than the newest, or for another recording.
    """
    before = current(house, item, segment)
    plan = taken_over(before.plan, from_edited(data), by=house.person.key_id, at=at)
    return save(house, item, before.segment, plan, made_from=before), opened_by(before.plan, plan)


def restore(
    house: House, item: ItemId, segment: int | None, number: int, *, at: datetime
) -> tuple[PlanState, list[str]]:
    """Save what was said at revision `number` as the next one; with it, by name, what is no longer hidden.

    Raises `PlanStale` if tracks were found anew since, or if somebody saves a plan meanwhile.
    """
    before = current(house, item, segment)
    earlier = revision(house, item, before.segment, number)
    plan = put_back(before.plan, earlier.plan, by=house.person.key_id, at=at)
    return save(house, item, before.segment, plan, made_from=before), opened_by(before.plan, plan)
