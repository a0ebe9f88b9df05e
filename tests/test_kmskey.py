"""A key file locked by a key service opens only where the service gives the key, for the operator and vault it was made for."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bwc.canonical import canonical, parse_canonical
from bwc.errors import IntegrityError, KeyServiceRefuses, KeyUnavailable, Unreachable, UsageError
from bwc.identities import FIPS_SUITE, LocalOperator, wrap_to
from bwc.keyfile import Lock, PassphraseCost, ask_service, load_operator, lock_of, save_kms_operator
from bwc.kmskey import ServiceLock, context_of, new_lock, opened
from tests.suites.key_service import REGION, KeyService

LIGHT = PassphraseCost(memory_kib=1024, passes=1, lanes=1)
LOG = "springfield-pd/f2114e1c"
VECTORS = Path(__file__).resolve().parents[1] / "fixtures" / "vectors"


@pytest.fixture
def service(key_service: KeyService, monkeypatch: pytest.MonkeyPatch) -> KeyService:
    """The service, and a process that may ask it."""
    for name, value in key_service.environment().items():
        monkeypatch.setenv(name, value)
    return key_service


def kms_file(path: Path, service: KeyService, **more) -> tuple[LocalOperator, str]:
    operator = LocalOperator.generate("mchen")
    return operator, save_kms_operator(path, operator, service_key=service.new_key(), log=LOG, cost=LIGHT, **more)


def test_a_file_locked_by_a_service_round_trips_and_asks_nobody(tmp_path, service):
    path = tmp_path / "mchen.key"
    operator, arn = kms_file(path, service)
    assert lock_of(path) == Lock()
    assert ask_service(path) == arn
    again = load_operator(path, b"")
    assert (again.name, again.key_id, again.recipient) == (operator.name, operator.key_id, operator.recipient)
    assert again.unwrap(wrap_to(operator.recipient, b"secret", b"info"), b"info") == b"secret"
    operator.verify_key.verify(b"m", again.sign(b"m"))
    document = json.loads(path.read_bytes())
    assert set(document) == {"format", "kms", "name", "nonce", "recipient", "sealed", "verify_key"}
    assert set(document["kms"]) == {"key", "log", "sealed"}
    assert operator.seeds() not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_with_a_passphrase_both_are_needed(tmp_path, service):
    path = tmp_path / "mchen.key"
    operator, arn = kms_file(path, service, passphrase=b"right")
    assert lock_of(path) == Lock(passphrase=True)
    assert load_operator(path, b"right").key_id == operator.key_id
    for wrong in (b"", b"wrong"):
        with pytest.raises(KeyUnavailable, match="passphrase") as caught:
            load_operator(path, wrong)
        assert type(caught.value) is KeyUnavailable  # an attempt with the wrong passphrase
    service.disable(arn)
    with pytest.raises(KeyServiceRefuses, match="disabled"):
        load_operator(path, b"right")


def test_keys_of_every_kind_can_be_locked_and_an_alias_becomes_an_arn(tmp_path, service):
    arn = service.new_key("alias/bwc-officers")
    operator = LocalOperator.generate("a", alg="p256", suite=FIPS_SUITE)
    found = save_kms_operator(tmp_path / "a.key", operator, service_key="alias/bwc-officers", log=None)
    assert found == arn
    assert load_operator(tmp_path / "a.key", b"").recipient == operator.recipient
    assert "log" not in json.loads((tmp_path / "a.key").read_bytes())["kms"]


def test_a_key_made_for_another_operator_or_vault_is_refused_by_the_service(service):
    lock, key = new_lock(service.new_key(), operator="1" * 32, log=LOG)
    assert opened(lock, operator="1" * 32) == key
    for operator, log in (("2" * 32, LOG), ("1" * 32, "shelbyville-pd/f2114e1c"), ("1" * 32, None)):
        with pytest.raises(KeyServiceRefuses):
            opened(ServiceLock(arn=lock.arn, sealed=lock.sealed, log=log), operator=operator)
    with pytest.raises(KeyServiceRefuses):  # the key of another
        opened(ServiceLock(arn=service.new_key(), sealed=lock.sealed, log=LOG), operator="1" * 32)


def test_a_disabled_key_a_deleted_one_and_one_that_waits_are_told_apart(tmp_path, service):
    path = tmp_path / "mchen.key"
    operator, arn = kms_file(path, service)
    service.disable(arn)
    with pytest.raises(KeyServiceRefuses, match="disabled") as caught:
        load_operator(path, b"")
    assert f"enable-key --key-id {arn}" in caught.value.hint
    service.enable(arn)
    assert load_operator(path, b"").key_id == operator.key_id
    service.plan_deletion(arn)
    with pytest.raises(KeyServiceRefuses, match="pending deletion") as caught:
        load_operator(path, b"")
    assert "cancel-key-deletion" in caught.value.hint
    with pytest.raises(KeyServiceRefuses, match="no KMS key"):
        new_lock(
            f"arn:aws-us-gov:kms:{REGION}:123456789012:key/00000000-0000-0000-0000-000000000000", operator="1", log=None
        )


def test_a_service_that_is_away_or_ill_is_to_be_tried_again(tmp_path, service, monkeypatch):
    path = tmp_path / "mchen.key"
    kms_file(path, service)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unreachable) as caught:
            load_operator(path, b"")
    assert caught.value.exit_code == 11

    class Ill(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(500)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Ill) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(Unreachable):
            load_operator(path, b"")
        server.shutdown()


def test_without_credentials_it_says_how_to_get_some(tmp_path, service, monkeypatch):
    path = tmp_path / "mchen.key"
    kms_file(path, service)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(KeyServiceRefuses, match="credentials") as caught:
        load_operator(path, b"")
    assert caught.value.exit_code == 9
    assert "aws sso login" in caught.value.hint


@pytest.mark.parametrize("key", ["arn:aws:s3:::bucket", "arn:aws:kms:::key/1", "arn:nonsense", "", "x"])
def test_what_is_no_key_of_the_service_makes_no_file(tmp_path, service, key):
    with pytest.raises((UsageError, KeyServiceRefuses)):
        save_kms_operator(tmp_path / "a.key", LocalOperator.generate("a"), service_key=key, log=None)
    assert not list(tmp_path.iterdir())


def test_an_alias_without_a_region_is_asked_back(service, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(UsageError, match="which region"):
        new_lock("alias/x", operator="1" * 32, log=None)


def test_a_key_for_signing_locks_no_file(tmp_path, service):
    made = service.client().create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with pytest.raises(UsageError, match="cannot lock a key file"):
        save_kms_operator(tmp_path / "a.key", LocalOperator.generate("a"), service_key=made, log=None)
    assert not list(tmp_path.iterdir())


def test_any_change_of_the_file_is_refused(tmp_path, service, monkeypatch):
    """The service is asked once; what it answers does not depend on what is changed here, except where it binds it."""
    path, changed = tmp_path / "a.key", tmp_path / "b.key"
    operator, _ = kms_file(path, service)
    whole = path.read_bytes()
    value = parse_canonical(whole)
    key = opened(ServiceLock.from_json(value["kms"]), operator=operator.key_id)
    right = (canonical(value["kms"]), operator.key_id)

    def gives(lock: ServiceLock, *, operator: str) -> bytes:
        if (canonical(lock.to_json()), operator) != right:
            raise KeyServiceRefuses("bound to another context")
        return key

    monkeypatch.setattr("bwc.keyfile.opened", gives)
    changed.write_bytes(whole)
    assert load_operator(changed, b"").key_id == operator.key_id
    for place in range(0, len(whole), 7):
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises((KeyUnavailable, IntegrityError)):
            load_operator(changed, b"")
    for more in ({"kdf": LIGHT.to_json(b"s" * 16)}, {"kms": {**value["kms"], "endpoint": "x"}}, {"kms": None}):
        changed.write_bytes(canonical({**value, **more}))
        with pytest.raises((KeyUnavailable, IntegrityError)):
            load_operator(changed, b"")


VECTOR_FILES = json.loads((VECTORS / "key_service.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTOR_FILES, ids=["service alone", "service and passphrase"])
def test_key_files_of_the_vectors_open(tmp_path, monkeypatch, vector):
    def gives(lock: ServiceLock, *, operator: str) -> bytes:
        assert context_of(operator, lock.log) == vector["context"]
        assert lock.sealed == b"what Decrypt takes"
        return bytes.fromhex(vector["data_key"])

    monkeypatch.setattr("bwc.keyfile.opened", gives)
    path = tmp_path / "vector.key"
    path.write_text(vector["file"], encoding="utf-8")
    assert lock_of(path).passphrase is bool(vector["passphrase"])
    assert load_operator(path, vector["passphrase"].encode()).key_id == vector["key_id"]
