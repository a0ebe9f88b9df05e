"""A small file on its way to its name: whole in memory, written under a random name, synced, read back.

For what is derived from what was synced elsewhere and can be made again: it is read back through the page cache, which
shows that the system took it. Evidence goes by `diskfile.StagedFile`, which asks the device.
"""

import os
from contextlib import suppress

from bwc.errors import DigestMismatch
from bwc.storage.diskfile import LYING_DISK, said
from bwc.storage.syscalls import Calls


class SmallFile:
    """One such file; `drop` it in the end, whatever became of it."""

    def __init__(self, calls: Calls, full_path: str, data: bytes) -> None:
        """Write `data` and have the device begin: several files then share its next commit."""
        self.full_path = full_path
        self._calls = calls
        self._data = data
        self._has_name = True
        with said(full_path):
            self._fd = calls.open(full_path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            try:
                calls.lock(self._fd)  # held while this process lives: who collects partials leaves it alone
                rest = memoryview(data)
                while rest:
                    rest = rest[calls.write(self._fd, rest) :]
                calls.drop_cache(self._fd)  # which writes back, and does not wait
            except BaseException:
                self.drop()
                raise

    def settle(self) -> None:
        """Sync; raise `DigestMismatch` unless the system gives back exactly what was written."""
        found = bytearray(len(self._data) + 1)
        with said(self.full_path):
            self._calls.fsync(self._fd)
            count = self._calls.read_into(self._fd, memoryview(found), 0)
        if found[:count] != self._data:
            raise DigestMismatch(f"the disk of {self.full_path} gave back other bytes than were written", LYING_DISK)

    def link(self, full_path: str) -> None:
        """Give it another name. Raises `FileExistsError`."""
        self._calls.link(self.full_path, full_path)

    def rename(self, full_path: str) -> None:
        """Give it another name instead of the random one, in the place of whatever has it."""
        self._calls.rename(self.full_path, full_path)
        self._has_name = False

    def drop(self) -> None:
        """Forget the random name; other names stay. Never raises: a partial left over is collected later."""
        if self._has_name:
            with suppress(OSError):
                self._calls.unlink(self.full_path)
        with suppress(OSError):
            self._calls.close(self._fd)
