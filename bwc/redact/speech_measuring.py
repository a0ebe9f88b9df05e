"""How well spoken personal data is hidden, on clips whose words are known: judged from the final copy's sound.

Each clip is listened to, its proposals stay undecided (hidden), the copy is rendered and listened to again. Beside
clip.mp4 lies clip.speech.json: {"words": [{"text", "start_ms", "end_ms", "kind" of personal data}, …], "watch": [words to
look for], "noise": label}; `tests/accuracy/speech_set.py` makes such clips.
"""

import hashlib
import io
import json
import re
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bwc.errors import NotFound, UsageError
from bwc.media.decode import VideoReader
from bwc.redact.check_sound import compare_sound
from bwc.redact.check_speech import listen_again
from bwc.redact.check_streams import shift_of
from bwc.redact.detect import analyse
from bwc.redact.lookout import Lookout
from bwc.redact.loose import SealedScratch
from bwc.redact.plan import RedactionPlan, SoundKind
from bwc.redact.plan_view import muted_spans, silent_and_bleeped
from bwc.redact.render import render
from bwc.redact.speech import lexicon
from bwc.redact.speech.heard import MS, HeardTrack, Word
from bwc.redact.speech.listen import Hearing, listen
from bwc.redact.speech.record import record_of
from bwc.redact.speech.rules import plain_text
from bwc.roles import Policy

TRUTH = ".speech.json"
_NEAR_MS = 1_500  # where the transcript must have a word for it to be found


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueWord:
    """A word as it was said; `kind` empty: no personal data."""

    text: str
    start_ms: int
    end_ms: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenClip:
    path: Path
    words: tuple[TrueWord, ...]
    watch: tuple[str, ...]
    noise: str


@dataclass(slots=True)
class Tally:
    """Counts of target words and what became of them; add one to another to get both."""

    targets: int = 0
    found: int = 0  # by the transcript
    found_hidden: int = 0  # of those, wholly inside a hidden span
    hidden: int = 0  # of all targets
    others: int = 0  # words that are no personal data
    others_hidden: int = 0
    length_ms: int = 0
    hidden_ms: int = 0
    voice_ms: int = 0  # of true words
    voice_found_ms: int = 0
    listen_seconds: float = 0.0
    listen_cpu: float = 0.0
    faults: int = 0  # findings about sound: a sample in a span that is neither silent nor the bleep
    heard_again: int = 0  # hidden words in the copy
    suspects: int = 0
    misses: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def to_json(self) -> dict[str, Any]:
        def share(part: float, whole: float) -> float | None:
            return round(part / whole, 4) if whole else None

        seconds = self.length_ms / 1000
        return {
            "faults": self.faults,
            "found_and_hidden": share(self.found_hidden, self.found),
            "found_by_transcript": share(self.found, self.targets),
            "heard_again": self.heard_again,
            "misses": list(self.misses),
            "others_hidden": share(self.others_hidden, self.others),
            "seconds": round(seconds, 1),
            "share_of_time_hidden": share(self.hidden_ms, self.length_ms),
            "suspects": self.suspects,
            "targets": self.targets,
            "targets_found": self.found,
            "targets_found_and_hidden": self.found_hidden,
            "targets_hidden": self.hidden,
            "times_real_time": share(self.listen_seconds, seconds),
            "times_real_time_cpu": share(self.listen_cpu, seconds),
            "voice_found": share(self.voice_found_ms, self.voice_ms),
        }


def clips_in(folder: Path, only: str = "") -> list[SpokenClip]:
    """Clips with known words. Raises `NotFound` when there is none."""
    found = []
    for truth in sorted(folder.rglob(f"*{TRUTH}")):
        stem = truth.name.removesuffix(TRUTH)
        media = [path for path in sorted(truth.parent.glob(f"{stem}.*")) if not path.name.endswith(".json")]
        if media and only in str(truth):
            found.append(_clip(media[0], truth))
    if not found:
        raise NotFound(f"{folder} holds no clip with its words beside it", "python tests/accuracy/speech_set.py FOLDER")
    return found


def measure(clip: SpokenClip, hearing: Callable[[], Hearing], *, kind: SoundKind = SoundKind.MUTE) -> Tally:
    """Redact the sound of one clip and judge the copy."""
    data = clip.path.read_bytes()
    now = datetime.now(UTC)
    bare = analyse(
        io.BytesIO(data),
        content_sha256=hashlib.sha256(data).hexdigest(),
        item=None,
        segment=0,
        policy=Policy(),
        now=now,
        lookout=Lookout((), ()),
    )
    ears = hearing()
    begun, cpu = time.perf_counter(), _cpu()
    plan = listen(io.BytesIO(data), bare, ears, watch=clip.watch, kind=kind)
    tally = Tally(listen_seconds=time.perf_counter() - begun, listen_cpu=_cpu() - cpu)
    record = record_of(plan)
    assert record is not None
    if record.missing:
        raise NotFound(f"nothing can be measured: {record.missing}", "bwc models fetch --speech")
    tally.length_ms = max((track.length_ms for track in record.tracks), default=0)
    _judge(tally, clip, plan, record.tracks)
    copy = _Copy()
    render(io.BytesIO(data), plan, copy, lambda: SealedScratch(Path("/tmp")))  # noqa: S108  sealed, without a name
    silent, bleeped = silent_and_bleeped(plan)
    facts = VideoReader(io.BytesIO(data)).facts, VideoReader(copy.reader()).facts
    shift = shift_of(facts[0])
    findings, _ = compare_sound(io.BytesIO(data), copy.reader(), facts, muted=silent, bleeped=bleeped, shift=shift)
    tally.faults = len(findings)
    tally.misses += [f"{clip.path.name}: {finding.detail}" for finding in findings]
    again = listen_again(copy.reader(), plan, shift=shift, hearing=ears)
    tally.heard_again, tally.suspects = again.hidden_words, len(again.suspects)
    tally.misses += [
        f"{clip.path.name}: {one.class_} at {one.first_ms / 1000:.2f} s of the copy" for one in again.suspects
    ]
    return tally


class _Copy:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes, /) -> None:
        self.data += data

    def reader(self) -> io.BytesIO:
        return io.BytesIO(bytes(self.data))


def _clip(media: Path, truth: Path) -> SpokenClip:
    try:
        value: dict[str, Any] = json.loads(truth.read_text(encoding="utf-8"))
        words = tuple(
            TrueWord(
                text=str(one["text"]),
                start_ms=int(one["start_ms"]),
                end_ms=int(one["end_ms"]),
                kind=str(one.get("kind") or ""),
            )
            for one in value["words"]
        )
        return SpokenClip(
            path=media, words=words, watch=tuple(value.get("watch", ())), noise=str(value.get("noise", ""))
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{truth} cannot be read: {error}") from error


def _judge(tally: Tally, clip: SpokenClip, plan: RedactionPlan, tracks: Sequence[HeardTrack]) -> None:
    spans = [(start / MS, end / MS) for start, end in muted_spans(plan)]
    heard = [word for track in tracks for word in track.words]
    voices = [stretch for track in tracks for stretch in track.voice]
    for word in clip.words:
        inside = any(start <= word.start_ms and word.end_ms <= end for start, end in spans)
        tally.voice_ms += word.end_ms - word.start_ms
        tally.voice_found_ms += _within(word, voices)
        if not word.kind:
            tally.others += 1
            tally.others_hidden += inside
            continue
        found = any(is_heard_as(word.text, one.text) for one in _near(word, heard))
        tally.targets += 1
        tally.found += found
        tally.hidden += inside
        tally.found_hidden += found and inside
        if found and not inside:
            tally.misses.append(
                f"{clip.path.name}: {word.text!r} at {word.start_ms / 1000:.2f} s was written down, not hidden"
            )
    tally.hidden_ms = int(sum(max(0, min(end, tally.length_ms) - max(0, start)) for start, end in spans))


def _near(word: TrueWord, heard: Iterable[Word]) -> list[Word]:
    return [one for one in heard if one.start_ms < word.end_ms + _NEAR_MS and one.end_ms > word.start_ms - _NEAR_MS]


def _within(word: TrueWord, voices: Sequence[tuple[int, int]]) -> int:
    return sum(max(0, min(end, word.end_ms) - max(start, word.start_ms)) for start, end in voices)


def is_heard_as(said: str, written: str) -> bool:
    """Whether a word of a transcript holds what was said: "seven" in "7098.", "B" in "BCG", "fifth" in "5th,"."""
    wanted, text = said.casefold(), plain_text(written)
    if wanted == text or (len(wanted) > 2 and wanted in text):
        return True
    digits = lexicon.DIGITS.get(wanted) or lexicon.NUMBERS.get(wanted)
    if digits:
        return digits.rstrip("0")[:2] in re.sub(r"\D", "", text) if len(digits) > 1 else digits in text
    if len(wanted) == 1:
        return wanted in text and (len(text) == 1 or written.upper() == written)
    return wanted in lexicon.ORDINALS and bool(re.match(r"\d", text))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
