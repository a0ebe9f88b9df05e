"""Which pictures of the two files a check need not decode, because it knows what is in them; and what it knows.

 1. a group that the copy holds bit for bit is decoded once, from the copy: it is equal to the original's
 2. it is not decoded at all if it was searched in vain while another pass decoded the original (`check_bystander`) and nothing
    is to be hidden in it; with places of doubt in it only what follows the last of them is not
 3. of another group the original's pictures were made small then, which is all that the copy is compared with; what lies under a cover
    there is decoded when a search asks for it (`check_trail`)

Without a bystander only the first holds.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bwc.media.twins import Spans, Twin, runs
from bwc.redact.check_places import Place
from bwc.redact.plan import Coverage, PlanMedia


class Witness(Protocol):
    """Who saw the original before; see `check_bystander.Bystander`."""

    def knows(self, twin: Twin, height: int, width: int) -> bool: ...
    def is_empty(self, twin: Twin) -> bool: ...
    def has_small(self, twin: Twin) -> bool: ...
    def small(self, twin: Twin, number: int) -> NDArray[np.uint8]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What need not be decoded."""

    original: Spans = ()
    copy: Spans = ()
    same: Spans = ()  # of the original's pictures: the copy holds the same bytes


def known_pictures(
    twins: Sequence[Twin],
    media: PlanMedia,
    covers: Coverage,
    places: Iterable[Place],
    witness: Witness | None,
) -> Known:
    """What of the groups `twins` need not be decoded for a check of a plan with such `covers` and `places` of doubt."""
    doubted = {ordinal for place in places for ordinal in place.boxes}

    def ordinals(twin: Twin) -> range | None:
        first, last = media.pts.ordinal_of(twin.first), media.pts.ordinal_of(twin.last)
        if first is None or last is None or last - first + 1 != twin.frames:
            return None
        return range(first, last + 1)

    def rest(twin: Twin, held: range) -> list[tuple[int, int] | None]:
        """Of a group what follows the last doubt, in ticks of the original; a part is no neighbour of what is before."""
        stop = max((one for one in held if one in doubted), default=held[0] - 1) + 1
        if stop == held[0]:
            return [(twin.first, twin.last)]
        return [None, (media.pts.pts_of(stop), twin.last)] if stop in held else [None]

    def in_copy(twin: Twin) -> list[tuple[int, int] | None]:
        held = ordinals(twin) if twin.copied and witness and knows(twin) and witness.is_empty(twin) else None
        if held is None or twin.copied is None or not all(covers.at(one).is_clear for one in held):
            return [None]
        (start, end), ticks = twin.copied, max(1, twin.last - twin.first)
        return [span and (start + -((span[0] - twin.first) * (start - end) // ticks), end) for span in rest(twin, held)]

    def in_original(twin: Twin) -> tuple[int, int] | None:
        is_known = witness is not None and knows(twin) and witness.has_small(twin) and ordinals(twin) is not None
        return (twin.first, twin.last) if twin.copied is not None or is_known else None

    def knows(twin: Twin) -> bool:
        return witness is not None and witness.knows(twin, media.height, media.width)

    return Known(
        original=runs(map(in_original, twins)),
        copy=runs(span for twin in twins for span in in_copy(twin)),
        same=runs((twin.first, twin.last) if twin.copied else None for twin in twins),
    )


class Smalls:
    """The original's small pictures that a witness kept, asked for in the order of showing."""

    def __init__(self, twins: Iterable[Twin], media: PlanMedia, witness: Witness | None) -> None:
        self._twins, self._pts, self._witness = deque(twins), media.pts, witness

    def at(self, pts: int) -> NDArray[np.uint8] | None:
        """That of the picture at `pts`, of a group that the witness knows."""
        while self._twins and self._twins[0].last < pts:
            self._twins.popleft()
        if self._witness is None or not self._twins:
            return None
        place, first = self._pts.ordinal_of(pts), self._pts.ordinal_of(self._twins[0].first)
        return None if place is None or first is None else self._witness.small(self._twins[0], place - first)


class Cursor:
    """Whether pictures, asked about in order, lie in spans."""

    def __init__(self, spans: Spans) -> None:
        self._spans = deque(spans)

    def holds(self, pts: int) -> bool:
        while self._spans and pts > self._spans[0][1]:
            self._spans.popleft()
        return bool(self._spans) and pts >= self._spans[0][0]
