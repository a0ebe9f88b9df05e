"""A lost catalog is replayed: from its own rows when it has them all, else from the log's files."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bwc.audit.event import parse_entry
from bwc.audit.tiles import TILE, TileTree
from bwc.audit.verify import LogReport, verify_log
from bwc.config import Places
from bwc.custody.house import House
from bwc.custody.shelf import LogShelf
from bwc.errors import KeyUnavailable
from bwc.evidence import EventKind
from bwc.keys import Operator
from bwc.storage.body import open_body
from bwc.storage.catalog import Catalog
from bwc.storage.fsops import Disk
from bwc.storage.rows import EventRow
from bwc.storage.store import Shelf, path_of


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did. `closed`: private bodies that this key does not open, or that were erased."""

    entries: int = 0
    read: int = 0
    closed: int = 0


def rebuild_catalog(places: Places, operator: Operator) -> Rebuilt:
    """Make the catalog of `places` again; the rebuild is itself an event (`catalog.rebuilt`).

    A catalog that holds at least what is published replays its own rows; one that lost them gets them from the
    tiles, which are verified first. Raises `IntegrityError` when those are not intact.
    """
    done = Rebuilt()
    files = LogShelf(Disk(places.vault))
    bodies = _Bodies(files.disk, operator, done)
    with Catalog(places.catalog) as catalog:
        published = verify_log(files, None)
        lost = published.entries > catalog.count
        if lost:
            published.findings.raise_if_bad()
        done.entries = catalog.rebuild(bodies.read, _rows(published) if lost else None)
    with House.enter(places, operator) as house:
        house.act(EventKind.CATALOG_REBUILT, None, {"bodies_closed": done.closed, "entries": done.entries}, {})
    return done


def _rows(published: LogReport) -> Iterator[EventRow]:
    assert published.files is not None
    tree = TileTree(published.files, published.entries)
    for number in range(-(-published.entries // TILE)):
        for raw in tree.entries(number):
            entry = parse_entry(raw)
            yield EventRow(entry.seq, entry.leaf_hash, raw)


class _Bodies:
    """Opens the private body of an event where the operator's key does."""

    def __init__(self, disk: Disk, operator: Operator, done: Rebuilt) -> None:
        self._disk = disk
        self._operator = operator
        self._done = done

    def read(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if event["body"] is None:
            return None
        commit = event["body"]["commit"]
        data = self._disk.read(path_of(Shelf.BODIES, commit))
        if data is not None:
            with suppress(KeyUnavailable):
                body = open_body(data, self._operator, commit=commit, log=event["log"])
                self._done.read += 1
                return body
        self._done.closed += 1
        return None
