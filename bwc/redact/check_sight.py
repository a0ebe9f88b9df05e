"""From single hits of a detector to suspects: one hit proves little, a chain of them does.

Pure arithmetic on boxes; what is covered and what is kept comes with each hit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import hypot, sqrt

from bwc.redact.check_report import Sight, Suspect
from bwc.redact.plan import Box

_MAX_BOXES = 200
_PARTLY_PERMILLE = 850  # a hit of which more than this is visible counts as visible
_OF_A_HEAD = frozenset({"face", "head"})
_UNLIKE = 2.2  # times the side: not the same subject
_INSIDE_PERMILLE = 250  # a hit of which less than this is visible lies inside a cover

# Evidence. libfacedetection at 640 raises 0.06 false alarms a photograph, at 1280 0.61 (facts, models): a chain has
# to be longer the weaker its best hit is. Beside a cover (where a track began or ended) less is asked.
_STRONG = 850
_RULES = ((1, _STRONG, 0), (2, 760, 600), (4, 720, 600), (6, 0, 600))  # hits, best, mean score in per mille
# A face of this height shows enough to be found at 0.88 to 0.93 (real clips, profile and dim light included); what
# is as large and stays below is mostly foliage (0.78 at best on a walk along hedges, 2026-11).
_LARGE = 64
_LARGE_RULES = ((1, _STRONG, 0), (2, 820, 600))
TEXT, PLATE = "text", "plate"
_TEXT_RULES = ((3, 700, 600),)  # edges, hedges and bricks look like writing now and then, not three looks in a row
# Our own networks' scores for plates are calm: half of those that are plates are under 600 on a worn camera
_PLATE_RULES = ((1, 650, 0), (2, 500, 400), (4, 350, 300))
_ON_PERMILLE = 300  # of the smaller box: a hit on what a trail follows
_PATIENCE = 12  # hits after which a chain that still proves nothing is left to the whole pictures
_RULES_BESIDE = ((1, 800, 0), (2, 750, 0), (3, 720, 600), (6, 0, 560))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One detection in one frame of the copy."""

    ordinal: int
    box: Box
    score_permille: int
    class_: str
    visible_permille: int  # share of the box that no cover hides
    beside: bool = False  # where a covered track begins or ends

    @property
    def is_inside(self) -> bool:
        return self.visible_permille < _INSIDE_PERMILLE


@dataclass(slots=True)
class Chain:
    """Hits of what is likely one subject."""

    hits: list[Hit] = field(default_factory=list)
    is_trail: bool = False  # followed by its own pixels, not found by a detector

    @property
    def last(self) -> Hit:
        return self.hits[-1]

    def may_hold(self, hit: Hit, max_gap: int) -> bool:
        last = self.last
        gap = hit.ordinal - last.ordinal
        if hit.class_ != last.class_ or hit.is_inside != last.is_inside or not 0 < gap <= max_gap:
            return False
        if not is_like_size(last.box, hit.box):
            return False
        size = max(_side(last.box), _side(hit.box))
        # a head-worn or chest-worn camera moves a small face by its own size within a few frames
        reach = size * (0.8 + 0.1 * gap)
        return _distance(last.box, hit.box) <= reach

    @property
    def is_evidence(self) -> bool:
        if self.is_trail:
            return True
        if self.last.class_ == TEXT:
            return _prove(self.hits, _TEXT_RULES)
        if self.last.class_ == PLATE and _prove(self.hits, _PLATE_RULES):
            return True
        beside = [hit for hit in self.hits if hit.beside]
        is_large = sorted(hit.box[3] - hit.box[1] for hit in self.hits)[len(self.hits) // 2] >= _LARGE
        is_open = all(hit.visible_permille == 1000 for hit in self.hits)  # half a face scores less than a whole one
        return _prove(self.hits, _LARGE_RULES if is_large and is_open else _RULES) or _prove(beside, _RULES_BESIDE)


class Chains:
    """All chains of one copy; hits come in order of frames."""

    def __init__(self, *, max_gap: int, text_gap: int | None = None) -> None:
        self._max_gap = max_gap
        self._text_gap = text_gap or max_gap
        self._open: list[Chain] = []
        self._proven: list[Chain] = []  # ended, and evidence
        self._weak: list[Chain] = []  # ended, and none

    def add(self, ordinal: int, hits: Iterable[Hit]) -> None:
        """The hits of frame `ordinal`; each joins the nearest chain that may hold it, or begins one."""
        self._close([chain for chain in self._open if ordinal - chain.last.ordinal > self._gap(chain.last.class_)])
        for hit in sorted(hits, key=lambda hit: -hit.score_permille):
            fitting = [chain for chain in self._open if chain.may_hold(hit, self._gap(hit.class_))]
            if fitting:
                min(fitting, key=lambda chain: _distance(chain.last.box, hit.box)).hits.append(hit)
            else:
                self._open.append(Chain([hit]))

    def _gap(self, class_: str) -> int:
        return self._text_gap if class_ == TEXT else self._max_gap

    def recent(self, ordinal: int, within: int) -> list[Hit]:
        """Where to look closely in frame `ordinal`, best first: the last hit of every chain seen in the `within` frames
        before that proves nothing yet and has not been looked at in vain for long."""
        found = [
            chain.last
            for chain in self._open
            if 0 < ordinal - chain.last.ordinal <= within and len(chain.hits) < _PATIENCE and not chain.is_evidence
        ]
        return sorted(found, key=lambda hit: -hit.score_permille)

    def forget(self, ordinal: int) -> None:
        """Give up ended chains that prove nothing and whose last hit is before frame `ordinal`."""
        self._weak = [chain for chain in self._weak if chain.last.ordinal >= ordinal]

    def end(self) -> None:
        """No more hits come."""
        self._close(self._open)

    def _close(self, ended: Sequence[Chain]) -> None:
        if not ended:
            return
        gone = {id(chain) for chain in ended}
        for chain in ended:
            (self._proven if chain.is_evidence else self._weak).append(chain)
        self._open = [chain for chain in self._open if id(chain) not in gone]

    def proven(self) -> list[Sequence[Hit]]:
        """The hits of every chain that is evidence."""
        return [chain.hits for chain in (*self._proven, *self._open) if chain.is_evidence]

    def saw(self, trail: Sequence[Hit]) -> bool:
        """Whether a detector had any hit, however weak, on what a trail follows."""
        near = {ordinal: hit.box for hit in trail for ordinal in (hit.ordinal - 1, hit.ordinal, hit.ordinal + 1)}
        return any(
            (box := near.get(hit.ordinal)) is not None and shared_permille(box, hit.box) >= _ON_PERMILLE
            for chain in (*self._proven, *self._weak, *self._open)
            if not chain.is_trail
            for hit in chain.hits
        )

    def saw_within(self, areas: Mapping[int, Sequence[Box]]) -> bool:
        """Whether a detector had any hit that touches one of `areas`, by frame: else it had none on what goes on there."""
        return any(
            shared_permille(area, hit.box)
            for chain in (*self._proven, *self._weak, *self._open)
            if not chain.is_trail
            for hit in chain.hits
            for area in areas.get(hit.ordinal, ())
        )

    def add_trail(self, hits: Sequence[Hit]) -> None:
        """A chain of its own that needs no further evidence."""
        self._proven.append(Chain(list(hits), is_trail=True))

    def suspects(self, end_ms: Callable[[int], int], start_ms: Callable[[int], int]) -> tuple[Suspect, ...]:
        """What a person has to look at, the riskiest first. `start_ms`, `end_ms`: when a frame is shown."""
        found = [_suspect(chain, end_ms, start_ms) for chain in (*self._proven, *self._open) if chain.is_evidence]
        return named(sorted(found, key=lambda suspect: (-suspect.risk, suspect.first, suspect.boxes)))


def named(suspects: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """`suspects` with names that tell their first frame: `s342`, and `s342b` for the next one of that frame, from the left.

    The name says where to look, and stays when other suspects come or go.
    """
    places = sorted(range(len(suspects)), key=lambda place: (suspects[place].first, suspects[place].boxes))
    names: dict[int, str] = {}
    for order, place in enumerate(places):
        same = sum(suspects[other].first == suspects[place].first for other in places[:order])
        names[place] = f"s{suspects[place].first}{_letters(same)}"
    return tuple(replace(suspect, id=names[place]) for place, suspect in enumerate(suspects))


def _letters(number: int) -> str:
    """ "", "b", "c" … "z", then "z2" and so on."""
    if number == 0:
        return ""
    return chr(ord("a") + number) if number < 26 else f"z{number - 24}"


def visible_permille(box: Box, covers: Sequence[Box]) -> int:
    """Share of `box` (per mille) that none of `covers` hides. Exact for the union, by its grid of edges."""
    x0, y0, x1, y1 = box
    inside = [
        (max(x0, cover[0]), max(y0, cover[1]), min(x1, cover[2]), min(y1, cover[3]))
        for cover in covers
        if cover[0] < x1 and cover[2] > x0 and cover[1] < y1 and cover[3] > y0
    ]
    if not inside:
        return 1000
    columns = sorted({x0, x1, *(part for cover in inside for part in (cover[0], cover[2]))})
    rows = sorted({y0, y1, *(part for cover in inside for part in (cover[1], cover[3]))})
    hidden = 0
    for left, right in pairwise(columns):
        for top, bottom in pairwise(rows):
            if any(c[0] <= left and c[2] >= right and c[1] <= top and c[3] >= bottom for c in inside):
                hidden += (right - left) * (bottom - top)
    return 1000 - 1000 * hidden // max(1, (x1 - x0) * (y1 - y0))


def shared_permille(box: Box, other: Box) -> int:
    """Share of the smaller of two boxes that lies in the other, per mille."""
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    if wide <= 0 or high <= 0:
        return 0
    return 1000 * wide * high // max(1, min(area_of(box), area_of(other)))


def area_of(box: Box) -> int:
    """Pixels of a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def is_same_class(one: str, other: str) -> bool:
    """Whether two classes may name one subject: a face is seen on a head."""
    return one == other or {one, other} <= _OF_A_HEAD


def is_like_size(box: Box, other: Box) -> bool:
    """Whether two boxes may be of one subject a moment apart, or of a face and its head."""
    return max(_side(box), _side(other)) <= _UNLIKE * min(_side(box), _side(other))


def _prove(hits: Sequence[Hit], rules: Sequence[tuple[int, int, int]]) -> bool:
    """Whether `hits` fulfil one of `rules` (hits, best score, mean score)."""
    if not hits:
        return False
    scores = [hit.score_permille for hit in hits]
    best, mean = max(scores), sum(scores) / len(scores)
    return any(len(scores) >= least and best >= top and mean >= middle for least, top, middle in rules)


def _suspect(chain: Chain, end_ms: Callable[[int], int], start_ms: Callable[[int], int]) -> Suspect:
    hits = chain.hits
    first, last = hits[0].ordinal, hits[-1].ordinal
    best = max(hit.score_permille for hit in hits)
    tallest = max(hit.box[3] - hit.box[1] for hit in hits)
    step = -(-len(hits) // _MAX_BOXES)
    if chain.is_trail:
        sight = Sight.GAP
    elif hits[0].is_inside:
        sight = Sight.INSIDE
    else:
        shown = max(hit.visible_permille for hit in hits)
        sight = Sight.VISIBLE if shown > _PARTLY_PERMILLE else Sight.PARTLY
    return Suspect(
        id="",
        class_=hits[0].class_,
        sight=sight,
        first=first,
        last=last,
        first_ms=start_ms(first),
        last_ms=end_ms(last),
        sightings=len(hits),
        best_permille=best,
        risk=best * max(1, end_ms(last) - start_ms(first)) * tallest // 1000,
        boxes=tuple((hit.ordinal, *hit.box) for hit in hits[::step]),
    )


def _side(box: Box) -> float:
    return max(1.0, sqrt((box[2] - box[0]) * (box[3] - box[1])))


def _distance(box: Box, other: Box) -> float:
    dx = (box[0] + box[2] - other[0] - other[2]) / 2
    dy = (box[1] + box[3] - other[1] - other[3]) / 2
    return hypot(dx, dy)
