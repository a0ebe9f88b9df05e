"""Append custody events; publish tiles and checkpoints; never fork.

The rows are the durable act: `append` runs inside the caller's transaction. `publish` derives what outsiders read
from the rows, only what is new, and signs it only if it continues what was signed last. Dying anywhere leaves
files that the next `publish` completes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bwc.appending.clock import Clock
from bwc.appending.deriving import LogFiles, Overlay, files_beyond
from bwc.appending.writing import Appended, EntryWriter, add_signatures, check_readable, log_key, sign_checkpoint
from bwc.audit.checkpoint import Checkpoint, Note, NoteKey, check_origin, parse_checkpoint, parse_number
from bwc.audit.event import NO_HASH, Entry, parse_entry, split_entries
from bwc.audit.keychain import Handover, KeyChain
from bwc.audit.merkle import Frontier, leaf_hash
from bwc.audit.tiles import (
    CHECKPOINT,
    KEPT,
    TILE,
    TileTree,
    bundle_path,
    encode_bundle,
    levels_of,
    tile_path,
)
from bwc.errors import CheckpointRolledBack, IntegrityError, LogForked, NotFound, ProofInvalid, UsageError
from bwc.evidence import EventDraft, EventKind
from bwc.keys import Signer

_REKEYED = b'"kind":"log.rekeyed"'
_STEP = TILE * TILE  # entries per checkpoint when catching up: bounds memory to about 60 MB


class LogRow(Protocol):
    """One row: an entry at its place."""

    @property
    def seq(self) -> int: ...
    @property
    def entry(self) -> bytes: ...


class LogRows(Protocol):
    """The log as the catalog holds it. Reading and appending happen in the caller's transaction."""

    def last_row(self) -> LogRow | None:
        """The row with the highest `seq`."""

    def last_of_item(self, item: str) -> LogRow | None:
        """The last row of one item."""

    def rows(self, start: int, stop: int) -> Iterable[LogRow]:
        """The rows with start <= seq < stop, in order."""

    def append_rows(self, rows: Sequence[tuple[int, bytes, bytes, str | None, int | None]]) -> object:
        """Add rows (seq, leaf hash, entry, item, item_seq); fails if a `seq` is taken."""


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
        body: Mapping[str, str] | None,
        clock: Clock,
    ) -> Entry:
        """`append_all` for one."""
        return self.append_all(rows, [(draft, body)], signers, clock)[0].entry

    def append_all(
        self,
        rows: LogRows,
        drafts: Iterable[tuple[EventDraft, Mapping[str, str] | None]],
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
        writer = EntryWriter(self.origin, signers, clock.boot)
        made: list[Appended] = []
        fresh: list[tuple[int, bytes, bytes, str | None, int | None]] = []
        for draft, body in drafts:
            if draft.item is not None and draft.item not in trails:
                trails[draft.item] = _end_of_trail(rows, draft.item)
            trail = None if draft.item is None else trails[draft.item]
            raw = writer.entry(
                draft, body, seq=seq, prev=prev, trail=trail, at=clock.now(), mono_us=clock.monotonic_us()
            )
            found = leaf_hash(raw)
            made.append(Appended(seq, found, raw))
            fresh.append((seq, found, raw, draft.item, trail[0] if trail else None))
            seq, prev = seq + 1, found.hex()
            if draft.item is not None and trail is not None:
                trails[draft.item] = trail[0] + 1, prev
        check_readable([one.raw for one in made])
        rows.append_rows(fresh)
        return made

    def publish(
        self,
        signer: Signer,
        *,
        upto: int | None = None,
        signed: Callable[[Checkpoint, bytes], object] = lambda *_: None,
    ) -> Checkpoint:
        """Bring tiles and checkpoint up to the last row, or `upto` rows, and return the checkpoint in force.

        `signed` is told each checkpoint just signed before anything of it is written. When this returns, tiles and
        checkpoint are durable. Callers hold the vault's lock. Doing it again changes nothing. Raises `CheckpointRolledBack` when rows that were signed are gone, `LogForked` when they or the
        tiles are not what was signed, `ProofInvalid` when the checkpoint is not by `signer`; nothing is then signed.
        """
        self._near = None
        end = self._rows.last_row() if upto is None else None
        size = upto or (0 if end is None else end.seq + 1)
        last, chain = self._last_signed(log_key(self.origin, signer), size)
        done = 0 if last is None else last.size
        if size < done:
            raise CheckpointRolledBack(f"the catalog has {size} events, a checkpoint for {done} was signed")
        if size == 0:
            raise UsageError("an empty log is not published")
        has_published = self._edge is not None
        while last is None or last.size < size:
            # Sizes that do not hold the last handover are for the key before to sign
            least = chain.handovers[-1].seq + 1 if chain.handovers else 0
            last = self._extend(last, min(size, max((done // TILE) * TILE + _STEP, least)), signer, chain, signed)
            done = last.size
        if not has_published:  # else what others left was seen to before
            self._drop_partials(last.size)
        return last

    def signed(self, signer: Signer, size: int) -> int:
        """How many of `size` rows the published checkpoint holds; verified as `publish` does, which raises the same."""
        self._near = None
        found, _ = self._last_signed(log_key(self.origin, signer), size)
        done = 0 if found is None else found.size
        if size < done:
            raise CheckpointRolledBack(f"the catalog has {size} events, a checkpoint for {done} was signed")
        return done

    def signed_note(self) -> tuple[Checkpoint, bytes]:
        """The published checkpoint as `publish` or `signed` found it last. Raises `NotFound` before."""
        if self._signed is None:
            raise NotFound("nothing is published yet")
        return self._signed[1], self._signed[0]

    def signed_by(self, signer: Signer) -> int:
        """How many entries the published checkpoint holds, if `signer` signed it; else 0. Only reads, and needs no lock."""
        checkpoint, note = parse_checkpoint(self.checkpoint())
        key = log_key(self.origin, signer)
        chain = KeyChain.carried(note, self.origin) or KeyChain(key)
        if checkpoint.origin != self.origin or chain.at(checkpoint.size) != key:
            return 0
        key.verify(note)
        return checkpoint.size

    def published(self) -> int:
        """How many entries the published checkpoint holds, verified or not; none before the first."""
        note = self._files.read(CHECKPOINT)
        if note is None:
            return 0
        if self._signed is not None and self._signed[0] == note:
            return self._signed[1].size
        return parse_checkpoint(note)[0].size

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

    def _extend(
        self,
        old: Checkpoint | None,
        size: int,
        signer: Signer,
        chain: KeyChain,
        signed: Callable[[Checkpoint, bytes], object],
    ) -> Checkpoint:
        """Derive the tiles that `size` has beyond `old`, sign, and write: tiles first, then the checkpoint."""
        done = 0 if old is None else old.size
        first = done // TILE * TILE
        near = None if old is None else self._edge_at(old)
        self._edge = None
        bundle, hashes = (near.bundle, near.hashes) if near else self._tail(first, done)
        rows = self._read(done, size)
        if len(rows) != size - done:
            raise CheckpointRolledBack(f"the catalog lacks events between {done} and {size}")
        hashes = [*hashes, *map(leaf_hash, rows)]
        self._check_chain(rows, hashes, first, done)
        fresh = files_beyond(TileTree(self._files, done), size, bundle, rows, hashes)
        frontier = near.frontier if near else Frontier.at(done, TileTree(Overlay(self._files, fresh), size).node)
        if old is not None and frontier.root() != old.root:
            raise LogForked(f"the first {done} events are not those that were signed")
        for one in hashes[done - first :]:
            frontier.append(one)
        new = Checkpoint(self.origin, size, frontier.root())
        missing = self._missing(fresh)
        note = sign_checkpoint(new, signer, chain.handovers)
        kept = self._files.read(f"{KEPT}/{size}")
        if kept is not None:  # the published one was deleted or put back; this one may be cosigned
            if parse_checkpoint(kept)[0] != new:
                raise LogForked(f"another log of {size} events was signed")
            note = add_signatures(note, Note.parse(kept).signatures)
        signed(new, note)
        # If we die in the middle the tiles are ahead of the checkpoint: the next publish finds them as they must be. Or
        # the checkpoint is published and not kept yet: `_last_signed` keeps it first
        self._files.publish(
            missing, [path for path in fresh if path not in missing], CHECKPOINT, note, f"{KEPT}/{size}"
        )
        for level in range(levels_of(done)):
            self._drop_partial(level, (done >> (8 * level)) // TILE, size)
        self._signed = note, new, chain if chain.handovers else None
        number, width = divmod(size, TILE)
        tail = fresh[bundle_path(number, width)] if width else b""
        self._edge = _Edge(new, tail, hashes[number * TILE - first :], frontier)
        return new

    def _edge_at(self, old: Checkpoint) -> "_Edge | None":
        """What this process knows of the log up to `old`: what it published itself and, in the same bundle, the rows
        that others published since, if with them the root is the signed one.
        """
        near = self._edge
        if near is None or near.checkpoint == old:
            return near
        start = near.checkpoint.size
        if start > old.size or start // TILE != old.size // TILE:
            return None
        rows = [row.entry for row in self._rows.rows(start, old.size)]
        hashes = list(map(leaf_hash, rows))
        for one in hashes:
            near.frontier.append(one)
        if near.frontier.root() != old.root:
            return None
        return _Edge(old, near.bundle + encode_bundle(rows), near.hashes + hashes, near.frontier)

    def _tail(self, first: int, done: int) -> tuple[bytes, list[bytes]]:
        """The published entries from `first` to `done` as a bundle has them, and their hashes; from the rows where that
        is not whole.
        """
        if first == done:
            return b"", []
        old = TileTree(self._files, done)
        try:
            entries = old.entries(first // TILE)
            hashes = [leaf_hash(one) for one in entries]
            if hashes == old.tile(0, first // TILE):
                return encode_bundle(entries), hashes
        except IntegrityError:
            pass  # a verifier says what is wrong with it; what is published next is derived from the rows
        entries = [row.entry for row in self._rows.rows(first, done)]
        return encode_bundle(entries), [leaf_hash(one) for one in entries]

    def _check_chain(self, rows: Sequence[bytes], hashes: Sequence[bytes], first: int, done: int) -> None:
        """Refuse to sign rows that are not entries of this log in order: once signed they could not be undone."""
        if done > first:
            before = hashes[done - first - 1].hex()
        else:
            before = NO_HASH if first == 0 else TileTree(self._files, done).tile(0, first // TILE - 1)[-1].hex()
        fresh, _ = split_entries(rows)
        if done and fresh.prev[0] != before.encode():
            raise LogForked(f"the first {done} events are not those that were signed")
        log = self.origin.encode()
        for at, found in enumerate(zip(fresh.log, fresh.seq, fresh.prev, strict=True), done):
            if found != (log, b"%d" % at, before.encode()):
                raise IntegrityError(f"row {at} does not continue the log")
            before = hashes[at - first].hex()

    def _missing(self, fresh: Mapping[str, bytes]) -> dict[str, bytes]:
        """Those of the files that are not there yet. Raises `LogForked` for one that is there and differs."""
        missing = dict(fresh)
        for path, data in fresh.items():
            there = self._files.read(path)
            if there == data:
                del missing[path]
            elif there is not None:
                raise LogForked(f"{path} is already there and differs")
        return missing

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
    """What a next publication builds on: the bundle after the last full one, its hashes, and the tree's edge."""

    checkpoint: Checkpoint
    bundle: bytes
    hashes: list[bytes]
    frontier: Frontier
