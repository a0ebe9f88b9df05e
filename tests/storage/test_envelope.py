"""Envelopes and private bodies: who opens them, what a change does, what an erased one leaves."""

import base64
import hashlib
import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from bwc.canonical import canonical, parse_canonical
from bwc.errors import IntegrityError, KeyUnavailable, SealBroken, UsageError
from bwc.identities import Identity, LocalOperator, Recipient, RecoveryKey, Wrapped, wrap_to
from bwc.storage.body import add_body_recipients, open_body, parse_body, reseal_body, seal_body
from bwc.storage.envelope import build, open_envelope, parse_envelope, renewed

VECTORS = Path(__file__).resolve().parents[2] / "fixtures" / "vectors"
ALICE, BOB, CAROL = (LocalOperator(name, bytes([n]) * 32, bytes([n + 9]) * 32) for n, name in enumerate("abc", 1))
DEK, ITEM, OBJECT, MANIFEST, LOG = bytes(range(32)), "2026-1122-K4J7QX", "ab" * 32, "cd" * 32, "example.org/log"
BODY = {"officer": "B1234", "note": "Zoë", "case_ids": ["26-1182"], "recorded_at": None}


def envelope(*people: LocalOperator) -> bytes:
    return build(DEK, ITEM, OBJECT, MANIFEST, [person.recipient for person in people], LOG)


def vector(name: str) -> dict:
    return json.loads((VECTORS / "envelope.json").read_text(encoding="utf-8"))[name]


def vector_readers() -> tuple[LocalOperator, RecoveryKey]:
    operator = vector("operator")
    seeds = bytes.fromhex(operator["sign_seed"]), bytes.fromhex(operator["unwrap_seed"])
    return LocalOperator("Vector", *seeds), RecoveryKey.parse(vector("recovery")["text"])


# --- envelopes -------------------------------------------------------------------------------------------


def test_every_recipient_opens_and_nobody_else():
    data = envelope(ALICE, BOB)
    for person in (ALICE, BOB):
        dek = open_envelope(data, person, manifest_sha256=MANIFEST, item=ITEM, object_id=OBJECT, log=LOG)
        assert isinstance(dek, bytearray)
        assert dek == DEK
    with pytest.raises(KeyUnavailable):
        open_envelope(data, CAROL, manifest_sha256=MANIFEST)


def test_envelope_of_the_vector_opens_for_both_readers():
    found = vector("envelope")
    for reader in vector_readers():
        dek = open_envelope(
            found["file"].encode(), reader, manifest_sha256=found["manifest"], item=found["item"], log=found["log"]
        )
        assert dek.hex() == found["dek"]


def test_envelope_of_another_thing_is_refused():
    data = envelope(ALICE)
    other = "00" * 32
    for known in (
        {"manifest_sha256": other},
        {"manifest_sha256": MANIFEST, "item": "2026-1122-AAAAAA"},
        {"manifest_sha256": MANIFEST, "object_id": other},
        {"manifest_sha256": MANIFEST, "log": "evil.example/log"},
    ):
        with pytest.raises(SealBroken):
            open_envelope(data, ALICE, **known)


@pytest.mark.parametrize("field", ["item", "log", "manifest"])
def test_envelope_made_to_look_like_anothers_does_not_open(field):
    value = parse_canonical(envelope(ALICE))
    value[field] = "ee" * 32 if field == "manifest" else "something-else"
    with pytest.raises(SealBroken, match="does not open"):
        open_envelope(canonical(value), ALICE, manifest_sha256=value["manifest"])


def test_wrap_moved_to_another_recipient_does_not_open():
    value = parse_canonical(envelope(ALICE))
    value["wraps"][0]["recipient"] = BOB.recipient_id
    with pytest.raises(SealBroken):
        open_envelope(canonical(value), BOB, manifest_sha256=MANIFEST)


def test_any_flipped_byte_is_refused():
    data = envelope(ALICE)
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises((IntegrityError, KeyUnavailable)):
            open_envelope(changed, ALICE, manifest_sha256=MANIFEST, item=ITEM, object_id=OBJECT, log=LOG)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "bwc.envelope/2"},
        {"wraps": []},
        {"wraps": None},
        {"wraps": [7]},
        {"item": ""},
        {"item": "a\nb"},
        {"log": "a\nb"},
        {"object": "AB" * 32},
        {"manifest": "cd" * 31},
        {"more": 1},
    ],
)
def test_malformed_envelope_is_refused(change):
    value = parse_canonical(envelope(ALICE))
    with pytest.raises(IntegrityError):
        parse_envelope(canonical(value | change))
    for data in (b"", b"{}", b"[]", b"null", b"\xff", envelope(ALICE) + b"\n", b"[" * 100_000):
        with pytest.raises(IntegrityError):
            parse_envelope(data)


def test_wraps_are_ordered_and_none_twice():
    data = envelope(BOB, ALICE, BOB)
    names = parse_envelope(data).recipients
    assert names == tuple(sorted({ALICE.recipient_id, BOB.recipient_id}))
    value = parse_canonical(data)
    for wraps in (value["wraps"][::-1], [*value["wraps"], value["wraps"][1]]):
        with pytest.raises(IntegrityError, match="order"):
            parse_envelope(canonical(value | {"wraps": wraps}))


def test_wrapped_secret_that_is_no_file_key_is_refused():
    parsed = parse_envelope(envelope(ALICE))
    short = wrap_to(ALICE.recipient, b"short", parsed.info(ALICE.recipient_id))
    value = parse_canonical(envelope(ALICE)) | {"wraps": [short.to_json()]}
    with pytest.raises(SealBroken, match="no file key"):
        open_envelope(canonical(value), ALICE, manifest_sha256=MANIFEST)
    with pytest.raises(SealBroken):
        build(b"short", ITEM, OBJECT, MANIFEST, [ALICE.recipient], LOG)
    with pytest.raises(UsageError):
        build(DEK, ITEM, OBJECT, MANIFEST, [], LOG)


def test_made_again_it_has_other_bytes():
    # so a replaced envelope's name, the digest of its bytes, never comes again
    assert len({envelope(ALICE) for _ in range(20)}) == 20


def test_pyhpke_opens_an_x25519_wrap_of_an_envelope():
    private = x25519.X25519PrivateKey.generate()
    recipient = Recipient.of("X25519-HKDF-SHA256-AES-256-GCM", private.public_key().public_bytes_raw())
    wrapped = parse_envelope(build(DEK, ITEM, OBJECT, MANIFEST, [recipient], LOG)).wraps[0]
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
    info = f"bwc.envelope/1\n{LOG}\n{ITEM}\n{MANIFEST}\n{recipient.recipient_id}".encode()
    context = suite.create_recipient_context(wrapped.sealed[:32], KEMKey.from_pyca_cryptography_key(private), info=info)
    assert context.open(wrapped.sealed[32:]) == DEK


def test_rewrap_of_10_000_envelopes_is_a_matter_of_seconds():
    data = envelope(ALICE)
    start = time.process_time()
    for _ in range(50):
        dek = open_envelope(data, ALICE, manifest_sha256=MANIFEST)
        build(dek, ITEM, OBJECT, MANIFEST, [ALICE.recipient, BOB.recipient, CAROL.recipient], LOG)
    assert (time.process_time() - start) / 50 * 10_000 < 30


# --- bodies ----------------------------------------------------------------------------------------------


def test_body_opens_for_its_readers_only():
    commit, data = seal_body(BODY, [ALICE.recipient, BOB.recipient], LOG)
    for person in (ALICE, BOB):
        assert open_body(data, person, commit=commit, log=LOG) == BODY
    with pytest.raises(KeyUnavailable):
        open_body(data, CAROL)
    assert b"B1234" not in data


def test_body_is_written_as_canonical_json_is():
    for origin in (LOG, 'log "named" \\ oddly/ä'):
        data = seal_body(BODY, [ALICE.recipient, BOB.recipient], origin)[1]
        assert parse_canonical(data)["log"] == origin
        assert parse_body(data).to_bytes() == data


def test_body_of_the_vector_opens_and_its_commitment_is_as_written():
    found = vector("body")
    for reader in vector_readers():
        assert open_body(found["file"].encode(), reader, commit=found["commit"], log=found["log"]) == found["value"]


def test_commitment_is_salted_and_binds_the_body():
    first, second = seal_body(BODY, [ALICE.recipient], LOG), seal_body(BODY, [ALICE.recipient], LOG)
    assert first[0] != second[0]
    with pytest.raises(SealBroken):
        open_body(first[1], ALICE, commit=second[0])
    with pytest.raises(SealBroken):
        open_body(first[1], ALICE, log="evil.example/log")


def test_reader_who_holds_the_key_cannot_pass_off_another_body():
    """AES-GCM alone would let a reader seal other words under the commitment the event holds."""
    commit, data = seal_body(BODY, [ALICE.recipient], LOG)
    _, other = seal_body({"officer": "B9999"}, [ALICE.recipient], LOG)
    value, forged = parse_canonical(data), parse_canonical(other)
    with pytest.raises(SealBroken):
        open_body(canonical(forged | {"commit": commit}), ALICE, commit=commit)
    # sealed properly by somebody with the body's key, under the same commitment
    sealed = parse_body(data)
    key = ALICE.unwrap(sealed.wraps[0], sealed.info(ALICE.recipient_id))
    lie = canonical({"body": {"officer": "B9999"}, "salt": "00" * 32})
    ciphertext = base64.b64encode(AESGCM(key).encrypt(sealed.nonce, lie, sealed.aad)).decode()
    with pytest.raises(SealBroken, match="committed"):
        open_body(canonical(value | {"ciphertext": ciphertext}), ALICE, commit=commit)


def test_any_flipped_byte_of_a_body_is_refused():
    commit, data = seal_body(BODY, [ALICE.recipient], LOG)
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises((IntegrityError, KeyUnavailable)):
            open_body(changed, ALICE, commit=commit, log=LOG)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "bwc.body/2"},
        {"wraps": []},
        {"nonce": "AAAA"},
        {"commit": "x"},
        {"log": 7},
        {"more": 1},
        {"ciphertext": 1},
    ],
)
def test_malformed_body_is_refused(change):
    _, data = seal_body(BODY, [ALICE.recipient], LOG)
    with pytest.raises(IntegrityError):
        parse_body(canonical(parse_canonical(data) | change))
    for bad in (b"", b"{}", b"[]", data[:-1]):
        with pytest.raises(IntegrityError):
            parse_body(bad)


def test_adding_a_reader_keeps_the_commitment():
    commit, data = seal_body(BODY, [ALICE.recipient], LOG)
    more = add_body_recipients(data, ALICE, [BOB.recipient])
    assert open_body(more, BOB, commit=commit, log=LOG) == BODY
    assert add_body_recipients(more, BOB, [ALICE.recipient]) == more
    with pytest.raises(KeyUnavailable):
        add_body_recipients(data, CAROL, [CAROL.recipient])
    with pytest.raises(UsageError):
        seal_body(BODY, [], LOG)


@pytest.mark.parametrize("kind", ["envelope", "body"])
def test_who_stays_keeps_their_wrap_and_one_is_always_fresh(kind):
    parse = parse_envelope if kind == "envelope" else parse_body

    def given(data, *readers):
        recipients = [one.recipient for one in readers]
        if kind == "body":
            return reseal_body(data, ALICE, recipients)
        return renewed(parse_envelope(data), DEK, recipients)

    def wraps(data):
        return {wrapped.recipient: wrapped for wrapped in parse(data).wraps}

    one = envelope(ALICE) if kind == "envelope" else seal_body(BODY, [ALICE.recipient], LOG)[1]
    two = given(one, ALICE, BOB)
    assert wraps(two)[ALICE.recipient_id] == wraps(one)[ALICE.recipient_id]
    assert set(wraps(two)) == {ALICE.recipient_id, BOB.recipient_id}
    back = given(two, ALICE)  # the same readers as at first, and yet other bytes
    assert set(wraps(back)) == {ALICE.recipient_id}
    assert back != one
    other = given(two, BOB, CAROL)
    assert set(wraps(other)) == {BOB.recipient_id, CAROL.recipient_id}
    if kind == "body":
        assert open_body(other, CAROL) == open_body(back, ALICE) == BODY
    else:
        assert open_envelope(other, CAROL, manifest_sha256=MANIFEST) == DEK
        assert open_envelope(back, ALICE, manifest_sha256=MANIFEST) == DEK


def test_wrap_of_an_envelope_does_not_open_as_a_body():
    commit, data = seal_body(BODY, [ALICE.recipient], LOG)
    parsed = parse_envelope(envelope(ALICE))
    value = parse_canonical(data) | {"wraps": [parsed.wraps[0].to_json()]}
    with pytest.raises(SealBroken):
        open_body(canonical(value), ALICE, commit=commit)


def test_body_key_of_a_wrong_length_is_refused():
    _, data = seal_body(BODY, [ALICE.recipient], LOG)
    sealed = parse_body(data)
    for key in (b"", b"short", bytes(16)):
        wrapped: Wrapped = wrap_to(ALICE.recipient, key, sealed.info(ALICE.recipient_id))
        with pytest.raises(SealBroken):
            open_body(canonical(parse_canonical(data) | {"wraps": [wrapped.to_json()]}), ALICE)


def test_identities_of_one_seed_are_one():
    assert Identity.from_seed(bytes([10]) * 32).recipient == ALICE.recipient
    assert hashlib.sha256(ALICE.recipient.suite.encode() + b"\n" + ALICE.recipient.public).hexdigest()[:32] == (
        ALICE.recipient_id
    )
