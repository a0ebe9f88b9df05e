"""One span of a log, checked by itself: all that needs no knowledge of the entries before it (parts of steps 2 to 6).

`verify` joins what the spans found, in order; so spans can be read by as many processes as there are cores. Most
entries are like their neighbours, and are compared by the column: slow ways are taken only to say what is wrong.
"""

import gc
import json
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain, count, pairwise
from typing import NamedTuple, TypeAlias

from bwc.audit.checkpoint import Checkpoint, parse_checkpoint
from bwc.audit.event import Columns, parse_entry, signers_of, split_entries, texts, verify_signatures
from bwc.audit.findings import Findings
from bwc.audit.keychain import KeyChain
from bwc.audit.merkle import Frontier, complete_root
from bwc.audit.tiles import (
    KEPT,
    TILE,
    LogReader,
    bundle_path,
    parse_bundle,
    parse_tile,
    read_wide,
    tile_path,
)
from bwc.errors import IntegrityError
from bwc.evidence import EventKind
from bwc.keys import PublicKey

FIRST, SPAN = 4 * TILE, 32 * TILE  # entries of the first span and of others: 7 MB of text, a second with signatures

_STEPPED_S = 2  # the time of day may move this much against the time since boot (NTP slews far less)
_BATCH = 128  # signatures a thread checks at a time

Combo: TypeAlias = tuple[tuple[str, ...], str, str]  # signers, kind, outcome


@dataclass(frozen=True, slots=True)
class Ground:
    """What all spans of one verification share."""

    files: LogReader
    checkpoint: Checkpoint
    chain: KeyChain | None
    signatures: bool
    effects: frozenset[str]  # kinds that change what is permitted: these entries are handed over whole
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Job:
    """Which entries: [start, stop), whole bundles but for the very first and last; and what is known at its start."""

    start: int
    stop: int
    kept: tuple[int, ...]  # sizes in it of which checkpoints are kept
    sizes: frozenset[int]  # sizes in it whose root is asked for
    keys: dict[str, PublicKey]


class Edge(NamedTuple):
    """The clock at the first or last entry of a span."""

    seq: int
    at: str
    boot: str
    mono_us: int


class Run(NamedTuple):
    """Entries [start, stop) without effect on what is permitted, and who did what in them."""

    start: int
    stop: int
    combos: frozenset[Combo]


class Handed(NamedTuple):
    """An entry that the replay takes itself. `verified`: its signatures were, here."""

    raw: bytes
    verified: bool


@dataclass(slots=True)
class Span:
    """What was found in one span."""

    start: int
    stop: int  # after the last entry checked
    findings: Findings = field(default_factory=Findings)
    whole: bool = True  # all of it could be read
    first_prev: str = ""  # what the first entry says it follows
    last_hash: str = ""
    first: Edge | None = None
    last: Edge | None = None
    roots: list[bytes] = field(default_factory=list)  # of the full bundles
    tail: list[bytes] = field(default_factory=list)  # leaf hashes of the last bundle when it is not full
    kept: list[tuple[str, Checkpoint]] = field(default_factory=list)
    part_roots: dict[int, bytes] = field(default_factory=dict)  # by size: the root over the last bundle up to there
    begins: dict[str, tuple[int, str, int]] = field(default_factory=dict)  # item: first `item_seq`, `item_prev`; `seq`
    ends: dict[str, tuple[int, str]] = field(default_factory=dict)  # item: last `item_seq`, leaf hash
    acts: list[Run | Handed] = field(default_factory=list)
    signatures: int = 0


Spread: TypeAlias = Callable[[Ground, Iterator[Job], int], Iterator[Span]]
"""A way to have the spans of so many entries checked; in order. `verifier.cores` has one over many processes."""


def one_by_one(ground: Ground, jobs: Iterator[Job], entries: int) -> Iterator[Span]:
    """Check them here, each when it is asked for."""
    return (check_span(ground, job) for job in jobs)


def check_span(ground: Ground, job: Job) -> Span:
    """Check the entries of `job`. Everything wrong is among the findings."""
    # verification holds no lock of the interpreter: two threads do 1.8 times as much (cryptography 50, 2026-11)
    with ThreadPoolExecutor(ground.threads) as pool:
        collects = gc.isenabled()
        gc.disable()  # what is made here dies without it: 3 %
        try:
            return _Check(ground, job, pool).run()
        finally:
            if collects:
                gc.enable()


def compare_tile(files: LogReader, level: int, number: int, hashes: Sequence[bytes], findings: Findings) -> None:
    """Step 3: compare a tile with the hashes that the entries give."""
    try:
        data, found = read_wide(files, tile_path(level, number), len(hashes))
        if data[: 32 * len(hashes)] != b"".join(hashes) or len(data) != 32 * found:
            held = parse_tile(data, found)
            first = next(at for at, one in enumerate(hashes) if one != held[at])
            raise IntegrityError(f"differs from what the entries hash to, from hash {number * TILE + first} on")
    except IntegrityError as error:
        findings.refused(3, error, tile_path(level, number, len(hashes)))


def compare_clocks(last: Edge, edge: Edge, findings: Findings) -> None:
    """Clocks are recorded as they are: a strange one is a note of step 4, since evidence must not wait for it."""
    where = f"entry {edge.seq}"
    if edge.at < last.at:
        findings.note(4, f"the clock went back from {last.at} to {edge.at}", where)
    elif edge.boot == last.boot:
        if edge.mono_us < last.mono_us:
            findings.note(4, "the time since boot went back", where)
        elif edge.at != last.at:
            passed = datetime.fromisoformat(edge.at) - datetime.fromisoformat(last.at)
            if abs((passed - timedelta(microseconds=edge.mono_us - last.mono_us)).total_seconds()) > _STEPPED_S:
                findings.note(4, f"the clock was set between {last.at} and {edge.at}", where)


def trail_broken(item: str, end: tuple[int, str], seq: int) -> IntegrityError:
    """Step 5: why an entry with `item_seq` does not follow the trail's `end`."""
    if seq != end[0] + 1:
        return IntegrityError(f"item {item} goes from its event {end[0]} to {seq}")
    return IntegrityError(f"item {item}: event {seq} does not follow event {end[0]}")


def enrolled_key(facts: str | bytes) -> PublicKey | None:
    """The key that an entry of these facts enrols, if one that is sound; whether it may is for the replay to say."""
    try:
        return PublicKey.from_json(json.loads(facts).get("operator"))
    except IntegrityError:
        return None


class _Check:
    def __init__(self, ground: Ground, job: Job, pool: Executor) -> None:
        self.span = Span(job.start, job.start)
        self._findings = self.span.findings
        self._ground = ground
        self._job = job
        self._each = pool.map if ground.threads > 1 else map
        self._keys = dict(job.keys)
        self._combos: set[tuple[bytes, bytes, bytes, bytes]] = set()  # actor, other signatures, kind, outcome
        self._plain = frozenset(kind.encode() for kind in EventKind if kind not in ground.effects)
        self._run_from = job.start

    def run(self) -> Span:
        for number in range(self._job.start // TILE, -(-self._job.stop // TILE)):
            if not self._bundle(number, min(TILE, self._ground.checkpoint.size - number * TILE)):
                self.span.whole = False
                break
        self._end_run(self.span.stop)
        return self.span

    def _bundle(self, number: int, width: int) -> bool:
        """Check one bundle. False when it cannot be read: what follows would not be in its place."""
        files, first = self._ground.files, number * TILE
        try:
            data, found = read_wide(files, bundle_path(number), width)
            raws = parse_bundle(data, found)[:width]
        except IntegrityError as error:
            self._findings.refused(3, error, bundle_path(number, width))
            return False
        old = max(0, self._job.start - first)  # verified at an earlier time
        hashes = [sha256(b"\0" + raw).digest() for raw in raws]
        if self._entries(first + old, raws[old:], hashes[old:]) < width - old:
            return False
        self._checkpoints(first, hashes)
        compare_tile(files, 0, number, hashes, self._findings)
        if width == TILE:
            self.span.roots.append(complete_root(hashes))
        else:
            self.span.tail = hashes
        return True

    # --- steps 4 and 5 -----------------------------------------------------------------------------------

    def _entries(self, first: int, raws: Sequence[bytes], hashes: Sequence[bytes]) -> int:
        """Check the entries up to the first that is none. How many were."""
        found = self._split(first, raws)
        if found is None:
            return 0
        parts, moments = found
        span, names = self.span, list(map(bytes.hex, hashes[: len(moments)]))
        self._chain(first, parts, names)
        self._clocks(first, parts, moments)
        self._trails(first, parts, names)
        self._acts(first, parts, raws)
        span.stop = first + len(moments)
        return len(moments)

    def _split(self, first: int, raws: Sequence[bytes]) -> tuple[Columns, list[datetime]] | None:
        """The entries up to the first that is none, which is a finding; and their times. None without any."""
        try:
            return split_entries(raws)
        except IntegrityError:
            for at, raw in enumerate(raws):
                try:
                    parse_entry(raw)
                except IntegrityError as error:
                    self._findings.refused(4, error, f"entry {first + at}")
                    break
            return self._split(first, raws[:at]) if at else None

    def _chain(self, first: int, parts: Columns, names: Sequence[str]) -> None:
        span, origin = self.span, self._ground.checkpoint.origin
        span.first_prev = span.first_prev or parts.prev[0].decode()
        before = (span.last_hash or span.first_prev, *names[:-1])
        span.last_hash = names[-1]
        numbers, chained = list(map(int, parts.seq)), b"".join(parts.prev) == "".join(before).encode()
        if chained and set(parts.log) == {origin.encode()} and numbers == list(range(first, first + len(numbers))):
            return
        logs, prevs = texts(parts.log), texts(parts.prev)
        for seq, followed, log, said, prev in zip(count(first), before, logs, numbers, prevs, strict=False):
            if log != origin:
                self._findings.bad(4, f"belongs to the log {log}", f"entry {seq}")
            elif said != seq:
                self._findings.bad(4, f"says it is entry {said}", f"entry {seq}")
            elif prev != followed:
                self._findings.bad(4, "does not follow the entry before it", f"entry {seq}")

    def _clocks(self, first: int, parts: Columns, moments: list[datetime]) -> None:
        monos, boot = list(map(int, parts.mono_us)), parts.boot[-1].decode()
        before = self.span.last or Edge(first, parts.at[0].decode(), parts.boot[0].decode(), monos[0])
        self.span.first = self.span.first or before
        self.span.last = Edge(first + len(monos) - 1, parts.at[-1].decode(), boot, monos[-1])
        # Nothing strange between any two, if nothing is between the extremes of all
        start, monos = datetime.fromisoformat(before.at), [before.mono_us, *monos]
        passed = [0.0, *map(timedelta.total_seconds, [moment - start for moment in moments])]
        if {*parts.boot} == {before.boot.encode()} and sorted(passed) == passed and sorted(monos) == monos:
            drifts = [at - 1e-6 * mono for at, mono in zip(passed, monos, strict=True)]
            if max(drifts) - min(drifts) < _STEPPED_S - 0.001:
                return
        edges = map(Edge, count(first), texts(parts.at), texts(parts.boot), monos[1:])
        for last, here in pairwise(chain((before,), edges)):
            compare_clocks(last, here, self._findings)

    def _trails(self, first: int, parts: Columns, names: Sequence[str]) -> None:
        begins, ends = self.span.begins, self.span.ends
        items, prevs = texts(parts.item), texts(parts.item_prev)
        for seq, item, place, prev, name in zip(count(first), items, parts.item_seq, prevs, names, strict=False):
            if item:
                number, end = int(place), ends.get(item)
                if end is None:
                    begins[item] = number, prev, seq
                elif end[1] != prev or end[0] != number - 1:
                    self._findings.refused(5, trail_broken(item, end, number), f"entry {seq}")
                ends[item] = number, name

    # --- for step 7 --------------------------------------------------------------------------------------

    def _acts(self, first: int, parts: Columns, raws: Sequence[bytes]) -> None:
        """Who did what, for the replay; and the entries that it takes itself."""
        plain = self._plain.issuperset(parts.kind)
        enrolling = () if plain else [facts for facts in set(parts.facts_text) if b'"operator":{' in facts]
        self._keys |= {key.key_id: key for key in map(enrolled_key, enrolling) if key is not None}
        forged, unknown = self._signatures(first, parts, raws)
        combos = zip(parts.actor, parts.others, parts.kind, parts.outcome, strict=True)
        if plain and not forged and not unknown:
            self._combos.update(combos)
            return
        for seq, combo, raw in zip(count(first), combos, raws, strict=False):
            if combo[2] in self._plain and seq not in unknown and seq not in forged:
                self._combos.add(combo)
                continue
            self._end_run(seq)
            self._run_from = seq + 1
            if seq not in forged:
                self.span.acts.append(Handed(raw, seq not in unknown))

    def _end_run(self, stop: int) -> None:
        if stop > self._run_from:
            combos = {(signers_of(by, more), what.decode(), how.decode()) for by, more, what, how in self._combos}
            self.span.acts.append(Run(self._run_from, stop, frozenset(combos)))
        self._combos.clear()

    # --- step 6, the arithmetic --------------------------------------------------------------------------

    def _signatures(self, first: int, parts: Columns, raws: Sequence[bytes]) -> tuple[Collection[int], Collection[int]]:
        """Verify the signatures. Which entries are forged, and which are by keys not known here."""
        if not self._ground.signatures:
            return (), ()
        unknown, due = set(), []
        signers = {by: signers_of(*by) for by in set(zip(parts.actor, parts.others, strict=True))}
        for seq, raw, actor, others in zip(count(first), raws, parts.actor, parts.others, strict=False):
            names = signers[actor, others]
            if all(name in self._keys for name in names):
                due.append((seq, raw))
                self.span.signatures += len(names)
            else:
                unknown.add(seq)
        batches = [due[at : at + _BATCH] for at in range(0, len(due), _BATCH)]
        forged = dict(chain.from_iterable(self._each(self._verify, batches)))
        for seq, error in sorted(forged.items()):
            self._findings.refused(6, error, f"entry {seq}")
        return forged, unknown

    def _verify(self, batch: Iterable[tuple[int, bytes]]) -> Sequence[tuple[int, IntegrityError]]:
        forged = []
        for seq, raw in batch:
            try:
                verify_signatures(raw, self._keys)
            except IntegrityError as error:
                forged.append((seq, error))
        return forged

    # --- step 2 ------------------------------------------------------------------------------------------

    def _checkpoints(self, first: int, hashes: Sequence[bytes]) -> None:
        """The checkpoints kept for sizes in this bundle, and the root at each size that is asked for."""
        stop = first + len(hashes)
        sizes = self._job.kept[bisect_right(self._job.kept, first) : bisect_right(self._job.kept, stop)]
        for where, kept in self._each(self._kept, sizes):
            if isinstance(kept, Checkpoint):
                self.span.kept.append((where, kept))
            else:
                self._findings.refused(2, kept, where)
        edge = Frontier()
        for size in sorted({*sizes, *(one for one in self._job.sizes if first < one <= stop)}):
            for leaf in hashes[edge.size : size - first]:
                edge.append(leaf)
            self.span.part_roots[size] = edge.root()

    def _kept(self, size: int) -> tuple[str, Checkpoint | IntegrityError]:
        where = f"{KEPT}/{size}"
        try:
            kept, note = parse_checkpoint(self._ground.files.read(where) or b"")
            if kept.size != size:
                raise IntegrityError(f"holds a checkpoint of {kept.size}")
            if (chain := self._ground.chain) is not None:
                chain.at(size).verify(note)
            return where, kept
        except IntegrityError as error:
            return where, error
