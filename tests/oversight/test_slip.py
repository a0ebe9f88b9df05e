"""A slip read back is the checkpoint it was made of, from text, from a picture, and from what a typist made of it."""

import io
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy
import pytest
import segno

from bwc.anchors.openssl_ts import check_stamp
from bwc.anchors.slip import read_slip, slip_text
from bwc.appending.writing import log_key, sign_checkpoint
from bwc.audit.checkpoint import Checkpoint
from bwc.audit.keychain import open_checkpoint
from bwc.errors import ProofInvalid, UsageError
from bwc.identities import SeedSigner
from bwc.oversight.slip import as_png, as_svg, as_text, read_any
from bwc.verifier.inspected import judge
from tests.anchors.test_fork import NOTES, forked
from tests.anchors.test_outside import NOW as WHEN
from tests.anchors.test_outside import W1, cosign
from tests.audit.logs import LOG_KEY, STRANGER, VKEY, MemoryFiles, small_house

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
NOTE = NOTES[12]
CHECKPOINT = open_checkpoint(NOTE, VKEY)


def test_text_goes_both_ways() -> None:
    text = slip_text(NOTE, VKEY)
    assert text.isascii()
    assert read_slip(text.encode(), "slip") == NOTE
    page = as_text(NOTE, VKEY, agency="Springfield PD", now=NOW)
    assert read_slip(page.encode(), "page") == NOTE
    typed = "\n".join("   " + line + "  " for line in page.splitlines()) + "\nreceived: A. Clerk\n"
    assert read_slip(typed.encode(), "typed") == NOTE


def test_cosignatures_are_left_out_and_the_logs_signature_must_hold() -> None:
    files = small_house().files
    cosign(files, 12, W1, WHEN)
    assert read_slip(slip_text(files.held["checkpoint"], VKEY).encode(), "slip") == NOTE
    with pytest.raises(ProofInvalid):
        slip_text(sign_checkpoint(CHECKPOINT, STRANGER), VKEY)


def test_a_checkpoint_file_and_a_proof_serve_too() -> None:
    assert read_slip(NOTE, "checkpoint") == NOTE
    assert read_slip(small_house().proof(3), "x.tlog-proof") == NOTE


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\xff\xfe", b"bwc-slip/1\n", b"bwc-slip/1\na\n1\nx\n\nno\n", b"x" * 2_000_000]
)
def test_what_holds_no_checkpoint_is_a_wrong_use(data: bytes) -> None:
    with pytest.raises(UsageError):
        read_slip(data, "it")


def test_the_printed_page_is_read_back_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "slip.svg").write_bytes(as_svg(NOTE, VKEY, agency="Smith & Sons <PD>", now=NOW))
    assert read_any(tmp_path / "slip.svg") == NOTE
    assert read_slip((tmp_path / "slip.svg").read_bytes(), "page") == NOTE


def _code_of(text: str) -> numpy.ndarray:
    out = io.BytesIO()
    segno.make_qr(text).save(out, kind="png", scale=6, border=4)
    picture = cv2.imdecode(numpy.frombuffer(out.getvalue(), numpy.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return picture


def test_whatever_is_signed_is_read_back_from_its_code(tmp_path: Path) -> None:
    """Which code it becomes is chance; a common reader fails on one of a hundred (tests/bench/codes.py)."""
    rng = numpy.random.default_rng(5)
    for _ in range(150):
        signer = SeedSigner(rng.bytes(32))
        note = sign_checkpoint(Checkpoint("city.example/log", int(rng.integers(1, 10**6)), rng.bytes(32)), signer)
        (tmp_path / "slip.png").write_bytes(as_png(note, log_key("city.example/log", signer)))
        assert read_any(tmp_path / "slip.png") == note


def test_the_code_is_read_from_a_picture(tmp_path: Path) -> None:
    (tmp_path / "slip.png").write_bytes(as_png(NOTE, VKEY))
    picture = cv2.imread(str(tmp_path / "slip.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    # a photograph: grey paper, soft, noisy, a little turned
    noisy = cv2.GaussianBlur(picture, (3, 3), 0) * 0.7 + 40
    noisy += numpy.random.default_rng(7).normal(0, 8, picture.shape)
    turn = cv2.getRotationMatrix2D((picture.shape[1] / 2, picture.shape[0] / 2), 4, 0.9)
    turned = cv2.warpAffine(noisy.clip(0, 255).astype(numpy.uint8), turn, picture.shape[::-1], borderValue=218)
    cv2.imwrite(str(tmp_path / "photo.jpg"), turned)
    assert read_any(tmp_path / "photo.jpg") == NOTE
    other = _code_of("https://example.org")  # a letterhead's
    cv2.imwrite(
        str(tmp_path / "beside.png"),
        numpy.vstack(
            [numpy.pad(other, ((0, 0), (0, picture.shape[1] - other.shape[1])), constant_values=255), picture]
        ),
    )
    assert read_any(tmp_path / "beside.png") == NOTE
    cv2.imwrite(str(tmp_path / "blank.png"), numpy.full((200, 200), 255, numpy.uint8))
    with pytest.raises(UsageError):
        read_any(tmp_path / "blank.png")
    (tmp_path / "not.png").write_bytes(b"x")
    with pytest.raises(UsageError):
        read_any(tmp_path / "not.png")


def test_the_page_holds_code_and_text() -> None:
    page = as_svg(NOTE, VKEY, agency='Spring & "field"', now=NOW).decode()
    assert page.startswith("<svg")
    assert "Spring &amp; &quot;field&quot;" in page
    assert "bwc-slip/1" in page
    assert page.count("<svg") == 2


def bad(files: MemoryFiles, note: bytes) -> int:
    found = judge(
        files,
        key=VKEY,
        agency="",
        memory=None,
        rows=None,
        objects=None,
        share=1.0,
        check_stamp=check_stamp,
        against=[("slip", note)],
    )
    return found.log.findings.count(2)


def test_a_log_is_held_to_a_slip() -> None:
    house = small_house()
    assert all(bad(house.files, NOTES[size]) == 0 for size in (5, 9, 12))
    assert bad(forked(12).files, NOTES[12]) == 1
    assert bad(forked(300).files, NOTES[9]) == 1
    assert bad(forked(9).files, NOTES[12]) == 1
    with pytest.raises(UsageError, match="says nothing about this log"):  # not the agency's slip
        bad(house.files, sign_checkpoint(CHECKPOINT, STRANGER))
    assert LOG_KEY.public != STRANGER.public
