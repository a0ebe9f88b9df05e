"""An object whose file key is still in memory: just sealed, and readable until the key is forgotten."""

from typing import BinaryIO, cast

from bwc.errors import IntegrityError
from bwc.evidence import ObjectId, SealedObject
from bwc.storage.passes import SealedBytes
from bwc.storage.store import ObjectStore, Shelf
from bwc.storage.stream import OpenedStream


def open_sealed(store: ObjectStore, object_id: ObjectId) -> BinaryIO:
    """The sealed bytes of an object. Raises `IntegrityError` if they are missing."""
    found = store.open(Shelf.OBJECTS, object_id)
    if found is None:
        raise IntegrityError(f"object {object_id} is missing")
    return found


class Held:
    """An object just sealed and proven, whose file key is still in memory; `forget` it when done. A context manager."""

    def __init__(self, store: ObjectStore, sealed: SealedObject, read: SealedBytes, dek: bytearray, aad: bytes) -> None:
        self.sealed = sealed
        self.content_digest = read.content_sha256
        self.plain_bytes = read.plain_bytes
        self._store = store
        self._dek = dek
        self._aad = aad
        self._forgotten = False

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()

    def open(self) -> BinaryIO:
        """The plaintext again, seekable, from the sealed object. Raises `ValueError` after `forget`."""
        if self._forgotten:
            raise ValueError("the file key was forgotten")
        return cast(BinaryIO, OpenedStream(open_sealed(self._store, self.sealed.object_id), self._dek, self._aad))

    def forget(self) -> None:
        """Wipe the file key."""
        self._dek[:] = bytes(len(self._dek))
        self._forgotten = True
