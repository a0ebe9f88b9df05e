"""Every byte of an object of three segments, of its manifest and of its envelope: changed, cut off, moved, added to.

The slow tests go through all of them; the default run takes samples (more are in tests/storage and tests/journeys).
"""

import io
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from bwc.errors import IntegrityError, SealBroken
from bwc.evidence import ItemId, ObjectRole, SealedObject
from bwc.identities import LocalOperator
from bwc.storage.fsops import Disk
from bwc.storage.store import LocalStore, Shelf
from bwc.storage.stream import FIRST_PLAIN, HEADER, NEXT_PLAIN, SEGMENT, OpenedStream, SealingWriter, SegmentCipher
from bwc.storage.vault import Vault

KEY, AAD = bytes(range(32)), b"every byte"
PARTS = 16  # so that several workers share the long ones
ITEM = ItemId("2026-1128-K4J7QX")
SIGNER, OFFICER = LocalOperator.generate("technician"), LocalOperator.generate("officer")


def three_segments() -> bytes:
    out = io.BytesIO()
    writer = SealingWriter(out, KEY, AAD)
    writer.write(bytes(FIRST_PLAIN + NEXT_PLAIN + 1000))
    writer.close()
    return out.getvalue()


THREE = three_segments()


def refused(sealed: bytes | bytearray) -> None:
    with pytest.raises(SealBroken):
        OpenedStream(io.BytesIO(sealed), KEY, AAD).read()


def flip_all(places: range) -> None:
    """Change each byte; the segment it is in must not open. (Its bits are equal to AES-GCM: one of them is tried.)"""
    sealed, out = bytearray(THREE), bytearray(SEGMENT)
    cipher = SegmentCipher(KEY, AAD, THREE[:HEADER])
    last = (len(THREE) - 1) // SEGMENT
    with memoryview(sealed) as view, memoryview(out) as plain:
        for place in places:
            sealed[place] ^= 1 << place % 8
            if place < HEADER:
                refused(sealed)
            else:
                index = place // SEGMENT
                start, end = max(HEADER, index * SEGMENT), min(len(sealed), (index + 1) * SEGMENT)
                try:
                    cipher.open_into(index, view[start:end], plain[: end - start - 16], last=index == last)
                except SealBroken:
                    pass
                else:
                    pytest.fail(f"byte {place} changed and the segment opened")
            sealed[place] ^= 1 << place % 8
    assert sealed == THREE


def test_some_bytes_changed() -> None:
    flip_all(range(0, HEADER + 40))
    flip_all(range(HEADER, len(THREE), 20_011))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_byte_changed(part: int) -> None:
    flip_all(range(part, len(THREE), PARTS))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_cut_off_at_every_byte(part: int) -> None:
    for length in range(part, len(THREE), PARTS):
        try:  # opening alone must see it: it proves the length
            OpenedStream(_Front(length), KEY, AAD)
        except SealBroken:
            continue
        pytest.fail(f"the first {length} bytes opened")


class _Front(io.RawIOBase):
    """The first so many bytes of the stream, without copying them."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length, self._at = length, 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = offset if whence == 0 else self._length + offset
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        count = min(len(buffer), max(0, self._length - self._at))
        buffer[:count] = memoryview(THREE)[self._at : self._at + count]
        self._at += count
        return count


def test_every_order_of_up_to_four_segments() -> None:
    segments = [THREE[start : start + SEGMENT] for start in range(0, len(THREE), SEGMENT)]
    for count in range(5):
        for order in itertools.product(range(3), repeat=count):
            if order != (0, 1, 2):
                refused(b"".join(segments[index] for index in order))


def test_anything_appended() -> None:
    for count in (*range(1, 300), *range(SEGMENT - 1100, SEGMENT - 900), SEGMENT, 2 * SEGMENT):
        refused(THREE + bytes(count))
    refused(THREE + THREE)


# --- manifest and envelope ---


class Changed(LocalStore):
    """A store in which one document holds other bytes."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.change: tuple[Shelf, str, bytes | None] | None = None

    def get(self, shelf: Shelf, name: str) -> bytes | None:
        if self.change and self.change[:2] == (shelf, name):
            return self.change[2]
        return super().get(shelf, name)


def sealed_vault(folder: Path) -> tuple[Vault, Changed, SealedObject]:
    disk = Disk(folder)
    store = Changed(disk)
    vault = Vault(store, log="log.example/springfield", disk=disk)
    source: BinaryIO = io.BytesIO(bytes(FIRST_PLAIN + NEXT_PLAIN + 1000))
    held = vault.seal(
        source,
        item=ITEM,
        role=ObjectRole.SEGMENT,
        segment=0,
        signer=SIGNER,
        recipients=[OFFICER.recipient],
        now=datetime(2026, 11, 28, tzinfo=UTC),
    )
    held.forget()
    return vault, store, held.sealed


def variants(data: bytes, stride: int) -> Iterator[bytes]:
    """`data` with every byte changed, cut off at every byte, and with something added at every byte."""
    for place in range(0, len(data), stride):
        for mask in (1, 0x20, 0x80):
            yield data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
        yield data[:place]
        yield data[:place] + b" " + data[place:]
    yield data + b"\n"
    yield data + data


def hold_to_it(folder: Path, shelf: Shelf, stride: int) -> None:
    vault, store, sealed = sealed_vault(folder)
    name = sealed.object_id if shelf is Shelf.MANIFESTS else sealed.envelope_sha256
    data = store.get(shelf, name) or b""
    what = "the manifest of object" if shelf is Shelf.MANIFESTS else "the envelope of object"
    for changed in (*variants(data, stride), None):
        store.change = (shelf, name, changed)
        with pytest.raises(IntegrityError, match=f"{what} {sealed.object_id}"):
            vault.open(sealed, OFFICER)
        with pytest.raises(IntegrityError, match=f"{what} {sealed.object_id}"):
            vault.check(sealed, deep=False)
    store.change = None
    vault.check(sealed, deep=True)


@pytest.mark.parametrize("shelf", [Shelf.MANIFESTS, Shelf.ENVELOPES])
def test_some_bytes_of_a_document(tmp_path: Path, shelf: Shelf) -> None:
    hold_to_it(tmp_path, shelf, 97)


@pytest.mark.slow
@pytest.mark.parametrize("shelf", [Shelf.MANIFESTS, Shelf.ENVELOPES])
def test_every_byte_of_a_document(tmp_path: Path, shelf: Shelf) -> None:
    hold_to_it(tmp_path, shelf, 1)
