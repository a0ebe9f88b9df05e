"""How the copy of an item is to look, changed in its plan: effect, labels and delivery. What cannot be delivered is refused here."""

from collections.abc import Callable

from bwc.canonical import parse_canonical
from bwc.custody.house import House
from bwc.evidence import ItemId, ObjectRole
from bwc.media.delivery import layout_of
from bwc.media.facts import MediaFacts
from bwc.redact import branching, editing, session
from bwc.redact.plan import RedactionPlan
from bwc.redact.plan_view import delivery_of


def amend(house: House, item: ItemId, change: Callable[[RedactionPlan], RedactionPlan], request: str = "") -> list[str]:
    """Apply `change` to the current plan of every recording; where it changes anything, the next revision is saved.

    With `request` to the versions for it; where there is none and anything is to change, it is made.

    What became a new revision, in words. Raises `UsageError`, before anything is saved, for what cannot be.
    """
    states = [branching.base(house, item, one, request) for one in session.recordings(house, item)]
    edited = [(state, change(state.plan)) for state in states]
    for state, plan in edited:
        _verify_delivery(house, item, state.segment, plan)
    saved: list[str] = []
    for state, plan in edited:
        if plan != state.plan:
            done = editing.edit(house, item, state.segment, change, what="look", request=request)
            saved += done.made
            saved.append(f"{item} segment {state.segment}: plan revision {done.state.plan.revision}")
    return saved


def _verify_delivery(house: House, item: ItemId, segment: int, plan: RedactionPlan) -> None:
    row = house.latest(item, segment, ObjectRole.FACTS)
    if row is None:
        return  # not read yet: the render, which reads the recording, refuses as well
    video = MediaFacts.from_json(parse_canonical(house.read(row.object_id))).video
    if video is not None:
        layout_of(delivery_of(plan), video)
