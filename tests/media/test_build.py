"""What unfinished work is named by."""

from pathlib import Path

import bwc
from bwc.media.build import build, code_sha256, work_of


def test_work_is_named_by_libraries_processor_and_the_code_itself(tmp_path: Path) -> None:
    assert work_of() == build() | {"code_sha256": code_sha256(Path(bwc.__file__).parent)}
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a.py").write_text("one")
    before = code_sha256(tmp_path)
    (tmp_path / "room" / "a.py").write_text("two")
    assert code_sha256(tmp_path) != before
