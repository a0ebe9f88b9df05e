"""Key files: whole or not there, opened by the passphrase only, never asking for absurd work."""

import json
import stat
from pathlib import Path

import pytest

from bwc.canonical import canonical, parse_canonical
from bwc.errors import IntegrityError, KeyUnavailable, UsageError
from bwc.identities import LocalOperator, SeedSigner, wrap_to
from bwc.keyfile import PassphraseCost, load_operator, save_operator

VECTORS = Path(__file__).resolve().parents[1] / "fixtures" / "vectors"
LIGHT = PassphraseCost(memory_kib=1024, passes=1, lanes=1)


def vectors(name: str) -> dict:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def test_key_file_of_the_vector_opens(tmp_path):
    vector = vectors("envelope.json")["operator"]
    path = tmp_path / "vector.key"
    path.write_text(vector["key_file"], encoding="utf-8")
    operator = load_operator(path, vector["passphrase"].encode())
    assert (operator.name, operator.key_id) == ("Vector", vector["key_id"])


def test_operator_file_round_trips_with_the_parameters_of_rfc_9106(tmp_path):
    operator = LocalOperator.generate("Zoë Chen")
    path = tmp_path / "keys" / "zoe.key"
    save_operator(path, operator, b"correct horse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["zoe.key"]
    kdf = json.loads(path.read_bytes())["kdf"]
    assert (kdf["name"], kdf["memory_kib"], kdf["passes"], kdf["lanes"]) == ("argon2id", 65536, 3, 4)
    again = load_operator(path, b"correct horse")
    assert (again.name, again.key_id, again.recipient) == (operator.name, operator.key_id, operator.recipient)
    wrapped = wrap_to(operator.recipient, b"secret", b"info")
    assert again.unwrap(wrapped, b"info") == b"secret"
    operator.verify_key.verify(b"m", again.sign(b"m"))
    assert operator.seeds() not in path.read_bytes()


def test_wrong_passphrase_is_key_unavailable(tmp_path):
    path = tmp_path / "a.key"
    save_operator(path, LocalOperator.generate("a"), b"right", cost=LIGHT)
    for wrong in (b"wrong", b"", b"right ", b"Right"):
        with pytest.raises(KeyUnavailable):
            load_operator(path, wrong)
    with pytest.raises(KeyUnavailable):
        load_operator(tmp_path / "none.key", b"right")


def test_operator_file_is_never_overwritten(tmp_path):
    path = tmp_path / "a.key"
    save_operator(path, LocalOperator.generate("a"), b"right", cost=LIGHT)
    before = path.read_bytes()
    with pytest.raises(UsageError):
        save_operator(path, LocalOperator.generate("b"), b"right", cost=LIGHT)
    with pytest.raises(UsageError):
        save_operator(tmp_path / "b.key", LocalOperator.generate("b"), b"", cost=LIGHT)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.key"]


def test_any_change_of_an_operator_file_is_refused(tmp_path):
    path, changed = tmp_path / "a.key", tmp_path / "b.key"
    save_operator(path, LocalOperator.generate("a"), b"right", cost=LIGHT)
    data = path.read_bytes()
    sealed_at = data.index(b'"sealed"')
    for place in (*range(0, 300), *range(300, len(data), 29), *range(sealed_at, sealed_at + 80)):
        changed.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises((KeyUnavailable, IntegrityError)):
            load_operator(changed, b"right")
    for length in (0, 1, 100, len(data) - 1):
        changed.write_bytes(data[:length])
        with pytest.raises(IntegrityError):
            load_operator(changed, b"right")


@pytest.mark.parametrize(
    "change",
    [
        {"memory_kib": 2**21},
        {"memory_kib": 2**52},
        {"memory_kib": 7},
        {"memory_kib": 0},
        {"memory_kib": "65536"},
        {"memory_kib": None},
        {"passes": 17},
        {"passes": 0},
        {"passes": -1},
        {"lanes": 1000},
        {"lanes": 0},
        {"salt": ""},
        {"salt": "AAAA"},
        {"salt": 7},
        {"name": "scrypt"},
    ],
)
def test_hostile_operator_file_cannot_ask_for_absurd_work(tmp_path, change, monkeypatch):
    path = tmp_path / "a.key"
    save_operator(path, LocalOperator.generate("a"), b"right", cost=LIGHT)
    value = parse_canonical(path.read_bytes())
    path.write_bytes(canonical(value | {"kdf": value["kdf"] | change}))
    monkeypatch.setattr(PassphraseCost, "key", lambda *_: pytest.fail("derived a key"))
    with pytest.raises(IntegrityError):
        load_operator(path, b"right")


def test_operator_file_cannot_name_anothers_public_key(tmp_path):
    path = tmp_path / "a.key"
    save_operator(path, LocalOperator.generate("a"), b"right", cost=LIGHT)
    value = parse_canonical(path.read_bytes())
    path.write_bytes(canonical(value | {"verify_key": SeedSigner(b"\1" * 32).verify_key.to_json()}))
    with pytest.raises(KeyUnavailable):
        load_operator(path, b"right")
