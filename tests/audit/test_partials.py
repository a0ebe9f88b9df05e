"""Narrow tiles of earlier checkpoints: kept, and found when missing or altered."""

from pathlib import Path

import pytest

from bwc.audit.findings import Findings
from bwc.audit.partials import check_partials
from bwc.audit.tiles import encode_bundle
from bwc.verifier.log_folder import LogFolder

HASHES = [bytes([number]) * 32 for number in range(5)]
ENTRIES = [b"one", b"two", b"three", b"four", b"five"]


def _log(folder: Path) -> None:
    for name, data in {
        "tile/0/000.p/3": b"".join(HASHES[:3]),
        "tile/0/000.p/5": b"".join(HASHES),
        "tile/entries/000.p/3": encode_bundle(ENTRIES[:3]),
        "tile/entries/000.p/5": encode_bundle(ENTRIES),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("name", ["tile/0/000.p/3", "tile/entries/000.p/3"])
@pytest.mark.parametrize("change", ["delete", "alter", "empty", "cut", "cut by one", "grow"])
def test_a_missing_or_altered_partial_is_named(tmp_path: Path, name: str, change: str) -> None:
    _log(tmp_path)
    findings = Findings()
    check_partials(LogFolder(tmp_path), [3, 5], 5, findings)
    assert not findings.count()
    place = tmp_path / name
    data = place.read_bytes()
    place.unlink()
    if change != "delete":
        changed = {"alter": b"x" + data[1:], "empty": b"", "cut": data[:-1], "grow": data + b"\0"}
        changed["cut by one"] = encode_bundle(ENTRIES[:2]) if "entries" in name else data[:-32]
        place.write_bytes(changed[change])
    check_partials(LogFolder(tmp_path), [3, 5], 5, findings)
    assert [one.where for one in findings if one.step == 3] == [name]
    assert findings.count() == 1


def test_a_size_of_an_earlier_full_tile_needs_nothing(tmp_path: Path) -> None:
    _log(tmp_path)
    findings = Findings()
    check_partials(LogFolder(tmp_path), [256], 512, findings)
    assert not findings.count()
