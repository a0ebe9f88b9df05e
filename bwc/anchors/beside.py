"""Small files beside a person: what they pinned, saw and signed. Replaced whole, durable on return, theirs alone."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_beside(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Make or replace `path`, readable by its owner only; a reader sees the old file or the new one, whole.

    When this returns the file survives a power cut; unless `lasting`, after a power cut it may be the old one, whole.
    On failure the old one is still there and nothing beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    if not lasting:
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the name is durable only with its folder
    finally:
        os.close(folder)
