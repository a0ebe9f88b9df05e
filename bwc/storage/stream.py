"""The sealed stream: Tink AES256-GCM-HKDF-1MB, written and read in 1 MiB segments, seekable.

The bytes are fixed in docs/formats/sealed-stream.md. A stream is sealed once, front to back, under a fresh salt;
sealing is never resumed. Reading trusts nothing: the last segment is opened first, which proves the length.
"""

import io
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bwc.errors import SealBroken, StorageError

STREAM = "tink-aes256-gcm-hkdf-1mb"  # its name in manifests
SEGMENT = 2**20  # sealed bytes per segment, header and tag included
HEADER = 40  # length byte, salt 32, nonce prefix 7
TAG = 16
KEY_BYTES = 32
FIRST_PLAIN = SEGMENT - HEADER - TAG
NEXT_PLAIN = SEGMENT - TAG
_MOST_SEGMENTS = 2**32  # the counter in the nonce has 32 bits
_KEPT = 4  # opened segments kept: PyAV jumps between index, picture and sound


class Sink(Protocol):
    """Where sealed bytes go. `write` takes all of what it is given."""

    def write(self, data: bytes | bytearray | memoryview, /) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSizes:
    """Lengths of a finished stream, in bytes."""

    plain_bytes: int
    sealed_bytes: int


def sealed_size(plain_bytes: int) -> int:
    """Length of the sealed form of `plain_bytes` of plaintext."""
    rest = max(0, plain_bytes - FIRST_PLAIN)
    return plain_bytes + HEADER + TAG * (1 + -(-rest // NEXT_PLAIN))


def plain_size(sealed_bytes: int) -> int:
    """Length of the plaintext in `sealed_bytes`. Raises `SealBroken` for a length that no stream has."""
    count = -(-sealed_bytes // SEGMENT)
    plain_bytes = sealed_bytes - HEADER - TAG * count
    if plain_bytes < 0 or sealed_size(plain_bytes) != sealed_bytes or count > _MOST_SEGMENTS:
        raise SealBroken(f"no sealed stream has {sealed_bytes} bytes")
    return plain_bytes


def new_header() -> bytes:
    """The first 40 bytes of a new stream: a fresh salt, so a fresh AES key, and a nonce prefix."""
    return bytes([HEADER]) + secrets.token_bytes(HEADER - 1)


class SegmentCipher:
    """Seals or opens single segments of one stream. Safe to use from several threads.

    Sealing two different plaintexts at one index of one header breaks AES-GCM: the writer below never does.
    """

    def __init__(self, key: bytes | bytearray, aad: bytes, header: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SealBroken(f"a file key has {KEY_BYTES} bytes, this one {len(key)}")
        if len(header) != HEADER or header[0] != HEADER:
            raise SealBroken("not a sealed stream: its header is wrong")
        self.header = header
        self._prefix = header[33:]
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=header[1:33], info=aad).derive(bytes(key))
        self._gcm = AESGCM(derived)

    def seal_into(
        self, index: int, plain: bytes | bytearray | memoryview, out: bytearray | memoryview, *, last: bool
    ) -> int:
        """Seal `plain` as segment `index` into `out` (`len(plain) + 16` bytes, header not included)."""
        return self._gcm.encrypt_into(self._nonce(index, last=last), plain, None, out)

    def open_into(
        self, index: int, sealed: bytes | bytearray | memoryview, out: bytearray | memoryview, *, last: bool
    ) -> int:
        """Open segment `index` (without the header) into `out` (`len(sealed) - 16` bytes). Raises `SealBroken`."""
        try:
            return self._gcm.decrypt_into(self._nonce(index, last=last), sealed, None, out)
        except (InvalidTag, ValueError):
            raise SealBroken(f"segment {index} of a sealed stream does not authenticate") from None

    def _nonce(self, index: int, *, last: bool) -> bytes:
        return self._prefix + index.to_bytes(4, "big") + bytes([last])


class SealingWriter:
    """Seals what is written to it into `sink`. Nothing is complete until `close`; on error throw the sink away."""

    def __init__(self, sink: Sink, key: bytes | bytearray, aad: bytes) -> None:
        self._sink = sink
        self._cipher = SegmentCipher(key, aad, new_header())
        self._plain = bytearray(NEXT_PLAIN)
        self._sealed = bytearray(SEGMENT)
        self._filled = 0
        self._index = 0
        self._sizes: StreamSizes | None = None
        self._plain_bytes = 0
        self._sealed_bytes = 0
        self._emit(self._cipher.header)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Take all of `data`. Returns its length in bytes."""
        if self._sizes is not None:
            raise ValueError("the sealed stream is closed")
        view = memoryview(data).cast("B")
        taken = 0
        while taken < len(view):
            # a full segment waits for one more byte: only then is it known not to be the last
            if self._filled == self._room():
                self._flush(last=False)
            count = min(len(view) - taken, self._room() - self._filled)
            self._plain[self._filled : self._filled + count] = view[taken : taken + count]
            self._filled += count
            taken += count
        return taken

    def close(self) -> StreamSizes:
        """Seal the last segment. The sink is not closed. A second call changes nothing."""
        if self._sizes is None:
            self._flush(last=True)
            self._sizes = StreamSizes(plain_bytes=self._plain_bytes, sealed_bytes=self._sealed_bytes)
            self._plain[:] = bytes(len(self._plain))
        return self._sizes

    def _room(self) -> int:
        return NEXT_PLAIN if self._index else FIRST_PLAIN

    def _flush(self, *, last: bool) -> None:
        if self._index >= _MOST_SEGMENTS:
            raise StorageError("a sealed stream holds at most 4 PiB")
        with memoryview(self._plain) as plain, memoryview(self._sealed) as sealed:
            count = self._cipher.seal_into(self._index, plain[: self._filled], sealed[: self._filled + TAG], last=last)
            self._emit(sealed[:count])
        self._plain_bytes += self._filled
        self._index += 1
        self._filled = 0

    def _emit(self, data: bytes | memoryview) -> None:
        taken = self._sink.write(data)
        if isinstance(taken, int) and taken != len(data):  # an unbuffered file may take less than it is given
            raise StorageError("a sealed stream was not written whole")
        self._sealed_bytes += len(data)


class OpenedStream(io.RawIOBase):
    """The plaintext of a sealed stream, seekable. Not to be shared between threads.

    Opening it authenticates the last segment and with it the length. Every read raises `SealBroken` rather than
    return a byte that does not authenticate. Closing it closes `source` too.
    """

    def __init__(self, source: BinaryIO, key: bytes | bytearray, aad: bytes) -> None:
        super().__init__()
        self._source = source
        self._at = 0
        self._kept: OrderedDict[int, bytearray] = OrderedDict()
        self._spare = bytearray(SEGMENT)
        try:
            self._sealed_bytes = source.seek(0, io.SEEK_END)
        except OSError as error:
            raise StorageError(f"cannot read a sealed stream: {error.strerror}") from error
        self.plain_bytes = plain_size(self._sealed_bytes)
        self._last = (self._sealed_bytes - 1) // SEGMENT
        header = bytearray(HEADER)
        self._fetch(0, memoryview(header))
        self._cipher = SegmentCipher(key, aad, bytes(header))
        self._segment(self._last)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.plain_bytes}.get(whence)
        if base is None or base + offset < 0:
            raise ValueError(f"cannot seek to {offset} from {whence}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Fill `buffer` as far as there is plaintext. Returns the bytes read, 0 at the end."""
        if self.closed:
            raise ValueError("the opened stream is closed")
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._at < self.plain_bytes:
            index, start = _place(self._at)
            plain = self._segment(index)
            count = min(len(view) - done, len(plain) - start)
            with memoryview(plain) as whole:
                view[done : done + count] = whole[start : start + count]
            done += count
            self._at += count
        return done

    def readall(self) -> bytes:
        found = bytearray(max(0, self.plain_bytes - self._at))
        self.readinto(found)
        return bytes(found)

    def close(self) -> None:
        if not self.closed:
            for plain in self._kept.values():
                plain[:] = bytes(len(plain))
            self._kept.clear()
            self._source.close()
        super().close()

    def _segment(self, index: int) -> bytearray:
        kept = self._kept.get(index)
        if kept is not None:
            self._kept.move_to_end(index)
            return kept
        start = index * SEGMENT + (0 if index else HEADER)
        length = min((index + 1) * SEGMENT, self._sealed_bytes) - start
        plain = bytearray(length - TAG)
        with memoryview(self._spare) as spare:
            self._fetch(start, spare[:length])
            self._cipher.open_into(index, spare[:length], plain, last=index == self._last)
        self._kept[index] = plain
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return plain

    def _fetch(self, start: int, view: memoryview) -> None:
        try:
            self._source.seek(start)
            done = 0
            while done < len(view):
                count = self._source.readinto(view[done:])  # type: ignore[attr-defined]
                if not count:
                    raise SealBroken("a sealed stream became shorter while it was read")
                done += count
        except OSError as error:
            raise StorageError(f"cannot read a sealed stream: {error.strerror}") from error


def _place(offset: int) -> tuple[int, int]:
    """Segment and offset in it of plaintext byte `offset`."""
    if offset < FIRST_PLAIN:
        return 0, offset
    index, start = divmod(offset - FIRST_PLAIN, NEXT_PLAIN)
    return index + 1, start
