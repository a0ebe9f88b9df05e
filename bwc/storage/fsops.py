"""Durable file operations: with `diskfile`, the only place that creates, writes, syncs, links or deletes vault files.

Paths are relative to the vault's folder, with `/`. What a method calls durable has been synced, file and
folders both, when it returns. Errors: `StoreFull` (no space), `StorageError` (everything else the disk says).
"""

import errno
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from bwc.errors import BwcError, InUse, StorageError
from bwc.storage.diskfile import DiskReader, StagedFile, device_blocks, said
from bwc.storage.smallfile import SmallFile
from bwc.storage.syscalls import Calls, OsCalls

STAGING = "staging"
_MANY = 16
# A sync or the freeing of a block waits for the device, not for us: on a busy disk 200 syncs take 600 ms one by one
# and 25 ms so many at once, 200 deletions 500 ms and 20 ms (ext4, 2026-11)
_AT_ONCE = 32


# A look costs 30 us. With 20 ms sixteen processes that publish in turn slept half of their time (2026-11)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.0007, 0.005


class AlreadyThere(StorageError):
    """A write-once name is taken."""


class Disk:
    """The folder of one vault. Several processes and threads may use it, one instance among threads too."""

    def __init__(self, root: Path, calls: Calls | None = None) -> None:
        self.root = root
        self._root = str(root)
        self._calls: Calls = calls or OsCalls()
        self._synced_folders: set[str] = set()

    # Documents: small files, whole at once.

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, or None if there is no such file."""
        with said(self._full(path)):
            try:
                fd = self._calls.open(self._full(path), os.O_RDONLY)
            except (FileNotFoundError, NotADirectoryError):
                return None
            try:
                data = bytearray(self._calls.size(self._full(path)) + 1)
                filled = 0
                while count := self._calls.read_into(fd, memoryview(data)[filled:], filled):
                    filled += count
                    if filled == len(data):
                        data.extend(bytes(filled))  # it grew meanwhile
                return bytes(data[:filled])
            finally:
                self._calls.close(fd)

    def write_new(self, path: str, data: bytes) -> None:
        """Write a file that did not exist; durable and read back on return. Raises `AlreadyThere`, never overwrites."""
        with self.stage_bytes(data) as staged:
            self.publish([(staged, path)])

    def write_together(self, files: Mapping[str, bytes], *, derived: bool = False) -> None:
        """Write files that did not exist, durable and read back on return: each whole or, after a crash, not there.

        They share the journal's commits, and folders are synced once for all of them. `derived`: see `stage_bytes`.
        Raises `AlreadyThere`.
        """
        with ExitStack() as staging:
            staged = {path: staging.enter_context(self.stage()) for path in files}
            for path, data in files.items():
                staged[path].write(data)
                staged[path].begin_sync()

            def settle(path: str) -> None:
                staged[path].finish()
                (staged[path].compare_taken if derived else staged[path].compare)(files[path])

            _side_by_side(settle, list(files))
            folders = list(dict.fromkeys(_parent(path) for path in files))
            for folder in folders:
                self.make_folder(folder)
            for path, one in staged.items():
                with said(self._full(path)):
                    try:
                        self._calls.link(one.full_path, self._full(path))
                    except FileExistsError as error:
                        raise AlreadyThere(f"{path} exists and is written once") from error
            _side_by_side(self.sync_folder, folders)

    def replace(self, path: str, data: bytes, *, keep: str | None = None, derived: bool = False) -> None:
        """Make a file or put `data` in its place, durably; a crash leaves the old or the new one, never a part.

        `keep` names the same bytes too, afterwards, if that name is free.
        """
        with self.stage_bytes(data, derived=derived) as staged:
            for folder in dict.fromkeys(_parent(one) for one in (path, keep) if one is not None):
                self.make_folder(folder)
            with said(self._full(path)):
                self._calls.rename(staged.full_path, self._full(path))
                staged.renamed()
                self._sync_folder(_parent(path))
            if keep is not None:
                # Only now: a kept name that outlives a power cut without the other looks like a log rolled back
                with said(self._full(keep)):
                    with suppress(FileExistsError):
                        self._calls.link(self._full(path), self._full(keep))
                    self._sync_folder(_parent(keep))

    def publish_derived(
        self, files: Mapping[str, bytes], path: str, data: bytes, *, keep: str, there: Sequence[str] = ()
    ) -> None:
        """Write `files` that did not exist; when they and those `there` already are durable, make `path` or put `data` in
        its place; then call it `keep` too, if that name is free. Each is whole or, after a crash, not there or the old one.

        For what can be derived again; contents are synced together, so that a journal has few commits to make. All is
        durable on return but the name `keep`: the next call syncs it before it replaces `path`. Raises `AlreadyThere`.
        """
        folders = list(dict.fromkeys(_parent(one) for one in (*files, *there, keep)))
        for folder in (*folders, _parent(path), STAGING):
            self.make_folder(folder)
        staged: dict[str, SmallFile] = {}
        try:
            for name, content in (*files.items(), (path, data)):
                staged[name] = SmallFile(self._calls, self._full(f"{STAGING}/{secrets.token_hex(16)}"), content)
            _side_by_side(lambda name: staged[name].settle(), list(staged))
            for name in files:
                with said(self._full(name)):
                    try:
                        staged[name].link(self._full(name))
                    except FileExistsError as error:
                        raise AlreadyThere(f"{name} exists and is written once") from error
            _side_by_side(self.sync_folder, folders)
            with said(self._full(path)):
                staged[path].rename(self._full(path))
                self._sync_folder(_parent(path))
            # Only now: a kept name that outlives a power cut without the other looks like a log rolled back
            with said(self._full(keep)), suppress(FileExistsError):
                self._calls.link(self._full(path), self._full(keep))
        finally:
            for one in staged.values():
                one.drop()

    def remove(self, path: str, *, synced: bool = True) -> None:
        """Delete a file if it is there; durable on return if `synced`."""
        with said(self._full(path)):
            try:
                self._calls.unlink(self._full(path))
            except FileNotFoundError:
                return
            if synced:
                self._sync_folder(_parent(path))

    def remove_together(self, paths: Sequence[str]) -> None:
        """Delete those files that are there; durable on return, each folder synced once."""
        gone: list[str] = []

        def unlink(path: str) -> None:
            with said(self._full(path)), suppress(FileNotFoundError):
                self._calls.unlink(self._full(path))
                gone.append(path)

        _side_by_side(unlink, paths)
        _side_by_side(self.sync_folder, list(dict.fromkeys(_parent(path) for path in gone)))

    def move_aside(self, path: str, folder: str) -> str | None:
        """Give a file a fresh name in `folder`, durably; that name, or None if there is no such file."""
        if self.size(path) is None:
            return None
        aside = f"{folder}/{path.rpartition('/')[2]}.{secrets.token_hex(4)}"
        self.make_folder(folder)
        with said(self._full(path)):
            self._calls.rename(self._full(path), self._full(aside))
            self._sync_folder(folder)
            self._sync_folder(_parent(path))
        return aside

    # Staged files: written and proven under a random name, then linked to their own.

    def stage(self) -> StagedFile:
        """A new file under a random name that nobody looks for. As a context manager it is gone on leaving."""
        self.make_folder(STAGING)
        full_path = self._full(f"{STAGING}/{secrets.token_hex(16)}")
        with said(full_path):
            fd = self._calls.open(full_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            staged = StagedFile(self._calls, full_path, fd)
            try:
                # held while this process lives: `collect_partials` of another leaves it alone
                self._calls.lock(fd)
            except BaseException:
                staged.drop()
                raise
        return staged

    def stage_bytes(self, data: bytes, *, derived: bool = False) -> StagedFile:
        """A staged file that holds `data`, synced and read back: from the device, or, of what is derived from what was
        synced elsewhere and can be made again, through the page cache, which shows that the system took it.
        """
        staged = self.stage()
        try:
            staged.write(data)
            staged.finish()
            if derived:
                staged.compare_taken(data)
            else:
                staged.compare(data)
        except BaseException:
            staged.drop()
            raise
        return staged

    def publish(self, files: Sequence[tuple[StagedFile, str]]) -> None:
        """Give finished files their names, in order, each durable before the next. All or, but for a crash, none.

        Raises `AlreadyThere` if a name is taken.
        """
        linked: list[str] = []
        try:
            for staged, path in files:
                self.make_folder(_parent(path))
                with said(self._full(path)):
                    linked.append(path)  # before the call: one that fails may have done its work
                    try:
                        self._calls.link(staged.full_path, self._full(path))
                    except FileExistsError as error:
                        linked.pop()
                        raise AlreadyThere(f"{path} exists and is written once") from error
                    self._sync_folder(_parent(path))
        except BaseException:
            # no event names these yet; where taking them back fails they are orphans, which are harmless
            for path in reversed(linked):
                with suppress(BwcError):
                    self.remove(path)
            raise
        for staged, _ in files:
            staged.drop()

    def anonymous(self) -> BinaryIO:
        """A file without a name, to write and read, that is gone when it is closed or when we die."""
        self.make_folder(STAGING)
        full_path = self._full(f"{STAGING}/{secrets.token_hex(16)}")
        with said(full_path):
            fd = self._calls.open(full_path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            self._calls.unlink(full_path)
        return os.fdopen(fd, "w+b", buffering=0)

    def collect_partials(self, *, older_than_s: float) -> list[str]:
        """Delete staged files that no process holds and that rested for so long; returns their names."""
        collected = []
        for name in self.names(STAGING):
            full_path = self._full(f"{STAGING}/{name}")
            with suppress(OSError):
                fd = self._calls.open(full_path, os.O_RDONLY)
                try:
                    self._calls.lock(fd)
                    if time.time() - self._calls.modified(full_path) >= older_than_s:
                        self._calls.unlink(full_path)
                        collected.append(name)
                finally:
                    self._calls.close(fd)
        return collected

    # Looking.

    def open(self, path: str) -> BinaryIO:
        """A seekable reader. Raises `StorageError` if there is no such file."""
        return cast(BinaryIO, DiskReader(self._calls, self._full(path)))

    def blocks(self, path: str) -> Iterator[memoryview]:
        """The file's bytes as the device holds them; see `device_blocks`."""
        return device_blocks(self._calls, self._full(path))

    def size(self, path: str) -> int | None:
        """Bytes of a file, or None if there is no such file."""
        with said(self._full(path)):
            try:
                return self._calls.size(self._full(path))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def age_s(self, path: str) -> float:
        """Seconds since the file was written, by this machine's clock."""
        with said(self._full(path)):
            return time.time() - self._calls.modified(self._full(path))

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none if there is no such folder."""
        with said(self._full(folder)):
            try:
                return self._calls.names(self._full(folder))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def walk(self, folder: str) -> Iterator[str]:
        """The paths of all files below a folder."""
        for name in self.names(folder):
            path = f"{folder}/{name}"
            if self._calls.is_folder(self._full(path)):
                yield from self.walk(path)
            else:
                yield path

    # Folders and locks.

    def make_folder(self, folder: str) -> None:
        """Make a folder of the vault, and those above it, if need be; durable on return."""
        # A folder made by a process that died before its sync looks like any other: so each is synced into
        # its parent once per process, not only by the one that made it.
        if folder in self._synced_folders:
            return
        with said(self._full(folder)):
            if folder:
                self.make_folder(_parent(folder))
            elif not self._calls.is_folder(self._full(folder)):
                self.root.parent.mkdir(parents=True, exist_ok=True)
            if not self._calls.is_folder(self._full(folder)):
                with suppress(FileExistsError):
                    self._calls.mkdir(self._full(folder), 0o750)
            if folder:
                self._sync_folder(_parent(folder))
        self._synced_folders.add(folder)

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder durable: also those that a process gave which died before it could."""
        with said(self._full(folder)):
            self._sync_folder(folder)

    def make_private(self, path: str) -> None:
        """Make an empty file that only its owner may read, if there is none (SQLite keeps the mode for its journals)."""
        self.make_folder(_parent(path))
        with said(self._full(path)), suppress(FileExistsError):
            self._calls.close(self._calls.open(self._full(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            self._sync_folder(_parent(path))

    @contextmanager
    def lock(self, path: str, *, wait_s: float = 30.0, meanwhile: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the exclusive lock of a file (made if need be). Raises `InUse` when another process keeps it.

        `meanwhile` is called now and then while another has it; what it raises ends the waiting.
        """
        self.make_folder(_parent(path))
        with said(self._full(path)):
            fd = self._calls.open(self._full(path), os.O_RDWR | os.O_CREAT)
        try:
            self._wait_for(fd, path, time.monotonic() + wait_s, meanwhile)
            yield
        finally:
            self._calls.close(fd)

    def _wait_for(self, fd: int, path: str, deadline: float, meanwhile: Callable[[], None]) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            with said(self._full(path)):
                try:
                    self._calls.lock(fd)
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise InUse(f"another process holds {self._full(path)}", "wait until it ends") from None
                else:
                    return
            time.sleep(pause_s)
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
            meanwhile()  # before the next try: whoever needs the lock no more must not take it from those who do

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _sync_folder(self, folder: str) -> None:
        fd = self._calls.open(self._full(folder), os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._calls.fsync(fd)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
                raise
        finally:
            self._calls.close(fd)


def _side_by_side(act: Callable[[str], object], paths: Sequence[str]) -> None:
    """`act` on each path; many at once where they are many. What the first of them raises comes out when all are done."""
    if len(paths) < _MANY:
        for path in paths:
            act(path)
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(act, paths):
            pass


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
