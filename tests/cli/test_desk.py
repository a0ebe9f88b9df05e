"""Files beside the vault: never written over, and said where they are; what cannot be read is named."""

from pathlib import Path

import pytest

from bwc.cli.desk import write_new, write_told
from bwc.cli.entry import Entry
from bwc.cli.main import run
from bwc.cli.terminal import Terminal
from bwc.errors import UsageError


def test_a_refused_name_comes_with_one_that_is_free(tmp_path: Path) -> None:
    sheet = tmp_path / "suspects.jpg"
    write_new(sheet, b"one")
    (tmp_path / "suspects-2.jpg").write_bytes(b"two")
    with pytest.raises(UsageError) as caught:
        write_new(sheet, b"three")
    assert caught.value.hint == f"choose a new file name, such as {tmp_path / 'suspects-3.jpg'}"
    assert sheet.read_bytes() == b"one"


def test_where_a_file_was_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        terminal = Terminal(quiet=quiet)
        entry = Entry(terminal=terminal, vault=None, operator=None)
        write_told(entry, "sheet", tmp_path / f"{quiet}.jpg", b"picture")
    assert capsys.readouterr().err == f"sheet: {tmp_path / 'False.jpg'}\n"
    assert (tmp_path / "True.jpg").read_bytes() == b"picture"


def test_a_loose_file_that_nobody_can_play_is_named_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video " * 400)
    assert run(["redact", str(broken), "-o", str(tmp_path / "out.mp4")]) == 1
    said = capsys.readouterr().err
    assert f"bwc: error: {broken}: recording cannot be read" in said
    assert "bwc: hint: " in said
    assert list(tmp_path.iterdir()) == [broken]
