"""Receipts are kept: text and JSON, one name each, never one over another."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bwc.ingest.receipt_file import file_receipt, write_receipt
from bwc.ingest.tags import Tags


def test_every_receipt_keeps_its_own_name(card: Path, take: Callable[..., Any], tmp_path: Path) -> None:
    (card / "A.MP4").write_bytes(b"first")
    receipt = take(tags=Tags(officer="B1", camera="X 8/1", clock_offset_ms=-90_000))
    first, second = (file_receipt(tmp_path / "receipts", receipt) for _ in range(2))
    assert first != second
    assert "-X-8-1" in first.name
    assert sorted(path.suffix for path in (tmp_path / "receipts").iterdir()) == [".json", ".json", ".txt", ".txt"]
    document = json.loads(second.with_suffix(".json").read_text())
    assert document["clock_offset_ms"] == -90_000
    assert document["files"]["new"] == {"bytes": 5, "files": 1}
    text = first.read_text()
    assert "there     1 file, 5 bytes; 1 new, 0 held already, 0 not taken" in text
    assert "clock     the camera's clock is 0:01:30.000 behind" in text
    assert "technician ____" in text


def test_a_receipt_never_takes_the_place_of_another(card: Path, take: Callable[..., Any], tmp_path: Path) -> None:
    receipt = take()
    for name in ("receipt.txt", "receipt.json"):
        (tmp_path / name).write_text("an older one" if name.endswith("txt") else "{}")
        made = [write_receipt(tmp_path / name, receipt).name for _ in range(2)]
        assert made == [name.replace(".", "-2."), name.replace(".", "-3.")]
    assert (tmp_path / "receipt.txt").read_text() == "an older one"
    (tmp_path / "receipt-2.json").replace(tmp_path / "receipt.json")
    assert json.loads((tmp_path / "receipt.json").read_text())["safe_to_wipe"] is False
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]
