"""The two passes over footage: seal (read, digest, encrypt, stage) and prove (read back from the device, compare).

Seal reads the source once. Prove trusts nothing that is still in memory but the file key: it digests the sealed
bytes and opens every segment, all from what the device gives back. Three digests in all are the cost (one of the
plaintext, one of the sealed bytes, one for their leaves); encryption and direct writes are nearly free beside them.
"""

import hashlib
import mmap
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from bwc.errors import SealBroken
from bwc.storage.diskfile import BLOCK, StagedFile
from bwc.storage.lanes import AHEAD, run_lanes
from bwc.storage.manifest import LEAF_BYTES
from bwc.storage.stream import (
    FIRST_PLAIN,
    HEADER,
    NEXT_PLAIN,
    SEGMENT,
    TAG,
    SegmentCipher,
    new_header,
    sealed_size,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBytes:
    """What the first pass has staged: not proven yet. `content_sha256` is of the plaintext as it was read."""

    content_sha256: str
    plain_bytes: int
    sealed_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenBytes:
    """What the device gave back. Digests are 64 hex digits."""

    object_id: str
    plain_bytes: int
    sealed_bytes: int
    leaves: tuple[str, ...]


class PlainBlock(NamedTuple):
    """Plaintext of four whole segments, or fewer at the end."""

    plain: memoryview
    is_last: bool


class SealingPass:
    """Plaintext in, sealed bytes staged: for sources that are read and for copies that are rendered."""

    def __init__(self, staged: StagedFile, dek: bytes | bytearray, aad: bytes) -> None:
        self._staged = staged
        self._cipher = SegmentCipher(dek, aad, new_header())
        self._index = 0
        self._digest = hashlib.sha256()
        self._plain_bytes = 0
        self._waiting: memoryview | None = None
        self._filled = 0
        self._ended = False

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Digest and seal `data`."""
        if self._ended:
            raise ValueError("the sealed stream has ended")
        self._digest.update(data)
        if self._waiting is None:
            self._waiting = memoryview(bytearray(_plain_of_block(0)))
        view = memoryview(data).cast("B")
        start = 0
        while start < len(view):
            # a full block waits for one more byte: only then is it known not to be the last
            if self._filled == len(self._waiting):
                self._seal(PlainBlock(self._waiting, is_last=False))
                if len(self._waiting) != _plain_of_block(1):
                    self._waiting = memoryview(bytearray(_plain_of_block(1)))
                self._filled = 0
            count = min(len(self._waiting) - self._filled, len(view) - start)
            self._waiting[self._filled : self._filled + count] = view[start : start + count]
            self._filled += count
            start += count
        return len(view)

    def read(self, source: BinaryIO) -> None:
        """Digest and seal the whole of `source`, side by side. What `source` raises comes out."""
        if self._ended or self._waiting is not None:
            raise ValueError("a source is sealed whole, or not at all")
        run_lanes(plain_blocks(source), lambda block: self._digest.update(block.plain), self._seal)
        self._ended = True

    def finish(self) -> SealedBytes:
        """Seal the last segment and sync."""
        if not self._ended:
            waiting = memoryview(bytearray()) if self._waiting is None else self._waiting
            self._seal(PlainBlock(waiting[: self._filled], is_last=True))
            waiting[:] = bytes(len(waiting))
            self._ended = True
        self._staged.finish()
        return SealedBytes(
            content_sha256=self._digest.hexdigest(),
            plain_bytes=self._plain_bytes,
            sealed_bytes=self._staged.size_bytes,
        )

    def _seal(self, block: PlainBlock) -> None:
        # straight from the block that was read into the block that is written: each copy in between costs as
        # much as a third of a digest
        sealed, rest, filled = self._staged.space(), block.plain, 0
        if self._index == 0:
            sealed[:HEADER] = self._cipher.header
            filled = HEADER
        while True:
            plain, rest = rest[: plain_of_segment(self._index)], rest[plain_of_segment(self._index) :]
            out = sealed[filled : filled + len(plain) + TAG]
            self._cipher.seal_into(self._index, plain, out, last=block.is_last and not rest)
            filled += len(out)
            self._index += 1
            if not rest:
                break
        self._plain_bytes += len(block.plain)
        self._staged.advance(filled)


class LeafDigests:
    """SHA-256 of each 8 MiB of what is fed to it."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._digest = hashlib.sha256()
        self._filled = 0

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        while view:
            part = view[: LEAF_BYTES - self._filled]
            self._digest.update(part)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == LEAF_BYTES:
                self._close()

    def finish(self) -> tuple[str, ...]:
        if self._filled:
            self._close()
        return tuple(self._done)

    def _close(self) -> None:
        self._done.append(self._digest.hexdigest())
        self._digest = hashlib.sha256()
        self._filled = 0


class SegmentOpener:
    """Opens the segments of a stream that comes in blocks of whole segments, and counts their plaintext."""

    def __init__(self, dek: bytes | bytearray, aad: bytes, sealed_bytes: int) -> None:
        self._dek, self._aad = dek, aad
        self._sealed_bytes = sealed_bytes
        self._at = 0
        self._cipher: SegmentCipher | None = None
        self._plain = memoryview(bytearray(SEGMENT))
        self.plain_bytes = 0

    def feed(self, block: memoryview) -> None:
        """Open each segment in `block`. Raises `SealBroken`."""
        while len(block):
            segment, block = block[:SEGMENT], block[SEGMENT:]
            self._open(segment, last=self._at + len(segment) == self._sealed_bytes)
            self._at += len(segment)

    def _open(self, segment: memoryview, *, last: bool) -> None:
        if self._cipher is None:
            if len(segment) < HEADER + TAG:
                raise SealBroken("a sealed stream ends in its header")
            self._cipher = SegmentCipher(self._dek, self._aad, bytes(segment[:HEADER]))
            index, sealed = 0, segment[HEADER:]
        else:
            index, sealed = self._at // SEGMENT, segment
        if len(sealed) < TAG:
            raise SealBroken("a sealed stream ends in a tag")
        plain = self._plain[: len(sealed) - TAG]
        self._cipher.open_into(index, sealed, plain, last=last)
        self.plain_bytes += len(plain)

    def finish(self) -> None:
        """Raise `SealBroken` unless the stream came to its end."""
        if self._cipher is None or self._at != self._sealed_bytes:
            raise SealBroken("a sealed stream became shorter while it was read")
        self._plain[:] = bytes(len(self._plain))


def prove(blocks: Iterable[memoryview], dek: bytes | bytearray, aad: bytes, *, sealed: SealedBytes) -> ProvenBytes:
    """Digest `blocks` (from the device), open all of them and compare with what was `sealed`. Raises `SealBroken`."""
    # The plaintext is not digested again: its segments were sealed from the very buffers that were digested, and one
    # that opens under its number and the file key is that plaintext. A fourth digest cost a third of the speed.
    whole, leaves = hashlib.sha256(), LeafDigests()
    opener = SegmentOpener(dek, aad, sealed.sealed_bytes)
    has_one_leaf = sealed.sealed_bytes <= LEAF_BYTES  # then it is the digest of the whole
    run_lanes(blocks, whole.update, opener.feed, *(() if has_one_leaf else (leaves.feed,)))
    opener.finish()
    if opener.plain_bytes != sealed.plain_bytes or sealed_size(opener.plain_bytes) != sealed.sealed_bytes:
        raise SealBroken("the sealed bytes open to another length than was read")
    object_id = whole.hexdigest()
    return ProvenBytes(
        object_id=object_id,
        plain_bytes=opener.plain_bytes,
        sealed_bytes=sealed.sealed_bytes,
        leaves=(object_id,) if has_one_leaf else leaves.finish(),
    )


def plain_blocks(source: BinaryIO) -> Iterator[PlainBlock]:
    """`source` to its end, at least one block; each is valid until `AHEAD` more were asked for."""
    # with the lanes, and one that waits to learn whether it is the last, and one being filled
    buffers = deque([memoryview(mmap.mmap(-1, BLOCK))])
    waiting = _fill(source, buffers[0][: _plain_of_block(0)])
    if len(waiting) == _plain_of_block(0):  # a small source needs no more than that
        buffers.extend(memoryview(mmap.mmap(-1, BLOCK)) for _ in range(AHEAD))
    else:
        yield PlainBlock(waiting, is_last=True)
        return
    while True:
        buffers.rotate(-1)
        following = _fill(source, buffers[0][: _plain_of_block(1)])
        yield PlainBlock(waiting, is_last=not following)
        if not following:
            return
        waiting = following


def _fill(source: BinaryIO, view: memoryview) -> memoryview:
    """As much of `view` as the source could fill: all of it, but at its end."""
    into = getattr(source, "readinto", None)
    filled = 0
    while filled < len(view):
        if into is not None:
            count = into(view[filled:]) or 0
        else:
            data = source.read(len(view) - filled)
            count = len(data)
            view[filled : filled + count] = data
        if not count:
            break
        filled += count
    return view[:filled]


def plain_of_segment(index: int) -> int:
    """Plaintext bytes that a whole segment holds."""
    return NEXT_PLAIN if index else FIRST_PLAIN


def _plain_of_block(index: int) -> int:
    first = index * (BLOCK // SEGMENT)
    return sum(plain_of_segment(first + at) for at in range(BLOCK // SEGMENT))
