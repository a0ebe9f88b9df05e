"""How far a camera's clock is off: recorded beside the camera's own times, which are never changed."""

import re
from datetime import UTC, datetime

from bwc.errors import UsageError

MOST_MS = 100 * 366 * 86_400_000  # a clock that fell back to 1970 is decades behind

_PARTS = re.compile(r"([+-])(?:(\d+)d)?(?:(\d+):(\d\d):(\d\d(?:\.\d{1,3})?)|(\d+(?:\.\d{1,3})?)s?)\Z")


def parse_offset(text: str) -> int:
    """The offset of a camera's clock in milliseconds: `+90` or `+00:01:30` is ahead, `-1.5s` behind, `-2d00:00:00`.

    Raises `UsageError`.
    """
    match = _PARTS.match(text.strip())
    if not match:
        raise UsageError(f"{text!r} is no clock offset", "+90 (seconds ahead), -1.5s (behind), +00:01:30, -2d00:00:00")
    sign, days, hours, minutes, seconds, plain = match.groups()
    total = int(days or 0) * 86_400_000 + int(hours or 0) * 3_600_000 + int(minutes or 0) * 60_000
    total += round(float(seconds or plain or 0) * 1000)
    if total > MOST_MS:
        raise UsageError(f"{text!r} is more than a hundred years", "seconds, or HH:MM:SS")
    return -total if sign == "-" else total


def offset_now(shown: str, now: datetime) -> int:
    """The offset of a camera whose clock shows `shown` (ISO 8601, UTC unless it states a zone) at this moment.

    Raises `UsageError`.
    """
    try:
        moment = datetime.fromisoformat(shown)
    except ValueError as error:
        raise UsageError(f"{shown!r} is no time", "what the camera shows, like 2026-11-22T08:00:03Z") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return round((moment - now).total_seconds() * 1000)


def offset_text(offset_ms: int) -> str:
    """For people: `1:30.000 ahead`."""
    seconds, milliseconds = divmod(abs(offset_ms), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    head = f"{days} days " if days else ""
    clock = f"{hours}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"
    return head + clock + (" behind" if offset_ms < 0 else " ahead")
