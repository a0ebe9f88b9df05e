import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwc.appending.writing import add_signatures, log_key, sign_checkpoint
from bwc.audit.checkpoint import COSIGNATURE, Checkpoint, Note, NoteKey, NoteSignature, parse_checkpoint
from bwc.audit.keychain import open_checkpoint
from bwc.errors import BwcError, IntegrityError, ProofInvalid, UsageError
from tests.audit.logs import LOG_KEY, ORIGIN, STRANGER, VKEY

CHECKPOINT = Checkpoint(ORIGIN, 12, bytes(range(32)))
NOTE = sign_checkpoint(CHECKPOINT, LOG_KEY)


def test_round_trip() -> None:
    assert open_checkpoint(NOTE, VKEY) == CHECKPOINT
    assert Note.parse(NOTE).to_bytes() == NOTE
    assert NoteKey.parse(VKEY.text()) == VKEY
    assert Checkpoint.parse_text(CHECKPOINT.text()) == CHECKPOINT


def test_signing_notes_as_others_do() -> None:
    # The example key of golang.org/x/mod/sumdb/note
    key = NoteKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert key.verify(Note.parse(text.encode())) == ()


def test_every_flipped_bit_is_noticed() -> None:
    for position in range(len(NOTE)):
        for bit in range(8):
            data = bytearray(NOTE)
            data[position] ^= 1 << bit
            with pytest.raises(IntegrityError):
                open_checkpoint(bytes(data), VKEY)


def test_unknown_signatures_are_carried_and_ignored_but_a_failing_known_one_is_not() -> None:
    strange = [NoteSignature(f"witness{number}.example", b"abcd", b"x" * 2420) for number in range(15)]
    carried = add_signatures(NOTE, strange)
    assert open_checkpoint(carried, VKEY) == CHECKPOINT
    assert len(Note.parse(carried).signatures) == 16
    assert add_signatures(carried, strange) == carried
    with pytest.raises(ProofInvalid):
        open_checkpoint(add_signatures(NOTE, [NoteSignature(VKEY.name, VKEY.key_hint, b"x" * 64)]), VKEY)


def test_too_many_signatures_are_refused() -> None:
    strange = [NoteSignature(f"witness{number}.example", b"abcd", b"x") for number in range(64)]
    with pytest.raises(IntegrityError):
        Note.parse(add_signatures(NOTE, strange))


def test_cosignature_of_a_witness_counts_with_its_time() -> None:
    witness = NoteKey("witness.example", COSIGNATURE, STRANGER.public)
    moment = 1_795_000_000
    signed = STRANGER.sign(f"cosignature/v1\ntime {moment}\n{CHECKPOINT.text()}".encode())
    line = NoteSignature(witness.name, witness.key_hint, moment.to_bytes(8, "big") + signed)
    note = Note.parse(add_signatures(NOTE, [line]))
    assert witness.verify(note) == (moment,)
    later = NoteSignature(witness.name, witness.key_hint, (moment + 1).to_bytes(8, "big") + signed)
    with pytest.raises(ProofInvalid):
        witness.verify(Note.parse(add_signatures(NOTE, [later])))


def test_another_key_or_another_log_is_refused() -> None:
    with pytest.raises(ProofInvalid):
        open_checkpoint(NOTE, log_key(ORIGIN, STRANGER))
    with pytest.raises(ProofInvalid):
        open_checkpoint(NOTE, log_key("log.example/other", LOG_KEY))
    with pytest.raises(ProofInvalid):
        open_checkpoint(sign_checkpoint(Checkpoint("log.example/other", 12, bytes(32)), LOG_KEY), VKEY)


ROOT = base64.b64encode(bytes(32)).decode()
SIGNATURE = NOTE.decode().rpartition("\n\n")[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{ORIGIN}\n12\n{ROOT}",
        f"{ORIGIN}\n12\n{ROOT}\n\n",
        f"{ORIGIN}\n12\n{ROOT}\n\n{SIGNATURE}\n",
        f"{ORIGIN}\n12\n{ROOT}\n\n{SIGNATURE[:-1]}",
        f"{ORIGIN}\n12\n{ROOT}\n\n-{SIGNATURE[1:]}",
        f"{ORIGIN}\r\n12\r\n{ROOT}\r\n\r\n{SIGNATURE}",
        f"{ORIGIN}\n012\n{ROOT}\n\n{SIGNATURE}",
        f"{ORIGIN}\n+12\n{ROOT}\n\n{SIGNATURE}",
        f"{ORIGIN}\n-1\n{ROOT}\n\n{SIGNATURE}",
        f"{ORIGIN}\n١٢\n{ROOT}\n\n{SIGNATURE}",
        f"{ORIGIN}\n{2**63}\n{ROOT}\n\n{SIGNATURE}",
        f"{ORIGIN}\n{'9' * 5000}\n{ROOT}\n\n{SIGNATURE}",
        f"{ORIGIN}\n12\n{ROOT[:-2]}B=\n\n{SIGNATURE}",
        f"{ORIGIN}\n12\n{ROOT[:-4]}\n\n{SIGNATURE}",
        f"{ORIGIN}\n12\n{ROOT}\nextension\n\n{SIGNATURE}",
        f"log example\n12\n{ROOT}\n\n{SIGNATURE}",
        f"\n12\n{ROOT}\n\n{SIGNATURE}",
        f"{ORIGIN}\t\n12\n{ROOT}\n\n{SIGNATURE}",
        f"{ORIGIN}\n12\n{ROOT}\n\n— a b c\n",
        f"{ORIGIN}\n12\n{ROOT}\n\n— a+b {ROOT}\n",
        f"{ORIGIN}\n12\n{ROOT}\n\n— a AAAA\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        parse_checkpoint(text.encode())


@pytest.mark.parametrize(
    "text",
    ["", "a+b", "a+00000000+AAAA", VKEY.text() + "=", VKEY.text().replace("+", "+0", 1), "a b" + VKEY.text()],
)
def test_malformed_keys_are_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        NoteKey.parse(text)


def test_small_order_keys_are_refused() -> None:
    for raw in (bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"):
        with pytest.raises(IntegrityError):
            NoteKey(ORIGIN, 1, raw)


@pytest.mark.parametrize("origin", ["", "two words", "a+b", 'quo"te', "back\\slash", "new\nline", "é", "x" * 201])
def test_bad_origins_are_refused(origin: str) -> None:
    with pytest.raises(UsageError):
        log_key(origin, LOG_KEY)


@given(st.one_of(st.binary(max_size=400), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
@settings(max_examples=300, deadline=None)
def test_only_our_errors_come_out(data: bytes) -> None:
    for parse in (parse_checkpoint, Note.parse, lambda data: NoteKey.parse(data.decode("latin-1"))):
        with pytest.raises(BwcError):
            parse(data)
