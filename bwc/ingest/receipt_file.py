"""Receipts as files: one text to print and one JSON document for each card, never overwritten."""

import json
import os
import re
from pathlib import Path

from bwc.ingest.receipt import Receipt


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write `receipt` to one file, JSON if it is named so; an older receipt of that name is replaced as a whole."""
    text = json.dumps(receipt.to_json(), indent=2, ensure_ascii=False) if path.suffix == ".json" else receipt.text()
    write_text(path, text + "\n")


def file_receipt(folder: Path, receipt: Receipt) -> Path:
    """Write `receipt` into a folder, as text and JSON under one fresh name; the text's path."""
    folder.mkdir(parents=True, exist_ok=True)
    camera = re.sub(r"[^A-Za-z0-9-]+", "-", receipt.camera).strip("-")[:40] or "card"
    name = f"{receipt.began_at:%Y%m%dT%H%M%SZ}-{camera}"
    for number in range(1, 1000):
        path = folder / (f"{name}.txt" if number == 1 else f"{name}-{number}.txt")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
        except FileExistsError:
            continue
        write_receipt(path.with_suffix(".json"), receipt)
        write_receipt(path, receipt)
        return path
    raise FileExistsError(f"{folder} holds a thousand receipts of {name}")


def write_text(path: Path, text: str) -> None:
    """Put a small file in place as a whole; a crash leaves the old or the new one."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
