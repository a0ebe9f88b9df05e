"""Keys: what is accepted as one, what opens, what is refused, and the bytes others can read."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from bwc.errors import BwcError, IntegrityError, KeyUnavailable, ProofInvalid, SealBroken, UsageError
from bwc.evidence import KeyId
from bwc.keys import (
    DEFAULT_SUITE,
    Identity,
    LocalOperator,
    PublicKey,
    Recipient,
    Wrapped,
    decode_binary,
    encode_binary,
    key_id_of,
    wrap_to,
)

VECTORS = Path(__file__).resolve().parents[1] / "fixtures" / "vectors"


def vectors(name: str) -> dict:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


# --- X-Wing and HPKE -------------------------------------------------------------------------------------


def labeled_extract(salt: bytes, label: bytes, ikm: bytes, suite_id: bytes) -> bytes:
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite_id + label + ikm, hashlib.sha256).digest()


def labeled_expand(prk: bytes, label: bytes, info: bytes, length: int, suite_id: bytes) -> bytes:
    whole = length.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + info
    return hmac.new(prk, whole + b"\1", hashlib.sha256).digest()[:length]


def hpke_aead(shared: bytes, info: bytes) -> tuple[AESGCM, bytes]:
    """RFC 9180 5.1 key schedule, base mode, for KEM 0x647a (X-Wing), HKDF-SHA256, AES-256-GCM."""
    suite_id = b"HPKE" + bytes.fromhex("647a00010002")
    context = b"\0" + labeled_extract(b"", b"psk_id_hash", b"", suite_id)
    context += labeled_extract(b"", b"info_hash", info, suite_id)
    secret = labeled_extract(shared, b"secret", b"", suite_id)
    key = labeled_expand(secret, b"key", context, 32, suite_id)
    return AESGCM(key), labeled_expand(secret, b"base_nonce", context, 12, suite_id)


def test_xwing_identity_is_the_drafts():
    draft = vectors("xwing-draft-08.json")
    identity = Identity.from_seed(bytes.fromhex(draft["sk"]))
    public = identity.recipient.public
    assert len(public) == 1216
    assert public[:32].hex() == draft["pk_first"]
    assert public[-32:].hex() == draft["pk_last"]


def test_secret_sealed_under_the_drafts_shared_secret_opens():
    draft = vectors("xwing-draft-08.json")
    identity = Identity.from_seed(bytes.fromhex(draft["sk"]))
    gcm, nonce = hpke_aead(bytes.fromhex(draft["ss"]), b"info")
    sealed = bytes.fromhex(draft["ct"]) + gcm.encrypt(nonce, b"file key", None)
    assert identity.unwrap(Wrapped(identity.recipient_id, DEFAULT_SUITE, sealed), b"info") == b"file key"


def test_our_wrap_opens_by_an_independent_xwing():
    seed = bytes(range(32))
    wrapped = wrap_to(Identity.from_seed(seed).recipient, b"file key", b"info")
    # draft-connolly-cfrg-xwing-kem-08 5.2, 5.5 and 5.3, from their text
    expanded = hashlib.shake_256(seed).digest(96)
    classic = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
    ct_pq, ct_classic = wrapped.sealed[:1088], wrapped.sealed[1088:1120]
    ss_pq = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).decapsulate(ct_pq)
    ss_classic = classic.exchange(x25519.X25519PublicKey.from_public_bytes(ct_classic))
    public = classic.public_key().public_bytes_raw()
    shared = hashlib.sha3_256(ss_pq + ss_classic + ct_classic + public + bytes.fromhex("5c2e2f2f5e5c")).digest()
    gcm, nonce = hpke_aead(shared, b"info")
    assert gcm.decrypt(nonce, wrapped.sealed[1120:], None) == b"file key"


@pytest.mark.parametrize(
    ("suite", "kem", "kdf", "private"),
    [
        ("X25519-HKDF-SHA256-AES-256-GCM", KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, None),
        ("P256-HKDF-SHA256-AES-256-GCM", KEMId.DHKEM_P256_HKDF_SHA256, KDFId.HKDF_SHA256, ec.SECP256R1()),
        ("P384-HKDF-SHA384-AES-256-GCM", KEMId.DHKEM_P384_HKDF_SHA384, KDFId.HKDF_SHA384, ec.SECP384R1()),
    ],
)
def test_pyhpke_opens_our_wraps_and_we_open_its(suite, kem, kdf, private):
    key = ec.generate_private_key(private) if private else x25519.X25519PrivateKey.generate()
    public = (
        key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        if private
        else key.public_key().public_bytes_raw()
    )
    other = CipherSuite.new(kem, kdf, AEADId.AES256_GCM)
    wrapped = wrap_to(Recipient.of(suite, public), b"file key", b"info")
    length = len(public)
    recipient = other.create_recipient_context(
        wrapped.sealed[:length], KEMKey.from_pyca_cryptography_key(key), info=b"info"
    )
    assert recipient.open(wrapped.sealed[length:]) == b"file key"

    encapsulated, sender = other.create_sender_context(
        KEMKey.from_pyca_cryptography_key(key.public_key()), info=b"info"
    )
    identity = Identity(suite, key, public)
    sealed = encapsulated + sender.seal(b"file key")
    assert identity.unwrap(Wrapped(identity.recipient_id, suite, sealed), b"info") == b"file key"


def test_wrap_is_refused_for_any_change():
    identity, other = Identity.from_seed(b"\1" * 32), Identity.from_seed(b"\2" * 32)
    wrapped = wrap_to(identity.recipient, b"k" * 32, b"info")
    assert len(wrapped.sealed) == 1168
    assert identity.unwrap(wrapped, b"info") == b"k" * 32
    for place in range(0, len(wrapped.sealed), 7):
        changed = bytearray(wrapped.sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            identity.unwrap(Wrapped(wrapped.recipient, wrapped.suite, bytes(changed)), b"info")
    for length in (0, 1, 1119, 1120, 1136, 1167):
        with pytest.raises(SealBroken):
            identity.unwrap(Wrapped(wrapped.recipient, wrapped.suite, wrapped.sealed[:length]), b"info")
    with pytest.raises(SealBroken):
        identity.unwrap(wrapped, b"other info")
    with pytest.raises(SealBroken):
        identity.unwrap(Wrapped(wrapped.recipient, "X25519-HKDF-SHA256-AES-256-GCM", wrapped.sealed), b"info")
    with pytest.raises(KeyUnavailable):
        other.unwrap(wrapped, b"info")
    with pytest.raises(SealBroken):
        other.unwrap(Wrapped(other.recipient_id, wrapped.suite, wrapped.sealed), b"info")


def test_recipient_that_is_no_key_of_its_suite_is_refused():
    good = Identity.from_seed(b"\1" * 32).recipient
    small = bytes(32)  # X25519 point of small order: everybody would share the secret
    for suite, raw in [
        (DEFAULT_SUITE, good.public[:-1]),
        (DEFAULT_SUITE, good.public[:1184] + small),
        (DEFAULT_SUITE, b"\xff" * 1216),
        ("X25519-HKDF-SHA256-AES-256-GCM", small),
        ("X25519-HKDF-SHA256-AES-256-GCM", b"\1" * 31),
        ("P256-HKDF-SHA256-AES-256-GCM", b"\4" + b"\1" * 64),
        ("P384-HKDF-SHA384-AES-256-GCM", b""),
        ("ROT13", b"\1" * 32),
    ]:
        with pytest.raises(ProofInvalid):
            Recipient.of(suite, raw)
    with pytest.raises(ProofInvalid, match="does not match"):
        Recipient(KeyId("0" * 32), good.suite, good.public)


def test_recipient_and_wrap_documents_round_trip():
    identity = Identity.from_seed(b"\1" * 32)
    wrapped = wrap_to(identity.recipient, b"k" * 32, b"")
    assert Recipient.from_json(identity.recipient.to_json()) == identity.recipient
    assert Wrapped.from_json(wrapped.to_json()) == wrapped
    for bad in (wrapped.to_json() | {"more": 1}, {}, None, wrapped.to_json() | {"sealed": "?"}):
        with pytest.raises(IntegrityError):
            Wrapped.from_json(bad)


# --- operators -------------------------------------------------------------------------


def test_operator_of_the_vector():
    vector = vectors("envelope.json")["operator"]
    operator = LocalOperator("Vector", bytes.fromhex(vector["sign_seed"]), bytes.fromhex(vector["unwrap_seed"]))
    assert (operator.key_id, operator.recipient_id) == (vector["key_id"], vector["recipient_id"])
    assert operator.public.hex() == vector["public"]
    assert hashlib.sha256(operator.recipient.public).hexdigest() == vector["recipient_public_sha256"]
    assert operator.sign(b"abc").hex() == vector["signature_of_abc"]


def test_p256_signature_of_the_vector():
    vector = {name: bytes.fromhex(text) for name, text in vectors("envelope.json")["p256"].items()}
    PublicKey("p256", vector["public"]).verify(vector["message"], vector["signature"])


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 65, "\x1b[31m"])
def test_operator_needs_a_printable_name(name):
    with pytest.raises(UsageError):
        LocalOperator.generate(name)


def test_every_error_here_is_ours():
    assert issubclass(KeyUnavailable, BwcError)
    with pytest.raises(KeyUnavailable):
        LocalOperator("a", b"short", b"\1" * 32)
    assert key_id_of("ed25519", b"x") == hashlib.sha256(b"ed25519\nx").hexdigest()[:32]
    assert decode_binary(encode_binary(b"\xff\xfe")) == b"\xff\xfe"
