"""Wrong passphrases, remembered beside the key until its holder is back: only they can sign that it happened."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bwc.config import user_config_dir
from bwc.evidence import utc_text

_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How often the passphrase of one key was wrong since its holder last unlocked it."""

    count: int
    first_at: str
    last_at: str


def note_attempt(name: str) -> None:
    """Remember a wrong passphrase for the key `name`. Never in the way: what cannot be written is not."""
    with suppress(OSError):
        path = _path(name)
        before = read_attempts(name)
        now = utc_text(datetime.now(UTC))
        count = min(before.count + 1, _MOST) if before else 1
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"count": count, "first_at": before.first_at if before else now, "last_at": now})
        partial = path.with_name(path.name + ".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def read_attempts(name: str) -> Attempts | None:
    """What is remembered of the key `name`."""
    try:
        found = json.loads(_path(name).read_text(encoding="utf-8"))
        return Attempts(count=int(found["count"]), first_at=str(found["first_at"]), last_at=str(found["last_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget_attempts(name: str) -> None:
    """It is in the log now."""
    with suppress(OSError):
        _path(name).unlink()


def _path(name: str) -> Path:
    return user_config_dir() / "attempts" / f"{name}.json"
