"""The lock of a key service (AWS KMS): it makes the key that seals an operator's key file, and decides who gets it back.

Only the file is locked: operators, envelopes and sealing are as ever (docs/decisions/key-service.md). Credentials come from
the usual AWS chain, the region from the key's name; nothing in the file says where to send what.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bwc.canonical import Json
from bwc.errors import BwcError, KeyServiceRefuses, KeyUnavailable, Unreachable, UsageError
from bwc.keys import decode_binary, encode_binary

KMS_FORMAT = "bwc.operator-kms/1"
KEY_BYTES = 32
_SEALED_MOST_BYTES = 6144  # what Decrypt takes
_CREDENTIALS = "aws sso login, or renew AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; then run the same again"
_HOW = "docs/administrator.md#kms"
_UNKNOWN_CALLER = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "NotAuthorizedException"}
_OTHER_CIPHERTEXT = {"InvalidCiphertextException", "IncorrectKeyException"}
_NOT_NOW = {
    "DependencyTimeoutException",
    "InternalFailure",
    "KMSInternalException",
    "KeyUnavailableException",
    "LimitExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLock:
    """A data key as the service sealed it under its key `arn`; `log` names the vault it was made for, if any was known."""

    arn: str
    sealed: bytes
    log: str | None

    def to_json(self) -> dict[str, Json]:
        said: dict[str, Json] = {"key": self.arn, "sealed": encode_binary(self.sealed)}
        return said if self.log is None else {**said, "log": self.log}

    @classmethod
    def from_json(cls, value: Any) -> "ServiceLock":
        """Raises `KeyError`, `TypeError`, `ValueError`, `IntegrityError` for anything else."""
        if not set(value) <= {"key", "log", "sealed"}:
            raise ValueError("members that are not known")
        arn, log, sealed = value["key"], value.get("log"), decode_binary(value["sealed"])
        if not isinstance(arn, str) or not isinstance(log, str | None) or not 0 < len(sealed) <= _SEALED_MOST_BYTES:
            raise ValueError("not a lock of a key service")
        region_of(arn)
        return cls(arn=arn, sealed=sealed, log=log)


def new_lock(key: str, *, operator: str, log: str | None) -> tuple[ServiceLock, bytes]:
    """A fresh data key under the service's `key` (ARN, id or alias/NAME): its lock, and the key itself for this moment.

    Raises `KeyServiceRefuses`, `Unreachable`, or `UsageError` when `key` cannot serve.
    """
    try:
        region = region_of(key) if key.startswith("arn:") else None
    except ValueError as error:
        raise UsageError(str(error), "an ARN, a key's id, or alias/NAME") from None
    with _said(key, "GenerateDataKey"):
        answer = _client(region).generate_data_key(
            KeyId=key, KeySpec="AES_256", EncryptionContext=context_of(operator, log)
        )
        lock = ServiceLock(arn=str(answer["KeyId"]), sealed=bytes(answer["CiphertextBlob"]), log=log)
    region_of(lock.arn)
    return lock, _whole(answer["Plaintext"])


def opened(lock: ServiceLock, *, operator: str) -> bytes:
    """The data key. Raises `KeyServiceRefuses` when the service does not give it, `Unreachable` when it does not answer."""
    with _said(lock.arn, "Decrypt"):
        answer = _client(region_of(lock.arn)).decrypt(
            KeyId=lock.arn, CiphertextBlob=lock.sealed, EncryptionContext=context_of(operator, lock.log)
        )
    return _whole(answer["Plaintext"])


def context_of(operator: str, log: str | None) -> dict[str, str]:
    """What the service binds the data key to, writes into its own log and lets IAM decide by. It names no person."""
    said = {"bwc:format": KMS_FORMAT, "bwc:key": operator}
    return said if log is None else {**said, "bwc:log": log}


def file_key(data_key: bytes, passphrase_key: bytes = b"") -> bytes:
    """The key that seals the file: of the service's data key, and of the passphrase too where there is one."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=KMS_FORMAT.encode()).derive(data_key + passphrase_key)


def region_of(arn: str) -> str:
    """The region in the ARN of a KMS key or alias. Raises `ValueError`."""
    parts = arn.split(":")
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "kms" or not parts[3] or not parts[5]:
        raise ValueError(f"{arn!r} is not the ARN of a KMS key")
    return parts[3]


def _whole(plain: bytes) -> bytes:
    if len(plain) != KEY_BYTES:
        raise KeyServiceRefuses(f"the key service gave a key of {len(plain)} bytes, not {KEY_BYTES}")
    return bytes(plain)


def _client(region: str | None) -> Any:
    try:
        # an extra: who locks no key file with a service needs none of it
        from boto3.session import Session
        from botocore.config import Config
    except ImportError:
        raise KeyUnavailable(
            "a key file locked by AWS KMS needs boto3", "in the folder of bwc: pip install '.[kms]'"
        ) from None
    retries = {"mode": "standard", "total_max_attempts": 3}
    # boto3 itself knows AWS_DEFAULT_REGION and the profile's region only
    return Session().client(
        "kms",
        region_name=region or os.environ.get("AWS_REGION") or None,
        config=Config(retries=retries, connect_timeout=3, read_timeout=10),
    )


@contextmanager
def _said(key: str, act: str) -> Iterator[None]:
    """What boto3 raises, as our errors."""
    try:
        import botocore.exceptions as boto
    except ImportError:
        yield  # `_client` says it
        return
    try:
        yield
    except boto.ClientError as error:
        _raise_of_service(error, key, act)
    except boto.NoRegionError:
        hint = "give the key's whole ARN, or set AWS_REGION"
        raise UsageError(f"in which region is the KMS key {key}", hint) from None
    except (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.CredentialRetrievalError,
        boto.TokenRetrievalError,
        boto.SSOError,
        boto.ProfileNotFound,
    ) as error:
        raise KeyServiceRefuses(f"no usable credentials for the KMS key {key}: {error}", _CREDENTIALS) from None
    except (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError) as error:
        raise Unreachable(f"the key service does not answer: {error}", "run the same again later") from None
    except boto.ParamValidationError as error:
        raise UsageError(f"{key!r} is not the name of a KMS key: {error}", "an ARN, an id, or alias/NAME") from None
    except boto.BotoCoreError as error:
        raise KeyServiceRefuses(f"the KMS key {key}: {error}", _HOW) from None


def _raise_of_service(error: Any, key: str, act: str) -> NoReturn:
    said = error.response.get("Error", {})
    code = str(said.get("Code", "unknown")).rpartition("#")[2]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    reason = f"{code}: {said.get('Message')}" if said.get("Message") else code
    if code in _NOT_NOW or status >= 500:
        raise Unreachable(f"the key service does not do {act} now ({reason})", "run the same again later") from None
    raise _refusal("AccessDenied" if code == "403" else code, reason, key, act) from None


def _refusal(code: str, reason: str, key: str, act: str) -> BwcError:
    if code in _UNKNOWN_CALLER:
        return KeyServiceRefuses(f"the key service does not accept these credentials ({reason})", _CREDENTIALS)
    if code in _DENIED:
        hint = f"who manages IAM can allow kms:{act} for whom this machine signs in as: {_HOW}"
        return KeyServiceRefuses(f"the key service refuses {act} with {key} ({reason})", hint)
    if code == "DisabledException":
        return KeyServiceRefuses(f"the KMS key {key} is disabled", f"its owner: aws kms enable-key --key-id {key}")
    if code == "KMSInvalidStateException":
        hint = f"if it waits to be deleted, its owner: aws kms cancel-key-deletion --key-id {key}, then enable-key"
        return KeyServiceRefuses(f"the KMS key {key} cannot be used ({reason})", hint)
    if code == "NotFoundException":
        return KeyServiceRefuses(f"there is no KMS key {key}", f"deleted, or of another account: {_HOW}")
    if code in _OTHER_CIPHERTEXT:
        return KeyServiceRefuses(f"{key} does not open this key file: it was changed, or locked by another key", _HOW)
    if act == "GenerateDataKey":
        return UsageError(
            f"the KMS key {key} cannot lock a key file ({reason})", "a symmetric key: an ARN or alias/NAME"
        )
    return KeyServiceRefuses(f"the key service refuses {act} with {key} ({reason})", _HOW)
