"""Time stamps are checked offline under the roots that policy names; two tools agree on each verdict."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bwc.anchors import openssl_ts
from bwc.anchors.outside import StampUnchecked
from bwc.errors import ProofInvalid, Unreachable
from bwc.outsiders import TimeAuthority
from bwc.oversight import timestamp
from tests.audit.logs import small_house
from tests.oversight.tsa import make_tsa, needs_openssl, serving, stamped, token_for

pytestmark = pytest.mark.skipif(needs_openssl(), reason="NO TIME STAMPS WERE CHECKED: openssl is not here")

TEXT = small_house().files.held["checkpoint"].split(b"\n\n")[0] + b"\n"
CHECKS = [pytest.param(timestamp.check_stamp, id="library"), pytest.param(openssl_ts.check_stamp, id="openssl")]


def der(root: Path) -> bytes:
    return x509.load_pem_x509_certificate(root.read_bytes()).public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tsa") / "honest"
    make_tsa(folder)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tsa") / "other"
    make_tsa(folder, "Another TSA")
    return folder


@pytest.mark.parametrize("check", CHECKS)
def test_a_stamp_holds_and_says_when(tsa: Path, check: Callable[..., datetime]) -> None:
    at = check(token_for(tsa, TEXT), TEXT, [der(tsa / "root.pem")])
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


@pytest.mark.parametrize("check", CHECKS)
def test_a_stamp_of_another_checkpoint_is_refused(tsa: Path, check: Callable[..., datetime]) -> None:
    with pytest.raises(ProofInvalid):
        check(token_for(tsa, TEXT), TEXT.replace(b"12", b"13"), [der(tsa / "root.pem")])


@pytest.mark.parametrize("check", CHECKS)
def test_a_stamp_by_another_authority_is_refused(tsa: Path, other: Path, check: Callable[..., datetime]) -> None:
    with pytest.raises(ProofInvalid):
        check(token_for(other, TEXT), TEXT, [der(tsa / "root.pem")])
    # each check has a trust of its own: what one of them was given does not leak into the next
    check(token_for(other, TEXT), TEXT, [der(other / "root.pem")])
    with pytest.raises(ProofInvalid):
        check(token_for(other, TEXT), TEXT, [der(tsa / "root.pem")])


@pytest.mark.parametrize("check", CHECKS)
def test_an_edited_time_is_refused(tsa: Path, check: Callable[..., datetime]) -> None:
    token = token_for(tsa, TEXT)
    at = check(token, TEXT, [der(tsa / "root.pem")])
    written = f"{at:%Y%m%d%H%M%SZ}".encode()
    assert token.count(written) >= 1
    with pytest.raises(ProofInvalid):
        check(
            token.replace(written, f"{at - timedelta(days=1):%Y%m%d%H%M%SZ}".encode(), 1), TEXT, [der(tsa / "root.pem")]
        )


@pytest.mark.parametrize("check", CHECKS)
def test_a_certificate_that_had_expired_at_the_stamps_time_is_refused(
    tmp_path: Path, check: Callable[..., datetime]
) -> None:
    root = make_tsa(tmp_path / "expired", until=timedelta(days=-1))
    try:
        token = token_for(tmp_path / "expired", TEXT)
    except Exception as error:
        pytest.skip(f"this openssl does not stamp with an expired certificate: {error}")
    with pytest.raises(ProofInvalid):
        check(token, TEXT, [der(root)])


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_no_stamp_is_refused(tsa: Path, check: Callable[..., datetime]) -> None:
    token = token_for(tsa, TEXT)
    for data in (b"", b"x", token[:-20], token[20:]):
        with pytest.raises(ProofInvalid):
            check(data, TEXT, [der(tsa / "root.pem")])
    for at in range(0, len(token), 97):
        changed = bytearray(token)
        changed[at] ^= 0x10
        try:
            check(bytes(changed), TEXT, [der(tsa / "root.pem")])
        except ProofInvalid:
            continue


def test_without_openssl_the_second_opinion_says_so(tsa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StampUnchecked):
        openssl_ts.check_stamp(b"", TEXT, [])


def authority(url: str, root: Path) -> TimeAuthority:
    import base64

    return TimeAuthority(name="county", url=url, roots=(base64.b64encode(der(root)).decode(),))


def test_asking_over_http(tsa: Path) -> None:
    with serving(tsa) as url:
        token, at = timestamp.ask(authority(url, tsa / "root.pem"), TEXT, timeout=10)
    assert timestamp.check_stamp(token, TEXT, [der(tsa / "root.pem")]) == at
    assert abs(openssl_ts.check_stamp(token, TEXT, [der(tsa / "root.pem")]) - at) < timedelta(seconds=1)
    with pytest.raises(Unreachable):
        timestamp.ask(authority(url, tsa / "root.pem"), TEXT, timeout=1)


def test_a_replayed_answer_is_refused(tsa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = token_for(tsa, TEXT)  # a true stamp of this very text, but the answer to another question
    monkeypatch.setattr("tests.oversight.tsa.stamped", lambda folder, query: old)
    with serving(tsa) as url, pytest.raises(ProofInvalid, match=r"[Nn]once"):
        timestamp.ask(authority(url, tsa / "root.pem"), TEXT, timeout=10)
    assert stamped is not None
