"""RFC 6962 trees: leaf and node hashes, roots, inclusion and consistency proofs. No input or output.

A tree of `size` leaves is read through `NodeHash`: the hash of the complete subtree `index` at `level`
(level 0 is the leaves, so it covers leaves [index << level, (index + 1) << level)). Everything here asks for
complete subtrees only, which is what tiles store and what never changes when the log grows.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from bwc.errors import ProofInvalid

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_PROOF = 63  # a tree holds at most 2^63 leaves

NodeHash: TypeAlias = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962 2.1: the hash of one entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 2.1: the hash of an inner node. The prefix keeps a leaf from passing as a node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a complete subtree given its 2^k hashes of one level."""
    level = list(hashes)
    while len(level) > 1:
        level = [
            hashlib.sha256(b"\x01" + left + right).digest()
            for left, right in zip(level[0::2], level[1::2], strict=True)
        ]
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


def inclusion_proof(index: int, size: int, node: NodeHash) -> list[bytes]:
    """RFC 6962 2.1.1: the audit path of leaf `index` in the tree of `size` leaves, from the leaf's sibling up."""
    if not 0 <= index < size:
        raise ProofInvalid(f"entry {index} is not in a log of {size}")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(_range_root(middle, stop, node))
            stop = middle
        else:
            path.append(_range_root(start, middle, node))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, node: NodeHash) -> list[bytes]:
    """RFC 6962 2.1.2: that the first `old` leaves of the tree of `new` are the older tree."""
    if not 0 <= old <= new:
        raise ProofInvalid(f"a log of {new} has no consistency proof for size {old}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, stop, whole = 0, new, True  # `whole`: the node [start, stop) of the walk is a node the old tree has too
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            path.append(_range_root(middle, stop, node))
            stop = middle
        else:
            path.append(_range_root(start, middle, node))
            start, whole = middle, False
    return [*([] if whole else [_range_root(start, stop, node)]), *path[::-1]]


def verify_inclusion(leaf: bytes, index: int, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Raise `ProofInvalid` unless `path` proves that `leaf` is number `index` of the tree of `size` leaves."""
    if not 0 <= index < size:
        raise ProofInvalid(f"entry {index} is not in a log of {size}")
    # RFC 9162 2.1.3.2: the path runs from leaf to root
    here, last, value = index, size - 1, leaf
    for sibling in _checked(path):
        if last == 0:
            raise ProofInvalid(f"the inclusion proof of entry {index} is too long")
        if here & 1 or here == last:
            value = node_hash(sibling, value)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        here, last = here >> 1, last >> 1
    if last != 0 or value != root:
        raise ProofInvalid(f"the inclusion proof of entry {index} does not lead to the root")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raise `ProofInvalid` unless `path` proves that the tree `new` begins with the tree `old`."""
    if not 0 <= old <= new:
        raise ProofInvalid(f"a log of {new} cannot contain one of {old}")
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if path or old_root != expected:
            raise ProofInvalid(f"the log of {new} does not begin with the one of {old}")
        return
    # RFC 9162 2.1.4.2
    hashes = list(_checked(path))
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofInvalid("the consistency proof is empty")
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    older = newer = hashes[0]
    for one in hashes[1:]:
        if last == 0:
            raise ProofInvalid("the consistency proof is too long")
        if here & 1 or here == last:
            older, newer = node_hash(one, older), node_hash(one, newer)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            newer = node_hash(newer, one)
        here, last = here >> 1, last >> 1
    if last != 0 or older != old_root or newer != new_root:
        raise ProofInvalid(f"the log of {new} does not begin with the one of {old}")


def _checked(path: Sequence[bytes]) -> Sequence[bytes]:
    if len(path) > MAX_PROOF or any(len(one) != HASH_BYTES for one in path):
        raise ProofInvalid("a proof holds at most 63 hashes of 32 bytes")
    return path


def _split(width: int) -> int:
    """The largest power of two smaller than `width`."""
    return 1 << ((width - 1).bit_length() - 1)


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


def _range_root(start: int, stop: int, node: NodeHash) -> bytes:
    subtrees = [node(level, index) for level, index in _cover(start, stop)]
    return Frontier(stop - start, subtrees).root()
