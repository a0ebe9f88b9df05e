"""RFC 3161: ask an authority to stamp a checkpoint, and check a stamp offline under the roots that policy names.

What is stamped is the checkpoint's text (three lines), so `openssl ts -verify` checks the stored token without us.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from bwc.anchors import openssl_ts
from bwc.anchors.outside import StampUnchecked
from bwc.errors import ProofInvalid, Unreachable
from bwc.outsiders import TimeAuthority
from bwc.oversight.post import post

_MOST_TOKEN_BYTES = 100_000


def check_stamp(token: bytes, message: bytes, roots: Sequence[bytes]) -> datetime:
    """The time of a TimeStampResp over `message` under `roots` (DER); an `anchors.outside.CheckStamp`.

    Raises `ProofInvalid` unless it holds. Certificates count as of the moment of the stamp.
    """
    try:
        response = decode_timestamp_response(token)
    except ValueError:
        # some authorities send their certificates unsorted, which DER forbids and openssl forgives
        return openssl_ts.check_stamp(token, message, roots)
    return _verified(response, message, roots, nonce=None)


def ask(authority: TimeAuthority, message: bytes, *, timeout: float) -> tuple[bytes, datetime]:
    """A fresh stamp of `message` and its time. Raises `Unreachable`, or `ProofInvalid` for an answer that is not one."""
    request = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).build()
    answer = post(
        authority.url, request.as_bytes(), "application/timestamp-query", timeout=timeout, most=_MOST_TOKEN_BYTES
    )
    if answer.status != 200:
        raise Unreachable(f"{authority.name} answered {answer.status}", f"look at {authority.url}")
    try:
        response = decode_timestamp_response(answer.body)
    except ValueError:
        try:
            return answer.body, openssl_ts.check_stamp(answer.body, message, authority.roots_der())
        except StampUnchecked:
            raise ProofInvalid(f"{authority.name} sent a time stamp that cannot be read", "install openssl") from None
    return answer.body, _verified(response, message, authority.roots_der(), nonce=request.nonce)


def _verified(response: TimeStampResponse, message: bytes, roots: Sequence[bytes], *, nonce: int | None) -> datetime:
    # a builder of its own with lists of its own: `add_root_certificate` of 1.0.9 appends to a shared one
    try:
        anchors = [x509.load_der_x509_certificate(one) for one in roots]
        verifier = VerifierBuilder(roots=anchors, intermediates=[], nonce=nonce).build()
        verifier.verify_message(response, message)
        at = response.tst_info.gen_time
    except (VerificationError, ValueError) as error:
        raise ProofInvalid(
            f"the time stamp is not of this checkpoint, or not by the authority that policy names: {error}"
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
