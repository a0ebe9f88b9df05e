"""Locks and legal holds in a store that has them, brought to what the schedule and the holds of the log ask.

The store is asked each time, nothing is remembered: a lock that somebody took away there is set again. Nothing is
ever shortened. A hold that no entry of the log ever knew was set by somebody in the bucket, and is left as it is.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from bwc.config import StorePlace
from bwc.custody.replica import Locks
from bwc.errors import BwcError, HoldInForce, StorageError, Unreachable
from bwc.evidence import ObjectId
from bwc.storage.retention import LockWish
from bwc.storage.store import LockingStore, Shelf
from bwc.storage.stores import Store

_AT_ONCE = 8  # requests; each object takes two small ones, and waiting for the answer is nearly all of it
_LONGEST = timedelta(days=36_500)  # what S3 takes at most
_LOCKED = (Shelf.OBJECTS, Shelf.MANIFESTS)


def is_locking(place: StorePlace) -> bool:
    """Whether things are locked at this place."""
    return place.lock != "none"


def bring_locks(
    store: Store, wishes: Mapping[ObjectId, LockWish], *, lacking: Collection[ObjectId], locks: Locks
) -> None:
    """Set what `wishes` ask; what was changed is counted in `locks`.

    Objects that are `lacking` there may be absent. Raises `Unreachable` at once, another error of the store when
    everything was tried.
    """
    shelves = store.shelves
    assert isinstance(shelves, LockingStore)
    now = datetime.now(UTC)

    def bring(wanted: tuple[Shelf, ObjectId]) -> tuple[Locks, BwcError | None]:
        shelf, name = wanted
        try:
            if name in lacking and store.shelves.size(shelf, name) is None:
                return Locks(), None
            return _bring(shelves, shelf, name, wishes[name], days=store.place.lock_days, now=now), None
        except (StorageError, HoldInForce) as error:
            return Locks(), error

    problems: list[BwcError] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for did, problem in pool.map(bring, [(shelf, name) for name in wishes for shelf in _LOCKED]):
            locks.extended += did.extended
            locks.held += did.held
            locks.lifted += did.lifted
            locks.foreign += did.foreign
            if isinstance(problem, Unreachable):
                pool.shutdown(cancel_futures=True)
                raise problem
            problems += [problem] if problem else []
    if problems:
        raise problems[0]


def _bring(shelves: LockingStore, shelf: Shelf, name: str, wish: LockWish, *, days: int, now: datetime) -> Locks:
    lock = shelves.lock_of(shelf, name)
    did = Locks()
    # The hold first: what a court asked for matters more than a date
    if wish.hold and not lock.hold:
        shelves.set_hold(shelf, name, on=True)
        did.held = 1
    elif lock.hold and not wish.hold and wish.was_held:
        shelves.set_hold(shelf, name, on=False)
        did.lifted = 1
    elif lock.hold and not wish.hold:
        did.foreign = 1
    until = wish.until
    if lock.until is None:  # put there before the store was told to lock
        until = max(until or now, now + timedelta(days=days))
    if until is not None:
        until = min(until, now + _LONGEST).replace(microsecond=0) + timedelta(seconds=1)
        if until > now and (lock.until is None or until > lock.until + timedelta(seconds=2)):
            shelves.lock_until(shelf, name, until)
            did.extended = 1
    return did


def clear_held(store: Store, shelf: Shelf, name: str, *, is_ours: bool) -> tuple[bool, datetime | None]:
    """Destroy what the store just refused to, if only a hold of ours, lifted since, keeps it; else until when it stays."""
    shelves = store.shelves
    if not isinstance(shelves, LockingStore) or store.shelves.size(shelf, name) is None:
        return False, None
    lock = shelves.lock_of(shelf, name)
    if lock.hold and is_ours:
        shelves.set_hold(shelf, name, on=False)
        if store.shelves.destroy(shelf, name):
            return True, None
    return False, lock.until
