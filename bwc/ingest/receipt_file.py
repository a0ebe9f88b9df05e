"""Receipts as files: one text to print and one JSON document for each card, never overwritten."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path

from bwc.errors import UsageError
from bwc.ingest.receipt import Receipt


def write_receipt(path: Path, receipt: Receipt) -> Path:
    """Write `receipt` to one file, JSON if it is named so. The path: numbered when an older receipt has that name."""
    fresh = _take_name(path)
    _write(fresh, receipt)
    return fresh


def file_receipt(folder: Path, receipt: Receipt) -> Path:
    """Write `receipt` into a folder, as text and JSON under one fresh name; the text's path."""
    folder.mkdir(parents=True, exist_ok=True)
    camera = re.sub(r"[^A-Za-z0-9-]+", "-", receipt.camera).strip("-")[:40] or "card"
    name = f"{receipt.began_at:%Y%m%dT%H%M%SZ}-{camera}"
    path = _take_name(folder / f"{name}.txt")
    _write(path.with_suffix(".json"), receipt)
    _write(path, receipt)
    return path


def _take_name(path: Path) -> Path:
    """An empty file of this name, or with the first free number behind it."""
    for number in range(1, 1000):
        fresh = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        with suppress(FileExistsError):
            os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
            return fresh
    raise UsageError(f"{path.parent} holds a thousand receipts of the name {path.name}", "another folder")


def _write(path: Path, receipt: Receipt) -> None:
    text = json.dumps(receipt.to_json(), indent=2, ensure_ascii=False) if path.suffix == ".json" else receipt.text()
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Put a small file in place as a whole; a crash leaves the old or the new one."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
