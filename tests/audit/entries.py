"""Entries of any event, in the general way: canonical JSON of a document. What `EntryWriter` writes must be the same."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bwc.appending.writing import check_readable
from bwc.audit.event import FORMAT, Entry, EntrySignature, parse_entry, signed_message
from bwc.canonical import Json, canonical
from bwc.errors import UsageError
from bwc.evidence import EventDraft, utc_text
from bwc.keys import Signer, encode_binary


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
        message = signed_message(canonical(event))
    except ValueError as error:
        raise UsageError(f"{event.get('kind')} cannot be recorded: {error}") from error
    raw = encode_entry(event, [EntrySignature(one.alg, one.key_id, one.sign(message)) for one in signers])
    check_readable([raw])
    return parse_entry(raw)


def encode_entry(event: Mapping[str, Json], signatures: Sequence[EntrySignature]) -> bytes:
    """The bytes of an entry. Raises `ValueError` where canonical JSON does."""
    return canonical({"event": event, "signatures": [_signature(one) for one in signatures]})


def _signature(one: EntrySignature) -> Json:
    return {"alg": one.alg, "key": one.key, "sig": encode_binary(one.signature)}
