"""The auditor's report of a span of time: counts, exceptions, who opened what, gaps, silences, failed attempts, keys.

Made from the verified log alone; private parts are told where the reader's key opens them. A report is data first
(`to_json`); `report_forms` and `report_pdf` draw the same sections.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bwc.anchors.outside import AnchorKind
from bwc.audit.findings import Grade
from bwc.canonical import Json
from bwc.custody.reading import TrailEvent
from bwc.evidence import EventKind, Outcome, parse_utc, utc_text
from bwc.oversight.report_rules import destruction, keys, rules
from bwc.oversight.report_sections import Cell, Section, Span, act, text, told, why
from bwc.verifier.inspected import Inspection
from bwc.version import TOOL

FORMAT = "bwc.audit-report/1"
SILENCE = timedelta(hours=24)
_LONGEST = 20  # silences listed
MOST_ROWS = 2000  # of one section on paper; the CSV has every event


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole report. `events` is told again for the list of all events."""

    head: dict[str, Json]
    sections: tuple[Section, ...]
    events: tuple[TrailEvent, ...] = field(repr=False, default=())

    def to_json(self) -> dict[str, Json]:
        return {**self.head, "format": FORMAT, "sections": {one.name: one.to_json() for one in self.sections}}


def make_report(
    inspection: Inspection,
    events: Iterable[TrailEvent],
    span: Span,
    *,
    made_by: str,
    names: Mapping[str, str] | None = None,
    now: datetime | None = None,
    silence: timedelta = SILENCE,
) -> Report:
    """The report of `span`. `events` are all of the log, in order; `names` are of keys, where somebody knows them."""
    everything = list(events)
    inside = [one for one in everything if span.has(one.at)]
    names = {one.key: one.actor for one in everything} | dict(names or {})
    sections = (
        _counts(inside),
        _people(inside),
        _exceptions(inspection, inside),
        _failed(inside),
        _openings(inside),
        _releases(inside),
        _gaps(inside),
        keys(inspection, everything, span, names),
        rules(everything, span),
        destruction(everything, span),
        _anchors(inspection, everything),
        _silences(everything, span, silence, now or datetime.now(UTC)),
        _clock(inspection),
    )
    report = inspection.log
    head: dict[str, Json] = {
        "agency": _agency(inspection, everything),
        "entries_in_log": report.entries,
        "events": len(inside),
        "first_entry": inside[0].seq if inside else None,
        "from": utc_text(span.since),
        "last_entry": inside[-1].seq if inside else None,
        "log": report.checkpoint.origin if report.checkpoint else None,
        "made_at": utc_text(now or datetime.now(UTC)),
        "made_by": made_by,
        "root": report.checkpoint.root.hex() if report.checkpoint else None,
        "size": report.checkpoint.size if report.checkpoint else None,
        "to": utc_text(span.until),
        "tool": TOOL,
        "verdict": inspection.verdict,
        "verified": inspection.said,
        "vkey": report.key.text() if report.key else None,
    }
    return Report(head=head, sections=sections, events=tuple(inside))


def _agency(inspection: Inspection, events: Sequence[TrailEvent]) -> str:
    """The agency as whoever verifies pinned it; else as entry 0 names it: its own word."""
    origin = inspection.log.checkpoint.origin if inspection.log.checkpoint else ""
    if inspection.agency not in ("", origin):
        return inspection.agency
    named = events[0].facts.get("agency") if events else None
    return f"{named} (as the log says)" if named else origin


def _counts(events: Sequence[TrailEvent]) -> Section:
    found = Counter((one.kind, one.outcome) for one in events)
    rows: list[tuple[Cell, ...]] = [
        (kind, *(found[kind, outcome.value] for outcome in Outcome)) for kind in sorted({kind for kind, _ in found})
    ]
    return Section(
        name="counts", title="What happened, counted", columns=("event", "ok", "failed", "refused"), rows=tuple(rows),
        empty="nothing was recorded in this time",
    )  # fmt: skip


def _people(events: Sequence[TrailEvent]) -> Section:
    found: dict[str, list[TrailEvent]] = {}
    for one in events:
        found.setdefault(one.key, []).append(one)
    rows = tuple(
        (
            mine[-1].actor,
            ", ".join(mine[-1].roles),
            len(mine),
            sum(one.kind == EventKind.ITEM_OPENED for one in mine),
            sum(one.outcome != Outcome.OK for one in mine),
            mine[0].at,
            mine[-1].at,
            key,
        )
        for key, mine in sorted(found.items(), key=lambda pair: -len(pair[1]))
    )
    columns = ("who", "roles", "events", "openings", "refused or failed", "first", "last", "key")
    return Section(name="people", title="Who acted", columns=columns, rows=rows, empty="nobody acted")


def _exceptions(inspection: Inspection, events: Sequence[TrailEvent]) -> Section:
    """What an auditor must look at: findings of verification, and acts that rules or care frown on."""
    rows: list[tuple[Cell, ...]] = [
        (one.grade.value, one.where, one.what, "") for one in inspection.log.findings if one.grade is not Grade.OK
    ]
    rows += [
        ("refused", f"entry {one.seq}", f"{act(one)}: {why(one)}", one.actor)
        for one in events
        if one.outcome == Outcome.REFUSED
    ]
    rows += [
        ("failed", f"entry {one.seq}", f"{act(one)}: {why(one)}", one.actor)
        for one in events
        if one.outcome == Outcome.FAILED
    ]
    rows += [
        ("early", f"entry {one.seq}", f"destruction of {one.item} ordered before it was due", one.actor)
        for one in events
        if one.kind == EventKind.DISPOSITION_ORDERED and one.facts.get("due") is False
    ]
    return Section(
        name="exceptions", title="Exceptions", columns=("grade", "where", "what", "who"), rows=tuple(rows),
        empty="none: verification found nothing to note, and nothing was refused or failed",
    )  # fmt: skip


def _failed(events: Sequence[TrailEvent]) -> Section:
    rows = tuple(
        (
            one.at,
            one.seq,
            one.actor,
            one.kind,
            text(one.facts.get("act")),
            text(one.facts.get("error")),
            one.item,
            told(one, "message"),
        )
        for one in events
        if one.outcome != Outcome.OK
    )
    columns = ("at", "entry", "who", "event", "act", "why", "item", "message")
    note = "What was refused to somebody without any enrolled key cannot be signed, and so not be recorded."
    return Section(name="failed", title="Failed attempts", columns=columns, rows=rows, empty="none", note=note)


def _openings(events: Sequence[TrailEvent]) -> Section:
    rows = tuple(
        (
            one.at,
            one.seq,
            one.actor,
            one.item,
            one.facts.get("segment"),
            text(one.facts.get("purpose")),
            told(one, "reason"),
            told(one, "to"),
        )
        for one in events
        if one.kind in (EventKind.ITEM_OPENED, EventKind.FRAMES_EXPORTED)
    )
    columns = ("at", "entry", "who", "item", "segment", "purpose", "reason", "to")
    return Section(name="openings", title="Who opened what", columns=columns, rows=rows, empty="nothing was opened")


def _releases(events: Sequence[TrailEvent]) -> Section:
    rows = tuple(
        (
            one.at,
            one.seq,
            one.actor,
            one.item,
            text(one.facts.get("release")),
            len(one.facts.get("copies", ())),
            len(one.facts.get("approvals", ())),
            told(one, "request"),
            told(one, "requester"),
        )
        for one in events
        if one.kind == EventKind.RELEASE_PUBLISHED and one.outcome == Outcome.OK
    )
    columns = ("at", "entry", "who", "item", "release", "copies", "approvals", "request", "requester")
    return Section(name="releases", title="Released", columns=columns, rows=rows, empty="nothing was released")


def _gaps(events: Sequence[TrailEvent]) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for one in events:
        if one.kind == EventKind.ITEM_INGESTED and one.facts.get("gaps"):
            rows.append(
                (one.at, one.seq, one.item, None, f"{one.facts['gaps']} bytes or ranges could not be read", one.actor)
            )
        for segment in one.facts.get("segments", ()) if one.kind == EventKind.ITEM_INDEXED else ():
            if segment.get("frames_lost"):
                what = f"{segment['frames_lost']} of {segment.get('frames', '?')} frames lost"
                rows.append((one.at, one.seq, one.item, segment.get("segment"), what, one.actor))
            if segment.get("readable") is False:
                rows.append((one.at, one.seq, one.item, segment.get("segment"), "not readable as video", one.actor))
    columns = ("at", "entry", "item", "segment", "what", "who")
    return Section(name="gaps", title="Gaps found at intake", columns=columns, rows=tuple(rows), empty="none")


def _anchors(inspection: Inspection, events: Sequence[TrailEvent]) -> Section:
    """Spans of the log that nobody outside is known to have a checkpoint of."""
    size = inspection.log.entries
    known = [
        (False, one.seq + 1, f"release {one.facts.get('release')}")
        for one in events
        if one.kind == EventKind.RELEASE_PUBLISHED and one.outcome == Outcome.OK
    ]
    for anchor in inspection.anchors.anchors if inspection.anchors else ():
        is_own = anchor.kind is AnchorKind.SEEN
        who = "what you saw, and no outsider" if is_own else f"{anchor.kind.value} {anchor.by}"
        known.append((is_own, anchor.size, f"{who}, {utc_text(anchor.at)[:19]}Z"))
    rows: list[tuple[Cell, ...]] = []
    start = 0
    for _, reach, what in sorted(known):  # your own memory covers only what nobody outside does
        if start < reach <= size:
            rows.append((start, reach - 1, reach - start, f"anchored by {what}"))
            start = reach
    if start < size:
        rows.append((start, size - 1, size - start, "NOT anchored outside: whoever holds all keys could rewrite it"))
    columns = ("first entry", "last entry", "entries", "state")
    note = inspection.anchors.line() if inspection.anchors else ""
    return Section(
        name="anchors", title="Anchored and unanchored spans", columns=columns, rows=tuple(rows), empty="", note=note
    )


def _silences(events: Sequence[TrailEvent], span: Span, silence: timedelta, now: datetime) -> Section:
    """Times without any entry: a log that was off looks like this."""
    last = parse_utc(events[0].at) if events else span.since
    found: list[tuple[timedelta, datetime, datetime]] = []
    ends = [parse_utc(one.at) for one in events] + [min(now, span.until)]
    for at in ends:
        begun, ended = max(last, span.since), min(at, span.until)
        if ended - begun > silence:
            found.append((ended - begun, begun, ended))
        last = at
    longest = sorted(found, reverse=True)[:_LONGEST]
    rows = tuple(
        (utc_text(begun), utc_text(ended), round(length / timedelta(hours=1))) for length, begun, ended in longest
    )
    hours = round(silence / timedelta(hours=1))
    return Section(
        name="silences", title="Silences", columns=("from", "to", "hours"), rows=rows,
        empty=f"never more than {hours} hours without an entry",
        note=f"No entry for more than {hours} hours. `bwc audit heartbeat` once a day tells a quiet day from a log that was off.",
    )  # fmt: skip


def _clock(inspection: Inspection) -> Section:
    rows = tuple((one.where, one.what) for one in inspection.log.findings if one.grade is Grade.NOTE and one.step == 4)
    return Section(
        name="clock", title="Clock", columns=("where", "what"), rows=rows, empty="it was never set or went back"
    )
