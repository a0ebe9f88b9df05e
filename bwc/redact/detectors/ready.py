"""Networks made ready, kept beside the code as Python keeps its own: in `__pycache__`, for this version and processor only.

OpenVINO rewrites a network's graph for every size of picture, 0.4 s of CPU time each time; what came of it can be kept and
taken in again in a third of that. It is believed without the digests that weights are compared with, so it lies nowhere but where
whoever may change it may change the code itself, as with compiled modules. Where that folder cannot be written,
or Python is told to write nothing there (`PYTHONDONTWRITEBYTECODE`), nothing is kept. A file that is not whole is not taken.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from bwc.canonical import canonical
from bwc.media.build import work_of

_MOST = 40  # files, some 3 MB each; the one used longest ago goes first
_DIGEST = hashlib.sha256().digest_size


def name_of(*decides: object) -> str:
    """The name of what `decides` how a network is made ready: said in full by their `repr`, beside the code and its libraries."""
    digest = hashlib.sha256(b"bwc.ready/1\n" + canonical(work_of()))
    for one in decides:
        digest.update(repr(one).encode() + b"\n")
    return digest.hexdigest()


def kept(name: str) -> bytes | None:
    """What was kept under that name; None when nothing was, or not all of it is there."""
    path = _path(name)
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, ready = data[:_DIGEST], data[_DIGEST:]
    if hashlib.sha256(ready).digest() != digest:
        return None
    with suppress(OSError):
        os.utime(path)
    return ready


def keep(name: str, ready: bytes) -> None:
    """Keep it, if that can be. What fails here costs time the next time, and nothing else."""
    if sys.dont_write_bytecode:
        return
    path = _path(name)
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(
                    handle, Path(__file__).stat().st_mode & 0o666
                )  # as Python does: whoever reads the code reads it
                file.write(hashlib.sha256(ready).digest() + ready)
            Path(partial).replace(path)
        except OSError:
            Path(partial).unlink(missing_ok=True)
            raise
        for old in sorted(path.parent.glob("*.ready"), key=lambda one: one.stat().st_mtime)[:-_MOST]:
            old.unlink(missing_ok=True)


def _path(name: str) -> Path:
    return _folder() / f"{name[:32]}.ready"


@cache
def _folder() -> Path:
    """Where Python keeps this module's own compiled form."""
    return Path(importlib.util.cache_from_source(__file__)).parent
