"""What a person said of a suspect holds in later checks, as long as the same thing shows at the same time and place.

Only `keep` is carried; what was to be hidden is in the plan. A suspect that shows more than before, longer, or somewhere
else is asked about again. What was carried is in the facts of `copy.checked`, and names the decision it rests on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bwc.canonical import Json
from bwc.custody.house import House
from bwc.evidence import Choice, ItemId, ObjectRole
from bwc.redact.check_report import CheckReport, Sight, Suspect
from bwc.redact.check_sight import area_of, shared_permille
from bwc.redact.plan import Box
from bwc.storage.rows import SuspectRow

_SLACK_FRAMES = 15  # a detector sees the same thing a little earlier or later in another copy
_SAME_PERMILLE = 333  # of both boxes together: two alike that share a half of each
_LARGER_PERMILLE = 1500  # of the earlier area: more is more of it, or somebody before it
_MOST_PERMILLE = 900  # of the sightings lie where those before lay
_MOST_REPORTS = 20  # the newest ones are read
_SHOWS = {Sight.INSIDE: 0, Sight.PARTLY: 1, Sight.VISIBLE: 2, Sight.GAP: 2}  # how much of it is in the open


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One decision that still holds: that on `from_suspect` of the check `from_report`."""

    suspect: str
    from_report: str
    from_suspect: str

    def to_json(self) -> dict[str, Json]:
        return {"from_report": self.from_report, "from_suspect": self.from_suspect, "suspect": self.suspect}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said of a suspect, by whom and when; `earlier` when it was said of the same thing in an earlier check."""

    choice: str
    by: str
    at: str
    earlier: str | None = None  # the suspect's name then

    @property
    def text(self) -> str:
        if self.earlier is None:
            return f"{self.choice}, decided by a person"
        return f"{self.choice}, as {self.by} decided on {self.at[:10]} of {self.earlier} in an earlier check"


def carry(house: House, item: ItemId, segment: int, report: CheckReport, version: str = "") -> tuple[Carried, ...]:
    """The earlier decisions to keep that hold for suspects of `report`, which is not recorded yet.

    What is kept in the common plan's copy anybody may see; what is kept for one `version`, nobody else.
    """
    found: dict[str, Carried | None] = {}
    rows = house.documents(item, segment, ObjectRole.REPORT, version=None)
    for row in [one for one in rows if one.facts.get("version", "") in ("", version)][:_MOST_REPORTS]:
        digest = str(row.facts.get("report_sha256"))
        said = house.suspects_decided(digest)
        if not said or digest == report.sha256:
            continue  # the same bytes give the same report: what was said of it holds without being carried
        before = CheckReport.from_bytes(house.read(row.object_id))
        if before.content_sha256 != report.content_sha256:
            continue
        for suspect in report.suspects:
            if suspect.id not in found:
                old = _said_of(suspect, before.suspects, said)
                if old is not None:  # the newest word counts, whatever it was
                    kept = said[old].choice == Choice.KEEP
                    found[suspect.id] = (
                        Carried(suspect=suspect.id, from_report=digest, from_suspect=old) if kept else None
                    )
    return tuple(one for one in found.values() if one is not None)


def decisions(house: House, report: CheckReport, facts: Mapping[str, Json]) -> dict[str, Said]:
    """What was said of each suspect of a recorded report; `facts` are those of its event."""
    found: dict[str, Said] = {}
    listed = facts.get("carried")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict):
            earlier = str(one.get("from_suspect"))
            row = house.suspects_decided(str(one.get("from_report"))).get(earlier)
            if row is not None and row.choice == Choice.KEEP:  # unless it was taken back since
                found[str(one.get("suspect"))] = _said(row, earlier)
    return found | {name: _said(row) for name, row in house.suspects_decided(report.sha256).items()}


def is_same(new: Suspect, old: Suspect) -> bool:
    """Whether `new` shows nothing that `old` did not show: same class, within its time, where it was, no more of it."""
    within = old.first - _SLACK_FRAMES <= new.first and new.last <= old.last + _SLACK_FRAMES
    if new.class_ != old.class_ or not within or not new.boxes or not old.boxes:  # what is said has no boxes
        return False
    if _SHOWS[new.sight] > _SHOWS[old.sight]:
        return False
    there = sum(_lies_on(box, old) for box in new.boxes)
    return 1000 * there >= _MOST_PERMILLE * len(new.boxes)


def _lies_on(spot: tuple[int, int, int, int, int], old: Suspect) -> bool:
    ordinal, *_ = spot
    nearest = min(old.boxes, key=lambda box: abs(box[0] - ordinal))
    close = abs(nearest[0] - ordinal) <= max(_SLACK_FRAMES, -(-(old.last - old.first) // max(1, len(old.boxes))))
    return close and _covers_no_more(spot[1:], nearest[1:])


def _covers_no_more(box: Box, old: Box) -> bool:
    """Whether `box` lies on `old` and `old` on it, and it is hardly larger."""
    area, before = area_of(box), area_of(old)
    shared = shared_permille(box, old) * min(area, before) // 1000
    return 1000 * shared >= _SAME_PERMILLE * (area + before - shared) and 1000 * area <= _LARGER_PERMILLE * before


def _said_of(suspect: Suspect, before: Sequence[Suspect], said: Mapping[str, SuspectRow]) -> str | None:
    return next((old.id for old in before if old.id in said and is_same(suspect, old)), None)


def _said(row: SuspectRow, earlier: str | None = None) -> Said:
    return Said(choice=row.choice, by=row.actor, at=row.at, earlier=earlier)
