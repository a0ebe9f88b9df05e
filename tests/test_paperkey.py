"""The recovery key on paper: as people type it, with their errors found."""

import json
from pathlib import Path

import pytest

from bwc.errors import KeyUnavailable
from bwc.identities import Identity, RecoveryKey, wrap_to

VECTORS = Path(__file__).resolve().parents[1] / "fixtures" / "vectors"


def vectors(name: str) -> dict:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def test_recovery_key_of_the_vector():
    vector = vectors("envelope.json")["recovery"]
    key = RecoveryKey.parse(vector["text"])
    assert key.recipient_id == vector["recipient_id"]
    assert key.recipient == Identity.from_seed(bytes.fromhex(vector["seed"])).recipient


def test_recovery_key_opens_what_is_wrapped_to_it():
    text = RecoveryKey.generate()
    key = RecoveryKey.parse(text)
    assert key.unwrap(wrap_to(key.recipient, b"secret", b"i"), b"i") == b"secret"
    assert RecoveryKey.generate() != text


def test_recovery_key_is_read_as_people_type_it():
    text = RecoveryKey.generate()
    wanted = RecoveryKey.parse(text).recipient_id
    alike = text.replace("0", "O").replace("1", "l")
    for typed in (
        text.lower(),
        text.replace("-", " "),
        text.replace("-", ""),
        f"  {text}\n",
        alike,
        alike.replace("l", "I"),
    ):
        assert RecoveryKey.parse(typed).recipient_id == wanted


def test_one_typing_error_is_found_and_its_group_named():
    text = RecoveryKey.generate()
    start = len("BWC-RECOVERY-1-")
    for place in range(start, len(text), 3):
        if text[place] == "-":
            continue
        other = "7" if text[place] != "7" else "8"
        group = (place - start) // 5 + 1
        with pytest.raises(KeyUnavailable) as caught:
            RecoveryKey.parse(text[:place] + other + text[place + 1 :])
        assert caught.value.hint == f"look at group {group}"


def test_swapped_missing_and_foreign_characters_are_refused():
    text = "BWC-RECOVERY-1-" + "".join(vectors("envelope.json")["recovery"]["text"].split("-", 3)[3])
    swap = next(at for at in range(20, len(text)) if text[at] != text[at + 1] and "-" not in text[at : at + 2])
    for bad in (
        text[:swap] + text[swap + 1] + text[swap] + text[swap + 2 :],
        text[:-1],
        text + "0",
        text[:-1] + "U",
        text[:-1] + "é",
        text.replace("RECOVERY", "RECOVERX"),
        text.replace("-1-", "-2-", 1),
        text[15:],
        "",
    ):
        with pytest.raises(KeyUnavailable):
            RecoveryKey.parse(bad)
