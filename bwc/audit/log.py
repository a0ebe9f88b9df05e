"""Append custody events; publish tiles and checkpoints; never fork.

The rows are the durable act: `append` runs inside the caller's transaction. `publish` derives what outsiders read
from the rows, only what is new, and signs it only if it continues what was signed last. Dying anywhere leaves
files that the next `publish` completes.
"""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from bwc.audit.checkpoint import Checkpoint, Note, NoteKey, add_signatures, check_origin, parse_checkpoint, parse_number
from bwc.audit.event import NO_HASH, Entry, parse_entries, parse_entry
from bwc.audit.keychain import Handover, KeyChain, sign_checkpoint
from bwc.audit.merkle import Frontier, complete_root, leaf_hash
from bwc.audit.tiles import (
    CHECKPOINT,
    KEPT,
    TILE,
    LogFiles,
    LogRows,
    Row,
    TileTree,
    bundle_path,
    encode_bundle,
    levels_of,
    tile_path,
    tiles_of,
)
from bwc.audit.writing import Appended, build_event, check_readable, signed_entry
from bwc.canonical import Json
from bwc.errors import CheckpointRolledBack, IntegrityError, LogForked, NotFound, ProofInvalid, UsageError
from bwc.evidence import EventDraft, EventKind
from bwc.signing import Signer

_REKEYED = b'"kind":"log.rekeyed"'
_STEP = TILE * TILE  # entries per checkpoint when catching up: bounds memory to about 60 MB


class Clock(Protocol):
    """Time as the log records it. `boot` names this run of the machine: 32 hex digits, no address or serial in it."""

    @property
    def boot(self) -> str: ...
    def now(self) -> datetime: ...
    def monotonic_us(self) -> int: ...


class SystemClock:
    """The machine's clock, and its time since boot (suspended time included)."""

    def __init__(self) -> None:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
        # The kernel's id is random for each boot; hashed, it names the boot here and nowhere else
        self.boot = hashlib.sha256(b"bwc/boot/v1\n" + boot_id).hexdigest()[:32]

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_us(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Log:
    """The log of one vault."""

    def __init__(self, origin: str, files: LogFiles, rows: LogRows) -> None:
        self.origin = check_origin(origin)
        self._files = files
        self._rows = rows
        self._signed: tuple[bytes, Checkpoint, KeyChain | None] | None = None  # the note published last, verified
        self._near: tuple[int, list[bytes]] | None = None  # rows read last: the first one's place, and entries
        self._edge: _Edge | None = None  # of what this process published last

    def append(
        self,
        rows: LogRows,
        draft: EventDraft,
        signers: Sequence[Signer],
        body: Mapping[str, Json] | None,
        clock: Clock,
    ) -> Entry:
        """`append_all` for one."""
        return self.append_all(rows, [(draft, body)], signers, clock)[0].entry

    def append_all(
        self,
        rows: LogRows,
        drafts: Iterable[tuple[EventDraft, Mapping[str, Json] | None]],
        signers: Sequence[Signer],
        clock: Clock,
    ) -> list[Appended]:
        """Give each draft (with its body's `commit` and `file`) its place, sign it with all `signers`, add the rows.

        The first signer is the actor. `rows` belongs to an open transaction that excludes other writers (BEGIN
        IMMEDIATE): what it reads is still the end when the rows are added. Nothing is durable before the caller
        commits. The time is recorded as the clock gives it, even when it went back: evidence first, the verifier
        flags it. Raises `UsageError` for an event that has no entry, `IntegrityError` when the last row is not one.
        """
        if not signers:
            raise UsageError("an event is signed by whoever does it")
        last = rows.last_row()
        seq, prev = (0, NO_HASH) if last is None else (last.seq + 1, leaf_hash(last.entry).hex())
        trails: dict[str, tuple[int, str]] = {}
        actor, boot = signers[0].key_id, clock.boot
        made: list[Appended] = []
        fresh: list[Row] = []
        for draft, body in drafts:
            if draft.item is not None and draft.item not in trails:
                trails[draft.item] = _end_of_trail(rows, draft.item)
            item_seq, item_prev = (None, None) if draft.item is None else trails[draft.item]
            event = build_event(
                draft,
                log=self.origin,
                seq=seq,
                prev=prev,
                item_seq=item_seq,
                item_prev=item_prev,
                at=clock.now(),
                actor=actor,
                boot=boot,
                mono_us=clock.monotonic_us(),
                body=body,
            )
            raw = signed_entry(event, signers)
            found = leaf_hash(raw)
            made.append(Appended(seq, found, raw))
            fresh.append((seq, found, raw, draft.item, item_seq))
            seq, prev = seq + 1, found.hex()
            if draft.item is not None and item_seq is not None:
                trails[draft.item] = item_seq + 1, prev
        check_readable([one.raw for one in made])
        rows.append_rows(fresh)
        return made

    def publish(self, signer: Signer, *, upto: int | None = None) -> Checkpoint:
        """Bring tiles and checkpoint up to the last row, or `upto` rows, and return the checkpoint in force.

        When this returns, tiles and checkpoint are durable. Callers hold the vault's lock. Doing it again changes
        nothing. Raises `CheckpointRolledBack` when rows that were signed are gone, `LogForked` when they or the
        tiles are not what was signed, `ProofInvalid` when the checkpoint is not by `signer`; nothing is then signed.
        """
        self._near = None
        last = self._rows.last_row() if upto is None else None
        size = upto or (0 if last is None else last.seq + 1)
        signed, chain = self._last_signed(NoteKey.of(self.origin, signer), size)
        done = 0 if signed is None else signed.size
        if size < done:
            raise CheckpointRolledBack(f"the catalog has {size} events, a checkpoint for {done} was signed")
        if size == 0:
            raise UsageError("an empty log is not published")
        while signed is None or signed.size < size:
            # Sizes that do not hold the last handover are for the key before to sign
            least = chain.handovers[-1].seq + 1 if chain.handovers else 0
            signed = self._extend(signed, min(size, max((done // TILE) * TILE + _STEP, least)), signer, chain)
            done = signed.size
        self._drop_partials(signed.size)
        return signed

    def signed(self, signer: Signer, size: int) -> int:
        """How many of `size` rows the published checkpoint holds; verified as `publish` does, which raises the same."""
        self._near = None
        found, _ = self._last_signed(NoteKey.of(self.origin, signer), size)
        done = 0 if found is None else found.size
        if size < done:
            raise CheckpointRolledBack(f"the catalog has {size} events, a checkpoint for {done} was signed")
        return done

    def signed_by(self, signer: Signer) -> int:
        """How many entries the published checkpoint holds, if `signer` signed it; else 0. Only reads, and needs no lock."""
        checkpoint, note = parse_checkpoint(self.checkpoint())
        key = NoteKey.of(self.origin, signer)
        chain = KeyChain.carried(note, self.origin) or KeyChain(key)
        if checkpoint.origin != self.origin or chain.at(checkpoint.size) != key:
            return 0
        key.verify(note)
        return checkpoint.size

    def checkpoint(self) -> bytes:
        """The published checkpoint, a signed note. Raises `NotFound` before the first `publish`."""
        note = self._files.read(CHECKPOINT)
        if note is None:
            raise NotFound("nothing is published yet")
        return note

    def rekeyed(self, *, size: int, since: int = 0) -> list[Handover]:
        """The handovers among the rows from `since` up to `size`."""
        found = []
        for start in range(since, size, _STEP):
            for seq, raw in enumerate(self._read(start, min(size, start + _STEP)), start):
                if _REKEYED in raw and (entry := parse_entry(raw)).kind == EventKind.LOG_REKEYED:
                    found.append(Handover.of_entry(entry.facts, log=self.origin, seq=seq))
        return found

    def _read(self, start: int, stop: int) -> list[bytes]:
        """The entries of these rows; those read last are not read again."""
        if self._near is None or self._near[0] != start or len(self._near[1]) != stop - start:
            self._near = start, [row.entry for row in self._rows.rows(start, stop)]
        return self._near[1]

    def _last_signed(self, key: NoteKey, size: int) -> tuple[Checkpoint | None, KeyChain]:
        """The checkpoint published last, and the keys up to `key`, which signs `size` entries."""
        note = self._published()
        if note is None:
            return None, self._chain_to(key, size, None, self.rekeyed(size=size))
        if self._signed is None or self._signed[0] != note:
            signed, parsed = parse_checkpoint(note)
            carried = KeyChain.carried(parsed, self.origin)
        else:
            _, signed, carried = self._signed
        further = self.rekeyed(size=size, since=signed.size)
        chain = self._chain_to(key, max(size, signed.size), carried, further)
        if self._signed is None or self._signed[0] != note:
            chain.at(signed.size).verify(Note.parse(note))
            self._keep(signed, note)
            self._signed = note, signed, carried
        return signed, chain

    def _chain_to(self, key: NoteKey, size: int, carried: KeyChain | None, further: Sequence[Handover]) -> KeyChain:
        """The chain that the published checkpoint carries and the handovers after it; raises unless it ends at `key`."""
        chain = carried or KeyChain(further[0].old if further else key)
        for one in further:
            chain = chain.extended(one)
        if chain.at(size) != key:
            raise ProofInvalid(f"the log is signed by {chain.at(size).text()} now, not by {key.text()}")
        return chain

    def _published(self) -> bytes | None:
        note = self._files.read(CHECKPOINT)
        if note is None:
            # Died before the first rename, or somebody deleted it: the kept ones still bind us
            sizes = [parse_number(name) for name in self._files.list(KEPT)]
            note = self._files.read(f"{KEPT}/{max(sizes)}") if sizes else None
            if note is None:
                return None
            self._files.replace(CHECKPOINT, note, f"{KEPT}/{max(sizes)}")
        return note

    def _keep(self, checkpoint: Checkpoint, note: bytes) -> None:
        path = f"{KEPT}/{checkpoint.size}"
        if self._files.read(path) is None:
            self._files.write_new({path: note})

    def _extend(self, old: Checkpoint | None, size: int, signer: Signer, chain: KeyChain) -> Checkpoint:
        """Write the tiles that `size` has beyond `old`, then sign."""
        done = 0 if old is None else old.size
        first = done // TILE * TILE
        near = self._edge if self._edge is not None and self._edge.checkpoint == old else None
        entries, hashes = (near.entries, near.hashes) if near else self._tail(first, done)
        rows = self._read(done, size)
        if len(rows) != size - done:
            raise CheckpointRolledBack(f"the catalog lacks events between {done} and {size}")
        entries, hashes = [*entries, *rows], [*hashes, *map(leaf_hash, rows)]
        self._check_chain(entries, hashes, first, done)
        fresh = self._derive(entries, hashes, first, done, size)
        tree = TileTree(_Overlay(self._files, fresh), size)
        frontier = near.frontier if near else Frontier.at(done, tree.node)
        if old is not None and frontier.root() != old.root:
            raise LogForked(f"the first {done} events are not those that were signed")
        self._write_once(fresh)
        # If we die here the tiles are ahead of the checkpoint: the next publish finds them as they must be
        self._edge = None
        for one in hashes[done - first :]:
            frontier.append(one)
        new = Checkpoint(self.origin, size, frontier.root())
        note = sign_checkpoint(new, signer, chain.handovers)
        kept = self._files.read(f"{KEPT}/{size}")
        if kept is not None:  # the published one was deleted or put back; this one may be cosigned
            if parse_checkpoint(kept)[0] != new:
                raise LogForked(f"another log of {size} events was signed")
            note = add_signatures(note, Note.parse(kept).signatures)
        # Dying in the middle, the checkpoint is published and not kept yet: `_last_signed` keeps it first
        self._files.replace(CHECKPOINT, note, f"{KEPT}/{size}")
        for level in range(levels_of(done)):
            self._drop_partial(level, (done >> (8 * level)) // TILE, size)
        self._signed = note, new, chain if chain.handovers else None
        tail = size // TILE * TILE - first
        self._edge = _Edge(new, entries[tail:], hashes[tail:], frontier)
        return new

    def _derive(
        self, entries: Sequence[bytes], hashes: list[bytes], first: int, done: int, size: int
    ) -> dict[str, bytes]:
        """The bundles and tiles of `size` from the last full tile of `done` on, which begins at `first`."""
        old = TileTree(self._files, done)
        fresh = {}
        for number, width in tiles_of(0, first // TILE, size):
            at = number * TILE - first
            fresh[bundle_path(number, width)] = encode_bundle(entries[at : at + width])
        for level in range(levels_of(size)):
            parents = []
            for number, width in tiles_of(level, first // TILE, size):
                tile = hashes[number * TILE - first :][:width]
                fresh[tile_path(level, number, width)] = b"".join(tile)
                if width == TILE:
                    parents.append(complete_root(tile))
            # One level up, our first parent may be in the middle of a tile whose beginning is already stored
            parent, first = first // TILE, first // TILE // TILE * TILE
            stored = old.tile(level + 1, first // TILE)[: parent - first] if parent > first else []
            hashes = stored + parents
        return fresh

    def _tail(self, first: int, done: int) -> tuple[list[bytes], list[bytes]]:
        """The published entries from `first` to `done`, and their hashes: of the bundle, or of rows where that is not whole."""
        if first == done:
            return [], []
        old = TileTree(self._files, done)
        try:
            entries = old.entries(first // TILE)
            hashes = [leaf_hash(one) for one in entries]
            if hashes == old.tile(0, first // TILE):
                return entries, hashes
        except IntegrityError:
            pass  # a verifier says what is wrong with it; what is published next is derived from the rows
        entries = [row.entry for row in self._rows.rows(first, done)]
        return entries, [leaf_hash(one) for one in entries]

    def _check_chain(self, entries: Sequence[bytes], hashes: Sequence[bytes], first: int, done: int) -> None:
        """Refuse to sign rows that are not entries of this log in order: once signed they could not be undone."""
        fresh = parse_entries(entries[done - first :])
        for at, entry in enumerate(fresh, done - first):
            if at > 0:
                before = hashes[at - 1].hex()
            else:
                before = NO_HASH if first == 0 else TileTree(self._files, done).tile(0, first // TILE - 1)[-1].hex()
            if at == done - first and done and entry.prev != before:
                raise LogForked(f"the first {done} events are not those that were signed")
            if (entry.log, entry.seq, entry.prev) != (self.origin, first + at, before):
                raise IntegrityError(f"row {first + at} does not continue the log")

    def _write_once(self, fresh: Mapping[str, bytes]) -> None:
        missing = dict(fresh)
        for path, data in fresh.items():
            there = self._files.read(path)
            if there == data:
                del missing[path]
            elif there is not None:
                raise LogForked(f"{path} is already there and differs")
        self._files.write_new(missing)

    def _drop_partials(self, size: int) -> None:
        for level in range(levels_of(size)):
            self._drop_partial(level, (size >> (8 * level)) // TILE - 1, size)

    def _drop_partial(self, level: int, number: int, size: int) -> None:
        """Delete the partial versions of a tile that is full now. Dying in between leaves some: harmless."""
        if number < 0 or (number + 1) * TILE > size >> (8 * level):
            return
        for full in (tile_path(level, number), *([bundle_path(number)] if level == 0 else [])):
            for name in self._files.list(f"{full}.p"):
                self._files.remove(f"{full}.p/{name}")


def _end_of_trail(rows: LogRows, item: str) -> tuple[int, str]:
    """The `item_seq` and `item_prev` that the next entry of `item` has."""
    last = rows.last_of_item(item)
    if last is None:
        return 0, NO_HASH
    previous = parse_entry(last.entry)
    if previous.item != item or previous.item_seq is None:
        raise IntegrityError(f"row {last.seq} is not of item {item}")
    return previous.item_seq + 1, previous.leaf_hash.hex()


@dataclass(slots=True)
class _Edge:
    """What a next publication builds on: the entries after the last full bundle, their hashes, and the tree's edge."""

    checkpoint: Checkpoint
    entries: list[bytes]
    hashes: list[bytes]
    frontier: Frontier


class _Overlay:
    """The log's files as they will be."""

    def __init__(self, files: LogFiles, fresh: Mapping[str, bytes]) -> None:
        self._files = files
        self._fresh = fresh

    def read(self, path: str) -> bytes | None:
        return self._fresh[path] if path in self._fresh else self._files.read(path)

    def list(self, folder: str) -> Sequence[str]:
        return self._files.list(folder)
