"""The auditor's check of a log, in the numbered steps of docs/auditor.md. Works on a copy, offline, without secrets.

Steps 1 to 7 and 9 are here, step 8 (what the log points to) is `verify_objects`. All findings are collected, so
one damaged file does not hide the next. Nothing is ever written.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from bwc.audit.checkpoint import Checkpoint, Note, NoteKey, open_checkpoint, parse_checkpoint, parse_number
from bwc.audit.event import NO_HASH, Entry, parse_entry
from bwc.audit.findings import Findings
from bwc.audit.log import CHECKPOINT, KEPT, LogRows
from bwc.audit.merkle import Frontier, complete_root
from bwc.audit.partials import check_partials
from bwc.audit.replay import Replay, Standing
from bwc.audit.tiles import (
    TILE,
    LogReader,
    TileTree,
    bundle_path,
    levels_of,
    parse_bundle,
    parse_tile,
    read_wide,
    tile_path,
)
from bwc.errors import CheckpointRolledBack, IntegrityError, LogForked, ProofInvalid

_STEPPED_US = 2_000_000  # the time of day may move this much against the time since boot (NTP slews far less)


@dataclass(slots=True)
class LogReport:
    """What the verification of a log found."""

    findings: Findings
    checkpoint: Checkpoint | None = None  # as published; trust it only if nothing bad was found
    key: NoteKey | None = None  # that signed the checkpoint
    pinned: bool = False  # the key was given by whoever verifies, not read from the log
    entries: int = 0  # entries read and checked
    items: int = 0
    signatures: int = 0  # signatures verified
    last_at: str = ""  # time of the last entry
    standing: Standing = field(default_factory=Standing)  # keys, roles, policy after the last entry
    files: LogReader | None = None

    def read(self, start: int = 0) -> Iterator[Entry]:
        """The entries again, from `start` on, in order, as far as they could be read."""
        if self.files is None or self.checkpoint is None:
            return
        tree = TileTree(self.files, self.checkpoint.size)
        for number in range(start // TILE, -(-self.entries // TILE)):
            first = number * TILE
            for raw in tree.entries(number)[max(0, start - first) : self.entries - first]:
                yield parse_entry(raw)


class ItemChains:
    """Step 5, also for the exported trail of one item: each entry of an item names the one before it."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, bytes]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def verify_next(self, entry: Entry) -> None:
        """Raise `IntegrityError` unless `entry` is the next one of its item."""
        if entry.item is None:
            return
        seq, before = self._last.get(entry.item, (-1, b""))
        self._last[entry.item] = (entry.item_seq or 0, entry.leaf_hash)
        if entry.item_seq != seq + 1:
            raise IntegrityError(f"item {entry.item} goes from its event {seq} to {entry.item_seq}")
        if entry.item_prev != (before.hex() if before else NO_HASH):
            raise IntegrityError(f"item {entry.item}: event {entry.item_seq} does not follow event {seq}")


def verify_log(
    files: LogReader,
    key: NoteKey | None,
    saved: Checkpoint | None = None,
    *,
    rows: LogRows | None = None,
    signatures: bool = True,
) -> LogReport:
    """Verify a whole log.

    `key` is the log's key as the auditor knows it from elsewhere; without one the log can only be consistent with
    itself (`report.pinned` is False). `saved` is a checkpoint seen earlier. `rows` is the catalog's copy.
    `signatures=False` leaves out the arithmetic of step 6, nothing else.
    """
    report = LogReport(Findings(), files=files)
    note = _step1_checkpoint(report, files, key)
    if note is not None:
        _Pass(report, files, note, saved, rows, signatures=signatures).run()
    return report


def _step1_checkpoint(report: LogReport, files: LogReader, key: NoteKey | None) -> Note | None:
    """Step 1. None when there is no checkpoint to go on from."""
    findings = report.findings
    try:
        data = files.read(CHECKPOINT)
        if data is None:
            findings.bad(1, "there is no checkpoint", CHECKPOINT)
            return None
        report.checkpoint, note = parse_checkpoint(data)
        if report.checkpoint.size == 0:
            findings.bad(1, "the checkpoint is of an empty log", CHECKPOINT)
            return None
        report.pinned = key is not None
        report.key = key or _own_key(files, report.checkpoint)
        open_checkpoint(data, report.key)
    except IntegrityError as error:
        findings.refused(1, error, CHECKPOINT)
        return None if report.checkpoint is None else note
    if not report.pinned:
        findings.note(1, "consistent with itself only: the key is the log's own, not one brought along", CHECKPOINT)
    findings.ok(1, f"{report.checkpoint.size} entries signed by {report.key.text()}")
    return note


def _own_key(files: LogReader, checkpoint: Checkpoint) -> NoteKey:
    """The key that the log's first entry names: proves nothing to an outsider."""
    first = parse_entry(TileTree(files, checkpoint.size).entries(0)[0])
    return NoteKey.parse(str(first.facts.get("vkey")))


class _Pass:
    """One reading of all bundles, front to back, with everything that is checked on the way."""

    def __init__(
        self,
        report: LogReport,
        files: LogReader,
        note: Note,
        saved: Checkpoint | None,
        rows: LogRows | None,
        *,
        signatures: bool,
    ) -> None:
        assert report.checkpoint is not None
        self._report = report
        self._findings = report.findings
        self._checkpoint = report.checkpoint
        self._files = files
        self._rows = rows
        self._saved = saved
        self._wanted: dict[int, list[tuple[str, Checkpoint]]] = {}  # roots to compare on the way, by size
        self._frontier = Frontier()
        self._levels: list[list[bytes]] = [[] for _ in range(levels_of(self._checkpoint.size))]
        self._done = [0] * len(self._levels)  # full tiles compared, by level
        self._chains = ItemChains()
        self._replay = Replay(report.findings, signatures=signatures, back=self._back)
        self._signatures = signatures
        self._prev = NO_HASH
        self._last: Entry | None = None
        self._boots: dict[str, tuple[int, Entry]] = {}

    def run(self) -> None:
        size, findings = self._checkpoint.size, self._findings
        self._collect_checkpoints()
        for number in range(-(-size // TILE)):
            if not self._bundle(number, min(TILE, size - number * TILE)):
                break
        self._close_tiles()
        kept = [one for one, found in self._wanted.items() if any(where.startswith(KEPT) for where, _ in found)]
        check_partials(self._files, kept, size, findings)
        self._report.items = len(self._chains)
        self._report.signatures = self._replay.verified
        self._report.standing = self._replay.standing
        own = self._replay.standing.vkey
        if self._report.key is not None and own and own != self._report.key.text():
            findings.bad(1, "the first entry names another key than the one that signs", "entry 0", ProofInvalid)
        checked = f"{self._report.entries} entries"
        findings.ok(2, f"{self._checkpoints_seen} checkpoints" if self._checkpoints_seen else "none seen before")
        findings.ok(3, f"{checked} in {-(-size // TILE)} bundles")
        findings.ok(4, checked)
        findings.ok(5, f"{self._report.items} items")
        if self._signatures:
            findings.ok(6, f"{self._report.signatures} signatures by {len(self._report.standing.keys)} keys")
        else:
            findings.note(6, "signatures were not verified, as asked")
        findings.ok(7, checked)
        if self._rows is not None:
            self._step9_surplus()

    # --- step 2 ------------------------------------------------------------------------------------------

    def _collect_checkpoints(self) -> None:
        """The saved and the kept checkpoints, to be compared with the roots of this log as it is read."""
        if self._saved is not None:
            self._want("the checkpoint saved earlier", self._saved)
        for name in self._files.list(KEPT):
            where = f"{KEPT}/{name}"
            try:
                size = parse_number(name)
                kept, note = parse_checkpoint(self._files.read(where) or b"")
                if kept.size != size:
                    raise IntegrityError(f"holds a checkpoint of {kept.size}")
                if self._report.key is not None:
                    self._report.key.verify(note)
                self._want(where, kept)
            except IntegrityError as error:
                self._findings.refused(2, error, where)
        self._checkpoints_seen = sum(len(found) for found in self._wanted.values())

    def _want(self, where: str, seen: Checkpoint) -> None:
        size = self._checkpoint.size
        if seen.origin != self._checkpoint.origin:
            self._findings.bad(2, f"is of another log, {seen.origin}", where, ProofInvalid)
        elif seen.size > size:
            what = f"the log had {seen.size} entries, now it has {size}"
            self._findings.bad(2, what, where, CheckpointRolledBack)
        else:
            self._wanted.setdefault(seen.size, []).append((where, seen))

    def _compare_roots(self, start: int, hashes: list[bytes]) -> None:
        stop = start + len(hashes)
        sizes = [size for size in range(start + 1, stop + 1) if size in self._wanted] if self._wanted else []
        if not sizes and len(hashes) == TILE:
            self._frontier.append(complete_root(hashes), 8)
            return
        for size, leaf in enumerate(hashes, start + 1):
            self._frontier.append(leaf)
            for where, seen in self._wanted.get(size, ()):
                if seen.root != self._frontier.root():
                    what = f"the first {size} entries are not those that were signed then"
                    self._findings.bad(2, what, where, LogForked)

    # --- steps 3 to 7 and 9, bundle by bundle -------------------------------------------------------------

    def _bundle(self, number: int, width: int) -> bool:
        """Check one bundle. False when it cannot be read: what follows would not be in its place."""
        try:
            data, found = read_wide(self._files, bundle_path(number), width)
            raws = parse_bundle(data, found)[:width]
        except IntegrityError as error:
            self._findings.refused(3, error, bundle_path(number, width))
            return False
        if self._rows is not None:
            self._step9_rows(self._rows, number * TILE, raws)
        hashes = []
        for at, raw in enumerate(raws):
            try:
                entry = parse_entry(raw)
            except IntegrityError as error:
                self._findings.refused(4, error, f"entry {number * TILE + at}")
                return False
            hashes.append(entry.leaf_hash)
            self._entry(number * TILE + at, entry)
        self._compare_roots(number * TILE, hashes)
        self._step3_tile(0, number, hashes)
        return True

    def _entry(self, seq: int, entry: Entry) -> None:
        if entry.seq != seq or entry.prev != self._prev or entry.log != self._checkpoint.origin:
            if entry.log != self._checkpoint.origin:
                what = f"belongs to the log {entry.log}"
            elif entry.seq != seq:
                what = f"says it is entry {entry.seq}"
            else:
                what = "does not follow the entry before it"
            self._findings.bad(4, what, f"entry {seq}")
        self._prev = entry.leaf_hash.hex()
        self._clock(entry)
        try:
            self._chains.verify_next(entry)
        except IntegrityError as error:
            self._findings.refused(5, error, f"entry {seq}")
        self._replay.take(entry)
        self._report.entries = seq + 1
        self._report.last_at = entry.at

    def _clock(self, entry: Entry) -> None:
        """Clocks are recorded as they are: a strange one is a note, since evidence must not wait for it."""
        last, self._last = self._last, entry
        if last is None:
            return
        if entry.at < last.at:
            self._findings.note(4, f"the clock went back from {last.at} to {entry.at}", f"entry {entry.seq}")
        elif entry.boot == last.boot:
            if entry.mono_us < last.mono_us:
                self._findings.note(4, "the time since boot went back", f"entry {entry.seq}")
            elif entry.at != last.at:
                passed = datetime.fromisoformat(entry.at) - datetime.fromisoformat(last.at)
                moved = (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
                if abs(moved - (entry.mono_us - last.mono_us)) > _STEPPED_US:
                    self._findings.note(4, f"the clock was set between {last.at} and {entry.at}", f"entry {entry.seq}")

    # --- step 3 ------------------------------------------------------------------------------------------

    def _step3_tile(self, level: int, number: int, hashes: list[bytes]) -> None:
        """Compare a tile with the hashes that the entries give, and pass its root up."""
        path = tile_path(level, number, len(hashes))
        try:
            data, found = read_wide(self._files, tile_path(level, number), len(hashes))
            held = parse_tile(data, found)
            if held[: len(hashes)] != hashes:
                first = next(at for at, one in enumerate(hashes) if one != held[at])
                raise IntegrityError(f"differs from what the entries hash to, from hash {number * TILE + first} on")
        except IntegrityError as error:
            self._findings.refused(3, error, path)
        if len(hashes) == TILE and level + 1 < len(self._levels):
            above = self._levels[level + 1]
            above.append(complete_root(hashes))
            if len(above) == TILE:
                self._step3_tile(level + 1, self._done[level + 1], above)
                self._done[level + 1] += 1
                self._levels[level + 1] = []

    def _close_tiles(self) -> None:
        """The tiles at the right edge, then the root itself."""
        if self._frontier.size != self._checkpoint.size:
            self._findings.bad(3, f"only {self._frontier.size} of {self._checkpoint.size} entries can be read", "tile")
            return
        for level in range(1, len(self._levels)):
            if self._levels[level]:
                self._step3_tile(level, self._done[level], self._levels[level])
        if self._frontier.root() != self._checkpoint.root:
            self._findings.bad(3, "the entries do not hash to the root that was signed", CHECKPOINT, ProofInvalid)

    def _back(self, seq: int) -> Iterator[Entry]:
        tree = TileTree(self._files, self._checkpoint.size)
        for number in range(seq // TILE, -1, -1):
            for raw in reversed(tree.entries(number)[: seq - number * TILE]):
                yield parse_entry(raw)

    # --- step 9 ------------------------------------------------------------------------------------------

    def _step9_rows(self, rows: LogRows, start: int, raws: list[bytes]) -> None:
        held = {row.seq: row.entry for row in rows.rows(start, start + len(raws))}
        for seq, raw in enumerate(raws, start):
            if held.get(seq) != raw:
                what = "is not in the catalog" if seq not in held else "differs between catalog and log"
                self._findings.bad(9, what, f"entry {seq}")

    def _step9_surplus(self) -> None:
        last = None if self._rows is None else self._rows.last_row()
        waiting = 0 if last is None else last.seq + 1 - self._checkpoint.size
        if waiting > 0:
            self._findings.note(9, f"{waiting} events are recorded but not published yet")
        self._findings.ok(9, f"{self._report.entries} rows")
