"""An operator whose private keys are on a PKCS#11 token: signing by CKM_ECDSA, opening by CKM_ECDH1_DERIVE.

They are made on the token and never leave it; this process has the PIN, and what each act gave. The token does only
the step that needs the private half: the rest of HPKE is here. Bytes are fixed in docs/formats/keys.md.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bwc.canonical import Json
from bwc.errors import IntegrityError, KeyUnavailable, SealBroken, UsageError
from bwc.evidence import KeyId
from bwc.identities import FIPS_SUITE, PublicKey, Recipient, Wrapped, p256_signature

TOKEN_FORMAT = "bwc.operator-token/1"  # noqa: S105
_OPENING = threading.Lock()  # one login a process and token; libraries differ in how many threads they bear


@dataclass(frozen=True, slots=True)
class _Kem:
    """A DHKEM of RFC 9180 section 7.1 with its key schedule; the AEAD is AES-256-GCM."""

    kem: int
    kdf: int
    digest: str
    size: int  # of a coordinate, of the shared secret and of the digest alike
    curve: ec.EllipticCurve
    curve_name: str

    @property
    def point_bytes(self) -> int:
        return 1 + 2 * self.size


_KEMS = {
    "P256-HKDF-SHA256-AES-256-GCM": _Kem(0x10, 1, "sha256", 32, ec.SECP256R1(), "secp256r1"),
    FIPS_SUITE: _Kem(0x11, 2, "sha384", 48, ec.SECP384R1(), "secp384r1"),
}
TOKEN_SUITES = tuple(_KEMS)


class TokenOperator:
    """An operator on the token named `label`, reached through the library `module`.

    Nothing is asked of the token until the first act, or `check`. Every act raises `KeyUnavailable` when the token is
    away, the PIN does not fit or the keys are not on it.
    """

    alg = "p256"

    def __init__(
        self, name: str, *, module: str, label: str, verify_key: PublicKey, recipient: Recipient, pin: bytes | bytearray
    ) -> None:
        if verify_key.alg != self.alg or recipient.suite not in _KEMS:
            raise UsageError(f"no token holds keys of {verify_key.alg} and {recipient.suite}")
        self.name, self.module, self.label = name, module, label
        self.verify_key, self.recipient = verify_key, recipient
        self.pin = bytearray(pin)
        self._lock = threading.Lock()
        self._session: Any = None
        self._found: dict[bytes, Any] = {}

    @property
    def key_id(self) -> KeyId:
        return self.verify_key.key_id

    @property
    def public(self) -> bytes:
        return self.verify_key.raw

    @property
    def recipient_id(self) -> KeyId:
        return self.recipient.recipient_id

    @classmethod
    def generate(
        cls, name: str, *, module: Path, label: str, pin: bytes | bytearray, suite: str = FIPS_SUITE
    ) -> "TokenOperator":
        """Make both key pairs on the token. Raises `UsageError` when it lacks a mechanism for one of them."""
        kem = _KEMS.get(suite)
        if kem is None:
            hint = "--suite p384 (or p256); without --token every kind"
            raise UsageError(f"no token opens what is sealed with {suite}", hint)
        library = str(module.expanduser().resolve())
        _require_mechanisms(library, label)
        with _translated(label):
            session = _log_in(library, label, pin, writable=True)
            made: list[Any] = []
            try:
                points = [
                    _new_pair(session, made, f"bwc {purpose} {name}", curve, signs=purpose == "sign")
                    for purpose, curve in (("sign", "secp256r1"), ("open", kem.curve_name))
                ]
            except BaseException:
                for one in made:
                    one.destroy()
                raise
            finally:
                session.close()
        verify_key, recipient = PublicKey(cls.alg, points[0]), Recipient.of(suite, points[1])
        return cls(name, module=library, label=label, verify_key=verify_key, recipient=recipient, pin=pin)

    @classmethod
    def of_document(cls, head: dict[str, Any], pin: bytes | bytearray) -> "TokenOperator":
        """The operator of a key file's document. Raises `KeyError`, `TypeError`, `ValueError`, `IntegrityError`."""
        if set(head) != {"format", "module", "name", "recipient", "token", "verify_key"}:
            raise ValueError("members are missing or not known")
        name, module, label = str(head["name"]), str(head["module"]), str(head["token"])
        key, recipient = PublicKey.from_json(head["verify_key"]), Recipient.from_json(head["recipient"])
        return cls(name, module=module, label=label, verify_key=key, recipient=recipient, pin=pin)

    def document(self) -> dict[str, Json]:
        """What the key file holds: where the keys are and their public halves, no secret."""
        return {
            "format": TOKEN_FORMAT,
            "module": self.module,
            "name": self.name,
            "recipient": self.recipient.to_json(),
            "token": self.label,
            "verify_key": self.verify_key.to_json(),
        }

    def check(self) -> None:
        """Raise `KeyUnavailable` unless the PIN fits and both keys are on the token."""
        with self._lock, _translated(self.label):
            self._private(self.public)
            self._private(self.recipient.public)

    def sign(self, message: bytes) -> bytes:
        from pkcs11 import Mechanism

        with self._lock, _translated(self.label):
            raw = self._private(self.public).sign(hashlib.sha256(message).digest(), mechanism=Mechanism.ECDSA)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        signature = p256_signature(der)
        self.verify_key.verify(message, signature)  # a token that errs must not do so in the log
        return signature

    def unwrap(self, wrapped: Wrapped, info: bytes) -> bytes:
        """The secret. Raises `KeyUnavailable` if it is wrapped to another, `SealBroken` if it does not open."""
        if wrapped.recipient != self.recipient_id:
            raise KeyUnavailable(f"wrapped to {wrapped.recipient}, not to {self.recipient_id}")
        if wrapped.suite != self.recipient.suite:
            raise SealBroken(f"the wrap to {wrapped.recipient} names another suite than its key")
        try:
            return open_with(wrapped.suite, self.recipient.public, wrapped.sealed, info, self._exchange)
        except (InvalidTag, ValueError):
            raise SealBroken(f"the wrap to {wrapped.recipient} does not open") from None

    def close(self) -> None:
        """Log out of the token."""
        with self._lock:
            if self._session is not None:
                self._session.close()
            self._session, self._found = None, {}

    def destroy(self) -> None:
        """Erase both key pairs from the token."""
        self.close()
        with self._lock, _translated(self.label):
            session = _log_in(self.module, self.label, self.pin, writable=True)
            try:
                for point in (self.public, self.recipient.public):
                    for one in _pair(session, point):
                        one.destroy()
            finally:
                session.close()

    def _exchange(self, point: bytes) -> bytes:
        from pkcs11 import KDF, Attribute, KeyType, Mechanism

        size = _KEMS[self.recipient.suite].size
        with self._lock, _translated(self.label):
            shared = self._private(self.recipient.public).derive_key(
                KeyType.GENERIC_SECRET,
                size * 8,
                mechanism=Mechanism.ECDH1_DERIVE,
                mechanism_param=(KDF.NULL, None, point),
                template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
            )
            value = bytes(shared[Attribute.VALUE])
            shared.destroy()
        return value

    def _private(self, point: bytes) -> Any:
        if self._session is None:
            self._session = _log_in(self.module, self.label, self.pin)
        if point not in self._found:
            pair = _pair(self._session, point)
            if len(pair) != 2:
                raise KeyUnavailable(f"the token {self.label} does not hold the keys of {self.name}")
            self._found[point] = pair[1]
        return self._found[point]


def check_present(head: dict[str, Any]) -> None:
    """Raise `KeyUnavailable` unless the token that a key file names is there."""
    with _translated(str(head.get("token"))):
        _token(str(head.get("module")), str(head.get("token")))


# --- the token -------------------------------------------------------------------------------------------


def _token(module: str, label: str) -> Any:
    try:
        import pkcs11
    except ImportError:
        raise KeyUnavailable(
            "keys on tokens need the library for PKCS#11", "in the folder of bwc: pip install '.[pkcs11]'"
        ) from None
    try:
        found = list(pkcs11.lib(module).get_tokens(token_label=label))
    except (RuntimeError, OSError) as error:
        raise KeyUnavailable(f"cannot load the PKCS#11 library {module}: {error}") from None
    if len(found) != 1:
        raise KeyUnavailable(f"{'no token' if not found else 'more than one token'} is named {label} in {module}")
    return found[0]


def _log_in(module: str, label: str, pin: bytes | bytearray, *, writable: bool = False) -> Any:
    import pkcs11

    token = _token(module, label)
    with _OPENING:
        try:
            return token.open(rw=writable, user_pin=bytes(pin).decode())
        except UnicodeDecodeError:
            raise KeyUnavailable(f"the PIN does not open the token {label}") from None
        except pkcs11.UserAlreadyLoggedIn:  # by another session of this process: a login is the process's
            return token.open(rw=writable)


def _require_mechanisms(module: str, label: str) -> None:
    from pkcs11 import Mechanism

    with _translated(label):
        known = _token(module, label).slot.get_mechanisms()
    missing = [
        one.name for one in (Mechanism.EC_KEY_PAIR_GEN, Mechanism.ECDSA, Mechanism.ECDH1_DERIVE) if one not in known
    ]
    if missing:
        hint = "another token; or a key file with a passphrase: bwc key new NAME"
        raise UsageError(f"the token {label} does not know {', '.join(missing)}", hint)


def _new_pair(session: Any, made: list[Any], label: str, curve: str, *, signs: bool) -> bytes:
    """A key pair that stays on the token; its public point."""
    from pkcs11 import Attribute, KeyType, MechanismFlag
    from pkcs11.util.ec import encode_named_curve_parameters

    domain = session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
    )
    public, private = domain.generate_keypair(
        id=secrets.token_bytes(16),
        label=label[:32],
        store=True,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY if signs else MechanismFlag.DERIVE,
        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    )
    made += [public, private]
    return _raw_point(public[Attribute.EC_POINT])


def _pair(session: Any, point: bytes) -> list[Any]:
    """The public and the private object of `point`: private ones do not say their point, so the id joins them."""
    from pkcs11 import Attribute, ObjectClass

    # one search at a time in a session: this one ends before the next begins
    for public in list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY})):
        try:
            same = _raw_point(public[Attribute.EC_POINT]) == point
        except Exception:  # noqa: S112 - another kind of key has no point
            continue
        if same:
            wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: public[Attribute.ID]}
            return [public, *list(session.get_objects(wanted))]
    return []


def _raw_point(value: bytes) -> bytes:
    # an OCTET STRING around the point by the standard; some tokens leave it out
    return value[2:] if value[:1] == b"\4" and value[1] == len(value) - 2 else value


@contextmanager
def _translated(label: str) -> Iterator[None]:
    """What the library raises, as our errors."""
    try:
        import pkcs11
    except ImportError:
        raise KeyUnavailable(
            "keys on tokens need the library for PKCS#11", "in the folder of bwc: pip install '.[pkcs11]'"
        ) from None
    try:
        yield
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
        hint = "after a few wrong ones a token locks itself: look before the next try"
        raise KeyUnavailable(f"the PIN does not open the token {label}", hint) from None
    except pkcs11.PinLocked:
        raise KeyUnavailable(f"the token {label} is locked after too many wrong PINs", "its PUK or its maker") from None
    except pkcs11.PKCS11Error as error:
        reason = type(error).__name__ + (f": {error}" if str(error) else "")
        raise KeyUnavailable(f"the token {label} did not do it ({reason})", "is it plugged in? bwc lock") from None


# --- HPKE with the private half elsewhere (RFC 9180, base mode) ------------------------------------------


def open_with(suite: str, public: bytes, sealed: bytes, info: bytes, exchange: Callable[[bytes], bytes]) -> bytes:
    """The plaintext of `sealed` (encapsulated point ‖ ciphertext); `exchange` gives ECDH of the private half and a point.

    Raises `ValueError` for what is no point of the curve, `InvalidTag` for what does not authenticate.
    """
    kem = _KEMS[suite]
    point, ciphertext = sealed[: kem.point_bytes], sealed[kem.point_bytes :]
    if len(point) != kem.point_bytes or point[0] != 4:
        raise ValueError("want an uncompressed point")
    # not left to the token: with points of another curve one that does not look gives its key away
    ec.EllipticCurvePublicKey.from_encoded_point(kem.curve, point)
    shared = exchange(point)
    if len(shared) != kem.size:
        raise IntegrityError("the token gave no shared secret of the curve")
    in_kem = b"KEM" + kem.kem.to_bytes(2, "big")
    in_hpke = b"HPKE" + kem.kem.to_bytes(2, "big") + kem.kdf.to_bytes(2, "big") + b"\x00\x02"

    def extract(suite_id: bytes, salt: bytes, label: bytes, value: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + suite_id + label + value, kem.digest)

    def expand(suite_id: bytes, key: bytes, label: bytes, context: bytes, size: int) -> bytes:
        text = size.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + context
        return hmac.digest(key, text + b"\1", kem.digest)[:size]  # one block of HKDF-Expand is enough for all

    shared = expand(in_kem, extract(in_kem, b"", b"eae_prk", shared), b"shared_secret", point + public, kem.size)
    context = b"\0" + extract(in_hpke, b"", b"psk_id_hash", b"") + extract(in_hpke, b"", b"info_hash", info)
    secret = extract(in_hpke, shared, b"secret", b"")
    key, nonce = (expand(in_hpke, secret, label, context, size) for label, size in ((b"key", 32), (b"base_nonce", 12)))
    return AESGCM(key).decrypt(nonce, ciphertext, None)
