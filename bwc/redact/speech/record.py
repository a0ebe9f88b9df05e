"""What was heard, as the plan keeps it (extension `speech`): sealed with the plan, it never changes what is hidden.

Captions, transcript and the check read it; docs/formats/redaction-plan.md says what each key means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bwc.canonical import Json
from bwc.errors import UsageError
from bwc.redact.plan import DetectorInfo, RedactionPlan, SoundSpan
from bwc.redact.speech.heard import MS, HeardTrack, Word

KEY = "speech"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Why a sound span was proposed: kinds of personal data, and the words that are it (stream, place)."""

    kinds: tuple[str, ...]
    certain: bool
    core: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRecord:
    """What was heard. `missing` says in words why nothing was written down; empty when it was."""

    tracks: tuple[HeardTrack, ...] = ()
    missing: str = ""
    watch: tuple[str, ...] = ()
    labels: Mapping[str, Label] = field(default_factory=dict)  # by id of the sound span

    @property
    def voice_ms(self) -> int:
        """Time with a voice, of the track that has most of it."""
        return max((sum(end - start for start, end in track.voice) for track in self.tracks), default=0)

    @property
    def words(self) -> int:
        return sum(len(track.words) for track in self.tracks)

    def word(self, stream: int, place: int) -> Word:
        return next(track.words[place] for track in self.tracks if track.stream == stream)

    def to_json(self) -> dict[str, Json]:
        return {
            "labels": {name: _label_json(label) for name, label in self.labels.items()},
            "missing": self.missing,
            "tracks": [_track_json(track) for track in self.tracks],
            "watch": list(self.watch),
        }


def record_of(plan: RedactionPlan) -> SpeechRecord | None:
    """What `plan` keeps of what was heard; None when nobody listened. Raises `UsageError` for a record that is none."""
    value: Any = plan.extensions.get(KEY)
    if value is None:
        return None
    try:
        return SpeechRecord(
            tracks=tuple(_track_of(one) for one in value["tracks"]),
            missing=str(value["missing"]),
            watch=tuple(str(one) for one in value["watch"]),
            labels={name: _label_of(one) for name, one in value["labels"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"the plan's record of speech cannot be read: {error}") from error


def listened(plan: RedactionPlan) -> tuple[DetectorInfo, ...]:
    """The models of `plan` that listened, not looked."""
    value = plan.extensions.get(KEY)
    models = value.get("models") if isinstance(value, dict) else None
    return tuple(one for one in plan.detectors if isinstance(models, list) and one.name in models)


def sounds_of_class(plan: RedactionPlan, class_: str, *, wholly: bool) -> tuple[list[str], list[str]]:
    """Sound spans called `class_` ("sound", "spoken", "name", "spoken name, phone"); of these, which hold other data too.

    With `wholly` the second are not among the first.
    """
    record = record_of(plan)
    found: list[str] = []
    mixed: list[str] = []
    for span in plan.audio_spans:
        label = record.labels.get(span.id) if record else None
        if class_ in (class_of(label), "spoken" if label else ""):
            found.append(span.id)
        elif label and class_ in label.kinds:
            (mixed if wholly and len(set(label.kinds)) > 1 else found).append(span.id)
    return found, mixed


def class_of(label: Label | None) -> str:
    """How a sound span is called."""
    return "spoken " + ", ".join(label.kinds) if label else "sound"


def words_of(record: SpeechRecord, span: SoundSpan) -> str:
    """What was heard within `span`, of the track that says most there."""
    said = [
        " ".join(
            word.text for word in track.words if word.start_ms * MS < span.end_ns and span.start_ns < word.end_ms * MS
        )
        for track in record.tracks
    ]
    return max(said, key=len, default="")


def transcript_of(record: SpeechRecord, plan: RedactionPlan) -> str:
    """Every word with its seconds after the first picture; `#` marks what the plan hides. A machine wrote it."""
    media = plan.media
    begin = int(media.pts.start * media.time_base * 1000)
    covered = [span for span in plan.audio_spans if span.decision.is_covered]
    lines = [f"# written down by a machine, not read by anybody; # marks hidden words; {record.words} words"]
    for number, track in enumerate(record.tracks, 1):
        lines.append(f"# sound track {number}")
        for word in track.words:
            hidden = any(span.start_ns < word.end_ms * MS and word.start_ms * MS < span.end_ns for span in covered)
            lines.append(f"{(word.start_ms - begin) / 1000:9.2f}  {'#' if hidden else ' '} {word.text}")
    return "\n".join(lines) + "\n"


def _track_json(track: HeardTrack) -> dict[str, Json]:
    return {
        "length_ms": track.length_ms,
        "start_ms": track.start_ms,
        "stream": track.stream,
        "voice": [[start, end] for start, end in track.voice],
        "words": [[one.start_ms, one.end_ms, one.score_permille, one.text] for one in track.words],
    }


def _track_of(value: Any) -> HeardTrack:
    return HeardTrack(
        stream=int(value["stream"]),
        length_ms=int(value["length_ms"]),
        start_ms=int(value.get("start_ms", 0)),
        voice=tuple((int(start), int(end)) for start, end in value["voice"]),
        words=tuple(
            Word(start_ms=int(start), end_ms=int(end), score_permille=int(score), text=str(text))
            for start, end, score, text in value["words"]
        ),
    )


def _label_json(label: Label) -> dict[str, Json]:
    return {
        "certain": label.certain,
        "core": [[stream, place] for stream, place in label.core],
        "kinds": list(label.kinds),
    }


def _label_of(value: Any) -> Label:
    return Label(
        certain=bool(value["certain"]),
        core=tuple((int(stream), int(place)) for stream, place in value["core"]),
        kinds=tuple(str(kind) for kind in value["kinds"]),
    )
