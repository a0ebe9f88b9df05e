"""Several cards at once: each has its receipt, none stops the others, and the vault stays one."""

import os
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from bwc.errors import IntegrityError, Interrupted, NotFound, PartlyDone, StorageError, UsageError
from bwc.ingest.docks import Done, Order, raise_worst, take_in_all
from bwc.ingest.tags import Tags
from tests.ingest.conftest import MemoryHouse, plain_facts


def orders(*cards: Path) -> list[Order]:
    return [Order(card=card, tags=Tags(officer=f"B{at}", camera=f"X{at}")) for at, card in enumerate(cards)]


def make(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder


def test_each_card_has_its_receipt_in_the_order_given(tmp_path: Path, house: MemoryHouse) -> None:
    cards = [make(tmp_path / str(at), "A.MP4", os.urandom(100)) for at in range(3)]
    done = take_in_all(orders(*cards), lambda: nullcontext(house), describe=plain_facts)
    assert [one.receipt.officer for one in done if one.receipt] == ["B0", "B1", "B2"]
    assert all(one.is_safe for one in done)
    raise_worst(done)


def test_a_card_that_fails_does_not_stop_the_others(tmp_path: Path, house: MemoryHouse) -> None:
    cards = [make(tmp_path / str(at), "A.MP4", os.urandom(100)) for at in range(3)]
    turns = iter([nullcontext(house), None, nullcontext(house)])

    def enter() -> AbstractContextManager[Any]:
        turn = next(turns)
        if turn is None:
            raise StorageError("the vault does not answer")
        return turn

    done = take_in_all(orders(*cards), enter, describe=plain_facts)
    assert [one.is_safe for one in done] == [True, False, True]
    with pytest.raises(StorageError):
        raise_worst(done)


def test_cards_on_different_devices_are_read_at_once(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second device to write to")
    both = threading.Barrier(2, timeout=10)

    def meet(_: int) -> None:
        both.wait()  # only passes when two readers are here at once

    other = shared / f"bwc-{os.getpid()}"
    houses = iter([MemoryHouse(before_seal=meet), MemoryHouse(before_seal=meet)])
    try:
        cards = [make(tmp_path / "a", "A.MP4", b""), make(other, "B.MP4", b"")]
        done = take_in_all(orders(*cards), lambda: nullcontext(next(houses)), describe=plain_facts)
    finally:
        (other / "B.MP4").unlink(missing_ok=True)
        other.rmdir()
    assert all(one.is_safe for one in done)


def test_the_same_card_twice_is_refused_before_anything_is_read(tmp_path: Path, house: MemoryHouse) -> None:
    card = make(tmp_path / "a" / "b", "A.MP4", b"x")
    for twice in ([card, card], [card, card.parent], [card / "A.MP4", card]):
        with pytest.raises(UsageError):
            take_in_all(orders(*twice), lambda: nullcontext(house))
    with pytest.raises(NotFound):
        take_in_all(orders(card, tmp_path / "none"), lambda: nullcontext(house))
    assert house.events == []


def test_progress_is_one_sum_and_a_stop_reaches_every_reader(tmp_path: Path, house: MemoryHouse) -> None:
    cards = [make(tmp_path / str(at), "A.MP4", os.urandom(5000)) for at in range(2)]
    seen: list[tuple[int, int | None]] = []

    def progress(done: int, total: int | None) -> None:
        seen.append((done, total))

    take_in_all(orders(*cards), lambda: nullcontext(house), progress=progress, describe=plain_facts)
    assert seen[-1] == (10_000, 10_000)
    assert seen[0][1] is None, "the sum is not known before every card is listed"


def test_a_script_hears_of_a_broken_vault_first(tmp_path: Path) -> None:
    def failed(error: Any) -> Done:
        return Done(order=orders(tmp_path)[0], error=error)

    everything = [failed(PartlyDone("a")), failed(Interrupted("b")), failed(IntegrityError("c"))]
    for expected in (IntegrityError, Interrupted):
        with pytest.raises(expected):
            raise_worst(everything)
        everything.pop()
    with pytest.raises(PartlyDone, match="2 of 3 cards"):
        raise_worst([failed(PartlyDone("a")), failed(PartlyDone("b")), Done(order=orders(tmp_path)[0])])
