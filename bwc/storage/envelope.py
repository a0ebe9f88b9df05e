"""Envelopes: the key of one sealed object, wrapped to each recipient. Erasable, and another may follow it.

The bytes are fixed in docs/formats/envelope.md. An envelope is not signed: what it says is bound into each wrap
through the HPKE `info`, so a changed one does not open. Erasing every envelope of an object shreds the object.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bwc.canonical import canonical, is_sha256_hex, parse_canonical
from bwc.errors import IntegrityError, KeyUnavailable, SealBroken, UsageError
from bwc.evidence import ItemId, KeyId, ObjectId
from bwc.identities import Recipient, Unwrapper, Wrapped, wrap_to

FORMAT = "bwc.envelope/1"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A parsed envelope: whose key it holds, and to whom it is wrapped."""

    item: ItemId
    object_id: ObjectId
    manifest_sha256: str
    log_origin: str
    wraps: tuple[Wrapped, ...]

    @property
    def recipients(self) -> tuple[KeyId, ...]:
        return tuple(wrapped.recipient for wrapped in self.wraps)

    def info(self, recipient_id: KeyId) -> bytes:
        """The HPKE info of the wrap to `recipient_id`."""
        return f"{FORMAT}\n{self.log_origin}\n{self.item}\n{self.manifest_sha256}\n{recipient_id}".encode()

    def to_bytes(self) -> bytes:
        return canonical(
            {
                "format": FORMAT,
                "item": self.item,
                "log": self.log_origin,
                "manifest": self.manifest_sha256,
                "object": self.object_id,
                "wraps": [wrapped.to_json() for wrapped in self.wraps],
            }
        )


def parse_envelope(data: bytes) -> Envelope:
    """The envelope of its bytes. Raises `IntegrityError`; says nothing yet of whether a wrap opens."""
    value = parse_canonical(data)
    names = ("format", "item", "log", "manifest", "object", "wraps")
    if not isinstance(value, dict) or set(value) != set(names) or value["format"] != FORMAT:
        raise IntegrityError("not an envelope")
    if not all(_is_line(value[name]) for name in ("item", "log")):
        raise IntegrityError("an envelope names no item or no log")
    if not is_sha256_hex(value["object"]) or not is_sha256_hex(value["manifest"]):
        raise IntegrityError("an envelope names no object or no manifest")
    return Envelope(
        item=ItemId(value["item"]),
        object_id=ObjectId(value["object"]),
        manifest_sha256=value["manifest"],
        log_origin=value["log"],
        wraps=parse_wraps(value["wraps"]),
    )


def build(  # noqa: PLR0917
    dek: bytes | bytearray,
    item: ItemId,
    object_id: ObjectId,
    manifest_sha256: str,
    recipients: Sequence[Recipient],
    log_origin: str,
) -> bytes:
    """The envelope bytes of file key `dek` (32 bytes), wrapped to `recipients` (at least one)."""
    if len(dek) != _KEY_BYTES:
        raise SealBroken(f"a file key has {_KEY_BYTES} bytes, this one {len(dek)}")
    if not _is_line(item) or not _is_line(log_origin) or not recipients:
        raise UsageError("an envelope needs an item, a log and at least one recipient")
    bare = Envelope(item=item, object_id=object_id, manifest_sha256=manifest_sha256, log_origin=log_origin, wraps=())
    wraps = sorted_wraps([wrap_to(recipient, dek, bare.info(recipient.recipient_id)) for recipient in recipients])
    return replace(bare, wraps=wraps).to_bytes()


def renewed(old: Envelope, dek: bytes | bytearray, recipients: Sequence[Recipient]) -> bytes:
    """The envelope of the same key wrapped to exactly `recipients`; wraps to readers who stay are taken over."""
    return replace(old, wraps=renewed_wraps(old.wraps, recipients, dek, old.info)).to_bytes()


def open_envelope(
    data: bytes,
    unwrapper: Unwrapper,
    *,
    manifest_sha256: str,
    item: str | None = None,
    object_id: str | None = None,
    log: str | None = None,
) -> bytearray:
    """The file key, for the holder of `unwrapper`; what the caller already knows is compared first.

    Raises `KeyUnavailable` if the key is not wrapped to them, `SealBroken` if the envelope belongs to something
    else or its wrap does not open.
    """
    return open_parsed(
        parse_envelope(data), unwrapper, manifest_sha256=manifest_sha256, item=item, object_id=object_id, log=log
    )


def open_parsed(
    envelope: Envelope,
    unwrapper: Unwrapper,
    *,
    manifest_sha256: str,
    item: str | None = None,
    object_id: str | None = None,
    log: str | None = None,
) -> bytearray:
    """`open_envelope` of one that was parsed already."""
    expected = (manifest_sha256, item, object_id, log)
    found = (envelope.manifest_sha256, envelope.item, envelope.object_id, envelope.log_origin)
    if any(want is not None and want != have for want, have in zip(expected, found, strict=True)):
        raise SealBroken(f"the envelope of object {envelope.object_id} belongs to something else")
    wrapped = wrap_for(envelope.wraps, unwrapper, f"object {envelope.object_id}")
    dek = bytearray(unwrapper.unwrap(wrapped, envelope.info(wrapped.recipient)))
    if len(dek) != _KEY_BYTES:
        raise SealBroken(f"the envelope of object {envelope.object_id} holds no file key")
    return dek


def wrap_for(wraps: Sequence[Wrapped], unwrapper: Unwrapper, what: str) -> Wrapped:
    """The one of `wraps` that `unwrapper` can open. Raises `KeyUnavailable`."""
    for wrapped in wraps:
        if wrapped.recipient == unwrapper.recipient_id:
            return wrapped
    raise KeyUnavailable(f"{what} is not sealed to key {unwrapper.recipient_id}", "whoever can open it: bwc key rewrap")


def renewed_wraps(
    old: Sequence[Wrapped], recipients: Sequence[Recipient], secret: bytes | bytearray, info: Callable[[KeyId], bytes]
) -> tuple[Wrapped, ...]:
    """Wraps of `secret` to exactly `recipients`: those who are in `old` keep theirs, and at least one is fresh.

    A wrap is random, so no document that holds a fresh one has a name that was there before: what is erased later
    under an old name is never one in use.
    """
    kept = {wrapped.recipient: wrapped for wrapped in old}
    fresh = [one for one in recipients if one.recipient_id not in kept] or recipients[:1]
    made = {one.recipient_id: wrap_to(one, secret, info(one.recipient_id)) for one in fresh}
    return sorted_wraps([made.get(one.recipient_id) or kept[one.recipient_id] for one in recipients])


def sorted_wraps(wraps: Sequence[Wrapped]) -> tuple[Wrapped, ...]:
    """In their order in a document: by recipient, none twice."""
    return tuple({wrapped.recipient: wrapped for wrapped in sorted(wraps, key=lambda one: one.recipient)}.values())


def parse_wraps(value: Any) -> tuple[Wrapped, ...]:
    """The wraps of a document. Raises `IntegrityError` unless they are at least one, ordered, none twice."""
    if not isinstance(value, list) or not value:
        raise IntegrityError("an envelope or body is wrapped to nobody")
    wraps = tuple(Wrapped.from_json(entry) for entry in value)
    if wraps != sorted_wraps(wraps):
        raise IntegrityError("the wraps of an envelope or body are not in order")
    return wraps


def _is_line(value: Any) -> bool:
    # `info` joins its parts by newlines: a newline inside one would let two envelopes share an info
    return isinstance(value, str) and value != "" and "\n" not in value
