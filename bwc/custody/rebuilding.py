"""A lost catalog is replayed: from its own rows when it has them all, else from the log's files."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

from bwc.audit.event import NO_HASH, parse_entry
from bwc.audit.log_report import LogReport
from bwc.audit.tiles import TILE, TileTree
from bwc.audit.verify import verify_log
from bwc.config import Places
from bwc.custody.chained import chained, verify_published
from bwc.custody.house import House
from bwc.custody.log_copy import set_aside_unsigned
from bwc.custody.shelf import LogShelf
from bwc.custody.told import BodyOf
from bwc.errors import IntegrityError, KeyUnavailable
from bwc.evidence import EventKind
from bwc.identities import Operator
from bwc.storage.body import open_body
from bwc.storage.catalog import Catalog
from bwc.storage.fsops import Disk
from bwc.storage.rows import EventRow
from bwc.storage.store import Shelf, path_of
from bwc.verifier.cores import over_cores


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did. `closed`: private bodies that this key does not open, or that were erased."""

    entries: int = 0
    read: int = 0
    closed: int = 0


def rebuild_catalog(places: Places, operator: Operator) -> Rebuilt:
    """Make the catalog of `places` again; the rebuild is itself an event (`catalog.rebuilt`).

    A catalog that holds at least what is published replays its own rows; one that lost some, or in which some were
    altered, gets them from the tiles, which are verified first. What was not published yet is kept. Raises `IntegrityError` when those are not intact.
    """
    done = replay(places, operator)
    with House.enter(places, operator) as house:
        house.act(EventKind.CATALOG_REBUILT, None, {"bodies_closed": done.closed, "entries": done.entries}, {})
    return done


def replay(places: Places, operator: Operator) -> Rebuilt:
    """The same without an event."""
    done = Rebuilt()
    files = LogShelf(Disk(places.vault))
    with Catalog(places.catalog) as catalog:
        published = verify_log(files, None, spread=over_cores())
        lost = published.entries > catalog.count
        if not lost and _is_whole(catalog, files, published.entries):
            bodies = _Bodies(files.disk, catalog, operator, done, _rewrapped(catalog.rows()))
            done.entries = catalog.rebuild(bodies.read)
            return done
        published.findings.raise_if_bad()
        if lost:
            set_aside_unsigned(files.disk)
        tail = _tail(catalog, published)
        bodies = _Bodies(files.disk, catalog, operator, done, _rewrapped(chain(_rows(published), tail)))
        done.entries = catalog.rebuild(bodies.read, chain(_rows(published), tail))
    return done


def _is_whole(catalog: Catalog, files: LogShelf, published: int) -> bool:
    """Whether the catalog's own rows are the published log, each in its place."""
    try:
        verify_published(catalog, files, published)
        for _ in chained(catalog, stop=published):
            pass
    except IntegrityError:
        return False
    return True


def _tail(catalog: Catalog, published: LogReport) -> list[EventRow]:
    """What was recorded and not published yet. Raises `IntegrityError` when it does not follow what was."""
    if catalog.count <= published.entries:
        return []
    last = deque(_rows(published), maxlen=1)
    after = last[0].leaf_hash.hex() if last else NO_HASH
    return [row for batch in chained(catalog, published.entries, after) for row in batch.rows]


def bodies_of(places: Places, catalog: Catalog, operator: Operator, published: LogReport) -> BodyOf:
    """Gives the private body of an event of a log that was verified, where the operator's key opens it."""
    files = Disk(places.vault)
    return _Bodies(files, catalog, operator, Rebuilt(), _rewrapped(chain(_rows(published), catalog.rows()))).read


def _rows(published: LogReport) -> Iterator[EventRow]:
    assert published.files is not None
    tree = TileTree(published.files, published.entries)
    for number in range(-(-published.entries // TILE)):
        for raw in tree.entries(number):
            entry = parse_entry(raw)
            yield EventRow(entry.seq, entry.leaf_hash, raw)


def _rewrapped(rows: Iterable[EventRow]) -> dict[str, str]:
    """The private bodies that have another file now than their entry names: commitment and digest of the file."""
    found: dict[str, str] = {}
    for row in rows:
        if EventKind.ITEM_REWRAPPED.encode() in row.entry:  # few entries: the others need no parsing here
            entry = parse_entry(row.entry)
            found |= entry.facts.get("bodies", {}) if entry.kind == EventKind.ITEM_REWRAPPED else {}
    return found


class _Bodies:
    """Opens the private body of an event where the operator's key does."""

    def __init__(
        self, disk: Disk, catalog: Catalog, operator: Operator, done: Rebuilt, rewrapped: Mapping[str, str]
    ) -> None:
        self._disk = disk
        self._catalog = catalog
        self._operator = operator
        self._done = done
        self._rewrapped = rewrapped

    def read(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if event["body"] is None:
            return None
        commit = event["body"]["commit"]
        file = self._rewrapped.get(commit, event["body"]["file"])
        data = self._disk.read(path_of(Shelf.BODIES, file)) or self._catalog.waiting_body(file)
        if data is not None:
            with suppress(KeyUnavailable):
                body = open_body(data, self._operator, commit=commit, log=event["log"])
                self._done.read += 1
                return body
        self._done.closed += 1
        return None
