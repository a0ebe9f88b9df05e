"""Keys: what is accepted as one, what opens, what is refused, and the bytes others can read."""

import hashlib
import hmac
import json
import random
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from bwc.errors import BwcError, IntegrityError, KeyUnavailable, ProofInvalid, SealBroken, UsageError
from bwc.evidence import KeyId
from bwc.identities import (
    DEFAULT_SUITE,
    Identity,
    LocalOperator,
    PublicKey,
    Recipient,
    SeedSigner,
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


# --- Ed25519 ---------------------------------------------------------------------------------------------

# RFC 8032 7.1, tests 1 to 3 and SHA(abc): private key, message, signature
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.fixture(params=["libsodium", "OpenSSL"])
def signing_library(request, monkeypatch):
    if request.param == "OpenSSL":
        monkeypatch.setitem(sys.modules, "nacl.bindings", None)
    else:
        pytest.importorskip("nacl.bindings", reason="PyNaCl is not installed: pip install 'bwc[fast]'")
    return request.param


@pytest.mark.parametrize(("seed", "message", "signature"), RFC_8032)
def test_seed_signs_as_rfc_8032_says(signing_library, seed, message, signature):
    signer = SeedSigner(bytes.fromhex(seed))
    assert signer.sign(bytes.fromhex(message)).hex() == signature
    signer.verify_key.verify(bytes.fromhex(message), bytes.fromhex(signature))


def test_both_libraries_give_the_same_bytes(signing_library):
    number = random.Random(8032)
    for length in [*range(130), 1000, 65_535, 1 << 20]:
        seed, message = number.randbytes(32), number.randbytes(length)
        private = Ed25519PrivateKey.from_private_bytes(seed)
        signer = SeedSigner(bytearray(seed))
        assert signer.sign(message) == private.sign(message)
        assert signer.public == private.public_key().public_bytes_raw()


def test_signing_library_that_derives_another_public_key_is_not_asked(monkeypatch):
    bindings = pytest.importorskip("nacl.bindings", reason="PyNaCl is not installed: pip install 'bwc[fast]'")
    monkeypatch.setattr(bindings, "crypto_sign_seed_keypair", lambda seed: (bytes(32), bytes(64)))
    signer = SeedSigner(bytes(range(32)))
    signer.verify_key.verify(b"message", signer.sign(b"message"))


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
