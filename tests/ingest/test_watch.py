"""A watched folder: a card is taken in once, when it is still, and what goes wrong is said and tried again."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from bwc.errors import InUse, StorageError, UsageError
from bwc.ingest.card import list_card
from bwc.ingest.layout import Layout
from bwc.ingest.tags import Tags
from bwc.ingest.watch import News, Watch, is_being_written, tags_by_layout
from bwc.ingest.watch_book import ATTENTION, Book
from tests.ingest.conftest import MemoryHouse, plain_facts

TAGS = Tags(officer="", camera="", category="traffic")


class Watched:
    """A watch whose clock the test turns."""

    def __init__(self, folder: Path, house: MemoryHouse, book: Book, layout: str | None = "{camera}_{officer}") -> None:
        self.now = 1000.0
        self.news: list[News] = []
        self.door: Callable[[], Any] = lambda: nullcontext(house)
        self.watch = Watch(
            folder=folder,
            enter=self.enter,
            tags_for=tags_by_layout(layout, {}, TAGS),
            book=book,
            tell=self.news.append,
            settle_s=10.0,
            describe=plain_facts,
        )

    def enter(self) -> Any:
        return self.door()

    def after(self, seconds: float) -> float:
        """Look once after so long, and wait for what that started."""
        self.now += seconds
        pause = self.watch.step(self.now)
        until = time.monotonic() + 10
        while self.watch.is_busy and time.monotonic() < until:
            time.sleep(0.005)
            self.watch.step(self.now)
        return pause


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with Book(tmp_path / "receipts").opened() as opened:
        yield opened


@pytest.fixture
def docks(tmp_path: Path) -> Path:
    folder = tmp_path / "docks"
    folder.mkdir()
    return folder


@pytest.fixture
def watched(docks: Path, house: MemoryHouse, book: Book) -> Watched:
    return Watched(docks, house, book)


def put(folder: Path, name: str = "A.MP4", content: bytes = b"first") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder


def test_a_card_is_taken_in_once_when_it_is_still(
    watched: Watched, docks: Path, house: MemoryHouse, book: Book
) -> None:
    put(docks / "X1_B1" / "DCIM")
    watched.after(0)
    watched.after(9)
    assert house.events == []
    watched.after(1)
    assert [(one.name, one.text) for one in watched.news] == [("X1_B1", "SAFE TO WIPE")]
    item = house.events[0][1]["item"]
    assert (item.camera_id, item.officer_id, item.category) == ("X1", "B1", "traffic")
    watched.after(3600)
    assert house.kinds() == ["ingest"]
    assert len(list(book.folder.glob("*.json"))) == 2  # the receipt and the book


def test_what_still_grows_is_not_taken(watched: Watched, docks: Path, house: MemoryHouse) -> None:
    card = put(docks / "X1_B1")
    watched.after(0)
    for at in range(5):
        (card / "A.MP4").write_bytes(b"x" * at)
        watched.after(9)
    assert house.events == []
    watched.after(10)
    assert house.kinds() == ["ingest"]


def test_a_file_that_somebody_holds_open_for_writing_waits(watched: Watched, docks: Path, house: MemoryHouse) -> None:
    card = put(docks / "X1_B1")
    with (card / "A.MP4").open("ab") as writer:
        if not is_being_written(list_card(card)):
            pytest.skip("no leases on this file system")
        watched.after(0)
        watched.after(100)
        assert house.events == []
        writer.write(b" and the rest")
    watched.after(0)
    watched.after(10)
    assert house.events[0][1]["item"].segments[0].size_bytes == len(b"first and the rest")


def test_new_files_on_a_known_card_are_taken_too(watched: Watched, docks: Path, house: MemoryHouse) -> None:
    card = put(docks / "X1_B1")
    watched.after(0)
    watched.after(10)
    put(card, "B.MP4", b"second")
    watched.after(0)
    watched.after(10)
    assert house.kinds() == ["ingest", "duplicate", "ingest"]


def test_a_restart_takes_nothing_twice(watched: Watched, docks: Path, house: MemoryHouse, book: Book) -> None:
    put(docks / "X1_B1")
    watched.after(0)
    watched.after(10)
    again = Book(book.folder)
    with pytest.raises(InUse), again.opened():
        pass
    again._done = again._read()
    restarted = Watched(docks, house, again)
    restarted.after(0)
    restarted.after(100)
    assert house.kinds() == ["ingest"]


def test_a_card_that_comes_back_has_another_receipt(watched: Watched, docks: Path, house: MemoryHouse) -> None:
    card = put(docks / "X1_B1")
    watched.after(0)
    watched.after(10)
    card.rename(docks.parent / "out")
    watched.after(1)
    (docks.parent / "out").rename(card)
    watched.after(1)
    watched.after(10)
    assert house.kinds() == ["ingest", "duplicate"]
    assert len(watched.news) == 2


def test_a_failure_is_said_once_and_tried_again_later(
    watched: Watched, docks: Path, house: MemoryHouse, book: Book
) -> None:
    put(docks / "X1_B1")

    def closed() -> Any:
        raise StorageError("the vault does not answer", "bwc doctor")

    open_door, watched.door = watched.door, closed
    watched.after(0)
    watched.after(10)
    watched.after(1)
    assert [one.is_good for one in watched.news] == [False]
    assert "the vault does not answer (bwc doctor)" in (book.folder / ATTENTION).read_text()
    watched.door = open_door
    watched.after(10)
    assert watched.news[-1].text == "SAFE TO WIPE"
    assert not (book.folder / ATTENTION).exists()


def test_a_card_of_nobody_knows_whom_is_refused_loudly(
    watched: Watched, docks: Path, house: MemoryHouse, book: Book
) -> None:
    card = put(docks / "untitled")
    watched.after(0)
    watched.after(10)
    watched.after(100)
    assert len(watched.news) == 1
    assert "untitled is not like {camera}_{officer}" in watched.news[0].text
    card.rename(docks / "X1_B1")
    watched.after(1)
    watched.after(10)
    assert watched.news[-1].is_good
    assert not (book.folder / ATTENTION).exists()


def test_a_card_that_is_not_safe_needs_a_person(watched: Watched, docks: Path, book: Book) -> None:
    card = put(docks / "X1_B1")
    (card / "out.mp4").symlink_to("/etc/hostname")
    watched.after(0)
    watched.after(10)
    assert watched.news[0].text.startswith("NOT SAFE TO WIPE: out.mp4")
    assert "X1_B1: NOT SAFE TO WIPE" in (book.folder / ATTENTION).read_text()


def test_loose_files_are_a_card_of_their_own(docks: Path, house: MemoryHouse, book: Book) -> None:
    put(docks, "A.MP4")
    put(docks, "A.json", b"{}")
    put(docks / "X1_B1", "B.MP4", b"second")
    watched = Watched(docks, house, book, layout=None)
    watched.watch.tags_for = tags_by_layout(None, {"officer": "B9", "camera": "X9"}, TAGS)
    for _ in range(4):
        watched.after(10)
    assert sorted(one.name for one in watched.news) == [".", "X1_B1"]
    assert house.kinds() == ["ingest", "ingest"]


def test_a_stop_ends_readers_and_the_next_start_goes_on(docks: Path, house: MemoryHouse, book: Book) -> None:
    put(docks / "X1_B1", content=b"x" * 50_000)
    watched = Watched(docks, house, book)
    watched.watch._stopped = True  # as if the stop came while the first block was read
    watched.after(0)
    watched.watch.step(watched.now + 10)
    watched.watch.stop(watched.now + 10)
    assert [one.text for one in watched.news] == ["stopped; the next start goes on"]
    again = Watched(docks, house, book)
    again.after(0)
    again.after(10)
    assert again.news[0].text == "SAFE TO WIPE"


def test_layouts() -> None:
    assert Layout.parse("{camera}_{officer}").read("X81_B12_3") == {"camera": "X81", "officer": "B12_3"}
    assert Layout.parse("bwc-{case}").read("bwc-26-1182") == {"case": "26-1182"}
    for wrong in ("", "camera", "{serial}", "{camera}{camera}", "{camera}{"):
        with pytest.raises(UsageError):
            Layout.parse(wrong)
    with pytest.raises(UsageError):
        Layout.parse("{camera}_{officer}").read("X81")


def test_a_book_that_cannot_be_read_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "watch.json").write_text("{")
    with pytest.raises(UsageError), Book(tmp_path).opened():
        pass
