"""Small files beside a person: what they pinned, saw and signed. Replaced whole, durable on return, theirs alone."""

import contextlib
import os
import secrets
from pathlib import Path


class Beside:
    """What `path` will hold, under a random name next to it; on leaving it is gone unless it was placed."""

    def __init__(self, path: Path, data: bytes) -> None:
        """Write it, readable by its owner only, and have the device begin."""
        self._path = path
        self._temporary = f"{path.parent}/.{path.name}-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._file = os.open(self._temporary, flags, 0o600)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._temporary, flags, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)  # which writes back, and does not wait
        except BaseException:
            self.drop()
            raise

    def place(self) -> None:
        """Sync it and give it its name, in the place of whatever has it; the name is not synced."""
        os.fsync(self._file)
        os.rename(self._temporary, self._path)  # noqa: PTH104
        self._temporary = ""

    def drop(self) -> None:
        """Close it, and remove it unless it has its name. Done twice it does nothing."""
        if self._file >= 0:
            os.close(self._file)
        if self._temporary:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)  # noqa: PTH108
        self._file, self._temporary = -1, ""


def write_beside(path: Path, data: bytes) -> None:
    """Make or replace `path`, readable by its owner only; a reader sees the old file or the new one, whole.

    When this returns the file survives a power cut. On failure the old one is still there and nothing beside it.
    """
    made = Beside(path, data)
    try:
        made.place()
    finally:
        made.drop()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the name is durable only with its folder
    finally:
        os.close(folder)
