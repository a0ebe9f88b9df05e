"""What is still said in a copy: its final bytes are listened to again, and compared with what the plan hides.

A suspect is a word that the plan hides and that is heard all the same, or personal data that nobody was asked about:
what a person kept is none. Samples inside hidden spans are proven silent elsewhere (`check_sound`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import BinaryIO

from bwc.errors import UsageError
from bwc.evidence import Choice
from bwc.media.facts import MediaFacts
from bwc.redact.check_report import Sight, Suspect
from bwc.redact.plan import DetectorInfo, RedactionPlan
from bwc.redact.plan_view import muted_spans
from bwc.redact.speech import voice
from bwc.redact.speech.captions import hidden_words, is_one_of
from bwc.redact.speech.heard import MS, HeardTrack, Word
from bwc.redact.speech.listen import Hearing, find_hearing, hear_all
from bwc.redact.speech.record import SpeechRecord, record_of
from bwc.redact.speech.rules import Mention, mentions_in

_EDGE_MS = 300  # words placed this deep in silence are nobody's: a recogniser fills silence with words of its own
_ANSWERED_MS = 1_500  # a cue whose answer is hidden this soon after it gives nothing away
_AS_HIGH = 100  # in `risk`, where pictures have their height in pixels
_HIDDEN_PERMILLE = 900  # how sure a word that the plan hides is; others as sure as the recogniser was

MISSING = "spoken words: "  # how a reason why nobody listened begins in `not_checked`


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardAgain:
    """What listening to the copy gave."""

    suspects: tuple[Suspect, ...] = ()
    detectors: tuple[DetectorInfo, ...] = ()
    not_checked: tuple[str, ...] = ()
    words: int = 0
    hidden_words: int = 0  # that the plan hides and that were heard

    def measures(self) -> dict[str, int]:
        return {} if self.not_checked else {"speech_hidden_words": self.hidden_words, "speech_words": self.words}


def listen_again(
    copy: BinaryIO,
    plan: RedactionPlan,
    *,
    part: RedactionPlan | None = None,
    shift: Fraction = Fraction(0),
    hearing: Hearing | None = None,
    facts: MediaFacts | None = None,
) -> HeardAgain:
    """Listen to `copy`, whose clock is `shift` behind that of `plan`, for what `plan` hides anywhere.

    `part`: the plan of the part that the copy holds, which counts the frames and times of suspects. `facts`: the copy's, if known.
    """
    part = part or plan
    listener = hearing or find_hearing()
    if listener.open is None:
        return HeardAgain(not_checked=(MISSING + listener.missing,))
    away = int(shift * 1000)
    tracks = [_moved(track, away) for track in hear_all(copy, listener, facts=facts)]
    try:
        record = record_of(plan) or SpeechRecord()
    except UsageError:
        record = SpeechRecord()
    hidden = hidden_words(plan, record)
    suspects: list[Suspect] = []
    again = 0
    for track in tracks:
        places = [
            place
            for place, word in enumerate(track.words)
            if is_one_of(hidden, word.text) and not _is_kept(plan, word) and not _is_silent(plan, word)
        ]
        again += len(places)
        suspects += [
            _suspect(part, track.words[place : place + 1], "spoken again", _HIDDEN_PERMILLE) for place in places
        ]
        for one in mentions_in(track.words, watch=record.watch):
            if _is_open(plan, track, one) and not set(one.core) & set(places):
                words = track.words[one.first : one.last + 1]
                score = sum(track.words[place].score_permille for place in one.core) // len(one.core)
                suspects.append(_suspect(part, words, f"spoken {one.kind}", score))
    return HeardAgain(
        suspects=tuple(_apart(suspects)),
        detectors=(voice.describe(), *listener.describe()) if tracks else (),
        words=sum(len(track.words) for track in tracks),
        hidden_words=again,
    )


def is_unheard(plan: RedactionPlan, not_checked: Iterable[str]) -> bool:
    """Whether `plan` found voices and the check, whose limits are `not_checked`, looked for no spoken words."""
    record = record_of(plan)
    return bool(record and record.voice_ms) and any(line.startswith(MISSING) for line in not_checked)


def ranked(suspects: Iterable[Suspect]) -> list[Suspect]:
    """What is seen and what is said, the riskiest first."""
    return sorted(suspects, key=lambda one: -one.risk)


def _moved(track: HeardTrack, by_ms: int) -> HeardTrack:
    voices = tuple((start + by_ms, end + by_ms) for start, end in track.voice)
    return replace(track, voice=voices, words=tuple(word.moved(by_ms) for word in track.words))


def _is_kept(plan: RedactionPlan, word: Word) -> bool:
    kept = [span for span in plan.audio_spans if span.decision.choice is Choice.KEEP]
    return any(span.start_ns < word.end_ms * MS and word.start_ms * MS < span.end_ns for span in kept)


def _is_silent(plan: RedactionPlan, word: Word) -> bool:
    return any(
        start + _EDGE_MS * MS <= word.start_ms * MS and word.end_ms * MS <= end - _EDGE_MS * MS
        for start, end in muted_spans(plan)
    )


def _is_open(plan: RedactionPlan, track: HeardTrack, one: Mention) -> bool:
    """Whether a person must look: it says something, it can be heard, and nobody kept it."""
    core = [track.words[place] for place in one.core if not _is_silent(plan, track.words[place])]
    if not core or all(_is_kept(plan, word) for word in core):
        return False
    cue_ends = [track.words[place].end_ms for place in range(one.first, one.last + 1) if place not in one.core][:1]
    begins = [start // MS for start, _ in muted_spans(plan)]
    first = core[0].start_ms
    return not any(
        cue - _EDGE_MS <= start <= min(first + _EDGE_MS, cue + _ANSWERED_MS) for cue in cue_ends for start in begins
    )


def _suspect(plan: RedactionPlan, words: Sequence[Word], class_: str, score_permille: int) -> Suspect:
    media = plan.media
    begin = int(media.pts.start * media.time_base * 1000)
    first_ms, last_ms = words[0].start_ms - begin, words[-1].end_ms - begin
    return Suspect(
        id="",
        class_=class_,
        sight=Sight.HEARD,
        first=_ordinal(plan, first_ms),
        last=_ordinal(plan, last_ms),
        first_ms=first_ms,
        last_ms=last_ms,
        sightings=len(words),
        best_permille=score_permille,
        risk=score_permille * max(1, last_ms - first_ms) * _AS_HIGH // 1_000_000,
        boxes=(),
    )


def _ordinal(plan: RedactionPlan, at_ms: int) -> int:
    """The frame shown `at_ms` after the first."""
    media = plan.media
    ticks = media.pts.start + int(Fraction(at_ms, 1000) / media.time_base)
    low, high = 0, max(0, media.pts.count - 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if media.pts.pts_of(middle) <= ticks else (low, middle - 1)
    return low


def _apart(suspects: Sequence[Suspect]) -> list[Suspect]:
    """One suspect for what overlaps: the surest of them, as long as all."""
    done: list[Suspect] = []
    for one in sorted(suspects, key=lambda one: one.first_ms):
        if done and one.first_ms < done[-1].last_ms:
            before = done.pop()
            best = max(before, one, key=lambda two: two.best_permille)
            one = replace(
                best,
                first=before.first,
                first_ms=before.first_ms,
                last=max(before.last, one.last),
                last_ms=max(before.last_ms, one.last_ms),
                risk=max(before.risk, one.risk),
            )
        done.append(one)
    return done
