"""What an edit says of itself."""

import pytest

from bwc.evidence import ItemId
from bwc.redact.editing import Edited
from bwc.redact.plan_format import to_bytes
from bwc.redact.session import PlanState
from tests.redact.clips import make_clip, plan_for


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ((), "nothing to decide (plan revision 1, 1 undecided)"),
        (("t1", "t4"), "nothing to decide: t1, t4 (plan revision 1, 1 undecided)"),
        (tuple(f"t{place}" for place in range(13)), "nothing to decide: 13 tracks (plan revision 1, 1 undecided)"),
    ],
)
def test_names_are_told_where_there_are_any(changed: tuple[str, ...], said: str) -> None:
    plan = plan_for(make_clip(audio=False))
    state = PlanState(item=ItemId("2026-1122-K4J7QX"), segment=0, plan=plan, data=to_bytes(plan))
    assert Edited(state=state, changed=changed, what="nothing to decide").text() == said
