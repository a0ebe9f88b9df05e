"""What the agency says its vendors' sidecars call things: a TOML file it can edit (docs/sources.md).

A map only names keys. What a sidecar says under them is compared with what the technician said, and recorded.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bwc.canonical import sha256_hex
from bwc.errors import ConfigError

FIELDS = frozenset(
    [
        "camera",
        "case",
        "category",
        "clock_offset",
        "digest",
        "md5",
        "name",
        "officer",
        "recorded_at",
        "sha1",
        "sha256",
        "size_bytes",
    ]
)
_UNITS = {"ms": 1, "s": 1000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one kind of sidecar is read: which key is which field, and how its times are written."""

    match: str = "*"
    fields: tuple[tuple[tuple[str, ...], str], ...] = ()  # path of plain keys, field
    zone: tzinfo | None = None
    time_format: str | None = None
    offset_unit: str = "s"

    def field_of(self, path: tuple[str, ...], key: str) -> str:
        """The field that a key in a table at `path` gives; empty when the map does not say."""
        here = (*(plain_key(one) for one in path), plain_key(key))
        return next((field for wanted, field in self.fields if here[-len(wanted) :] == wanted), "")

    def moment(self, text: str) -> datetime | None:
        """A time as the map says it is written; None when it is not, or when nobody knows its zone."""
        try:
            found = datetime.strptime(text, self.time_format) if self.time_format else datetime.fromisoformat(text)
            if found.tzinfo is None:
                if self.zone is None:
                    return None
                found = found.replace(tzinfo=self.zone)
            return found.astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def offset_ms(self, text: str) -> int | None:
        """A clock offset in the map's unit; None when it is no number."""
        if not re.fullmatch(r"[+-]?\d{1,9}(\.\d{1,6})?", text):
            return None
        return round(float(text) * _UNITS[self.offset_unit])


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarMap:
    """The readings in the order of the file; the first whose pattern fits a sidecar's name counts."""

    readings: tuple[Reading, ...] = ()
    sha256: str | None = None  # of the file, for the record

    def reading_of(self, name: str) -> Reading:
        folded = name.casefold()
        return next((one for one in self.readings if fnmatchcase(folded, one.match.casefold())), Reading())


NOTHING = SidecarMap()


def load_map(path: Path) -> SidecarMap:
    """The map in a file. Raises `ConfigError` for anything it does not know: a typing error must not go unseen."""
    try:
        data = path.read_bytes()
        document = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "--map FILE") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", "see docs/sources.md") from error
    unknown = set(document) - {"sidecar"}
    tables = document.get("sidecar")
    if unknown or not isinstance(tables, list) or not tables:
        raise ConfigError(
            f"{path} holds no [[sidecar]]" + (f", but {min(unknown)}" if unknown else ""), "see docs/sources.md"
        )
    return SidecarMap(readings=tuple(_reading(one, path) for one in tables), sha256=sha256_hex(data))


def plain_key(key: str) -> str:
    """A key without case and punctuation: `Start_Time` and `startTime` are the same."""
    return re.sub(r"[^a-z0-9]", "", key.casefold())


def _reading(table: Any, path: Path) -> Reading:
    known = {"match", "fields", "time_zone", "time_format", "clock_offset_unit"}
    if not isinstance(table, Mapping) or not isinstance(table.get("fields"), Mapping):
        raise ConfigError(f"{path}: a [[sidecar]] without [sidecar.fields]", "see docs/sources.md")
    if unknown := set(table) - known:
        raise ConfigError(f"{path}: nothing is called {min(unknown)}", "one of " + ", ".join(sorted(known)))
    fields: list[tuple[tuple[str, ...], str]] = []
    for field, keys in table["fields"].items():
        if field not in FIELDS:
            raise ConfigError(f"{path}: no field {field}", "one of " + ", ".join(sorted(FIELDS)))
        for key in keys if isinstance(keys, list) else [keys]:
            parts = tuple(plain_key(part) for part in str(key).split("/"))
            if not all(parts):
                raise ConfigError(f"{path}: {key!r} is no key", "like StartTime, or Officer/BadgeNumber")
            fields.append((parts, field))
    for name in ("match", "time_zone", "time_format", "clock_offset_unit"):
        if not isinstance(table.get(name, ""), str):
            raise ConfigError(f"{path}: {name} is not a text", "see docs/sources.md")
    zone = None
    if table.get("time_zone"):
        try:
            zone = ZoneInfo(table["time_zone"])
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(f"{path}: no time zone {table['time_zone']}", "like America/Denver, or UTC") from error
    unit = table.get("clock_offset_unit", "s")
    if unit not in _UNITS:
        raise ConfigError(f"{path}: no unit {unit}", "s or ms")
    # longer paths first: Officer/ID before ID
    return Reading(
        match=table.get("match", "*"),
        fields=tuple(sorted(fields, key=lambda one: -len(one[0]))),
        zone=zone,
        time_format=table.get("time_format"),
        offset_unit=unit,
    )
