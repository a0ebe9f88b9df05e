"""Analyse a recording: decode once, look at some pictures with detectors, follow what they saw through all of them.

 1. decode in order; keep a small grey copy of each picture for a few seconds, never the picture
 2. mark cuts; look with every detector at the first and last picture of a scene and at a fixed cadence between
 3. detectors and the decoder work on threads of their own; answers are used in order, so runs are repeatable
 4. tracks are made stretch by stretch (bwc.redact.track)
 5. tracks become whole coded pixels in a plan; policy decides those with strong evidence, people the others

Boxes in the plan are what detectors and flow say, rounded outward. The margin is added when they are drawn.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from bwc.canonical import Json
from bwc.errors import UnreadableMedia
from bwc.media.build import work_of
from bwc.media.decode import Onlooker, Picture, VideoReader
from bwc.media.facts import MediaFacts, VideoFacts
from bwc.media.paired import may_pair
from bwc.media.planes import grey_of, halvings
from bwc.memory import few_arenas
from bwc.redact.again import AGAIN, listed
from bwc.redact.ahead import Ahead, pictures_ahead, step_back
from bwc.redact.answers import Answers, Pieces
from bwc.redact.bearings import Bearings
from bwc.redact.cadence import Cadence
from bwc.redact.cuts import CutFinder
from bwc.redact.detectors.aside import look_aside, turned_within
from bwc.redact.detectors.base import Detection, Detector, join
from bwc.redact.detectors.view import Looker, Piecewise, View, unturned
from bwc.redact.flow import Still
from bwc.redact.lookout import Lookout, lookout_for
from bwc.redact.motion import field_of
from bwc.redact.overlay import Motion, parted, places
from bwc.redact.plan import (
    DAMAGED,
    DECODING,
    LET_GO,
    OVERLAY,
    TURNED,
    Doubt,
    Effect,
    EffectKind,
    PlanMedia,
    PtsTable,
    RedactionPlan,
    duration_of,
    plan_id_of,
)
from bwc.redact.plan_effect import colour_named
from bwc.redact.profiles import DEFAULT, Profile, habits_for, profile_named
from bwc.redact.seldom import Seldom
from bwc.redact.track import Path, Sighting, Tracker
from bwc.redact.verdict import tracks_of
from bwc.roles import OFF, Policy
from bwc.version import TOOL

GREY_LONG_SIDE = 480
_RARE_SECONDS, _FAR_SECONDS = Fraction(98, 100), Fraction(998, 100)  # a second, and ten, with half a tick of slack
_AHEAD = 2  # looks being worked on while pictures are followed
_LOOKERS = 3  # threads that look: two processors stay busy while one large network waits for another
_DEPTH = 8  # pictures decoded ahead at most

Progress = Callable[[int, int | None], None]


def analyse(
    file: BinaryIO,
    *,
    content_sha256: str,
    item: str | None,
    segment: int,
    profile: str = DEFAULT,
    progress: Progress | None = None,
    policy: Policy,
    now: datetime,
    lookout: Lookout | None = None,
    pieces: Pieces | None = None,
    also: Sequence[str] = (),
    onlooker: Onlooker | None = None,
    facts: MediaFacts | None = None,
) -> RedactionPlan:
    """The first plan of a recording. `file` is seekable and stays the caller's.

    `progress(done, total)` is called about every second of footage; total may be None. Raises `UnreadableMedia`
    when no picture decodes, `NotFound` when weight files are absent. Same bytes, build and profile: same tracks.
    With `pieces` what detectors answered is kept there as it comes, and after an interruption not asked again.
    `onlooker` is told of every picture decoded; nothing here depends on it. `lookout` of `ready_to_look` and `facts`, where
    the caller has them already.
    """
    few_arenas()
    chosen = profile_named(profile)
    look = lookout or ready_to_look(profile, policy, also)
    video = (facts or VideoReader(file).facts).video
    if video is None:
        raise UnreadableMedia("the recording holds no picture")
    reader = VideoReader(file, motion_vectors=has_plain_motion(video), borrow=True, paired=may_pair(video))
    if onlooker is not None:
        onlooker.begins(video)
        reader.onlooker = onlooker
    ways: tuple[int, ...] = ()
    while True:
        answers = Answers(pieces, _inputs(content_sha256, chosen, look, ways)) if pieces is not None else None
        run = _passed(reader, video, chosen, look, ways=ways, answers=answers, progress=progress)
        if not run.bearings.found:
            break
        # From the beginning: whoever stood so before was missed. No second looks: they would be at upright cut-outs
        ways, look, reader.onlooker = tuple(sorted({*ways, *run.bearings.found})), replace(look, again=None), None
    if not run.pts:
        raise UnreadableMedia("no picture of the recording decodes")
    if progress:
        progress(len(run.pts), len(run.pts))
    width, height = run.size
    paths, overlay = parted(run.tracker.finish(), len(run.pts), run.small, run.motion)
    let_go = listed(run.tracker.let_go, run.small, run.size)
    return RedactionPlan(
        plan_id=plan_id_of(content_sha256, now),
        item=item,
        segment=segment,
        content_sha256=content_sha256,
        made_at=now,
        tool=TOOL,
        media=PlanMedia(
            width=width,
            height=height,
            rotation=video.rotation,
            time_base=reader.time_base,
            pts=PtsTable.from_values(run.pts),
            frames_lost=reader.frames_lost,
            duration=duration_of(run.pts),
        ),
        effect=Effect(
            kind=EffectKind(policy.effect),
            colour=colour_named(policy.cover_colour),
            margin_permille=policy.margin_permille,
        ),
        detectors=look.describe(),
        tracks=tracks_of(paths, run.tracker.habits, run.small, run.size, policy=policy, now=now),
        doubts=tuple(
            Doubt(code="frames_lost", first=max(0, loss.after_ordinal), stop=max(0, loss.after_ordinal) + 1)
            for loss in reader.lost
            if run.pts
        )
        + tuple(Doubt(code=DAMAGED, first=first, stop=stop) for first, stop in run.damaged)
        + tuple(Doubt(code=LET_GO, first=row[0], stop=row[1]) for row in let_go)
        + ((Doubt(code=TURNED, first=0, stop=len(run.pts)),) if ways else ()),
        extensions=run.extensions(overlay)
        | ({LET_GO: [list(row) for row in let_go]} if let_go else {})
        | ({TURNED: {"quarters": list(ways)}} if ways else {}),
    )


def ready_to_look(profile: str, policy: Policy, also: Sequence[str] = ()) -> Lookout:
    """What an analysis looks with: networks loaded, none of them made ready for a size of picture yet. Raises `NotFound`."""
    return lookout_for(profile_named(profile), also, text=policy.text != OFF, screens=policy.screens != OFF)


def _passed(
    reader: VideoReader,
    video: VideoFacts,
    profile: Profile,
    lookout: Lookout,
    *,
    ways: tuple[int, ...],
    answers: Answers | None,
    progress: Progress | None,
) -> "_Run":
    """One pass; people are looked for as the picture is shown and turned by `ways`. It ends early when they stand another way, too."""
    with (
        ThreadPoolExecutor(max_workers=_LOOKERS, thread_name_prefix="bwc-look", initializer=step_back) as pool,
        Ahead(_seen(reader), depth=pictures_ahead(reader.width, reader.height, _DEPTH)) as pictures,
    ):
        run = _Run(video, profile, lookout, pool, answers=answers, bearings=Bearings(ways))
        try:
            for picture, still in pictures:
                run.take(picture, still)
                if run.bearings.found:
                    break
                if progress and picture.ordinal % 30 == 29:
                    progress(picture.ordinal + 1, video.frames or None)
            else:
                run.close()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # nobody waits for looks that have not begun
    return run


def _seen(reader: VideoReader) -> Iterator[tuple[Picture, Still]]:
    """Each picture with what is kept of it. The size of the first one holds for all."""
    small, scale = (0, 0), 1.0
    for picture in reader.frames():
        size = (picture.width, picture.height)
        if not picture.ordinal:
            small = _small_of(size)
            scale = size[0] / small[0]
        grey = grey_of(picture.halved(halvings(size, small) if reader.motion_vectors else 0), *small)
        vectors = None if picture.damaged else picture.motion
        still = Still(grey, field_of(vectors, *size, scale))
        picture.motion = None
        yield picture, still


def _small_of(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, GREY_LONG_SIDE / max(size))
    return max(16, round(size[0] * scale)), max(16, round(size[1] * scale))


@dataclass(slots=True)
class _Look:
    """Detectors at work on one picture."""

    answers: list[Callable[[], list[Detection]]]  # each waits for what one of them says
    number: int
    picture: Picture
    known: list[Detection] | None  # from before an interruption: nobody is asked again
    scale: float  # small-picture pixels per pixel of the picture looked at
    turns: int
    way: tuple[int, ...] = ()
    aside: Future[list[tuple[int, Detection]]] | None = None

    def found(self) -> list[Detection]:
        if self.known is not None:
            return self.known
        # two networks look for plates: what both see is one sighting, else it would count as two
        return join(one for answer in self.answers for one in answer())

    def sightings(self, answer: Sequence[Detection]) -> list[Sighting]:
        found: list[Sighting] = []
        for one in (seen for seen in answer if seen.class_ != AGAIN):
            box = np.asarray(unturned(one.box, self.turns, self.picture.y.shape), np.float32) * np.float32(self.scale)
            found.append(Sighting(box, one.score, one.class_, ours=one.ours))
        return found


@dataclass(slots=True)
class _Stretch:
    pictures: list[tuple[int, Still]]
    look: _Look
    ends_scene: bool = False


@dataclass(slots=True)
class _Run:
    """One pass over one recording. Holds one picture, and grey copies of a few seconds."""

    video: VideoFacts
    profile: Profile
    lookout: Lookout
    pool: ThreadPoolExecutor
    answers: Answers | None = None
    pts: "array[int]" = field(default_factory=lambda: array("q"))
    damaged: list[tuple[int, int]] = field(default_factory=list)  # runs of ordinals, half open
    cuts: CutFinder = field(default_factory=CutFinder)
    pending: deque[_Stretch] = field(default_factory=deque)
    stretch: list[tuple[int, Still]] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    small: tuple[int, int] = (0, 0)
    tracker: Tracker = field(init=False)
    previous: Picture | None = None
    looks: int = 0
    cadence: Cadence = field(init=False)
    rare: Seldom = field(init=False)
    far: Seldom = field(init=False)
    motion: Motion = field(default_factory=Motion)
    bearings: Bearings = field(default_factory=Bearings)

    def __post_init__(self) -> None:
        self.rare = Seldom(self.lookout.rare, _RARE_SECONDS)
        self.far = Seldom(self.lookout.far, _FAR_SECONDS)

    def extensions(self, overlay: Sequence[Path]) -> dict[str, Json]:
        """What the plan remembers of the analysis beside what it found."""
        said: dict[str, Json] = {DECODING: {"damaged": [[first, stop] for first, stop in self.damaged]}}
        if overlay:
            scale = self.size[0] / self.small[0], self.size[1] / self.small[1]
            said[OVERLAY] = [list(box) for box in places(overlay, scale)]
        return said

    def take(self, picture: Picture, still: Still) -> None:
        grey = still.grey
        if not self.pts:
            self.size = (picture.width, picture.height)
            self.small = _small_of(self.size)
            rate = self.video.rate if self.video.rate > 0 else Fraction(30)
            self.cadence = Cadence(self.profile)
            habits = habits_for(rate, self.profile, self.small[0] / self.size[0])
            self.tracker = Tracker(habits, width=self.small[0], height=self.small[1])
        if picture.damaged:
            joins = bool(self.damaged) and self.damaged[-1][1] == picture.ordinal
            first = self.damaged.pop()[0] if joins else picture.ordinal
            self.damaged.append((first, picture.ordinal + 1))
        self.pts.append(picture.pts)
        new_scene = self.cuts.is_cut(grey) or picture.ordinal == 0
        if new_scene:
            self._close_scene()
        self.stretch.append((picture.ordinal, still))
        self.previous = picture
        if self.cadence.is_due(self.cuts.now, picture.seconds):
            deep = self.cadence.is_deep()
            self.cadence.looked(self.cuts.now, picture.seconds)
            self._look(picture, deep=deep)

    def close(self) -> None:
        self._close_scene()
        while self.pending:
            self._follow(self.pending.popleft())
        self.bearings.ends()

    def _look(self, picture: Picture, *, deep: bool, ends_scene: bool = False) -> None:
        turns = round(self.video.rotation / 90) % 4
        planes, full_range = (picture.y, picture.u, picture.v), picture.colour.range == 2
        view = View.of_planes(planes, full_range=full_range, quarters=turns)
        always = self.lookout.deep if deep else self.lookout.ordinary
        detectors = {id(one): one for one in (*always, *self._seldom(picture, ends_scene=ends_scene))}.values()
        known = self.answers.get(self.looks, picture.pts) if self.answers is not None else None
        asked = [] if known is not None else [_asked(self.pool, one, view) for one in detectors]
        for way in self.bearings.known if known is None else ():
            turned = View.of_planes(planes, full_range=full_range, quarters=(turns + way) % 4)
            asked += [self.pool.submit(_ask_turned, one, turned, way, view.shape).result for one in detectors]
        look = _Look(asked, self.looks, picture, known, self.small[0] / picture.width, turns)
        if self.lookout.aside is not None and (way_aside := self.bearings.due(picture.seconds)):
            look.way, look.aside = way_aside, self.pool.submit(look_aside, self.lookout.aside, view, way_aside)
        self.pending.append(_Stretch(self.stretch, look, ends_scene))
        self.stretch = []
        self.looks += 1
        while len(self.pending) > _AHEAD:
            self._follow(self.pending.popleft())

    def _seldom(self, picture: Picture, *, ends_scene: bool) -> Iterator[Detector]:
        """Those that join only some looks, where this is one of them."""
        if rare := self.rare.due(picture, ends_scene=ends_scene):
            if self.stretch:
                self.motion.look(self.stretch[-1][1].grey)
            yield from rare
        yield from self.far.due(picture, ends_scene=ends_scene)

    def _close_scene(self) -> None:
        """The last picture of a scene is looked at too, then all tracks end."""
        if self.stretch and self.previous is not None:
            self._look(self.previous, deep=True, ends_scene=True)
        elif self.pending:  # it has been looked at; the answer is still out
            self.pending[-1].ends_scene = True
        if self.pts:
            self.cadence.cut()
        self.rare.cut()
        self.far.cut()

    def _follow(self, stretch: _Stretch) -> None:
        look = stretch.look
        found = look.found()
        if look.aside is not None:
            self.bearings.told(look.way, look.aside.result(), found)
        self.tracker.advance(stretch.pictures, look.sightings(found))
        if self.lookout.again is not None:
            found = self.lookout.again.ask(self.tracker, look.picture, look.turns, 1 / look.scale, found)
        if self.answers is not None:
            self.answers.add(look.number, look.picture.pts, found)
        if stretch.ends_scene:
            self.tracker.cut()
        self.cadence.is_unsure = self.tracker.is_unsure()


def _asked(pool: ThreadPoolExecutor, detector: Detector, view: View) -> Callable[[], list[Detection]]:
    """Have `detector` look; what is returned waits for its answer. A look of many pieces is nobody's alone: all else would wait for it."""
    if not isinstance(detector, Piecewise):
        return pool.submit(_ask, detector, view).result
    pieces = [pool.submit(piece) for piece in detector.pieces(view)]
    shape = view.shape  # the view itself holds the picture at all sizes
    return lambda: detector.together(shape, [piece.result() for piece in pieces])


def _ask(detector: Detector, view: View) -> list[Detection]:
    return detector.look(view) if isinstance(detector, Looker) else detector.detect(view.bgr())


def _ask_turned(detector: Detector, view: View, way: int, shape: tuple[int, int]) -> list[Detection]:
    return turned_within(_ask(detector, view), way, shape)


def _inputs(content_sha256: str, profile: Profile, lookout: Lookout, ways: Sequence[int]) -> dict[str, Json]:
    """What decides every answer of the detectors."""
    models: list[Json] = [[one.name, one.file_sha256, one.precision, dict(one.settings)] for one in lookout.describe()]
    said: dict[str, Json] = {"models": models, "profile": repr(profile), "recording": content_sha256}
    return {"build": work_of(), **said} | ({"turned": list(ways)} if ways else {})


def has_plain_motion(video: VideoFacts) -> bool:
    """Whether each picture is predicted from the one shown before it, by a codec whose vectors FFmpeg exports."""
    return video.codec == "h264" and not video.reorders and not video.interlaced
