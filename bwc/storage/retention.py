"""Which items are due for destruction, and what forbids it. Pure rules: no disk, no clock, no key.

Longest wins; an open case or a legal hold always wins; what is not known keeps the item. In the order of `judge`:

1. a tag or arrival that this catalog cannot read, or an unknown category: kept;
2. a hold on the item or on one of its cases: kept;
3. an open case (a case counts as open until somebody closes it): kept;
4. a category without a term: kept;
5. the longest term of its categories, counted from recording or intake, whichever is later, or from the closing of
   its last case; then the days of grace, which also begin anew after a tag, a lifted hold, a closed case.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bwc.canonical import Json
from bwc.errors import IntegrityError, UsageError
from bwc.evidence import ItemId, parse_utc

FORMAT = "bwc.retention/1"
MOST_GRACE_DAYS = 3650
_MOST_CATEGORIES = 200
_TERM = re.compile(r"([1-9][0-9]{0,4}) (day|year)s?( after disposition)?")
_HINT = '"90 days", "2 years", "until disposition", "1 year after disposition" or "forever"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """How long a category is kept: `days` and `years` from the recording or, `after_case`, from the end of its cases."""

    days: int = 0
    years: int = 0
    after_case: bool = False
    forever: bool = False

    @classmethod
    def parse(cls, text: object) -> "Term":
        """The term a person wrote. Raises `UsageError`."""
        if text == "forever":
            return cls(forever=True)
        if text == "until disposition":
            return cls(after_case=True)
        found = _TERM.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise UsageError(f"{text!r} is no term", _HINT)
        count, unit, after = int(found[1]), found[2], bool(found[3])
        if unit == "year" and count > 200:
            raise UsageError(f"{text!r} is too long", '"forever"')
        return cls(days=count, after_case=after) if unit == "day" else cls(years=count, after_case=after)

    def text(self) -> str:
        """The same as a person writes it."""
        if self.forever:
            return "forever"
        if not self.days and not self.years:
            return "until disposition"
        count, unit = (self.days, "day") if self.days else (self.years, "year")
        return f"{count} {unit}{'' if count == 1 else 's'}" + (" after disposition" if self.after_case else "")

    def end(self, start: datetime) -> datetime:
        """The end of the term that begins at `start`; 29 February and some years is 1 March."""
        try:
            ended = start.replace(year=start.year + self.years)
        except ValueError:
            ended = start.replace(year=start.year + self.years, month=3, day=1)
        return ended + timedelta(days=self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The agency's terms by category, as the public facts of a `retention.set` entry."""

    grace_days: int = 14
    terms: Mapping[str, Term] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if type(self.grace_days) is not int or not 0 <= self.grace_days <= MOST_GRACE_DAYS:
            raise UsageError(f"grace_days is {self.grace_days!r}", f"a whole number from 0 to {MOST_GRACE_DAYS}")
        if len(self.terms) > _MOST_CATEGORIES:
            raise UsageError(f"{len(self.terms)} categories are too many", f"at most {_MOST_CATEGORIES}")
        names = [name.casefold() for name in self.terms]
        for name in self.terms:
            if categories_of(name) != (name,) or len(name) > 60:
                raise UsageError(f"{name!r} is no category", "one line of at most 60 characters without a comma")
            if names.count(name.casefold()) > 1:
                raise UsageError(f"category {name!r} is there twice", "upper and lower case are the same")

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Schedule":
        """The schedule of a file: `grace_days`, and a table `keep` of category and term. Raises `UsageError`."""
        surplus = set(document) - {"grace_days", "keep"}
        keep = document.get("keep")
        if surplus or not isinstance(keep, dict) or not keep:
            what = f"{sorted(surplus)[0]!r} is not known" if surplus else "there is no table [keep]"
            raise UsageError(
                f"not a retention schedule: {what}", 'grace_days = 14, then [keep] and traffic = "90 days"'
            )
        terms = {name: Term.parse(text) for name, text in keep.items()}
        return cls(grace_days=document.get("grace_days", 14), terms=terms)

    def to_json(self) -> dict[str, Json]:
        return {
            "format": FORMAT,
            "grace_days": self.grace_days,
            "keep": {name: term.text() for name, term in self.terms.items()},
        }

    @classmethod
    def from_json(cls, value: Any) -> "Schedule":
        """The schedule in a log entry. Raises `IntegrityError` for one that no `retention.set` would have recorded."""
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise IntegrityError("a retention entry holds no schedule")
        try:
            return cls.parse({name: value[name] for name in ("grace_days", "keep") if name in value})
        except UsageError as error:
            raise IntegrityError(f"the retention schedule is not usable: {error.message}") from error

    def term(self, category: str) -> Term | None:
        """The term of one category, without regard to case."""
        wanted = category.casefold()
        return next((term for name, term in self.terms.items() if name.casefold() == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the rules need to know of one item. `categories` is None where the catalog does not know it."""

    item: ItemId
    categories: tuple[str, ...] | None
    cases: tuple[str, ...] = ()
    recorded_at: str | None = None
    ingested_at: str
    changed_at: str | None = None  # the last tag or further arrival
    unread: bool = False  # a tag or arrival that no key here opened: it may say anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold on one item, or on everything of one case; `case` is None where the catalog does not know which."""

    hold: str
    item: ItemId | None
    case: str | None
    lifted_at: str | None = None

    def covers(self, kept: Kept) -> bool:
        """Whether it is about this item, or may be: a hold on an unknown case may be on any."""
        if self.item is not None:
            return self.item == kept.item
        return self.case is None or self.case.casefold() in {one.casefold() for one in kept.cases}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseState:
    """What was last said of a case. `case` is None where the catalog does not know which was opened."""

    case: str | None
    is_open: bool
    at: str


class Why(StrEnum):
    """Why an item is kept, or that it is due."""

    DUE = "due"
    UNKNOWN = "unknown"
    HOLD = "hold"
    CASE_OPEN = "case-open"
    NO_SCHEDULE = "no-schedule"
    NO_CASE = "no-case"
    TERM = "term"
    GRACE = "grace"
    FOREVER = "forever"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules say of one item. `due_at` is None where no date can be named yet."""

    item: ItemId
    why: Why
    text: str
    due_at: datetime | None = None

    @property
    def is_due(self) -> bool:
        return self.why is Why.DUE

    @property
    def is_barred(self) -> bool:
        """Whether a hold or an open case forbids destruction even by a court's order to the agency alone."""
        return self.why in (Why.HOLD, Why.CASE_OPEN)


def categories_of(text: str | None) -> tuple[str, ...]:
    """The categories in a tag: several are separated by commas."""
    return tuple(one for part in (text or "").split(",") if (one := " ".join(part.split())))


def judge(
    kept: Kept, *, schedule: Schedule | None, holds: Sequence[Hold], cases: Sequence[CaseState], now: datetime
) -> Verdict:
    """What the rules say of one item at `now`. See the top of this file for the order."""
    mine = [hold for hold in holds if hold.covers(kept)]
    placed = [hold.hold for hold in mine if hold.lifted_at is None]
    states = _states(cases)
    open_cases = [case for case in kept.cases if states.get(case.casefold(), _OPEN).is_open]
    if placed:  # 2, said before 1: it is the stronger reason
        return Verdict(item=kept.item, why=Why.HOLD, text=f"legal hold {', '.join(sorted(set(placed)))}")
    if kept.unread or kept.categories is None:  # 1
        return Verdict(
            item=kept.item, why=Why.UNKNOWN, text="its tags are not known here: bwc catalog rebuild with a key"
        )
    if open_cases:  # 3
        return Verdict(item=kept.item, why=Why.CASE_OPEN, text=f"case {', '.join(open_cases)} is open")
    terms = [schedule.term(one) if schedule else None for one in kept.categories]
    if schedule is None or not terms or None in terms:  # 4
        names = ", ".join(one for one, term in zip(kept.categories, terms, strict=True) if term is None)
        return Verdict(item=kept.item, why=Why.NO_SCHEDULE, text=f"no term for {names or 'an item without category'}")
    closed = [parse_utc(states[case.casefold()].at) for case in kept.cases]
    lifted = [parse_utc(hold.lifted_at) for hold in mine if hold.lifted_at]
    found = {one: term for one, term in zip(kept.categories, terms, strict=True) if term}
    return _by_term(kept, found, schedule.grace_days, closed, lifted, now)


def _by_term(  # noqa: PLR0917
    kept: Kept,
    named: Mapping[str, Term],
    grace_days: int,
    closed: list[datetime],
    lifted: list[datetime],
    now: datetime,
) -> Verdict:
    """5: the longest term, then grace. Of several categories the one that keeps longest is told."""
    terms = named.values()
    if any(term.forever for term in terms):
        return Verdict(item=kept.item, why=Why.FOREVER, text="kept forever")
    if any(term.after_case for term in terms) and not closed:
        return Verdict(item=kept.item, why=Why.NO_CASE, text="kept until its case is closed, and it names no case")
    begun = max(parse_utc(one) for one in (kept.recorded_at, kept.ingested_at) if one)
    several = len(named) > 1
    ends = [
        (term.end(max(closed) if term.after_case else begun), term.text() + (f" for {category}" if several else ""))
        for category, term in named.items()
    ]
    ended, name = max(ends)
    changed = [parse_utc(kept.changed_at)] if kept.changed_at else []
    due_at = max([ended, *changed, *closed, *lifted]) + timedelta(days=grace_days)
    if now >= due_at:
        return Verdict(item=kept.item, why=Why.DUE, text=f"due since {due_at:%Y-%m-%d} ({name})", due_at=due_at)
    why = Why.TERM if now < ended else Why.GRACE
    text = f"until {due_at:%Y-%m-%d} ({name}, {grace_days} days of grace)"
    return Verdict(item=kept.item, why=why, text=text, due_at=due_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWish:
    """What a store that locks is to have for one item."""

    until: datetime | None  # None where no date can be named: then the store's own days have to do
    hold: bool  # a legal hold is in force
    was_held: bool  # or was: then what is set in the store may be lifted


def lock_wish(kept: Kept, *, schedule: Schedule | None, holds: Sequence[Hold], cases: Sequence[CaseState]) -> LockWish:
    """The end of its longest term that has a date, without grace, and whether it is held.

    Categories without a term, "forever" and terms that count from a case still open name no date.
    """
    mine = [hold for hold in holds if hold.covers(kept)]
    states = _states(cases)
    said = [states.get(case.casefold(), _OPEN) for case in kept.cases]
    closed = None if not said or any(one.is_open for one in said) else max(parse_utc(one.at) for one in said)
    begun = max(parse_utc(one) for one in (kept.recorded_at, kept.ingested_at) if one)
    ends = []
    for category in kept.categories or ():
        term = schedule.term(category) if schedule else None
        start = closed if term and term.after_case else begun
        if term and start and not term.forever:
            ends.append(term.end(start))
    return LockWish(
        until=max(ends, default=None), hold=any(hold.lifted_at is None for hold in mine), was_held=bool(mine)
    )


_OPEN = CaseState(case="", is_open=True, at="")


def _states(cases: Iterable[CaseState]) -> dict[str, CaseState]:
    """What was last said of each case; all are open again after an opening that the catalog cannot read."""
    found: dict[str, CaseState] = {}
    for one in cases:
        if one.case is not None:
            found[one.case.casefold()] = one
        elif one.is_open:
            found.clear()
    return found
