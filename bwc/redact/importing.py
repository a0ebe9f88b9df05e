"""A plan file that a person edited, as the next revision: what differs is that person's word, and what opens is named.

It is held to what `bwc decide` is held to: whoever hands it in decided, now; to keep something needs a reason of its own;
what a detector found is decided on, not removed.
"""

from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from bwc.canonical import Json, sha256_hex
from bwc.errors import PlanStale, UsageError
from bwc.evidence import Choice
from bwc.redact.plan import (
    DECODING,
    LET_GO,
    OVERLAY,
    TURNED,
    VERSION,
    Box,
    Coverage,
    Decision,
    FrameCover,
    Origin,
    RedactionPlan,
    SoundSpan,
    Track,
    WholeFrame,
)
from bwc.redact.plan_edit import ids_of, next_revision, parts_of
from bwc.redact.plan_effect import grow
from bwc.redact.plan_format import to_bytes
from bwc.redact.plan_view import muted_spans
from bwc.redact.speech.record import KEY

_Part = TypeVar("_Part", Track, SoundSpan, WholeFrame)
_Known = dict[str, Track | SoundSpan | WholeFrame]

MACHINES = (DECODING, LET_GO, OVERLAY, TURNED, KEY)  # extensions in which machines say what they saw and heard
INVERSE = "all but who is kept (inverse)"


def taken_over(before: RedactionPlan, edited: RedactionPlan, *, by: str, at: datetime) -> RedactionPlan:
    """`edited`, made from `before`, as its next revision: `by` decided `at` on whatever differs.

    Raises `PlanStale` for what was made from another revision or recording, `UsageError` for what may not be decided so.
    """
    if edited.plan_id != before.plan_id:
        raise PlanStale(
            "that file is of another version of the plan", "bwc plan ITEM --export FILE, with its --request"
        )
    if (edited.content_sha256, edited.media.pts) != (before.content_sha256, before.media.pts):
        raise PlanStale("that plan belongs to another recording", "bwc plan ITEM --export FILE")
    if (edited.revision, edited.previous) != (before.revision, before.previous) and edited.previous != sha256_hex(
        to_bytes(before)
    ):
        raise PlanStale(
            f"that file was made from revision {edited.revision} of the plan, which is at revision {before.revision} now",
            "bwc plan ITEM --export NEW_FILE, and make the same changes there",
        )
    known = parts_of(before)
    plan = replace(
        edited,
        item=before.item,
        segment=before.segment,
        tool=before.tool,
        detectors=before.detectors,
        doubts=before.doubts,
        extensions=_seen(before, edited),
        tracks=tuple(_said_by(_as_found(one, known), known, by, at) for one in edited.tracks),
        audio_spans=tuple(_said_by(_as_found(one, known), known, by, at) for one in edited.audio_spans),
        whole_frame=tuple(_said_by(_as_found(one, known), known, by, at) for one in edited.whole_frame),
    )
    found = {name for name, part in known.items() if part.origin is Origin.DETECTOR}
    gone = [name for name in opened_by(before, plan) if name in found - ids_of(plan)]
    if gone:
        raise UsageError(
            f"{', '.join(gone)}: found by a detector, gone from the file, and no longer hidden",
            "leave it in the file, with the choice keep and a note",
        )
    return next_revision(before, plan, made_at=at)


def put_back(before: RedactionPlan, earlier: RedactionPlan, *, by: str, at: datetime) -> RedactionPlan:
    """What was decided, drawn, muted and chosen at `earlier`, a revision of the same plan, as the one after `before`.

    `by` says it again, `at`. What machines found since then stays. Raises `PlanStale` when tracks were found anew since.
    """
    if _found(earlier) != _found(before):
        raise PlanStale(
            f"the pictures were analysed anew since revision {earlier.revision}: its decisions are about other tracks",
            "bwc decide ITEM …, on the tracks of now",
        )
    known = parts_of(before)

    def again(part: _Part) -> _Part:
        same = part == known.get(part.id) or part.decision.choice is Choice.UNDECIDED
        return part if same else replace(part, decision=replace(part.decision, by=by, at=at))

    then = ids_of(earlier)
    heard = [one for one in before.audio_spans if one.origin is Origin.DETECTOR and one.id not in then]
    plan = replace(
        earlier,
        tool=before.tool,
        detectors=before.detectors,
        doubts=before.doubts,
        # What of the common plan it had taken in: what was taken over since is missing again, and said to be
        extensions=_seen(before, earlier) | {k: v for k, v in earlier.extensions.items() if k == VERSION},
        tracks=tuple(again(one) for one in earlier.tracks),
        audio_spans=(*(again(one) for one in earlier.audio_spans), *heard),
        whole_frame=tuple(again(one) for one in earlier.whole_frame),
    )
    return next_revision(before, plan, made_at=at)


def _found(plan: RedactionPlan) -> list[tuple[str, object]]:
    return [(one.id, one.spans) for one in plan.tracks if one.origin is Origin.DETECTOR]


def _seen(before: RedactionPlan, edited: RedactionPlan) -> dict[str, Json]:
    """What `edited` chooses of delivery and labels; what machines saw and heard as it was, for the check goes by it.

    And for which request it is.
    """
    kept = (*MACHINES, VERSION)
    chosen = {name: value for name, value in edited.extensions.items() if name not in kept}
    return chosen | {name: value for name, value in before.extensions.items() if name in kept}


def _as_found(part: _Part, known: _Known) -> _Part:
    """`part` with what only a detector says of it as it was."""
    old = known.get(part.id)
    if isinstance(part, Track) and isinstance(old, Track):
        return replace(part, origin=old.origin, score_permille=old.score_permille, doubts=old.doubts)
    return replace(part, origin=old.origin) if old is not None else part


def _said_by(part: _Part, known: _Known, by: str, at: datetime) -> _Part:
    old, said = known.get(part.id), part.decision
    if part == old or said.choice is Choice.UNDECIDED:
        return part
    if said.choice is Choice.KEEP and old is not None and old.decision.choice is not Choice.KEEP:
        reasons = {said.note.strip(), said.exemption or ""} - {
            old.decision.note.strip(),
            old.decision.exemption or "",
            "",
        }
        if not reasons:  # why it was hidden is no reason to show it
            raise UsageError(
                f"{part.id} is kept without a reason of its own", f"write a note into the decision of {part.id}"
            )
    decision = Decision(choice=said.choice, by=by, at=at, exemption=said.exemption, note=said.note)
    return replace(part, decision=decision)


def opened_by(before: RedactionPlan, after: RedactionPlan) -> list[str]:
    """What `before` hid and `after` lets be seen or heard, by name."""
    now, silent, covers = parts_of(after), muted_spans(after), _Covers(after)
    is_as_wide = after.effect.margin_permille >= before.effect.margin_permille and not after.effect.inverse
    opened = [INVERSE] if before.effect.inverse and not after.effect.inverse else []
    for track in before.tracks:
        same = now.get(track.id)
        unchanged = isinstance(same, Track) and same.decision.is_covered and same.spans == track.spans
        if track.decision.is_covered and not (is_as_wide and unchanged) and covers.lets_see(track, before):
            opened.append(track.id)
    for span in before.whole_frame:
        if span.decision.is_covered and not all(covers.is_whole(place) for place in range(span.first, span.stop)):
            opened.append(span.id)
    for sound in before.audio_spans:
        if sound.decision.is_covered and not any(
            start <= sound.start_ns and sound.end_ns <= end for start, end in silent
        ):
            opened.append(sound.id)
    if before.effect.inverse and after.effect.inverse:
        known = parts_of(before)
        opened += [one.id for one in after.tracks if not one.decision.is_covered and _is_wider(one, known.get(one.id))]
    return list(dict.fromkeys(opened))


def _is_wider(kept: Track, old: Track | SoundSpan | WholeFrame | None) -> bool:
    """Whether a track that an inverse plan leaves in sight was not left so before."""
    return not isinstance(old, Track) or old.decision.is_covered or old.spans != kept.spans


class _Covers:
    """What a plan hides in the frames that are asked about."""

    def __init__(self, plan: RedactionPlan) -> None:
        self._coverage = Coverage(plan)
        self._known: dict[int, FrameCover] = {}

    def at(self, ordinal: int) -> FrameCover:
        if ordinal not in self._known:
            self._known[ordinal] = self._coverage.at(ordinal)
        return self._known[ordinal]

    def is_whole(self, ordinal: int) -> bool:
        here = self.at(ordinal)
        return here.whole and not here.keep

    def lets_see(self, track: Track, plan: RedactionPlan) -> bool:
        """Whether some of what `plan` covers of `track` is in sight."""
        margin = plan.effect.margin_permille if track.origin is Origin.DETECTOR else 0
        for span in track.spans:
            for place, box in enumerate(span.boxes, span.first):
                if not self._hides(place, grow(box, margin, plan.media.width, plan.media.height)):
                    return True
        return False

    def _hides(self, ordinal: int, box: Box) -> bool:
        here = self.at(ordinal)
        if any(_holds(one, box) for one in here.boxes):
            return True
        return here.whole and not any(_touches(one, box) for one in here.keep)


def _holds(outer: Box, box: Box) -> bool:
    return outer[0] <= box[0] and outer[1] <= box[1] and outer[2] >= box[2] and outer[3] >= box[3]


def _touches(one: Box, box: Box) -> bool:
    return one[0] < box[2] and box[0] < one[2] and one[1] < box[3] and box[1] < one[3]
