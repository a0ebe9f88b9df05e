"""The log's entries, strictly parsed (docs/formats/audit-log.md). `writing` makes them.

An entry is canonical JSON in one fixed shape, so its text must match a pattern, in which only `facts` is free.
The signed message is a slice of the entry itself. `parse_entry` reads one, `split_entries` the columns of many at once.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from bwc.audit.merkle import leaf_hash
from bwc.audit.tiles import MAX_ENTRY
from bwc.canonical import Json, parse_canonical
from bwc.errors import BwcError, IntegrityError
from bwc.evidence import KeyId, ObjectId, ObjectRole, SealedObject
from bwc.signing import decode_binary, encode_binary

FORMAT = "bwc.event/1"
NO_HASH = "0" * 64  # `prev` of the first entry, `item_prev` of an item's first
MAX_SIGNERS = 16
_MOST_SHAPES = 10_000

_HEX = "[0-9a-f]"
_COUNT = "(?:0|[1-9][0-9]{0,14}+)"  # below 10^15, so well inside a double
_OBJECT = re.compile(
    rf'\{{"commit":"({_HEX}{{64}})","envelope":"({_HEX}{{64}})","manifest":"({_HEX}{{64}})","object":"({_HEX}{{64}})",'
    rf'"role":"([a-z]{{1,32}})","sealed_bytes":({_COUNT}),"segment":({_COUNT})\}}'
)
# The last symbol before padding has unused bits: only its zero forms, or one signature would have several spellings
_BASE64 = (
    "(?>[A-Za-z0-9+/]{85}+[AQgw]==|"  # 64 bytes, nearly always
    "(?:[A-Za-z0-9+/]{4})++(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?)"
)
_SIGNATURE = re.compile(rf'\{{"alg":"([a-z0-9-]{{1,32}})","key":"({_HEX}{{32}})","sig":"({_BASE64})"\}}')

# Facts are mostly flat. Strings of this pattern hold no quote, so what looks like a key is one.
_PLAIN = r"[ !#-\[\]-~]*+"  # ASCII that needs no escape
_STRING = f'"{_PLAIN}"'
_SCALAR = rf"(?:{_STRING}|0|-?[1-9][0-9]{{0,14}}|true|false|null)"
_VALUE = rf"(?:{_SCALAR}|\[(?:{_SCALAR}(?:,{_SCALAR})*+)?\])"
_FLAT = rf"\{{(?:{_STRING}:{_VALUE}(?:,{_STRING}:{_VALUE})*+)?\}}"
_KEYS = re.compile(rf'[{{,]"({_PLAIN})":'.encode())
_GROUPS = re.compile(r"\((?!\?)")  # an opening parenthesis that captures


def _one(pattern: re.Pattern[str]) -> str:
    return _GROUPS.sub("(?:", pattern.pattern)


# What has a fixed width is any bytes here, and `_check_symbols` looks at the symbols of all entries at once: half the time
# of a match that does (CPython 3.11). Nothing after `facts` is free text, so a greedy match ends at the true `format`
# whatever facts hold
_ENTRY = re.compile(
    (
        r'^\{"event":\{"actor":"(.{32}+)","at":"(.{4}-..-..T..:..:..\..{6}+Z)",'
        r'"body":(?:null|\{"commit":"(.{64}+)","file":"(.{64}+)"\}),'
        rf'"boot":"(.{{32}}+)","facts":(?:({_FLAT})|(\{{[^\n]*\}})),"format":"{FORMAT}","item":'
        r'(?:null,"item_prev":null,"item_seq":null|'
        rf'"([0-9A-Z][0-9A-Z-]{{3,39}}+)","item_prev":"(.{{64}}+)","item_seq":({_COUNT})),'
        r'"kind":"([a-z]{1,32}+(?:\.[a-z]{1,32}+){1,3}+)","log":"([!#-*,-\[\]-~]{1,200}+)",'
        rf'"mono_us":({_COUNT}),"objects":\[((?:{_one(_OBJECT)}(?:,{_one(_OBJECT)})*+)?)\],'
        rf'"outcome":"(ok|failed|refused)","prev":"(.{{64}}+)","seq":({_COUNT})'
        r'\},"signatures":\[\{"alg":"[a-z0-9-]{1,32}+","key":"\1",'  # the first is the actor's
        rf'"sig":"{_BASE64}"\}}((?:,{_one(_SIGNATURE)}){{0,{MAX_SIGNERS - 1}}}+)\]\}}\n'
    ).encode(),
    re.MULTILINE | re.DOTALL,
)
_SIGNATURES = b',"signatures":['
_EVENT_AT = len('{"event":')


@dataclass(frozen=True, slots=True)
class EntrySignature:
    """One operator's signature of an event."""

    alg: str
    key: KeyId
    signature: bytes

    def to_json(self) -> dict[str, Json]:
        return {"alg": self.alg, "key": self.key, "sig": encode_binary(self.signature)}


_T = TypeVar("_T")


class Columns(NamedTuple, Generic[_T]):
    """The parts of an entry as its bytes have them, b"" for null; or those of many, each part a column."""

    actor: _T
    at: _T
    body_commit: _T
    body_file: _T
    boot: _T
    facts_flat: _T  # one of the two is empty
    facts_deep: _T
    item: _T
    item_prev: _T
    item_seq: _T
    kind: _T
    log: _T
    mono_us: _T
    objects_text: _T
    outcome: _T
    prev: _T
    seq: _T
    others: _T  # signatures but the first, each after a comma


Table: TypeAlias = Columns[tuple[bytes, ...]]


class Entry(NamedTuple):
    """One parsed entry. Form is checked, signatures and chains are not. Hashes in text are 64 hex digits."""

    raw: bytes
    leaf_hash: bytes
    actor: str
    at: str
    body_commit: str | None
    body_file: str | None
    boot: str
    facts_text: str
    item: str | None
    item_prev: str | None
    item_seq: int | None
    kind: str
    log: str
    mono_us: int
    objects_text: str
    outcome: str
    prev: str
    seq: int
    signers: tuple[str, ...]  # the keys that signed, the actor's first

    @property
    def facts(self) -> dict[str, Any]:
        """The public facts."""
        facts: dict[str, Any] = json.loads(self.facts_text)
        return facts

    @property
    def event(self) -> dict[str, Any]:
        """The whole event as it was signed."""
        event: dict[str, Any] = json.loads(self.raw)["event"]
        return event

    @property
    def message(self) -> bytes:
        """What each signature is over."""
        return message_of(self.raw)

    @property
    def signatures(self) -> tuple[EntrySignature, ...]:
        """The first is the actor's, the others are by other keys."""
        return signatures_of(self.raw)

    @property
    def objects(self) -> tuple[SealedObject, ...]:
        """The sealed objects that this event brought, or whose envelope it replaced."""
        return tuple(
            SealedObject(
                object_id=ObjectId(name),
                role=_role(role),
                segment=int(segment),
                sealed_bytes=int(size),
                content_commit=commit,
                manifest_sha256=manifest,
                envelope_sha256=envelope,
            )
            for commit, envelope, manifest, name, role, size, segment in _OBJECT.findall(self.objects_text)
        )


def parse_entry(raw: bytes) -> Entry:
    """The entry in `raw`. Raises `IntegrityError` unless `raw` is exactly one well-formed entry."""
    try:
        return parse_entries([raw])[0]
    except IntegrityError as error:
        raise _why_not(raw, error) from None


def parse_entries(raws: Sequence[bytes]) -> list[Entry]:
    """The entries in `raws`, one at least: for many at half the cost. Raises `IntegrityError`; `parse_entry` says why."""
    columns = split_entries(raws)
    verify_dates(columns.at)
    rows = zip(*map(texts, columns[:-1]), columns.others, strict=True)
    return [_entry(raw, *row) for raw, row in zip(raws, rows, strict=True)]


def split_entries(raws: Sequence[bytes]) -> Table:
    """The columns of many entries, one at least, each checked as `parse_entry` does but for the date of `at`.

    Raises `IntegrityError` when any of them is no entry: `parse_entry` says which and why.
    """
    if (longest := max(map(len, raws))) > MAX_ENTRY:
        raise IntegrityError(f"an entry takes at most {MAX_ENTRY} bytes, this one has {longest}")
    # No entry holds a newline, so as many lines as entries, each matched whole, are the entries themselves
    rows = _ENTRY.findall(b"\n".join(raws) + b"\n")
    if len(rows) != len(raws) or [raw for raw in raws if b"\n" in raw]:
        raise IntegrityError(f"not an entry of {FORMAT}")
    columns: Table = Columns(*zip(*rows, strict=True))
    _check_symbols(columns)
    _check_facts(columns)
    if any(columns.others):
        for actor, others in zip(columns.actor, columns.others, strict=True):
            signers_of(actor, others)
    return columns


def texts(column: Iterable[bytes]) -> list[str]:
    """A column as text."""
    return b"\n".join(column).decode().split("\n")  # half the time of decoding each


def verify_dates(times: Iterable[bytes]) -> list[datetime]:
    """The moments that `times` name. Raises `IntegrityError` unless there are such dates."""
    try:
        return list(map(datetime.fromisoformat, texts(times)))
    except ValueError as error:
        raise IntegrityError(f"not a time: {error}") from None


def message_of(raw: bytes) -> bytes:
    """What each signature of the entry `raw` is over."""
    return signed_message(raw[_EVENT_AT : raw.rindex(_SIGNATURES)])


def signed_message(event: bytes) -> bytes:
    """What is signed of an event's bytes."""
    return FORMAT.encode() + b"\n" + event


def signers_of(actor: bytes, others: bytes) -> tuple[str, ...]:
    """The keys that signed, the actor's first. Raises `IntegrityError` if one signed twice."""
    if not others:
        return (actor.decode(),)
    found = (actor.decode(), *(key for _, key, _ in _SIGNATURE.findall(others.decode())))
    if len(set(found)) != len(found):
        raise IntegrityError("the first signature is the actor's, the others are by others")
    return found


def signatures_of(raw: bytes) -> tuple[EntrySignature, ...]:
    """The signatures of the entry `raw`, the actor's first."""
    found = _SIGNATURE.findall(raw[raw.rindex(_SIGNATURES) :].decode())
    return tuple(EntrySignature(alg, KeyId(key), decode_binary(sig)) for alg, key, sig in found)


def _entry(  # noqa: PLR0917
    raw: bytes,
    actor: str,
    at: str,
    body_commit: str,
    body_file: str,
    boot: str,
    facts_flat: str,
    facts_deep: str,
    item: str,
    item_prev: str,
    item_seq: str,
    kind: str,
    log: str,
    mono_us: str,
    objects_text: str,
    outcome: str,
    prev: str,
    seq: str,
    others: bytes,
) -> Entry:
    return Entry(
        raw,
        leaf_hash(raw),
        actor,
        at,
        body_commit or None,
        body_file or None,
        boot,
        facts_flat or facts_deep,
        item or None,
        item_prev or None,
        int(item_seq) if item else None,
        kind,
        log,
        int(mono_us),
        objects_text,
        outcome,
        prev,
        int(seq),
        signers_of(actor.encode(), others) if others else (actor,),
    )


def _role(text: str) -> ObjectRole:
    try:
        return ObjectRole(text)
    except ValueError:
        raise IntegrityError(f"{text!r} is not a role of an object") from None


_in_order: set[tuple[bytes, ...]] = set()  # keys of flat facts seen before: few shapes, each met a million times


def _check_symbols(columns: Table) -> None:
    """Raise `IntegrityError` unless what the pattern leaves open, being of a fixed width, is hex, and digits of a time."""
    for column in columns.actor, columns.body_commit, columns.body_file, columns.boot, columns.item_prev, columns.prev:
        if b"".join(column).translate(None, b"0123456789abcdef"):
            raise IntegrityError("a digest or id is not in lower-case hex")
    if b"".join(columns.at).translate(None, b"0123456789") != len(columns.at) * b"--T::.Z":
        raise IntegrityError("a time is not in digits")


def _check_facts(columns: Table) -> None:
    """Raise `IntegrityError` unless the facts of each are a canonical JSON object."""
    for facts in set(columns.facts_flat):  # many entries say the same
        keys = tuple(_KEYS.findall(facts))
        if keys not in _in_order:
            if any(one >= other for one, other in pairwise(keys)):
                raise IntegrityError("not canonical JSON: keys are twice or out of order")
            if len(_in_order) < _MOST_SHAPES:
                _in_order.add(keys)
    for facts in set(columns.facts_deep):
        if facts and not isinstance(parse_canonical(facts), dict):
            raise IntegrityError("facts are not a JSON object")


def _why_not(raw: bytes, error: IntegrityError) -> IntegrityError:
    """The plainest reason why `raw` is no entry: it is not canonical JSON, or `error`."""
    try:
        parse_canonical(raw)
    except BwcError as plain:
        return IntegrityError(plain.message)
    return error
