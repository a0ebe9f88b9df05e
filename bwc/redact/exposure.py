"""How much of what should be hidden still shows: the pixels of a copy against truth boxes. No detector, no plan.

A copy that is judged is drawn with `MARK`, a colour that footage does not have, so that a pixel is hidden or not
whatever lay under it (black covers on a dark jacket could not be told from the jacket).
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bwc.errors import UsageError
from bwc.media.planes import Plane

MARK = (255, 0, 255)  # magenta: far from every natural colour in both chroma planes
_MARK_CHROMA = (
    170  # both planes above it: magenta has 202/222 (BT.601) or 214/230 (BT.709), encoded edges a little less
)
HIDDEN_SHARE = 0.9  # of a truth box: a frame of a subject counts as hidden from here on
SIZES = (0, 12, 20, 40, 100)  # heights in pixels from which a class of size begins
_GRID = 50  # points along each side of a truth box
_MARGIN = 0.5  # of the box on every side: what is hidden this near is margin, not over-hiding
_DRAWN_MARGIN = 0.15  # what is drawn around a box unless policy says otherwise: the least that hiding it takes
_RESAMPLES = 1000

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthBox:
    """One subject in one frame, in pixels of the coded frame. What is `ignored` is neither miss nor false alarm."""

    label: str
    subject: str
    x: float
    y: float
    w: float
    h: float
    ignored: bool = False
    tags: tuple[str, ...] = ()  # "tone=dark", "wear=cap": what figures are also parted by

    @classmethod
    def parse(cls, untrusted: Any) -> "TruthBox":
        """The box of `{label, id, x, y, w, h, ignore?, tags?}`. Raises `UsageError` for anything else."""
        try:
            box = cls(
                label=str(untrusted["label"]),
                subject=str(untrusted.get("id", "")),
                x=float(untrusted["x"]),
                y=float(untrusted["y"]),
                w=float(untrusted["w"]),
                h=float(untrusted["h"]),
                ignored=bool(untrusted.get("ignore", False)),
                tags=tuple(f"{name}={value}" for name, value in sorted(dict(untrusted.get("tags", {})).items())),
            )
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise UsageError(f"a truth box cannot be read: {error}", "{label, id, x, y, w, h}, in pixels") from error
        if not (box.w > 0 and box.h > 0):
            raise UsageError(f"a truth box is {box.w} by {box.h} pixels", "both are above 0")
        return box


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One truth box in one frame of the copy."""

    clip: str
    label: str
    subject: str
    ordinal: int
    ms: float  # how long this frame is shown
    height: float
    share: float  # of the box that is hidden
    box: TruthBox

    @property
    def is_hidden(self) -> bool:
        return self.share >= HIDDEN_SHARE


@dataclass(slots=True)
class Exposure:
    """What the copies of one run show, clip by clip."""

    sights: list[Sight] = field(default_factory=list)
    hidden_px: float = 0.0  # all areas in shares of a frame, summed over frames
    excess_px: float = 0.0
    wanted_px: float = 0.0
    least_px: float = 0.0  # truth with the margin that is drawn
    frames: int = 0
    seconds: float = 0.0

    def take(self, clip: str, ordinal: int, ms: float, boxes: Sequence[TruthBox], hidden: Mask) -> None:
        """Judge one frame. `hidden` is (rows, columns) at half the picture's size, see `hidden_in`."""
        self.frames += 1
        self.seconds += ms / 1000
        wanted, least = np.zeros_like(hidden), np.zeros_like(hidden)
        for box in boxes:
            _paint(wanted, box, _MARGIN)
            _paint(least, box, _DRAWN_MARGIN)
            if not box.ignored:
                share = share_hidden(box, hidden)
                self.sights.append(
                    Sight(clip=clip, label=box.label, subject=box.subject, ordinal=ordinal, ms=ms, height=box.h, share=share, box=box)
                )  # fmt: skip
        self.hidden_px += float(hidden.mean())
        self.wanted_px += float(wanted.mean())
        self.least_px += float(least.mean())
        self.excess_px += float((hidden & ~wanted).mean())

    def add(self, other: "Exposure") -> None:
        self.sights += other.sights
        for name in ("hidden_px", "excess_px", "wanted_px", "least_px", "frames", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def to_json(self) -> dict[str, object]:
        """Shares are rounded to a hundredth of a per cent; `run_frames` are the longest visible runs, one a subject.

        `hidden_times_least` is what is hidden over the least that hiding the truth takes; None where nobody is.
        """
        labels = sorted({one.label for one in self.sights})
        return {
            "frames": self.frames,
            "hidden_share_of_picture": _round(self.hidden_px / max(1, self.frames)),
            "hidden_times_least": _round(self.hidden_px / self.least_px) if self.least_px else None,
            "labels": {label: _of_label([one for one in self.sights if one.label == label]) for label in labels},
            "over_hidden_share_of_picture": _round(self.excess_px / max(1, self.frames)),
            "seconds": _round(self.seconds),
            "wanted_share_of_picture": _round(self.wanted_px / max(1, self.frames)),
        }


def hidden_in(u: Plane, v: Plane) -> Mask:
    """Which pixels of a copy are covered with `MARK`, at the size of its chroma planes."""
    found: Mask = (u > _MARK_CHROMA) & (v > _MARK_CHROMA)
    return found


def share_hidden(box: TruthBox, hidden: Mask) -> float:
    """The share of `box` that is hidden, on a grid of points; what lies outside the picture counts for nothing."""
    rows, columns = hidden.shape
    step = (np.arange(_GRID) + 0.5) / _GRID
    x, y = (box.x + step * box.w) / 2, (box.y + step * box.h) / 2
    x, y = x[(x >= 0) & (x < columns)].astype(int), y[(y >= 0) & (y < rows)].astype(int)
    return float(hidden[np.ix_(y, x)].mean()) if len(x) and len(y) else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The longest time one subject can be seen without a break."""

    clip: str
    label: str
    subject: str
    frames: int
    ms: float
    height: float  # tallest in the run
    first: int


def longest_runs(sights: Iterable[Sight]) -> list[Run]:
    """One `Run` a subject (of 0 frames when it is never seen), longest first."""
    trails: dict[tuple[str, str, str], list[Sight]] = defaultdict(list)
    for one in sights:
        trails[one.clip, one.label, one.subject].append(one)
    found = [_longest(key, sorted(trail, key=lambda one: one.ordinal)) for key, trail in trails.items()]
    return sorted(found, key=lambda run: -run.ms)


def _longest(key: tuple[str, str, str], trail: Sequence[Sight]) -> Run:
    clip, label, subject = key
    best = Run(clip=clip, label=label, subject=subject, frames=0, ms=0.0, height=0.0, first=0)
    run: list[Sight] = []
    for one in trail:
        if one.is_hidden or (run and one.ordinal != run[-1].ordinal + 1):
            run = []
        if not one.is_hidden:
            run.append(one)
            ms = sum(seen.ms for seen in run)
            if ms > best.ms:
                height = max(seen.height for seen in run)
                best = Run(clip=clip, label=label, subject=subject, frames=len(run), ms=ms, height=height, first=run[0].ordinal)  # fmt: skip
    return best


def bounds(sights: Sequence[Sight], *, resamples: int = _RESAMPLES) -> tuple[float, float]:
    """A 95 % interval of the hidden share by bootstrap over subjects: frames of one subject are not independent."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in sights:
        row = groups[one.clip, one.subject]
        row[0] += one.is_hidden
        row[1] += 1
    rows = list(groups.values())
    if len(rows) < 2:
        return (0.0, 1.0)  # one subject says nothing about the next
    if all(hidden == total for hidden, total in rows):  # nothing to resample: the exact bound for n of n subjects
        return (0.025 ** (1 / len(rows)), 1.0)
    chance = random.Random(20261128)  # noqa: S311  the same interval each time
    shares = []
    for _ in range(resamples):
        taken = chance.choices(rows, k=len(rows))
        shares.append(sum(hidden for hidden, _ in taken) / sum(total for _, total in taken))
    shares.sort()
    return shares[int(0.025 * resamples)], shares[int(0.975 * resamples) - 1]


def _of_label(sights: Sequence[Sight]) -> dict[str, object]:
    sizes: dict[str, object] = {}
    for low, high in zip(SIZES, (*SIZES[1:], None), strict=True):
        here = [one for one in sights if one.height >= low and (high is None or one.height < high)]
        if here:
            sizes[f"{low}-{high or ''}"] = _share(here)
    runs = longest_runs(sights)
    lengths = sorted(run.frames for run in runs)
    return {
        "all": _share(sights),
        "from_20_px": _share([one for one in sights if one.height >= 20]),
        "longest_run": _run(runs[0]) if runs else None,
        "run_frames": lengths,
        "run_frames_p95": nearly_longest(lengths),
        "sizes": sizes,
        "subjects": len(runs),
        "tags": _by_tag(sights),
        "visible_seconds": _round(sum(one.ms for one in sights if not one.is_hidden) / 1000),
    }


def nearly_longest(lengths: Sequence[int]) -> int:
    """What 95 of 100 of `lengths`, in order, do not exceed."""
    return lengths[min(len(lengths) - 1, int(0.95 * len(lengths)))] if lengths else 0


def _by_tag(sights: Sequence[Sight]) -> dict[str, object]:
    tags = sorted({tag for one in sights for tag in one.box.tags})
    return {tag: _share([one for one in sights if tag in one.box.tags]) for tag in tags}


def _share(sights: Sequence[Sight]) -> Mapping[str, object]:
    hidden = sum(one.is_hidden for one in sights)
    low, high = bounds(sights)
    share = _round(hidden / len(sights)) if sights else None
    return {"boxes": len(sights), "hidden": hidden, "high": _round(high), "low": _round(low), "share": share}


def _run(run: Run) -> dict[str, object]:
    return {
        "clip": run.clip, "first": run.first, "frames": run.frames, "height": _round(run.height), "ms": round(run.ms), "subject": run.subject,
    }  # fmt: skip


def _round(value: float) -> float:
    return round(value, 4)


def _paint(wanted: Mask, box: TruthBox, margin: float) -> None:
    rows, columns = wanted.shape
    dx, dy = box.w * margin, box.h * margin
    x0, y0 = max(0, int((box.x - dx) // 2)), max(0, int((box.y - dy) // 2))
    x1, y1 = min(columns, int((box.x + box.w + dx) // 2) + 1), min(rows, int((box.y + box.h + dy) // 2) + 1)
    if x0 < x1 and y0 < y1:
        wanted[y0:y1, x0:x1] = True
