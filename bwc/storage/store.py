"""Write-once object store: the protocol, and a local folder.

A store knows names and bytes, nothing of their meaning. Everything is written once and nothing is ever replaced;
envelopes and bodies may be erased; objects and manifests go only when their item is destroyed by order. All writes
are durable when they return. `bwc.storage.s3` is the same on S3.

A store that can refuse deletion is a `LockingStore` too (`isinstance` tells): objects and manifests can be locked
there until a time and put under legal hold. Envelopes and bodies never are, so that keys can always be destroyed.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, Protocol, runtime_checkable

from bwc.canonical import is_sha256_hex
from bwc.errors import DigestMismatch, IntegrityError, UsageError
from bwc.storage.diskfile import BLOCK, StagedFile
from bwc.storage.fsops import AlreadyThere, Disk


class Shelf(StrEnum):
    """Where things rest. The value is the folder's name."""

    OBJECTS = "objects"  # sealed streams, named by the digest of their bytes
    MANIFESTS = "manifests"  # one signed manifest for each object, named as the object
    ENVELOPES = "envelopes"  # wrapped file keys, named by the digest of the file; erasable
    BODIES = "bodies"  # sealed private bodies of events, named by the digest of the file; erasable


ERASABLE = frozenset({Shelf.ENVELOPES, Shelf.BODIES})


QUARANTINE = "quarantine"
_TOGETHER = 250  # documents staged at once: each keeps a file open
Progress = Callable[[int], None]  # called with the number of bytes just dealt with


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A finished sealed stream as its manifest has it: its name, its length, the digest of each 8 MiB."""

    name: str
    size_bytes: int
    leaves: tuple[str, ...]


class Proof(StrEnum):
    """How it is known that a store holds the right bytes."""

    READ = "read"  # read back whole and digested here
    CHECKSUMS = "checksums"  # the store took every part's SHA-256 and gives back the ones we have


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

    def put_together(self, shelf: Shelf, documents: Mapping[str, bytes]) -> None:
        """`put` of many, as fast as the store can: all durable on return; dying before leaves some of them."""
        ...

    def erase(self, shelf: Shelf, name: str) -> None:
        """Delete an envelope or a body, if it is there. Raises `UsageError` on shelves that are never erased."""
        ...

    def erase_together(self, shelf: Shelf, names: Sequence[str]) -> None:
        """`erase` of many: all gone, durably, on return."""
        ...

    def destroy(self, shelf: Shelf, name: str) -> bool:
        """Delete anything of an item whose destruction was confirmed, if it is there.

        False when a retention lock of the store forbids it: then it stays, and nobody can read it.
        """
        ...

    def discard_unnamed(self, shelf: Shelf, name: str) -> None:
        """Delete what no event names (the caller has looked): the rest of an act that did not happen."""
        ...

    def names(self, shelf: Shelf) -> Iterator[str]: ...

    def receive(self, source: BinaryIO, extent: Extent, *, progress: Progress | None = None) -> Proof:
        """Take in a finished sealed stream from another store and prove it, `source` being at its start.

        The same again is no error. Raises `DigestMismatch` when `source` holds other bytes than `extent` says: nothing is then named.
        """
        ...

    def prove(self, extent: Extent, *, progress: Progress | None = None) -> Proof:
        """Raise `IntegrityError` unless these very bytes are on the shelf of objects, as far as the store can tell."""
        ...

    def isolate(self, shelf: Shelf, name: str) -> str | None:
        """Move what is damaged out of the way, never deleting it; where it is now, None if there was nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What keeps one object or manifest from being deleted."""

    mode: str | None = None  # "governance": somebody with a special right may lift it; "compliance": nobody
    until: datetime | None = None
    hold: bool = False


@runtime_checkable
class LockingStore(Protocol):
    """A store that can refuse deletion. Only objects and manifests are locked: `UsageError` for the other shelves.

    `HoldInForce` when the store refuses because of a lock: deleting, shortening and weakening under compliance.
    """

    def lock_of(self, shelf: Shelf, name: str) -> Lock:
        """What is in force now. Raises `StorageError` when there is no such thing."""
        ...

    def lock_until(self, shelf: Shelf, name: str, until: datetime) -> None:
        """Keep it at least until then, in the store's mode. Raises `HoldInForce` where that would shorten."""
        ...

    def set_hold(self, shelf: Shelf, name: str, *, on: bool) -> None:
        """Place a legal hold, which has no end of its own, or lift it, from all that has this name."""
        ...


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
            self.disk.sync_folder(path_of(shelf, name).rpartition("/")[0])  # whoever wrote it may have died before that

    def put_together(self, shelf: Shelf, documents: Mapping[str, bytes]) -> None:
        names = list(documents)
        for start in range(0, len(names), _TOGETHER):
            some = names[start : start + _TOGETHER]
            try:
                self.disk.write_together({path_of(shelf, name): documents[name] for name in some})
            except AlreadyThere:
                for name in some:
                    self.put(shelf, name, documents[name])

    def erase(self, shelf: Shelf, name: str) -> None:
        self.erase_together(shelf, [name])

    def erase_together(self, shelf: Shelf, names: Sequence[str]) -> None:
        if shelf not in ERASABLE:
            raise UsageError(f"{shelf.value} are never erased")
        self.disk.remove_together([path_of(shelf, name) for name in names])

    def destroy(self, shelf: Shelf, name: str) -> bool:
        self.disk.remove(path_of(shelf, name))
        for file in self.disk.names(f"{QUARANTINE}/{shelf.value}"):
            if file.startswith(name):
                self.disk.remove(f"{QUARANTINE}/{shelf.value}/{file}")
        return True

    def discard_unnamed(self, shelf: Shelf, name: str) -> None:
        self.disk.remove(path_of(shelf, name))

    def receive(self, source: BinaryIO, extent: Extent, *, progress: Progress | None = None) -> Proof:
        if self.size(Shelf.OBJECTS, extent.name) is not None:
            return self.prove(extent, progress=progress)
        digest = hashlib.sha256()
        with self.stage() as staged:
            while data := source.read(BLOCK):
                digest.update(data)
                staged.write(data)
                if progress:
                    progress(len(data))
            if digest.hexdigest() != extent.name:
                raise DigestMismatch(f"what was to be copied is not object {extent.name}", "bwc verify")
            staged.finish()
            _compare(staged.blocks(), extent.name, f"the disk of {staged.full_path}")
            try:
                self.publish([(staged, Shelf.OBJECTS, extent.name)])
            except AlreadyThere:  # another process was faster
                return self.prove(extent)
        return Proof.READ

    def prove(self, extent: Extent, *, progress: Progress | None = None) -> Proof:
        if self.size(Shelf.OBJECTS, extent.name) is None:
            raise IntegrityError(f"object {extent.name} is missing in {self.disk.root}")
        what = f"object {extent.name} in {self.disk.root}"
        _compare(self.blocks(Shelf.OBJECTS, extent.name), extent.name, what, progress)
        return Proof.READ

    def isolate(self, shelf: Shelf, name: str) -> str | None:
        return self.disk.move_aside(path_of(shelf, name), f"{QUARANTINE}/{shelf.value}")

    def names(self, shelf: Shelf) -> Iterator[str]:
        for folder in self.disk.names(shelf.value):
            for file in self.disk.names(f"{shelf.value}/{folder}"):
                name = file.removesuffix(".json")
                if is_sha256_hex(name) and path_of(shelf, name) == f"{shelf.value}/{folder}/{file}":
                    yield name


def _compare(blocks: Iterator[memoryview], name: str, where: str, progress: Progress | None = None) -> None:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
        if progress:
            progress(len(block))
    if digest.hexdigest() != name:
        raise DigestMismatch(f"{where} gives back other bytes than belong there")


def path_of(shelf: Shelf, name: str) -> str:
    """The path in the vault's folder. Raises `IntegrityError` unless `name` is 64 hex digits: it may come from a file."""
    if not is_sha256_hex(name):
        raise IntegrityError(f"{name!r} is not the name of a stored thing")
    return f"{shelf.value}/{name[:2]}/{name}" + ("" if shelf is Shelf.OBJECTS else ".json")
