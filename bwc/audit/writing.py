"""Entries made: an event at its place, signed by whoever acts, and read back before it counts.

What is written here is judged by the reader of `event`, which takes exactly one form: so the fast ways cannot write another.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from bwc.audit.event import FORMAT, Entry, EntrySignature, parse_entry, signed_message, split_entries
from bwc.canonical import MAX_INTEGER, Json, canonical
from bwc.errors import IntegrityError, UsageError
from bwc.evidence import EventDraft, utc_text
from bwc.signing import Signer, encode_binary

_MEMBERS = tuple(
    re.findall(
        "[a-z_]+", "actor at body boot facts format item item_prev item_seq kind log mono_us objects outcome prev seq"
    )
)
_NO_TRAIL = 'null,"item_prev":null,"item_seq":null'
_WORDS = re.compile(r"[!#-\[\]-~]*")  # needs no escape
_TEXT = re.compile(r"[ !#-\[\]-~]*")  # the same with spaces


class Appended(NamedTuple):
    """An entry just made: its place, its hash and its bytes, which the strict reader took."""

    seq: int
    leaf_hash: bytes
    raw: bytes

    @property
    def entry(self) -> Entry:
        """Its parts."""
        return parse_entry(self.raw)

    @property
    def event(self) -> dict[str, Any]:
        """The event as it was signed."""
        event: dict[str, Any] = json.loads(self.raw)["event"]
        return event


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
    raw = signed_entry(event, signers)
    check_readable([raw])
    return parse_entry(raw)


def signed_entry(event: Mapping[str, Json], signers: Sequence[Signer]) -> bytes:
    """The bytes of `event`, signed by each of `signers`. They count only when `check_readable` takes them."""
    try:
        signed = _event_text(event)
    except ValueError as error:
        raise UsageError(f"{event.get('kind')} cannot be recorded: {error}") from error
    message = signed_message(signed)
    return _entry(signed, [(one.alg, one.key_id, one.sign(message)) for one in signers])


def check_readable(raws: Sequence[bytes]) -> None:
    """Raise `UsageError` if one of the entries just written could not be read again."""
    try:
        if raws:
            split_entries(raws)
    except IntegrityError as error:
        raise UsageError(f"it cannot be recorded: {error}") from error


def encode_entry(event: Mapping[str, Json], signatures: Sequence[EntrySignature]) -> bytes:
    """The bytes of an entry. Raises `ValueError` where canonical JSON does."""
    return _entry(canonical(event), [(one.alg, one.key, one.signature) for one in signatures])


def _event_text(event: Mapping[str, Json]) -> bytes:
    """The canonical form of an event as `build_event` makes it, at a tenth of the cost of `canonical`.

    `parse_entry` reads it back, so what has another form is refused and never written.
    """
    if tuple(event) != _MEMBERS:
        return canonical(event)
    actor, at, body, boot, facts, form, item, item_prev, item_seq, kind, log, mono_us, objects, outcome, prev, seq = (
        event.values()
    )
    words = (actor, at, boot, form, item or "", item_prev or "", kind, log, outcome, prev)
    try:
        plain = _WORDS.fullmatch("".join(words))  # type: ignore[arg-type]
    except TypeError:
        plain = None
    if not plain or (item is None) != (item_seq is None):
        return canonical(event)
    trail = f'"{item}","item_prev":"{item_prev}","item_seq":{item_seq}'
    return (
        f'{{"actor":"{actor}","at":"{at}","body":{canonical(body).decode() if body else "null"},"boot":"{boot}",'
        f'"facts":{_facts_text(facts)},"format":"{form}",'
        f'"item":{trail if item is not None else _NO_TRAIL},"kind":"{kind}","log":"{log}","mono_us":{mono_us},'
        f'"objects":{canonical(objects).decode() if objects else "[]"},"outcome":"{outcome}","prev":"{prev}","seq":{seq}}}'
    ).encode()


def _facts_text(facts: Any) -> str:
    """The canonical form of facts: by hand where they are flat and plain, as most are."""
    parts, words = [], []
    try:
        for name in sorted(facts) if type(facts) is dict else ():
            value = facts[name]
            words.append(name)
            if type(value) is str:
                words.append(value)
                parts.append(f'"{name}":"{value}"')
            elif type(value) is int and -MAX_INTEGER <= value <= MAX_INTEGER:
                parts.append(f'"{name}":{value}')
            else:
                break
        plain = len(parts) == len(facts) and _TEXT.fullmatch("".join(words))
    except TypeError:  # a name that is no text
        plain = None
    return "{" + ",".join(parts) + "}" if plain else canonical(facts).decode()


def _entry(event: bytes, signatures: Sequence[tuple[str, str, bytes]]) -> bytes:
    signed = ",".join(
        [f'{{"alg":"{alg}","key":"{key}","sig":"{encode_binary(signature)}"}}' for alg, key, signature in signatures]
    )
    return b'{"event":' + event + b',"signatures":[' + signed.encode() + b"]}"
