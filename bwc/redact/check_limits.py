"""What one check did not look at, in words for its report: a second opinion says where it has none."""

from collections.abc import Iterator

from bwc.redact.check_finders import Finders
from bwc.redact.check_search import Search, stride_for
from bwc.redact.plan import RedactionPlan

NOTHING_SEARCHED = "faces and plates: no whole picture of the copy was searched"


def limits(plan: RedactionPlan, finders: Finders, search: Search, stride: int) -> tuple[str, ...]:
    """What was not looked for in the pictures of a copy of `plan`, by a search that has ended."""
    return (*finders.not_checked, *_pictures(plan, search, stride))


def _pictures(plan: RedactionPlan, search: Search, stride: int) -> Iterator[str]:
    usual = stride_for(plan)
    if search.searched == 0:
        yield NOTHING_SEARCHED
    elif stride > usual:
        yield f"faces and plates between whole pictures: one frame in {stride} was searched, usual is one in {usual}"
