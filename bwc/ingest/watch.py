"""Watch a folder of docks or a hot folder: each folder in it is a card, taken in once it is still.

A card is still when nothing in it changed for the settling time and nobody holds one of its files open for writing. The
file system's events only wake us sooner; where there are none (SMB, exFAT) looking again and again is enough. What was
taken in is remembered beside the receipts, so that a restart takes nothing twice. Nothing watched is ever changed.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bwc.canonical import canonical
from bwc.errors import BwcError, Interrupted
from bwc.ingest.card import Listing, list_card, name_text
from bwc.ingest.docks import MOST_AT_ONCE, Done, Enter, Order, take_in_one
from bwc.ingest.facts import Describe, describe_media
from bwc.ingest.tags import ANY_CARD, Rules, Tags
from bwc.ingest.watch_book import Book, Entry

LOOSE = "."  # the files that lie directly in the watched folder are one card too
IDLE_S = 15.0  # between two looks when everything is done
FIRST_RETRY_S, LAST_RETRY_S = 10.0, 600.0

TagsFor = Callable[[str], Tags]


@dataclass(slots=True)
class _Card:
    """One folder as it is watched."""

    listing: str
    since: float
    retry_at: float = 0.0
    retry_s: float = FIRST_RETRY_S
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something to tell: a card was taken in, or needs a person. `text` is one line."""

    name: str
    text: str
    is_good: bool
    receipt: Path | None = None


@dataclass(slots=True)
class Watch:
    """The watch over one folder. `step` looks once; the caller decides when."""

    folder: Path
    enter: Enter
    tags_for: TagsFor
    book: Book
    tell: Callable[[News], None]
    rules: Rules = ANY_CARD
    settle_s: float = 10.0
    describe: Describe = describe_media
    _cards: dict[str, _Card] = field(default_factory=dict)
    _running: dict[str, tuple["Future[Done]", str, int]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(MOST_AT_ONCE, "card"))
    _stopped: bool = False

    def step(self, now: float) -> float:
        """Look once; start what is still, tell what is done. The seconds until another look is worth it."""
        self._collect(now)
        try:
            found = self._look()
        except BwcError as error:
            self.tell(News(name=str(self.folder), text=f"{error.message}; looking again", is_good=False))
            return FIRST_RETRY_S
        for name in [name for name in self._cards if name not in found and name not in self._running]:
            del self._cards[name]  # taken out: what comes back is a card anew
            self.book.forget(name)
        unsettled = False
        for name, listing in found.items():
            unsettled |= self._consider(name, listing, now)
        return max(0.2, self.settle_s / 4) if unsettled or self._running else IDLE_S

    def stop(self, now: float) -> None:
        """Stop the readers, wait for what they have sealed to be recorded, tell it."""
        self._stopped = True
        self._pool.shutdown(wait=True)
        self._collect(now)

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    def _look(self) -> dict[str, Listing]:
        """Every card in the folder that holds anything."""
        top = list_card(self.folder, deep=False)
        found = {LOOSE: top} if top.files else {}
        for folder in top.folders:
            name = name_text(folder)
            try:
                listing = list_card(self.folder / os.fsdecode(folder))
            except BwcError as error:
                self._complain(name, error.message)
                continue
            if listing.files or listing.left:
                found[name] = listing
        return found

    def _consider(self, name: str, listing: Listing, now: float) -> bool:
        """Whether the card still changes or waits; starts its intake when it is still and due."""
        digest = listing_digest(listing)
        card = self._cards.get(name)
        if card is None or card.listing != digest:
            self._cards[name] = _Card(listing=digest, since=now)
            return not self.book.has(name, digest)
        if name in self._running or self.book.has(name, digest):
            return False
        if now - card.since < self.settle_s or now < card.retry_at:
            return True
        device = listing.device
        if any(other == device for _, _, other in self._running.values()):
            return True  # one reader for each device
        if is_being_written(listing):
            card.since = now
            return True
        try:
            tags = self.tags_for(name)
        except BwcError as error:
            self._complain(name, f"{error.message} ({error.hint})" if error.hint else error.message)
            card.retry_at = now + LAST_RETRY_S
            return False
        order = Order(card=listing.root, tags=tags, rules=self.rules)
        work = self._pool.submit(take_in_one, order, self.enter, self._check, self.describe, deep=name != LOOSE)
        self._running[name] = (work, digest, device)
        return True

    def _check(self, done: int, total: int | None) -> None:
        if self._stopped:
            raise Interrupted("the watch was stopped before the whole card was taken in", "start it again")

    def _collect(self, now: float) -> None:
        for name, (work, digest, _) in list(self._running.items()):
            if not work.done():
                continue
            del self._running[name]
            try:
                self._finish(name, digest, work.result(), now)
            except (OSError, BwcError) as error:  # the receipt could not be written: say so, try the card again
                self._again_later(name, now)
                self._complain(name, f"the receipt cannot be kept: {error}")

    def _finish(self, name: str, digest: str, done: Done, now: float) -> None:
        receipt = self.book.keep(done.receipt) if done.receipt else None
        stopped_by = done.error or (done.receipt.stopped_by if done.receipt else None)
        if stopped_by is None and done.receipt is not None:
            self.book.note(name, Entry(listing=digest, receipt=receipt.name if receipt else "", safe=done.is_safe))
            self._cards.pop(name, None)
            word = "SAFE TO WIPE" if done.is_safe else f"NOT SAFE TO WIPE: {done.receipt.objections[0]}"
            self.book.attend(name, None if done.is_safe else word)
            self.tell(News(name=name, text=word, is_good=done.is_safe, receipt=receipt))
            return
        self._again_later(name, now)
        if isinstance(stopped_by, Interrupted) and self._stopped:
            self.tell(News(name=name, text="stopped; the next start goes on", is_good=True, receipt=receipt))
        elif stopped_by is not None:
            hint = f" ({stopped_by.hint})" if stopped_by.hint else ""
            self._complain(name, f"{stopped_by.message}{hint}; tried again", receipt)

    def _again_later(self, name: str, now: float) -> None:
        card = self._cards.get(name)
        if card:
            card.retry_at = now + card.retry_s
            card.retry_s = min(card.retry_s * 2, LAST_RETRY_S)
            card.told = ""

    def _complain(self, name: str, text: str, receipt: Path | None = None) -> None:
        card = self._cards.get(name)
        if card and card.told == text:
            return
        if card:
            card.told = text
        with suppress(OSError):
            self.book.attend(name, text)
        self.tell(News(name=name, text=text, is_good=False, receipt=receipt))


def listing_digest(listing: Listing) -> str:
    """What lies on a card, as one digest: names, sizes, times."""
    found: list[dict[str, object]] = [
        {"name": file.name, "size": file.size_bytes, "time": str(file.mtime_ns)} for file in listing.files
    ]
    found += [{"left": left.name, "why": left.reason} for left in listing.left]
    return hashlib.sha256(canonical({"files": found})).hexdigest()  # type: ignore[dict-item]


def is_being_written(listing: Listing) -> bool:
    """Whether another process of this machine (a copy, a Samba server) holds a file of the card open for writing.

    The kernel refuses a read lease then (fcntl(2)). Where it grants none to us, or the file system has none, the answer
    is no, and the settling time alone decides. Whoever calls this ignores SIGIO: an opener in between would send it.
    """
    for file in listing.files:
        path = listing.root if listing.root.is_file() else listing.root / os.fsdecode(file.path)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EBUSY):
                return True
        finally:
            os.close(fd)
    return False


def tags_by_layout(layout: str | None, given: Mapping[str, str], tags: Tags) -> TagsFor:
    """How a card's folder name tells its tags: `layout` like `{camera}_{officer}`; `given` counts where it is silent."""
    from bwc.ingest.layout import Layout

    pattern = Layout.parse(layout) if layout else None

    def tags_for(name: str) -> Tags:
        said = dict(given) | (pattern.read(name) if pattern and name != LOOSE else {})
        return Tags(
            officer=Layout.need(said, "officer", name),
            camera=Layout.need(said, "camera", name),
            case_ids=(said["case"],) if said.get("case") else tags.case_ids,
            category=said.get("category") or tags.category,
            clock_offset_ms=tags.clock_offset_ms,
        )

    return tags_for
