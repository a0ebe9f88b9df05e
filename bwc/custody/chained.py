"""The catalog's copy of the log, read so that nothing can be left out of it: by the entries' own bytes, not by columns.

Every entry says its place and names the hash of the one before, so an entry that was altered, moved or taken out breaks
the chain, whatever the row's columns say. A chain that ends where the published tiles end is the published log.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bwc.audit.event import NO_HASH, parse_entry, split_entries, texts
from bwc.audit.merkle import leaf_hash
from bwc.audit.tiles import TILE, TileTree
from bwc.custody.shelf import LogShelf
from bwc.errors import CheckpointRolledBack, IntegrityError
from bwc.storage.catalog import Catalog
from bwc.storage.rows import EventRow

_AT_ONCE = 256
_HINT = "bwc verify; what is published can be had again: bwc catalog rebuild"


class Batch(NamedTuple):
    """Entries that follow each other: their rows, leaf hashes in hex, kinds as their bytes have them, and actors."""

    rows: Sequence[EventRow]
    hashes: Sequence[str]
    kinds: Sequence[str]
    actors: Sequence[str]


def chained(catalog: Catalog, start: int = 0, last: str = NO_HASH, stop: int | None = None) -> Iterator[Batch]:
    """The entries from `start` on, which follow one whose leaf hash is `last`.

    Raises `IntegrityError` for a row that is no entry, is not in its place, or does not follow the one before.
    """
    batch: list[EventRow] = []
    for row in catalog.rows(start, stop):
        batch.append(row)
        if len(batch) == _AT_ONCE:
            yield (made := _checked(batch, start, last))
            start, last, batch = start + len(batch), made.hashes[-1], []
    if batch:
        yield _checked(batch, start, last)


def _checked(rows: Sequence[EventRow], start: int, last: str) -> Batch:
    raws = [row.entry for row in rows]
    try:
        columns, _ = split_entries(raws)
    except IntegrityError:
        for row in rows:
            try:
                parse_entry(row.entry)
            except IntegrityError as error:
                raise IntegrityError(f"entry {row.seq} in the catalog is none: {error.message}", _HINT) from error
        raise
    hashes = [leaf_hash(raw).hex() for raw in raws]
    before = [last, *hashes[:-1]]
    for place, (row, seq, prev) in enumerate(zip(rows, columns.seq, columns.prev, strict=True)):
        if not row.seq == int(seq) == start + place:
            raise IntegrityError(f"the catalog lacks entry {start + place} of the log", _HINT)
        if prev.decode() != before[place]:
            raise IntegrityError(f"entry {row.seq} in the catalog does not follow the one before it", _HINT)
    return Batch(rows, hashes, texts(columns.kind), texts(columns.actor))


def verify_published(catalog: Catalog, files: LogShelf, published: int) -> None:
    """Raise `IntegrityError` (`CheckpointRolledBack` when it is gone) unless the last of the `published` entries is the one that was published."""
    if not published:
        return
    row = catalog.row(published - 1)
    if row is None:
        what = f"the catalog has {catalog.count} of {published} published events"
        raise CheckpointRolledBack(what, "bwc catalog rebuild")
    found = TileTree(files, published).tile(0, (published - 1) // TILE)[(published - 1) % TILE]
    if leaf_hash(row.entry) != found:
        raise IntegrityError(f"entry {published - 1} differs between catalog and log", _HINT)
