"""Parse untrusted media in a child process with limits; the child sees the bytes only through a socket.

The child holds no path to the recording and can write no file: it asks the parent for spans of the plaintext
(which so never rests on disk) and answers with media facts (and digests of groups of pictures) as JSON. Memory, CPU time and wall time are bounded;
a child that dies, hangs or answers nonsense means `UnreadableMedia`, never a crash of the caller.

Protocol on the socket pair, little-endian. Child to parent: `R` offset:u64 length:u32 → length:u32 bytes;
`S` → size:u64; `J` length:u32 JSON (facts, ends the talk); `E` length:u32 UTF-8 (unreadable, ends the talk).
"""

import contextlib
import io
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import bwc
from bwc.canonical import Json
from bwc.errors import IntegrityError, MediaError, UnreadableMedia
from bwc.media.facts import MediaFacts
from bwc.media.group_index import GroupIndex

MEMORY_BYTES = 2 << 30
CPU_SECONDS = 300
WALL_SECONDS = 900
_MAX_READ = 4 << 20
_MAX_ANSWER = 64 << 20
_READ_AHEAD = 256 << 10
_GROUPS_SECONDS = 5.0


def probe_safely(
    file: BinaryIO,
    name: str = "",
    *,
    decode_frames: int | None = 300,
    cpu_seconds: int = CPU_SECONDS,
    wall_seconds: float = WALL_SECONDS,
) -> MediaFacts:
    """`probe` of the recording in `file` (seekable) inside the sandbox.

    Raises `UnreadableMedia` when nothing decodes, or when the child crashed or went beyond a limit. Errors of `file`
    itself (a broken seal) pass through unchanged.
    """
    limits = _Limits(decode_frames=decode_frames, cpu_seconds=cpu_seconds, wall_seconds=wall_seconds)
    return _probe(file, name, limits)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    decode_frames: int | None = 300
    cpu_seconds: int = CPU_SECONDS
    wall_seconds: float = WALL_SECONDS
    groups: bool = False


def _probe(file: BinaryIO, name: str, limits: _Limits) -> tuple[MediaFacts, Mapping[str, Any]]:
    ours, theirs = socket.socketpair()
    with ours:
        child = _start(theirs, limits)
        try:
            kind, answer = _serve(ours, file, time.monotonic() + limits.wall_seconds)
        except (TimeoutError, EOFError, ConnectionError) as error:
            raise UnreadableMedia(f"{name or 'recording'} cannot be read: {_end_of(child, error)}") from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            child.wait()
    if kind == b"E":
        text = answer.decode("utf-8", "replace")[:2_000]
        # The child never learns the name: it would stand in the list of processes.
        raise UnreadableMedia(text.replace("recording", name, 1) if name else text)
    try:
        found = json.loads(answer)
        return MediaFacts.from_json(found), found
    except (ValueError, RecursionError, MediaError) as error:
        raise UnreadableMedia(f"{name or 'recording'} cannot be read: the parser answered nonsense") from error


def index_safely(file: BinaryIO, name: str = "") -> tuple[MediaFacts, GroupIndex | None]:
    """`probe_safely`, and the digests of the recording's groups of pictures where it has any and time allows.

    The digests get as long as the probe took, twice over, and five seconds: None then, and for what cannot be copied.
    """
    found, answer = _probe(file, name, _Limits(groups=True))
    try:
        return found, GroupIndex.from_json(answer.get("groups"))
    except IntegrityError:
        return found, None


def _start(theirs: socket.socket, limits: _Limits) -> "subprocess.Popen[bytes]":
    with theirs:
        frames = -1 if limits.decode_frames is None else limits.decode_frames
        numbers = (theirs.fileno(), frames, limits.cpu_seconds, int(limits.groups))
        arguments = [str(number) for number in numbers]
        return subprocess.Popen(
            [sys.executable, "-m", "bwc.media.sandbox", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            # No secrets of ours in its environment; it needs to find this package and nothing else.
            env={
                "PYTHONPATH": str(Path(bwc.__file__).parent.parent),
                "PYTHONDONTWRITEBYTECODE": "1",
                "LC_ALL": "C.UTF-8",
            },
            start_new_session=True,
        )


def _serve(ours: socket.socket, file: BinaryIO, deadline: float) -> tuple[bytes, bytes]:
    """Answer reads until the child gives its result. Raises `EOFError` when it ends without one."""
    size = file.seek(0, os.SEEK_END)
    while True:
        kind = _receive(ours, 1, deadline)
        if kind == b"S":
            _send(ours, struct.pack("<Q", size), deadline)
        elif kind == b"R":
            offset, length = struct.unpack("<QI", _receive(ours, 12, deadline))
            file.seek(min(offset, size))
            data = file.read(min(length, _MAX_READ)) if offset < size else b""
            _send(ours, struct.pack("<I", len(data)) + data, deadline)
        elif kind in (b"J", b"E"):
            (length,) = struct.unpack("<I", _receive(ours, 4, deadline))
            if length > _MAX_ANSWER:
                raise EOFError("its answer is too long")
            return kind, _receive(ours, length, deadline)
        else:
            raise EOFError("it broke the protocol")


def _receive(ours: socket.socket, count: int, deadline: float) -> bytes:
    received = bytearray()
    while len(received) < count:
        _until(ours, deadline)
        piece = ours.recv(min(count - len(received), _MAX_READ))
        if not piece:
            raise EOFError("it ended without an answer")
        received += piece
    return bytes(received)


def _send(ours: socket.socket, data: bytes, deadline: float) -> None:
    _until(ours, deadline)
    ours.sendall(data)


def _until(ours: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    ours.settimeout(left)


def _end_of(child: "subprocess.Popen[bytes]", error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "parsing it took too long and was stopped"
    try:
        status = child.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return f"the parser was stopped: {error}"
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return "parsing it took too much processor time and was stopped"
    if status < 0:
        return f"the parser crashed on it ({signal.Signals(-status).name})"
    return f"the parser failed on it (status {status})"


class _AskingFile(io.RawIOBase):
    """The recording as the child sees it: every read is a question to the parent."""

    def __init__(self, channel: socket.socket) -> None:
        super().__init__()
        self._channel = channel
        self._position = 0
        channel.sendall(b"S")
        (self._size,) = struct.unpack("<Q", self._answer(8))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._position, self._size)[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        self._channel.sendall(b"R" + struct.pack("<QI", self._position, min(len(buffer), _MAX_READ)))
        (length,) = struct.unpack("<I", self._answer(4))
        buffer[:length] = self._answer(length)
        self._position += length
        return int(length)

    def _answer(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            piece = self._channel.recv(count - len(received))
            if not piece:
                raise EOFError("the parent is gone")
            received += piece
        return bytes(received)


def _limit(cpu_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold plaintext
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))


def _child(arguments: list[str]) -> None:
    descriptor, decode_frames, cpu_seconds, groups = arguments
    _limit(int(cpu_seconds))
    from bwc.media.probe import probe

    channel = socket.socket(fileno=int(descriptor))
    file = io.BufferedReader(_AskingFile(channel), _READ_AHEAD)
    wanted = int(decode_frames)
    try:
        began = time.monotonic()
        found = probe(cast(BinaryIO, file), decode_frames=None if wanted < 0 else wanted).to_json()
        if int(groups):
            found["groups"] = _groups(cast(BinaryIO, file), 2 * (time.monotonic() - began) + _GROUPS_SECONDS)
        kind, answer = b"J", json.dumps(found).encode()
    except (MediaError, MemoryError) as error:
        kind, answer = b"E", (str(error) or "recording cannot be read: it needs too much memory").encode()
    channel.sendall(kind + struct.pack("<I", len(answer)) + answer)


def _groups(file: BinaryIO, seconds: float) -> Json:
    from bwc.media.group_index import index_groups

    file.seek(0)
    try:
        return index_groups(file, seconds=seconds).to_json()
    except (MediaError, MemoryError):
        return None


if __name__ == "__main__":
    _child(sys.argv[1:])
