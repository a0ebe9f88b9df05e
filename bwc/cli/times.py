"""Times as people write them: of media, and of the day."""

from datetime import UTC, datetime

import click

from bwc.errors import UsageError

clock_option = click.option(
    "--clock",
    type=click.Choice(["picture", "file"]),
    default="picture",
    show_default=True,
    help="What times count from: the first picture, or the beginning of the file, as in a player.",
)


def parse_time(text: str) -> int:
    """Nanoseconds of a media time written 12, 12.5, 1:02.5 or 1:02:03.250. Raises `UsageError`."""
    parts = text.split(":")
    try:
        if not text.isascii():
            raise ValueError(text)
        if not 1 <= len(parts) <= 3 or any(not part for part in parts):
            raise ValueError(text)
        whole, _, fraction = parts[-1].partition(".")
        seconds = 0
        for part in (*parts[:-1], whole or "0"):
            if not part.isdigit():
                raise ValueError(text)
            seconds = seconds * 60 + int(part)
        if fraction and not fraction.isdigit():
            raise ValueError(text)
        return seconds * 1_000_000_000 + int((fraction + "000000000")[:9])
    except ValueError as error:
        raise UsageError(f"{text!r} is no time", "like 12.5 (seconds), 1:02.5 or 1:02:03") from error


def parse_moment(text: str) -> int:
    """`parse_time`, also before zero: sound may begin before the first picture. -1.5 is a second and a half before it."""
    return -parse_time(text[1:]) if text.startswith("-") else parse_time(text)


def span_of(start: str | None, end: str | None) -> tuple[int | None, int | None] | None:
    """`--from` and `--to` in nanoseconds, each None where it was left out; None when both were."""
    if start is None and end is None:
        return None
    return None if start is None else parse_time(start), None if end is None else parse_time(end)


def past_moment(text: str) -> datetime:
    """When a key came into other hands, UTC unless it says otherwise. Raises `UsageError` when that is yet to come."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time", "like 2026-11-20 or 2026-11-20T18:00+01:00") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found > datetime.now(UTC):
        raise UsageError(f"{text} is yet to come", "the time from which the key may have been in other hands")
    return found
