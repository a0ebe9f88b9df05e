"""Narrow tiles of earlier checkpoints: kept, and found when missing or altered."""

from pathlib import Path

import pytest

from bwc.audit.findings import Findings
from bwc.audit.partials import check_partials
from bwc.audit.tiles import LogFolder


def _log(folder: Path) -> None:
    for name, data in {
        "tile/0/000.p/3": b"aaabbbccc",
        "tile/0/000.p/5": b"aaabbbcccdddeee",
        "tile/entries/000.p/3": b"123",
        "tile/entries/000.p/5": b"12345",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("name", ["tile/0/000.p/3", "tile/entries/000.p/3"])
@pytest.mark.parametrize("change", ["delete", "alter", "empty"])
def test_a_missing_or_altered_partial_is_named(tmp_path: Path, name: str, change: str) -> None:
    _log(tmp_path)
    findings = Findings()
    check_partials(LogFolder(tmp_path), [3, 5], 5, findings)
    assert not findings.count()
    if change == "delete":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(b"" if change == "empty" else b"x")
    check_partials(LogFolder(tmp_path), [3, 5], 5, findings)
    assert [one.where for one in findings if one.step == 3] == [name]
    assert findings.count() == 1


def test_a_size_of_an_earlier_full_tile_needs_nothing(tmp_path: Path) -> None:
    _log(tmp_path)
    findings = Findings()
    check_partials(LogFolder(tmp_path), [256], 512, findings)
    assert not findings.count()
