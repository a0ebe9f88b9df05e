"""Which pictures of a released copy are the camera's own, bit for bit, shown against what the log says of the recording.

docs/formats/picture-groups.md is law. The log's `item.indexed` entry holds the root over the groups of pictures,
written when the recording was taken in; `groups.json` opens those that were copied and none of the others.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

from bwc.audit.event import Entry
from bwc.audit.merkle import leaf_hash, root_of
from bwc.canonical import is_sha256_hex, parse_canonical
from bwc.errors import DigestMismatch, IntegrityError, ProofInvalid
from bwc.evidence import EventKind, Outcome
from bwc.groupleaf import chain, leaf_data, sample_digest, sets_digest
from bwc.verifier.mp4_pictures import Pictures, read_pictures, set_id

FORMAT = "bwc.copied-groups/1"
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class Copied:
    """The first `frames` of the `of` pictures of one group; in the copy they begin at picture `first`."""

    group: int
    first: int
    frames: int
    of: int
    start: int
    rest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedGroups:
    """The content of a groups.json."""

    timescale: int
    sets: bytes
    leaves: tuple[bytes, ...]
    copied: tuple[Copied, ...]

    @classmethod
    def parse(cls, data: bytes) -> "CopiedGroups":
        """Raises `IntegrityError` for anything but what the format page says."""
        value: Any = parse_canonical(data)
        try:
            if value["format"] != FORMAT or not is_sha256_hex(value["sets_sha256"]):
                raise ValueError("format")
            found = cls(
                timescale=_count(value["timescale"]),
                sets=bytes.fromhex(value["sets_sha256"]),
                leaves=tuple(_digest(leaf) for leaf in value["leaves"]),
                copied=tuple(
                    Copied(_count(group), _count(first), _count(frames), _count(of), _count(start), _digest(rest))
                    for group, first, frames, of, start, rest in value["copied"]
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("the paper of copied pictures is not as the format says") from error
        groups = [one.group for one in found.copied]
        if groups != sorted(set(groups)) or any(not 0 < one.frames <= one.of for one in found.copied):
            raise IntegrityError("the paper of copied pictures names a group twice, or more pictures than it has")
        if found.timescale == 0 or any(group >= len(found.leaves) for group in groups):
            raise IntegrityError("the paper of copied pictures names a group that was not recorded")
        return found

    @property
    def frames(self) -> int:
        return sum(one.frames for one in self.copied)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """Pictures that are said to be the recording's own and are not."""

    group: int
    times_ms: tuple[int, int]


def check_root(indexed: Entry, paper: CopiedGroups, *, item: str, segment: int) -> None:
    """Raise `ProofInvalid` unless the log entry says that root of that recording."""
    if (indexed.kind, indexed.outcome, indexed.item) != (EventKind.ITEM_INDEXED, Outcome.OK, item):
        raise ProofInvalid(f"entry {indexed.seq} does not index {item}")
    listed: Any = indexed.facts.get("segments")
    rows = listed if isinstance(listed, list) else []
    said = next((row.get("groups") for row in rows if isinstance(row, dict) and row.get("segment") == segment), None)
    found = {"count": len(paper.leaves), "root": root_of(paper.leaves).hex()}
    if said != found:
        raise ProofInvalid(f"the pictures recorded in entry {indexed.seq} are not the ones this release speaks of")


def check_copied(copy: BinaryIO, paper: CopiedGroups) -> list[Differs]:
    """What of `copy` is not the recording's own although `paper` says so; empty when all is.

    Raises `IntegrityError` when the copy is not an MP4 of ours, or would decode those pictures with other parameter sets.
    """
    pictures = read_pictures(copy)
    _check_sets(pictures, paper)
    shifts = {_shift(pictures, one, paper) for one in paper.copied if one.first < len(pictures.times)}
    if len(shifts) > 1:
        raise DigestMismatch("copied pictures are not shown at the recording's times")
    found = []
    for one in paper.copied:
        if not _is_recorded(copy, pictures, one, paper):
            found.append(Differs(group=one.group, times_ms=_times_ms(pictures, one)))
    return found


def _check_sets(pictures: Pictures, paper: CopiedGroups) -> None:
    """The recording's parameter sets come first, then the encoder's under other ids, so no picture can mean another's."""
    own = (pictures.sps[:1], pictures.pps[:-1] if len(pictures.sps) == 2 else pictures.pps)
    try:
        ids = [[set_id(unit) for unit in units] for units in (pictures.sps, pictures.pps)]
    except (ValueError, IndexError) as error:
        raise IntegrityError("the copy's parameter sets cannot be read") from error
    if sets_digest(*own) != paper.sets or any(len(numbers) != len(set(numbers)) for numbers in ids):
        raise DigestMismatch("the copy's parameter sets are not the recording's")


def _is_recorded(copy: BinaryIO, pictures: Pictures, one: Copied, paper: CopiedGroups) -> bool:
    places = range(one.first, one.first + one.frames)
    if places.stop > len(pictures.times):
        return False
    digests = []
    for at in places:
        copy.seek(pictures.offsets[at])
        after = (pictures.times[at] - pictures.times[one.first]) * paper.timescale
        if after % pictures.timescale:
            return False
        digests.append(sample_digest(after // pictures.timescale, copy.read(pictures.sizes[at])))
    data = leaf_data(
        group=one.group,
        timescale=paper.timescale,
        start=one.start,
        frames=one.of,
        sets=paper.sets,
        first=chain(digests, one.rest),
    )
    return leaf_hash(data) == paper.leaves[one.group]


def _shift(pictures: Pictures, one: Copied, paper: CopiedGroups) -> Fraction:
    """How much later the copy shows a group than the recording did: one value for all of a copy."""
    shown = pictures.start + Fraction(pictures.times[one.first], pictures.timescale)
    return shown - Fraction(one.start, paper.timescale)


def _times_ms(pictures: Pictures, one: Copied) -> tuple[int, int]:
    first, last = (min(at, len(pictures.times) - 1) for at in (one.first, one.first + one.frames))
    start = pictures.start * 1000
    return (
        int(start + Fraction(pictures.times[first] * 1000, pictures.timescale)),
        int(start + Fraction(pictures.times[last] * 1000, pictures.timescale)),
    )


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or not is_sha256_hex(value):
        raise ValueError(value)
    return bytes.fromhex(value)


def joined(times: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Times in their order, joined where they touch."""
    spans: list[tuple[int, int]] = []
    for first, last in times:
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], last))
        else:
            spans.append((first, last))
    return tuple(spans)
