"""What one check did not look at, in words for its report: a second opinion says where it has none."""

from collections.abc import Iterator

from bwc.redact.check_finders import Finders
from bwc.redact.check_lines import SEEKER, hides_text
from bwc.redact.check_search import Search, stride_for
from bwc.redact.plan import DetectorInfo, Origin, RedactionPlan
from bwc.redact.plan_view import counted, damage_text

_PLURAL = {
    "head": "heads that show no face",
    "paper": "papers and cards",
    "screen": "screens",
    "text": "lines of text",
}
_THRESHOLD = "_threshold_permille"


def limits(plan: RedactionPlan, finders: Finders, search: Search, stride: int) -> tuple[str, ...]:
    """What was not looked for in the pictures of a copy of `plan`, by a search that has ended."""
    return (*finders.not_checked, *_pictures(plan, search, stride), *_classes(plan, finders))


def _pictures(plan: RedactionPlan, search: Search, stride: int) -> Iterator[str]:
    usual = stride_for(plan)
    if search.searched == 0:
        yield "faces and plates: no whole picture of the copy was searched"
    elif stride > usual:
        yield f"faces and plates between whole pictures: one frame in {stride} was searched, usual is one in {usual}"
    if damage := damage_text(plan):
        yield f"pictures as they were: {damage}"
    if search.left_out:
        yield f"enlarged: {counted(search.left_out, 'time')} a weak hit was not looked at again, because of surer ones in its picture"


def _classes(plan: RedactionPlan, finders: Finders) -> Iterator[str]:
    """Classes on which the plan's own detectors are the only opinion."""
    known = {class_ for finder in (*finders.coarse, *finders.fine, *finders.lines) for class_ in finder.classes}
    known |= {line.partition("s:")[0] for line in finders.not_checked}  # said already
    sought = {track.class_ for track in plan.tracks if track.origin is Origin.DETECTOR}
    sought |= {class_ for one in plan.detectors for class_ in _looked_for(one)}
    if "text" in sought and not hides_text(plan):
        known.add("text")
        yield "text: every line that was found is kept, so no other was looked for"
    for class_ in sorted(sought - known):
        yield f"{_PLURAL.get(class_, class_)}: no detector of the check knows them; only gaps within a track are found"


def _looked_for(one: DetectorInfo) -> Iterator[str]:
    """What a plan's detector looked for besides faces and plates, found or not."""
    if one.name == SEEKER:
        yield "text"
    if one.name == "bwc_finder":
        kinds = (key.removesuffix(_THRESHOLD) for key in one.settings if key.endswith(_THRESHOLD))
        yield from (kind for kind in kinds if kind != "plate")
