"""A log as it lies in a local folder: what an auditor holds. Nobody who wrote the folder is trusted."""

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from bwc.audit.tiles import MAX_FILE
from bwc.errors import IntegrityError, StorageError


class LogFolder:
    """A `LogReader` of a local folder. Symbolic links are not followed."""

    _PART = re.compile(r"[A-Za-z0-9_-]+(\.p)?\Z")

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def read(self, path: str) -> bytes | None:
        place = self._place(path)
        try:
            status = os.lstat(place)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE:
                raise IntegrityError(f"{path} is not a file of a log")
            with open(place, "rb", buffering=0) as file:  # noqa: PTH123
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}") from error

    def list(self, folder: str) -> Sequence[str]:
        try:
            return sorted(one.name for one in Path(self._place(folder)).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise StorageError(f"{folder} cannot be read: {error.strerror}") from error

    def _place(self, path: str) -> str:
        place = self._folder  # text: with `Path` this took longer than reading the file
        for part in path.split("/"):
            if not self._PART.match(part) or os.path.islink(place):  # noqa: PTH114
                raise IntegrityError(f"{path!r} is not a path of a log")
            place = f"{place}/{part}"
        return place
