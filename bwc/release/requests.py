"""A copy goes to the request it was made for: what one may see, because it is themselves, another may not.

Requests stand in the private bodies of signed entries, and are read there.
"""

from collections.abc import Iterator, Sequence
from shlex import quote

from bwc.custody.house import House
from bwc.errors import PolicyRefuses
from bwc.evidence import EventKind, ItemId, Outcome
from bwc.redact.copies import Releasable
from bwc.redact.versions import is_same_request

_UNREADABLE = "a request that cannot be read any more"


def verify_request(house: House, item: ItemId, copies: Sequence[Releasable], request: str, *, reuse: str) -> None:
    """Raise `PolicyRefuses` if one of `copies` was released, or approved, for another request; not with `reuse`, which says why.

    A copy of a version was made, checked and approved for its request, and goes out for no other, whatever `reuse` says.
    """
    for one in copies:
        if one.request and not is_same_request(one.request, request):
            raise PolicyRefuses(f"this copy of {item} is of the version for {one.request}, not for {request}")
    if reuse.strip():
        return
    common = [one.copy_sha256 for one in copies if not one.request]
    for seq, act, other in _answered(house, item, common):
        if not is_same_request(other, request):
            raise PolicyRefuses(
                f"the copy of {item} was {act} for {other} (entry {seq}), not for {request}",
                f"watch it with {request} in mind; then make a version for it (bwc decide, redact, check, approve, each with"
                f" --request {quote(request)}), or say why it fits both: --reuse 'nobody kept in sight for the first requester alone'",
            )


def _answered(house: House, item: ItemId, copies: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Entry, act and request of each earlier release of these copies, and of what each person last approved, if for one."""
    approved: dict[tuple[str, str], tuple[int, str, str]] = {}
    for event in house.trail(item):
        told = event.private or {}
        if event.outcome != Outcome.OK:
            continue
        if event.kind == EventKind.RELEASE_PUBLISHED and not set(copies).isdisjoint(event.facts.get("copies", ())):
            yield event.seq, "released", str(told.get("request") or _UNREADABLE)
        copy = str(event.facts.get("copy_sha256"))
        if event.kind == EventKind.COPY_APPROVED and copy in copies:
            approved[house.person_of(event.key), copy] = event.seq, "approved", str(told.get("request") or "")
    yield from (one for one in approved.values() if one[2])
