"""The redaction plan: which regions of which frames, and which spans of sound, are hidden, and who decided so.

Facts only; bytes are in `plan_format`, edits in `plan_edit`, reading aids in `plan_view`. Frames are named by
ordinal (0 is the first shown) and pts in ticks of `PlanMedia.time_base`; docs/formats/redaction-plan.md is law.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from itertools import chain, pairwise
from typing import TypeAlias, TypeVar

from bwc.canonical import Json, sha256_hex
from bwc.errors import UsageError
from bwc.evidence import Choice, utc_text
from bwc.redact.labels import Label, Labels, placed
from bwc.redact.plan_boxes import Boxes
from bwc.redact.plan_effect import Box, Effect, EffectKind, grow

DAMAGED = "damaged"  # a doubt: frames that decode with errors, where nobody may be recognised
DECODING = "decoding"  # an extension: where the analysis saw damaged frames, {"damaged": [[first, stop]…]}
DELIVERY = "delivery"  # an extension: how the copy is delivered, {"profile": "compatible" or "faithful"}
LABELS = "labels"  # an extension: what is written on covers, {"show": "class" or "exemption"}
TURNED = "turned"  # an extension and a doubt: people stand turned by these quarters from how the picture is shown, too: {"quarters": […]}
LET_GO = "let_go"  # an extension and a doubt: what scored like a face and was left after a second look, [[first, stop, x0, y0, x1, y1]…]
VERSION = "version"  # an extension: for which request this is, and which common plan it has taken in: `versions`
OVERLAY = "overlay"  # an extension: where the camera's own writing stands and was left, [[x0, y0, x1, y1]…]

Way = TypeVar("Way", bound=StrEnum)

__all__ = ["Box", "Boxes", "Effect", "EffectKind"]


class Origin(StrEnum):
    DETECTOR = "detector"
    PERSON = "person"


class SoundKind(StrEnum):
    MUTE = "mute"
    BLEEP = "bleep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was said of a track or span. A decision to keep always says why: an exemption or a note."""

    choice: Choice = Choice.UNDECIDED
    by: str | None = None
    at: datetime | None = None
    exemption: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.choice is Choice.UNDECIDED:
            if (self.by, self.at, self.exemption, self.note) != (None, None, None, ""):
                raise UsageError("an undecided track carries no decision")
        elif not self.by or self.at is None:
            raise UsageError("a decision says who made it and when")
        if self.choice is Choice.KEEP and not (self.note.strip() or self.exemption):
            raise UsageError("keeping a track visible needs a note or a reason", "--note '…' or --exemption CODE")

    @property
    def is_covered(self) -> bool:
        """Whether it is hidden: what nobody decided on is hidden too."""
        return self.choice is not Choice.KEEP


UNDECIDED = Decision()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Boxes of one track in consecutive frames: `boxes[i]` belongs to ordinal `first + i`."""

    first: int
    boxes: Boxes

    def __init__(self, *, first: int, boxes: Sequence[Box]) -> None:
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "boxes", boxes if isinstance(boxes, Boxes) else Boxes(boxes))

    @property
    def stop(self) -> int:
        """The ordinal after the last one."""
        return self.first + len(self.boxes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One subject through time. Spans are in order and never overlap."""

    id: str
    class_: str
    origin: Origin = Origin.DETECTOR
    score_permille: int = 0
    doubts: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    decision: Decision = UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSpan:
    """Sound to hide, in nanoseconds of presentation time (0 is pts 0), half-open."""

    id: str
    start_ns: int
    end_ns: int
    kind: SoundKind = SoundKind.MUTE
    origin: Origin = Origin.PERSON
    decision: Decision = UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFrame:
    """Frames `first` to `stop` (half-open ordinals) hidden altogether."""

    id: str
    first: int
    stop: int
    origin: Origin = Origin.PERSON
    decision: Decision = UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Frames `first` to `stop` where the analysis does not trust itself, and why."""

    code: str
    first: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorInfo:
    """The model that found something: enough to get the same one again."""

    name: str
    package: str
    file_sha256: str
    licence: str
    precision: str
    settings: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PtsTable:
    """The pts of every frame: the first one, then runs of (delta, how often). Strictly rising."""

    start: int = 0
    runs: tuple[tuple[int, int], ...] = ()
    count: int = 0  # frames; 0 only for a recording without a picture
    _ordinals: tuple[int, ...] = field(init=False, repr=False, compare=False, default=())
    _ticks: tuple[int, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        if any(delta < 1 or times < 1 for delta, times in self.runs):
            raise UsageError("frame times must rise")
        if self.count != (1 if self.count else 0) + sum(times for _, times in self.runs):
            raise UsageError("the frame times do not add up to the number of frames")
        ordinal, tick = 0, self.start
        ordinals, ticks = [], []
        for delta, times in self.runs:
            ordinals.append(ordinal)
            ticks.append(tick)
            ordinal += times
            tick += delta * times
        object.__setattr__(self, "_ordinals", tuple(ordinals))
        object.__setattr__(self, "_ticks", tuple(ticks))

    @classmethod
    def from_values(cls, values: Iterable[int]) -> "PtsTable":
        """The table of frames at `values`. Raises `UsageError` unless they rise strictly."""
        ticks = iter(values)
        start = next(ticks, None)
        if start is None:
            return cls()
        runs: list[list[int]] = []
        count = 1
        for before, after in pairwise(chain([start], ticks)):
            count += 1
            delta = after - before
            if runs and runs[-1][0] == delta:
                runs[-1][1] += 1
            else:
                runs.append([delta, 1])
        return cls(start, tuple((delta, times) for delta, times in runs), count)

    def pts_of(self, ordinal: int) -> int:
        """The pts of frame `ordinal`. Raises `IndexError` outside the recording."""
        if not 0 <= ordinal < self.count:
            raise IndexError(ordinal)
        if not self.runs:
            return self.start
        run = bisect_right(self._ordinals, ordinal) - 1
        return self._ticks[run] + (ordinal - self._ordinals[run]) * self.runs[run][0]

    def ordinal_of(self, pts: int) -> int | None:
        """The frame shown exactly at `pts`, or None."""
        if not self.count or pts < self.start:
            return None
        if not self.runs:
            return 0 if pts == self.start else None
        run = bisect_right(self._ticks, pts) - 1
        delta, times = self.runs[run]
        steps, rest = divmod(pts - self._ticks[run], delta)
        return None if rest or steps > times else self._ordinals[run] + steps

    def __iter__(self) -> Iterator[int]:
        tick = self.start
        if self.count:
            yield tick
        for delta, times in self.runs:
            for _ in range(times):
                tick += delta
                yield tick


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMedia:
    """The recording a plan belongs to.

    `duration` is in ticks from the first frame to the end of the last; `rotation` in degrees counter-clockwise,
    -180 to 180: how far the coded picture is turned to be shown.
    """

    width: int
    height: int
    rotation: int
    time_base: Fraction
    pts: PtsTable
    frames_lost: int
    duration: int

    @property
    def frames(self) -> int:
        return self.pts.count


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionPlan:
    """One revision of a plan. `previous` is the digest of the bytes of the revision before, None for the first."""

    plan_id: str
    item: str | None  # None for a loose file
    segment: int
    content_sha256: str
    revision: int = 1
    previous: str | None = None
    made_at: datetime
    tool: str
    media: PlanMedia
    effect: Effect = field(default_factory=Effect)
    detectors: tuple[DetectorInfo, ...] = ()
    tracks: tuple[Track, ...] = ()
    audio_spans: tuple[SoundSpan, ...] = ()
    whole_frame: tuple[WholeFrame, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    extensions: Mapping[str, Json] = field(default_factory=dict)  # kept through edits; never changes what is hidden

    @property
    def is_undecided(self) -> bool:
        return bool(undecided(self))


def plan_id_of(content_sha256: str, made_at: datetime) -> str:
    """The id of a plan first made at `made_at` for that content."""
    return "pln-" + sha256_hex(f"bwc.plan/1\n{content_sha256}\n{utc_text(made_at)}".encode())[:12]


def undecided(plan: RedactionPlan) -> tuple[str, ...]:
    """Ids of tracks, sound spans and whole-frame spans that nobody has decided on."""
    parts: tuple[Track | SoundSpan | WholeFrame, ...] = (*plan.tracks, *plan.audio_spans, *plan.whole_frame)
    return tuple(part.id for part in parts if part.decision.choice is Choice.UNDECIDED)


_Entry: TypeAlias = tuple[Span, int, Track]  # a span, its margin in per mille, its track
_BLOCK = 256  # frames per index block: a frame's candidates are the spans that touch its block


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCover:
    """What is hidden in one frame: `whole` (but `keep`, which is empty unless the effect is inverse), or `boxes`.

    `labels` are written on covers; they never change what is hidden.
    """

    whole: bool = False
    boxes: tuple[Box, ...] = ()
    keep: tuple[Box, ...] = ()
    labels: tuple[Label, ...] = ()

    @property
    def is_clear(self) -> bool:
        return not self.whole and not self.boxes


class Coverage:
    """What `plan` hides, frame by frame; answers in the time of the tracks near that frame."""

    def __init__(self, plan: RedactionPlan) -> None:
        self._plan = plan
        self._covered: dict[int, list[_Entry]] = {}
        self._kept: dict[int, list[_Entry]] = {}
        self._labels = labels_of(plan)
        for track in plan.tracks:
            index = self._covered if track.decision.is_covered else self._kept
            # A person's box is meant as drawn; a detector's box is grown by the margin.
            margin = plan.effect.margin_permille if track.origin is Origin.DETECTOR else 0
            for span in track.spans:
                for block in range(span.first // _BLOCK, (span.stop - 1) // _BLOCK + 1):
                    index.setdefault(block, []).append((span, margin, track))

    def at(self, ordinal: int) -> FrameCover:
        """What is hidden in frame `ordinal`; boxes are grown, even-aligned and clipped, in plan order."""
        whole = any(span.first <= ordinal < span.stop for span in self._plan.whole_frame if span.decision.is_covered)
        if whole:
            return FrameCover(whole=True)
        boxes = self._boxes(self._covered, ordinal)
        if not self._plan.effect.inverse:
            return FrameCover(boxes=boxes, labels=self._labelled(boxes, ordinal))
        # In an inverse plan what is both kept and covered stays covered.
        return FrameCover(whole=True, boxes=boxes, keep=self.kept(ordinal))

    def kept(self, ordinal: int) -> tuple[Box, ...]:
        """Boxes (without margin) of tracks a person decided to keep visible."""
        return tuple(box for _, _, box in self.kept_tracks(ordinal))

    def kept_tracks(self, ordinal: int) -> tuple[tuple[str, str, Box], ...]:
        """The same with the ids and classes of their tracks."""
        return tuple(
            (track.id, track.class_, span.boxes[ordinal - span.first])
            for span, _, track in _near(self._kept, ordinal)
        )  # fmt: skip

    def _labelled(self, boxes: tuple[Box, ...], ordinal: int) -> tuple[Label, ...]:
        if self._labels is Labels.NONE or self._plan.effect.kind is not EffectKind.SOLID:
            return ()
        tracks = [track for _, _, track in _near(self._covered, ordinal)]
        words = [track.class_ if self._labels is Labels.CLASS else track.decision.exemption or "" for track in tracks]
        return placed(zip(boxes, words, strict=True))

    def _boxes(self, index: dict[int, list[_Entry]], ordinal: int) -> tuple[Box, ...]:
        media = self._plan.media
        return tuple(
            grow(span.boxes[ordinal - span.first], margin, media.width, media.height)
            for span, margin, _ in _near(index, ordinal)
        )


def _near(index: dict[int, list[_Entry]], ordinal: int) -> list[_Entry]:
    return [entry for entry in index.get(ordinal // _BLOCK, ()) if entry[0].first <= ordinal < entry[0].stop]


def chosen(plan: RedactionPlan, extension: str, key: str, default: Way) -> Way:
    """The way a plan's extension names under `key`; `default` where it has none. Raises `UsageError` for a way not known here."""
    said = plan.extensions.get(extension)
    if said is None:
        return default
    word = said.get(key) if isinstance(said, dict) else said
    ways = {str(way): way for way in type(default)}
    if not isinstance(word, str) or word not in ways:
        raise UsageError(f"the plan asks for the {extension} {word!r}", " or ".join(ways))
    return ways[word]


def duration_of(pts: Sequence[int]) -> int:
    """Ticks from the first frame to the end of the last, which is shown as long as the one before it."""
    last = pts[-1] - pts[-2] if len(pts) > 1 else 1
    return pts[-1] - pts[0] + last


def labels_of(plan: RedactionPlan) -> Labels:
    """What is written on covers; nothing unless the plan says so. Raises `UsageError` for words not known here."""
    return chosen(plan, LABELS, "show", Labels.NONE)


def hidden_boxes(plan: RedactionPlan, ordinal: int) -> list[tuple[Box, Effect]]:
    """The regions of one frame that are hidden, as drawn. `Coverage` is the quick way for many frames."""
    cover = Coverage(plan).at(ordinal)
    if cover.whole and not cover.keep:
        return [((0, 0, plan.media.width, plan.media.height), plan.effect)]
    return [(box, plan.effect) for box in cover.boxes]
