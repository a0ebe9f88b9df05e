"""What the verification of a log found, and the trails of items."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bwc.audit.checkpoint import Checkpoint, NoteKey
from bwc.audit.event import NO_HASH, Entry, parse_entries
from bwc.audit.findings import Findings
from bwc.audit.keychain import KeyChain
from bwc.audit.remembered import Head, Remembered
from bwc.audit.replay import Standing
from bwc.audit.spans import trail_broken
from bwc.audit.tiles import TILE, LogReader, TileTree

START = (-1, NO_HASH)  # the end of a trail that has not begun


@dataclass(slots=True)
class LogReport:
    """What the verification of a log found."""

    findings: Findings
    checkpoint: Checkpoint | None = None  # as published; trust it only if nothing bad was found
    key: NoteKey | None = None  # of the log, as the verifier has it; without one the first that the log had
    chain: KeyChain | None = None  # from the log's first key to the one that signed the checkpoint
    pinned: bool = False  # the key was given by whoever verifies, not read from the log
    entries: int = 0  # entries read and checked
    items: int = 0
    signatures: int = 0  # signatures verified
    last_at: str = ""  # time of the last entry
    standing: Standing = field(default_factory=Standing)  # keys, roles, policy after the last entry
    files: LogReader | None = None
    signed: bool = True  # signatures were asked to be verified
    since: int = 0  # entries before this one were verified at an earlier time and not read
    remembered: Remembered | None = None
    fresh: tuple[Head, dict[str, tuple[int, str]], list[bytes]] | None = None

    def remember(self) -> None:
        """Keep what was found, so that the next verification may begin here. Only if nothing bad was found."""
        if self.remembered is not None and self.fresh is not None and self.signed and not self.findings.count():
            self.remembered.save(*self.fresh, whole=not self.since)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """The entries again, from `start` on (up to `stop`), in order, as far as they could be read."""
        if self.files is None or self.checkpoint is None:
            return
        stop = self.entries if stop is None else stop
        tree = TileTree(self.files, self.checkpoint.size)
        for number in range(start // TILE, -(-stop // TILE)):
            first = number * TILE
            yield from parse_entries(tree.entries(number)[max(0, start - first) : stop - first])


class ItemChains:
    """Step 5 for the exported trail of one item: each entry of an item names the one before it."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, str]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def verify_next(self, entry: Entry) -> None:
        """Raise `IntegrityError` unless `entry` is the next one of its item."""
        if entry.item is not None:
            before = self._last.get(entry.item, START)
            place = entry.item_seq or 0
            self._last[entry.item] = (place, entry.leaf_hash.hex())
            if before != (place - 1, entry.item_prev):
                raise trail_broken(entry.item, before, place)
