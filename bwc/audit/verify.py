"""The auditor's check of a log, in the numbered steps of docs/auditor.md. Works on a copy, offline, without secrets.

Steps 1 to 7 are here: the log itself. Steps 8 (what it points to) and 9 (the catalog) are in `verifier`, step 10 in
`anchors`. All findings are collected, so one damaged file does not hide the next. Nothing is ever written.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise, starmap

from bwc.audit.checkpoint import Checkpoint, NoteKey, parse_checkpoint, parse_number
from bwc.audit.event import NO_HASH, Entry, parse_entry
from bwc.audit.findings import Findings
from bwc.audit.keychain import read_checkpoint
from bwc.audit.log_report import START, Head, LogReport, Memory
from bwc.audit.merkle import Frontier, complete_root, root_at
from bwc.audit.partials import check_partials
from bwc.audit.replay import Replay
from bwc.audit.spans import (
    FIRST,
    SPAN,
    Edge,
    Ground,
    Handed,
    Job,
    Span,
    Spread,
    compare_clocks,
    compare_tile,
    enrolled_key,
    one_by_one,
    trail_broken,
)
from bwc.audit.tiles import CHECKPOINT, KEPT, TILE, LogReader, TileTree, levels_of
from bwc.errors import CheckpointRolledBack, IntegrityError, LogForked, ProofInvalid
from bwc.keys import PublicKey

_BEFORE = "what was verified before"


def verify_log(
    files: LogReader,
    key: NoteKey | None,
    saved: Checkpoint | None = None,
    *,
    signatures: bool = True,
    spread: Spread = one_by_one,
    remembered: Memory | None = None,
    only_new: bool = False,
) -> LogReport:
    """Verify a whole log or, with `only_new`, what came after the verification that is `remembered`.

    `key` is the log's key as the auditor knows it from elsewhere; without one the log can only be consistent with
    itself (`report.pinned` is False). `saved` is a checkpoint seen earlier.
    `signatures=False` leaves out the arithmetic of step 6, nothing else. `spread` has its spans checked: here, or
    (`verifier.cores`) by several processes. Memory grows with the items, by 300 bytes each, not with the entries.
    `report.remember()` keeps what is needed to go on from here.
    """
    report = LogReport(Findings(), files=files, signed=signatures, remembered=remembered)
    if _step1_checkpoint(report, files, key):
        reading = _Pass(report, files, saved, spread)
        if only_new and remembered is not None and remembered.head is not None:
            reading.go_on(remembered, remembered.head)
        reading.run()
    return report


def _step1_checkpoint(report: LogReport, files: LogReader, key: NoteKey | None) -> bool:
    """Step 1. False when there is no checkpoint to go on from."""
    findings = report.findings
    try:
        data = files.read(CHECKPOINT)
        if data is None:
            findings.bad(1, "there is no checkpoint", CHECKPOINT)
            return False
        report.checkpoint, _ = parse_checkpoint(data)
        if report.checkpoint.size == 0:
            findings.bad(1, "the checkpoint is of an empty log", CHECKPOINT)
            return False
        report.pinned = key is not None
        report.key = key or _own_key(files, report.checkpoint)
        _, report.chain = read_checkpoint(data, report.key)
    except IntegrityError as error:
        findings.refused(1, error, CHECKPOINT)
        return report.checkpoint is not None
    if not report.pinned:
        findings.note(1, "consistent with itself only: the key is the log's own, not one brought along", CHECKPOINT)
    findings.ok(1, f"{report.checkpoint.size} entries signed by {report.chain.last.text()}")
    for one in report.chain.handovers:
        since = f" (somebody else may hold it since {one.compromised_from})" if one.compromised_s else ""
        findings.note(1, f"the log's key {one.old.text()}{since} gave way to {one.new.text()}", f"entry {one.seq}")
    return True


def _own_key(files: LogReader, checkpoint: Checkpoint) -> NoteKey:
    """The key that the log's first entry names: proves nothing to an outsider."""
    first = parse_entry(TileTree(files, checkpoint.size).entries(0)[0])
    return NoteKey.parse(str(first.facts.get("vkey")))


class _Pass:
    """One reading of the whole log, span by span, and what joins the spans."""

    def __init__(self, report: LogReport, files: LogReader, saved: Checkpoint | None, spread: Spread) -> None:
        assert report.checkpoint is not None
        self._report = report
        self._findings = report.findings
        self._checkpoint = report.checkpoint
        self._files = files
        self._saved = saved
        self._spread = spread
        self._wanted: dict[int, list[tuple[str, Checkpoint]]] = {}  # roots to compare on the way, by size
        self._kept: list[int] = []
        self._seen = 0
        self._frontier = Frontier()
        self._levels: list[list[bytes]] = [[] for _ in range(levels_of(self._checkpoint.size))]
        self._done = [0] * len(self._levels)  # full tiles compared, by level
        self._trails: dict[str, tuple[int, str]] = {}
        self._rules: list[bytes] = []  # entries that change what is permitted, to be remembered
        self._replay = Replay(report.findings, signatures=report.signed, back=self._back)
        self._keys: dict[str, PublicKey] = {}
        self._prev = NO_HASH
        self._last: Edge | None = None

    def go_on(self, remembered: Memory, head: Head) -> None:
        """Begin where an earlier verification ended, if the log still begins with what was verified then."""
        size = self._checkpoint.size
        if head.size > size:
            self._findings.bad(2, f"the log had {head.size} entries, now it has {size}", _BEFORE, CheckpointRolledBack)
            return
        try:
            tree = TileTree(self._files, size)
            if root_at(head.size, tree.node).hex() != head.root:
                what = f"the first {head.size} entries are not those that were verified then"
                self._findings.bad(2, what, _BEFORE, LogForked)
                return
            start = head.size if head.size == size else head.size // TILE * TILE
            self._frontier = Frontier.at(start, tree.node)
            for level in range(1, len(self._levels)):
                self._done[level], width = divmod(start >> (8 * level), TILE)
                self._levels[level] = tree.tile(level, self._done[level])[:width] if width and head.size < size else []
            self._replay.resume(map(parse_entry, remembered.rules()))
        except IntegrityError as error:
            self._findings.refused(3, error, "tile")
            return
        self._keys = {name: one.key for name, one in self._replay.standing.keys.items()}
        self._prev = head.last_hash
        self._last = Edge(head.size - 1, head.last_at, head.last_boot, head.last_mono_us)
        self._report.since = self._report.entries = head.size
        self._report.last_at = head.last_at
        self._report.items = head.items

    def run(self) -> None:
        size, findings = self._checkpoint.size, self._findings
        self._collect_checkpoints()
        for span in self._spans():
            self._join(span)
            if not span.whole:
                break
        self._close_tiles()
        check_partials(self._files, self._kept, size, findings)
        self._report.signatures += self._replay.verified
        self._report.standing = self._replay.standing
        self._step1_chain()
        checked = f"{self._report.entries - self._report.since} entries"
        checked += f" after the first {self._report.since}, verified before" if self._report.since else ""
        findings.ok(2, f"{self._seen} checkpoints" if self._seen else "none seen before")
        findings.ok(3, checked)
        findings.ok(4, checked)
        findings.ok(5, f"{self._report.items} items")
        if self._report.signed:
            findings.ok(6, f"{self._report.signatures} signatures by {len(self._report.standing.keys)} keys")
        else:
            findings.note(6, "signatures were not verified, as asked")
        findings.ok(7, checked)
        if self._last is not None:
            _, at, boot, mono = self._last
            root, items = self._checkpoint.root.hex(), self._report.items
            head = Head(
                size=size, root=root, last_hash=self._prev, last_at=at, last_boot=boot, last_mono_us=mono, items=items
            )
            self._report.fresh = head, self._trails, self._rules

    def _step1_chain(self) -> None:
        """The keys that the checkpoint leads through are those that the entries name."""
        own, carried, findings = self._replay.standing.chain, self._report.chain, self._findings
        if own is None or carried is None or own == carried:
            return
        if own.first != carried.first and not carried.handovers:
            findings.bad(1, "the first entry names another key than the one that signs", "entry 0", ProofInvalid)
        else:
            findings.bad(1, "its handovers of the log's key are not those of the entries", CHECKPOINT, ProofInvalid)

    # --- in spans ----------------------------------------------------------------------------------------

    def _spans(self) -> Iterator[Span]:
        ground = Ground(
            files=self._files,
            checkpoint=self._checkpoint,
            chain=self._report.chain,
            signatures=self._report.signed,
            effects=self._replay.effects,
        )
        # Each job is made when it is begun, and knows the keys enrolled until then: most are in the first, short one.
        # What is signed by a key that a span's reader did not know is verified in the replay, one by one
        first, size = self._report.since, self._checkpoint.size
        start = min(first // TILE * TILE + FIRST, size)
        edges = [first, *range(start, size, SPAN), size] if first < size else []
        jobs = starmap(self._job, pairwise(edges))
        return self._spread(ground, jobs, size - first)

    def _job(self, start: int, stop: int) -> Job:
        kept = self._kept[bisect_right(self._kept, start) : bisect_right(self._kept, stop)]
        sizes = frozenset(one for one in self._wanted if start < one <= stop)
        return Job(start, stop, tuple(kept), sizes, self._keys)

    def _join(self, span: Span) -> None:
        self._findings.take(span.findings)
        if span.stop > span.start:
            if span.first_prev != self._prev:
                self._findings.bad(4, "does not follow the entry before it", f"entry {span.start}")
            if self._last and span.first:
                compare_clocks(self._last, span.first, self._findings)
            self._prev, self._last = span.last_hash, span.last
            self._report.entries, self._report.last_at = span.stop, span.last.at if span.last else ""
        self._step2_roots(span)
        self._step5_trails(span)
        self._step7_acts(span)
        self._report.signatures += span.signatures

    def _step5_trails(self, span: Span) -> None:
        if self._report.since and self._report.remembered:
            unmet = [item for item in span.begins if item not in self._trails]
            self._trails.update(self._report.remembered.trails(unmet))
        known, ends = len(self._trails), self._trails
        for item, (seq, prev, entry) in span.begins.items():
            before = ends.get(item, START)
            if before[1] != prev or before[0] != seq - 1:
                self._findings.refused(5, trail_broken(item, before, seq), f"entry {entry}")
        ends.update(span.ends)
        self._report.items += len(ends) - known

    def _step7_acts(self, span: Span) -> None:
        gone = self._replay.standing.disposals.items
        for act in span.acts:
            if isinstance(act, Handed):
                entry = parse_entry(act.raw)
                if self._report.remembered is not None:
                    self._rules.append(act.raw)
                self._replay.take(entry, verified=act.verified)
                if (key := enrolled_key(entry.facts_text)) is not None:
                    self._keys = self._keys | {key.key_id: key}
            elif not all(self._replay.permits(*combo) for combo in act.combos) or not gone.keys().isdisjoint(span.ends):
                for entry in self._report.read(act.start, act.stop):
                    self._replay.take(entry, verified=True)

    # --- step 2 ------------------------------------------------------------------------------------------

    def _collect_checkpoints(self) -> None:
        """The saved and the kept checkpoints, to be compared with the roots of this log as it is read."""
        if self._saved is not None and self._fits("the checkpoint saved earlier", self._saved):
            self._wanted.setdefault(self._saved.size, []).append(("the checkpoint saved earlier", self._saved))
            self._seen += 1
        for name in self._files.list(KEPT):
            where = f"{KEPT}/{name}"
            try:
                size = parse_number(name)
                if 0 < size <= self._checkpoint.size:
                    self._kept.append(size)
                else:
                    self._fits(where, parse_checkpoint(self._files.read(where) or b"")[0])
            except IntegrityError as error:
                self._findings.refused(2, error, where)
        self._kept.sort()

    def _fits(self, where: str, seen: Checkpoint) -> bool:
        size = self._checkpoint.size
        if seen.origin != self._checkpoint.origin:
            self._findings.bad(2, f"is of another log, {seen.origin}", where, ProofInvalid)
        elif seen.size > size:
            what = f"the log had {seen.size} entries, now it has {size}"
            self._findings.bad(2, what, where, CheckpointRolledBack)
        return seen.origin == self._checkpoint.origin and 0 < seen.size <= size

    def _step2_roots(self, span: Span) -> None:
        """Grow the tree by the span, comparing with every checkpoint seen on the way."""
        seen = {size: list(self._wanted.get(size, ())) for size in span.part_roots}
        for where, kept in span.kept:
            if self._fits(where, kept):
                self._seen += 1
                seen[kept.size].append((where, kept))
        sizes = sorted(seen, reverse=True)
        for at in range(len(span.roots) + bool(span.tail)):
            full = at < len(span.roots)
            stop = self._frontier.size + (TILE if full else len(span.tail))
            while sizes and sizes[-1] <= stop:
                size = sizes.pop()
                root = self._frontier.root(span.part_roots[size])
                for where, one in seen[size]:
                    if one.root != root:
                        what = f"the first {size} entries are not those that were signed then"
                        self._findings.bad(2, what, where, LogForked)
            if full:
                self._frontier.append(span.roots[at], 8)
                self._step3_above(1, span.roots[at])
        for leaf in span.tail:
            self._frontier.append(leaf)

    # --- step 3 ------------------------------------------------------------------------------------------

    def _step3_above(self, level: int, root: bytes) -> None:
        """Add the root of a full tile to the level above, and compare the tile there when it is full."""
        if level < len(self._levels):
            self._levels[level].append(root)
            if len(self._levels[level]) == TILE:
                compare_tile(self._files, level, self._done[level], self._levels[level], self._findings)
                root = complete_root(self._levels[level])
                self._done[level] += 1
                self._levels[level] = []
                self._step3_above(level + 1, root)

    def _close_tiles(self) -> None:
        """The tiles at the right edge, then the root itself."""
        if self._frontier.size != self._checkpoint.size:
            self._findings.bad(3, f"only {self._frontier.size} of {self._checkpoint.size} entries can be read", "tile")
            return
        for level in range(1, len(self._levels)):
            if self._levels[level]:
                compare_tile(self._files, level, self._done[level], self._levels[level], self._findings)
        if self._frontier.root() != self._checkpoint.root:
            self._findings.bad(3, "the entries do not hash to the root that was signed", CHECKPOINT, ProofInvalid)

    def _back(self, seq: int) -> Iterator[Entry]:
        tree = TileTree(self._files, self._checkpoint.size)
        for number in range(seq // TILE, -1, -1):
            for raw in reversed(tree.entries(number)[: seq - number * TILE]):
                yield parse_entry(raw)
