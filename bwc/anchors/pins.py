"""Pinned agencies: the log keys this person already has, kept outside of everything that is verified with them.

A pin is what ties a release to an agency. It comes from the agency by another way than the release: a letter, a
phone call, the agency's own site; the fingerprint is what two people compare.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bwc.anchors.beside import write_beside
from bwc.audit.checkpoint import NoteKey
from bwc.canonical import Json, sha256_hex
from bwc.errors import ConfigError, IntegrityError, ProofInvalid, UsageError
from bwc.evidence import parse_utc, utc_text

FORMAT = "bwc.pins/1"
FILE_NAME = "pins.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One agency's log: its name for people, its key, and when this person took it in."""

    agency: str
    key: NoteKey
    pinned_at: datetime

    @property
    def origin(self) -> str:
        return self.key.name

    def to_json(self) -> dict[str, Json]:
        return {
            "agency": self.agency,
            "origin": self.origin,
            "pinned_at": utc_text(self.pinned_at),
            "vkey": self.key.text(),
        }

    @classmethod
    def from_json(cls, value: Any) -> "Pin":
        """Raises `UsageError` or `IntegrityError` for anything that `to_json` does not write."""
        if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in _MEMBERS):
            raise UsageError("a pin holds agency, origin, pinned_at and vkey")
        found = cls(agency=value["agency"], key=NoteKey.parse(value["vkey"]), pinned_at=parse_utc(value["pinned_at"]))
        if found.origin != value["origin"]:
            raise UsageError(f"the pin of {value['origin']} holds the key of {found.origin}")
        return found


_MEMBERS = ("agency", "origin", "pinned_at", "vkey")


def load_pins(path: Path) -> tuple[Pin, ...]:
    """The pins in the file at `path`; none if there is no file. Raises `ConfigError` if it cannot be read.

    A damaged file of pins is an error, not an empty one: otherwise damaging it would unpin every agency.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}", f"restore it from a backup, or remove it: rm {path}") from error
    try:
        if not isinstance(value, dict) or value.get("format") != FORMAT or not isinstance(value.get("pins"), list):
            raise UsageError(f"not a file of pins ({FORMAT})")
        return tuple(Pin.from_json(one) for one in value["pins"])
    except (UsageError, IntegrityError) as error:
        raise ConfigError(f"{path}: {error}", f"restore it from a backup, or remove it: rm {path}") from error


def save_pins(path: Path, pins: Iterable[Pin]) -> None:
    """Write the pins to `path`, readable by its owner only; a reader sees the old file or the new one."""
    document = {"format": FORMAT, "pins": [pin.to_json() for pin in pins]}
    write_beside(path, json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def add_pin(path: Path, pin: Pin) -> tuple[Pin, ...]:
    """Pin one more agency. The same key again changes nothing.

    Raises `ProofInvalid` when its log is pinned with another key already: one of the two is not the agency's.
    """
    pins = load_pins(path)
    for held in pins:
        if held.origin == pin.origin and held.key != pin.key:
            raise ProofInvalid(
                f"{pin.origin} is pinned with another key since {held.pinned_at:%Y-%m-%d}",
                f"ask the agency; to give up the old key, remove it from {path}",
            )
        if held.origin == pin.origin:
            return pins
    pins = (*pins, pin)
    save_pins(path, pins)
    return pins


def fingerprint_text(key: NoteKey) -> str:
    """What two people compare on paper or by telephone: SHA-256 of the vkey text, 64 hex digits in groups of four."""
    digits = sha256_hex(key.text().encode())
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def typed_key(text: str) -> NoteKey:
    """The log key a person typed or pasted. Raises `UsageError` if it is none: a slip of the pen is no tampering."""
    if _is_mistyped(text):
        what = f"{text[:60]!r}: mistyped: the checksum does not fit"
        raise UsageError(what, "compare it letter by letter, or copy it: NAME+ID+KEY")
    try:
        return NoteKey.parse(text)
    except IntegrityError as error:
        raise UsageError(f"{text[:60]!r}: {error.message}", "one line, as the agency gives it: NAME+ID+KEY") from error


def _is_mistyped(text: str) -> bool:
    """Whether the text has a key's form and its id is not that of its name and key: said before what the key itself lacks."""
    name, _, rest = text.strip().partition("+")
    mark, _, key = rest.partition("+")
    try:
        blob = base64.b64decode(key, validate=True)
    except ValueError:
        return bool(name and mark and key)
    return bool(name and mark and key) and sha256_hex(name.encode() + b"\n" + blob)[:8] != mark


def same_agency(one: str, other: str) -> bool:
    """Whether two agency names read the same to a person: case, spacing and punctuation do not count."""
    return _plain(one) == _plain(other)


def pin_of(pins: Sequence[Pin], origin: str) -> Pin | None:
    """The pin of the log `origin`, if there is one."""
    return next((pin for pin in pins if pin.origin == origin), None)


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())
