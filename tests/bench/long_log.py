"""A log of many entries, made fast, and what an auditor does with it. Used by `log.py`.

Up to 200,000 entries are all signed. Beyond, the signatures are copies of one (signing ten million takes ten minutes),
and only the structure is verified, which does the same work whatever they say; signatures are timed on a part.
"""

import hashlib
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bwc.anchors.proof import LogProof, make_proof
from bwc.anchors.remembered import Remembered
from bwc.appending.log import Log
from bwc.appending.writing import sign_checkpoint
from bwc.audit.checkpoint import Checkpoint
from bwc.audit.event import parse_entry
from bwc.audit.merkle import Frontier, complete_root, leaf_hash
from bwc.audit.tiles import TILE, TileTree, bundle_path, encode_bundle, levels_of, tile_path
from bwc.audit.verify import verify_log
from bwc.custody.shelf import LogShelf
from bwc.evidence import EventDraft, EventKind, ItemId, utc_text
from bwc.identities import SeedSigner, encode_binary
from bwc.storage.fsops import Disk
from bwc.verifier.cores import cores, over_cores
from bwc.verifier.log_folder import LogFolder
from bwc.verifier.trail import ItemChains
from tests.audit.logs import CLERK, LOG_KEY, ORIGIN, SECOND, VKEY, House, Row, Ticking

START = datetime(2026, 11, 22, 9, tzinfo=UTC)
PER_ITEM = 20  # entries
KEEP = 100 * TILE  # entries between two checkpoints: a log of many commands keeps more
_SIGNED = 200_000
NEW = 1000
NEW_ROUNDS = 5
FOUNDING = 5  # entries


def measure(folder: Path, entries: int) -> None:
    """Make the log (unless `folder` holds one of this size) and print a table."""
    log = folder / "log"
    if not (log / "checkpoints" / str(entries)).exists():
        began = time.perf_counter()
        make(log, entries)
        print(f"{f'a log of {entries:,} entries':44} made in {time.perf_counter() - began:.0f} s", flush=True)
    files = LogFolder(log)
    signed = entries <= _SIGNED
    for jobs in dict.fromkeys((1, cores()) if signed else (cores(),)):
        began, used = time.perf_counter(), _spent()
        remembered = Remembered(folder / "remembered.sqlite", VKEY)
        report = verify_log(files, VKEY, signatures=False, spread=over_cores(jobs), remembered=remembered)
        _good(report.findings.count(), entries, report.entries)
        what = f"structure, {jobs} process" + "es" * (jobs > 1)
        rate, used = entries / (time.perf_counter() - began), _spent() - used
        own = f"{1e6 * used / entries:.2f} us of CPU time each"
        _line(what, rate, f"{own}; SHA-256 of 700 B: {_raw_hash():,.0f} /s; {_memory()}")
    assert report.fresh is not None
    remembered.save(*report.fresh, whole=True)
    raw, raw_cpu = _raw_verify()
    _line("raw Ed25519 verification, one core", raw, f"{raw_cpu:,.0f} a CPU second")
    if signed:
        began, used = time.perf_counter(), _spent()
        report = verify_log(files, VKEY, spread=over_cores(cores()))
        _good(report.findings.count(), entries, report.signatures)
        rate, used = entries / (time.perf_counter() - began), _spent() - used
        share = f"{rate / raw / cores():.0%} of raw x cores; by CPU time {entries / used / raw_cpu:.0%} of raw"
        _line(f"signatures and structure, {cores()} processes", rate, share)
    note = files.read("checkpoint") or b""
    proof = make_proof(files, note, entries // 3)
    times = [timed(lambda at=at: make_proof(files, note, at)) for at in range(0, entries, entries // 50)]  # type: ignore[misc]
    print(f"{'proof of one entry':44} {len(proof.to_bytes())} bytes, {1000 * statistics.median(times):.2f} ms")
    LogProof.parse(proof.to_bytes()).verify(entry_at(files, entries, entries // 3), VKEY)
    seconds = statistics.median(timed(lambda: trail(folder, files, entries)) for _ in range(NEW_ROUNDS))
    print(f"{'one item: trail exported with proofs, verified':44} {seconds:.3f} s for {PER_ITEM} entries")
    extend(folder, entries)
    new = LogFolder(log)
    times, used = [], _spent()
    for _ in range(NEW_ROUNDS):
        began = time.perf_counter()
        remembered = Remembered(folder / "remembered.sqlite", VKEY)
        report = verify_log(new, VKEY, spread=over_cores(), remembered=remembered, only_new=True)
        times.append(time.perf_counter() - began)
        _good(report.findings.count(), NEW, report.signatures)
    figure = f"{statistics.median(times):.3f} s, {min(times):.3f} to {max(times):.3f} in {NEW_ROUNDS} runs"
    used = (_spent() - used) / NEW_ROUNDS
    print(f"{f'{NEW} new entries, signatures and structure':44} {figure}; {used:.3f} s of CPU time", flush=True)


def trail(folder: Path, files: LogFolder, entries: int) -> None:
    """Write the entries of one item and their proofs; read them back and verify them and that none is missing."""
    note, items = files.read("checkpoint") or b"", entries // PER_ITEM
    number, place = items // 2, folder / "trail"
    place.mkdir(exist_ok=True)
    seqs = [seq for seq in range(number, entries, items) if seq >= FOUNDING]
    for seq in seqs:
        (place / f"{seq}.json").write_bytes(entry_at(files, entries, seq))
        (place / f"{seq}.tlog-proof").write_bytes(make_proof(files, note, seq).to_bytes())
    chains = ItemChains()
    for seq in seqs:
        raw = (place / f"{seq}.json").read_bytes()
        LogProof.parse((place / f"{seq}.tlog-proof").read_bytes()).verify(raw, VKEY)
        chains.verify_next(parse_entry(raw))
    assert len(chains) == 1


class _Tail:
    """The rows at the end of the log, as its catalog would have them."""

    def __init__(self, start: int, raws: list[bytes]) -> None:
        self.held = [Row(seq, raw, None) for seq, raw in enumerate(raws, start)]
        self._start = start

    def last_row(self) -> Row:
        return self.held[-1]

    def last_of_item(self, item: str) -> Row | None:
        return None

    def rows(self, start: int, stop: int) -> list[Row]:
        return self.held[start - self._start : stop - self._start]

    def append_rows(self, rows: Sequence[tuple[int, bytes, bytes, str | None, int | None]]) -> None:
        self.held += [Row(seq, entry, None) for seq, _, entry, _, _ in rows]


def extend(folder: Path, entries: int) -> None:
    """Append and publish NEW signed entries."""
    start = max(0, entries - 1) // TILE * TILE
    tree = TileTree(LogFolder(folder / "log"), entries)
    rows, clock = _Tail(start, tree.entries(start // TILE)), Ticking()
    clock.seconds = 10**7  # later than all
    log = Log(ORIGIN, LogShelf(Disk(folder)), rows)
    draft = EventDraft(kind=EventKind.ITEM_OPENED, facts={"purpose": "review", "segment": 0})
    log.append_all(rows, [(draft, None)] * NEW, [CLERK], clock)
    log.publish(LOG_KEY)


def make(log: Path, entries: int) -> None:
    """Write the log's files; nothing is synced."""
    frontier, levels = Frontier(), [[] for _ in range(levels_of(entries))]  # type: list[list[bytes]]
    bundle: list[bytes] = []
    (log / "checkpoints").mkdir(parents=True)
    for raw in events(entries):
        bundle.append(raw)
        levels[0].append(leaf_hash(raw))
        frontier.append(levels[0][-1])
        if len(bundle) == TILE:
            _write(log, bundle_path(frontier.size // TILE - 1), encode_bundle(bundle))
            bundle = []
            _raise(log, levels, frontier.size)
        if frontier.size % KEEP == 0 or frontier.size == entries:
            note = sign_checkpoint(Checkpoint(ORIGIN, frontier.size, frontier.root()), LOG_KEY)
            (log / "checkpoints" / str(frontier.size)).write_bytes(note)
            (log / "checkpoint").write_bytes(note)
    if bundle:
        _write(log, bundle_path(entries // TILE, len(bundle)), encode_bundle(bundle))
    for level, hashes in enumerate(levels):
        number, last = divmod(entries >> 8 * level, TILE)
        # the tile at the edge, and what is kept of it for earlier checkpoints
        widths = {(size >> 8 * level) - number * TILE for size in [*range(KEEP, entries, KEEP), entries]}
        for width in sorted(one for one in widths if 0 < one <= last):
            _write(log, tile_path(level, number, width), b"".join(hashes[:width]))


def events(count: int) -> Iterator[bytes]:
    """The founding, then openings of `count / PER_ITEM` items in turn, by three people."""
    house = House()
    house.found()
    first = [row.entry for row in house.rows.held]
    yield from first
    items = max(1, count // PER_ITEM)
    ends: dict[int, tuple[int, str]] = {}
    prev = leaf_hash(first[-1]).hex()
    people = (CLERK, SECOND)
    template = {who.key_id: _template(who) for who in people}
    for seq in range(len(first), count):
        who, number = people[seq % 2], seq % items
        item_seq, item_prev = ends.get(number, (0, "0" * 64))
        at = utc_text(START + timedelta(milliseconds=seq))
        head, tail, sig = template[who.key_id]
        event = (
            f'{{"actor":"{who.key_id}","at":"{at}",{head}"item":"{item_id(number)}","item_prev":"{item_prev}",'
            f'"item_seq":{item_seq},"kind":"item.opened","log":"{ORIGIN}","mono_us":{1000 * seq + 10**9},'
            f'"objects":[],"outcome":"ok","prev":"{prev}","seq":{seq}}}'
        )
        if count <= _SIGNED:
            sig = _sign(who, event)
        raw = f'{{"event":{event}{tail}{sig}"}}]}}'.encode()
        prev = leaf_hash(raw).hex()
        ends[number] = item_seq + 1, prev
        yield raw


def item_id(number: int) -> ItemId:
    """The id of one item."""
    return ItemId(f"2026-1122-{number:07d}")


def entry_at(files: LogFolder, entries: int, seq: int) -> bytes:
    """One entry."""
    return TileTree(files, entries).entries(seq // TILE)[seq % TILE]


def timed(act: Callable[[], object]) -> float:
    """Wall seconds of `act`."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _template(who: SeedSigner) -> tuple[str, str, str]:
    digest = hashlib.sha256(who.key_id.encode()).hexdigest()
    head = (
        f'"body":{{"commit":"{digest}","file":"{digest}"}},"boot":"{"ab" * 16}",'
        f'"facts":{{"purpose":"review","segment":0}},"format":"bwc.event/1",'
    )
    return head, f',"signatures":[{{"alg":"ed25519","key":"{who.key_id}","sig":"', _sign(who, "")


def _sign(who: SeedSigner, event: str) -> str:
    return encode_binary(who.sign(f"bwc.event/1\n{event}".encode()))


def _raise(log: Path, levels: list[list[bytes]], size: int) -> None:
    for level, hashes in enumerate(levels):
        if len(hashes) < TILE:
            return
        _write(log, tile_path(level, (size >> 8 * level) // TILE - 1), b"".join(hashes))
        if level + 1 < len(levels):
            levels[level + 1].append(complete_root(hashes))
        hashes.clear()


def _write(log: Path, path: str, data: bytes) -> None:
    place = log / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def _good(bad: int, wanted: int, found: int) -> None:
    if bad or wanted != found:
        raise SystemExit(f"the bench's own log does not verify: {bad} findings, {found} of {wanted}")


def _raw_hash() -> float:
    data = os.urandom(700)
    return 100_000 / timed(lambda: [hashlib.sha256(data).digest() for _ in range(100_000)])


def _raw_verify() -> tuple[float, float]:
    """How many signatures one core verifies in a second, and in a second of its own."""
    key, message = Ed25519PrivateKey.generate(), os.urandom(600)
    public, signature = key.public_key(), key.sign(message)
    rates = []
    for _ in range(5):
        used = _spent()
        seconds = timed(lambda: [public.verify(signature, message) for _ in range(1000)])
        rates.append((1000 / seconds, 1000 / (_spent() - used)))
    return statistics.median(rate for rate, _ in rates), statistics.median(rate for _, rate in rates)


def _spent() -> float:
    """CPU seconds of this process and of those it started that ended."""
    return sum(sum(resource.getrusage(part)[:2]) for part in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _memory() -> str:
    parts = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    most = [resource.getrusage(part).ru_maxrss // 1024 for part in parts]
    return f"at most {most[0]} MB here, {most[1]} MB in one other process so far"


def _line(what: str, rate: float, more: str = "") -> None:
    print(f"{what:44} {rate:10,.0f} /s   {more}", flush=True)
