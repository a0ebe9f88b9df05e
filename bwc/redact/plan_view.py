"""Reading aids for a plan: what it holds in short, and what changed between two revisions."""

from collections.abc import Iterable
from dataclasses import dataclass

from bwc.canonical import Json
from bwc.errors import UsageError
from bwc.evidence import Choice
from bwc.media.delivery import Delivery
from bwc.redact.plan import (
    DAMAGED,
    DELIVERY,
    LET_GO,
    Coverage,
    Decision,
    RedactionPlan,
    SoundKind,
    SoundSpan,
    Track,
    WholeFrame,
    chosen,
    undecided,
)
from bwc.redact.speech.record import record_of

APART_NS = 1_000_000_000  # what is between a bleep and silence at least
ALWAYS_NS = (1 << 53) - 1  # a span from minus to plus this is all sound there can be: the largest integer of a plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSummary:
    """Tracks of one class. `frames` counts frames in which at least one of them is seen; `milliseconds` their time."""

    class_: str
    tracks: int
    keep: int
    undecided: int
    frames: int
    milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSummary:
    """What was heard in short. `missing`: why nothing was written down. `proposals`: stretches by kind of data."""

    voice_ms: int
    words: int
    missing: str
    proposals: dict[str, int]

    def to_json(self) -> dict[str, Json]:
        return {
            "missing": self.missing,
            "proposals": dict(self.proposals),
            "voice_ms": self.voice_ms,
            "words": self.words,
        }

    def text(self, item: str = "") -> str:
        """For people; with `item` also what shows the words: of the proposals, or all that was heard."""
        said = f"sound: {self.voice_ms / 1000:.1f} s of voices"
        if self.missing:
            if not self.voice_ms:
                return f"{said} (no words were looked for: {self.missing})"
            return f"{said}; NOTHING WAS WRITTEN DOWN: {self.missing}. Listen yourself, or mute every voice"
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.proposals.items())) or "nothing"
        said = f"{said}, {self.words} words; spoken personal data proposed: {kinds}"
        shows = f" (bwc plan {item} {'--words' if self.proposals else '--transcript FILE'})"
        return said + (shows if item and self.words else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """A plan in short."""

    plan_id: str
    revision: int
    frames: int
    frames_lost: int
    milliseconds: int
    covered_frames: int
    classes: tuple[ClassSummary, ...]
    undecided: tuple[str, ...]
    muted_ms: int
    whole_frames: int
    doubts: dict[str, int]  # code -> how many tracks and spans of frames carry it
    speech: SpeechSummary | None  # None: nobody listened

    def to_json(self) -> dict[str, Json]:
        return {
            "classes": [
                {
                    "class": row.class_,
                    "frames": row.frames,
                    "keep": row.keep,
                    "milliseconds": row.milliseconds,
                    "tracks": row.tracks,
                    "undecided": row.undecided,
                }
                for row in self.classes
            ],
            "covered_frames": self.covered_frames,
            "doubts": dict(self.doubts),
            "frames": self.frames,
            "frames_lost": self.frames_lost,
            "milliseconds": self.milliseconds,
            "muted_ms": self.muted_ms,
            "plan_id": self.plan_id,
            "revision": self.revision,
            "speech": self.speech.to_json() if self.speech else None,
            "undecided": list(self.undecided),
            "whole_frames": self.whole_frames,
        }


def summary(plan: RedactionPlan) -> PlanSummary:
    """`plan` in short: tracks by class with their time, what is undecided, what is doubtful."""
    starts = [*plan.media.pts, plan.media.pts.start + plan.media.duration] if plan.media.frames else [0]
    per_tick = plan.media.time_base * 1000

    def milliseconds(ordinals: Iterable[int]) -> int:
        return int(sum(starts[place + 1] - starts[place] for place in ordinals) * per_tick)

    rows = []
    for name in sorted({track.class_ for track in plan.tracks}):
        tracks = [track for track in plan.tracks if track.class_ == name]
        seen = {place for track in tracks for span in track.spans for place in range(span.first, span.stop)}
        rows.append(
            ClassSummary(
                class_=name,
                tracks=len(tracks),
                keep=sum(track.decision.choice is Choice.KEEP for track in tracks),
                undecided=sum(track.decision.choice is Choice.UNDECIDED for track in tracks),
                frames=len(seen),
                milliseconds=milliseconds(seen),
            )
        )
    doubts: dict[str, int] = {}
    for code in [*(code for track in plan.tracks for code in track.doubts), *(doubt.code for doubt in plan.doubts)]:
        doubts[code] = doubts.get(code, 0) + 1
    covers = Coverage(plan)
    whole = {place for span in plan.whole_frame if span.decision.is_covered for place in range(span.first, span.stop)}
    return PlanSummary(
        plan_id=plan.plan_id,
        revision=plan.revision,
        frames=plan.media.frames,
        frames_lost=plan.media.frames_lost,
        milliseconds=int(plan.media.duration * per_tick),
        covered_frames=sum(not covers.at(place).is_clear for place in range(plan.media.frames)),
        classes=tuple(rows),
        undecided=undecided(plan),
        muted_ms=sum(end - start for start, end in _told(plan)) // 1_000_000,
        whole_frames=len(whole),
        doubts=doubts,
        speech=_speech(plan),
    )


def _speech(plan: RedactionPlan) -> SpeechSummary | None:
    record = record_of(plan)
    if record is None:
        return None
    proposals: dict[str, int] = {}
    for label in record.labels.values():
        for kind in label.kinds:
            proposals[kind] = proposals.get(kind, 0) + 1
    return SpeechSummary(voice_ms=record.voice_ms, words=record.words, missing=record.missing, proposals=proposals)


def counted(count: int, thing: str) -> str:
    """A number with its noun: 1 frame, 2 frames."""
    return f"{count} {thing if count == 1 else thing + 's'}"


def muted_spans(plan: RedactionPlan) -> list[tuple[int, int]]:
    """What cannot be heard, in nanoseconds of presentation time: in order, merged, half-open; bleeps too."""
    return _merged((span.start_ns, span.end_ns) for span in plan.audio_spans if span.decision.is_covered)


def damage_text(plan: RedactionPlan) -> str:
    """What is to be said of frames that decode with errors; nothing where there are none."""
    frames = sum(doubt.stop - doubt.first for doubt in plan.doubts if doubt.code == DAMAGED)
    return (
        f"{frames} of {plan.media.frames} frames decode with errors: nobody may be found in ruined pictures"
        if frames
        else ""
    )


def let_go_times(plan: RedactionPlan) -> list[tuple[int, int]]:
    """From and to when, in milliseconds, what was left in sight after a second look would have been hidden."""
    starts = [*plan.media.pts, plan.media.pts.start + plan.media.duration]
    per_tick = plan.media.time_base * 1000
    spans = [(one.first, one.stop) for one in plan.doubts if one.code == LET_GO]
    return [(int((starts[a] - starts[0]) * per_tick), int((starts[b] - starts[0]) * per_tick)) for a, b in spans]


def within(plan: RedactionPlan, start_ns: int, end_ns: int) -> tuple[int, int]:
    """A span of sound as far as it lies between the first picture and the end of the last: how it is told to people."""
    media = plan.media
    begin = int(media.pts.start * media.time_base * 1_000_000_000)
    end = begin + int(media.duration * media.time_base * 1_000_000_000)
    if end_ns - start_ns < ALWAYS_NS:
        return start_ns, end_ns
    return max(begin, start_ns), max(begin, min(end, end_ns))


def span_within(plan: RedactionPlan, start_ns: int, end_ns: int) -> tuple[int, int]:
    """A span counted from the first picture, in presentation time.

    Raises `UsageError` for one that hides nothing: it ends before it or the file begins, or begins when the recording has ended.
    """
    length = _length_ns(plan)
    if start_ns >= end_ns:
        raise UsageError("the span ends before it begins", "--from TIME --to LATER")
    if start_ns >= length:
        hint = "check --from: times count from the first picture"
        raise UsageError(f"the recording is only {length / 1e9:.2f} s long: nothing would be hidden", hint)
    begin = int(plan.media.pts.start * plan.media.time_base * 1_000_000_000)
    if end_ns <= -max(0, begin) and begin >= 0:
        raise UsageError("the span ends before the file begins: nothing would be hidden", "check --to")
    return start_ns + begin, end_ns + begin


def span_text(plan: RedactionPlan, start_ns: int, end_ns: int) -> str:
    """A span counted from the first picture, as much of it as the recording has."""
    length = _length_ns(plan)
    if end_ns - length < 10_000_000:  # what is shown is rounded to that
        return f"{start_ns / 1e9:.2f}{' to ' if start_ns < 0 else '-'}{end_ns / 1e9:.2f} s"
    return f"only {start_ns / 1e9:.2f} to {length / 1e9:.2f} s of {length / 1e9:.2f} s"


def _length_ns(plan: RedactionPlan) -> int:
    return int(plan.media.duration * plan.media.time_base * 1_000_000_000)


def silent_and_bleeped(
    plan: RedactionPlan, *, silent: Iterable[tuple[int, int]] = ()
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The same as (what is silent, what is bleeped). `silent`: further spans that are.

    A bleep within a second of silence is silence too: their packets would reach into each other.
    """
    kinds = {kind: [span for span in plan.audio_spans if span.kind is kind] for kind in SoundKind}
    quiet = [(span.start_ns, span.end_ns) for span in kinds[SoundKind.MUTE] if span.decision.is_covered]
    quiet += silent
    bleeps = _merged((span.start_ns, span.end_ns) for span in kinds[SoundKind.BLEEP] if span.decision.is_covered)
    while near := [
        one for one in bleeps if any(one[0] - APART_NS < end and start < one[1] + APART_NS for start, end in quiet)
    ]:
        quiet += near
        bleeps = [one for one in bleeps if one not in near]
    return _merged(quiet), bleeps


def _told(plan: RedactionPlan) -> list[tuple[int, int]]:
    return [within(plan, start, end) for start, end in muted_spans(plan)]


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `what` is "added", "removed", "moved" or "decided" of a part, or "changed" of a whole field."""

    what: str
    id: str
    before: str
    after: str

    def to_json(self) -> dict[str, Json]:
        return {"after": self.after, "before": self.before, "id": self.id, "what": self.what}


def diff(before: RedactionPlan, after: RedactionPlan) -> tuple[Change, ...]:
    """What changed from `before` to `after`: parts added, removed, moved or decided otherwise; effect and media."""
    changes = []
    old, new = _parts(before), _parts(after)
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            changes.append(Change(what="removed", id=name, before=_words(old[name]), after=""))
        elif name not in old:
            changes.append(Change(what="added", id=name, before="", after=_words(new[name])))
        else:
            changes += _changed(name, old[name], new[name])
    for field in ("effect", "media", "detectors", "doubts", "content_sha256", "extensions"):
        if getattr(before, field) != getattr(after, field):
            values = str(getattr(before, field)), str(getattr(after, field))
            changes.append(Change(what="changed", id=field, before=values[0], after=values[1]))
    return tuple(changes)


def _parts(plan: RedactionPlan) -> dict[str, Track | SoundSpan | WholeFrame]:
    found: dict[str, Track | SoundSpan | WholeFrame] = {track.id: track for track in plan.tracks}
    found.update((span.id, span) for span in plan.audio_spans)
    found.update((span.id, span) for span in plan.whole_frame)
    return found


def _changed(name: str, old: Track | SoundSpan | WholeFrame, new: Track | SoundSpan | WholeFrame) -> list[Change]:
    found = []
    if _shape(old) != _shape(new):
        found.append(Change(what="moved", id=name, before=_words(old), after=_words(new)))
    if old.decision != new.decision:
        found.append(Change(what="decided", id=name, before=_said(old.decision), after=_said(new.decision)))
    return found


def _shape(part: Track | SoundSpan | WholeFrame) -> tuple[object, ...]:
    if isinstance(part, Track):
        return part.class_, part.origin, part.score_permille, part.doubts, part.spans
    if isinstance(part, SoundSpan):
        return part.kind, part.origin, part.start_ns, part.end_ns
    return part.origin, part.first, part.stop


def _words(part: Track | SoundSpan | WholeFrame) -> str:
    if isinstance(part, Track):
        frames = sum(len(span.boxes) for span in part.spans)
        return f"{part.class_}, {frames} {'frame' if frames == 1 else 'frames'}, {_said(part.decision)}"
    if isinstance(part, SoundSpan):
        return f"{part.kind.value} {part.start_ns}-{part.end_ns} ns, {_said(part.decision)}"
    return f"whole frames {part.first}-{part.stop}, {_said(part.decision)}"


def _said(decision: Decision) -> str:
    why = " ".join(word for word in (decision.exemption or "", decision.note) if word)
    return decision.choice.value + (f" ({why})" if why else "")


def delivery_of(plan: RedactionPlan) -> Delivery:
    """How its copy is delivered; compatible unless the plan says otherwise. Raises `UsageError` for a way not known here."""
    return chosen(plan, DELIVERY, "profile", Delivery.COMPATIBLE)
