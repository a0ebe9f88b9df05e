"""The log's entries, strictly parsed (docs/formats/audit-log.md). `writing` makes them.

An entry is canonical JSON in one fixed shape, so its text must match a pattern, in which only `facts` is free.
The signed message is a slice of the entry itself. `parse_entry` reads one, `split_entries` a bundle of them at once.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

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
_COUNT = "(?:0|[1-9][0-9]{0,14})"  # below 10^15, so well inside a double
_OBJECT = re.compile(
    rf'\{{"commit":"({_HEX}{{64}})","envelope":"({_HEX}{{64}})","manifest":"({_HEX}{{64}})","object":"({_HEX}{{64}})",'
    rf'"role":"([a-z]{{1,32}})","sealed_bytes":({_COUNT}),"segment":({_COUNT})\}}'
)
# The last symbol before padding has unused bits: only its zero forms, or one signature would have several spellings
_BASE64 = (
    "(?>[A-Za-z0-9+/]{85}[AQgw]==|"  # 64 bytes, nearly always
    "(?:[A-Za-z0-9+/]{4})++(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?)"
)
_SIGNATURE = re.compile(rf'\{{"alg":"([a-z0-9-]{{1,32}})","key":"({_HEX}{{32}})","sig":"({_BASE64})"\}}')

# Facts are mostly flat. Strings of this pattern hold no quote, so what looks like a key is one.
_PLAIN = r"[ !#-\[\]-~]*+"  # ASCII that needs no escape
_STRING = f'"{_PLAIN}"'
_SCALAR = rf"(?:{_STRING}|0|-?[1-9][0-9]{{0,14}}|true|false|null)"
_VALUE = rf"(?:{_SCALAR}|\[(?:{_SCALAR}(?:,{_SCALAR})*+)?\])"
_FLAT = rf"\{{(?:{_STRING}:{_VALUE}(?:,{_STRING}:{_VALUE})*+)?\}}"
_KEYS = re.compile(rf'[{{,]"({_PLAIN})":')
_GROUPS = re.compile(r"\((?!\?)")  # an opening parenthesis that captures


def _one(pattern: re.Pattern[str]) -> str:
    return _GROUPS.sub("(?:", pattern.pattern)


# Nothing after `facts` is free text, so a greedy match ends at the true `format` whatever facts hold
_ENTRY = (
    rf'\{{"event":\{{"actor":"({_HEX}{{32}})",'
    r'"at":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)",'
    rf'"body":(?:null|\{{"commit":"({_HEX}{{64}})","file":"({_HEX}{{64}})"\}}),'
    rf'"boot":"({_HEX}{{32}})","facts":(?:({_FLAT})|(\{{.*\}})),"format":"{FORMAT}","item":'
    r'(?:null,"item_prev":null,"item_seq":null|'
    rf'"([0-9A-Z][0-9A-Z-]{{3,39}})","item_prev":"({_HEX}{{64}})","item_seq":({_COUNT})),'
    r'"kind":"([a-z]{1,32}(?:\.[a-z]{1,32}){1,3})","log":"([!#-*,-\[\]-~]{1,200})",'
    rf'"mono_us":({_COUNT}),"objects":\[((?:{_one(_OBJECT)}(?:,{_one(_OBJECT)})*)?)\],'
    rf'"outcome":"(ok|failed|refused)","prev":"({_HEX}{{64}})","seq":({_COUNT})'
    r'\},"signatures":\[\{"alg":"([a-z0-9-]{1,32})","key":"\1",'  # the first is the actor's
    rf'"sig":"({_BASE64})"\}}((?:,{_one(_SIGNATURE)}){{0,{MAX_SIGNERS - 1}}})\]\}}'
)
_WHOLE = re.compile(_ENTRY)
_LINES = re.compile(f"^{_ENTRY}\n", re.MULTILINE)
_EVENT_AT = len('{"event":')


@dataclass(frozen=True, slots=True)
class EntrySignature:
    """One operator's signature of an event."""

    alg: str
    key: KeyId
    signature: bytes

    def to_json(self) -> dict[str, Json]:
        return {"alg": self.alg, "key": self.key, "sig": encode_binary(self.signature)}


class Columns(NamedTuple):
    """The parts of an entry as the text has them; "" for null."""

    actor: str
    at: str
    body_commit: str
    body_file: str
    boot: str
    facts_flat: str  # one of the two is ""
    facts_deep: str
    item: str
    item_prev: str
    item_seq: str
    kind: str
    log: str
    mono_us: str
    objects_text: str
    outcome: str
    prev: str
    seq: str
    alg: str
    sig: str
    others: str  # further signatures, each after a comma


class Entry(NamedTuple):
    """One parsed entry. Form is checked, signatures and chains are not. Hashes in text are 64 hex digits."""

    raw: bytes
    leaf_hash: bytes
    columns: Columns
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
        return signatures_of(self.columns)

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
    if len(raw) > MAX_ENTRY:
        raise IntegrityError(f"an entry takes at most {MAX_ENTRY} bytes, this one has {len(raw)}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise IntegrityError("an entry is UTF-8") from None
    found = _WHOLE.fullmatch(text)
    if found is None:
        raise _why_not(raw)
    columns = Columns._make(found.groups(""))
    _moment(columns.at)
    check_facts((columns,))
    return Entry(
        raw,
        leaf_hash(raw),
        columns,
        columns.actor,
        columns.at,
        columns.body_commit or None,
        columns.body_file or None,
        columns.boot,
        columns.facts_flat or columns.facts_deep,
        columns.item or None,
        columns.item_prev or None,
        int(columns.item_seq) if columns.item else None,
        columns.kind,
        columns.log,
        int(columns.mono_us),
        columns.objects_text,
        columns.outcome,
        columns.prev,
        int(columns.seq),
        signers_of(columns),
    )


def split_entries(raws: Sequence[bytes]) -> list[Columns]:
    """The columns of many entries, each checked as `parse_entry` does but for the date of `at`, at a third of the cost.

    Raises `IntegrityError` or `UnicodeDecodeError` when any of them is no entry: `parse_entry` says which and why.
    """
    # No entry holds a newline, so as many lines as entries, each matched whole, are the entries themselves
    text = (b"\n".join(raws) + b"\n").decode("utf-8")
    rows: list[Any] = _LINES.findall(text)
    if not len(rows) == len(raws) == text.count("\n") or max(map(len, raws)) > MAX_ENTRY:
        raise IntegrityError("not all of these are entries")
    check_facts(rows)
    for row in rows:
        if row[19]:
            signers_of(Columns._make(row))
    return rows


def message_of(raw: bytes) -> bytes:
    """What each signature of the entry `raw` is over."""
    return signed_message(raw[_EVENT_AT : raw.rindex(b',"signatures":[')])


def signed_message(event: bytes) -> bytes:
    """What is signed of an event's bytes."""
    return FORMAT.encode() + b"\n" + event


def other_signatures(others: str) -> list[EntrySignature]:
    """The signatures in the last column."""
    return [EntrySignature(alg, KeyId(key), decode_binary(sig)) for alg, key, sig in _SIGNATURE.findall(others)]


def signers_of(columns: Columns) -> tuple[str, ...]:
    """The keys that signed, the actor's first. Raises `IntegrityError` if one signed twice."""
    if not columns.others:
        return (columns.actor,)
    found = (columns.actor, *(key for _, key, _ in _SIGNATURE.findall(columns.others)))
    if len(set(found)) != len(found):
        raise IntegrityError("the first signature is the actor's, the others are by others")
    return found


def signatures_of(columns: Columns) -> tuple[EntrySignature, ...]:
    """The signatures, the actor's first."""
    first = EntrySignature(columns.alg, KeyId(columns.actor), decode_binary(columns.sig))
    return (first, *(other_signatures(columns.others) if columns.others else ()))


def _moment(at: str) -> datetime:
    try:
        return datetime.fromisoformat(at)
    except ValueError:
        raise IntegrityError(f"{at} is not a time") from None


def _role(text: str) -> ObjectRole:
    try:
        return ObjectRole(text)
    except ValueError:
        raise IntegrityError(f"{text!r} is not a role of an object") from None


_in_order: set[tuple[str, ...]] = set()  # keys of flat facts seen before: few shapes, each met a million times


def check_facts(rows: Iterable[Columns]) -> None:
    """Raise `IntegrityError` unless the facts of each are a canonical JSON object."""
    for row in rows:
        if row[6]:
            if not isinstance(parse_canonical(row[6].encode()), dict):
                raise IntegrityError("facts are not a JSON object")
        elif (keys := tuple(_KEYS.findall(row[5]))) not in _in_order:
            if any(one >= other for one, other in pairwise(keys)):
                raise IntegrityError("not canonical JSON: keys are twice or out of order")
            if len(_in_order) < _MOST_SHAPES:
                _in_order.add(keys)


def _why_not(raw: bytes) -> IntegrityError:
    """The plainest reason why `raw` is no entry."""
    try:
        parse_canonical(raw)
    except BwcError as error:
        return IntegrityError(error.message)
    return IntegrityError(f"not an entry of {FORMAT}")
