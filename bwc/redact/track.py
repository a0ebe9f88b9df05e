"""Detections to tracks: one subject through time, hidden before it is first seen, after it is last seen and between.

The tracker is fed stretches of pictures, small and grey, each ending with a picture that detectors have looked at.
In each stretch
 1. every live track is carried forward from the last detection,
 2. detections are matched to the tracks that arrive there,
 3. matched tracks are carried backward from the new detection; both ways together are what is hidden; who is seen for
    the second time is carried on past the first sight, at which detectors may see but a part of who comes into sight,
 4. a detection that matches nobody is carried backward until it meets where a track was lost, else it is new,
 5. new tracks are carried backward past their first sight,
 6. tracks not seen for too long, or out of the picture, end.
A cut ends every track. Boxes are floats in pixels of the small picture and may leave it; nothing is clipped here.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from bwc.redact.crossing import Ground, is_crossing
from bwc.redact.flow import Floats, Still, carry
from bwc.redact.heads import FACE, LOOKED_FOR, Sighting, as_faces, head_around, held_by, joined
from bwc.redact.likeness import Follower
from bwc.redact.meeting import alike, may_be, shared_of
from bwc.redact.path import Habits, Path, come_in, is_across, is_outside, keep_size, reach_in, worth

__all__ = ["Habits", "Path", "Sighting", "Tracker", "alike"]


class Tracker:
    """Feed it with `advance`, `cut` and `finish`; `done` holds the tracks that have ended, in order of their end."""

    def __init__(self, habits: Habits, *, width: int, height: int) -> None:
        self.habits = habits
        self.done: list[Path] = []
        self.let_go: list[Path] = []  # ended, and not to be hidden
        self.is_let_go: Callable[[Path], bool] = lambda _: False
        self._live: list[Path] = []
        self._past: deque[tuple[int, Still]] = deque(maxlen=max(habits.hold, habits.lead) + 1)
        self._width, self._height = float(width), float(height)
        self._began = 0  # the first ordinal of the scene
        self._ground = Ground(habits.brief, float(width))

    def advance(self, stretch: Sequence[tuple[int, Still]], sightings: Sequence[Sighting]) -> None:
        """Take in consecutive pictures by ordinal; `sightings` is what detectors saw in the last of them."""
        if not self._past:
            self._began = stretch[0][0]
        for ordinal, still in stretch:
            self._carry_forward(still)
            self._ground.go(still)
            self._past.append((ordinal, still))
        now = stretch[-1][0]
        pairs, unmatched = self._match(now, as_faces(sightings))
        back: list[tuple[Path, Floats, int]] = []
        for path, seen in pairs:
            stop = path.last_seen if path.hits > 1 else path.first_seen - self.habits.brief - 1
            back += [(path, box, stop) for box in seen.boxes()]
            self._saw(path, seen, now)
        self._lead()
        self._carry_back(now, back)
        self._take_in(now, [seen for seen in unmatched if self._may_begin(seen)])
        self._lead()
        self._miss(now)
        self._retire(now)

    def live(self) -> Sequence[Path]:
        """The tracks that have not ended, in order of their beginning."""
        return self._live

    def cut(self) -> None:
        """The next picture belongs to another scene."""
        for path in self._live:
            self._end(path, "cut")
        self._live = []
        self._past.clear()
        self._ground.lose()

    def is_unsure(self) -> bool:
        """Whether somebody in sight needs looking at soon: small, doubtful, or being lost."""
        return any(self._is_in_doubt(path) for path in self._live)

    def _is_in_doubt(self, path: Path) -> bool:
        unseen = path.last - path.last_seen
        if unseen > 2 * self.habits.brief or path.class_ not in LOOKED_FOR or not self._is_known(path):
            return False
        is_small = float(path.here[3] - path.here[1]) < self.habits.small
        return is_small or not self._is_strong(path) or path.now.lost > 0

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
        before = self._past[-1][1]
        fixed = [path.body for path in self._live if path.body is not None]
        moved = carry(before, still, np.stack([one.box for one in [*(path.now for path in self._live), *fixed]]))
        stay: list[Path] = []
        bodies = zip(moved.boxes[len(self._live) :], moved.trusted[len(self._live) :], strict=True)
        for path, box, trusted in zip(self._live, moved.boxes, moved.trusted, strict=False):
            body = next(bodies) if path.body is not None else None
            if self._is_outside(box):
                self._end(path, "edge")
                continue
            sure = path.now.step(before.grey, still.grey, box, by_motion=bool(trusted))
            path.boxes.append(path.here)
            path.trust.append(sure)
            if body is not None:
                self._step_body(path, before, still, path.last, box=body[0], trusted=bool(body[1]))
            stay.append(path)
        self._live = stay

    # 2
    def _match(self, now: int, sightings: Sequence[Sighting]) -> tuple[list[tuple[Path, Sighting]], list[Sighting]]:
        """Pairs, best first, and the sightings left over."""
        offers: list[tuple[bool, float, int, int]] = []
        for i, path in enumerate(self._live):
            is_weak = not self._is_known(path)
            for j, seen in enumerate(sightings):
                if seen.class_ == path.class_:
                    likeness = alike(path.here, seen.box)
                    if likeness > 0:
                        # between equals, the one seen more recently has the better claim; before all, who was seen firmly
                        offers.append((is_weak, -likeness + 0.001 * (now - path.last_seen), i, j))
        pairs: list[tuple[Path, Sighting]] = []
        taken_paths: set[int] = set()
        taken: set[int] = set()
        for _, _, i, j in sorted(offers):
            if i not in taken_paths and j not in taken:
                taken_paths.add(i)
                taken.add(j)
                pairs.append((self._live[i], sightings[j]))
        return pairs, [seen for j, seen in enumerate(sightings) if j not in taken]

    def _saw(self, path: Path, seen: Sighting, now: int) -> None:
        path.longest_gap = max(path.longest_gap, now - path.last_seen)
        path.last_seen, path.seen = now, seen.box
        path.hits += 1
        if self._is_firm(seen) and not self._is_known(path):
            path.begin(now, seen.box)
        path.firm += self._is_firm(seen)
        self._note(path, seen)
        if shared_of(path.here, seen.box) > 0.5 or path.trust[-1]:
            path.widen(now, seen.box)
        else:  # the carried box had drifted and nobody vouched for it: it says nothing
            path.boxes[-1] = seen.box
        if seen.also is not None:
            path.widen(now, seen.also)
        path.now = Follower.at(self._past[-1][1].grey, seen.box)
        path.body = path.beside = None
        if seen.covers is None and self._is_firm(seen):
            path.sights.append(now)
        if seen.covers is not None:
            path.widen(now, seen.covers)
            path.is_head = True
        path.trust[-1] = True

    def _note(self, path: Path, seen: Sighting) -> None:
        """Remember what a sight says of who it is and how large."""
        path.note(seen.score, seen.ours)
        if seen.class_ != FACE:
            return
        if seen.covers is None:
            path.sizes.append((path.last_seen, float(seen.box[3] - seen.box[1]), seen.score))
        if not self.is_believed(path) and (place := self._ground.place(path.last_seen, seen.box)):
            path.way.append(place)
            path.crosses = is_crossing(list(path.way), self.habits.brief)

    # 3
    def _carry_back(self, now: int, jobs: Sequence[tuple[Path, Floats, int]]) -> None:
        """Carry each box from `now` back to the ordinal after `stop`, widening what its track holds there.

        Before the first sight only as long as it is vouched for.
        """
        for ordinal, going in self._backward(now, [(box, stop + 1) for _, box, stop in jobs]):
            for i, follower in going:
                path = jobs[i][0]
                if ordinal <= path.first_seen and (follower.lost or ordinal < path.first):
                    follower.ended = True
                else:
                    path.widen(ordinal, follower.box)

    # 4
    def _take_in(self, now: int, unmatched: Sequence[Sighting]) -> None:
        waiting = {id(path): path for path in self._live if path.last_seen < now}
        trails: list[dict[int, Floats]] = [{} for _ in unmatched]
        oldest = [min((p.last_seen for p in waiting.values() if may_be(p, seen)), default=now) for seen in unmatched]
        jobs = [(seen.box, stop) for seen, stop in zip(unmatched, oldest, strict=True)]
        for ordinal, going in self._backward(now, jobs):
            for i, follower in going:
                if follower.lost:
                    follower.ended = True
                else:
                    trails[i][ordinal] = follower.box
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
                fresh = Path(
                    class_=seen.class_,
                    first=now,
                    boxes=deque([seen.box if seen.covers is None else seen.covers]),
                    trust=deque([True]),
                    now=Follower.at(self._past[-1][1].grey, seen.box),
                    sights=[now] if seen.covers is None else [],
                    last_seen=now,
                    seen=seen.box,
                    first_seen=now,
                    is_head=seen.covers is not None,
                )
                fresh.firm = int(self._is_firm(seen))
                self._note(fresh, seen)
                self._live.append(fresh)

    # 5
    def _lead(self) -> None:
        """Carry newly believed tracks back past their first sight."""
        new = [path for path in self._live if not path.led and self.is_believed(path)]
        for path in new:
            path.led = True
        groups: dict[int, list[Path]] = {}
        for path in new:
            groups.setdefault(path.first, []).append(path)
        for first, paths in groups.items():
            jobs = [(path.boxes[0], first - self.habits.most_lead(path.boxes[0])) for path in paths]
            for ordinal, going in self._backward(first, jobs):
                for i, follower in going:
                    over = follower.lost > 0 and is_across(follower.box, (self._width, self._height))
                    if over or follower.lost > self.habits.brief or self._is_outside(follower.box):
                        follower.ended = True
                        continue
                    paths[i].boxes.appendleft(follower.box)
                    paths[i].trust.appendleft(not follower.lost)
                    paths[i].first = ordinal
                    paths[i].appeared = follower.vanished

    def _miss(self, now: int) -> None:
        """Follow the bodies of those whom this look has missed, from where they were last seen."""
        gone = [path for path in self._live if path.last_seen < now and path.body is None and self._is_known(path)]
        missed = [path for path in gone if path.class_ in LOOKED_FOR]
        if not missed:
            return
        stills = dict(self._past)
        since = min(path.last_seen for path in missed)
        for ordinal in range(since, now):
            if ordinal not in stills:
                continue
            for path in missed:
                if path.last_seen == ordinal:
                    path.body = Follower.at(stills[ordinal].grey, held_by(path.seen, path.class_))
                    path.beside = path.at(ordinal)
                    if path.class_ == FACE:
                        path.beside = joined(path.beside, head_around(path.seen))
            before, after = stills[ordinal], stills[ordinal + 1]
            begun = [path for path in missed if path.body is not None]
            if not begun:
                continue
            moved = carry(before, after, np.stack([path.body.box for path in begun if path.body is not None]))
            for path, box, trusted in zip(begun, moved.boxes, moved.trusted, strict=True):
                self._step_body(path, before, after, ordinal + 1, box=box, trusted=bool(trusted))

    def _step_body(self, path: Path, before: Still, after: Still, ordinal: int, *, box: Floats, trusted: bool) -> None:
        """The body of `path` one picture on; what is hidden in it grows by where the body puts the head or plate."""
        body = path.body
        if body is None or path.beside is None:
            return
        was = body.box
        sure = body.step(before.grey, after.grey, box, by_motion=trusted)
        if self._is_outside(body.box):
            return
        path.beside = path.beside + np.tile((body.box[:2] + body.box[2:] - was[:2] - was[2:]) / 2, 2)
        if sure and alike(path.beside, path.at(ordinal)) > 0:
            path.widen(ordinal, path.beside)
            path.trust[ordinal - path.first] = True

    # 6
    def _retire(self, now: int) -> None:
        stay: list[Path] = []
        seen_now = [path for path in self._live if path.last_seen == now]
        for path in self._live:
            unseen = now - path.last_seen
            known = self._is_known(path) and self._is_followed(path)
            patience = self.habits.hold if known else self.habits.patience(path.class_)
            if unseen and any(
                other.class_ == path.class_ and shared_of(other.here, path.here) > 0.5 for other in seen_now
            ):
                self._end(path, "merged")
            elif unseen > patience:
                self._end(path, "lost")
            else:
                stay.append(path)
        self._live = stay

    def _end(self, path: Path, how: str) -> None:
        """Close a track; what was carried on in vain is cut down to what the evidence is worth."""
        if not self.is_believed(path):
            return
        path.ended_by = "edge" if how == "lost" and self._is_at_edge(path.here) else how
        lone = path.hits < 2 and not self._is_sure(path)
        steps = list(path.trust)
        after, before = steps[path.last_seen - path.first + 1 :], steps[: path.first_seen - path.first][::-1]
        brief = self.habits.brief
        missed = path.class_ == FACE and path.is_missed(self.habits.small, brief)
        linger = brief if lone or missed else self.habits.linger
        for _ in range(len(after) - worth(after, linger, brief, sudden=path.has_vanished())):
            path.boxes.pop()
            path.trust.pop()
        lead = brief if lone else self.habits.most_lead(path.at(path.first_seen))
        for _ in range(len(before) - worth(before, lead, brief, sudden=path.appeared)):
            path.boxes.popleft()
            path.trust.popleft()
            path.first += 1
        come_in(path, self._began, (self._width, self._height), self.habits.brief)
        if path.class_ == FACE:
            reach_in(path, (self._width, self._height))
            self._hide_heads(path)
            keep_size(path, self.habits.hold)
        where = self.let_go if self.is_let_go(path) else self.done
        path.close()
        where.append(path)

    def _hide_heads(self, path: Path) -> None:
        """Where a face was not seen for a while its person may have turned away: the whole head is hidden."""
        sights, at = path.sights, 0
        for ordinal in range(path.first, path.last + 1):
            while at < len(sights) and sights[at] < ordinal:
                at += 1
            around = [abs(sight - ordinal) for sight in sights[max(0, at - 1) : at + 1]]
            if min(around, default=self.habits.brief) > self.habits.glance:
                path.widen(ordinal, head_around(path.at(ordinal)))

    def _backward(
        self, now: int, jobs: Sequence[tuple[Floats, int]]
    ) -> Iterator[tuple[int, list[tuple[int, Follower]]]]:
        """(ordinal, [(index of job, where it is)]) for each earlier picture at hand, from `now` (left out) back.

        `jobs` are (box at `now`, earliest ordinal wanted); one whose follower is marked as ended is left where it is.
        """
        stills = [(ordinal, still) for ordinal, still in self._past if ordinal <= now]
        followers = [Follower.at(stills[-1][1].grey, box) for box, _ in jobs] if stills else []
        for (_, after), (ordinal, before) in zip(reversed(stills), list(reversed(stills))[1:], strict=False):
            active = [i for i, one in enumerate(followers) if jobs[i][1] <= ordinal and not one.ended]
            if not active:
                return
            moved = carry(after, before, np.stack([followers[i].box for i in active]), backward=True)
            for i, box, trusted in zip(active, moved.boxes, moved.trusted, strict=True):
                followers[i].step(after.grey, before.grey, box, by_motion=bool(trusted))
            yield ordinal, [(i, followers[i]) for i in active]

    def is_believed(self, path: Path) -> bool:
        return path.firm >= 2 or path.likely >= self.habits.start[path.class_] or path.crosses or path.is_clear

    def _is_firm(self, seen: Sighting) -> bool:
        """Whether it may be somebody new, not only a sign that somebody known is still there."""
        return seen.score >= self.habits.new.get(seen.class_, 0.0)

    def _may_begin(self, seen: Sighting) -> bool:
        """Firm sights may; under a fast pan weak ones of faces, too: it can be told who crosses the background."""
        return self._is_firm(seen) or (seen.class_ == FACE and self._ground.is_panned())

    def _is_known(self, path: Path) -> bool:
        """Whether it was seen firmly or is believed for another reason; others are only asked whether they cross the background."""
        return path.firm > 0 or self.is_believed(path)

    def _is_sure(self, path: Path) -> bool:
        return path.likely >= self.habits.sure[path.class_]

    def _is_followed(self, path: Path) -> bool:
        """Whether an unseen track is worth waiting for: known well, or vouched for in most pictures since."""
        return (path.hits >= 2 or self._is_sure(path)) and path.trust_since_seen() > 0.5

    def _is_strong(self, path: Path) -> bool:
        return path.hits >= self.habits.sure_hits and self._is_sure(path)

    def _is_at_edge(self, box: Floats) -> bool:
        """Whether a box touches the rim of the picture, where flow has nothing to hold on to."""
        x0, y0, x1, y1 = box.tolist()
        rim = 0.01 * self._width
        return bool(min(x0, y0) <= rim or x1 >= self._width - rim or y1 >= self._height - rim)

    def _is_outside(self, box: Floats) -> bool:
        return is_outside(box, (self._width, self._height))
