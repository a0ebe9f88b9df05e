"""Who may sign and who may open: private keys, HPKE recipients, operators, the recovery key. Public halves: `keys`.

Bytes are fixed in docs/formats/keys.md. Nothing here knows a vault, a log or a role.
Errors: `ProofInvalid` for a key or signature that is not one, `SealBroken` for a wrapping that does not
authenticate, `KeyUnavailable` for a key we do not have.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bwc import paperkey
from bwc.canonical import Json
from bwc.curves import (
    P256_ORDER,
    HpkePrivate,
    load_recipient,
    p384_scalar,
    suite_named,
)
from bwc.errors import KeyUnavailable, ProofInvalid, SealBroken, UsageError
from bwc.evidence import KeyId
from bwc.keys import PublicKey, Signer, decode_binary, encode_binary, key_id_of, members_of

DEFAULT_SUITE = "MLKEM768_X25519-HKDF-SHA256-AES-256-GCM"
FIPS_SUITE = "P384-HKDF-SHA384-AES-256-GCM"
SEED_BYTES = 32
_SIGNATURE_BYTES = 64
# What an operator may hold: signature algorithms and HPKE suites, with the length of their private bytes
SECRET_BYTES = {"ed25519": 32, "p256": 32, DEFAULT_SUITE: 32, "P256-HKDF-SHA256-AES-256-GCM": 32, FIPS_SUITE: 48}
_CURVES: dict[str, ec.EllipticCurve] = {
    "P256-HKDF-SHA256-AES-256-GCM": ec.SECP256R1(),
    FIPS_SUITE: ec.SECP384R1(),
}


class P256Signer:
    """A P-256 signing key made from its private scalar, 32 bytes big-endian."""

    alg = "p256"

    def __init__(self, scalar: bytes | bytearray) -> None:
        self._private = _ec_private(ec.SECP256R1(), scalar)
        self.public = _point(self._private)
        self.key_id = key_id_of(self.alg, self.public)

    @property
    def verify_key(self) -> PublicKey:
        return PublicKey(self.alg, self.public)

    def sign(self, message: bytes) -> bytes:
        # RFC 6979: no random number of this machine can give the key away
        return p256_signature(self._private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))


class SeedSigner:
    """An Ed25519 signing key made from a 32-byte seed (RFC 8032)."""

    alg = "ed25519"

    def __init__(self, seed: bytes | bytearray) -> None:
        private = Ed25519PrivateKey.from_private_bytes(bytes(_seed(seed)))
        self.public = private.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.alg, self.public)
        self._sign = _signed_by_libsodium(seed, self.public) or private.sign

    @property
    def verify_key(self) -> PublicKey:
        return PublicKey(self.alg, self.public)

    def sign(self, message: bytes) -> bytes:
        return self._sign(message)


def _signed_by_libsodium(seed: bytes | bytearray, public: bytes) -> Callable[[bytes], bytes] | None:
    """How libsodium signs with an Ed25519 key, where it is installed: the same bytes as OpenSSL's.

    24 us a signature instead of 37 (libsodium 1.0.20, OpenSSL in cryptography 50, 2026-11; docs/decisions/libsodium.md).
    """
    try:
        from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
    except ImportError:
        return None
    derived, secret = crypto_sign_seed_keypair(bytes(seed))
    if derived != public:  # a signature under another public key than one's own would give the private one away
        return None

    def sign(message: bytes) -> bytes:
        signed: bytes = crypto_sign(message, secret)  # the signature, then the message
        return signed[:_SIGNATURE_BYTES]

    return sign


# --- wrapping --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody a secret can be wrapped to. Making one refuses bytes that are not a key of `suite`."""

    recipient_id: KeyId
    suite: str
    public: bytes

    def __post_init__(self) -> None:
        try:
            load_recipient(self.suite, self.public)
        except ValueError:
            raise ProofInvalid(f"recipient {self.recipient_id} is not a {self.suite} key") from None
        if self.recipient_id != key_id_of(self.suite, self.public):
            raise ProofInvalid(f"recipient {self.recipient_id} does not match its bytes")

    @classmethod
    def of(cls, suite: str, public: bytes) -> "Recipient":
        return cls(key_id_of(suite, public), suite, public)

    def to_json(self) -> dict[str, Json]:
        return {"public": encode_binary(self.public), "recipient": self.recipient_id, "suite": self.suite}

    @classmethod
    def from_json(cls, value: Any) -> "Recipient":
        public, name, suite = members_of(value, "public", "recipient", "suite")
        return cls(KeyId(name), suite, decode_binary(public))


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A secret sealed to one recipient: HPKE base mode, encapsulated key followed by ciphertext."""

    recipient: KeyId
    suite: str
    sealed: bytes

    def to_json(self) -> dict[str, Json]:
        return {"recipient": self.recipient, "sealed": encode_binary(self.sealed), "suite": self.suite}

    @classmethod
    def from_json(cls, value: Any) -> "Wrapped":
        name, sealed, suite = members_of(value, "recipient", "sealed", "suite", only=True)
        return cls(KeyId(name), suite, decode_binary(sealed))


class Unwrapper(Protocol):
    """One HPKE identity; the private half may be elsewhere."""

    @property
    def recipient_id(self) -> KeyId: ...
    def unwrap(self, wrapped: Wrapped, info: bytes) -> bytes: ...


class Operator(Signer, Unwrapper, Protocol):
    """One person: a signing key and an HPKE identity."""

    @property
    def name(self) -> str: ...
    @property
    def recipient(self) -> Recipient: ...


def wrap_to(recipient: Recipient, secret: bytes | bytearray, info: bytes) -> Wrapped:
    """`secret` sealed to `recipient`; it opens only with the same `info`."""
    sealed = suite_named(recipient.suite).hpke.encrypt(secret, load_recipient(recipient.suite, recipient.public), info)
    return Wrapped(recipient.recipient_id, recipient.suite, sealed)


class Identity:
    """The private half of a recipient, in memory."""

    def __init__(self, suite: str, private: HpkePrivate, public: bytes) -> None:
        self._private = private
        self.recipient = Recipient.of(suite, public)

    @classmethod
    def from_seed(cls, seed: bytes | bytearray) -> Self:
        """The X-Wing identity of a 32-byte decapsulation key."""
        # draft-connolly-cfrg-xwing-kem 5.2: SHAKE256 to 96 bytes, ML-KEM d and z, then the X25519 scalar
        expanded = hashlib.shake_256(_seed(seed)).digest(96)
        pq = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        classic = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
        public = pq.public_key().public_bytes_raw() + classic.public_key().public_bytes_raw()
        return cls(DEFAULT_SUITE, hpke.MLKEM768X25519PrivateKey(pq, classic), public)

    @classmethod
    def of(cls, suite: str, secret: bytes | bytearray) -> "Identity":
        """The identity of `suite` from its private bytes: a seed (X-Wing), a scalar (the curves)."""
        if suite == DEFAULT_SUITE:
            return Identity.from_seed(secret)
        curve = _CURVES.get(suite)
        if curve is None:
            raise UsageError(f"no operator has a key of {suite}", "one of " + ", ".join(SECRET_BYTES))
        private = _ec_private(curve, secret)
        return cls(suite, private, _point(private))

    @property
    def recipient_id(self) -> KeyId:
        return self.recipient.recipient_id

    def unwrap(self, wrapped: Wrapped, info: bytes) -> bytes:
        """The secret. Raises `KeyUnavailable` if it is wrapped to another, `SealBroken` if it does not open."""
        if wrapped.recipient != self.recipient_id:
            raise KeyUnavailable(f"wrapped to {wrapped.recipient}, not to {self.recipient_id}")
        if wrapped.suite != self.recipient.suite:
            raise SealBroken(f"the wrap to {wrapped.recipient} names another suite than its key")
        try:
            return suite_named(wrapped.suite).hpke.decrypt(wrapped.sealed, self._private, info)
        except (InvalidTag, ValueError):
            raise SealBroken(f"the wrap to {wrapped.recipient} does not open") from None


class LocalOperator:
    """An operator whose private keys are in this process: by default Ed25519 and X-Wing, from 32-byte seeds."""

    def __init__(
        self,
        name: str,
        sign_seed: bytes | bytearray,
        unwrap_seed: bytes | bytearray,
        *,
        alg: str = "ed25519",
        suite: str = DEFAULT_SUITE,
    ) -> None:
        if not name or len(name) > 64 or not name.isprintable():
            raise UsageError("an operator needs a printable name of at most 64 characters")
        if alg not in SECRET_BYTES or suite not in SECRET_BYTES:
            raise UsageError(f"no operator has keys of {alg} and {suite}")
        self.name = name
        self._seeds = bytearray(sign_seed) + unwrap_seed
        self._signer = P256Signer(sign_seed) if alg == P256Signer.alg else SeedSigner(sign_seed)
        self._identity = Identity.of(suite, unwrap_seed)
        self.alg, self.key_id, self.public = self._signer.alg, self._signer.key_id, self._signer.public
        self.recipient, self.recipient_id = self._identity.recipient, self._identity.recipient_id
        self.verify_key = self._signer.verify_key

    @classmethod
    def generate(cls, name: str, *, alg: str = "ed25519", suite: str = DEFAULT_SUITE) -> "LocalOperator":
        return cls(name, _fresh(alg), _fresh(suite), alg=alg, suite=suite)

    @classmethod
    def of_seeds(cls, name: str, seeds: bytes | bytearray, *, alg: str, suite: str) -> "LocalOperator":
        """The operator of what `seeds` gave. Raises `UsageError`, `KeyUnavailable` for anything else."""
        cut = SECRET_BYTES.get(alg, 0)
        return cls(name, seeds[:cut], seeds[cut:], alg=alg, suite=suite)

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(message)

    def unwrap(self, wrapped: Wrapped, info: bytes) -> bytes:
        return self._identity.unwrap(wrapped, info)

    def seeds(self) -> bytearray:
        """A copy of both private keys, signing first, for the key file and the agent only."""
        return bytearray(self._seeds)


class RecoveryKey(Identity):
    """An identity kept on paper, X-Wing or P-384. Opens everything wrapped to it; signs nothing."""

    @staticmethod
    def generate(suite: str = DEFAULT_SUITE) -> str:
        """The text of a fresh key, to print; it is kept nowhere else."""
        version = {DEFAULT_SUITE: 1, FIPS_SUITE: 2}.get(suite)
        if version is None:
            raise UsageError(f"no recovery key is of {suite}", f"{DEFAULT_SUITE} or {FIPS_SUITE}")
        return paperkey.to_text(secrets.token_bytes(SEED_BYTES), version)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key typed in from paper. Raises `KeyUnavailable`, saying where the typing error is if it can."""
        seed, version = paperkey.from_text(text)
        if version == 1:
            return cls.from_seed(seed)
        private = _ec_private(ec.SECP384R1(), p384_scalar(seed))
        return cls(FIPS_SUITE, private, _point(private))


# --- small parsing ---------------------------------------------------------------------------------------


def p256_signature(der: bytes) -> bytes:
    """r ‖ s, 64 bytes with the lower s, of a DER signature by a P-256 key."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


def _ec_private(curve: ec.EllipticCurve, scalar: bytes | bytearray) -> ec.EllipticCurvePrivateKey:
    size = (curve.key_size + 7) // 8
    try:
        if len(scalar) != size:
            raise ValueError("wrong length")
        return ec.derive_private_key(int.from_bytes(scalar, "big"), curve)
    except ValueError:
        raise KeyUnavailable(f"a private key on {curve.name} is a number below its order, {size} bytes") from None


def _point(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _fresh(kind: str) -> bytes:
    curve = ec.SECP256R1() if kind == P256Signer.alg else _CURVES.get(kind)
    if curve is None:
        return secrets.token_bytes(SEED_BYTES)
    number: int = ec.generate_private_key(curve).private_numbers().private_value
    return number.to_bytes(SECRET_BYTES[kind], "big")


def _seed(seed: bytes | bytearray) -> bytes | bytearray:
    if len(seed) != SEED_BYTES:
        raise KeyUnavailable(f"a key seed has {SEED_BYTES} bytes, this one {len(seed)}")
    return seed
