"""Keys on tokens: what a token cannot be trusted with is done here, and done as the HPKE of `cryptography` does it."""

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bwc.errors import IntegrityError, KeyUnavailable, SealBroken, UsageError
from bwc.identities import DEFAULT_SUITE, FIPS_SUITE, LocalOperator, P256Signer, Recipient, wrap_to
from bwc.keyfile import load_operator, save_token_operator
from bwc.tokenkey import TOKEN_SUITES, TokenOperator, open_with

CURVES = dict(zip(TOKEN_SUITES, (ec.SECP256R1(), ec.SECP384R1()), strict=True))
SECRET = bytes(range(32))


def key_of(suite: str) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    private = ec.generate_private_key(CURVES[suite])
    return private, private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@pytest.mark.parametrize("suite", TOKEN_SUITES)
def test_what_is_sealed_by_the_library_opens_with_the_exchange_alone(suite):
    private, public = key_of(suite)

    def exchange(point: bytes) -> bytes:
        return private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVES[suite], point))

    sealed = wrap_to(Recipient.of(suite, public), SECRET, b"info").sealed
    assert open_with(suite, public, sealed, b"info", exchange) == SECRET
    with pytest.raises(InvalidTag):
        open_with(suite, public, sealed, b"other info", exchange)
    for place in range(0, len(sealed), 7):
        bent = bytearray(sealed)
        bent[place] ^= 1
        with pytest.raises((InvalidTag, ValueError)):
            open_with(suite, public, bytes(bent), b"info", exchange)


@pytest.mark.parametrize("suite", TOKEN_SUITES)
def test_a_point_off_the_curve_never_reaches_the_token(suite):
    def exchange(_point: bytes) -> bytes:
        pytest.fail("the token was asked")

    _, public = key_of(suite)
    sealed = wrap_to(Recipient.of(suite, public), SECRET, b"info").sealed
    size = len(public)
    for point in (b"\4" + b"\1" * (size - 1), b"\0" * size, sealed[:size][:-1] + bytes([sealed[size - 1] ^ 1]), b"\4"):
        with pytest.raises(ValueError):  # noqa: PT011
            open_with(suite, public, point + sealed[size:], b"info", exchange)


def token_operator(suite: str = FIPS_SUITE, **changed) -> TokenOperator:
    signer, (_, point) = P256Signer(b"\1" * 32), key_of(suite)
    given = {"module": "/nowhere.so", "label": "desk", "verify_key": signer.verify_key, "pin": b"1234"}
    return TokenOperator("mchen", **given | {"recipient": Recipient.of(suite, point)} | changed)


def test_other_kinds_of_key_are_not_held_by_a_token():
    local = LocalOperator.generate("a")
    for changed in ({"verify_key": local.verify_key}, {"recipient": local.recipient}):
        with pytest.raises(UsageError):
            token_operator(**changed)
    with pytest.raises(UsageError, match=DEFAULT_SUITE):
        TokenOperator.generate("a", module="/nowhere.so", label="desk", pin=b"1", suite=DEFAULT_SUITE)


def test_the_key_file_says_where_and_holds_no_secret(tmp_path):
    path = tmp_path / "mchen.key"
    operator = token_operator(pin=b"7391620")
    save_token_operator(path, operator)
    assert b"7391620" not in path.read_bytes()
    again = TokenOperator.of_document(operator.document(), b"7391620")
    assert again.document() == operator.document()
    with pytest.raises(UsageError, match="never overwritten"):
        save_token_operator(path, operator)
    with pytest.raises(KeyUnavailable):  # the library is not there
        load_operator(path, b"7391620")
    path.write_bytes(path.read_bytes().replace(b'"name":"mchen"', b'"name":"mchen","pin":"x"'))
    with pytest.raises(IntegrityError):
        load_operator(path, b"7391620")


def test_a_wrap_for_another_is_refused_without_the_token():
    operator, other = token_operator(), token_operator()
    with pytest.raises(KeyUnavailable, match="not to"):
        operator.unwrap(wrap_to(other.recipient, SECRET, b""), b"")
    wrapped = wrap_to(operator.recipient, SECRET, b"")
    bent = type(wrapped)(wrapped.recipient, TOKEN_SUITES[0], wrapped.sealed)
    with pytest.raises(SealBroken):
        operator.unwrap(bent, b"")
