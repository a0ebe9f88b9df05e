"""The log's entries: building, signing and strictly parsing custody events (docs/formats/audit-log.md).

An entry is canonical JSON in one fixed shape, so its text up to `facts` and from `format` on must match a pattern,
and only `facts` is free. The signed message is then a slice of the entry itself.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from bwc.audit.merkle import leaf_hash
from bwc.audit.tiles import MAX_ENTRY
from bwc.canonical import Json, canonical, parse_canonical
from bwc.errors import BwcError, IntegrityError, UsageError
from bwc.evidence import EventDraft, KeyId, ObjectId, ObjectRole, SealedObject, utc_text
from bwc.keys import Signer, decode_binary, encode_binary

FORMAT = "bwc.event/1"
NO_HASH = "0" * 64  # `prev` of the first entry, `item_prev` of an item's first
MAX_SIGNERS = 16

_HEX = "[0-9a-f]"
_COUNT = "(?:0|[1-9][0-9]{0,14})"  # below 10^15, so well inside a double
_HEAD = re.compile(
    rf'\{{"event":\{{"actor":"({_HEX}{{32}})",'
    r'"at":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)",'
    rf'"body":(?:null|\{{"commit":"({_HEX}{{64}})","file":"({_HEX}{{64}})"\}}),'
    rf'"boot":"({_HEX}{{32}})","facts":'
)
_MARK = f',"format":"{FORMAT}","item":'
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
_GROUPS = re.compile(r"\((?!\?)")  # an opening parenthesis that captures


def _one(pattern: re.Pattern[str]) -> str:
    return _GROUPS.sub("(?:", pattern.pattern)


_TAIL = re.compile(
    f'{_MARK}(?:null,"item_prev":null,"item_seq":null|'
    rf'"([0-9A-Z][0-9A-Z-]{{3,39}})","item_prev":"({_HEX}{{64}})","item_seq":({_COUNT})),'
    r'"kind":"([a-z]{1,32}(?:\.[a-z]{1,32}){1,3})","log":"([!#-*,-\[\]-~]{1,200})",'
    rf'"mono_us":({_COUNT}),"objects":\[((?:{_one(_OBJECT)}(?:,{_one(_OBJECT)})*)?)\],'
    rf'"outcome":"(ok|failed|refused)","prev":"({_HEX}{{64}})","seq":({_COUNT})'
    rf'\}},"signatures":\[({_one(_SIGNATURE)}(?:,{_one(_SIGNATURE)}){{0,{MAX_SIGNERS - 1}}})\]\}}'
)
_EVENT_AT = len('{"event":')


@dataclass(frozen=True, slots=True)
class EntrySignature:
    """One operator's signature of an event."""

    alg: str
    key: KeyId
    signature: bytes

    def to_json(self) -> dict[str, Json]:
        return {"alg": self.alg, "key": self.key, "sig": encode_binary(self.signature)}


class Entry(NamedTuple):
    """One parsed entry. Form is checked, signatures and chains are not. Hashes in text are 64 hex digits."""

    raw: bytes
    leaf_hash: bytes
    actor: str
    at: str
    at_moment: datetime
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
    signatures_text: str
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
        tail = len(f',"signatures":[{self.signatures_text}]}}')  # ASCII, so characters are bytes
        return _message(self.raw[_EVENT_AT:-tail])

    @property
    def signatures(self) -> tuple[EntrySignature, ...]:
        """The first is the actor's, the others are by other keys."""
        rows = _SIGNATURE.findall(self.signatures_text)
        return tuple(EntrySignature(alg, KeyId(key), decode_binary(sig)) for alg, key, sig in rows)

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


def build_event(
    draft: EventDraft,
    *,
    log: str,
    seq: int,
    prev: str,
    item_seq: int | None,
    item_prev: str | None,
    at: datetime,
    actor: str,
    boot: str,
    mono_us: int,
    body: Mapping[str, Json] | None,
) -> dict[str, Json]:
    """The event of `draft` at its place in the log. `body` is `{"commit", "file"}` of its sealed private part."""
    return {
        "actor": actor,
        "at": utc_text(at),
        "body": None if body is None else {"commit": body["commit"], "file": body["file"]},
        "boot": boot,
        "facts": draft.facts,
        "format": FORMAT,
        "item": draft.item,
        "item_prev": item_prev,
        "item_seq": item_seq,
        "kind": draft.kind.value,
        "log": log,
        "mono_us": mono_us,
        "objects": [one.to_json() for one in draft.objects],
        "outcome": draft.outcome.value,
        "prev": prev,
        "seq": seq,
    }


def sign_event(event: Mapping[str, Json], signers: Sequence[Signer]) -> Entry:
    """The entry of `event`, signed by each of `signers` (the first is its actor), parsed back.

    Raises `UsageError` if such an entry could not be read again: too long, facts without canonical form,
    the same key twice.
    """
    try:
        message = _message(canonical(event))
        return parse_entry(
            encode_entry(event, [EntrySignature(one.alg, one.key_id, one.sign(message)) for one in signers])
        )
    except (ValueError, IntegrityError) as error:
        raise UsageError(f"{event.get('kind')} cannot be recorded: {error}") from error


def encode_entry(event: Mapping[str, Json], signatures: Sequence[EntrySignature]) -> bytes:
    """The bytes of an entry. Raises `ValueError` where canonical JSON does."""
    return canonical({"event": event, "signatures": [one.to_json() for one in signatures]})


def parse_entry(raw: bytes) -> Entry:
    """The entry in `raw`. Raises `IntegrityError` unless `raw` is exactly one well-formed entry."""
    if len(raw) > MAX_ENTRY:
        raise IntegrityError(f"an entry takes at most {MAX_ENTRY} bytes, this one has {len(raw)}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise IntegrityError("an entry is UTF-8") from None
    # Nothing after `facts` is free text, so the last mark is the true one whatever `facts` holds
    split = text.rfind(_MARK)
    head = _HEAD.match(text)
    tail = _TAIL.fullmatch(text, split) if split > 0 else None
    if head is None or tail is None or head.end() > split:
        raise _why_not(raw)
    actor, at, commit, file, boot = head.groups()
    item, item_prev, item_seq, kind, log, mono_us, objects, outcome, prev, seq, signatures = tail.groups()
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise IntegrityError(f"{at} is not a time") from None
    facts = text[head.end() : split]
    _check_facts(facts)
    signers: tuple[str, ...] = (signatures.partition('"key":"')[2][:32],)
    if signatures.count('"key":"') > 1:
        signers = tuple(row[1] for row in _SIGNATURE.findall(signatures))
    if signers[0] != actor or len(set(signers)) != len(signers):
        raise IntegrityError("the first signature is the actor's, the others are by others")
    return Entry(
        raw,
        leaf_hash(raw),
        actor,
        at,
        moment,
        commit,
        file,
        boot,
        facts,
        item,
        item_prev,
        None if item_seq is None else int(item_seq),
        kind,
        log,
        int(mono_us),
        objects,
        outcome,
        prev,
        int(seq),
        signatures,
        signers,
    )


def _message(event: bytes) -> bytes:
    return FORMAT.encode() + b"\n" + event


def _role(text: str) -> ObjectRole:
    try:
        return ObjectRole(text)
    except ValueError:
        raise IntegrityError(f"{text!r} is not a role of an object") from None


_PLAIN = r"[ !#-\[\]-~]*+"  # ASCII that needs no escape
_STRING = f'"{_PLAIN}"'
_SCALAR = rf"(?:{_STRING}|0|-?[1-9][0-9]{{0,14}}|true|false|null)"
_VALUE = rf"(?:{_SCALAR}|\[(?:{_SCALAR}(?:,{_SCALAR})*+)?\])"
_FLAT = re.compile(rf"\{{{_STRING}:{_VALUE}(?:,{_STRING}:{_VALUE})*+\}}")
_KEYS = re.compile(rf'[{{,]"({_PLAIN})":')


def _check_facts(text: str) -> None:
    """Raise `IntegrityError` unless `text` is a canonical JSON object."""
    # Most facts are flat: a pattern and the order of the keys decide in 1.5 us, canonical.py would take 20.
    # Strings of the pattern hold no quote, so what looks like a key is one.
    if text == "{}":
        return
    if _FLAT.fullmatch(text):
        keys = _KEYS.findall(text)
        if any(one >= other for one, other in pairwise(keys)):
            raise IntegrityError("not canonical JSON: keys are twice or out of order")
    elif not isinstance(parse_canonical(text.encode()), dict):
        raise IntegrityError("facts are not a JSON object")


def _why_not(raw: bytes) -> IntegrityError:
    """The plainest reason why `raw` is no entry."""
    try:
        parse_canonical(raw)
    except BwcError as error:
        return IntegrityError(error.message)
    return IntegrityError(f"not an entry of {FORMAT}")
