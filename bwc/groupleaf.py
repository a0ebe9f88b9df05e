"""Digests of groups of pictures: one salted leaf each, whose first pictures can be shown without the rest.

The bytes are fixed in docs/formats/picture-groups.md. From the last picture to the first a chain is folded over the
digests of the samples; its end is a commitment to the group's salt. Who is given the first pictures and the chain
behind them can compute the leaf, and learns nothing of the pictures behind.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence

SEED_BYTES = 32
_SALT, _END = b"bwc.group-salt/1\n", b"bwc.group-end/1\n"
_SAMPLE, _LINK, _LEAF, _SETS = b"bwc.group-sample/1\n", b"bwc.group-link/1\n", b"bwc.group/1\n", b"bwc.group-sets/1\n"


def end_of(seed: bytes, group: int) -> bytes:
    """The end of a group's chain: says nothing without the seed."""
    salt = hmac.new(seed, _SALT + group.to_bytes(4, "big"), hashlib.sha256).digest()
    return hashlib.sha256(_END + salt).digest()


def sample_digest(after: int, data: bytes) -> bytes:
    """One cleaned sample, shown `after` units of the time scale after the first of its group."""
    return hashlib.sha256(_SAMPLE + after.to_bytes(8, "big") + data).digest()


def chain(digests: Sequence[bytes], rest: bytes) -> bytes:
    """The chain at the first of `digests`, given the chain behind the last of them."""
    for digest in reversed(digests):
        rest = hashlib.sha256(_LINK + digest + rest).digest()
    return rest


def sets_digest(sps: Iterable[bytes], pps: Iterable[bytes]) -> bytes:
    """The parameter sets the pictures are decoded with."""
    units = [*sps, *pps]
    return hashlib.sha256(_SETS + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)).digest()


def leaf_data(*, group: int, timescale: int, start: int, frames: int, sets: bytes, first: bytes) -> bytes:
    """What the tree's leaf hash is taken of. `start` in units of `timescale`; `first` is the chain at the first picture."""
    numbers = group.to_bytes(4, "big") + timescale.to_bytes(4, "big") + start.to_bytes(8, "big")
    return _LEAF + numbers + frames.to_bytes(4, "big") + sets + first
