"""Which bytes are sound keys and which signatures count: the same answer from every verifier."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bwc import curves
from bwc.errors import IntegrityError, ProofInvalid
from bwc.identities import PublicKey, SeedSigner, decode_binary

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# the eight points of small order of edwards25519, as y with the sign of x
SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)
NON_CANONICAL = (
    "0100000000000000000000000000000000000000000000000000000000000080",  # x = 0 with a sign
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # p + 1
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # p
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # p + 3: 3 is on the curve
)


@pytest.mark.parametrize("raw", SMALL_ORDER)
def test_ed25519_key_of_small_order_is_refused(raw):
    with pytest.raises(ProofInvalid, match="subgroup"):
        PublicKey("ed25519", bytes.fromhex(raw))


@pytest.mark.parametrize("raw", [*NON_CANONICAL, "02" + "00" * 31, "00" * 31, "00" * 33, ""])
def test_ed25519_key_that_is_no_canonical_point_is_refused(raw):
    with pytest.raises(ProofInvalid, match="not an ed25519 key"):
        PublicKey("ed25519", bytes.fromhex(raw))


def test_ed25519_key_with_a_small_order_part_is_refused():
    honest = curves._decode_ed25519(SeedSigner(b"\7" * 32).public)
    torsion = curves._decode_ed25519(bytes.fromhex(SMALL_ORDER[4]))
    x, y, z, _ = curves._add(honest, torsion)
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    raw = (y | (x & 1) << 255).to_bytes(32, "little")
    assert curves._decode_ed25519(raw)[:2] == (x, y)
    with pytest.raises(ProofInvalid, match="subgroup"):
        PublicKey("ed25519", raw)


def test_many_honest_ed25519_keys_are_accepted():
    for number in range(20):
        signer = SeedSigner(hashlib.sha256(bytes([number])).digest())
        signer.verify_key.verify(b"message", signer.sign(b"message"))


def test_signature_is_refused_for_any_change():
    signer = SeedSigner(b"\1" * 32)
    signature = signer.sign(b"message")
    key = signer.verify_key
    key.verify(b"message", signature)
    wrong = [signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :] for place in range(64)]
    # S + L is the same number to a careless verifier
    shifted = (int.from_bytes(signature[32:], "little") + L).to_bytes(32, "little")
    for bad in (*wrong, signature[:32] + shifted, signature[:-1], signature + b"\0", b""):
        with pytest.raises(ProofInvalid):
            key.verify(b"message", bad)
    with pytest.raises(ProofInvalid):
        key.verify(b"massage", signature)
    with pytest.raises(ProofInvalid):
        SeedSigner(b"\2" * 32).verify_key.verify(b"message", signature)


def test_p256_signature_verifies_in_one_form_only():
    private = ec.derive_private_key(123456789, ec.SECP256R1())
    raw = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key = PublicKey("p256", raw)
    r, s = decode_dss_signature(private.sign(b"message", ec.ECDSA(hashes.SHA256())))
    low, high = min(s, P256_ORDER - s), max(s, P256_ORDER - s)
    key.verify(b"message", r.to_bytes(32, "big") + low.to_bytes(32, "big"))
    der = private.sign(b"message", ec.ECDSA(hashes.SHA256()))
    for bad in (r.to_bytes(32, "big") + high.to_bytes(32, "big"), der, bytes(64), b"", b"\xff" * 64):
        with pytest.raises(ProofInvalid):
            key.verify(b"message", bad)
    with pytest.raises(ProofInvalid):
        key.verify(b"massage", r.to_bytes(32, "big") + low.to_bytes(32, "big"))


def test_p256_key_must_be_an_uncompressed_point_of_the_curve():
    public = ec.derive_private_key(5, ec.SECP256R1()).public_key()
    raw = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    compressed = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    for bad in (compressed, raw[:-1], raw + b"\0", raw[:-1] + bytes([raw[-1] ^ 1]), b"\0", b""):
        with pytest.raises(ProofInvalid, match="p256"):
            PublicKey("p256", bad)


def test_unknown_algorithm_is_refused():
    with pytest.raises(ProofInvalid, match="rsa"):
        PublicKey("rsa", b"\1" * 32)


def test_key_document_round_trips_and_must_match_its_bytes():
    key = SeedSigner(b"\1" * 32).verify_key
    assert PublicKey.from_json(key.to_json()) == key
    assert key.key_id == hashlib.sha256(b"ed25519\n" + key.raw).hexdigest()[:32]
    other = SeedSigner(b"\2" * 32).verify_key
    for bad in (key.to_json() | {"key": other.key_id}, {"alg": "ed25519"}, None, [], key.to_json() | {"public": 5}):
        with pytest.raises(IntegrityError):
            PublicKey.from_json(bad)


@pytest.mark.parametrize("text", ["AA", "AAA=\n", "AB==", "A===", "-_8=", " AAA=", "é", None, 7])
def test_binary_field_has_one_spelling(text):
    with pytest.raises(IntegrityError):
        decode_binary(text)
