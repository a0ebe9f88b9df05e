"""A section of the report: one table, and how an event's facts and private part are told in it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bwc.canonical import Json
from bwc.custody.reading import TrailEvent
from bwc.evidence import utc_text

Cell = str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the report. `empty` is what to say when it has no rows: silence is not an answer."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str
    note: str = ""

    def to_json(self) -> dict[str, Json]:
        rows: list[Json] = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"note": self.note, "rows": rows, "title": self.title}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From the beginning of a day until before another, UTC."""

    since: datetime
    until: datetime

    def has(self, at: str) -> bool:
        return utc_text(self.since) <= at < utc_text(self.until)


def act(one: TrailEvent) -> str:
    """Which act was refused or failed; a login has none."""
    return str(one.facts.get("act") or one.kind)


def why(one: TrailEvent) -> str:
    """Why, as far as the reader's key tells: the message is private, the kind of error is not."""
    error = str(one.facts.get("error") or "")
    message = told(one, "message")
    reason = told(one, "reason") if not one.is_erased else None
    said = ": ".join(part for part in (error, message) if part)
    return f"{said}; stated reason: {reason}" if reason else said


def text(value: Any) -> str | None:
    return None if value is None else str(value)


def told(event: TrailEvent, *names: str) -> str | None:
    """What the private part says; why it says nothing, where it does not."""
    if event.is_erased:
        return "[erased]"
    if event.private is None:
        return None
    return next((str(event.private[name]) for name in names if event.private.get(name)), None)
