"""The small files beside the shelves: the log's, its wrapped key. Copied so that a store or a backup can be restored from.

`fsops.Disk` is such a place as it is; `s3_files.S3Files` is the same in a bucket.
"""

from collections.abc import Iterator
from typing import Protocol


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
