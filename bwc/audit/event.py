"""The log's entries, strictly parsed (docs/formats/audit-log.md). `writing` makes them.

An entry is canonical JSON in one fixed shape, so its text must match a pattern, in which only `facts` is free.
The signed message is a slice of the entry itself. `parse_entry` reads one, `split_entries` the columns of many at once.
"""

import json
import re
from binascii import a2b_base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from bwc.audit.merkle import leaf_hash
from bwc.audit.tiles import MAX_ENTRY
from bwc.canonical import parse_canonical
from bwc.errors import BwcError, IntegrityError, ProofInvalid
from bwc.evidence import KeyId, ObjectId, ObjectRole, SealedObject
from bwc.keys import PublicKey

FORMAT = "bwc.event/1"
NO_HASH = "0" * 64  # `prev` of the first entry, `item_prev` of an item's first
MAX_SIGNERS = 16
_MOST_SHAPES = 10_000
_T = TypeVar("_T")

_HEX = "[0-9a-f]"
_COUNT = "(?:0|[1-9][0-9]{0,14}+)"  # below 10^15, so well inside a double
_OBJECT = (
    rf'\{{"commit":"({_HEX}{{64}})","envelope":"({_HEX}{{64}})","manifest":"({_HEX}{{64}})","object":"({_HEX}{{64}})",'
    rf'"role":"([a-z]{{1,32}})","sealed_bytes":({_COUNT}),"segment":({_COUNT})\}}'
)
# The last symbol before padding has unused bits: only its zero forms, or one signature would have several spellings
_BASE64 = (
    "(?>[A-Za-z0-9+/]{85}+[AQgw]==|"  # 64 bytes, nearly always
    "(?:[A-Za-z0-9+/]{4})++(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?)"
)
_BASE64_SYMBOLS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SIGNATURE = rf'\{{"alg":"([a-z0-9-]{{1,32}})","key":"({_HEX}{{32}})","sig":"({_BASE64})"\}}'
_OBJECTS, _SIGNED = re.compile(_OBJECT), re.compile(_SIGNATURE.encode())

# Facts are mostly flat. Strings of this pattern hold no quote, so what looks like a key is one.
_PLAIN = r"[ !#-\[\]-~]*+"  # ASCII that needs no escape
_STRING = f'"{_PLAIN}"'
_SCALAR = rf"(?:{_STRING}|0|-?[1-9][0-9]{{0,14}}|true|false|null)"
_VALUE = rf"(?:{_SCALAR}|\[(?:{_SCALAR}(?:,{_SCALAR})*+)?\])"
_FLAT = rf"\{{(?:{_STRING}:{_VALUE}(?:,{_STRING}:{_VALUE})*+)?\}}"
_FLAT_FACTS = re.compile(_FLAT.encode())
_KEYS = re.compile(rf'[{{,]"({_PLAIN})":'.encode())
_AN_OBJECT, _A_SIGNATURE = (re.sub(r"\((?!\?)", "(?:", one) for one in (_OBJECT, _SIGNATURE))  # which capture nothing

# What has a fixed width is any bytes here, and `_check_symbols` looks at the symbols of all entries at once: half the time
# of a match that does (CPython 3.11). Facts are for `_check_facts`: nothing after them is free text, so a greedy match ends
# at the true `format` whatever they hold. Where it follows their first closing brace, canonical facts end there
_ENTRY = re.compile(
    (
        r'^\{"event":\{"actor":"(.{32}+)","at":"(.{4}-..-..T(?:[01].|2[0-3]):..:..\..{6}+Z)",'
        r'"body":(?:null|\{"commit":"(.{64}+)","file":"(.{64}+)"\}),'
        rf'"boot":"(.{{32}}+)","facts":(\{{[^\n{{}}]*+\}}|\{{[^\n]*\}}),"format":"{FORMAT}","item":'
        r'(?:null,"item_prev":null,"item_seq":null|'
        rf'"([0-9A-Z][0-9A-Z-]{{3,39}}+)","item_prev":"(.{{64}}+)","item_seq":({_COUNT})),'
        r'"kind":"([a-z]{1,32}+(?:\.[a-z]{1,32}+){1,3}+)","log":"([!#-*,-\[\]-~]{1,200}+)",'
        rf'"mono_us":({_COUNT}),"objects":\[((?:{_AN_OBJECT}(?:,{_AN_OBJECT})*+)?)\],'
        rf'"outcome":"(ok|failed|refused)","prev":"(.{{64}}+)","seq":({_COUNT})'
        r'\},"signatures":\[\{"alg":"[a-z0-9-]{1,32}+","key":"\1",'  # the first is the actor's
        rf'"sig":"(?:(.{{86}}+)==|{_BASE64})"\}}((?:,{_A_SIGNATURE}){{0,{MAX_SIGNERS - 1}}}+)\]\}}\n'
    ).encode(),
    re.MULTILINE | re.DOTALL,
)
_SIGNATURES = b',"signatures":['
_EVENT_AT = len('{"event":')


class EntrySignature(NamedTuple):
    """One operator's signature of an event."""

    alg: str
    key: KeyId
    signature: bytes


class Columns(NamedTuple):
    """The parts of many entries, each part a column, as their bytes have them; b"" for null."""

    actor: tuple[bytes, ...]
    at: tuple[bytes, ...]
    body_commit: tuple[bytes, ...]
    body_file: tuple[bytes, ...]
    boot: tuple[bytes, ...]
    facts_text: tuple[bytes, ...]
    item: tuple[bytes, ...]
    item_prev: tuple[bytes, ...]
    item_seq: tuple[bytes, ...]
    kind: tuple[bytes, ...]
    log: tuple[bytes, ...]
    mono_us: tuple[bytes, ...]
    objects_text: tuple[bytes, ...]
    outcome: tuple[bytes, ...]
    prev: tuple[bytes, ...]
    seq: tuple[bytes, ...]
    signature: tuple[bytes, ...]  # the first, without padding, where it is of 64 bytes, as nearly all are
    others: tuple[bytes, ...]  # signatures but the first, each after a comma


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
            for commit, envelope, manifest, name, role, size, segment in _OBJECTS.findall(self.objects_text)
        )


def parse_entry(raw: bytes) -> Entry:
    """The entry in `raw`. Raises `IntegrityError` unless `raw` is exactly one well-formed entry."""
    try:
        return parse_entries([raw])[0]
    except IntegrityError as error:
        raise _why_not(raw, error) from None


def parse_entries(raws: Sequence[bytes]) -> list[Entry]:
    """The entries in `raws`, one at least: for many at half the cost. Raises `IntegrityError`; `parse_entry` says why."""
    found, _ = split_entries(raws)
    columns = (  # in the order of `Entry`
        map(leaf_hash, raws),
        *map(texts, found[:2]),
        *map(_nulls, found[2:4]),
        *map(texts, found[4:6]),
        *map(_nulls, found[6:8]),
        [int(one) if one else None for one in found.item_seq],
        *map(texts, (found.kind, found.log)),
        map(int, found.mono_us),
        *map(texts, found[12:15]),
        map(int, found.seq),
        map(signers_of, found.actor, found.others),
    )
    return list(map(Entry._make, zip(raws, *columns, strict=True)))


def split_entries(raws: Sequence[bytes]) -> tuple[Columns, list[datetime]]:
    """The columns of many entries, one at least, each checked as `parse_entry` does; and the moments that `at` names.

    Raises `IntegrityError` when any of them is no entry: `parse_entry` says which and why.
    """
    if (longest := max(map(len, raws))) > MAX_ENTRY:
        raise IntegrityError(f"an entry takes at most {MAX_ENTRY} bytes, this one has {longest}")
    lines = b"\n".join((*raws, b""))
    # Where no entry holds a newline, as many matches of whole lines as entries are the entries themselves
    rows = _ENTRY.findall(lines)
    if len(rows) != len(raws) or any(10 in raw for raw in raws):  # to count them all takes seven times as long
        raise IntegrityError(f"not an entry of {FORMAT}")
    columns = Columns(*zip(*rows, strict=True))
    _check_symbols(columns)
    _check_facts(columns.facts_text)
    for actor, others in zip(columns.actor, columns.others, strict=True) if any(columns.others) else ():
        signers_of(actor, others)
    try:
        return columns, list(map(datetime.fromisoformat, texts(columns.at)))
    except ValueError as error:
        raise IntegrityError(f"not a time: {error}") from None


def texts(column: Iterable[bytes]) -> list[str]:
    """A column as text."""
    return b"\n".join(column).decode().split("\n")  # half the time of decoding each


def _nulls(column: Iterable[bytes]) -> list[str | None]:
    return [one or None for one in texts(column)]


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
    found = (actor.decode(), *(key.decode() for _, key, _ in _SIGNED.findall(others)))
    if len(set(found)) != len(found):
        raise IntegrityError("the first signature is the actor's, the others are by others")
    return found


def signatures_of(raw: bytes) -> tuple[EntrySignature, ...]:
    """The signatures of the entry `raw`, the actor's first."""
    found = _SIGNED.findall(raw, raw.rindex(_SIGNATURES))
    return tuple(EntrySignature(alg.decode(), KeyId(key.decode()), a2b_base64(sig)) for alg, key, sig in found)


def verify_signatures(raw: bytes, keys: Mapping[str, PublicKey]) -> None:
    """Raise `ProofInvalid` unless every signature of the entry `raw` is by its key in `keys`, which holds them all."""
    message = message_of(raw)
    for one in signatures_of(raw):
        key = keys[one.key]
        if one.alg != key.alg:
            raise ProofInvalid(f"key {one.key} is {key.alg}, its signature says {one.alg}")
        key.verify(message, one.signature)


def fact(facts: Any, name: str, kind: type[_T]) -> _T:
    """The member `name` of an entry's facts. Raises `IntegrityError` unless it is there and of that kind."""
    value = facts.get(name) if isinstance(facts, dict) else None
    if not isinstance(value, kind):
        raise IntegrityError(f"the facts lack {name}")
    return value


def _role(text: str) -> ObjectRole:
    try:
        return ObjectRole(text)
    except ValueError:
        raise IntegrityError(f"{text!r} is not a role of an object") from None


_in_order: set[tuple[bytes, ...]] = set()  # keys of flat facts seen before: few shapes, each met a million times


def _check_symbols(columns: Columns) -> None:
    """Raise `IntegrityError` unless what the pattern leaves open, being of a fixed width, is hex, base64, digits of a time."""
    for column in columns.actor, columns.body_commit, columns.body_file, columns.boot, columns.item_prev, columns.prev:
        if b"".join(column).translate(None, b"0123456789abcdef"):
            raise IntegrityError("a digest or id is not in lower-case hex")
    if b"".join(columns.at).translate(None, b"0123456789") != len(columns.at) * b"--T::.Z":
        raise IntegrityError("a time is not in digits")
    signatures = b"".join(columns.signature)
    if signatures.translate(None, _BASE64_SYMBOLS) or signatures[85::86].translate(None, b"AQgw"):
        raise IntegrityError("a signature is not in base64")


def _check_facts(column: Iterable[bytes]) -> None:
    """Raise `IntegrityError` unless the facts of each are a canonical JSON object."""
    for facts in set(column):  # many entries say the same
        if not _FLAT_FACTS.fullmatch(facts):
            if not isinstance(parse_canonical(facts), dict):
                raise IntegrityError("facts are not a JSON object")
        elif (keys := tuple(_KEYS.findall(facts))) not in _in_order:
            if any(one >= other for one, other in pairwise(keys)):
                raise IntegrityError("not canonical JSON: keys are twice or out of order")
            if len(_in_order) < _MOST_SHAPES:
                _in_order.add(keys)


def _why_not(raw: bytes, error: IntegrityError) -> IntegrityError:
    """The plainest reason why `raw` is no entry: it is not canonical JSON, or `error`."""
    try:
        parse_canonical(raw)
    except BwcError as plain:
        return IntegrityError(plain.message)
    return error
