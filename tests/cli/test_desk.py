"""A file that is there is never written over, and the refusal says which name is free."""

from pathlib import Path

import pytest

from bwc.cli.desk import write_new
from bwc.errors import UsageError


def test_a_refused_name_comes_with_one_that_is_free(tmp_path: Path) -> None:
    sheet = tmp_path / "suspects.jpg"
    write_new(sheet, b"one")
    (tmp_path / "suspects-2.jpg").write_bytes(b"two")
    with pytest.raises(UsageError) as caught:
        write_new(sheet, b"three")
    assert caught.value.hint == f"choose a new file name, such as {tmp_path / 'suspects-3.jpg'}"
    assert sheet.read_bytes() == b"one"
