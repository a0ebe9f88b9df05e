"""A person signs the copies of an item; with what they, and who signed before them, did not look at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bwc.canonical import Json
from bwc.custody.house import House
from bwc.errors import NotApproved
from bwc.evidence import EventKind, ItemId, ObjectRole
from bwc.redact import session
from bwc.redact.copies import missing_approvals, ready
from bwc.redact.plan import LET_GO
from bwc.redact.session import PlanState
from bwc.redact.versions import selected, versions

_WATCHING = ("copy", "review")  # purposes of an opening in which somebody sees the copy
_UNHEARD = "there are voices, and the check did not look for spoken words: listen to all of the copy yourself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approver:
    """Somebody who signed, and whether they took the copy out themselves to watch it."""

    name: str
    has_opened: bool

    def to_json(self) -> dict[str, Json]:
        return {"name": self.name, "opened": self.has_opened}

    def text(self) -> str:
        return f"{self.name} ({'opened' if self.has_opened else 'did not open'} this copy)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What a person signed."""

    item: ItemId
    entries: tuple[int, ...]
    missing: int
    approvers: tuple[Approver, ...]
    parts: tuple[str, ...] = ()  # of copies that are not of the whole recording
    unopened: tuple[int, ...] = ()  # segments whose copy nobody has taken out to watch
    unseen: tuple[int, ...] = ()  # segments whose copy this person has not
    unheard: tuple[int, ...] = ()  # segments with voices in whose copy the check looked for no spoken words
    let_go: int = 0  # what scored like a face and was left in sight
    words: str = ""  # how it is named on the command line
    request: str = ""  # it is of the version for this request; empty: of the common plan
    versions: tuple[str, ...] = ()  # requests that have versions of their own, where it is of the common plan

    def to_json(self) -> dict[str, Json]:
        return {
            "approvers": [one.to_json() for one in self.approvers],
            "entries": list(self.entries),
            "item": self.item,
            "left_in_sight": self.let_go,
            "more_people_needed": self.missing,
            "version": self.request or None,
            "unheard": list(self.unheard),
            "unopened": list(self.unopened),
            "unseen": list(self.unseen),
        }

    def text(self) -> str:
        people = "1 other person" if self.missing == 1 else f"{self.missing} other people"
        more = f"; {people} must approve from their own login" if self.missing else ""
        of = f" for {self.request} only, its version" if self.request else ""
        lines = [f"{self.item} approved{of} (entry {', '.join(map(str, self.entries))} of the log){more}"]
        if self.versions:
            lines.append(f"this is the common plan's copy; versions of their own: {', '.join(self.versions)}")
        lines += [f"only a part: {part}" for part in self.parts]
        if len(self.approvers) > 1:
            lines.append(f"signed by: {', '.join(one.text() for one in self.approvers)}")
        if self.unseen:
            who = "nobody has" if self.unopened else "you have not"
            lines.append(f"note: {who} opened this copy to watch it: bwc open {self.words} --copy")
        if self.unheard:
            lines.append(f"note: {_UNHEARD}")
        if self.let_go:
            what = "1 thing" if self.let_go == 1 else f"{self.let_go} things"
            lines.append(f"note: {what} that scored like a face, faintly, left in sight; when: bwc plan {self.words}")
        return "\n".join(lines)


def approve(house: House, item: ItemId, *, note: str, request: str = "", unseen: bool = False) -> Approved:
    """Sign the digests of plan, copy and report of every recording of `item`; with `request`, for that request only.

    Where there is a version for `request` it is the version's copy that is signed, else the common plan's.

    Raises what stands in the way; where policy asks for two people, also whatever this person has not opened (`unseen`: all the same).
    """
    from bwc.redact.check_speech import is_unheard

    me = house.person_of(house.person.key_id)
    states = session.plans(house, item, request=selected(house, item, request))
    found = [(state, ready(house, state), _openers(house, state)) for state in states]
    words = states[0].words
    blind = tuple(state.segment for state, _, openers in found if me not in openers)
    if blind and not unseen and (house.policy.approvals > 1 or house.policy.separate_approver):
        raise NotApproved(
            f"you have not opened the copy of {item}, and policy asks for the eyes of more than one person",
            f"bwc open {words} --copy -o draft.mp4 --reason review; or sign all the same: bwc approve {words} --unseen",
        )
    entries, missing = [], 0
    for state, copy, openers in found:
        facts: dict[str, Json] = {
            "copy_sha256": copy.copy_sha256,
            "plan_sha256": copy.plan_sha256,
            "report_sha256": copy.report_sha256,
            "segment": copy.segment,
        }
        facts |= {"version": state.version} if state.version else {}
        told: dict[str, Json] = {"note": note}
        told |= {"request": state.request or request} if request else {}
        told |= {"unseen": True} if me not in openers else {}
        mine = [row.seq for row in house.approvals(copy.copy_sha256) if row.actor == house.person.key_id]
        again = [seq for seq in mine if seq in copy.approvals and not request]
        entries.append(again[0] if again else house.record_approval(item, facts, told))
        missing = max(missing, missing_approvals(house, state, copy.copy_sha256))
    return Approved(
        item=item,
        entries=tuple(entries),
        missing=missing,
        approvers=_approvers(house, [(copy.copy_sha256, openers) for _, copy, openers in found]),
        parts=tuple(copy.excerpt.text(state.plan) for state, copy, _ in found if copy.excerpt),
        unopened=tuple(state.segment for state, _, openers in found if not openers),
        unseen=blind,
        unheard=tuple(state.segment for state, copy, _ in found if is_unheard(state.plan, copy.not_checked)),
        words=words,
        request=states[0].request,
        versions=() if states[0].request else tuple(sorted({*_others(house, states)})),
        let_go=sum(doubt.code == LET_GO for state, _, _ in found for doubt in state.plan.doubts),
    )


def _others(house: House, states: Sequence[PlanState]) -> Iterator[str]:
    """The requests that have versions of their own."""
    for state in states:
        yield from versions(house, state.item, state.segment).values()


def _openers(house: House, state: PlanState) -> frozenset[str]:
    """Who has taken the newest copy out since it was made."""
    row = house.latest(state.item, state.segment, ObjectRole.COPY, version=state.version)
    return frozenset(
        house.person_of(one.key)
        for one in house.trail(state.item)
        if row is not None
        and one.seq > row.seq
        and one.kind == EventKind.ITEM_OPENED
        and one.facts.get("purpose") in _WATCHING
        and one.facts.get("segment") == state.segment
        and one.facts.get("version", "") == state.version
    )


def _approvers(house: House, copies: Sequence[tuple[str, frozenset[str]]]) -> tuple[Approver, ...]:
    """Everybody who signed one of these copies, in that order, and whether they opened each they signed."""
    names, opened = house.names(), dict[str, bool]()
    for copy, openers in copies:
        for row in house.approvals(copy):
            person = house.person_of(row.actor)
            opened[person] = opened.get(person, True) and person in openers
    newest = {house.person_of(key): name for key, name in names.items()}
    return tuple(Approver(name=newest.get(who, who[:12]), has_opened=has) for who, has in opened.items())
