"""The folder beside a loose file's copy where unfinished work waits, so that a killed run goes on instead of starting anew.

What waits there is sealed under a key made of the recording itself: whoever has the recording can go on, and nobody else
can read anything. The key is no digest that is written anywhere (plans hold the plain SHA-256). The folder is removed when
the work is done or has failed; it stays when the run was stopped.

A run that ends between naming the copy and removing the folder has told nobody what it found. So the digest of the copy is written
down before it gets its name: where a copy is just that one, of this recording, the next run goes on and tells. It replaces nothing.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bwc.errors import InUse, UsageError
from bwc.evidence import ObjectId
from bwc.storage.fsops import Disk
from bwc.storage.pieces import Pieces

_READ = 1 << 20
_NAMED = "named"
_KEY, _NAME = b"bwc.loose-work/1 key\n", b"bwc.loose-work/1 name\n"


class LooseWork:
    """Where the work on one copy waits. Made by `working_folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def partial(self) -> Path:
        """The copy, before it has its name."""
        return self.folder / "copy"

    def pieces(self, key: bytes) -> Pieces:
        """Finished parts of the work on the recording that `key` (of `read_digests`) was made of."""
        return Pieces(Disk(self.folder), ObjectId(_name_of(key)), key)

    def will_name(self, copy_sha256: str, key: bytes) -> None:
        """The copy of the recording of `key`, which has this digest, gets its name next."""
        (self.folder / _NAMED).write_text(f"{copy_sha256} {_name_of(key)}")


def was_named(out: Path, recording: Path) -> bool:
    """Whether `out` is, to the last byte, the copy of a run on `recording` that was stopped before it could say so."""
    try:
        said = (_folder(out) / _NAMED).read_text()
        if out.is_symlink() or not out.is_file():
            return False
        with out.open("rb") as copy, recording.open("rb") as original:
            return said == f"{digest_of(copy)} {_name_of(read_digests(original)[1])}"
    except (OSError, ValueError):
        return False


def digest_of(file: BinaryIO) -> str:
    """The SHA-256 of `file`, in hexadecimal."""
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # of a protocol that it has


def _name_of(key: bytes) -> str:
    return hashlib.sha256(_NAME + key).hexdigest()


@contextmanager
def working_folder(out: Path) -> Iterator[LooseWork]:
    """The work on `out`, new or left by a run that was stopped. Raises `InUse` while another run works on it.

    Removed at the end and after an error; kept when the run is interrupted or killed.
    """
    folder = _folder(out)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is not a folder", "choose another name for the copy")
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(Disk(folder).lock("lock", wait_s=0))
        except InUse as error:
            raise InUse(f"another run works on {out}", "wait for it, or choose another name for the copy") from error
        try:
            yield LooseWork(folder)
        except KeyboardInterrupt:
            raise
        except BaseException:
            _clear(folder)
            raise
        _clear(folder)


def read_digests(recording: BinaryIO) -> tuple[str, bytes]:
    """The SHA-256 of `recording`, and the key of the work on it."""
    plain, keyed = hashlib.sha256(), hashlib.sha256(_KEY)
    recording.seek(0)
    while piece := recording.read(_READ):
        plain.update(piece)
        keyed.update(piece)
    return plain.hexdigest(), keyed.digest()


def _clear(folder: Path) -> None:
    """Remove the folder, last of all what says that the copy is named: killed half-way, it is no copy of somebody else's."""
    with suppress(OSError):  # as below: what cannot be removed stays, and the work is done all the same
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _NAMED:
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _folder(out: Path) -> Path:
    return out.with_name(f".{out.name}.bwc-work")
