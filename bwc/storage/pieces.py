"""Finished parts of work that may be interrupted, sealed under a key that only whoever may open the original can derive.

A piece is named by what decides its bytes, so it is the right one or not there. The names on disk are keyed: nobody can
tell by them what was worked on. When the original's key is destroyed nothing of its pieces can be opened either.
"""

import hashlib
import hmac
import io
from typing import BinaryIO, cast

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bwc.errors import SealBroken
from bwc.evidence import ObjectId
from bwc.storage.fsops import Disk
from bwc.storage.stream import KEY_BYTES, OpenedStream, SealingWriter

PIECES = "pieces"
_KEY, _NAME, _AAD = b"bwc.pieces/1 key\n", b"bwc.pieces/1 name\n", b"bwc.pieces/1\n"


class Pieces:
    """The pieces of work on one object. `clear` them when the work is done and recorded."""

    def __init__(self, disk: Disk, object_id: ObjectId, file_key: bytes | bytearray) -> None:
        self._disk = disk
        self._folder = f"{PIECES}/{object_id}"
        info = _KEY + object_id.encode()
        self._key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(bytes(file_key))

    def get(self, name: str) -> bytes | None:
        """The piece of that name; None if there is none that is whole (a torn one is removed)."""
        path = self._path(name)
        data = self._disk.read(path)
        if data is None:
            return None
        try:
            with OpenedStream(cast(BinaryIO, io.BytesIO(data)), self._key, _AAD + path.encode()) as opened:
                return opened.readall()
        except SealBroken:  # no evidence: it is made again
            self._disk.remove(path)
            return None

    def put(self, name: str, data: bytes) -> None:
        """Keep a piece; durable on return."""
        path = self._path(name)
        sealed = io.BytesIO()
        writer = SealingWriter(sealed, self._key, _AAD + path.encode())
        writer.write(data)
        writer.close()
        self._disk.replace(path, sealed.getvalue())

    def clear(self) -> None:
        """Remove all pieces of this object."""
        for name in self._disk.names(self._folder):
            self._disk.remove(f"{self._folder}/{name}")

    def _path(self, name: str) -> str:
        return f"{self._folder}/{hmac.new(self._key, _NAME + name.encode(), hashlib.sha256).hexdigest()}"
