"""Signing keys as others see them: their public halves, their names, and what it takes to be a signer.

Bytes are fixed in docs/formats/keys.md. Whoever only checks signatures needs this and `curves`, and no private key.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

from bwc.canonical import Json
from bwc.curves import check_signature_key, verify_signature
from bwc.errors import IntegrityError, ProofInvalid
from bwc.evidence import KeyId


def key_id_of(alg: str, raw: bytes) -> KeyId:
    """The name of a public key: the first 32 hex digits of SHA-256(alg, newline, raw)."""
    return KeyId(hashlib.sha256(alg.encode() + b"\n" + raw).hexdigest()[:32])


def encode_binary(data: bytes | bytearray) -> str:
    """Standard base64 with padding, the only form of binary in our documents."""
    return base64.b64encode(data).decode("ascii")


def decode_binary(text: object) -> bytes:
    """The bytes of standard base64 in its one canonical spelling. Raises `IntegrityError` for anything else."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        data = None
    # two spellings of one value differ in the unused bits of the last symbol
    if data is None or encode_binary(data) != text:
        raise IntegrityError("a binary field is not standard base64")
    return data


class Signer(Protocol):
    """One signing key; the private half may be elsewhere (an agent, a token)."""

    @property
    def key_id(self) -> KeyId: ...
    @property
    def alg(self) -> str: ...
    @property
    def public(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key. Making one refuses bytes that are not a sound key of `alg` (`ProofInvalid`)."""

    alg: str  # "ed25519": 32 bytes; "p256": 65 bytes, uncompressed SEC 1 point
    raw: bytes

    def __post_init__(self) -> None:
        check_signature_key(self.alg, self.raw)

    @property
    def key_id(self) -> KeyId:
        return key_id_of(self.alg, self.raw)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise `ProofInvalid` unless `signature` (64 bytes) is this key's over `message`."""
        if not verify_signature(self.alg, self.raw, message, signature):
            raise ProofInvalid(f"signature is not by key {self.key_id}")

    def to_json(self) -> dict[str, Json]:
        return {"alg": self.alg, "key": self.key_id, "public": encode_binary(self.raw)}

    @classmethod
    def from_json(cls, value: Any) -> "PublicKey":
        """The key of `{alg, key, public, …}`; other members are the caller's. Raises `IntegrityError`."""
        alg, name, public = members_of(value, "alg", "key", "public")
        found = cls(alg, decode_binary(public))
        if name != found.key_id:
            raise ProofInvalid(f"key {name} does not match its bytes")
        return found


def members_of(value: Any, *names: str, only: bool = False) -> tuple[str, ...]:
    """The texts of these members of a key document, and of no others if `only`. Raises `IntegrityError`."""
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in names):
        raise IntegrityError(f"a key document lacks one of {', '.join(names)}")
    if only and len(value) != len(names):
        raise IntegrityError(f"a key document holds more than {', '.join(names)}")
    return tuple(value[name] for name in names)
