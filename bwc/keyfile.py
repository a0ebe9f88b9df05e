"""The operator's key file: seeds sealed with a passphrase, or where the token with the keys is; never over another.

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
from bwc.keys import DEFAULT_SUITE, LocalOperator, PublicKey, decode_binary, encode_binary
from bwc.tokenkey import TOKEN_FORMAT, TokenOperator, check_present

_FILE_FORMAT = "bwc.operator-key/1"  # Ed25519 and X-Wing
_FILE_FORMAT_2 = "bwc.operator-key/2"  # as its verify_key and recipient say
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
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    head: dict[str, Json] = {
        "format": _format_of(operator.alg, operator.recipient.suite),
        "kdf": {
            "lanes": cost.lanes,
            "memory_kib": cost.memory_kib,
            "name": "argon2id",
            "passes": cost.passes,
            "salt": encode_binary(salt),
        },
        "name": operator.name,
        "nonce": encode_binary(nonce),
        "recipient": operator.recipient.to_json(),
        "verify_key": operator.verify_key.to_json(),
    }
    sealed = AESGCM(cost.key(passphrase, salt)).encrypt(nonce, operator.seeds(), canonical(head))
    _write_private(Path(path), canonical({**head, "sealed": encode_binary(sealed)}))


def save_token_operator(path: Path, operator: TokenOperator) -> None:
    """Write where the operator's token is to `path`, as `save_operator` writes: there is no secret in it."""
    _write_private(Path(path), canonical(operator.document()))


def token_of(path: Path) -> str | None:
    """The token on which the keys of a key file are; `None` when they are in the file.

    Raises `KeyUnavailable` when that token is not there, before anybody is asked for a PIN.
    """
    head = _read_key_file(Path(path))
    if head["format"] != TOKEN_FORMAT:
        return None
    check_present(head)
    return str(head.get("token"))


def load_operator(path: Path, passphrase: bytes | bytearray) -> LocalOperator | TokenOperator:
    """The operator of a file made by `save_operator`, or by `save_token_operator`: then `passphrase` is the PIN.

    Raises `KeyUnavailable` if there is no file or the passphrase does not fit (a changed file looks the
    same), `IntegrityError` if it is not an operator key file.
    """
    head = _read_key_file(Path(path))
    if head["format"] == TOKEN_FORMAT:
        return _load_token_operator(path, head, passphrase)
    try:
        kdf, sealed = head["kdf"], decode_binary(head.pop("sealed"))
        cost = PassphraseCost(memory_kib=kdf["memory_kib"], passes=kdf["passes"], lanes=kdf["lanes"])
        salt, nonce = decode_binary(kdf["salt"]), decode_binary(head["nonce"])
        if kdf["name"] != "argon2id" or not 16 <= len(salt) <= 64 or len(nonce) != 12:
            raise ValueError("neither salt nor nonce has its length")
        key = cost.key(passphrase, salt)
        seeds = bytearray(AESGCM(key).decrypt(nonce, sealed, canonical(head)))
        alg, suite = head["verify_key"]["alg"], head["recipient"]["suite"]
        if head["format"] != _format_of(alg, suite):
            raise ValueError("the format does not fit the keys")
        found = LocalOperator.of_seeds(head["name"], seeds, alg=alg, suite=suite)
    except InvalidTag:
        raise KeyUnavailable(f"the passphrase does not open {path}") from None
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise IntegrityError(f"{path} is not an operator key file") from error
    if PublicKey.from_json(head["verify_key"]) != found.verify_key or head["recipient"] != found.recipient.to_json():
        raise IntegrityError(f"{path} names other public keys than the ones it holds")
    return found


def _load_token_operator(path: Path, head: dict[str, Any], pin: bytes | bytearray) -> TokenOperator:
    try:
        found = TokenOperator.of_document(head, pin)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise IntegrityError(f"{path} is not an operator key file") from error
    found.check()
    return found


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
    if not isinstance(value, dict) or value.get("format") not in (_FILE_FORMAT, _FILE_FORMAT_2, TOKEN_FORMAT):
        raise IntegrityError(f"{path} is not an operator key file")
    return value
