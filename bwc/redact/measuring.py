"""Make copies of clips with known truth, with this product or another tool, and measure what they still show.

The truth of `clip.mp4` lies beside it in `clip.truth.json`: `{frames: [[box, …], …]}`, one list for each decoded
frame in order, boxes as `exposure.TruthBox` reads them, `labels` (optional) naming what is annotated at all.
"""

import json
import re
import resource
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bwc.errors import BwcError, NotFound, UsageError
from bwc.media.decode import Picture, VideoReader
from bwc.redact.detectors.base import Picture8
from bwc.redact.exposure import MARK, Exposure, Mask, TruthBox, hidden_in
from bwc.redact.loose import redact_file
from bwc.redact.plan import RedactionPlan
from bwc.redact.sheet import Upright, caption, enlarged, jpeg_of, laid_out

MOST_MISSES = 60  # pictures on the sheet of one run
_MISS_SIDE = 220
_RED = (90, 90, 255)

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One recording and its truth; `frames` is empty where nothing is annotated (a control for false alarms)."""

    path: Path
    name: str
    frames: tuple[tuple[TruthBox, ...], ...]
    labels: tuple[str, ...]


@dataclass(slots=True)
class Measured:
    """One tool on one clip."""

    clip: Clip
    exposure: Exposure
    cpu_s: float
    wall_s: float
    tracks: int | None = None  # None: a tool that makes no plan
    false_tracks: int | None = None
    undecided: int | None = None
    models: tuple[str, ...] = ()
    misses: list[Picture8] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        seconds = self.exposure.seconds or 1.0
        return {
            "clip": self.clip.name,
            "cpu_ms_per_frame": round(self.cpu_s * 1000 / max(1, self.exposure.frames), 1),
            "false_tracks": self.false_tracks,
            "false_tracks_per_minute": None if self.false_tracks is None else round(self.false_tracks * 60 / seconds, 2),
            "times_real_time": round(seconds / self.wall_s, 2),
            "tracks": self.tracks,
            "undecided": self.undecided,
        } | self.exposure.to_json()  # fmt: skip


def clips_in(folder: Path, only: str = "") -> list[Clip]:
    """Every MP4 below `folder` that has a truth file. Raises `NotFound` when none has."""
    found = [_clip(path, folder) for path in sorted(folder.rglob("*.mp4")) if only in str(path.relative_to(folder))]
    known = [clip for clip in found if clip is not None]
    if not known:
        raise NotFound(f"no clip with a truth file in {folder}", "beside clip.mp4 lies clip.truth.json")
    return known


def _clip(path: Path, folder: Path) -> Clip | None:
    beside = path.with_suffix(".truth.json")
    if not beside.is_file():
        return None
    try:
        value: Any = json.loads(beside.read_text(encoding="utf-8"))
        frames = tuple(tuple(TruthBox.parse(box) for box in boxes) for boxes in value["frames"])
        labels = tuple(str(one) for one in value.get("labels", ("face", "plate")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{beside} cannot be read: {error}", "{frames: [[{label, id, x, y, w, h}, …], …]}") from error
    return Clip(path=path, name=str(path.relative_to(folder).with_suffix("")), frames=frames, labels=labels)


def measure(clip: Clip, *, profile: str, progress: Progress | None = None) -> Measured:
    """Redact `clip` as `bwc redact FILE --no-check` does, in the marking colour, and judge the copy."""
    with tempfile.TemporaryDirectory(prefix="bwc-measure-") as folder:
        out = Path(folder) / "copy.mp4"
        cpu, wall = _cpu(), time.monotonic()
        done = redact_file(
            clip.path, out, profile=profile, check_copy=False, progress=progress, amend=_marked
        )  # fmt: skip
        cpu, wall = _cpu() - cpu, time.monotonic() - wall
        made = _judge(clip, out, cpu=cpu, wall=wall)
    plan = done.plan
    made.tracks = len(plan.tracks)
    made.false_tracks = sum(track.class_ in clip.labels and not _touches(track.spans, clip) for track in plan.tracks)
    made.undecided = len(done.summary.undecided)
    made.models = tuple(f"{one.name} {one.file_sha256[:12]} {one.precision}" for one in plan.detectors)
    return made


def measure_other(clip: Clip, command: str) -> Measured:
    """The same for another program: `command` with `{in}` and `{out}` for the files, covers drawn in magenta.

    Raises `BwcError` with its last line when it fails.
    """
    with tempfile.TemporaryDirectory(prefix="bwc-measure-") as folder:
        out = Path(folder) / "copy.mp4"
        words = [word.replace("{in}", str(clip.path)).replace("{out}", str(out)) for word in shlex.split(command)]
        cpu, wall = _cpu(), time.monotonic()
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        cpu, wall = _cpu() - cpu, time.monotonic() - wall
        if ended.returncode or not out.is_file():
            last = (ended.stderr or ended.stdout).strip().splitlines()[-1:] or ["it wrote nothing"]
            raise BwcError(f"{words[0]} failed on {clip.name}: {last[0]}", "run it by hand on one file")
        return _judge(clip, out, cpu=cpu, wall=wall)


def sheet_of(made: Sequence[Measured]) -> bytes | None:
    """A JPEG of what the copies show and should not, the tallest first; None when there is nothing."""
    tiles = [tile for one in made for tile in one.misses][:MOST_MISSES]
    return jpeg_of(laid_out(tiles, 6)) if tiles else None


def _marked(plan: RedactionPlan) -> RedactionPlan:
    return replace(plan, effect=replace(plan.effect, colour=MARK))


def _judge(clip: Clip, copy: Path, *, cpu: float, wall: float) -> Measured:
    times = _times(clip.path)
    made = Measured(clip=clip, exposure=Exposure(), cpu_s=cpu, wall_s=wall)
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / 30
    with copy.open("rb") as file:
        for ordinal, (picture, hidden) in enumerate(_shown_at(VideoReader(file), times)):
            boxes = clip.frames[ordinal] if ordinal < len(clip.frames) else ()
            ms = ((times[ordinal + 1] - times[ordinal]) if ordinal + 1 < len(times) else step) * 1000
            before = len(made.exposure.sights)
            made.exposure.take(clip.name, ordinal, ms, boxes, hidden)
            if ordinal % 5 == 0 and len(made.misses) < MOST_MISSES:
                seen = [one for one in made.exposure.sights[before:] if not one.is_hidden and one.height >= 12]
                made.misses += [_miss(picture, one.box, f"{clip.path.stem[:16]} {ordinal}") for one in seen[:2]]
    return made


def _times(path: Path) -> list[float]:
    with path.open("rb") as file:
        return [float(picture.seconds) for picture in VideoReader(file, planes=False).frames()]


def _shown_at(reader: VideoReader, times: Sequence[float]) -> Iterator[tuple[Picture, Mask]]:
    """What the copy shows at each time, counted from its first picture: other tools move the start, drop or repeat."""
    pictures = reader.frames()
    now = next(pictures, None)
    if now is None:
        raise BwcError("the copy holds no picture")
    start, later = float(now.seconds), next(pictures, None)
    mask = hidden_in(now.u, now.v)
    for at in (one - times[0] for one in times):
        while later is not None and abs(float(later.seconds) - start - at) <= abs(float(now.seconds) - start - at):
            now, later = later, next(pictures, None)
            mask = hidden_in(now.u, now.v)
        yield now, mask


def _miss(picture: Picture, box: TruthBox, text: str) -> Picture8:
    whole = Upright.of(picture, 0)
    shown = enlarged(whole, (int(box.x), int(box.y), int(box.x + box.w) + 1, int(box.y + box.h) + 1), _RED, _MISS_SIDE)
    return np.asarray(np.vstack([shown, caption(f"{text} {box.label} {box.h:.0f} px", shown.shape[1])]), np.uint8)


def _touches(spans: Sequence[Any], clip: Clip) -> bool:
    """Whether a track meets the middle half of any truth box."""
    for span in spans:
        for ordinal, (x0, y0, x1, y1) in enumerate(span.boxes, span.first):
            for one in clip.frames[ordinal] if ordinal < len(clip.frames) else ():
                across = x0 < one.x + one.w * 0.75 and x1 > one.x + one.w * 0.25
                if across and y0 < one.y + one.h * 0.75 and y1 > one.y + one.h * 0.25:
                    return True
    return False


def _cpu() -> float:
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def name_of(command: str) -> str:
    """A short name for another tool's command line."""
    return re.sub(r"\s*\{(in|out)\}|\s-o\b", "", command).strip()
