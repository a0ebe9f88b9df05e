"""The rules of retention: longest wins, an open case or a hold always wins, what is unknown keeps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwc.errors import IntegrityError, UsageError
from bwc.evidence import ItemId, utc_text
from bwc.storage.retention import (
    CaseState,
    Hold,
    Kept,
    LockWish,
    Schedule,
    Term,
    Verdict,
    Why,
    categories_of,
    judge,
    lock_wish,
)

DAY0 = datetime(2026, 1, 31, 12, tzinfo=UTC)
SCHEDULE = Schedule.parse(
    {
        "grace_days": 10,
        "keep": {
            "traffic": "90 days",
            "Use of Force": "2 years",
            "homicide": "until disposition",
            "dui": "1 year after disposition",
            "training": "forever",
        },
    }
)
ITEM = ItemId("2026-0131-AAAAAA")
CLOSED = CaseState(case="26-1", is_open=False, at=utc_text(DAY0 + timedelta(days=200)))


def kept(category: str | None = "traffic", **more: Any) -> Kept:
    categories = None if category is None else categories_of(category)
    return Kept(item=ITEM, categories=categories, ingested_at=utc_text(DAY0), **more)


def said(one: Kept, day: float, *, holds: tuple[Hold, ...] = (), cases: tuple[CaseState, ...] = ()) -> Verdict:
    return judge(one, schedule=SCHEDULE, holds=holds, cases=cases, now=DAY0 + timedelta(days=day))


def test_a_term_ends_and_then_grace_ends() -> None:
    assert [said(kept(), day).why for day in (0, 89.9, 90, 99.9, 100)] == [
        Why.TERM,
        Why.TERM,
        Why.GRACE,
        Why.GRACE,
        Why.DUE,
    ]
    assert said(kept(), 100).due_at == DAY0 + timedelta(days=100)


def test_the_longest_term_wins() -> None:
    both = kept("traffic, use of force")
    assert said(both, 700).why is Why.TERM
    assert said(both, 741).is_due
    assert said(kept("traffic,training"), 100_000).why is Why.FOREVER
    assert said(kept("traffic,unheard of"), 100_000).why is Why.NO_SCHEDULE


def test_recording_or_intake_whichever_is_later_begins_the_term() -> None:
    early = kept(recorded_at=utc_text(datetime(1970, 1, 1, tzinfo=UTC)))  # a camera with no clock
    assert said(early, 99).why is Why.GRACE
    late = kept(recorded_at=utc_text(DAY0 + timedelta(days=50)))
    assert said(late, 149).why is Why.GRACE
    assert said(late, 150).is_due


def test_a_case_counts_as_open_until_it_is_closed() -> None:
    mine = kept(cases=("26-1",))
    assert said(mine, 5000).why is Why.CASE_OPEN
    assert said(mine, 5000, cases=(CLOSED,)).is_due
    reopened = CaseState(case="26-1", is_open=True, at=utc_text(DAY0))
    assert said(mine, 5000, cases=(CLOSED, reopened)).why is Why.CASE_OPEN
    assert said(kept(cases=("26-1", "26-2")), 5000, cases=(CLOSED,)).text == "case 26-2 is open"
    unread = CaseState(case=None, is_open=True, at=utc_text(DAY0))
    assert said(mine, 5000, cases=(CLOSED, unread)).why is Why.CASE_OPEN


def test_disposition_terms_begin_when_the_last_case_closes() -> None:
    assert said(kept("homicide"), 5000).why is Why.NO_CASE
    assert said(kept("homicide", cases=("26-1",)), 209, cases=(CLOSED,)).why is Why.GRACE
    assert said(kept("homicide", cases=("26-1",)), 210, cases=(CLOSED,)).is_due
    assert said(kept("dui", cases=("26-1",)), 574, cases=(CLOSED,)).why is Why.GRACE
    assert said(kept("dui", cases=("26-1",)), 575, cases=(CLOSED,)).is_due


def test_a_hold_wins_over_everything_until_it_is_lifted() -> None:
    on_item = Hold(hold="H-1", item=ITEM, case=None)
    on_case = Hold(hold="H-2", item=None, case="26-1")
    on_other = Hold(hold="H-3", item=ItemId("2026-0131-BBBBBB"), case=None)
    assert said(kept(), 5000, holds=(on_item,)).why is Why.HOLD
    assert said(kept(cases=("26-1",)), 5000, holds=(on_case,), cases=(CLOSED,)).text == "legal hold H-2"
    assert said(kept(), 5000, holds=(on_other, on_case)).is_due
    assert said(kept(), 5000, holds=(replace(on_case, case=None),)).why is Why.HOLD  # on which case is not known
    lifted = replace(on_item, lifted_at=utc_text(DAY0 + timedelta(days=300)))
    assert said(kept(), 309, holds=(lifted,)).why is Why.GRACE
    assert said(kept(), 310, holds=(lifted,)).is_due


def test_what_is_not_known_keeps_the_item() -> None:
    assert said(kept(None), 5000).why is Why.UNKNOWN
    assert said(kept(unread=True), 5000).why is Why.UNKNOWN
    assert said(kept(""), 5000).why is Why.NO_SCHEDULE
    assert judge(kept(), schedule=None, holds=(), cases=(), now=DAY0 + timedelta(days=9999)).why is Why.NO_SCHEDULE


def test_grace_begins_anew_after_a_tag() -> None:
    changed = kept(changed_at=utc_text(DAY0 + timedelta(days=400)))
    assert said(changed, 409).why is Why.GRACE
    assert said(changed, 410).is_due


@given(
    days=st.integers(1, 400),
    extra=st.integers(1, 400),
    when=st.integers(0, 1000),
    hold=st.booleans(),
    case_open=st.booleans(),
)
def test_a_longer_term_a_hold_or_a_case_never_bring_destruction_nearer(
    days: int, extra: int, when: int, hold: bool, case_open: bool
) -> None:
    schedule = Schedule.parse({"keep": {"a": f"{days} days", "b": f"{days + extra} days"}})
    now = DAY0 + timedelta(days=when)
    plain = judge(kept("a"), schedule=schedule, holds=(), cases=(), now=now)
    more = judge(
        kept("a,b", cases=("26-1",) if case_open else ()),
        schedule=schedule,
        holds=(Hold(hold="H", item=ITEM, case=None),) if hold else (),
        cases=(),
        now=now,
    )
    assert plain.is_due or not more.is_due
    assert not (more.is_due and (hold or case_open))


def test_leap_days() -> None:
    assert Term.parse("1 year").end(datetime(2028, 2, 29, tzinfo=UTC)) == datetime(2029, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["90 days", "1 day", "2 years", "until disposition", "1 year after disposition", "forever"]
)
def test_a_term_reads_as_it_was_written(text: str) -> None:
    assert Term.parse(text).text() == text


@pytest.mark.parametrize("text", ["", "0 days", "90", "90 Days", "-1 days", "90 days ", "201 years", 90, None])
def test_other_terms_are_refused(text: object) -> None:
    with pytest.raises(UsageError):
        Term.parse(text)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"keep": {}},
        {"keep": {"a": "90 days"}, "more": 1},
        {"keep": {"a": "90 days"}, "grace_days": -1},
        {"keep": {"a": "90 days"}, "grace_days": True},
        {"keep": {"a": "90 days", "A": "1 day"}},
        {"keep": {"a,b": "90 days"}},
        {"keep": {" a": "90 days"}},
    ],
)
def test_a_schedule_that_could_be_read_two_ways_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Schedule.parse(document)


def test_a_schedule_comes_back_from_the_log() -> None:
    assert Schedule.from_json(SCHEDULE.to_json()) == SCHEDULE
    with pytest.raises(IntegrityError):
        Schedule.from_json({"format": "bwc.retention/1", "keep": {"a": "soon"}})
    with pytest.raises(IntegrityError):
        Schedule.from_json({"keep": {"a": "90 days"}})


def wish(one: Kept, *, holds: tuple[Hold, ...] = (), cases: tuple[CaseState, ...] = ()) -> LockWish:
    return lock_wish(one, schedule=SCHEDULE, holds=holds, cases=cases)


def test_a_lock_ends_with_the_longest_term_that_has_a_date() -> None:
    assert wish(kept()).until == DAY0 + timedelta(days=90)  # without grace
    assert wish(kept("traffic, use of force")).until == DAY0.replace(year=2028)
    assert wish(kept("traffic", recorded_at=utc_text(DAY0 - timedelta(days=5)))).until == DAY0 + timedelta(days=90)
    for nameless in ("training", "homicide", "dui", "nobody's", "", None):
        assert wish(kept(nameless)).until is None
    assert wish(kept("homicide, traffic")).until == DAY0 + timedelta(days=90)
    assert lock_wish(kept(), schedule=None, holds=(), cases=()).until is None


def test_a_lock_that_counts_from_disposition_waits_for_the_last_case() -> None:
    one = kept("dui", cases=("26-1", "26-2"))
    assert wish(one, cases=(CLOSED,)).until is None
    other = CaseState(case="26-2", is_open=False, at=utc_text(DAY0))
    assert wish(one, cases=(CLOSED, other)).until == (DAY0 + timedelta(days=200)).replace(year=2027)
    assert wish(kept("homicide", cases=("26-1",)), cases=(CLOSED,)).until == DAY0 + timedelta(days=200)


def test_a_lock_is_held_while_any_hold_may_cover_the_item() -> None:
    lifted = Hold(hold="H-1", item=ITEM, case=None, lifted_at=utc_text(DAY0))
    unknown = Hold(hold="H-2", item=None, case=None)
    elsewhere = Hold(hold="H-3", item=None, case="99-9")
    assert (wish(kept()).hold, wish(kept()).was_held) == (False, False)
    for holds, said in (
        ((lifted,), (False, True)),
        ((lifted, unknown), (True, True)),
        ((elsewhere,), (False, False)),
        ((Hold(hold="H-4", item=None, case="26-1"),), (True, True)),
    ):
        found = wish(kept(cases=("26-1",)), holds=holds)
        assert (found.hold, found.was_held) == said


def test_of_several_categories_the_one_that_keeps_longest_is_named() -> None:
    assert said(kept("traffic"), 0).text.endswith("(90 days, 10 days of grace)")
    assert said(kept("traffic, use of force"), 0).text.endswith("(2 years for use of force, 10 days of grace)")
    assert said(kept("traffic, use of force"), 5000).text.endswith("(2 years for use of force)")
