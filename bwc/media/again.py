"""Pictures of a file that somebody else is reading, decoded again where they are needed after all."""

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import BinaryIO, cast

from bwc.errors import MediaError
from bwc.media.decode import Picture, VideoReader

_PIECE = 256 << 10
_NEAR_SECONDS = Fraction(1, 2)  # decoding on is quicker than going to a keyframe


class Shared:
    """Readers of one seekable file, each with a place of its own, for several threads.

    A context manager: left, it stays open, but for its readers it has ended. Readers take pieces of 256 KiB: a sealed file is opened by
    the megabyte, and readers at two places would have it opened again and again.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file: BinaryIO | None = file
        self.lock = threading.Lock()

    def __enter__(self) -> "Shared":
        return self

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.file = None

    def reader(self) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(_Part(self), _PIECE))


class Fetcher:
    """One picture after the other, of a recording whose keyframes all begin closed groups."""

    def __init__(self, reader: Callable[[], VideoReader]) -> None:
        self._open = reader
        self._reader: VideoReader | None = None
        self._coming: Iterator[Picture] = iter(())
        self._last: Picture | None = None

    def fetch(self, known: Picture) -> Picture:
        """`known` with its pixels. Raises `MediaError` when the file does not give it."""
        last = self._last
        if last is None or not 0 <= known.seconds - last.seconds <= _NEAR_SECONDS:
            self._reader = self._reader or self._open()
            self._coming, last = self._reader.frames_from(known.pts), None
        while last is None or last.pts < known.pts:
            last = self._last = next(self._coming, None)
            if last is None:
                break
        if last is None or last.pts != known.pts:
            raise MediaError(f"picture {known.ordinal} does not come a second time")
        return replace(last, ordinal=known.ordinal)


class _Part(io.RawIOBase):
    """A view of a file that keeps its own place in it."""

    def __init__(self, shared: Shared) -> None:
        self._shared, self._at = shared, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with self._shared.lock:
            if whence == io.SEEK_END and self._shared.file is not None:
                self._at = self._shared.file.seek(offset, io.SEEK_END)
            else:
                self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        with self._shared.lock:
            if self._shared.file is None:
                return 0
            self._shared.file.seek(self._at)
            data = self._shared.file.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
