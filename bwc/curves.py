"""Which bytes are sound public keys, and which algorithm a suite name stands for. No keys of ours here.

Libraries differ in the odd points they accept; a court must not see one verifier say yes and another no.
So an Ed25519 key is taken only if it is the canonical encoding of a point of the prime-order subgroup
(RFC 8032 5.1.3; "Taming the many EdDSAs", Chalkias et al. 2020), and a P-256 signature only with low s.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from bwc.errors import ProofInvalid

HpkePublic: TypeAlias = x25519.X25519PublicKey | ec.EllipticCurvePublicKey | hpke.MLKEM768X25519PublicKey
HpkePrivate: TypeAlias = x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey | hpke.MLKEM768X25519PrivateKey
_Point: TypeAlias = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_L = 2**252 + 27742317777372353535851937790883648493  # order of the subgroup
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P384_ORDER = int(
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
)
P256_HALF_ORDER = P256_ORDER // 2


# --- signature keys --------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def check_signature_key(alg: str, raw: bytes) -> None:
    """Raise `ProofInvalid` unless `raw` is a sound public key of `alg` ("ed25519" or "p256")."""
    if alg == "ed25519":
        point = _decode_ed25519(raw)
        # 2 ms here; done once per key and process
        if _is_identity(point) or not _is_identity(_times(_L, point)):
            raise ProofInvalid("not a sound ed25519 key: its point is outside the prime-order subgroup")
    elif alg == "p256":
        load_p256(raw)
    else:
        raise ProofInvalid(f"{alg!r} is not a signature algorithm we know")


def verify_signature(alg: str, raw: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) over `message` is by the key; callers raise, see `keys.PublicKey.verify`."""
    try:
        if alg == "ed25519":
            _load_ed25519(raw).verify(signature, message)
        else:
            load_p256(raw).verify(_dss(signature), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


# Loading costs 10 us to 140 us, each use 110 us: an auditor meets few keys and uses each a million times
_load_ed25519 = lru_cache(maxsize=1024)(Ed25519PublicKey.from_public_bytes)


@lru_cache(maxsize=1024)
def load_p256(raw: bytes) -> ec.EllipticCurvePublicKey:
    """The P-256 key of an uncompressed SEC 1 point, 65 bytes. Raises `ProofInvalid`."""
    if len(raw) == 65 and raw[0] == 4:
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        except ValueError:
            pass
    raise ProofInvalid("not a p256 key: want a point of the curve, 65 bytes, uncompressed")


def _dss(signature: bytes) -> bytes:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    # (r, n - s) verifies too: only the lower one counts, so that a signature has one form
    if len(signature) != 64 or s > P256_HALF_ORDER:
        raise InvalidSignature
    return encode_dss_signature(r, s)


def _decode_ed25519(raw: bytes) -> _Point:
    if len(raw) != 32:
        raise ProofInvalid("not an ed25519 key: want 32 bytes")
    number = int.from_bytes(raw, "little")
    odd, y = number >> 255, number & (2**255 - 1)
    x2 = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(x2, (_P + 3) // 8, _P)
    if x * x % _P != x2:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if x * x % _P != x2 or y >= _P or (x == 0 and odd):
        raise ProofInvalid("not an ed25519 key: not the canonical encoding of a point of the curve")
    x = x if x & 1 == odd else _P - x
    return x, y, 1, x * y % _P


def _add(one: _Point, two: _Point) -> _Point:
    # RFC 8032 5.1.4, complete for every pair of points
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c, d = 2 * one[3] * two[3] * _D % _P, 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    for bit in bin(scalar)[2:]:
        total = _add(total, total)
        if bit == "1":
            total = _add(total, point)
    return total


def _is_identity(point: _Point) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0


# --- HPKE suites (RFC 9180) ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Suite:
    """One HPKE suite and how its public key is written."""

    hpke: hpke.Suite
    load: Callable[[bytes], HpkePublic]  # raises ValueError


def suite_named(name: str) -> Suite:
    """The suite. Raises `ProofInvalid` for a name we do not know."""
    found = _SUITES.get(name)
    if found is None:
        raise ProofInvalid(f"{name!r} is not an HPKE suite we know")
    return found


@lru_cache(maxsize=1024)
def load_recipient(suite: str, raw: bytes) -> HpkePublic:
    """The public key of `suite` in `raw`; checked once per key and process (0.3 ms). Raises `ValueError`."""
    return suite_named(suite).load(raw)


def p384_scalar(ikm: bytes | bytearray) -> bytes:
    """DeriveKeyPair of DHKEM(P-384, HKDF-SHA384), RFC 9180 section 7.1.3: a private key from secret bytes."""
    # `ikm` should have 48 bytes to give all of P-384's strength; a recovery key's 32 give 256 bits of it, its 192 fit
    suite = b"KEM\x00\x11"
    prk = hmac.digest(b"", b"HPKE-v1" + suite + b"dkp_prk" + ikm, "sha384")
    for counter in range(256):
        label = b"\x00\x30" + b"HPKE-v1" + suite + b"candidate" + bytes([counter])
        scalar = hmac.digest(prk, label + b"\1", "sha384")  # one block of HKDF-Expand
        if 0 < int.from_bytes(scalar, "big") < _P384_ORDER:
            return scalar
    raise ProofInvalid("no P-384 key can be made of these bytes")


def _load_x25519(raw: bytes) -> x25519.X25519PublicKey:
    key = x25519.X25519PublicKey.from_public_bytes(raw)
    # RFC 7748 6.1: a point of small order gives everybody the same secret; OpenSSL then raises ValueError
    x25519.X25519PrivateKey.from_private_bytes(b"\1" * 32).exchange(key)
    return key


@lru_cache(maxsize=256)
def _load_xwing(raw: bytes) -> hpke.MLKEM768X25519PublicKey:
    if len(raw) != 1184 + 32:
        raise ValueError("an X-Wing key has 1216 bytes")
    return hpke.MLKEM768X25519PublicKey(mlkem.MLKEM768PublicKey.from_public_bytes(raw[:1184]), _load_x25519(raw[1184:]))


def _load_point(curve: ec.EllipticCurve, raw: bytes) -> ec.EllipticCurvePublicKey:
    if raw[:1] != b"\4":
        raise ValueError("want an uncompressed point")
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, raw)


_GCM = hpke.AEAD.AES_256_GCM
_SUITES = {
    "MLKEM768_X25519-HKDF-SHA256-AES-256-GCM": Suite(
        hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, _GCM), _load_xwing
    ),
    "P256-HKDF-SHA256-AES-256-GCM": Suite(
        hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, _GCM), lambda raw: _load_point(ec.SECP256R1(), raw)
    ),
    "P384-HKDF-SHA384-AES-256-GCM": Suite(
        hpke.Suite(hpke.KEM.P384, hpke.KDF.HKDF_SHA384, _GCM), lambda raw: _load_point(ec.SECP384R1(), raw)
    ),
    "X25519-HKDF-SHA256-AES-256-GCM": Suite(hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, _GCM), _load_x25519),
}
SUITE_NAMES = tuple(_SUITES)
