"""Outsiders whom policy names: witnesses that cosign checkpoints, and time-stamping authorities."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from bwc.canonical import Json
from bwc.errors import UsageError

MOST_OUTSIDERS = 16
_MOST_ROOTS = 8
_MOST_ROOT_BYTES = 4_000  # an entry of the log holds 65,535 bytes in all
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
_URL = re.compile(r"https?://[!-~]{1,400}\Z")
_VKEY = re.compile(r"[!#-*,-\[\]-~]{1,200}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{40,120}={0,2}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Somebody who cosigns the log's checkpoints: the key (a C2SP vkey), and where to ask."""

    vkey: str
    url: str

    def __post_init__(self) -> None:
        """Form only: whether the key is sound is for whoever verifies with it."""
        if not isinstance(self.vkey, str) or not _VKEY.match(self.vkey):
            raise UsageError("witnesses need a key", "one line, as the witness gives it: NAME+ID+KEY")
        _check_url("witnesses", self.url)

    @property
    def name(self) -> str:
        return self.vkey.partition("+")[0]

    def to_json(self) -> dict[str, Json]:
        return {"url": self.url, "vkey": self.vkey}

    @classmethod
    def from_json(cls, value: Any) -> "Witness":
        return cls(vkey=_member(value, "vkey"), url=_member(value, "url"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAuthority:
    """A time-stamping authority (RFC 3161): a short name, where to ask, and the roots its certificates lead to."""

    name: str
    url: str
    roots: tuple[str, ...]  # certificates, DER, base64

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.match(self.name):
            raise UsageError("time_authorities need a name", "small letters, digits and dashes, at most 40")
        _check_url("time_authorities", self.url)
        roots = self.roots_der()
        if not 1 <= len(roots) <= _MOST_ROOTS or any(not 0 < len(one) <= _MOST_ROOT_BYTES for one in roots):
            raise UsageError("time_authorities need a root certificate", f"1 to {_MOST_ROOTS} of them")

    def roots_der(self) -> list[bytes]:
        """The roots as certificates in DER."""
        try:
            return [base64.b64decode(one, validate=True) for one in self.roots]
        except (binascii.Error, ValueError, TypeError):
            raise UsageError("time_authorities need a root certificate", "DER in base64") from None

    def to_json(self) -> dict[str, Json]:
        return {"name": self.name, "roots": list(self.roots), "url": self.url}

    @classmethod
    def from_json(cls, value: Any) -> "TimeAuthority":
        roots = value.get("roots") if isinstance(value, dict) else None
        if not isinstance(roots, list) or not all(isinstance(one, str) for one in roots):
            raise UsageError("time_authorities need a root certificate")
        return cls(name=_member(value, "name"), url=_member(value, "url"), roots=tuple(roots))


def check_distinct(name: str, names: list[str]) -> None:
    """Raise `UsageError` for too many outsiders, or two of one name."""
    if len(names) > MOST_OUTSIDERS or len(set(names)) != len(names):
        raise UsageError(f"{name} are too many, or one is named twice", f"at most {MOST_OUTSIDERS} different ones")


def _check_url(what: str, url: object) -> None:
    if not isinstance(url, str) or not _URL.match(url):
        raise UsageError(f"{what} need an address", "like https://witness.example/")


def _member(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, str):
        raise UsageError(f"{name} is missing")
    return found
