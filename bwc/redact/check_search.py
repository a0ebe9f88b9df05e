"""Looks for faces, plates and text in the pictures of a copy, closely where one is likely to show.

1. a whole picture every `stride` frames at 640 pixels, about once a second also at 1280 (four times the time; half the size)
2. where the plan stops hiding something (`check_places`), a cut-out, enlarged, in every frame
3. where one of the last pictures showed something, a cut-out in every frame: one hit proves little, a few in a row do
4. text, where the plan hides text, twice a second at 1280 pixels, and again in a small cut-out
5. what a cover hid is followed beside it by its own pixels, without any detector (`check_trail`)

Whose turn it is says `check_turns`. A picture that was searched in vain before, as the original's own bytes
(`check_bystander`), comes without its pixels; they are fetched where they are needed after all.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bwc.media.decode import Picture
from bwc.redact.ahead import pictures_ahead
from bwc.redact.check_cover import roughness
from bwc.redact.check_finders import Finders, detect, detect_aside, detect_near, distinct, whole
from bwc.redact.check_lines import is_left, overlay_of
from bwc.redact.check_places import Place, places_of, rate_of
from bwc.redact.check_sight import TEXT, Chains, Hit, is_like_size, is_same_class, shared_permille, visible_permille
from bwc.redact.check_trail import Trail, without
from bwc.redact.check_turns import Turn, Turns, frames_in, usual_stride
from bwc.redact.check_ways import Ways
from bwc.redact.detectors.base import Detection
from bwc.redact.detectors.view import View
from bwc.redact.plan import Box, FrameCover, RedactionPlan

_LINES_GAP = Fraction(6, 5)  # hits on text further apart are two lines
_AGAIN_SECONDS = Fraction(1, 4)  # a place that showed something is looked at for so long
_GAP_SECONDS = Fraction(2, 5)  # hits further apart are two subjects
_MAX_RECENT = 4  # cut-outs a picture round weak hits, which foliage has by the dozen; places of doubt are all looked at
_WORKERS = 2
_WAITING = 6  # pictures being searched while the next are decoded: the slowest search takes the time of five
_AWAKE_SECONDS = Fraction(2)  # who was seen standing another way is looked for that way for so long
_FLAT = 5.0  # levels of deviation: a hit on less than this inside a cover is a hit on nothing
_SAME_PERMILLE = 500
_HUGE, _SURE_OF_HUGE = 0.5, 900  # half the picture is no face unless it is a clear one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """One picture whose search is under way."""

    picture: Picture
    ordinal: int
    cover: FrameCover
    kept: Sequence[tuple[str, str, Box]]  # id, class and box of the tracks a person keeps
    answers: tuple[Future[list[Detection]], ...]
    places: Sequence[tuple[str, Box]]  # class and box of the subjects sought in cut-outs
    aside: Future[list[tuple[int, Detection]]] | None  # who stands another way
    turns: tuple[int, ...]  # in which people are looked for
    early: dict[
        tuple[str, Box], list[Future[list[Detection]]]
    ]  # cut-outs of `places`, asked before it is known whether all count


def stride_for(plan: RedactionPlan) -> int:
    """Frames from one whole picture to the next when nobody says otherwise."""
    return usual_stride(rate_of(plan))


class Search:
    """The search through one copy; pictures come in order. A context manager: leaving it ends its threads.

    `chains` and `kept` (sightings of tracks a person keeps) are complete after `finish`.
    """

    def __init__(
        self,
        plan: RedactionPlan,
        finders: Finders,
        stride: int,
        *,
        searched_before: Callable[[int, Turn], bool] | None = None,
        fetch: Callable[[Picture], Picture] | None = None,
        fetch_original: Callable[[Picture], Picture] | None = None,
    ) -> None:
        """`searched_before(ordinal, turn)`: whether a picture that comes without its pixels was searched like that, in vain.

        `fetch` gives such a picture its pixels, `fetch_original` one of the original of which the copy does not hold the bytes.
        """
        self.plan = plan
        self.cutouts = 0
        self.left_out = 0  # weak hits that were not looked at again because others were
        self.kept: dict[str, int] = {}
        rate = rate_of(plan)
        self._again = max(stride, frames_in(_AGAIN_SECONDS, rate))
        self.chains = Chains(
            max_gap=max(2 * stride, frames_in(_GAP_SECONDS, rate)),
            text_gap=max(2 * stride, frames_in(_LINES_GAP, rate)),
        )
        self._finders, self._searched_before = finders, searched_before
        self._fetch, self._fetch_original = fetch, fetch_original
        self._most = pictures_ahead(plan.media.width, plan.media.height, _WAITING)
        self._schedule = Turns(frames=plan.media.frames, rate=rate, stride=stride)
        self._turns = round(plan.media.rotation / 90) % 4
        self._ways = Ways(plan, frames_in(_AWAKE_SECONDS, rate))
        self._overlay = overlay_of(plan)
        self.places = places_of(plan)
        self._coming = deque(sorted(map(Trail, self.places), key=_start))
        self._begun: list[Trail] = []
        self._ended: deque[Trail] = deque()  # their frames are not searched yet
        self._followed: list[Sequence[Hit]] = []  # what trails show
        self._waiting: deque[_Looked] = deque()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="bwc-search")

    @property
    def searched(self) -> int:
        """Whole pictures searched so far."""
        return self._schedule.searched

    def __enter__(self) -> "Search":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def look(
        self,
        picture: Picture,
        ordinal: int,
        cover: FrameCover,
        kept: Sequence[tuple[str, str, Box]],
        original: Picture | None = None,
    ) -> None:
        """Search `picture`, shown as frame `ordinal` of the plan; `original` is what the recording shows there."""
        here = self._follow(picture, ordinal, cover, original)
        answers: tuple[Future[list[Detection]], ...] = ()
        aside: Future[list[tuple[int, Detection]]] | None = None
        turn, ways = self._schedule.take(ordinal), self._ways.at(ordinal)
        turns = tuple((self._turns + way) % 4 for way in (0, *ways))
        before = self._searched_before if picture.known and not ways else None
        if turn is not None and not (before and before(ordinal, turn)):
            picture, media = self._whole(picture), self.plan.media
            view, shape = view_of(picture, media.height, media.width, self._turns)
            answers = tuple(
                self._pool.submit(detect, finder, view, self._turns, shape) for finder in self._finders.at(turn)
            )
            if turn.aside:
                look = self._finders.coarse
                aside = self._pool.submit(detect_aside, look, view, turn.aside, self._turns, shape)
            for other in turns[1:]:
                turned, _ = view_of(picture, media.height, media.width, other)
                answers += tuple(
                    self._pool.submit(detect, finder, turned, other, shape) for finder in self._finders.at(turn)
                )
        places = [(trail.place.class_, trail.place.boxes[ordinal]) for trail in here]
        if places:
            picture = self._whole(picture)
        # Nearly all will count. Asked only when the pictures before are settled, one after the other, they left a processor idle.
        early = {place: self._near(picture, place, turns) for place in places}
        self._waiting.append(
            _Looked(
                picture=picture,
                ordinal=ordinal,
                cover=cover,
                kept=kept,
                answers=answers,
                places=places,
                aside=aside,
                turns=turns,
                early=early,
            )
        )
        if len(self._waiting) > self._most:
            self._settle(self._waiting.popleft())

    def _whole(self, picture: Picture) -> Picture:
        return self._fetch(picture) if picture.known and self._fetch else picture

    def finish(self) -> None:
        """Wait for the pictures still being searched; then what trails show beyond the detectors' hits joins the chains."""
        while self._waiting:
            self._settle(self._waiting.popleft())
        self._ended += self._begun
        self._judge_trails(None)
        self.chains.end()
        for trail_hits in without(self._followed, self.chains.proven()):
            self.chains.add_trail(trail_hits)

    def _judge_trails(self, settled: int | None) -> None:
        """What ended trails show, once frame `settled` and all before it are searched (None: all are).

        Their pixels, and hits that are no evidence and beside which no trail still goes on, are then given up:
        what is held does not grow with the recording.
        """
        while self._ended and (settled is None or self._ended[0].stop < settled):
            trail = self._ended.popleft()
            if not trail.place.is_one_track and not self.chains.saw_within(trail.areas()):
                continue  # no likeness would count
            self._look_back(trail)
            hits = trail.hits()
            if hits and (trail.place.is_one_track or self.chains.saw(hits)):
                self._followed.append(hits)
        if settled is not None:
            self.chains.forget(min([settled, *(_start(trail) for trail in (*self._ended, *self._begun))]) - 1)

    def _follow(self, picture: Picture, ordinal: int, cover: FrameCover, original: Picture | None) -> list[Trail]:
        """Trails get the pixels of this frame; those whose subject should show in it."""
        while self._coming and _start(self._coming[0]) <= ordinal:
            self._begun.append(self._coming.popleft())
        ended = [trail for trail in self._begun if trail.stop <= ordinal]
        if ended:
            self._ended += sorted(ended, key=lambda trail: trail.stop)
            self._begun = [trail for trail in self._begun if trail.stop > ordinal]
        here, is_same = [], original is picture
        for trail in self._begun:
            for box in trail.anchors(ordinal) if original is not None else ():
                assert original is not None
                if original.known:
                    trail.unseen.append((original, box, is_same))
                else:
                    self._learn(trail, original, box)
            if ordinal in trail.place.boxes:
                picture = self._whole(picture)
                trail.take(picture.y, ordinal, _hidden(picture, cover))
                here.append(trail)
        return here

    def _look_back(self, trail: Trail) -> None:
        """What the original shows under the covers beside a place, where it was not decoded."""
        for original, box, is_same in trail.unseen:
            fetch = self._fetch if is_same else self._fetch_original
            if fetch is not None:
                self._learn(trail, fetch(original), box)
        trail.unseen = []

    def _learn(self, trail: Trail, original: Picture, box: Box) -> None:
        trail.learn(original.y, box)
        if not trail.place.is_one_track:  # there the plan says who it is
            near = self._finders.closer(trail.place.class_)
            trail.asked.append(
                (self._pool.submit(detect_near, near, original, box, self._turns, trail.place.class_), box)
            )

    def _settle(self, looked: _Looked) -> None:
        """Look closely where there is doubt, then tell sightings of kept tracks from hits."""
        ordinal, picture = looked.ordinal, looked.picture
        hidden = _hidden(picture, looked.cover)
        found = [one for answer in looked.answers for one in answer.result()]
        if looked.aside is not None:
            found += self._ways.told(ordinal, looked.aside.result())
        near = self._places(looked, found)
        if near:
            picture = self._whole(picture)
        close = [
            answer for place in near for answer in looked.early.get(place) or self._near(picture, place, looked.turns)
        ]
        for place in looked.early.keys() - set(near):
            for answer in looked.early[place]:
                answer.cancel()
        self.cutouts += len(near)
        found = [*self._confirmed(found, picture), *(one for answer in close for one in answer.result())]
        hits = []
        for one in distinct(found):
            hit = _hit(one, ordinal, hidden, [box for _, box in looked.places])
            keepers = [name for name, class_, box in looked.kept if _is_one(hit.class_, hit.box, class_, box)]
            for name in keepers:
                self.kept[name] = self.kept.get(name, 0) + 1
            if hit.class_ == TEXT and is_left(hit.box, self._overlay, looked.kept, looked.cover):
                continue
            is_wall = hit.box[3] - hit.box[1] > _HUGE * picture.height and hit.score_permille < _SURE_OF_HUGE
            if (
                not keepers
                and not is_wall
                and not (hit.is_inside and _is_empty(picture, hit.box, hidden, looked.cover))
            ):
                hits.append(hit)
        self.chains.add(ordinal, hits)
        self._judge_trails(ordinal)

    def _near(self, picture: Picture, place: tuple[str, Box], turns: tuple[int, ...]) -> list[Future[list[Detection]]]:
        """Look closely at one place, each way round."""
        class_, box = place
        near = self._finders.closer(class_)
        return [self._pool.submit(detect_near, near, picture, box, way, class_) for way in turns]

    def _confirmed(self, found: Sequence[Detection], picture: Picture) -> list[Detection]:
        """`found` without text that nobody would take for text when it is shown smaller: foliage, roofs, rocks."""
        near = self._finders.closer(TEXT)
        asked = [
            (one, self._pool.submit(detect_near, near, picture, whole(one), self._turns, TEXT))
            for one in found
            if one.class_ == TEXT
        ]
        self.cutouts += len(asked)
        lines = [
            one
            for one, answer in asked
            if any(shared_permille(whole(one), whole(other)) >= _SAME_PERMILLE for other in answer.result())
        ]
        return [*(one for one in found if one.class_ != TEXT), *lines]

    def _places(self, looked: _Looked, found: Sequence[Detection]) -> list[tuple[str, Box]]:
        """Where to look closely: what showed lately first, then where the plan stops hiding something."""
        known = [(one.class_, whole(one)) for one in found]
        places: list[tuple[str, Box]] = []
        followed = 0
        for hit in self.chains.recent(looked.ordinal, self._again):
            if (
                hit.is_inside
                or hit.class_ == TEXT
                or any(_is_one(hit.class_, hit.box, *other) for other in (*known, *places))
            ):
                continue
            if followed < _MAX_RECENT:
                places.append((hit.class_, hit.box))
                followed += 1
            else:
                self.left_out += 1
        for place in looked.places:
            if not any(_is_one(*place, *other) for other in (*known, *places)):
                places.append(place)
        return places


def view_of(picture: Picture, height: int, width: int, turns: int) -> tuple[View, tuple[int, int]]:
    """The picture as it is shown, without what pads it to even sizes, and its height and width as coded."""
    half = np.s_[: (height + 1) // 2, : (width + 1) // 2]
    planes = picture.y[:height, :width], picture.u[half], picture.v[half]
    return View.of_planes(planes, full_range=picture.colour.range == 2, quarters=turns), planes[0].shape


def _hidden(picture: Picture, cover: FrameCover) -> Sequence[Box]:
    return ((0, 0, picture.width, picture.height),) if cover.whole else cover.boxes


def _start(trail: Trail) -> int:
    place: Place = trail.place
    return min(*place.boxes, place.before[0] if place.before else min(place.boxes))


def _hit(one: Detection, ordinal: int, hidden: Sequence[Box], edges: Sequence[Box]) -> Hit:
    box = whole(one)
    return Hit(
        ordinal=ordinal,
        box=box,
        score_permille=min(1000, round(one.score * 1000)),
        class_=one.class_,
        visible_permille=visible_permille(box, hidden),
        beside=any(_is_near(box, edge) for edge in edges),
    )


def _is_one(class_: str, box: Box, other_class: str, other: Box) -> bool:
    """Whether two boxes of one picture are one subject: a sign or a crowd does not speak for a face before it."""
    return (
        is_same_class(class_, other_class)
        and is_like_size(box, other)
        and shared_permille(box, other) >= _SAME_PERMILLE
    )


def _is_empty(picture: Picture, box: Box, hidden: Sequence[Box], drawn: FrameCover) -> bool:
    """Whether nothing is left of what a hit inside a cover could be seen in; what is written on it is judged elsewhere."""
    written = [label.box for label in drawn.labels]
    for cover in hidden:
        part = max(box[0], cover[0]), max(box[1], cover[1]), min(box[2], cover[2]), min(box[3], cover[3])
        inner = (part[0] + 6, part[1] + 6, part[2] - 6, part[3] - 6)
        if inner[0] < inner[2] and inner[1] < inner[3] and roughness(picture.y, inner, written) > _FLAT:
            return False
    return True


def _is_near(box: Box, edge: Box) -> bool:
    reach = 1.5 * max(edge[2] - edge[0], edge[3] - edge[1], 24)
    dx = abs(box[0] + box[2] - edge[0] - edge[2]) / 2
    dy = abs(box[1] + box[3] - edge[1] - edge[3]) / 2
    return max(dx, dy) <= reach
