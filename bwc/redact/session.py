"""One item on the redaction desk: its plan detected, shown and saved; each revision sealed and recorded.

A revision is saved only if the plan it was made from is still the newest: what somebody said meanwhile is never replaced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from shlex import quote
from typing import BinaryIO

from bwc.canonical import Json, sha256_hex
from bwc.custody.house import House
from bwc.errors import IntegrityError, MediaError, NotFound, PlanStale, PolicyRefuses, UsageError
from bwc.evidence import ItemId, ObjectRole
from bwc.memory import give_back
from bwc.redact.plan import (
    DECODING,
    LET_GO,
    OVERLAY,
    TURNED,
    Origin,
    RedactionPlan,
    SoundSpan,
    Track,
    WholeFrame,
    undecided,
)
from bwc.redact.plan_format import to_bytes
from bwc.redact.plan_rows import sound_row, track_row, whole_row
from bwc.redact.plan_view import PlanSummary, summary
from bwc.redact.speech.record import listened
from bwc.redact.versions import id_of, is_same_request, plan_in, version_id, version_of, versions
from bwc.roles import looking_for
from bwc.storage.pieces import Pieces
from bwc.storage.rows import DocumentRow

Progress = Callable[[int, int | None], None]
Listen = Callable[[BinaryIO, RedactionPlan, Progress | None], RedactionPlan]

_TRIES = 20  # somebody else saved a plan between our reading and our saving, twenty times in a row


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

    @property
    def version(self) -> str:
        """What the log calls its version; empty for the common plan."""
        return id_of(self.plan)

    @property
    def request(self) -> str:
        """For which request it is; empty for the common plan."""
        found = version_of(self.plan)
        return found.request if found else ""

    @property
    def words(self) -> str:
        """How it is named on the command line."""
        return words_for(self.item, self.request)

    def summary(self) -> PlanSummary:
        return summary(self.plan)

    def to_json(self, *, tracks: bool = False) -> dict[str, Json]:
        """Stable keys for `--json`."""
        found: dict[str, Json] = {"item": self.item, "segment": self.segment, "plan_sha256": self.sha256}
        found["request"] = self.request or None
        found["summary"] = self.summary().to_json()
        if tracks:
            found["tracks"] = [track_row(self.plan, track) for track in self.plan.tracks]
            found["sounds"] = [sound_row(self.plan, span) for span in self.plan.audio_spans]
            found["whole_frames"] = [whole_row(self.plan, span) for span in self.plan.whole_frame]
        return found


Make = Callable[[PlanState | None], RedactionPlan]  # the next plan after the newest one, if there is any
Look = Callable[[BinaryIO, int, Pieces], RedactionPlan]
Hear = Callable[[BinaryIO, RedactionPlan], RedactionPlan]


def detect(
    house: House,
    item: ItemId,
    *,
    profile: str,
    again: bool = False,
    progress: Progress | None = None,
    also: Sequence[str] = (),
    text: str | None = None,
    screens: str | None = None,
    listen: Listen | None = None,
) -> list[PlanState]:
    """Analyse every recording of `item`; each gets a plan, sealed and recorded. `listen` adds what is heard.

    A plan that is there already goes on with the next revision. What a person drew, muted or decided of sounds stays; what
    a person decided of detected tracks starts anew, so that is refused (`PolicyRefuses`) without `again`, and always
    (`PlanStale`) when it was decided, or the copy approved, during the analysis.
    Raises `MediaError` when no segment can be read as video; the original stays safe.
    """
    from bwc.redact.detect import analyse

    def look(original: BinaryIO, segment: int, pieces: Pieces) -> RedactionPlan:
        plan = analyse(
            original,
            content_sha256=house.content_digest(item, segment),
            item=item,
            segment=segment,
            profile=profile,
            progress=progress,
            policy=looking_for(house.policy, text=text, screens=screens),
            now=datetime.now(UTC),
            pieces=pieces,
            also=also,
        )
        give_back()  # the networks that looked are gone
        return plan

    def hear(original: BinaryIO, plan: RedactionPlan) -> RedactionPlan:
        return listen(original, plan, progress) if listen is not None else plan

    return [_detect(house, item, segment, look, hear, again=again) for segment in recordings(house, item)]


def _detect(house: House, item: ItemId, segment: int, look: Look, hear: Hear, *, again: bool) -> PlanState:
    from bwc.redact.sheet import contact_sheet

    before, approved = newest(house, item, segment), _approvals(house, item, segment)
    others = versions(house, item, segment)
    if before and not again and (approved or others or _is_touched(before.plan)):
        done = "is approved" if approved else "holds what a person decided, drew or muted"
        done = done if approved or not others else f"has versions ({', '.join(sorted(others.values()))})"
        raise PolicyRefuses(
            f"the plan of {item} {done}",
            f"bwc detect {item} --again keeps masks, mutes and what was decided of sounds; decisions on tracks start anew",
        )
    pieces = house.pieces(item, segment)
    with house.open_original(item, segment, purpose="detect") as original:
        fresh = look(original, segment, pieces)
        sheet = contact_sheet(original, fresh)

        said = PlanStale(
            f"somebody decided on tracks of {item}, or approved its copy, while it was analysed; that stays",
            f"bwc detect {item} --again starts these decisions anew, and asks the detectors nothing twice",
        )

        def make(now: PlanState | None) -> RedactionPlan:
            unless_approved()
            if now and _is_answered(now, before):
                raise said
            return hear(original, continued(now.plan, fresh) if now else fresh)

        def unless_approved() -> None:
            if _approvals(house, item, segment) != approved:
                raise said

        state = save_next(house, item, segment, make, sheet=sheet, detected=True, unless=unless_approved)
    pieces.clear()  # only now: whoever is killed before goes on from here
    return state


def newest(house: House, item: ItemId, segment: int, request: str = "") -> PlanState | None:
    """The current plan of one recording, or of its version for `request`, if there is one."""
    name = version_id(house, item, segment, request) if request else ""
    row = None if name is None else house.latest(item, segment, ObjectRole.PLAN, version=name)
    if row is None:
        return None
    state = state_of(house, row, item, segment)
    if not is_same_request(state.request, request):
        raise IntegrityError(f"the plan of entry {row.seq} is not for the request that its entry tells", "bwc verify")
    return state


def state_of(house: House, row: DocumentRow, item: ItemId, segment: int) -> PlanState:
    """The plan of a row. Raises `IntegrityError` when the tables take it for one of another version."""
    data = house.read(row.object_id)
    return PlanState(item=item, segment=segment, plan=plan_in(row, data), data=data)


def _approvals(house: House, item: ItemId, segment: int) -> frozenset[int]:
    """The approvals of the copy of the current plan."""
    plan, copy = (house.latest(item, segment, role) for role in (ObjectRole.PLAN, ObjectRole.COPY))
    if plan is None or copy is None or copy.facts.get("plan_sha256") != plan.facts.get("plan_sha256"):
        return frozenset()
    return frozenset(row.seq for row in house.approvals(str(copy.facts.get("copy_sha256"))))


def _is_answered(now: PlanState, before: PlanState | None) -> bool:
    """Whether a person said something of detected tracks that an analysis begun at `before` does not know."""
    found = [one for one in now.plan.tracks if one.origin is Origin.DETECTOR]
    if before is None:
        return any(one.decision.by not in (None, "policy") for one in found)
    return found != [one for one in before.plan.tracks if one.origin is Origin.DETECTOR]


def _is_touched(plan: RedactionPlan) -> bool:
    parts: tuple[Track | SoundSpan | WholeFrame, ...] = (*plan.tracks, *plan.audio_spans, *plan.whole_frame)
    return any(part.origin is Origin.PERSON or part.decision.by not in (None, "policy") for part in parts)


def continued(before: RedactionPlan, fresh: RedactionPlan) -> RedactionPlan:
    """A fresh analysis of the pictures as the next revision of `before`, with all that a person added to that or chose.

    Its sounds and what was heard go along: only whoever listens anew may take a proposal back.
    """
    chosen = {key: said for key, said in before.extensions.items() if key not in (DECODING, LET_GO, OVERLAY, TURNED)}
    drawn = tuple(track for track in before.tracks if track.origin is Origin.PERSON)
    return replace(
        fresh,
        plan_id=before.plan_id,
        revision=before.revision + 1,
        previous=sha256_hex(to_bytes(before)),
        effect=before.effect,
        tracks=(*fresh.tracks, *drawn),
        audio_spans=before.audio_spans,
        whole_frame=before.whole_frame,
        detectors=(*fresh.detectors, *listened(before)),
        extensions={**chosen, **fresh.extensions},
    )


def recordings(house: House, item: ItemId) -> list[int]:
    """The segments of `item` that are video. Raises `MediaError` if there is none."""
    found = house.video_segments(item)
    if not found:
        raise MediaError(
            f"{item} holds no readable recording; the original is safe", f"bwc open {item} -o FILE --reason …"
        )
    return found


def plans(house: House, item: ItemId, segment: int | None = None, request: str = "") -> list[PlanState]:
    """The current plan of each recording of `item`, or of one; with `request` of its version. Raises `NotFound` before `bwc detect`."""
    wanted = recordings(house, item) if segment is None else [segment]
    return [current(house, item, one, request) for one in wanted]


def current(house: House, item: ItemId, segment: int | None, request: str = "") -> PlanState:
    """The current plan of one recording; `segment` may be None when the item has one only."""
    return there(newest(house, item, segment_of(house, item, segment), request), item, request)


def revision(house: House, item: ItemId, segment: int | None, number: int, request: str = "") -> PlanState:
    """An earlier plan of one recording. Raises `NotFound`."""
    place = segment_of(house, item, segment)
    version = current(house, item, place, request).version
    rows = house.documents(item, place, ObjectRole.PLAN, version=version)
    row = next((one for one in rows if one.facts.get("revision") == number), None)
    if row is None:
        raise NotFound(f"the plan of {words_for(item, request)} has no revision {number}", f"bwc log {item}")
    return state_of(house, row, item, place)


def there(found: PlanState | None, item: ItemId, request: str = "") -> PlanState:
    """Raises `NotFound` unless `item` has a plan, or a version for `request`."""
    if found is None and request:
        hint = f"bwc plan {item} lists what there is; the first decide, mask or mute with --request makes one"
        raise NotFound(f"the plan of {item} has no version for {request}", hint)
    if found is None:
        raise NotFound(f"{item} has no redaction plan", f"bwc detect {item}")
    return found


def words_for(item: ItemId, request: str) -> str:
    """How an item, or its version for a request, is named on the command line."""
    return f"{item} --request {quote(request)}" if request else item


def sheet(house: House, item: ItemId, segment: int) -> bytes:
    """The contact sheet (JPEG) sealed with the last analysis. It shows faces in the clear: opening it is an event."""
    row = house.latest(item, segment, ObjectRole.SHEET)
    if row is None:
        raise NotFound(f"{item} has no contact sheet", f"bwc detect {item}")
    house.record_opening(item, segment, purpose="sheet")
    return house.read(row.object_id)


def save_next(
    house: House,
    item: ItemId,
    segment: int,
    make: Make,
    *,
    sheet: bytes | None = None,
    detected: bool = False,
    unless: Callable[[], None] | None = None,
    request: str = "",
) -> PlanState:
    """Save what `make` makes of the newest plan as the next one; made anew from what others saved meanwhile.

    Raises what `make` raises, and `PlanStale` if others were quicker each time.
    """
    tries = 0
    while True:
        before, tries = newest(house, item, segment, request), tries + 1
        plan = make(before)
        try:
            return save(house, item, segment, plan, made_from=before, sheet=sheet, detected=detected, unless=unless)
        except PlanStale:
            if tries == _TRIES:
                raise


def save(
    house: House,
    item: ItemId,
    segment: int,
    plan: RedactionPlan,
    *,
    made_from: PlanState | None,
    sheet: bytes | None = None,
    detected: bool = False,
    unless: Callable[[], None] | None = None,
) -> PlanState:
    """Save `plan` as the revision after `made_from`, of the version that it says it is of. Raises `PlanStale` if that is not the newest any more.

    Raises what `unless` raises, which is asked in the same transaction.
    """
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
    state = PlanState(item=item, segment=segment, plan=plan, data=data)
    facts |= {"version": state.version} if state.version else {}
    house.save_plan(
        item,
        segment,
        data,
        made_from=made_from.sha256 if made_from else None,
        facts=facts,
        sheet=sheet,
        detected=detected,
        unless=unless,
        request=state.request,
    )
    return state


def segment_of(house: House, item: ItemId, segment: int | None) -> int:
    """The recording that is meant; `segment` may be None when the item has one only."""
    found = recordings(house, item)
    if segment is None and len(found) > 1:
        raise UsageError(f"{item} has {len(found)} recordings", "say which one: --segment N")
    if segment is not None and segment not in found:
        raise NotFound(f"{item} has no recording {segment}", f"bwc show {item}")
    return found[0] if segment is None else segment
