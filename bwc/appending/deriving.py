"""A log's files as it grows: where they go, and the bundles and tiles that a longer log has beyond a shorter one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from bwc.audit.merkle import complete_root
from bwc.audit.tiles import TILE, LogReader, TileTree, bundle_path, encode_bundle, levels_of, tile_path


class LogFiles(LogReader, Protocol):
    """Where the log keeps its files. Each change is durable when it returns."""

    def write_new(self, files: Mapping[str, bytes]) -> None:
        """Make files that are not there yet: each whole or not there; all durable when it returns."""

    def replace(self, path: str, data: bytes, keep: str) -> None:
        """Make a file, or replace all of it at once; then keep the same bytes under a name that is not there yet."""

    def publish(self, files: Mapping[str, bytes], there: Sequence[str], path: str, data: bytes, keep: str) -> None:
        """`write_new` and, when that and those `there` already are durable, `replace`.

        The name `keep` is durable before the next one is published.
        """

    def remove(self, path: str) -> None:
        """Delete a file that is not needed any more; one that is already gone is no error."""


def files_beyond(
    old: TileTree, size: int, bundle: bytes, rows: Sequence[bytes], hashes: Sequence[bytes]
) -> dict[str, bytes]:
    """Those of a log of `size`, from the last full bundle of `old` on.

    `bundle` holds the entries that `old` has there, `rows` those that come after, `hashes` are of both.
    """
    done = old.size
    first = done // TILE * TILE
    fresh = {}
    for number, width in _tiles_of(0, first // TILE, size):
        at, stop = max(done, number * TILE), number * TILE + width
        more = encode_bundle(rows[at - done : stop - done])
        fresh[bundle_path(number, width)] = bundle + more if at == done else more
    # Where no tile of the level above became longer there is nothing new there
    for level in range(levels_of(size) if not done or size // TILE > done // TILE else 1):
        parents = []
        for number, width in _tiles_of(level, first // TILE, size):
            tile = hashes[number * TILE - first :][:width]
            fresh[tile_path(level, number, width)] = b"".join(tile)
            if width == TILE:
                parents.append(complete_root(tile))
        # One level up, our first parent may be in the middle of a tile whose beginning is already stored
        parent, first = first // TILE, first // TILE // TILE * TILE
        stored = old.tile(level + 1, first // TILE)[: parent - first] if parent > first else []
        hashes = stored + parents
    return fresh


class Overlay:
    """The log's files as they will be."""

    def __init__(self, files: LogReader, fresh: Mapping[str, bytes]) -> None:
        self._files = files
        self._fresh = fresh

    def read(self, path: str) -> bytes | None:
        return self._fresh[path] if path in self._fresh else self._files.read(path)

    def list(self, folder: str) -> Sequence[str]:
        return self._files.list(folder)


def _tiles_of(level: int, start: int, size: int) -> Iterator[tuple[int, int]]:
    """(number, width) of the tiles at `level` of a tree of `size` leaves, from tile `start` on."""
    hashes = size >> (8 * level)
    for number in range(start, -(-hashes // TILE)):
        yield number, min(TILE, hashes - number * TILE)
