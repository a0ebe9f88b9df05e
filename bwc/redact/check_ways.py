"""Which ways round the check looks for people: as pictures are shown, as the plan says, and as somebody was just seen to stand."""

from collections.abc import Sequence

from bwc.redact.detectors.base import Detection
from bwc.redact.plan import TURNED, RedactionPlan


class Ways:
    """Quarter turns from how a picture is shown, besides none. Pictures come in order, what was seen in them somewhat later."""

    def __init__(self, plan: RedactionPlan, awake: int) -> None:
        """Who was seen standing another way is looked for that way for `awake` frames."""
        said = plan.extensions.get(TURNED)
        quarters = said.get("quarters") if isinstance(said, dict) else None
        self._always = {one for one in quarters if one in (1, 2, 3)} if isinstance(quarters, list) else set()
        self._awake, self._last = awake, dict[int, int]()

    def at(self, ordinal: int) -> tuple[int, ...]:
        """In which turns to search frame `ordinal`."""
        lately = {way for way, last in self._last.items() if ordinal - last <= self._awake}
        return tuple(sorted(self._always | lately))

    def told(self, ordinal: int, seen: Sequence[tuple[int, Detection]]) -> list[Detection]:
        """Who was seen standing another way in frame `ordinal`."""
        self._last |= {way: ordinal for way, _ in seen}
        return [one for _, one in seen]
