"""Only a part of a recording: the plan of that part, the recording read as that part, and its sound.

An excerpt is encoded anew from its first frame on: nothing of the pictures before or after is in the file, hidden or not.
Its time begins at zero. The sound of two AAC packets at each end (43 ms at 48 kHz) is silent, because packets overlap.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import BinaryIO, TypeVar

from bwc.canonical import Json
from bwc.errors import IntegrityError, UsageError
from bwc.media.audio import Sound
from bwc.media.decode import Picture, VideoReader
from bwc.media.delivery import Layout
from bwc.media.facts import MediaFacts
from bwc.media.mp4 import SampleTable
from bwc.media.source import LostFrames, Retimed
from bwc.redact.plan import PlanMedia, PtsTable, RedactionPlan, SoundSpan, Span, Track, WholeFrame

_NS = 1_000_000_000
_FOREVER_NS = 1 << 62

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Frames `first` to `stop` (half-open ordinals of the recording), in seconds of its clock from `start` to `end`."""

    first: int
    stop: int
    start: Fraction
    end: Fraction

    @classmethod
    def between(cls, plan: RedactionPlan, from_ns: int | None, to_ns: int | None) -> "Excerpt":
        """The frames that begin from `from_ns` on and before `to_ns`, counted from the first frame. None: the very end.

        Raises `UsageError` when there are none.
        """
        media = plan.media
        begin = media.pts.start * media.time_base
        low = begin + Fraction(from_ns or 0, _NS)
        high = None if to_ns is None else begin + Fraction(to_ns, _NS)
        times = [tick * media.time_base for tick in media.pts]
        first = next((place for place, time in enumerate(times) if time >= low), len(times))
        stop = (
            len(times)
            if high is None
            else next((place for place, time in enumerate(times) if time >= high), len(times))
        )
        if first >= stop:
            length = float(media.duration * media.time_base)
            raise UsageError("no frame begins in that span", f"the recording is {length:.2f} s long")
        return cls.of_frames(plan, first, stop)

    @classmethod
    def of_frames(cls, plan: RedactionPlan, first: int, stop: int) -> "Excerpt":
        """The excerpt of these frames. Raises `UsageError` when the recording does not have them."""
        media = plan.media
        if not 0 <= first < stop <= media.frames:
            raise UsageError(f"the recording has no frames {first} to {stop}")
        end = media.pts.pts_of(stop) if stop < media.frames else media.pts.start + media.duration
        return cls(first=first, stop=stop, start=media.pts.pts_of(first) * media.time_base, end=end * media.time_base)

    def facts(self) -> tuple[int, int]:
        """For the log: `[first, stop]`."""
        return self.first, self.stop

    def text(self, plan: RedactionPlan) -> str:
        """For people: from when to when, and of how long a recording."""
        media = plan.media
        begin = media.pts.start * media.time_base
        length = float(media.duration * media.time_base)
        return f"{float(self.start - begin):.2f} to {float(self.end - begin):.2f} s of {length:.2f} s"

    @property
    def window(self) -> tuple[Fraction, Fraction]:
        """Its seconds of the recording's clock."""
        return self.start, self.end

    def outside(self) -> list[tuple[int, int]]:
        """All time before and after it, in ns of the recording's clock."""
        return [(-_FOREVER_NS, int(self.start * _NS)), (ceil(self.end * _NS), _FOREVER_NS)]


def excerpt_of(plan: RedactionPlan, facts: Mapping[str, Json]) -> Excerpt | None:
    """The excerpt that the facts of a copy tell of; None for a copy of the whole recording."""
    told = facts.get("excerpt")
    if told is None:
        return None
    if not isinstance(told, list) or len(told) != 2:
        raise IntegrityError("the log tells of an excerpt that is none")
    return Excerpt.of_frames(plan, int(told[0]), int(told[1]))


def plan_of(plan: RedactionPlan, excerpt: Excerpt) -> RedactionPlan:
    """`plan` as if only the excerpt had been recorded: its ordinals count from 0, its pts stay the recording's."""
    media = plan.media
    ticks = [media.pts.pts_of(ordinal) for ordinal in range(excerpt.first, excerpt.stop)]
    end = int(excerpt.end / media.time_base)
    part = PlanMedia(
        width=media.width,
        height=media.height,
        rotation=media.rotation,
        time_base=media.time_base,
        pts=PtsTable.from_values(ticks),
        frames_lost=media.frames_lost,
        duration=max(1, end - ticks[0]),
    )
    return replace(
        plan,
        media=part,
        tracks=_some(_track(track, excerpt) for track in plan.tracks),
        whole_frame=_some(_whole(span, excerpt) for span in plan.whole_frame),
        audio_spans=_some(_sound(span, excerpt) for span in plan.audio_spans),
        doubts=tuple(
            replace(
                doubt, first=max(0, doubt.first - excerpt.first), stop=min(excerpt.stop, doubt.stop) - excerpt.first
            )
            for doubt in plan.doubts
            if doubt.first < excerpt.stop and doubt.stop > excerpt.first
        ),
    )


def from_zero(plan: RedactionPlan, excerpt: Excerpt) -> RedactionPlan:
    """The plan of the excerpt on the copy's own clock, for the papers of a release."""
    part = plan_of(plan, excerpt)
    pts = part.media.pts
    shifted = PtsTable(0, pts.runs, pts.count)
    begin = int(excerpt.start * _NS)
    sounds = tuple(
        replace(span, start_ns=max(0, span.start_ns - begin), end_ns=max(1, span.end_ns - begin))
        for span in part.audio_spans
    )
    return replace(part, media=replace(part.media, pts=shifted), audio_spans=sounds)


class ExcerptReader:
    """A recording read as its excerpt: like `VideoReader`, pictures numbered from 0."""

    def __init__(self, reader: VideoReader, excerpt: Excerpt) -> None:
        self._reader, self._excerpt = reader, excerpt
        self.width, self.height, self.time_base = reader.width, reader.height, reader.time_base

    @property
    def facts(self) -> MediaFacts:
        return self._reader.facts

    @property
    def layout(self) -> Layout:
        return self._reader.layout

    @property
    def lost(self) -> list[LostFrames]:
        """Losses inside the excerpt."""
        return [
            replace(one, after_ordinal=one.after_ordinal - self._excerpt.first)
            for one in self._reader.lost
            if self._excerpt.first - 1 <= one.after_ordinal < self._excerpt.stop
        ]

    @property
    def frames_lost(self) -> int:
        return sum(one.packets for one in self.lost)

    @property
    def retimed(self) -> list[Retimed]:
        return self._reader.retimed

    def frames(self) -> Iterator[Picture]:
        for picture in self._reader.frames(self._excerpt.first):
            if picture.ordinal >= self._excerpt.stop:
                return
            picture.ordinal -= self._excerpt.first
            picture.keyframe = picture.keyframe or picture.ordinal == 0
            yield picture


def trim_sound(sound: Sound, packets: BinaryIO, put: Callable[[bytes], object], excerpt: Excerpt) -> Sound | None:
    """The packets of `sound` that are heard in the excerpt, written to `put`; None when there are none."""
    table = SampleTable()
    first_at: Fraction | None = None
    origin = sound.table.pts[0] + sound.skip  # samples of the table at which `start` lies
    base = 0
    for size, position in zip(sound.table.sizes, sound.table.pts, strict=True):
        data = packets.read(size)
        begins = sound.start + Fraction(position - origin, sound.rate)
        ends = begins + Fraction(sound.packet_samples, sound.rate)
        if ends <= excerpt.start or begins >= excerpt.end:
            continue
        if first_at is None:
            first_at, base = begins, position
        put(data)
        table.add(size=size, pts=position - base)
    if first_at is None:
        return None
    heard = max(first_at, excerpt.start, sound.start)
    skip = round((heard - first_at) * sound.rate)
    last = min(excerpt.end, sound.start + sound.duration)
    length = min(table.pts[-1] + sound.packet_samples - skip, round((last - heard) * sound.rate))
    if length <= 0:
        return None
    return replace(sound, start=heard, skip=skip, length=length, table=table, packets=len(table))


def _some(parts: Iterator[_Part | None]) -> tuple[_Part, ...]:
    return tuple(part for part in parts if part is not None)


def _track(track: Track, excerpt: Excerpt) -> Track | None:
    spans = []
    for span in track.spans:
        first, stop = max(span.first, excerpt.first), min(span.stop, excerpt.stop)
        if first < stop:
            boxes = [span.boxes[place - span.first] for place in range(first, stop)]
            spans.append(Span(first=first - excerpt.first, boxes=boxes))
    return replace(track, spans=tuple(spans)) if spans else None


def _whole(span: WholeFrame, excerpt: Excerpt) -> WholeFrame | None:
    first, stop = max(span.first, excerpt.first), min(span.stop, excerpt.stop)
    return replace(span, first=first - excerpt.first, stop=stop - excerpt.first) if first < stop else None


def _sound(span: SoundSpan, excerpt: Excerpt) -> SoundSpan | None:
    start, end = max(span.start_ns, int(excerpt.start * _NS)), min(span.end_ns, int(excerpt.end * _NS))
    return replace(span, start_ns=start, end_ns=end) if start < end else None
