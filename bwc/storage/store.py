"""Write-once object store: the protocol, and a local folder.

A store knows names and bytes, nothing of their meaning. Everything is written once and nothing is ever replaced;
envelopes and bodies may be erased. All writes are durable when they return.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import BinaryIO, Protocol

from bwc.canonical import is_sha256_hex
from bwc.errors import IntegrityError, UsageError
from bwc.storage.diskfile import StagedFile
from bwc.storage.fsops import AlreadyThere, Disk


class Shelf(StrEnum):
    """Where things rest. The value is the folder's name."""

    OBJECTS = "objects"  # sealed streams, named by the digest of their bytes
    MANIFESTS = "manifests"  # one signed manifest for each object, named as the object
    ENVELOPES = "envelopes"  # wrapped file keys, named by the digest of the file; erasable
    BODIES = "bodies"  # sealed private bodies of events, named by the digest of the file; erasable


ERASABLE = frozenset({Shelf.ENVELOPES, Shelf.BODIES})


class ObjectStore(Protocol):
    """Where sealed things rest. Names are 64 hex digits. Errors: `StoreFull`, `StorageError`."""

    def stage(self) -> StagedFile:
        """A local file to write sealed bytes into, before they have a name."""
        ...

    def publish(self, files: Sequence[tuple[StagedFile, Shelf, str]]) -> None:
        """Give finished staged files their names, in order; all or (but for a crash) none. Raises `AlreadyThere`."""
        ...

    def stage_bytes(self, data: bytes) -> StagedFile:
        """A finished staged file that holds `data`, read back from the device."""
        ...

    def open(self, shelf: Shelf, name: str) -> BinaryIO | None:
        """A seekable reader, or None if there is no such thing."""
        ...

    def blocks(self, shelf: Shelf, name: str) -> Iterator[memoryview]:
        """The bytes as the device holds them, in blocks of 4 MiB, valid until `lanes.AHEAD` more were asked for."""
        ...

    def size(self, shelf: Shelf, name: str) -> int | None: ...

    def age_s(self, shelf: Shelf, name: str) -> float:
        """Seconds since it was written, by the store's clock."""
        ...

    def get(self, shelf: Shelf, name: str) -> bytes | None:
        """A whole small document, or None."""
        ...

    def put(self, shelf: Shelf, name: str, data: bytes) -> None:
        """Write a document once. The same bytes again are no error; other bytes raise `IntegrityError`."""
        ...

    def erase(self, shelf: Shelf, name: str) -> None:
        """Delete an envelope or a body, if it is there. Raises `UsageError` on shelves that are never erased."""
        ...

    def discard_unnamed(self, shelf: Shelf, name: str) -> None:
        """Delete what no event names (the caller has looked): the rest of an act that did not happen."""
        ...

    def names(self, shelf: Shelf) -> Iterator[str]: ...


class LocalStore:
    """The store in a folder: `objects/ab/abcd…`, `manifests/ab/abcd….json` and so on."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def stage(self) -> StagedFile:
        return self.disk.stage()

    def stage_bytes(self, data: bytes) -> StagedFile:
        return self.disk.stage_bytes(data)

    def publish(self, files: Sequence[tuple[StagedFile, Shelf, str]]) -> None:
        self.disk.publish([(staged, path_of(shelf, name)) for staged, shelf, name in files])

    def open(self, shelf: Shelf, name: str) -> BinaryIO | None:
        path = path_of(shelf, name)
        return None if self.disk.size(path) is None else self.disk.open(path)

    def blocks(self, shelf: Shelf, name: str) -> Iterator[memoryview]:
        return self.disk.blocks(path_of(shelf, name))

    def size(self, shelf: Shelf, name: str) -> int | None:
        return self.disk.size(path_of(shelf, name))

    def age_s(self, shelf: Shelf, name: str) -> float:
        return self.disk.age_s(path_of(shelf, name))

    def get(self, shelf: Shelf, name: str) -> bytes | None:
        return self.disk.read(path_of(shelf, name))

    def put(self, shelf: Shelf, name: str, data: bytes) -> None:
        try:
            self.disk.write_new(path_of(shelf, name), data)
        except AlreadyThere:
            if self.get(shelf, name) != data:
                raise IntegrityError(f"{path_of(shelf, name)} holds other bytes and is written once") from None

    def erase(self, shelf: Shelf, name: str) -> None:
        if shelf not in ERASABLE:
            raise UsageError(f"{shelf.value} are never erased")
        self.disk.remove(path_of(shelf, name))

    def discard_unnamed(self, shelf: Shelf, name: str) -> None:
        self.disk.remove(path_of(shelf, name))

    def names(self, shelf: Shelf) -> Iterator[str]:
        for folder in self.disk.names(shelf.value):
            for file in self.disk.names(f"{shelf.value}/{folder}"):
                name = file.removesuffix(".json")
                if is_sha256_hex(name) and path_of(shelf, name) == f"{shelf.value}/{folder}/{file}":
                    yield name


def path_of(shelf: Shelf, name: str) -> str:
    """The path in the vault's folder. Raises `IntegrityError` unless `name` is 64 hex digits: it may come from a file."""
    if not is_sha256_hex(name):
        raise IntegrityError(f"{name!r} is not the name of a stored thing")
    return f"{shelf.value}/{name[:2]}/{name}" + ("" if shelf is Shelf.OBJECTS else ".json")
