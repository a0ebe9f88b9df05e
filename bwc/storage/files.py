"""The small files beside the shelves: the log's, its wrapped key. Copied so that a store or a backup can be restored from.

`fsops.Disk` is such a place as it is; `s3_files.S3Files` is the same in a bucket.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from bwc.storage.fsops import AlreadyThere, Disk

LOG = "log"
_ONCE = (f"{LOG}/tile/", f"{LOG}/checkpoints/")  # written once; partial tiles go when they are full
_LAST = f"{LOG}/checkpoint"


class Files(Protocol):
    """Paths and bytes. Writes are durable when they return."""

    def read(self, path: str) -> bytes | None: ...

    def write_new(self, path: str, data: bytes) -> None:
        """Raises `AlreadyThere`, never overwrites."""
        ...

    def replace(self, path: str, data: bytes) -> None: ...

    def remove(self, path: str) -> None: ...

    def walk(self, folder: str) -> Iterator[str]:
        """The paths of all files below a folder."""
        ...


def copy_log(source: Disk, target: Files, more: Sequence[str]) -> int:
    """Bring the log's files in `target` up to those in `source`, and the files `more`; how many were written.

    The checkpoint comes last, so a copy that stops is one of an older state. What full tiles made needless goes.
    """
    there = set(target.walk(LOG))
    written = 0
    for path in source.walk(LOG):  # full tiles never change: no lock is needed to read them
        if path.startswith(_ONCE) and ".p/" not in path and path not in there:
            written += _write_once(target, path, source.read(path))
            there.add(path)
    with source.lock("lock"):  # nobody publishes while the edge of the log is read
        now = set(source.walk(LOG))
        edge = {path: source.read(path) for path in sorted(now) if path not in there or not path.startswith(_ONCE)}
        edge |= {path: source.read(path) for path in more}
    checkpoint = edge.pop(_LAST)
    for path, data in edge.items():
        if path.startswith(_ONCE):
            written += _write_once(target, path, data)
        elif data is not None and target.read(path) != data:
            target.replace(path, data)
            written += 1
    if checkpoint is not None and target.read(_LAST) != checkpoint:
        target.replace(_LAST, checkpoint)
        written += 1
    for path in there - now:
        if path.startswith(_ONCE) and ".p/" in path:
            target.remove(path)
    return written


def _write_once(target: Files, path: str, data: bytes | None) -> int:
    if data is None:  # a partial tile that became full meanwhile
        return 0
    with suppress(AlreadyThere):
        target.write_new(path, data)
        return 1
    return 0
