"""RFC 6962 inclusion and consistency proofs: made from the nodes of a tree, verified by whoever has a root. No input or output."""

from collections.abc import Sequence

from bwc.audit.merkle import EMPTY_ROOT, HASH_BYTES, NodeHash, node_hash, range_root
from bwc.errors import ProofInvalid

MAX_PROOF = 63  # a tree holds at most 2^63 leaves


def inclusion_proof(index: int, size: int, node: NodeHash) -> list[bytes]:
    """RFC 6962 2.1.1: the audit path of leaf `index` in the tree of `size` leaves, from the leaf's sibling up."""
    if not 0 <= index < size:
        raise ProofInvalid(f"entry {index} is not in a log of {size}")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(range_root(middle, stop, node))
            stop = middle
        else:
            path.append(range_root(start, middle, node))
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
            path.append(range_root(middle, stop, node))
            stop = middle
        else:
            path.append(range_root(start, middle, node))
            start, whole = middle, False
    return [*([] if whole else [range_root(start, stop, node)]), *path[::-1]]


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
