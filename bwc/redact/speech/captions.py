"""Captions (WebVTT) and transcript of a copy: the words that can be heard in it, and "[redacted: name]" where they cannot.

What was written down faster than anybody speaks is "[unclear]": nobody said it.

Cut from the same spans as the sound. Times of words are a recogniser's, so near a span that a person drew by ear, and
near the ends of an excerpt, a word is left out up to `SLIP_MS` away; what is hidden in one place is left out wherever it was written down again
unless a person keeps that place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor

from bwc.evidence import Choice
from bwc.redact.excerpt import Excerpt
from bwc.redact.plan import Origin, RedactionPlan
from bwc.redact.plan_view import within
from bwc.redact.speech.heard import MS, HeardTrack, Word, unsaid
from bwc.redact.speech.record import SpeechRecord, record_of
from bwc.redact.speech.rules import bare_text

SLIP_MS = 600  # how far a recogniser may place a word from where it was said: 95 % lie within 480
LINE, LINES = 42, 2  # characters and lines of one caption
LONGEST_MS, SHORTEST_MS = 6_000, 1_000
TITLES = {"birth": "date of birth", "phone": "phone number", "plate": "licence plate", "letters": "spelled letters"}
_PAUSE_MS = 800  # a longer pause begins another caption


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One caption, in milliseconds of the copy's clock."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    start_ms: int
    end_ms: int
    text: str

    @property
    def is_label(self) -> bool:
        return self.text.startswith("[")


def captions_of(plan: RedactionPlan, excerpt: Excerpt | None = None) -> list[Cue] | None:
    """The captions of a copy of `plan`, of `excerpt` only where one is given; None when nothing was written down."""
    record = record_of(plan)
    if record is None or record.missing or not any(track.words for track in record.tracks):
        return None
    track = max(record.tracks, key=lambda one: len(one.words))
    pieces = _pieces(plan, record, track)
    if excerpt is None:
        # the copy's clock, as the renderer sets it: an MP4 begins at zero or, where something is earlier, with that
        first = floor(plan.media.pts.start * plan.media.time_base * 1000)
        return list(_cues(pieces, min(0, first, *(one.start_ms for one in record.tracks)), None))
    begin_ms, end_ms = int(excerpt.start * 1000), int(excerpt.end * 1000)
    return list(_cues(_excerpted(pieces, track, begin_ms, end_ms), begin_ms, end_ms - begin_ms))


def hidden_words(plan: RedactionPlan, record: SpeechRecord) -> set[str]:
    """In comparable form: words that are the personal data of a covered span, short everyday ones left out."""
    covered = {span.id for span in plan.audio_spans if span.decision.is_covered}
    return {
        bare
        for name, label in record.labels.items()
        if name in covered
        for stream, place in label.core
        for bare in [bare_text(record.word(stream, place).text)]
        if is_telling(bare)
    }


def is_one_of(hidden: set[str], text: str) -> bool:
    """Whether a word says one of the hidden ones, also as an owner's: "Hanson's", "Hansons"."""
    bare = bare_text(text)
    return bare in hidden or bare.removesuffix("s") in hidden


def is_telling(plain: str) -> bool:
    """Whether a word alone says something of a person: not "the", not "seven", but "Hanson" and "976"."""
    from bwc.redact.speech import lexicon

    if any(char.isdigit() for char in plain):
        return len(plain) >= 3
    everyday = (lexicon.FILLERS, lexicon.STARTERS, lexicon.FUNCTION_WORDS, lexicon.DIGITS, lexicon.NUMBERS)
    known = any(plain in words for words in (*everyday, lexicon.CAPITALS, lexicon.STREETS))
    return len(plain) >= 3 and not known


def to_vtt(cues: Sequence[Cue], *, note: str) -> bytes:
    """WebVTT with `note` at its top."""
    parts = ["WEBVTT", f"NOTE\n{note}"]
    for number, cue in enumerate(cues, 1):
        parts.append(f"{number}\n{_clock(cue.start_ms)} --> {_clock(cue.end_ms)}\n{_escaped(cue.text)}")
    return ("\n\n".join(parts) + "\n").encode()


def to_text(cues: Sequence[Cue], *, note: str) -> bytes:
    """The same as plain text to read, a line a caption."""
    lines = [note, ""]
    lines += [f"{_clock(cue.start_ms)[:-4]}  {' '.join(cue.text.splitlines())}" for cue in cues]
    return ("\n".join(lines) + "\n").encode()


def _pieces(plan: RedactionPlan, record: SpeechRecord, track: HeardTrack) -> list[_Piece]:
    """Words to be read and labels of what is hidden, in order of time."""
    hidden = hidden_words(plan, record)
    kept = [span for span in plan.audio_spans if span.decision.choice is Choice.KEEP]
    core, invented = _core_places(plan, record, track), unsaid(track.words)
    found: list[_Piece] = []
    for span in plan.audio_spans:
        if span.decision.is_covered:
            label = record.labels.get(span.id)
            start, end = within(plan, span.start_ns, span.end_ns)
            words = ", ".join(TITLES.get(kind, kind) for kind in label.kinds) if label else "sound"
            found.append(_Piece(start_ms=start // MS, end_ms=end // MS, text=f"[redacted: {words}]"))
    for place, word in enumerate(track.words):
        is_kept = any(_overlaps(word, span.start_ns // MS, span.end_ns // MS) for span in kept)
        is_hidden = is_one_of(hidden, word.text) and not is_kept
        if not (is_hidden or place in core or _is_silenced(plan, word)):
            text = "[unclear]" if place in invented else word.text
            found.append(_Piece(start_ms=word.start_ms, end_ms=word.end_ms, text=text))
        elif is_hidden and not _is_silenced(plan, word):
            found.append(_Piece(start_ms=word.start_ms, end_ms=word.end_ms, text="[redacted]"))
    return sorted(found, key=lambda one: one.start_ms)


def _core_places(plan: RedactionPlan, record: SpeechRecord, track: HeardTrack) -> set[int]:
    covered = {span.id for span in plan.audio_spans if span.decision.is_covered}
    return {
        place
        for name, label in record.labels.items()
        if name in covered
        for stream, place in label.core
        if stream == track.stream
    }


def _is_silenced(plan: RedactionPlan, word: Word) -> bool:
    for span in plan.audio_spans:
        if span.decision.is_covered:
            slip = SLIP_MS if span.origin is Origin.PERSON else 0
            if _overlaps(word, span.start_ns // MS - slip, span.end_ns // MS + slip):
                return True
    return False


def _overlaps(word: Word, start_ms: int, end_ms: int) -> bool:
    return word.start_ms < end_ms and start_ms < word.end_ms


def _excerpted(pieces: Sequence[_Piece], track: HeardTrack, begin_ms: int, end_ms: int) -> list[_Piece]:
    """What can be heard from `begin_ms` to `end_ms`; where voices go on beyond, no word that may lie there."""
    first = begin_ms + SLIP_MS if any(start < begin_ms for start, _ in track.voice) else begin_ms
    last = end_ms - SLIP_MS if any(end > end_ms for _, end in track.voice) else end_ms
    return [
        one
        for one in pieces
        if (one.is_label and begin_ms < one.end_ms and one.start_ms < end_ms)
        or (first <= one.start_ms and one.end_ms <= last)
    ]


def _cues(pieces: Sequence[_Piece], begin_ms: int, length_ms: int | None) -> Iterator[Cue]:
    waiting: list[_Piece] = []
    for piece in pieces:
        if waiting and not _fits(waiting, piece):
            yield _cue(waiting, begin_ms, length_ms, piece.start_ms)
            waiting = []
        if not (waiting and waiting[-1].text == piece.text and piece.is_label):
            waiting.append(piece)
    if waiting:
        yield _cue(waiting, begin_ms, length_ms, None)


def _fits(waiting: Sequence[_Piece], piece: _Piece) -> bool:
    text = " ".join(one.text for one in (*waiting, piece))
    brief = piece.end_ms - waiting[0].start_ms <= LONGEST_MS
    together = piece.start_ms - max(one.end_ms for one in waiting) <= _PAUSE_MS
    ended = waiting[-1].text.endswith((".", "?", "!")) and len(text) > LINE
    return brief and together and not ended and len(_lines(text)) <= LINES


def _cue(waiting: Sequence[_Piece], begin_ms: int, length_ms: int | None, next_ms: int | None) -> Cue:
    start = max(0, waiting[0].start_ms - begin_ms)
    end = max(max(one.end_ms for one in waiting) - begin_ms, start + SHORTEST_MS)
    if next_ms is not None:
        end = max(start + 1, min(end, next_ms - begin_ms))
    if length_ms is not None:
        end = max(start + 1, min(end, length_ms))
    return Cue(start_ms=start, end_ms=end, text="\n".join(_lines(" ".join(one.text for one in waiting))))


def _lines(text: str) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _clock(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
