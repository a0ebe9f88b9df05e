"""RFC 6962 trees: leaf and node hashes, and roots. No input or output.

A tree of `size` leaves is read through `NodeHash`: the hash of the complete subtree `index` at `level`
(level 0 is the leaves, so it covers leaves [index << level, (index + 1) << level)). Everything here asks for
complete subtrees only, which is what tiles store and what never changes when the log grows.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TypeAlias

from bwc.errors import ProofInvalid

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

NodeHash: TypeAlias = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962 2.1: the hash of one entry."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 2.1: the hash of an inner node. The prefix keeps a leaf from passing as a node."""
    return sha256(b"\x01" + left + right).digest()


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a complete subtree given its 2^k hashes of one level."""
    level = list(hashes)
    while len(level) > 1:
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[0::2], level[1::2], strict=True)]
    return level[0]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root of a tree given all its leaf hashes."""
    frontier = Frontier()
    for one in hashes:
        frontier.append(one)
    return frontier.root()


class Frontier:
    """The complete subtrees that end at the right edge of a growing tree: enough to append and to know the root."""

    def __init__(self, size: int = 0, subtrees: Sequence[bytes] = ()) -> None:
        self.size = size
        self._subtrees = list(subtrees)  # largest first, one for each set bit of size
        if len(self._subtrees) != size.bit_count():
            raise ProofInvalid(f"a tree of {size} leaves has {size.bit_count()} subtrees at its edge")

    @classmethod
    def at(cls, size: int, node: NodeHash) -> "Frontier":
        """The edge of the tree of `size` leaves read from `node`."""
        return cls(size, [node(level, index) for level, index in _cover(0, size)])

    def append(self, leaf: bytes, level: int = 0) -> None:
        """Add a leaf hash, or a complete subtree of 2^level leaves; `size` must be a multiple of that."""
        size = self.size >> level
        while size & 1:
            leaf = node_hash(self._subtrees.pop(), leaf)
            size >>= 1
        self._subtrees.append(leaf)
        self.size += 1 << level

    def root(self, more: bytes | None = None) -> bytes:
        """The root of the tree so far; with `more` further leaves, fewer than its last subtree has, of which that is the root."""
        if not self._subtrees:
            return more or EMPTY_ROOT
        rest = self._subtrees if more else self._subtrees[:-1]
        right = more or self._subtrees[-1]
        for left in reversed(rest):
            right = node_hash(left, right)
        return right


def root_at(size: int, node: NodeHash) -> bytes:
    """The root of the tree of `size` leaves read from `node`: O(log size) reads."""
    return Frontier.at(size, node).root()


def _cover(start: int, stop: int) -> list[tuple[int, int]]:
    """The complete subtrees (level, index) that make up [start, stop), left to right.

    `start` is a multiple of the largest of them, as it is for every node of an RFC 6962 tree.
    """
    found = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def range_root(start: int, stop: int, node: NodeHash) -> bytes:
    """The root of the leaves [start, stop) where they are one node of the tree."""
    subtrees = [node(level, index) for level, index in _cover(start, stop)]
    return Frontier(stop - start, subtrees).root()
