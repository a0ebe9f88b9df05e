"""The book of a watch: what was taken in, the receipts, and what needs a person, in one folder."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from bwc.errors import InUse, UsageError
from bwc.ingest.receipt import Receipt
from bwc.ingest.receipt_file import file_receipt, write_text

FORMAT = "bwc.watch/1"
BOOK, ATTENTION, LOCK = "watch.json", "ATTENTION.txt", ".watch.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One card that was taken in: the digest of what lay on it, its receipt, its verdict."""

    listing: str
    receipt: str
    safe: bool


class Book:
    """The folder of receipts. `watch.json` is only memory: without it cards are recorded as second arrivals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._done: dict[str, Entry] = {}
        self._open: dict[str, str] = {}

    @contextmanager
    def opened(self) -> Iterator["Book"]:
        """Read the book and keep others from it. Raises `InUse`, `UsageError`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            try:
                flock(fd, LOCK_EX | LOCK_NB)
            except BlockingIOError as error:
                raise InUse(
                    f"another watch writes into {self.folder}", "one folder of receipts for each watch"
                ) from error
            self._done = self._read()
            yield self
        finally:
            os.close(fd)

    def has(self, name: str, listing: str) -> bool:
        """Whether the card of this name was taken in as it lies there now."""
        entry = self._done.get(name)
        return entry is not None and entry.listing == listing

    def note(self, name: str, entry: Entry) -> None:
        """Remember, durably, that a card was taken in."""
        self._done[name] = entry
        self._write()

    def forget(self, name: str) -> None:
        """The card was taken out."""
        if self._done.pop(name, None):
            self._write()
        self.attend(name, None)

    def keep(self, receipt: Receipt) -> Path:
        """Write a receipt as text and JSON; the text's path."""
        return file_receipt(self.folder, receipt)

    def attend(self, name: str, text: str | None) -> None:
        """What needs a person stands in one file, which is gone when nothing does."""
        before = dict(self._open)
        if text is None:
            self._open.pop(name, None)
        else:
            self._open[name] = text
        if self._open == before:
            return
        path = self.folder / ATTENTION
        if self._open:
            write_text(path, "".join(f"{card}: {what}\n" for card, what in sorted(self._open.items())))
        else:
            path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Entry]:
        path = self.folder / BOOK
        (self.folder / ATTENTION).unlink(missing_ok=True)  # written again when it is still true
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise UsageError(
                    f"{path} was written by another version", "move it away: cards are then recorded again"
                )
            return {
                name: Entry(listing=str(one["listing"]), receipt=str(one["receipt"]), safe=one["safe"] is True)
                for name, one in document["done"].items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} cannot be read", "move it away: cards are then recorded again") from error

    def _write(self) -> None:
        done = {
            name: {"listing": one.listing, "receipt": one.receipt, "safe": one.safe}
            for name, one in sorted(self._done.items())
        }
        write_text(
            self.folder / BOOK, json.dumps({"done": done, "format": FORMAT}, indent=1, ensure_ascii=False) + "\n"
        )
