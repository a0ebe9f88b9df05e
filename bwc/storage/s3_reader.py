"""Reading from S3: a seekable reader that asks for at most 2 MiB at a time, and the whole in blocks."""

import io
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bwc.errors import StorageError, Unreachable
from bwc.storage.diskfile import BLOCK
from bwc.storage.s3_client import again, said

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Two segments of a sealed stream: what a random read of up to 1 MiB touches, in one request
WINDOW = 2 << 20
_ALIGN = 1 << 20
_KEPT = 4


class S3Reader(io.RawIOBase):
    """A seekable reader of one object. Whole windows are asked for and the last few kept."""

    def __init__(self, client: Any, bucket: str, key: str, size: int) -> None:
        super().__init__()
        self._client, self._bucket, self._key, self._size = client, bucket, key, size
        self._position = 0
        self._windows: dict[int, bytes] = {}  # by start, the newest last

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("seek before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        if self._position >= self._size or not view:
            return 0
        start, data = self._window(self._position)
        at = self._position - start
        count = min(len(view), len(data) - at)
        view[:count] = data[at : at + count]
        self._position += count
        return count

    def _window(self, position: int) -> tuple[int, bytes]:
        for start, data in reversed(self._windows.items()):
            if start <= position < start + len(data):
                return start, data
        start = position - position % _ALIGN
        stop = min(start + WINDOW, self._size)
        data = again(lambda: ranged(self._client, self._bucket, self._key, start, stop))
        self._windows[start] = data
        if len(self._windows) > _KEPT:
            del self._windows[next(iter(self._windows))]
        return start, data


def ranged(client: Any, bucket: str, key: str, start: int, stop: int) -> bytes:
    """The bytes from `start` to before `stop`. Raises `Unreachable` when they do not all come."""
    where = f"s3://{bucket}/{key}"
    with said(where):
        found = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{stop - 1}")
        data: bytes = found["Body"].read()
    if len(data) != stop - start:
        raise Unreachable(f"{where}: {len(data)} of {stop - start} bytes came", "run the same again")
    return data


def blocks(client: Any, bucket: str, key: str) -> Iterator[memoryview]:
    """The whole object in blocks of 4 MiB, each valid until the next but one; goes on where a connection broke."""
    where = f"s3://{bucket}/{key}"
    buffers = [memoryview(bytearray(BLOCK)), memoryview(bytearray(BLOCK))]
    body, size, offset, broken = None, -1, 0, 0
    while size < 0 or offset < size:
        try:
            with said(where):
                if body is None:
                    rest = {"Range": f"bytes={offset}-"} if offset else {}
                    found = client.get_object(Bucket=bucket, Key=key, **rest)
                    body = found["Body"]
                    size = offset + int(found["ContentLength"])
                wanted = min(BLOCK, size - offset)
                if not wanted:
                    return
                data = body.read(wanted)
            if len(data) != wanted:
                raise Unreachable(f"{where}: the connection ended early", "run the same again")
        except Unreachable:
            body, broken = None, broken + 1
            if broken > 4:
                raise
            time.sleep(0.25 * 2**broken)
            continue
        buffers[0][:wanted] = data
        yield buffers[0][:wanted]
        offset += wanted
        buffers.reverse()


def whole(client: Any, bucket: str, key: str, most: int) -> bytes:
    """A whole small object. Raises `StorageError` when it is larger than `most`."""
    where = f"s3://{bucket}/{key}"

    def read() -> bytes:
        with said(where):
            found = client.get_object(Bucket=bucket, Key=key)
            if found["ContentLength"] > most:
                raise StorageError(f"{where} is no document: {found['ContentLength']} bytes")
            return bytes(found["Body"].read())

    return again(read)
