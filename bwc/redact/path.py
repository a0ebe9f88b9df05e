"""A track in the making, the habits that say how long it lives, and what of it is worth keeping."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast, overload

import numpy as np

from bwc.redact.crossing import SIGHTS, Place
from bwc.redact.cut_out import Cut
from bwc.redact.flow import Floats
from bwc.redact.likeness import Follower

_WAY = 5  # pictures by which the pace of who comes in is known
_NEAR = 0.5  # of its size from the edge
_PACE = 0.02  # of its size in a picture: slower ones stand there
_STRIP = 0.4  # of its size: who stands just outside is brought into sight so far by a hand that shakes
_ALONG, _ALONG_MOST = (
    0.05,
    0.4,
)  # of its size, in a picture and at most: along the edge it is brought up and down as well
_RIM = 0.01  # of the picture's width: as good as at its side
_ACROSS = 0.1  # of a box outside: it lies across an edge
WELL = 0.6  # who was seen so well once is somebody
_TINY = 0.67  # of what is easily missed: lower than that says nothing, 16 pixels of the recording
_STAYS = 2.0  # of its size: what moves less stands where it was seen, as far as a hand holds still
_LARGER = 1.5  # times what was seen faintly: more is another's size
_IN, _WHOLE = 0.2, 0.75  # of a face's height: how much further in it reaches than was seen, and how wide a whole one is


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How long tracks live, in frames of this recording, and what evidence they need (scores 0 to 1).

    `new` only what is at least this good may be somebody new; less only says that somebody known is still there.
    `start` a lone detection this good starts a track; below it a second one must follow.
    `sure` and `sure_hits`: evidence strong enough for policy to decide.
    `hold` frames a well-tracked subject is waited for; `linger` frames it stays hidden if it does not come back.
    `lead` frames it is hidden before first sight; who is small as long as `hold`. `brief` is the least of all these for poor evidence.
    `seldom` frames from look to look at most, of classes that not every look is for.
    `shutter` is the longest time the shutter may be open, as a share of the time between two frames.
    `glance` frames from the nearest sight of a face its whole head is hidden. Lower than `small` pixels of the small
    picture is easily missed.
    """

    start: dict[str, float]
    sure: dict[str, float]
    new: dict[str, float] = field(default_factory=dict)
    sure_hits: int = 3
    hold: int = 90
    linger: int = 30
    lead: int = 30
    brief: int = 15
    glance: int = 6
    small: float = 0.0
    shutter: float = 1.0
    seldom: Mapping[str, int] = field(default_factory=dict)

    def between(self, class_: str) -> int:
        """Frames without a sight that are nothing strange: brief, or until the next look for such a class."""
        return max(self.brief, self.seldom.get(class_, 0))

    def most_lead(self, box: Floats) -> int:
        """Frames hidden before the first sight, in `box`, at most: looks miss who is small for as long as anybody is waited for."""
        return self.hold if float(box[3] - box[1]) < self.small else self.lead

    def patience(self, class_: str) -> int:
        """Frames that poor evidence is waited for: what is looked for seldom may be missed once."""
        return max(self.brief, 2 * self.seldom.get(class_, 0))


class Rows(Sequence[Floats]):
    """Boxes of an ended track, 16 bytes each: as arrays of their own they take ten times as much, and a recording has a million."""

    __slots__ = ("_rows",)

    def __init__(self, boxes: Iterable[Floats]) -> None:
        self._rows = np.array(list(boxes), np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Floats]:
        return iter(self._rows)

    @overload
    def __getitem__(self, place: int) -> Floats: ...
    @overload
    def __getitem__(self, place: slice) -> "Rows": ...
    def __getitem__(self, place: int | slice) -> "Floats | Rows":
        return Rows(self._rows[place]) if isinstance(place, slice) else self._rows[place]


@dataclass(slots=True)
class Path:
    """A track in the making: `boxes[i]` belongs to ordinal `first + i`; `trust[i]` whether that step was vouched for."""

    class_: str
    first: int
    boxes: deque[Floats]  # what is hidden
    trust: deque[bool]
    now: Follower  # where the subject is now: a detector's box, carried on; not widened, so that it cannot swell
    last_seen: int
    first_seen: int
    seen: Floats = field(default_factory=lambda: np.zeros(4, np.float32))  # the box of the last sight
    hits: int = 1
    firm: int = 1  # hits good enough to start a track
    way: deque[Place] = field(default_factory=lambda: deque(maxlen=SIGHTS))  # its last sights, against the background
    crosses: bool = False  # it goes its own way there
    sizes: list[tuple[int, float, float]] = field(default_factory=list)  # of a face: ordinal, height, score
    best: float = 0.0  # score of detectors whose figures are known here
    guesses: int = 0  # hits that only others saw
    guessed: float = 0.0  # the best score of those
    led: bool = False  # carried back past its first sight
    appeared: bool = False  # before the first boxes it was not there: it came into sight from one picture to the next
    cuts: list[Cut] = field(default_factory=list)  # kept for second looks (bwc.redact.again)
    asked: int = 0  # second looks at it
    tried: float = 0.0  # the best score when last looked at so
    shown: float = 0.0  # the best answer to one
    is_clear: bool = False  # at its first sight a second look said that it is somebody
    is_head: bool = False  # it was seen as a head, not only as a face
    longest_gap: int = 0
    ended_by: str = ""  # "", "cut", "edge", "lost", "merged", "end"
    sights: list[int] = field(default_factory=list)  # ordinals at which detectors saw it
    body: Follower | None = None  # what the subject is fixed to, once a look has missed the subject itself
    beside: Floats | None = None  # where the body says that the head or plate is

    @property
    def here(self) -> Floats:
        return self.now.box

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1

    def at(self, ordinal: int) -> Floats:
        return self.boxes[ordinal - self.first]

    def widen(self, ordinal: int, box: Floats) -> None:
        """Make the box of `ordinal` cover `box` too."""
        own = self.at(ordinal)
        both = np.minimum(own, box)
        np.maximum(own[2:], box[2:], out=both[2:])
        self.boxes[ordinal - self.first] = both

    @property
    def likely(self) -> float:
        """The best score anybody gave it: enough to hide it, not always enough to decide."""
        return max(self.best, self.guessed)

    def note(self, score: float, ours: float | None) -> None:
        """Remember how sure detectors were, `ours` and all of them."""
        if ours is None:
            self.best = max(self.best, score)
        else:
            self.guesses += ours == 0
            self.best, self.guessed = max(self.best, ours), max(self.guessed, score)

    def begin(self, ordinal: int, box: Floats) -> None:
        """Forget all before `ordinal`: what was seen there was too weak to be anybody."""
        self.first = self.first_seen = ordinal
        self.boxes, self.trust = deque([box]), deque([True])
        self.hits, self.longest_gap = 1, 0
        self.sights, self.sizes = [], []

    def close(self) -> None:
        """It has ended: from now on it is only read, and what it was followed by is given up."""
        self.boxes = cast("deque[Floats]", Rows(self.boxes))
        self.sights, self.cuts, self.sizes = [], [], []
        self.way.clear()
        self.now, self.body = Follower(self.here, None), None

    def has_vanished(self) -> bool:
        """Whether it went from one picture to the next, and what it was fixed to as well."""
        return self.now.vanished and self.body is not None and self.body.vanished

    def is_missed(self, small: float, brief: int) -> bool:
        """Whether looks have missed what they should have found: not much lower than `small`, and within `brief` pictures after its last sight still there.

        A face that was never seen well, nor as a head, and is no longer found though it has not moved away was mostly none.
        """
        if self.likely >= WELL or self.is_head or self.guesses or float(self.seen[3] - self.seen[1]) < _TINY * small:
            return False
        then, later = self.at(self.last_seen), self.at(min(self.last, self.last_seen + brief))
        moved = (later[:2] + later[2:] - then[:2] - then[2:]) / 2
        return bool((np.abs(moved) < _STAYS * (then[2:] - then[:2])).all())

    def trust_since_seen(self) -> float:
        """Share of trusted steps since the last detection; 1 when it is the current picture."""
        steps = list(self.trust)[self.last_seen - self.first + 1 :]
        return sum(steps) / len(steps) if steps else 1.0


def worth(steps: Sequence[bool], most: int, patience: int, *, sudden: bool) -> int:
    """How many pictures past the last sight stay hidden: as long as it was vouched for, and `patience` pictures more.

    Nothing more after what came or went from one picture to the next (`sudden`).
    """
    lost = 0
    for count, sure in enumerate(steps):
        lost = 0 if sure else lost + 1
        if count >= most or lost > patience:
            return count - (lost - 1 if sudden else 0) if lost else count
    return len(steps) - (lost if sudden else 0)


def come_in(path: Path, earliest: int, room: tuple[float, float], most: int) -> None:
    """Hide the way in, of `most` pictures back to ordinal `earliest`, of who came over an edge of the picture (`room`: width, height).

    There they showed in part before anything of them could be found or followed. Further back than the edge a strip of
    them stays hidden there: with a camera that shakes they come into sight by a few pixels, and go, before they are in.
    """
    steps = min(len(path.boxes) - 1, _WAY)
    if steps < 2:
        return
    first, later, size = path.boxes[0], path.boxes[steps], path.boxes[0][2:] - path.boxes[0][:2]
    pace = (later[:2] + later[2:] - first[:2] - first[2:]) / (2 * steps)
    far = np.asarray(room, np.float32)
    comes = ((first[:2] < size * _NEAR) & (pace > size * _PACE)) | (
        (first[2:] > far - size * _NEAR) & (pace < -size * _PACE)
    )
    box, doubt = first, 0.0
    for _ in range(most if bool(comes.any()) else 0):
        if path.first <= earliest:
            return
        box = box - np.tile(np.where(comes, pace, 0), 2).astype(np.float32)
        over = np.minimum(0, far - size * _STRIP - box[:2]) + np.maximum(0, size * _STRIP - box[2:])
        box = box + np.tile(over, 2).astype(np.float32)
        doubt = min(_ALONG_MOST, doubt + _ALONG)
        along = np.where(comes, 0, size * doubt)
        path.boxes.appendleft(np.concatenate([box[:2] - along, box[2:] + along]).astype(np.float32))
        path.trust.appendleft(False)
        path.first -= 1


def reach_in(path: Path, room: tuple[float, float]) -> None:
    """Let a face that a side of the picture (`room`: width, height) cuts reach further in than was seen of it.

    Of half a face detectors see less than that half: its inner edge was up to a fifth of the face's height further in (2026-11).
    """
    rim = _RIM * room[0]
    for place, box in enumerate(path.boxes):
        x0, y0, x1, y1 = box.tolist()
        more = min(_IN, _WHOLE - (min(x1, room[0]) - max(x0, 0)) / max(y1 - y0, 1e-6)) * (y1 - y0)
        if more > 0 and (x0 <= rim or x1 >= room[0] - rim):
            low, high = (0.0 if x0 <= rim else more), (0.0 if x1 >= room[0] - rim else more)
            path.boxes[place] = np.asarray([x0 - low, y0, x1 + high, y1], np.float32)


def keep_size(path: Path, reach: int) -> None:
    """Let a face be as high where it was seen faintly as where it was seen well, up to `reach` pictures from there.

    Of a face that is turned, masked or half behind something detectors see the eyes, and lower boxes than of all of it.
    """
    well = [(ordinal, high) for ordinal, high, score in path.sizes if score >= WELL]
    seen, good = [ordinal for ordinal, _, _ in path.sizes], [ordinal for ordinal, _ in well]
    for after in range(len(seen) + 1 if well else 0):
        beside = path.sizes[max(0, after - 1) : after + 1]  # the sights before and after these pictures
        if min(score for _, _, score in beside) >= WELL:
            continue
        near = slice(bisect_left(good, beside[0][0] - reach), bisect_right(good, beside[-1][0] + reach))
        least = max((high for _, high in well[near]), default=0.0)
        first = seen[after - 1] + (path.sizes[after - 1][2] >= WELL) if after else path.first
        stop = seen[after] if after < len(seen) else path.last + 1
        for ordinal in range(max(first, path.first), min(stop, path.last + 1)):
            box = path.at(ordinal)
            high = float(box[3] - box[1])
            lower = min(least, _LARGER * high) - high
            if lower > 0:
                path.boxes[ordinal - path.first] = box + np.asarray([0, 0, 0, lower], np.float32)


def is_across(box: Floats, room: tuple[float, float]) -> bool:
    """Whether a good part of a box lies beyond an edge of the picture of that width and height."""
    size = box[2:] - box[:2]
    return bool((np.maximum(-box[:2], box[2:] - np.asarray(room, np.float32)) > _ACROSS * size).any())


def is_outside(box: Floats, room: tuple[float, float]) -> bool:
    """Whether hardly anything of a box is left in the picture of that width and height."""
    x0, y0, x1, y1 = box.tolist()
    inside = max(0.0, min(x1, room[0]) - max(x0, 0.0)) * max(0.0, min(y1, room[1]) - max(y0, 0.0))
    least = min((x1 - x0) * (y1 - y0), room[0] * room[1])
    return bool(inside < 0.1 * max(least, 1e-6))
