"""One span of a log, checked by itself: all that needs no knowledge of the entries before it (parts of steps 2 to 6).

`verify` joins what the spans found, in order; so spans can be read by as many processes as there are cores. Most
entries are like their neighbours, and are compared by the column: slow ways are taken only to say what is wrong.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from bwc.audit.checkpoint import Checkpoint, parse_checkpoint
from bwc.audit.event import Columns, Entry, message_of, other_signatures, parse_entry, signatures_of, split_entries
from bwc.audit.findings import Findings
from bwc.audit.keychain import KeyChain
from bwc.audit.merkle import complete_root, root_of
from bwc.audit.tiles import (
    KEPT,
    TILE,
    LogReader,
    bundle_path,
    encode_bundle,
    parse_bundle,
    parse_tile,
    read_wide,
    tile_path,
)
from bwc.errors import IntegrityError, ProofInvalid
from bwc.evidence import EventKind
from bwc.signing import PublicKey

SPAN = 32 * TILE  # entries: 6 MB of text, half a second with signatures

_STEPPED_US = 2_000_000  # the time of day may move this much against the time since boot (NTP slews far less)
_KNOWN = frozenset(kind.value for kind in EventKind)
_BATCH = 128  # signatures a thread checks at a time

Combo: TypeAlias = tuple[tuple[str, ...], str, str]  # signers, kind, outcome


@dataclass(frozen=True, slots=True)
class Ground:
    """What all spans of one verification share."""

    files: LogReader
    checkpoint: Checkpoint
    chain: KeyChain | None
    signatures: bool
    digests: bool  # of each bundle, to compare with the catalog's rows
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
    trails: dict[str, list[int | str]] = field(default_factory=dict)  # item: first seq, prev, entry; last seq, hash
    acts: list[Run | Handed] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    signatures: int = 0


def check_span(ground: Ground, job: Job) -> Span:
    """Check the entries of `job`. Everything wrong is among the findings."""
    check = _Check(ground, job)
    check.run()
    return check.span


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
            moved = (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
            if abs(moved - (edge.mono_us - last.mono_us)) > _STEPPED_US:
                findings.note(4, f"the clock was set between {last.at} and {edge.at}", where)


def compare_trails(item: str, before: tuple[int, str], seq: int, prev: str) -> None:
    """Step 5: raise `IntegrityError` unless an entry with `item_seq` and `item_prev` follows the trail's end `before`."""
    if seq != before[0] + 1:
        raise IntegrityError(f"item {item} goes from its event {before[0]} to {seq}")
    if prev != before[1]:
        raise IntegrityError(f"item {item}: event {seq} does not follow event {before[0]}")


def enrolled_key(entry: Entry) -> PublicKey | None:
    """The key that an entry enrols, if it enrols one that is sound; whether it may is for the replay to say."""
    try:
        return PublicKey.from_json(entry.facts.get("operator"))
    except IntegrityError:
        return None


class _Check:
    def __init__(self, ground: Ground, job: Job) -> None:
        self.span = Span(job.start, job.start)
        self._findings = self.span.findings
        self._ground = ground
        self._job = job
        self._keys = dict(job.keys)
        self._combos: set[tuple[str, str, str, str]] = set()  # actor, other signatures, kind, outcome
        self._plain = _KNOWN - ground.effects
        self._moments: list[datetime] = []
        self._run_from = job.start

    def run(self) -> None:
        for number in range(self._job.start // TILE, -(-self._job.stop // TILE)):
            if not self._bundle(number, min(TILE, self._ground.checkpoint.size - number * TILE)):
                self.span.whole = False
                break
        self._end_run(self.span.stop)

    def _bundle(self, number: int, width: int) -> bool:
        """Check one bundle. False when it cannot be read: what follows would not be in its place."""
        files, first = self._ground.files, number * TILE
        try:
            data, found = read_wide(files, bundle_path(number), width)
            raws = parse_bundle(data, found)[:width]
        except IntegrityError as error:
            self._findings.refused(3, error, bundle_path(number, width))
            return False
        if self._ground.digests:
            self.span.digests.append(bundle_digest(raws))
        old = max(0, self._job.start - first)  # verified at an earlier time
        rows = self._split(raws[old:], first + old)
        hashes = [hashlib.sha256(b"\0" + raw).digest() for raw in raws]
        if rows:
            self._entries(first + old, rows, hashes[old : old + len(rows)], raws[old:])
        if len(rows) < width - old:
            return False
        self._checkpoints(first, hashes)
        compare_tile(files, 0, number, hashes, self._findings)
        if width == TILE:
            self.span.roots.append(complete_root(hashes))
        else:
            self.span.tail = hashes
        return True

    def _split(self, raws: Sequence[bytes], first: int) -> list[Columns]:
        """The entries, up to the first that is none."""
        try:
            rows = split_entries(raws)
            self._moments = list(map(datetime.fromisoformat, [row[1] for row in rows]))
        except (IntegrityError, ValueError):
            rows = []
            for at, raw in enumerate(raws):
                try:
                    rows.append(parse_entry(raw).columns)
                except IntegrityError as error:
                    self._findings.refused(4, error, f"entry {first + at}")
                    break
            self._moments = [datetime.fromisoformat(row[1]) for row in rows]
        return rows

    # --- steps 4 and 5 -----------------------------------------------------------------------------------

    def _entries(self, first: int, rows: Sequence[Columns], hashes: Sequence[bytes], raws: Sequence[bytes]) -> None:
        span, names = self.span, [one.hex() for one in hashes]
        self._chain(first, rows, [span.last_hash or rows[0][15], *names[:-1]])
        if not span.last_hash:
            span.first_prev = rows[0][15]
        span.last_hash = names[-1]
        self._clocks(first, rows)
        forged, unknown = self._signatures(first, rows, raws)
        odd = unknown | forged
        trails, plain, combos = span.trails, self._plain, self._combos
        # the loop that every entry goes through: by position, since a name costs as much as a comparison
        for seq, (row, name) in enumerate(zip(rows, names, strict=True), first):
            item, kind = row[7], row[10]
            if item:
                place, trail = int(row[9]), trails.get(item)
                if trail is None:
                    trails[item] = [place, row[8], seq, place, name]
                else:
                    if place != trail[3] + 1 or row[8] != trail[4]:  # type: ignore[operator]
                        self._broken_trail(item, trail, place, row[8], seq)
                    trail[3], trail[4] = place, name
            if kind in plain and seq not in odd:
                combos.add((row[0], row[19], kind, row[14]))
                continue
            self._end_run(seq)
            self._run_from = seq + 1
            if seq not in forged:
                span.acts.append(Handed(raws[seq - first], seq not in unknown))
        span.stop = first + len(rows)

    def _end_run(self, stop: int) -> None:
        if stop > self._run_from:
            combos = {(_signers(actor, others), kind, outcome) for actor, others, kind, outcome in self._combos}
            self.span.acts.append(Run(self._run_from, stop, frozenset(combos)))
        self._combos.clear()

    def _chain(self, first: int, rows: Sequence[Columns], before: Sequence[str]) -> None:
        origin = self._ground.checkpoint.origin
        seqs = [row[16] for row in rows] == list(map(str, range(first, first + len(rows))))
        if seqs and [row[15] for row in rows] == before and {row[11] for row in rows} == {origin}:
            return
        for seq, (row, prev) in enumerate(zip(rows, before, strict=True), first):
            if row[11] != origin:
                self._findings.bad(4, f"belongs to the log {row[11]}", f"entry {seq}")
            elif row[16] != str(seq):
                self._findings.bad(4, f"says it is entry {row[16]}", f"entry {seq}")
            elif row[15] != prev:
                self._findings.bad(4, "does not follow the entry before it", f"entry {seq}")

    def _clocks(self, first: int, rows: Sequence[Columns]) -> None:
        span = self.span
        edge = Edge(first, rows[0][1], rows[0][4], int(rows[0][12]))
        span.first = span.first or edge
        before = span.last or edge
        span.last = Edge(first + len(rows) - 1, rows[-1][1], rows[-1][4], int(rows[-1][12]))
        times = [datetime.fromisoformat(before.at), *self._moments]
        monos = [before.mono_us, *[int(row[12]) for row in rows]]
        # Nothing strange between any two, if nothing is between the extremes of all
        if {row[4] for row in rows} == {before.boot} and times == sorted(times) and monos == sorted(monos):
            drifts = [1e6 * at.timestamp() - mono for at, mono in zip(times, monos, strict=True)]
            if max(drifts) - min(drifts) < _STEPPED_US - 1000:
                return
        edges = [before, *(Edge(seq, row[1], row[4], int(row[12])) for seq, row in enumerate(rows, first))]
        for last, here in pairwise(edges):
            compare_clocks(last, here, self._findings)

    def _broken_trail(self, item: str, trail: Sequence[int | str], seq: int, prev: str, entry: int) -> None:
        try:
            compare_trails(item, (int(trail[3]), str(trail[4])), seq, prev)
        except IntegrityError as error:
            self._findings.refused(5, error, f"entry {entry}")

    # --- step 6, the arithmetic --------------------------------------------------------------------------

    def _signatures(
        self, first: int, rows: Sequence[Columns], raws: Sequence[bytes]
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Verify the signatures. Which entries are forged, and which are by keys not known here."""
        for row, raw in zip(rows, raws, strict=False):
            if row[6] and '"operator":{' in row[6] and (key := enrolled_key(parse_entry(raw))) is not None:
                self._keys[key.key_id] = key
        if not self._ground.signatures:
            return frozenset(), frozenset()
        unknown, due = set(), []
        for seq, (row, raw) in enumerate(zip(rows, raws, strict=False), first):
            signers = _signers(row[0], row[19])
            if all(name in self._keys for name in signers):
                due.append((seq, row, raw))
                self.span.signatures += len(signers)
            else:
                unknown.add(seq)
        forged: dict[int, IntegrityError] = {}
        batches = [due[at : at + _BATCH] for at in range(0, len(due), _BATCH)]
        for found in _each(self._verify, batches, self._ground.threads):
            forged |= found
        for seq, error in sorted(forged.items()):
            self._findings.refused(6, error, f"entry {seq}")
        return frozenset(forged), frozenset(unknown)

    def _verify(self, batch: Iterable[tuple[int, Columns, bytes]]) -> dict[int, IntegrityError]:
        forged: dict[int, IntegrityError] = {}
        for seq, row, raw in batch:
            message = message_of(raw)
            for one in signatures_of(Columns._make(row)):
                key = self._keys[one.key]
                try:
                    if one.alg != key.alg:
                        raise ProofInvalid(f"key {one.key} is {key.alg}, its signature says {one.alg}")
                    key.verify(message, one.signature)
                except IntegrityError as error:
                    forged[seq] = error
        return forged

    # --- step 2 ------------------------------------------------------------------------------------------

    def _checkpoints(self, first: int, hashes: Sequence[bytes]) -> None:
        inside = range(first + 1, first + len(hashes) + 1)
        for size in [one for one in self._job.kept if one in inside]:
            where = f"{KEPT}/{size}"
            try:
                kept, note = parse_checkpoint(self._ground.files.read(where) or b"")
                if kept.size != size:
                    raise IntegrityError(f"holds a checkpoint of {kept.size}")
                if (chain := self._ground.chain) is not None:
                    chain.at(size).verify(note)
                self.span.kept.append((where, kept))
            except IntegrityError as error:
                self._findings.refused(2, error, where)
        for size in self._job.sizes.union(self._job.kept):
            if size in inside:
                self.span.part_roots[size] = root_of(hashes[: size - first])


def _signers(actor: str, others: str) -> tuple[str, ...]:
    return (actor, *(one.key for one in other_signatures(others))) if others else (actor,)


def bundle_digest(raws: Sequence[bytes]) -> bytes:
    """To compare a bundle with rows of the catalog without handing it over."""
    return hashlib.sha256(encode_bundle(raws)).digest()


def _each(
    act: Callable[[list[tuple[int, Columns, bytes]]], dict[int, IntegrityError]],
    batches: Sequence[list[tuple[int, Columns, bytes]]],
    threads: int,
) -> Iterator[dict[int, IntegrityError]]:
    # verification holds no lock of the interpreter: two threads do 1.8 times as much (cryptography 50, 2026-11)
    if threads == 1 or len(batches) == 1:
        yield from map(act, batches)
        return
    pool: Executor
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(act, batches)
