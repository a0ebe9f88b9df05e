"""Detections to tracks: one subject through time, hidden before it is first seen, after it is last seen and between.

The tracker is fed stretches of pictures, small and grey, each ending with a picture that detectors have looked at.
In each stretch
 1. every live track is carried forward from the last detection,
 2. detections are matched to the tracks that arrive there,
 3. matched tracks are carried backward from the new detection; both ways together are what is hidden,
 4. a detection that matches nobody is carried backward until it meets where a track was lost, else it is new,
 5. new tracks are carried backward past their first sight,
 6. tracks not seen for too long, or out of the picture, end.
A cut ends every track. Boxes are floats in pixels of the small picture and may leave it; nothing is clipped here.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bwc.redact.detectors.base import overlap
from bwc.redact.flow import Floats, Still, carry


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How long tracks live, in frames of this recording, and what evidence they need (scores 0 to 1).

    `start` a lone detection this good starts a track; below it a second one must follow.
    `sure` and `sure_hits`: evidence strong enough for policy to decide.
    `hold` frames a well-tracked subject is waited for; `linger` frames it stays hidden if it does not come back.
    `lead` frames it is hidden before first sight. `brief` is the least of all these for poor evidence.
    """

    start: dict[str, float]
    sure: dict[str, float]
    sure_hits: int = 3
    hold: int = 90
    linger: int = 30
    lead: int = 30
    brief: int = 15


@dataclass(slots=True)
class Path:
    """A track in the making: `boxes[i]` belongs to ordinal `first + i`; `trust[i]` whether that step was vouched for."""

    class_: str
    first: int
    boxes: deque[Floats]  # what is hidden
    trust: deque[bool]
    here: Floats  # where the subject is now: a detector's box, carried on; not widened, so that it cannot swell
    last_seen: int
    first_seen: int
    hits: int = 1
    best: float = 0.0
    led: bool = False  # carried back past its first sight
    longest_gap: int = 0
    ended_by: str = ""  # "", "cut", "edge", "lost", "merged", "end"

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1

    def at(self, ordinal: int) -> Floats:
        return self.boxes[ordinal - self.first]

    def widen(self, ordinal: int, box: Floats) -> None:
        """Make the box of `ordinal` cover `box` too."""
        own = self.at(ordinal)
        self.boxes[ordinal - self.first] = np.concatenate(
            [np.minimum(own[:2], box[:2]), np.maximum(own[2:], box[2:])]
        ).astype(np.float32)

    def trust_since_seen(self) -> float:
        """Share of trusted steps since the last detection; 1 when it is the current picture."""
        steps = list(self.trust)[self.last_seen - self.first + 1 :]
        return sum(steps) / len(steps) if steps else 1.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """A detection in small-picture pixels."""

    box: Floats
    score: float
    class_: str


class Tracker:
    """Feed it with `advance`, `cut` and `finish`; `done` holds the tracks that have ended, in order of their end."""

    def __init__(self, habits: Habits, *, width: int, height: int) -> None:
        self.habits = habits
        self.done: list[Path] = []
        self._live: list[Path] = []
        self._past: deque[tuple[int, Still]] = deque(maxlen=max(habits.hold, habits.lead) + 1)
        self._frame = np.asarray([0, 0, width, height], np.float32)

    def advance(self, stretch: Sequence[tuple[int, Still]], sightings: Sequence[Sighting]) -> None:
        """Take in consecutive pictures by ordinal; `sightings` is what detectors saw in the last of them."""
        for ordinal, still in stretch:
            self._carry_forward(still)
            self._past.append((ordinal, still))
        now = stretch[-1][0]
        pairs, unmatched = self._match(now, sightings)
        back: list[tuple[Path, Floats, int]] = []
        for path, seen in pairs:
            back.append((path, seen.box, path.last_seen))
            self._saw(path, seen, now)
        self._carry_back(now, back)
        self._take_in(now, unmatched)
        self._lead()
        self._retire(now)

    def cut(self) -> None:
        """The next picture belongs to another scene."""
        for path in self._live:
            self._end(path, "cut")
        self._live = []
        self._past.clear()

    def finish(self) -> list[Path]:
        """End every track that is left; all tracks in order of first frame."""
        for path in self._live:
            self._end(path, "end")
        self._live = []
        return sorted(self.done, key=lambda path: (path.first, path.class_, tuple(path.boxes[0].tolist())))

    # 1
    def _carry_forward(self, still: Still) -> None:
        if not self._live:
            return
        moved = carry(self._past[-1][1], still, np.stack([path.here for path in self._live]))
        stay: list[Path] = []
        for path, box, trusted in zip(self._live, moved.boxes, moved.trusted, strict=True):
            if self._is_outside(box):
                self._end(path, "edge")
                continue
            path.here = box
            path.boxes.append(box)
            path.trust.append(bool(trusted))
            stay.append(path)
        self._live = stay

    # 2
    def _match(self, now: int, sightings: Sequence[Sighting]) -> tuple[list[tuple[Path, Sighting]], list[Sighting]]:
        """Pairs, best first, and the sightings left over."""
        offers: list[tuple[float, int, int]] = []
        for i, path in enumerate(self._live):
            for j, seen in enumerate(sightings):
                if seen.class_ == path.class_:
                    likeness = alike(path.here, seen.box)
                    if likeness > 0:
                        # between equals, the one seen more recently has the better claim
                        offers.append((-likeness + 0.001 * (now - path.last_seen), i, j))
        pairs: list[tuple[Path, Sighting]] = []
        taken_paths: set[int] = set()
        taken: set[int] = set()
        for _, i, j in sorted(offers):
            if i not in taken_paths and j not in taken:
                taken_paths.add(i)
                taken.add(j)
                pairs.append((self._live[i], sightings[j]))
        return pairs, [seen for j, seen in enumerate(sightings) if j not in taken]

    def _saw(self, path: Path, seen: Sighting, now: int) -> None:
        path.longest_gap = max(path.longest_gap, now - path.last_seen)
        path.last_seen = now
        path.hits += 1
        path.best = max(path.best, seen.score)
        if _iou(path.here, seen.box) > 0.5:
            path.widen(now, seen.box)
        else:  # the carried box had drifted: it says nothing
            path.boxes[-1] = seen.box
        path.here = seen.box
        path.trust[-1] = True

    # 3
    def _carry_back(self, now: int, jobs: Sequence[tuple[Path, Floats, int]]) -> None:
        """Carry each box from `now` back to the ordinal after `stop`, widening what its track holds there."""
        for ordinal, active, boxes, _ in self._backward(now, [(box, stop + 1) for _, box, stop in jobs]):
            for i, box in zip(active, boxes, strict=True):
                jobs[i][0].widen(ordinal, box)

    # 4
    def _take_in(self, now: int, unmatched: Sequence[Sighting]) -> None:
        waiting = {id(path): path for path in self._live if path.last_seen < now}
        trails: list[dict[int, Floats]] = [{} for _ in unmatched]
        oldest = [min((p.last_seen for p in waiting.values() if _may_be(p, seen)), default=now) for seen in unmatched]
        jobs = [(seen.box, stop) for seen, stop in zip(unmatched, oldest, strict=True)]
        for ordinal, active, boxes, trusted in self._backward(now, jobs):
            for i, box, sure in zip(active, boxes, trusted, strict=True):
                if sure and (ordinal == now - 1 or ordinal + 1 in trails[i]):
                    trails[i][ordinal] = box
        for seen, trail in zip(unmatched, trails, strict=True):
            lost = [
                path
                for path in waiting.values()
                if path.class_ == seen.class_
                and path.last_seen in trail
                and alike(path.at(path.last_seen), trail[path.last_seen]) > 0
            ]
            if lost:
                path = max(lost, key=lambda one: one.last_seen)
                del waiting[id(path)]
                for ordinal, box in trail.items():
                    if ordinal > path.last_seen:
                        path.widen(ordinal, box)
                self._saw(path, seen, now)
            else:
                self._live.append(
                    Path(
                        class_=seen.class_,
                        first=now,
                        boxes=deque([seen.box]),
                        trust=deque([True]),
                        here=seen.box,
                        last_seen=now,
                        first_seen=now,
                        best=seen.score,
                    )
                )

    # 5
    def _lead(self) -> None:
        """Carry newly believed tracks back past their first sight."""
        new = [path for path in self._live if not path.led and self._is_believed(path)]
        for path in new:
            path.led = True
        groups: dict[int, list[Path]] = {}
        for path in new:
            groups.setdefault(path.first, []).append(path)
        for first, paths in groups.items():
            jobs = [(path.boxes[0], first - self.habits.lead) for path in paths]
            gone: set[int] = set()
            for ordinal, active, boxes, trusted in self._backward(first, jobs):
                for i, box, sure in zip(active, boxes, trusted, strict=True):
                    if i in gone or self._is_outside(box):
                        gone.add(i)
                        continue
                    if not sure and first - ordinal > self.habits.brief:
                        gone.add(i)
                        continue
                    paths[i].boxes.appendleft(box)
                    paths[i].trust.appendleft(bool(sure))
                    paths[i].first = ordinal

    # 6
    def _retire(self, now: int) -> None:
        stay: list[Path] = []
        seen_now = [path for path in self._live if path.last_seen == now]
        for path in self._live:
            unseen = now - path.last_seen
            patience = (
                self.habits.hold if self._is_strong(path) and path.trust_since_seen() > 0.5 else self.habits.brief
            )
            if unseen and any(other.class_ == path.class_ and _iou(other.here, path.here) > 0.5 for other in seen_now):
                self._end(path, "merged")
            elif unseen > patience:
                self._end(path, "lost")
            else:
                stay.append(path)
        self._live = stay

    def _end(self, path: Path, how: str) -> None:
        """Close a track; what was carried on in vain is cut down to what the evidence is worth."""
        if not self._is_believed(path):
            return
        path.ended_by = "edge" if how == "lost" and self._is_at_edge(path.here) else how
        habits = self.habits
        worth = 1.0 if self._is_strong(path) else 0.5 if path.hits >= habits.sure_hits else 0.0
        while path.last > path.last_seen + max(habits.brief, worth * habits.linger):
            path.boxes.pop()
            path.trust.pop()
        while path.first < path.first_seen - max(habits.brief, worth * habits.lead):
            path.boxes.popleft()
            path.trust.popleft()
            path.first += 1
        self.done.append(path)

    def _backward(
        self, now: int, jobs: Sequence[tuple[Floats, int]]
    ) -> "Sequence[tuple[int, list[int], Floats, list[bool]]]":
        """(ordinal, indices, boxes, trusted) for each earlier picture at hand, from `now` (left out) back.

        `jobs` are (box at `now`, earliest ordinal wanted).
        """
        steps: list[tuple[int, list[int], Floats, list[bool]]] = []
        stills = [(ordinal, still) for ordinal, still in self._past if ordinal <= now]
        boxes = {i: box for i, (box, _) in enumerate(jobs)}
        for (_, after), (ordinal, before) in zip(reversed(stills), list(reversed(stills))[1:], strict=False):
            active = [i for i in boxes if jobs[i][1] <= ordinal]
            if not active:
                break
            moved = carry(after, before, np.stack([boxes[i] for i in active]), backward=True)
            boxes = dict(zip(active, moved.boxes, strict=True))
            steps.append((ordinal, active, moved.boxes, [bool(sure) for sure in moved.trusted]))
        return steps

    def _is_believed(self, path: Path) -> bool:
        return path.hits >= 2 or path.best >= self.habits.start[path.class_]

    def _is_strong(self, path: Path) -> bool:
        return path.hits >= self.habits.sure_hits and path.best >= self.habits.sure[path.class_]

    def _is_at_edge(self, box: Floats) -> bool:
        """Whether a box touches the rim of the picture, where flow has nothing to hold on to."""
        rim = 0.01 * self._frame[2]
        return bool((box[:2] <= rim).any() or (box[2:] >= self._frame[2:] - rim).any())

    def _is_outside(self, box: Floats) -> bool:
        """Whether hardly anything of a box is left in the picture."""
        _, inside = overlap(box, self._frame[None])
        return bool(inside[0] < 0.1)


def alike(one: Floats, other: Floats) -> float:
    """How well two boxes may be the same subject in the same picture: 0 for no, up to 2."""
    shared = _iou(one, other)
    size, other_size = one[2:] - one[:2], other[2:] - other[:2]
    ratio = float(np.sqrt(size.prod() / max(float(other_size.prod()), 1e-6)))
    if not 0.4 < ratio < 2.5:
        return 0.0
    apart = np.abs((one[:2] + one[2:]) - (other[:2] + other[2:])) / 2 / np.maximum(np.maximum(size, other_size), 1e-6)
    closeness = 1 - float(apart.max())
    return shared + closeness if shared > 0.15 or closeness > 0.5 else 0.0


def _may_be(path: Path, seen: Sighting) -> bool:
    """Whether a lost track could have come this far; following every sighting back through seconds costs too much."""
    if path.class_ != seen.class_:
        return False
    size, seen_size = path.here[2:] - path.here[:2], seen.box[2:] - seen.box[:2]
    apart = np.abs((path.here[:2] + path.here[2:]) - (seen.box[:2] + seen.box[2:])) / 2
    return bool((apart < 3 * np.maximum(size, seen_size)).all())


def _iou(one: Floats, other: Floats) -> float:
    shared, _ = overlap(one, other[None])
    return float(shared[0])
