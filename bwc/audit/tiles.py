"""C2SP tlog-tiles: where the log's hashes and entries lie, and reading a tree from them.

A hash tile holds up to 256 hashes of one level, a bundle the up to 256 entries under a level 0 tile. Tiles that
are not full are named with their width and kept for each size that was ever signed, until the full one exists.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from bwc.audit.merkle import HASH_BYTES, complete_root
from bwc.errors import IntegrityError

CHECKPOINT = "checkpoint"  # the signed note in force
KEPT = "checkpoints"  # every one that was signed, by its size
TILE = 256
MAX_ENTRY = 65_535  # a bundle gives the length of an entry in 16 bits
MAX_FILE = TILE * (2 + MAX_ENTRY)

_CACHED_TILES = 64


class LogReader(Protocol):
    """The files of a log, by path below its folder (`/` between parts)."""

    def read(self, path: str) -> bytes | None:
        """The whole file, or None when it is absent."""

    def list(self, folder: str) -> Sequence[str]:
        """The names in `folder`; empty when it is absent."""


def tile_path(level: int, number: int, width: int = TILE) -> str:
    """The path of hash tile `number` at tile level `level`, holding `width` hashes."""
    return f"tile/{level}/{_numbered(number, width)}"


def bundle_path(number: int, width: int = TILE) -> str:
    """The path of the bundle of entries `256 number` and on, holding `width` entries."""
    return f"tile/entries/{_numbered(number, width)}"


def _numbered(number: int, width: int) -> str:
    # tlog-tiles: 3-digit path elements, all but the last begin with x: 1234067 is x001/x234/067
    parts = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        parts.append(f"x{number % 1000:03d}")
    name = "/".join(reversed(parts))
    return name if width == TILE else f"{name}.p/{width}"


def levels_of(size: int) -> int:
    """How many tile levels a tree of `size` leaves has."""
    return max(1, -(-size.bit_length() // 8)) if size else 0


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The bytes of a bundle: each entry after its length as 16 bits, big-endian."""
    return b"".join(len(one).to_bytes(2, "big") + one for one in entries)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle. Raises `IntegrityError` unless it holds exactly these."""
    entries: list[bytes] = []
    at, end = 0, len(data) - 1
    while at < end and len(entries) < width:
        stop = at + 2 + (data[at] << 8 | data[at + 1])
        entries.append(data[at + 2 : stop])
        at = stop
    if at != len(data) or len(entries) != width:
        raise IntegrityError(f"a bundle of {width} entries takes {at} bytes, this one has {len(data)}")
    return entries


def parse_tile(data: bytes, width: int) -> list[bytes]:
    """The `width` hashes of a tile. Raises `IntegrityError` unless it holds exactly these."""
    if len(data) != width * HASH_BYTES:
        raise IntegrityError(f"a tile of {width} hashes takes {width * HASH_BYTES} bytes, this one has {len(data)}")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def read_wide(files: LogReader, path_of_full: str, width: int) -> tuple[bytes, int]:
    """A tile's or bundle's bytes and the width it is stored with: `width`, or full once that exists.

    Raises `IntegrityError` naming the file when neither is there.
    """
    # a reader of an older checkpoint finds the partial tile replaced by the full one
    names = [(path_of_full, TILE)] if width == TILE else [(f"{path_of_full}.p/{width}", width), (path_of_full, TILE)]
    for path, found in names:
        data = files.read(path)
        if data is not None:
            return data, found
    raise IntegrityError(f"{names[0][0]} is missing")


class TileTree:
    """The tree of `size` leaves, read from tiles; `node` is a `merkle.NodeHash`. Not yet verified against a root."""

    def __init__(self, files: LogReader, size: int) -> None:
        self._files = files
        self.size = size
        self.tile = lru_cache(maxsize=_CACHED_TILES)(self._tile)

    def node(self, level: int, index: int) -> bytes:
        """The hash of the complete subtree `index` at `level`: one tile read, at most 127 hashes."""
        tile_level, inner = divmod(level, 8)
        first = index << inner
        number, at = divmod(first, TILE)
        hashes = self.tile(tile_level, number)
        if at + (1 << inner) > len(hashes):
            raise IntegrityError(f"a log of {self.size} has no subtree {index} at level {level}")
        return complete_root(hashes[at : at + (1 << inner)])

    def _tile(self, level: int, number: int) -> list[bytes]:
        """The hashes of one tile, as many as this tree has."""
        width = min(TILE, (self.size >> (8 * level)) - number * TILE)
        if width <= 0:
            raise IntegrityError(f"a log of {self.size} has no tile {number} at level {level}")
        data, found = read_wide(self._files, tile_path(level, number), width)
        return parse_tile(data, found)[:width]

    def entries(self, number: int) -> list[bytes]:
        """The entries of one bundle, as many as this tree has."""
        width = min(TILE, self.size - number * TILE)
        if width <= 0:
            raise IntegrityError(f"a log of {self.size} has no bundle {number}")
        data, found = read_wide(self._files, bundle_path(number), width)
        return parse_bundle(data, found)[:width]
