"""The way to an S3 server: a client with retries, and what it says turned into our errors with something to type.

Credentials come from the usual AWS chain (environment, profile, SSO, role), never from `bwc.toml` or an argument.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from bwc.config import StorePlace
from bwc.errors import BwcError, ConfigError, DigestMismatch, StorageError, StoreFull, Unreachable
from bwc.storage.fsops import AlreadyThere

_T = TypeVar("_T")
_TRIES = 6  # with back-off: a store that is down for less than about 20 s is not noticed
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_UNKNOWN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId"}
_WRONG_BYTES = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
_NO_ROOM = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "InsufficientCapacity"}
_TAKEN = {"PreconditionFailed", "412"}
_GONE = {"NoSuchKey", "NotFound", "404", "NoSuchVersion"}
CREDENTIALS = "aws sso login, or renew AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; then run the same again"


class Gone(StorageError):
    """There is no such key."""


class Forbidden(StorageError):
    """The server refuses: a permission, or a lock."""


def connect(place: StorePlace, *, connect_s: float = 10.0, read_s: float = 60.0, tries: int = _TRIES) -> Any:
    """A client for `place`; nothing is sent yet. Safe to share between threads. Raises `ConfigError` without boto3."""
    try:
        # an extra, imported when needed: who keeps everything in folders needs none of it
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise ConfigError("a store on S3 needs boto3", "in the folder of bwc: pip install '.[s3]'") from error
    try:
        return Session(profile_name=place.profile).client(
            "s3",
            endpoint_url=place.endpoint,
            region_name=place.region,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": tries},
                connect_timeout=connect_s,
                read_timeout=read_s,
                max_pool_connections=16,
                # we send SHA-256 of every byte ourselves; Object Lock refuses the CRC trailers boto3 would add
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"} if place.endpoint else {},
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"store {place.name}: {error}", "see [stores] in bwc.toml: docs/administrator.md") from error


@contextmanager
def said(where: str) -> Iterator[None]:
    """Turn what boto3 raises about `where` into `Gone`, `AlreadyThere`, `Forbidden` or another of our errors."""
    import botocore.exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        _raise_of_server(error, where)
    except (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.CredentialRetrievalError,
        boto.TokenRetrievalError,
        boto.SSOError,
    ) as error:
        raise StorageError(f"{where}: no usable credentials: {error}", CREDENTIALS) from error
    except (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError) as error:
        raise Unreachable(f"{where}: the store does not answer: {error}", "run the same again later") from error
    except boto.BotoCoreError as error:
        raise StorageError(f"{where}: {error}", "see [stores] in bwc.toml: docs/administrator.md") from error


def _raise_of_server(error: Any, where: str) -> NoReturn:
    said = error.response.get("Error", {})
    code, text = str(said.get("Code", "")), str(said.get("Message", "")).rstrip(".")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    raise _of_server(code, text, status, where) from error


def _of_server(code: str, text: str, status: int, where: str) -> BwcError:
    if code in _GONE:
        return Gone(f"{where}: no such thing in the store")
    if code in _TAKEN:
        return AlreadyThere(f"{where} exists and is written once")
    if code == "NoSuchBucket":
        return StorageError(f"{where}: there is no such bucket", "make it, with Object Lock: docs/administrator.md")
    if code == "InvalidObjectState":
        return archived(where)
    if code in _EXPIRED:
        return StorageError(f"{where}: the credentials have expired", CREDENTIALS)
    if code in _UNKNOWN:
        return StorageError(f"{where}: the store does not know these credentials ({code})", CREDENTIALS)
    if code in _WRONG_BYTES:
        return DigestMismatch(f"{where}: the store got other bytes than were sent ({code})", "check network and memory")
    if code in _NO_ROOM or status == 507:
        return StoreFull(f"{where}: the store is full ({code})", "raise its quota, then run the same again")
    if status >= 500 or code in {"SlowDown", "RequestTimeout", "Throttling"}:
        return Unreachable(f"{where}: the store fails: {text or code} ({status})", "run the same again later")
    if status == 403:
        return Forbidden(f"{where}: the store refuses: {text or code}", "the rights needed: docs/administrator.md")
    return StorageError(f"{where}: {text or code} ({status})", "docs/administrator.md")


def archived(where: str, *, storage_class: str = "an archive class", underway: bool = False) -> Unreachable:
    """What to say of an object that has to come back from Glacier first."""
    bucket, _, key = where.removeprefix("s3://").partition("/")
    if underway:
        return Unreachable(f"{where} is coming back from {storage_class}", "it takes up to 48 hours: try again later")
    return Unreachable(
        f"{where} is in {storage_class} and has to be restored before it can be read; that takes hours",
        f"aws s3api restore-object --bucket {bucket} --key {key} --restore-request Days=7",
    )


def again(act: Callable[[], _T], *, tries: int = 4, first_s: float = 0.5) -> _T:
    """Do `act`, again after a pause when the store did not answer: for what boto3 does not retry itself."""
    for left in range(tries - 1, -1, -1):
        try:
            return act()
        except Unreachable:
            if not left:
                raise
            time.sleep(first_s * 2 ** (tries - 1 - left))
    raise AssertionError("unreachable")
