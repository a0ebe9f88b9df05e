"""The digests of a recording's groups of pictures, taken while its key is in memory; what a release proves copies by."""

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from bwc.canonical import Json
from bwc.errors import IntegrityError
from bwc.groupleaf import SEED_BYTES, chain, end_of, leaf_data, sample_digest, sets_digest
from bwc.media.gops import CodedPictures, Uncopyable

_LOOK_EVERY = 64  # pictures between two looks at the clock


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupIndex:
    """Seed and leaf hashes. The leaves tell nothing to whoever has not the seed; the seed stays with the footage's readers."""

    seed: bytes
    leaves: tuple[bytes, ...]  # RFC 6962 leaf hashes

    def to_json(self) -> dict[str, Json]:
        return {"format": "bwc.groups/1", "leaves": [leaf.hex() for leaf in self.leaves], "seed": self.seed.hex()}

    @classmethod
    def from_json(cls, value: Any) -> "GroupIndex | None":
        """The index in a facts document; None when there is none. Raises `IntegrityError` for a broken one."""
        if value is None:
            return None
        try:
            if value["format"] != "bwc.groups/1":
                return None
            found = cls(
                seed=bytes.fromhex(value["seed"]), leaves=tuple(bytes.fromhex(leaf) for leaf in value["leaves"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("the digests of groups of pictures cannot be read") from error
        if len(found.seed) != SEED_BYTES or any(len(leaf) != hashlib.sha256().digest_size for leaf in found.leaves):
            raise IntegrityError("the digests of groups of pictures have another length")
        return found


class GroupLeaves:
    """Leaves of one recording, group by group, from its cleaned samples."""

    def __init__(self, coded: CodedPictures, seed: bytes) -> None:
        self.timescale = coded.time_base.denominator
        self.sets = sets_digest(coded.sets.sps, coded.sets.pps)
        self._step = coded.time_base.numerator
        self._seed = seed

    def leaf(self, group: int, pts: Sequence[int], digests: Sequence[bytes]) -> bytes:
        """The leaf hash of one group."""
        first = chain(digests, end_of(self._seed, group))
        data = leaf_data(
            group=group,
            timescale=self.timescale,
            start=self.start(pts[0]),
            frames=len(digests),
            sets=self.sets,
            first=first,
        )
        return hashlib.sha256(b"\x00" + data).digest()  # RFC 6962 2.1

    def digest(self, first: int, pts: int, data: bytes) -> bytes:
        """Of one sample of the group whose first picture is shown at `first`."""
        return sample_digest((pts - first) * self._step, data)

    def digests(self, pts: Sequence[int], samples: Sequence[bytes]) -> list[bytes]:
        return [self.digest(pts[0], when, data) for when, data in zip(pts, samples, strict=True)]

    def start(self, pts: int) -> int:
        return pts * self._step

    def rest(self, group: int, digests: Sequence[bytes], head: int) -> bytes:
        """The chain behind the first `head` pictures."""
        return chain(digests[head:], end_of(self._seed, group))


def index_groups(file: BinaryIO, *, seconds: float | None = None) -> GroupIndex:
    """Read the recording once and digest its groups. Raises `Uncopyable` when it has none, or no `seconds` are left."""
    seed = secrets.token_bytes(SEED_BYTES)
    until = None if seconds is None else time.monotonic() + seconds
    with CodedPictures(file) as coded:
        return GroupIndex(seed=seed, leaves=tuple(_leaves(coded, GroupLeaves(coded, seed), until)))


def _leaves(coded: CodedPictures, leaves: GroupLeaves, until: float | None) -> Iterator[bytes]:
    pts: list[int] = []
    digests: list[bytes] = []
    number = 0
    for count, sample in enumerate(coded, 1):
        if until is not None and count % _LOOK_EVERY == 0 and time.monotonic() > until:
            raise Uncopyable("digesting it took too long")
        if sample.is_idr and pts:
            yield leaves.leaf(number, pts, digests)
            number, pts, digests = number + 1, [], []
        pts.append(sample.pts)
        digests.append(leaves.digest(pts[0], sample.pts, sample.data))
    if pts:
        yield leaves.leaf(number, pts, digests)


def index_of(document: Mapping[str, Any]) -> GroupIndex | None:
    """The index in a sealed facts document."""
    return GroupIndex.from_json(document.get("groups"))
