"""Versions of an item's plan: one for each request that needs its own, beside the common plan that all branch from.

A version is a plan with a plan id and revisions of its own. Its extension `version` says for which request it is and which common
plan it has taken in. The public facts of the log name it by its plan id; what a request is called stands in private bodies.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from secrets import token_hex
from typing import Any

from bwc.canonical import Json
from bwc.custody.house import House
from bwc.errors import IntegrityError, UsageError
from bwc.evidence import ItemId, ObjectRole
from bwc.redact.plan import VERSION, RedactionPlan
from bwc.redact.plan_format import from_bytes
from bwc.storage.rows import DocumentRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """For which request a plan is, and the common plan that it has taken in: revision and digest."""

    request: str
    revision: int
    sha256: str

    def to_json(self) -> dict[str, Json]:
        return {"common": {"revision": self.revision, "sha256": self.sha256}, "request": self.request}


def version_of(plan: RedactionPlan) -> Version | None:
    """What `plan` says of itself; None of the common plan. Raises `UsageError` for an extension that is none."""
    value: Any = plan.extensions.get(VERSION)
    if value is None:
        return None
    try:
        common = value["common"]
        found = Version(request=value["request"], revision=common["revision"], sha256=common["sha256"])
    except (KeyError, TypeError) as error:
        raise UsageError("the plan does not say for which request it is") from error
    if (type(found.request), type(found.revision), type(found.sha256)) != (str, int, str) or not found.request:
        raise UsageError("the plan does not say for which request it is")
    return found


def id_of(plan: RedactionPlan) -> str:
    """What the log calls its version; empty for the common plan."""
    return plan.plan_id if VERSION in plan.extensions else ""


def branched(common: RedactionPlan, sha256: str, request: str, *, made_at: datetime) -> RedactionPlan:
    """The first revision of a version for `request`: whatever the `common` plan, whose digest is `sha256`, says."""
    said = Version(request=" ".join(request.split()), revision=common.revision, sha256=sha256)
    return replace(
        common,
        plan_id=f"pln-{token_hex(6)}",
        revision=1,
        previous=None,
        made_at=made_at,
        extensions={**common.extensions, VERSION: said.to_json()},
    )


def is_same_request(one: str, other: str) -> bool:
    """Whether two people mean the same request: letters' case and spaces aside."""
    return _plain(one) == _plain(other)


def versions(house: House, item: ItemId, segment: int) -> dict[str, str]:
    """The versions of one recording's plan, by their ids: for which request each is."""
    newest: dict[str, DocumentRow] = {}
    for row in house.documents(item, segment, ObjectRole.PLAN, version=None):
        if name := row.facts.get("version"):
            newest.setdefault(str(name), row)
    return {name: _request(house, row) for name, row in newest.items()}


def version_id(house: House, item: ItemId, segment: int, request: str) -> str | None:
    """The version of one recording's plan for `request`, if there is one."""
    found = versions(house, item, segment)
    return next((name for name, other in found.items() if is_same_request(request, other)), None)


def selected(house: House, item: ItemId, request: str) -> str:
    """`request` if the plan of any recording of `item` has a version for it; else empty: the common plan is meant."""
    segments = house.video_segments(item) if request else []
    return request if any(version_id(house, item, one, request) for one in segments) else ""


def plan_in(row: DocumentRow, data: bytes) -> RedactionPlan:
    """The plan of a row from its bytes. Raises `IntegrityError` when the tables take it for one of another version."""
    plan = from_bytes(data)
    if id_of(plan) != row.facts.get("version", ""):
        raise IntegrityError(f"table objects: the plan of entry {row.seq} is of another version", "bwc verify")
    return plan


def _request(house: House, row: DocumentRow) -> str:
    """For which request a version is: the private body tells; where that was erased, the plan itself."""
    told = (house.private_of(row.seq) or {}).get("request")
    if told:
        return str(told)
    said = version_of(plan_in(row, house.read(row.object_id)))
    return said.request if said else ""


def _plain(request: str) -> str:
    return " ".join(request.split()).casefold()
