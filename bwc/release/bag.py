"""Writing a bag (BagIt 1.0, RFC 8493): into a folder, or as one tar stream sealed to age recipients.

The payload's digests are known before a byte is written, for they were recorded at intake; what comes out of the vault is
compared with them as it is written. A bag that does not become whole does not get its name.
"""

import hashlib
import io
import os
import secrets
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

from bwc.canonical import sha256_hex
from bwc.errors import BwcError, DigestMismatch, UsageError

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
_BLOCK = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One file of the payload. `path` begins with `data/` and is plain ASCII."""

    path: str
    sha256: str
    size_bytes: int
    open: Callable[[], BinaryIO]


class Readable(Protocol):
    """What is read to its end."""

    def read(self, size: int = -1, /) -> bytes: ...


class Sink(Protocol):
    """Where a bag is written."""

    def add(self, path: str, source: "Readable", size_bytes: int) -> None: ...


def manifest_of(payload: Sequence[Payload]) -> bytes:
    """The bag's manifest of its payload."""
    return "".join(f"{one.sha256}  {one.path}\n" for one in payload).encode("ascii")


def write_bag(
    sink: Sink,
    payload: Sequence[Payload],
    tags: Mapping[str, bytes],
    info: Sequence[tuple[str, str]],
    progress: Callable[[int, int | None], None] | None = None,
) -> str:
    """Write a whole bag; the SHA-256 of its tag manifest, which covers everything in it.

    Raises `DigestMismatch` when the vault gives other bytes than were recorded.
    """
    total = sum(one.size_bytes for one in payload)
    lines = [*info, ("Bagging-Date", f"{datetime.now(UTC):%Y-%m-%d}"), ("Payload-Oxum", f"{total}.{len(payload)}")]
    files = {
        "bagit.txt": DECLARATION,
        "bag-info.txt": "".join(f"{name}: {_one_line(value)}\n" for name, value in lines).encode(),
        MANIFEST: manifest_of(payload),
        **tags,
    }
    for path, data in files.items():
        sink.add(path, io.BytesIO(data), len(data))
    covered = "".join(f"{sha256_hex(data)}  {path}\n" for path, data in sorted(files.items())).encode("ascii")
    sink.add(TAG_MANIFEST, io.BytesIO(covered), len(covered))
    done = 0
    for one in payload:
        with one.open() as source:
            counted = _Counted(source, done, total, progress)
            sink.add(one.path, counted, one.size_bytes)
        if (counted.digest.hexdigest(), counted.count) != (one.sha256, one.size_bytes):
            raise DigestMismatch(f"{one.path} is not what was recorded at intake", "bwc verify")
        done += one.size_bytes
    return sha256_hex(covered)


@contextmanager
def folder_sink(target: Path) -> Iterator[Sink]:
    """A folder beside `target` that gets its name when all went well; else nothing is left."""
    if target.exists():
        raise UsageError(f"{target} exists", "choose a new name")
    folder = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield _Folder(folder)
        for path in [*(one for one in folder.rglob("*") if one.is_dir()), folder]:
            _sync(path)
        folder.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def age_sink(target: Path, recipients: Sequence[str], folder: str) -> Iterator[Sink]:
    """One file: a tar of the bag, sealed to age recipients while it is written. Nothing of it is ever in the clear."""
    if target.exists():
        raise UsageError(f"{target} exists", "choose a new name")
    keys = age_recipients(recipients)
    partial = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    target.parent.mkdir(parents=True, exist_ok=True)
    sealing = _Sealing(partial, keys)
    try:
        with sealing.writer() as pipe, tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            yield _Tar(tar, folder)
        sealing.finish()
        partial.rename(target)
        _sync(target.parent)
    except BaseException:
        sealing.abandon()
        partial.unlink(missing_ok=True)
        raise


def age_recipients(recipients: Sequence[str]) -> list[object]:
    """The public keys of `age1…` and `ssh-…` texts. Raises `UsageError`."""
    try:
        import pyrage
    except ImportError as error:
        raise UsageError("the package pyrage is not installed", "in the folder of bwc: pip install '.[age]'") from error
    found: list[object] = []
    for text in recipients:
        try:
            kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
            found.append(kind.Recipient.from_str(text.strip()))
        except Exception as error:  # pyrage.RecipientError, and a ValueError for what is no text of a key
            raise UsageError(f"{text!r} is no age recipient", "it begins with age1, or ssh-ed25519") from error
    return found


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, path: str, source: Readable, size_bytes: int) -> None:
        full = self._root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            while data := source.read(_BLOCK):
                out.write(data)
            out.flush()
            os.fsync(out.fileno())


class _Tar:
    def __init__(self, tar: tarfile.TarFile, folder: str) -> None:
        self._tar = tar
        self._folder = folder
        self._now = int(datetime.now(UTC).timestamp())

    def add(self, path: str, source: Readable, size_bytes: int) -> None:
        member = tarfile.TarInfo(f"{self._folder}/{path}")
        member.size, member.mode, member.mtime = size_bytes, 0o600, self._now
        self._tar.addfile(member, cast(IO[bytes], source))


class _Sealing:
    """age reads from a pipe in a thread of its own what the tar writes into it."""

    def __init__(self, partial: Path, keys: Sequence[object]) -> None:
        self._partial = partial
        self._keys = list(keys)
        self._read, self._write = os.pipe()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="age", daemon=True)

    @contextmanager
    def writer(self) -> Iterator[BinaryIO]:
        self._thread.start()
        with os.fdopen(self._write, "wb", buffering=_BLOCK) as pipe:
            yield pipe

    def _run(self) -> None:
        import pyrage

        try:
            with os.fdopen(self._read, "rb") as source:
                fd = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(fd, "wb") as out:
                    pyrage.encrypt_io(source, out, self._keys)
                    out.flush()
                    os.fsync(out.fileno())
        except BaseException as error:
            self._error = error

    def finish(self) -> None:
        self._thread.join()
        if isinstance(self._error, OSError):
            raise self._error
        if self._error is not None:
            raise BwcError(f"the copy could not be sealed: {self._error}") from self._error

    def abandon(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()


class _Counted:
    """A source that digests and counts what is read from it."""

    def __init__(
        self, source: BinaryIO, before: int, total: int, progress: Callable[[int, int | None], None] | None
    ) -> None:
        self._source = source
        self._before, self._total = before, total
        self._progress = progress
        self.digest = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        self.count += len(data)
        if self._progress:
            self._progress(self._before + self.count, self._total)
        return data


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
