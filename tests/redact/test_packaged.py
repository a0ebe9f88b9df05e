"""Weights in the package are the ones we know, or they are refused."""

from pathlib import Path

import pytest

from bwc.canonical import sha256_hex
from bwc.errors import DigestMismatch, NotFound
from bwc.redact.detectors import faces, faces_check, finder
from bwc.redact.detectors.packaged import FOLDER, PackagedFile

FILES = [faces.INT8, faces_check.FILE, finder.FILE, finder.INT8, finder.SHEETS, finder.SHEETS_INT8]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_packaged_file_is_the_one_we_know(file: PackagedFile) -> None:
    assert sha256_hex(file.load()) == file.file_sha256


def test_every_packaged_file_is_known() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {file.name for file in FILES}


def test_another_file_or_none_is_refused(tmp_path: Path) -> None:
    file = finder.FILE
    with pytest.raises(NotFound):
        file.load(tmp_path)
    changed = bytearray(file.load())
    changed[len(changed) // 2] ^= 1
    (tmp_path / file.name).write_bytes(changed)
    with pytest.raises(DigestMismatch):
        file.load(tmp_path)
