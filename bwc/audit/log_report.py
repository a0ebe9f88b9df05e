"""What the verification of a log found, and what an auditor may keep of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bwc.audit.checkpoint import Checkpoint, NoteKey
from bwc.audit.event import NO_HASH, Entry, parse_entries
from bwc.audit.findings import Findings
from bwc.audit.keychain import KeyChain
from bwc.audit.replay import Standing
from bwc.audit.tiles import TILE, LogReader, TileTree

START = (-1, NO_HASH)  # the end of a trail that has not begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the verification ended: size and root, hash and clock of the last entry, how many items there were."""

    size: int
    root: str
    last_hash: str
    last_at: str
    last_boot: str
    last_mono_us: int
    items: int


class Memory(Protocol):
    """What an auditor keeps of a log that was verified whole (`anchors.remembered`); `head` is None while it is nothing."""

    head: Head | None

    def rules(self) -> Iterable[bytes]:
        """The entries that changed what is permitted, in order."""

    def trails(self, items: Iterable[str]) -> Iterable[tuple[str, tuple[int, str]]]:
        """The ends of the trails of those `items` that had one: last `item_seq` and leaf hash."""

    def save(self, head: Head, trails: Mapping[str, tuple[int, str]], rules: Iterable[bytes], *, whole: bool) -> None:
        """Remember up to `head`; `whole`: in place of all that was remembered, else beside it."""


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
    remembered: Memory | None = None
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
