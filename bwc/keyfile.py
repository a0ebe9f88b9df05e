"""The operator's key file: seeds sealed with a passphrase or by a key service, or where the token with the keys is.

Bytes are fixed in docs/formats/keys.md.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from bwc.canonical import Json, canonical, parse_canonical
from bwc.errors import IntegrityError, KeyUnavailable, UsageError
from bwc.identities import DEFAULT_SUITE, LocalOperator, PublicKey, decode_binary, encode_binary
from bwc.kmskey import KMS_FORMAT, ServiceLock, file_key, new_lock, opened
from bwc.tokenkey import TOKEN_FORMAT, TokenOperator, check_present

_FILE_FORMAT = "bwc.operator-key/1"  # Ed25519 and X-Wing
_FILE_FORMAT_2 = "bwc.operator-key/2"  # as its verify_key and recipient say
_FORMATS = (_FILE_FORMAT, _FILE_FORMAT_2, KMS_FORMAT, TOKEN_FORMAT)
_FILE_MOST_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseCost:
    """Argon2id parameters. The default is the second recommended set of RFC 9106 section 4."""

    memory_kib: int = 65536
    passes: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        # a hostile file must not be able to take this computer's memory or hours of its time
        sound = 1 <= self.lanes <= 16 and 1 <= self.passes <= 16 and 8 * self.lanes <= self.memory_kib <= 2**20
        if not sound:
            raise IntegrityError("an operator key file asks for absurd passphrase parameters")

    @classmethod
    def from_json(cls, kdf: Any) -> tuple["PassphraseCost", bytes]:
        """The cost and the salt. Raises `KeyError`, `TypeError`, `ValueError`, `IntegrityError`."""
        cost = cls(memory_kib=kdf["memory_kib"], passes=kdf["passes"], lanes=kdf["lanes"])
        salt = decode_binary(kdf["salt"])
        if kdf["name"] != "argon2id" or not 16 <= len(salt) <= 64:
            raise ValueError("not a way from a passphrase to a key")
        return cost, salt

    def to_json(self, salt: bytes) -> dict[str, Json]:
        return {
            "lanes": self.lanes,
            "memory_kib": self.memory_kib,
            "name": "argon2id",
            "passes": self.passes,
            "salt": encode_binary(salt),
        }

    def key(self, passphrase: bytes | bytearray, salt: bytes) -> bytes:
        """32 bytes from `passphrase`; 0.1 to 0.2 s at the default cost."""
        made = Argon2id(salt=salt, length=32, iterations=self.passes, lanes=self.lanes, memory_cost=self.memory_kib)
        return made.derive(bytes(passphrase))


def save_operator(
    path: Path, operator: LocalOperator, passphrase: bytes | bytearray, *, cost: PassphraseCost | None = None
) -> None:
    """Write the operator's seeds to `path`, sealed with `passphrase`: mode 0600, durable on return, never overwriting.

    Raises `UsageError` if the file exists or the passphrase is empty; nothing is then left behind.
    """
    if not passphrase:
        raise UsageError("an operator key needs a passphrase")
    cost = cost or PassphraseCost()
    salt = secrets.token_bytes(16)
    head: dict[str, Json] = {"format": _format_of(operator.alg, operator.recipient.suite), "kdf": cost.to_json(salt)}
    _save_sealed(path, operator, head, cost.key(passphrase, salt))


def save_kms_operator(
    path: Path,
    operator: LocalOperator,
    *,
    service_key: str,
    log: str | None,
    passphrase: bytes | bytearray = b"",
    cost: PassphraseCost | None = None,
) -> str:
    """Write the operator's seeds to `path`, sealed with a data key of the service's `service_key`; returns its ARN.

    With a passphrase both are needed. `log` names the vault in what the service records. As `save_operator` writes;
    raises what `new_lock` raises.
    """
    lock, data_key = new_lock(service_key, operator=operator.key_id, log=log)
    head: dict[str, Json] = {"format": KMS_FORMAT, "kms": lock.to_json()}
    stretched = b""
    if passphrase:
        cost, salt = cost or PassphraseCost(), secrets.token_bytes(16)
        head["kdf"], stretched = cost.to_json(salt), cost.key(passphrase, salt)
    _save_sealed(path, operator, head, file_key(data_key, stretched))
    return lock.arn


def _save_sealed(path: Path, operator: LocalOperator, how: dict[str, Json], key: bytes) -> None:
    nonce = secrets.token_bytes(12)
    head: dict[str, Json] = {
        **how,
        "name": operator.name,
        "nonce": encode_binary(nonce),
        "recipient": operator.recipient.to_json(),
        "verify_key": operator.verify_key.to_json(),
    }
    sealed = AESGCM(key).encrypt(nonce, operator.seeds(), canonical(head))
    _write_private(Path(path), canonical({**head, "sealed": encode_binary(sealed)}))


def save_token_operator(path: Path, operator: TokenOperator) -> None:
    """Write where the operator's token is to `path`, as `save_operator` writes: there is no secret in it."""
    _write_private(Path(path), canonical(operator.document()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What a key file wants of a person: a passphrase, the PIN of the token with this label, or nothing."""

    passphrase: bool = False
    token: str | None = None


def lock_of(path: Path) -> Lock:
    """What opens a key file; nobody is asked yet, but a token must be there (`KeyUnavailable`)."""
    head = _read_key_file(Path(path))
    if head["format"] == TOKEN_FORMAT:
        check_present(head)
        return Lock(token=str(head.get("token")))
    if head["format"] == KMS_FORMAT:
        return Lock(passphrase="kdf" in head)
    return Lock(passphrase=True)


def ask_service(path: Path) -> str | None:
    """The ARN of the service's key that locks a file, once the service gave what opens it; `None` if none locks it.

    Raises `KeyServiceRefuses`, `Unreachable`, `IntegrityError`.
    """
    head = _read_key_file(Path(path))
    if head["format"] != KMS_FORMAT:
        return None
    lock = _service_lock(path, head)
    opened(lock, operator=PublicKey.from_json(head.get("verify_key")).key_id)
    return lock.arn


def load_operator(path: Path, secret: bytes | bytearray) -> LocalOperator | TokenOperator:
    """The operator of a key file; `secret` is its passphrase, or its token's PIN, or nothing if only a service locks it.

    Raises `KeyUnavailable` if there is no file or the secret does not fit (a changed file looks the same),
    `KeyServiceRefuses` or `Unreachable` when the service keeps the key, `IntegrityError` if it is not an operator key file.
    """
    head = _read_key_file(Path(path))
    if head["format"] == TOKEN_FORMAT:
        return _load_token_operator(path, head, secret)
    try:
        sealed, nonce = decode_binary(head.pop("sealed")), decode_binary(head["nonce"])
        if len(nonce) != 12:
            raise ValueError("the nonce has not its length")
        key = _key_of(head, secret)
        seeds = bytearray(AESGCM(key).decrypt(nonce, sealed, canonical(head)))
        alg, suite = head["verify_key"]["alg"], head["recipient"]["suite"]
        if head["format"] not in (KMS_FORMAT, _format_of(alg, suite)):
            raise ValueError("the format does not fit the keys")
        found = LocalOperator.of_seeds(head["name"], seeds, alg=alg, suite=suite)
    except InvalidTag:
        what = "the passphrase" if "kdf" in head else "what the key service gave"
        raise KeyUnavailable(f"{what} does not open {path}") from None
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise IntegrityError(f"{path} is not an operator key file") from error
    if PublicKey.from_json(head["verify_key"]) != found.verify_key or head["recipient"] != found.recipient.to_json():
        raise IntegrityError(f"{path} names other public keys than the ones it holds")
    return found


def _key_of(head: dict[str, Any], secret: bytes | bytearray) -> bytes:
    """The key that seals the file. The service is asked before a passphrase is stretched."""
    if head["format"] != KMS_FORMAT:
        cost, salt = PassphraseCost.from_json(head["kdf"])
        return cost.key(secret, salt)
    lock, passphrase = ServiceLock.from_json(head["kms"]), head.get("kdf")
    stretch = PassphraseCost.from_json(passphrase) if passphrase is not None else None
    data_key = opened(lock, operator=PublicKey.from_json(head["verify_key"]).key_id)
    return file_key(data_key, stretch[0].key(secret, stretch[1]) if stretch else b"")


def _load_token_operator(path: Path, head: dict[str, Any], pin: bytes | bytearray) -> TokenOperator:
    try:
        found = TokenOperator.of_document(head, pin)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise IntegrityError(f"{path} is not an operator key file") from error
    found.check()
    return found


def _service_lock(path: Path, head: dict[str, Any]) -> ServiceLock:
    try:
        return ServiceLock.from_json(head["kms"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{path} is not an operator key file") from error


def _format_of(alg: str, suite: str) -> str:
    return _FILE_FORMAT if (alg, suite) == ("ed25519", DEFAULT_SUITE) else _FILE_FORMAT_2


def _write_private(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(staged, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(staged, path)  # never overwrites, and the name is there whole or not at all
    except FileExistsError:
        raise UsageError(f"{path} exists, and an operator key is never overwritten") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        staged.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_key_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            value = parse_canonical(file.read(_FILE_MOST_BYTES))
    except FileNotFoundError:
        raise KeyUnavailable(f"there is no operator key at {path}", "bwc key new NAME") from None
    except OSError as error:
        raise KeyUnavailable(f"cannot read {path}: {error.strerror}") from error
    if not isinstance(value, dict) or value.get("format") not in _FORMATS:
        raise IntegrityError(f"{path} is not an operator key file")
    return value
