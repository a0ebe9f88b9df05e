"""Lanes: every block to every lane, in order, while it is still that block; the first error comes out."""

import hashlib
import io
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.canonical import sha256_hex
from bwc.errors import SealBroken, StorageError, StoreFull
from bwc.evidence import ItemId, ObjectRole, SealedObject
from bwc.identities import LocalOperator
from bwc.storage.diskfile import BLOCK
from bwc.storage.fsops import Disk
from bwc.storage.lanes import AHEAD, run_lanes
from bwc.storage.passes import SealingPass, plain_blocks, prove
from bwc.storage.syscalls import OsCalls
from bwc.storage.vault import Vault

KEY, AAD = bytes(range(32)), b"lanes"


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"lanes").digest(size)


class Slow:
    """A lane that now and then falls behind."""

    def __init__(self, seed: int) -> None:
        self.coin = random.Random(seed)
        self.digest = hashlib.sha256()

    def __call__(self, block: memoryview) -> None:
        if self.coin.random() < 0.5:
            time.sleep(0.004)
        self.digest.update(block)


@pytest.mark.parametrize("count", range(2 * AHEAD + 2))
def test_a_block_stays_what_it_is_until_the_slowest_lane_has_it(count: int) -> None:
    data = [bytes([number]) * 100 for number in range(count)]

    def blocks() -> Iterator[memoryview]:
        buffers = [bytearray(100) for _ in range(AHEAD)]
        for number, block in enumerate(data):
            buffers[number % AHEAD][:] = block
            yield memoryview(buffers[number % AHEAD])

    lanes = [Slow(seed) for seed in range(3)]
    run_lanes(blocks(), *lanes)
    assert {lane.digest.digest() for lane in lanes} == {hashlib.sha256(b"".join(data)).digest()}


@pytest.mark.parametrize("at", range(6))
def test_an_error_of_a_lane_comes_out_and_no_lane_runs_on(at: int) -> None:
    seen = []
    before = set(threading.enumerate())  # of other tests

    def fails(number: int) -> None:
        if number == at:
            raise SealBroken("found it")

    with pytest.raises(SealBroken, match="found it"):
        run_lanes(iter(range(6)), seen.append, fails)
    had = list(seen)
    time.sleep(0.02)
    assert seen == had == sorted(had)
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("at", range(5))
def test_an_error_of_the_source_comes_out(at: int) -> None:
    def source() -> Iterator[int]:
        yield from range(at)
        raise StorageError("no more")

    with pytest.raises(StorageError, match="no more"):
        run_lanes(source(), lambda _: time.sleep(0.002))


class SlowDisk(OsCalls):
    """Writes and reads that now and then take their time."""

    def __init__(self) -> None:
        self.coin = random.Random(1)

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        time.sleep(self.coin.random() / 50)
        return super().write(fd, data)

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int:
        time.sleep(self.coin.random() / 50)
        return super().read_into(fd, buffer, offset)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1000, BLOCK, 5 * BLOCK + 4711, 7 * BLOCK])
def test_what_is_sealed_through_all_buffers_opens_to_the_source(tmp_path: Path, size: int) -> None:
    data = noise(size)
    disk = Disk(tmp_path, SlowDisk())
    with disk.stage() as staged:
        sealing = SealingPass(staged, KEY, AAD)
        sealing.read(io.BytesIO(data))
        sealed = sealing.finish()
        assert sealed.content_sha256 == hashlib.sha256(data).hexdigest()
        proven = prove(staged.blocks(), KEY, AAD, sealed=sealed)
        on_disk = Path(staged.full_path).read_bytes()
    assert proven.object_id == hashlib.sha256(on_disk).hexdigest()
    leaves = [on_disk[start : start + 2 * BLOCK] for start in range(0, len(on_disk), 2 * BLOCK)]
    assert proven.leaves == tuple(hashlib.sha256(leaf).hexdigest() for leaf in leaves)


def test_the_blocks_of_a_source_are_valid_as_long_as_lanes_need(tmp_path: Path) -> None:
    data = noise(6 * BLOCK)
    held: list[tuple[memoryview, bytes]] = []
    for block in plain_blocks(io.BytesIO(data)):
        held.append((block.plain, bytes(block.plain)))
        assert all(bytes(view) == was for view, was in held[-AHEAD:])
    assert b"".join(was for _, was in held) == data


class FullAfter(OsCalls):
    """A disk that is full after so many writes."""

    def __init__(self, writes: int) -> None:
        self.writes = writes

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        if not self.writes:
            raise OSError(28, "No space left on device")
        self.writes -= 1
        return super().write(fd, data)


@pytest.mark.parametrize("writes", range(6))
def test_an_error_of_the_writing_thread_comes_out(tmp_path: Path, writes: int) -> None:
    disk = Disk(tmp_path, FullAfter(writes))
    with pytest.raises(StoreFull):
        stage_sealed(disk, noise(5 * BLOCK))
    assert disk.names("staging") == []


def stage_sealed(disk: Disk, data: bytes) -> None:
    with disk.stage() as staged:
        sealing = SealingPass(staged, KEY, AAD)
        sealing.read(io.BytesIO(data))
        sealing.finish()


def test_eight_threads_seal_into_one_vault(tmp_path: Path) -> None:
    vault = Vault.at(tmp_path, log="log.example/lanes", disk=Disk(tmp_path, SlowDisk()))
    person = LocalOperator.generate("dock")
    cards = [noise(BLOCK + 1000 * number)[number:] for number in range(8)]

    def seal(number: int) -> SealedObject:
        held = vault.seal(
            io.BytesIO(cards[number]),
            item=ItemId("2026-1128-K4J7QX"),
            role=ObjectRole.SEGMENT,
            segment=number,
            signer=person,
            recipients=[person.recipient],
            now=datetime(2026, 11, 28, tzinfo=UTC),
        )
        held.forget()
        return held.sealed

    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(seal, range(8)))
    for one, card in zip(sealed, cards, strict=True):
        vault.check(one)
        with vault.open(one, person) as opened:
            assert sha256_hex(opened.read()) == sha256_hex(card)
    assert vault._disk.names("staging") == []
