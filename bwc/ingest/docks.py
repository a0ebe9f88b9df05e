"""Several cards at once: one reader for each device, one receipt for each card.

Each card is taken in by a thread of its own behind a door of its own; what they share is the vault, which is made for
several technicians at once. Cards that lie on one device are read one after another: two readers on one card are slower.
"""

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bwc.errors import BwcError, IntegrityError, Interrupted, NotFound, PartlyDone, UsageError
from bwc.ingest.facts import Describe, describe_media
from bwc.ingest.house import House
from bwc.ingest.intake import take_in
from bwc.ingest.receipt import Receipt
from bwc.ingest.tags import ANY_CARD, Rules, Tags

_TURN_S = 0.0005
MOST_AT_ONCE = 16  # readers; each holds some 70 MB

Progress = Callable[[int, int | None], None]
Enter = Callable[[], AbstractContextManager[House]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One card, and what a person says of it."""

    card: Path
    tags: Tags
    rules: Rules = ANY_CARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one card: a receipt, or why there is none."""

    order: Order
    receipt: Receipt | None = None
    error: BwcError | None = None

    @property
    def is_safe(self) -> bool:
        return self.receipt is not None and self.receipt.safe_to_wipe

    def raise_if_incomplete(self) -> None:
        if self.error:
            raise self.error
        if self.receipt:
            self.receipt.raise_if_incomplete()


def take_in_all(
    orders: Sequence[Order], enter: Enter, *, progress: Progress | None = None, describe: Describe = describe_media
) -> tuple[Done, ...]:
    """Take in every card, in the order given as far as the result goes. `enter` opens the vault, once per reader.

    A card that fails does not stop the others; Ctrl-C stops all of them, each with its receipt.
    Raises `NotFound` and `UsageError` before anything is read.
    """
    devices = _by_device(orders)
    meter = _Meters(len(orders), progress)
    done: list[Done | None] = [None] * len(orders)

    def read(places: Sequence[int]) -> None:
        for place in places:
            done[place] = take_in_one(orders[place], enter, meter.of(place), describe)

    with _quick_turns(), ThreadPoolExecutor(min(MOST_AT_ONCE, len(devices)), thread_name_prefix="card") as pool:
        running = [pool.submit(read, places) for places in devices]
        for task in running:
            while True:
                try:
                    task.result()
                except KeyboardInterrupt:
                    meter.stop()  # and wait: what is sealed is recorded and published
                else:
                    break
    return tuple(one for one in done if one is not None)


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Let threads take turns at the interpreter ten times as often as usual.

    A reader that comes back from the disk with its next block otherwise waits 5 ms for one that records an event, longer
    than its block takes to digest; with eight cards somebody nearly always does.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def raise_worst(done: Sequence[Done]) -> None:
    """Raise what a script must hear first: a broken vault, then what stopped a card, then what is merely open."""
    failures: list[BwcError] = []
    for one in done:
        try:
            one.raise_if_incomplete()
        except BwcError as error:
            failures.append(error)
    for failure in sorted(failures, key=lambda one: (not isinstance(one, IntegrityError), isinstance(one, PartlyDone))):
        if not isinstance(failure, PartlyDone):
            raise failure
    if len(failures) == 1:
        raise failures[0]
    if failures:
        details: list[dict[str, object]] = [{"card": str(one.order.card)} for one in done if not one.is_safe]
        message = f"{len(failures)} of {len(done)} cards are not safe to wipe"
        raise PartlyDone(message, "read their receipts; keep them and run the same command again", details=details)


def take_in_one(
    order: Order, enter: Enter, progress: Progress, describe: Describe = describe_media, *, deep: bool = True
) -> Done:
    """Take in one card behind a door of its own; what fails is told, not raised."""
    try:
        with enter() as house:
            receipt = take_in(
                house, order.card, order.tags, rules=order.rules, progress=progress, describe=describe, deep=deep
            )
            return Done(order=order, receipt=receipt)
    except BwcError as error:
        return Done(order=order, error=error)


def _by_device(orders: Sequence[Order]) -> list[list[int]]:
    places: dict[int, list[int]] = defaultdict(list)
    seen: dict[Path, Path] = {}
    for place, order in enumerate(orders):
        try:
            real = order.card.resolve(strict=True)
            device = real.stat().st_dev
        except (OSError, RuntimeError) as error:
            raise NotFound(f"{order.card} does not exist", "name the folder where the card is mounted") from error
        for other, named in seen.items():
            if real.is_relative_to(other) or other.is_relative_to(real):
                raise UsageError(f"{order.card} and {named} are the same card", "name each card once")
        seen[real] = order.card
        places[device].append(place)
    return list(places.values())


class _Meters:
    """The progress of all cards as one; raises `Interrupted` in the readers once stopped."""

    def __init__(self, cards: int, progress: Progress | None) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._read = [(0, 0)] * cards
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def of(self, place: int) -> Progress:
        def report(done: int, total: int | None) -> None:
            if self._stopped.is_set():
                raise Interrupted("stopped before the whole card was taken in", "run the same command again")
            with self._lock:
                self._read[place] = (done, total or 0)
                # until every card is listed the sum would be too small, and the time left with it
                known = all(whole for _, whole in self._read)
                if self._progress:
                    self._progress(
                        sum(one for one, _ in self._read), sum(whole for _, whole in self._read) if known else None
                    )

        return report
