"""Private bodies: what an event says of people, sealed to its readers; the log holds only a salted commitment.

The bytes are fixed in docs/formats/envelope.md. Erasing the file leaves a commitment that tells nothing: its salt
is 32 random bytes inside the sealed part.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bwc.canonical import Json, canonical, is_sha256_hex, parse_canonical, sha256_hex
from bwc.errors import IntegrityError, SealBroken, UsageError
from bwc.evidence import KeyId
from bwc.identities import Recipient, Unwrapper, Wrapped, decode_binary, encode_binary, wrap_to
from bwc.storage.envelope import parse_wraps, renewed_wraps, sorted_wraps, wrap_for

FORMAT = "bwc.body/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBody:
    """A parsed body file; `commit` is what the event holds."""

    commit: str
    log_origin: str
    nonce: bytes
    ciphertext: bytes
    wraps: tuple[Wrapped, ...]

    @property
    def recipients(self) -> tuple[KeyId, ...]:
        return tuple(wrapped.recipient for wrapped in self.wraps)

    @property
    def aad(self) -> bytes:
        return f"{FORMAT}\n{self.log_origin}\n{self.commit}".encode()

    def info(self, recipient_id: KeyId) -> bytes:
        return self.aad + f"\n{recipient_id}".encode()

    def to_bytes(self) -> bytes:
        """The canonical JSON; by hand, since all but the log's name is hex or base64, at a tenth of the cost."""
        wraps = ",".join(
            [
                f'{{"recipient":"{one.recipient}","sealed":"{encode_binary(one.sealed)}","suite":"{one.suite}"}}'
                for one in self.wraps
            ]
        )
        return (
            f'{{"ciphertext":"{encode_binary(self.ciphertext)}","commit":"{self.commit}","format":"{FORMAT}",'
            f'"log":{_quoted(self.log_origin)},"nonce":"{encode_binary(self.nonce)}","wraps":[{wraps}]}}'
        ).encode()


@lru_cache(maxsize=16)
def _quoted(origin: str) -> str:
    return canonical(origin).decode()


def parse_body(data: bytes) -> SealedBody:
    """The sealed body of its bytes. Raises `IntegrityError`; nothing is opened."""
    value = parse_canonical(data)
    names = {"ciphertext", "commit", "format", "log", "nonce", "wraps"}
    if not isinstance(value, dict) or set(value) != names or value["format"] != FORMAT:
        raise IntegrityError("not a sealed body")
    nonce = decode_binary(value["nonce"])
    if not is_sha256_hex(value["commit"]) or not isinstance(value["log"], str) or len(nonce) != 12:
        raise IntegrityError("a sealed body lacks its commitment, log or nonce")
    return SealedBody(
        commit=value["commit"],
        log_origin=value["log"],
        nonce=nonce,
        ciphertext=decode_binary(value["ciphertext"]),
        wraps=parse_wraps(value["wraps"]),
    )


def body_commit(plain: bytes) -> str:
    """The commitment to the canonical bytes of {"body", "salt"}."""
    return sha256_hex(b"bwc/body/v1\n" + plain)


def seal_body(body: Mapping[str, Json], recipients: Sequence[Recipient], log_origin: str) -> tuple[str, bytes]:
    """Seal `body` to `recipients` (at least one). Returns the commitment for the event and the file's bytes."""
    if not recipients:
        raise UsageError("a private body needs at least one recipient")
    plain = canonical({"body": body, "salt": secrets.token_hex(32)})
    key, nonce = bytearray(AESGCM.generate_key(256)), secrets.token_bytes(12)
    bare = SealedBody(commit=body_commit(plain), log_origin=log_origin, nonce=nonce, ciphertext=b"", wraps=())
    ciphertext = AESGCM(key).encrypt(nonce, plain, bare.aad)
    wraps = [wrap_to(recipient, key, bare.info(recipient.recipient_id)) for recipient in recipients]
    key[:] = bytes(len(key))
    return bare.commit, _replaced(bare, ciphertext, wraps).to_bytes()


def open_body(
    data: bytes, unwrapper: Unwrapper, *, commit: str | None = None, log: str | None = None
) -> dict[str, Any]:
    """The private body, for the holder of `unwrapper`; `commit` is the one the event holds, where known.

    Raises `KeyUnavailable` if it is not sealed to them, `SealBroken` if it does not authenticate or is another's.
    """
    return dict(open_salted_body(data, unwrapper, commit=commit, log=log)["body"])


def open_salted_body(
    data: bytes, unwrapper: Unwrapper, *, commit: str | None = None, log: str | None = None
) -> dict[str, Any]:
    """The body with its salt, {"body", "salt"}: who has both can check the commitment without any key. As `open_body`."""
    sealed = parse_body(data)
    if commit not in (None, sealed.commit) or log not in (None, sealed.log_origin):
        raise SealBroken(f"body {sealed.commit} belongs to something else")
    key = _unwrap(sealed, unwrapper)
    try:
        plain = AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, sealed.aad)
    except (InvalidTag, ValueError):
        raise SealBroken(f"body {sealed.commit} does not authenticate") from None
    finally:
        key[:] = bytes(len(key))
    # AES-GCM does not commit to its key; this does
    if body_commit(plain) != sealed.commit:
        raise SealBroken(f"body {sealed.commit} is not what was committed to")
    value = parse_canonical(plain)
    if not isinstance(value, dict) or set(value) != {"body", "salt"} or not isinstance(value["body"], dict):
        raise SealBroken(f"body {sealed.commit} is not a body")
    return value


def add_body_recipients(data: bytes, unwrapper: Unwrapper, recipients: Sequence[Recipient]) -> bytes:
    """The body also sealed to `recipients`; its commitment stays."""
    sealed = parse_body(data)
    fresh = [one for one in recipients if one.recipient_id not in sealed.recipients]
    if not fresh:
        return data
    key = _unwrap(sealed, unwrapper)
    made = [wrap_to(recipient, key, sealed.info(recipient.recipient_id)) for recipient in fresh]
    key[:] = bytes(len(key))
    return _replaced(sealed, sealed.ciphertext, [*sealed.wraps, *made]).to_bytes()


def reseal_body(data: bytes, unwrapper: Unwrapper, recipients: Sequence[Recipient]) -> bytes | None:
    """The body sealed to exactly `recipients`; None if it is so, or `unwrapper` does not open it."""
    sealed = parse_body(data)
    if set(sealed.recipients) == {one.recipient_id for one in recipients}:
        return None
    if unwrapper.recipient_id not in sealed.recipients:
        return None
    key = _unwrap(sealed, unwrapper)
    made = renewed_wraps(sealed.wraps, recipients, key, sealed.info)
    key[:] = bytes(len(key))
    return _replaced(sealed, sealed.ciphertext, made).to_bytes()


def _unwrap(sealed: SealedBody, unwrapper: Unwrapper) -> bytearray:
    wrapped = wrap_for(sealed.wraps, unwrapper, f"body {sealed.commit}")
    return bytearray(unwrapper.unwrap(wrapped, sealed.info(wrapped.recipient)))


def _replaced(sealed: SealedBody, ciphertext: bytes, wraps: Sequence[Wrapped]) -> SealedBody:
    return SealedBody(
        commit=sealed.commit,
        log_origin=sealed.log_origin,
        nonce=sealed.nonce,
        ciphertext=ciphertext,
        wraps=sorted_wraps(wraps),
    )
