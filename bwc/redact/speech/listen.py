"""A recording is listened to: its plan gets proposals to hide spoken personal data, and a record of what was heard.

Proposals are undecided: hidden until a person says otherwise. What a person muted or decided stays; where no words are
looked for, so does what was proposed.
"""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import floor
from pathlib import Path
from typing import BinaryIO

from bwc.canonical import Json
from bwc.errors import NotFound
from bwc.media.decode import VideoReader
from bwc.media.facts import MediaFacts
from bwc.media.mono import Floats, mono_blocks
from bwc.redact import plan_edit
from bwc.redact.plan import DetectorInfo, Origin, RedactionPlan, SoundKind, SoundSpan
from bwc.redact.speech import voice
from bwc.redact.speech.ears import hear
from bwc.redact.speech.heard import MS, HeardTrack, Recogniser, Word
from bwc.redact.speech.proposals import Proposal, joined, proposals_for
from bwc.redact.speech.record import KEY, Label, SpeechRecord, listened, record_of
from bwc.redact.speech.rules import mentions_in

PLUGINS = "bwc.recognisers"

Progress = Callable[[int, int | None], None]


@dataclass(slots=True)
class Hearing:
    """A recogniser that is opened when the first voice is heard, or in words why there is none."""

    open: Callable[[], Recogniser] | None
    missing: str = ""
    _opened: Recogniser | None = None
    _heard: tuple[str, tuple[HeardTrack, ...]] | None = None  # of the last recording, by its digest

    def words(self, samples: Floats) -> list[Word]:
        if self._opened is None:
            assert self.open is not None
            self._opened = self.open()
        return self._opened.words(samples)

    def after(self, ready: Callable[[], object]) -> "Hearing":
        """The same, opened only when `ready` has returned; nothing is asked of it where no voice is."""
        opened = self.open
        if opened is None or self._opened is not None:
            return self

        def late() -> Recogniser:
            ready()
            return opened()

        return Hearing(late, self.missing)

    def tracks(self, file: BinaryIO, plan: RedactionPlan, progress: Progress | None) -> tuple[HeardTrack, ...]:
        """What is heard in the recording of `plan`: heard once, however often that plan changes meanwhile."""
        if self._heard is None or self._heard[0] != plan.content_sha256:
            self._heard = plan.content_sha256, tuple(hear_all(file, self, progress=progress))
        return self._heard[1]

    def knows(self, content_sha256: str, tracks: tuple[HeardTrack, ...]) -> None:
        """`tracks` is what it would hear in that recording, and need not."""
        self._heard = content_sha256, tracks

    def describe(self) -> tuple[DetectorInfo, ...]:
        """What was used: nothing where no voice was."""
        return self._opened.describe() if self._opened is not None else ()


def find_hearing(own_model: Path | None = None, *, beams: int = 5) -> Hearing:
    """Speech to text as far as it is here: the model in `own_model`, an installed plug-in, or the fetched model.

    Raises `NotFound` only for an `own_model` that is none; without any, the answer says why nothing is written down.
    """
    from bwc.redact.speech import model

    plugins = sorted(importlib.metadata.entry_points(group=PLUGINS), key=lambda one: one.name)
    if plugins and own_model is None:
        return Hearing(plugins[0].load())
    try:
        importlib.metadata.version("faster-whisper")
        model.find(own_model)
    except importlib.metadata.PackageNotFoundError:
        if own_model is not None:
            raise NotFound(
                "speech recognition is not installed", "in the folder of bwc: pip install '.[speech]'"
            ) from None
        return Hearing(None, "speech recognition is not installed (in the folder of bwc: pip install '.[speech]')")
    except NotFound as error:
        if own_model is not None:
            raise
        return Hearing(None, f"{error.message} ({error.hint})")

    def opened() -> Recogniser:
        from bwc.redact.speech.whisper import Whisper

        return Whisper(model.load(own_model), beams=beams)

    return Hearing(opened)


def hear_all(
    file: BinaryIO, hearing: Hearing, *, progress: Progress | None = None, facts: MediaFacts | None = None
) -> list[HeardTrack]:
    """Every sound track of `file`, whose `facts` may be known. `progress(milliseconds heard, of all)`."""
    tracks = [track for track in (facts or VideoReader(file).facts).audio if track.start is not None]
    found: list[HeardTrack] = []
    for number, track in enumerate(tracks):
        total = int(track.duration * track.time_base * 1000) if track.duration else None

        def step(at_ms: int, number: int = number, total: int | None = total) -> None:
            if progress:
                whole = None if total is None else total * len(tracks)
                progress((total or 0) * number + at_ms, whole)

        recogniser = hearing if hearing.open is not None else None
        heard = hear(mono_blocks(file, track.stream), stream=track.stream, recogniser=recogniser, progress=step)
        found.append(replace(heard, start_ms=floor(track.start * track.time_base * 1000) if track.start else 0))
    return found


def listen(
    file: BinaryIO,
    plan: RedactionPlan,
    hearing: Hearing,
    *,
    watch: Sequence[str] = (),
    forget: bool = False,
    kind: SoundKind = SoundKind.MUTE,
    progress: Progress | None = None,
) -> RedactionPlan:
    """`plan` with what is heard in `file`. Sounds alone: revision and time are the caller's (`plan_edit.next_revision`).

    Words to `watch` for add to those of the plan, unless it shall `forget` them. Without a recogniser nothing that was
    proposed goes away, and words that were written down before are searched again.
    """
    before = record_of(plan) or SpeechRecord(missing="nobody listened")
    deaf = hearing.open is None
    again = deaf and not before.missing  # by what was written down
    watch = tuple(dict.fromkeys((*(() if forget else before.watch), *watch)))
    tracks = before.tracks if again else hearing.tracks(file, plan, progress)
    found = joined(one for track in tracks for one in proposals_for(track, mentions_in(track.words, watch=watch)))
    kept = plan.audio_spans if deaf else tuple(one for one in plan.audio_spans if _is_a_persons(one))
    labels = _kept_labels(before, kept, core=again)
    bare = replace(plan, audio_spans=kept)
    for one in found:
        held = [span for span in kept if _answers(span, labels.get(span.id), one)]
        for span in held:
            labels[span.id] = _with(labels.get(span.id), one)
        if held:
            continue
        name = plan_edit.fresh_id(bare, "a")
        span = SoundSpan(id=name, start_ns=one.start_ms * MS, end_ns=one.end_ms * MS, kind=kind, origin=Origin.DETECTOR)
        bare = replace(bare, audio_spans=(*bare.audio_spans, span))
        labels[name] = _with(None, one)
    record = SpeechRecord(tracks=tracks, missing="" if again else hearing.missing, watch=watch, labels=labels)
    earlier = listened(plan)
    used = earlier if again else (voice.describe(), *hearing.describe()) if tracks else ()
    return replace(
        bare,
        detectors=(*(one for one in plan.detectors if one not in earlier), *used),
        extensions={**plan.extensions, KEY: record.to_json() | _models(used)},
    )


def _models(used: Sequence[DetectorInfo]) -> dict[str, Json]:
    return {"models": [one.name for one in used]}


def _is_a_persons(span: SoundSpan) -> bool:
    """Whether a person muted it or decided on it."""
    return span.origin is Origin.PERSON or span.decision.by is not None


def _kept_labels(before: SpeechRecord, kept: Sequence[SoundSpan], *, core: bool) -> dict[str, Label]:
    """Labels of spans that stay. Places of words (`core`) stay only while the words do: a new hearing has its own."""
    names = {one.id for one in kept}
    return {name: one if core else replace(one, core=()) for name, one in before.labels.items() if name in names}


def _answers(span: SoundSpan, label: Label | None, one: Proposal) -> bool:
    """Whether a span that stays says already what becomes of the proposal: hidden, or kept knowing what is in it."""
    inside = span.start_ns <= one.start_ms * MS and one.end_ms * MS <= span.end_ns
    known = label is not None and set(one.kinds) <= set(label.kinds)
    return inside and (span.decision.is_covered or known)


def _with(label: Label | None, one: Proposal) -> Label:
    if label is None:
        return Label(kinds=one.kinds, certain=one.certain, core=one.core)
    kinds = tuple(dict.fromkeys((*label.kinds, *one.kinds)))
    return Label(kinds=kinds, certain=label.certain or one.certain, core=tuple(sorted({*label.core, *one.core})))
