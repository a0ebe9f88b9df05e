"""What the log says, made: events at their places, signed by whoever acts and read back before they count; checkpoints.

What is written here is judged by the reader of `event`, which takes exactly one form: so the fast ways cannot write another.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from bwc.audit.checkpoint import ED25519, Checkpoint, Note, NoteKey, NoteSignature, check_origin
from bwc.audit.event import FORMAT, Entry, parse_entry, signed_message, split_entries
from bwc.audit.keychain import Handover, KeyChain, handover_text
from bwc.canonical import MAX_INTEGER, canonical
from bwc.errors import IntegrityError, UsageError
from bwc.evidence import EventDraft, SealedObject, utc_text
from bwc.keys import Signer, encode_binary

_AT_ONCE = 128  # entries: a fifth quicker than a thousand, which leave the processor's cache (2026-11)
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


class EntryWriter:
    """Writes entries of `log`, signed by each of `signers`, the actor first. They count only when `check_readable` takes them.

    By hand, at a tenth of the cost of `canonical`, which an entry's one shape does not need.
    """

    def __init__(self, log: str, signers: Sequence[Signer], boot: str) -> None:
        self._signers = [(f'{{"alg":"{one.alg}","key":"{one.key_id}","sig":"', one.sign) for one in signers]
        self._actor, self._log, self._boot = signers[0].key_id, log, boot

    def entry(
        self,
        draft: EventDraft,
        body: Mapping[str, str] | None,
        *,
        seq: int,
        prev: str,
        trail: tuple[int, str] | None,
        at: datetime,
        mono_us: int,
    ) -> bytes:
        """The entry of `draft` at its place in the log and, if it is of an item, in that one's `trail`.

        `body` is `{"commit", "file"}` of its sealed private part. Raises `UsageError` for facts without canonical form.
        """
        try:
            event = (
                f'{{"actor":"{self._actor}","at":"{utc_text(at)}","body":{_body_text(body)},'
                f'"boot":"{self._boot}","facts":{_facts_text(draft.facts)},"format":"{FORMAT}",'
                f'"item":{_trail_text(draft.item, trail)},"kind":"{draft.kind.value}","log":"{self._log}",'
                f'"mono_us":{mono_us},"objects":{_objects_text(draft.objects)},"outcome":"{draft.outcome.value}",'
                f'"prev":"{prev}","seq":{seq}}}'
            ).encode()
        except ValueError as error:
            raise UsageError(f"{draft.kind.value} cannot be recorded: {error}") from error
        message = signed_message(event)
        signatures = ",".join([f'{head}{encode_binary(sign(message))}"}}' for head, sign in self._signers])
        return b'{"event":' + event + b',"signatures":[' + signatures.encode() + b"]}"


def check_readable(raws: Sequence[bytes]) -> None:
    """Raise `UsageError` if one of the entries just written could not be read again."""
    try:
        for start in range(0, len(raws), _AT_ONCE):
            split_entries(raws[start : start + _AT_ONCE])
    except IntegrityError as error:
        raise UsageError(f"it cannot be recorded: {error}") from error


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


def _body_text(body: Mapping[str, str] | None) -> str:
    return f'{{"commit":"{body["commit"]}","file":"{body["file"]}"}}' if body else "null"


def _trail_text(item: str | None, trail: tuple[int, str] | None) -> str:
    if item is None or trail is None:
        return 'null,"item_prev":null,"item_seq":null'
    name = f'"{item}"' if _WORDS.fullmatch(item) else canonical(item).decode()
    return f'{name},"item_prev":"{trail[1]}","item_seq":{trail[0]}'


def _objects_text(objects: Sequence[SealedObject]) -> str:
    return canonical([one.to_json() for one in objects]).decode() if objects else "[]"


def log_key(origin: str, signer: Signer) -> NoteKey:
    """The key with which `signer` signs checkpoints of `origin`."""
    if signer.alg != "ed25519":
        raise UsageError("checkpoints are signed with Ed25519")
    return _log_key(check_origin(origin), signer.public)


@lru_cache(maxsize=64)
def _log_key(origin: str, public: bytes) -> NoteKey:
    return NoteKey(origin, ED25519, public)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer, handovers: Sequence[Handover] = ()) -> bytes:
    """The signed note of `checkpoint`, with the `handovers` that led to its signer."""
    key = log_key(checkpoint.origin, signer)
    chain = KeyChain(handovers[0].old, tuple(handovers)) if handovers else KeyChain(key)
    text = checkpoint.text()
    return Note(text, (NoteSignature(key.name, key.key_hint, signer.sign(text.encode())), *chain.line())).to_bytes()


def hand_over(*, seq: int, origin: str, old: Signer, new: Signer, compromised_s: int = 0) -> Handover:
    """The handover that both keys sign, for the entry `seq`."""
    before, after = log_key(origin, old), log_key(origin, new)
    message = handover_text(seq, before, after, compromised_s)
    return Handover(
        seq=seq,
        old=before,
        new=after,
        compromised_s=compromised_s,
        old_signature=old.sign(message),
        new_signature=new.sign(message),
    )


def add_signatures(data: bytes, more: Iterable[NoteSignature]) -> bytes:
    """The same note with further signature lines (witnesses), each once."""
    note = Note.parse(data)
    fresh = [one for one in dict.fromkeys(more) if one not in note.signatures]
    return Note(note.text, note.signatures + tuple(fresh)).to_bytes()
