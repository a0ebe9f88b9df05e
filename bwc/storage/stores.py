"""The further stores of a vault: opened from their places in bwc.toml, known by the mark each was given once.

A folder that is not mounted looks like an empty one, and two names in bwc.toml may mean one place. The mark, written
when a store is added, tells both: without it nothing is copied, and copies are counted by it.
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bwc.canonical import canonical, parse_canonical
from bwc.config import StorePlace
from bwc.errors import ConfigError, IntegrityError, StorageError
from bwc.storage.files import Files
from bwc.storage.fsops import AlreadyThere, Disk
from bwc.storage.store import LocalStore, ObjectStore

FORMAT = "bwc.store/1"
MARK = "bwc-store.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A further store: its id in the log, its name here, what is on its shelves, and the small files beside them."""

    store_id: str
    place: StorePlace
    shelves: ObjectStore
    files: Files


def open_store(place: StorePlace, log: str, disk: Disk) -> Store:
    """The store at `place`, of the vault whose log is `log`; what goes to S3 is staged on `disk`.

    Raises `StorageError` when it does not answer or has no mark, `ConfigError` when it is another vault's.
    """
    shelves, files = reach(place, disk)
    mark = files.read(MARK)
    if mark is None:
        hint = f"is it mounted? only if it is new: bwc stores add {place.name}"
        raise StorageError(f"{place.text} is not a store of this vault: it has no {MARK}", hint)
    return Store(store_id=_store_id(mark, log, place), place=place, shelves=shelves, files=files)


def add_store(place: StorePlace, log: str, disk: Disk) -> Store:
    """The same, and its mark is written if it has none. Raises `ConfigError` where it cannot do what is asked of it."""
    if place.folder is not None and not place.folder.parent.is_dir():
        raise StorageError(f"{place.folder.parent} does not exist", "mount it, or make the folder")
    shelves, files = reach(place, disk)
    check = getattr(shelves, "check", None)
    if check is not None:
        check()
    with suppress(AlreadyThere):  # added before, perhaps on another computer
        files.write_new(MARK, canonical({"format": FORMAT, "log": log, "store": secrets.token_hex(16)}))
    return open_store(place, log, disk)


def reach(place: StorePlace, disk: Disk) -> tuple[ObjectStore, Files]:
    """The shelves and files at a place, whatever they are of."""
    if place.folder is not None:
        folder = Disk(place.folder)
        return LocalStore(folder), folder
    from bwc.storage.s3 import S3Store  # boto3 takes 0.2 s to import
    from bwc.storage.s3_client import connect
    from bwc.storage.s3_files import S3Files

    client = connect(place)
    return S3Store(place, disk, client=client), S3Files(place, client)


def _store_id(mark: bytes, log: str, place: StorePlace) -> str:
    try:
        value: Any = parse_canonical(mark)
        ours = isinstance(value, dict) and value.keys() == {"format", "log", "store"} and value["format"] == FORMAT
        store = str(value["store"]) if ours else ""
    except IntegrityError:
        store = ""
    if len(store) != 32 or set(store) - set("0123456789abcdef"):
        raise StorageError(f"{place.text}/{MARK} is no mark of a store", "bwc stores add NAME, with another place")
    if value["log"] != log:
        raise ConfigError(f"{place.text} is a store of another vault, {value['log']}", "see [stores] in bwc.toml")
    return store
