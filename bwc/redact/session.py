"""One item on the redaction desk: its plan detected, shown and edited; each revision sealed and recorded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from bwc.canonical import Json, sha256_hex
from bwc.custody.house import House
from bwc.errors import MediaError, NotFound, PlanStale, UsageError
from bwc.evidence import Choice, ItemId, ObjectRole
from bwc.redact import plan_edit
from bwc.redact.plan import RedactionPlan, Track, undecided
from bwc.redact.plan_format import from_bytes, from_edited, to_bytes
from bwc.redact.plan_view import PlanSummary, summary

Progress = Callable[[int, int | None], None]
Edit = Callable[[RedactionPlan], RedactionPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanState:
    """The current revision of the plan of one segment, with its bytes as they were sealed."""

    item: ItemId
    segment: int
    plan: RedactionPlan
    data: bytes

    @property
    def sha256(self) -> str:
        return sha256_hex(self.data)

    def summary(self) -> PlanSummary:
        return summary(self.plan)

    def to_json(self, *, tracks: bool = False) -> dict[str, Json]:
        """Stable keys for `--json`."""
        found: dict[str, Json] = {"item": self.item, "segment": self.segment, "plan_sha256": self.sha256}
        found["summary"] = self.summary().to_json()
        if tracks:
            found["tracks"] = [track_row(self.plan, track) for track in self.plan.tracks]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What a decision changed."""

    state: PlanState
    changed: tuple[str, ...]
    what: str

    def to_json(self) -> dict[str, Json]:
        return self.state.to_json() | {"changed": list(self.changed), "what": self.what}

    def text(self) -> str:
        left = len(undecided(self.state.plan))
        names = ", ".join(self.changed) if len(self.changed) <= 12 else f"{len(self.changed)} tracks"
        return f"{self.what}: {names} (plan revision {self.state.plan.revision}, {left} undecided)"


def track_row(plan: RedactionPlan, track: Track) -> dict[str, Json]:
    """One track in short: when it is seen (milliseconds of presentation time), what was decided, what is doubtful."""
    first = min((span.first for span in track.spans), default=0)
    last = max((span.stop for span in track.spans), default=1) - 1
    return {
        "class": track.class_,
        "decision": track.decision.choice.value,
        "doubts": list(track.doubts),
        "end_ms": _ms(plan, last),
        "exemption": track.decision.exemption or "",
        "frames": sum(len(span.boxes) for span in track.spans),
        "id": track.id,
        "note": track.decision.note,
        "score_permille": track.score_permille,
        "start_ms": _ms(plan, first),
    }


def detect(house: House, item: ItemId, *, profile: str, progress: Progress | None = None) -> list[PlanState]:
    """Analyse every recording of `item`; each gets a fresh plan (revision 1 of a new analysis), sealed and recorded.

    Raises `MediaError` when no segment can be read as video; the original stays safe.
    """
    from bwc.redact.detect import analyse
    from bwc.redact.sheet import contact_sheet

    states = []
    for segment in recordings(house, item):
        with house.open_original(item, segment, purpose="detect") as original:
            plan = analyse(
                original,
                content_sha256=house.content_digest(item, segment),
                item=item,
                segment=segment,
                profile=profile,
                progress=progress,
                policy=house.policy,
                now=datetime.now(UTC),
            )
            sheet = contact_sheet(original, plan)
        states.append(_save(house, item, segment, plan, sheet=sheet, detected=True))
    return states


def recordings(house: House, item: ItemId) -> list[int]:
    """The segments of `item` that are video. Raises `MediaError` if there is none."""
    found = house.video_segments(item)
    if not found:
        raise MediaError(
            f"{item} holds no readable recording; the original is safe", f"bwc open {item} -o FILE --reason …"
        )
    return found


def plans(house: House, item: ItemId, segment: int | None = None) -> list[PlanState]:
    """The current plan of each recording of `item`, or of one. Raises `NotFound` before `bwc detect`."""
    wanted = recordings(house, item) if segment is None else [segment]
    return [current(house, item, one) for one in wanted]


def current(house: House, item: ItemId, segment: int | None) -> PlanState:
    """The current plan of one recording; `segment` may be None when the item has one only."""
    chosen = _segment(house, item, segment)
    row = house.latest(item, chosen, ObjectRole.PLAN)
    if row is None:
        raise NotFound(f"{item} has no redaction plan", f"bwc detect {item}")
    data = house.read(row.object_id)
    return PlanState(item=item, segment=chosen, plan=from_bytes(data), data=data)


def edit(
    house: House, item: ItemId, segment: int | None, change: Edit, *, what: str, names: Sequence[str] = ()
) -> Edited:
    """Apply `change` to the current plan and save the result as its next revision."""
    before = current(house, item, segment)
    edited = change(before.plan)
    plan = plan_edit.next_revision(before.plan, edited, made_at=datetime.now(UTC))
    after = _save(house, item, before.segment, plan)
    changed = tuple(names) or tuple(sorted(_ids(plan) - _ids(before.plan)))
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
    """Decide on tracks by name, class or state, and on suspects (`s1`) of the last check."""
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
    if not wanted:
        return Edited(state=before, changed=(), what="nothing to decide")
    chosen = Choice(choice)
    return edit(
        house,
        item,
        before.segment,
        lambda plan: plan_edit.decide(plan, wanted, chosen, by=by, at=at, exemption=code or None, note=note),
        what=choice,
        names=tuple(wanted),
    )


def mask(
    house: House,
    item: ItemId,
    segment: int | None,
    *,
    box: tuple[int, int, int, int] | None,
    start_ns: int,
    end_ns: int,
    exemption: str = "",
    note: str = "",
    at: datetime,
) -> Edited:
    """Cover `box` (or with None the whole picture) from `start_ns` to `end_ns` after the first frame."""
    by, code = house.person.key_id, exemption or house.policy.default_exemption

    def change(plan: RedactionPlan) -> RedactionPlan:
        offset = int(plan.media.pts.start * plan.media.time_base * 1_000_000_000)
        first, stop = plan_edit.ordinals_of(plan, start_ns + offset, end_ns + offset)
        if box is None:
            return plan_edit.add_whole_frame(plan, first, stop, by=by, at=at, exemption=code, note=note)
        return plan_edit.add_mask(plan, {first: box}, last=stop - 1, by=by, at=at, exemption=code, note=note)

    return edit(house, item, segment, change, what="covered")


def mute(
    house: House,
    item: ItemId,
    segment: int | None,
    *,
    start_ns: int,
    end_ns: int,
    exemption: str = "",
    note: str = "",
    at: datetime,
) -> Edited:
    """Silence all sound from `start_ns` to `end_ns` after the first frame."""
    by, code = house.person.key_id, exemption or house.policy.default_exemption

    def change(plan: RedactionPlan) -> RedactionPlan:
        offset = int(plan.media.pts.start * plan.media.time_base * 1_000_000_000)
        return plan_edit.add_mute(plan, start_ns + offset, end_ns + offset, by=by, at=at, exemption=code, note=note)

    return edit(house, item, segment, change, what="muted")


def import_plan(house: House, item: ItemId, segment: int | None, data: bytes) -> PlanState:
    """Save an edited plan file as the next revision. Raises `PlanStale` if it was made for another recording."""
    before = current(house, item, segment)
    plan = from_edited(data)
    if (plan.content_sha256, plan.media.pts) != (before.plan.content_sha256, before.plan.media.pts):
        raise PlanStale("that plan belongs to another recording", f"bwc plan {item} --export FILE")
    return _save(house, item, before.segment, plan_edit.next_revision(before.plan, plan, made_at=datetime.now(UTC)))


def sheet(house: House, item: ItemId, segment: int) -> bytes:
    """The contact sheet (JPEG) sealed with the last analysis. It shows faces in the clear: opening it is an event."""
    row = house.latest(item, segment, ObjectRole.SHEET)
    if row is None:
        raise NotFound(f"{item} has no contact sheet", f"bwc detect {item}")
    house.record_opening(item, segment, purpose="sheet")
    return house.read(row.object_id)


def _save(
    house: House, item: ItemId, segment: int, plan: RedactionPlan, *, sheet: bytes | None = None, detected: bool = False
) -> PlanState:
    data = to_bytes(plan)
    models: list[Json] = [{"name": one.name, "sha256": one.file_sha256} for one in plan.detectors]
    facts: dict[str, Json] = {
        "plan_sha256": sha256_hex(data),
        "revision": plan.revision,
        "segment": segment,
        "tracks": len(plan.tracks),
        "undecided": len(undecided(plan)),
    }
    if detected:
        facts |= {"frames": plan.media.frames, "frames_lost": plan.media.frames_lost, "models": models}
    house.save_plan(item, segment, data, facts=facts, sheet=sheet, detected=detected)
    return PlanState(item=item, segment=segment, plan=plan, data=data)


def _segment(house: House, item: ItemId, segment: int | None) -> int:
    found = recordings(house, item)
    if segment is None and len(found) > 1:
        raise UsageError(f"{item} has {len(found)} recordings", "say which one: --segment N")
    if segment is not None and segment not in found:
        raise NotFound(f"{item} has no recording {segment}", f"bwc show {item}")
    return found[0] if segment is None else segment


def _ids(plan: RedactionPlan) -> set[str]:
    ids = {part.id for part in plan.tracks} | {part.id for part in plan.audio_spans}
    return ids | {part.id for part in plan.whole_frame}


def _ms(plan: RedactionPlan, ordinal: int) -> int:
    ticks: Fraction = (plan.media.pts.pts_of(ordinal) - plan.media.pts.start) * plan.media.time_base
    return int(ticks * 1000)
