"""A damaged vault made whole from a further copy: each file is named, moved aside, never deleted, and put back proven.

For each object: 1 it is compared with the log, its bytes included; 2 what is wrong is recorded (`item.damaged`); 3 the
good files are fetched and compared with the log before anything is moved; 4 the damaged ones go to `quarantine/`, the
good ones take their names; 5 that is recorded (`item.repaired`). Dying between 4 and 5 leaves a whole object.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bwc.canonical import Json
from bwc.config import StorePlace
from bwc.custody.house import House
from bwc.custody.replicating import VAULT
from bwc.errors import DigestMismatch, IntegrityError
from bwc.evidence import EventKind
from bwc.storage.copying import copy_body, copy_object, prove_copy, wrong_files
from bwc.storage.inspection import read_named
from bwc.storage.rows import DocumentRow
from bwc.storage.store import ObjectStore, Shelf
from bwc.storage.stores import reach

Progress = Callable[[int, int | None], None]


@dataclass(slots=True, kw_only=True)
class Mended:
    """What a repair did. `open`: what is damaged and could not be put back, and why."""

    source: str
    checked: int = 0
    repaired: list[str] = field(default_factory=list)
    open: list[IntegrityError] = field(default_factory=list)

    def to_json(self) -> dict[str, Json]:
        return {
            "checked": self.checked,
            "open": [one.message for one in self.open],
            "repaired": list(self.repaired),
            "source": self.source,
        }


def mend(house: House, source: str, *, progress: Progress | None = None) -> Mended:
    """Repair the vault from `source`: the name of a store in bwc.toml, or a folder that holds a copy or a backup."""
    house._require(EventKind.ITEM_REPAIRED)
    names = [one.name for one in house.places.stores]
    place = house.place_of(source) if source in names else StorePlace(name=source, folder=Path(source).resolve())
    shelves, _ = reach(place, house._disk)
    done = Mended(source=source)
    rows = [one for row in house.items() for one in house._catalog.documents(row.item_id)]
    total, before = sum(one.sealed.sealed_bytes for one in rows), 0
    for one in rows:
        try:
            _mend_object(house, shelves, one, done)
        except IntegrityError as error:
            if house._catalog.copies.is_current(one.sealed):  # else it was destroyed or rewrapped meanwhile
                done.open.append(error)
        done.checked += 1
        before += one.sealed.sealed_bytes
        if progress:
            progress(before, total)
    for name in sorted(house._catalog.body_ids()):
        try:
            _mend_body(house, shelves, name, done)
        except IntegrityError as error:
            if name in house._catalog.body_ids():
                done.open.append(error)
    return done


def _mend_object(house: House, good: ObjectStore, one: DocumentRow, done: Mended) -> None:
    mine = house._vault.store
    wrong = wrong_files(good, mine, one.sealed)  # 1
    if not wrong:
        return
    parts = [(shelf, name) for shelf, name, _ in wrong]
    what = ", ".join(f"{shelf.value}/{name}" for shelf, name in parts)
    house.record_damage(one.item_id, VAULT, parts, DigestMismatch(what))  # 2
    prove_copy(good, one.sealed)  # 3
    for shelf, name in parts:
        mine.isolate(shelf, name)
    copy_object(good, mine, one.sealed)  # 4
    house.record_repair(one.item_id, VAULT, parts, source=_source_id(house, done.source))  # 5
    done.repaired += [f"{shelf.value}/{name}" for shelf, name in parts]


def _mend_body(house: House, good: ObjectStore, name: str, done: Mended) -> None:
    mine = house._vault.store
    try:
        read_named(mine, Shelf.BODIES, name, "a private body")
    except IntegrityError as error:
        parts = [(Shelf.BODIES, name)]
        house.record_damage(None, VAULT, parts, error)
        read_named(good, Shelf.BODIES, name, f"in {done.source}, a private body")
        mine.isolate(Shelf.BODIES, name)
        copy_body(good, mine, name)
        house.record_repair(None, VAULT, parts, source=_source_id(house, done.source))
        done.repaired.append(f"{Shelf.BODIES.value}/{name}")


def _source_id(house: House, source: str) -> str:
    """How the log names where the good files came from: a store's id, or just that it was a folder."""
    for place in house.places.stores:
        if place.name == source:
            return house.open_store(place).store_id
    return "folder"
