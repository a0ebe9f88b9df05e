"""The log and its wrapped key, in a vault and in copies of it: each can be gone on from at every moment.

A checkpoint is there before what names it and after what it names, and so is the key that signed it: while the log's key
is handed over there are two files, the next one beside the one before until a checkpoint by it is published.
"""

import re
from contextlib import suppress

from bwc.audit.checkpoint import NoteKey, parse_checkpoint
from bwc.audit.tiles import CHECKPOINT, KEPT, TILE
from bwc.enrolment import log_vkey
from bwc.errors import IntegrityError, NotFound, ProofInvalid
from bwc.storage.files import Files
from bwc.storage.fsops import Disk

LOG = "log"
LOG_KEY = "keys/log.json"
NEXT_LOG_KEY = "keys/log.next.json"
_LAST = f"{LOG}/{CHECKPOINT}"
_TILES = f"{LOG}/tile/"  # written once; partial ones go when they are full
_KEPT = f"{LOG}/{KEPT}/"
_ONCE = (_TILES, _KEPT)
_TILE = re.compile(rf"{LOG}/tile/(entries|\d+)/((?:x\d+/)*\d+)(?:\.p/(\d+))?\Z")
_SIZED = re.compile(rf"{LOG}/(?:checkpoints|timestamps)/(\d+)(?:/|\Z)")


def signing_key(files: Files, where: str) -> bytes:
    """The file of the log's key that signed the checkpoint. Raises `NotFound` where no log is, `ProofInvalid` when none did."""
    found, note = [files.read(path) for path in (NEXT_LOG_KEY, LOG_KEY)], files.read(_LAST)
    if note is None or found == [None, None]:
        raise NotFound(f"{where} holds no vault", "a folder that bwc backup made, or a store of bwc.toml")
    for data in found:
        if data is not None and _is_by(note, data):
            return data
    raise ProofInvalid(
        f"the log's key in {where} did not sign the checkpoint there",
        "make that copy anew (bwc backup), or use another",
    )


def place_key(files: Files, key: bytes) -> None:
    """`key`, which signed the checkpoint, is the log's from here on. Dying on the way leaves it beside the one before."""
    if files.read(LOG_KEY) != key:
        files.replace(LOG_KEY, key)
    if files.read(NEXT_LOG_KEY) is not None:
        files.remove(NEXT_LOG_KEY)


def is_beyond(path: str, size: int) -> bool:
    """Whether a file of the log is of more than `size` entries: there before the checkpoint that it belongs to."""
    if (tile := _TILE.match(path)) is not None:
        level, number, width = tile.groups()
        end = int(number.replace("x", "").replace("/", "")) * TILE + int(width or TILE)
        return end > size >> 8 * (0 if level == "entries" else int(level))
    sized = _SIZED.match(path)
    return sized is not None and int(sized[1]) > size


def copy_log(source: Disk, target: Files) -> int:
    """Bring the log's files in `target` up to those in `source`, and the key that signs; how many were written.

    First tiles, then the checkpoint, then what belongs to it: a copy that stops is one of an older state. What full
    tiles made needless goes.
    """
    if target.read(NEXT_LOG_KEY) is not None:  # a copy stopped here while it brought another key
        with suppress(NotFound, IntegrityError):
            place_key(target, signing_key(target, "the copy"))
    size = _size_of(target)
    found = set(target.walk(LOG))
    there = {path for path in found if not is_beyond(path, size)}  # what else a copy that stopped brought may be wrong
    written = 0
    early: dict[str, bytes | None] = {}
    for path in source.walk(LOG):  # full tiles never change, kept checkpoints hardly: no lock is needed to read them
        if path.startswith(_TILES) and ".p/" not in path and path not in there:
            written += _bring(target, path, source.read(path), is_new=path not in found)
            there.add(path)
        elif path.startswith(_KEPT) and path not in there:
            early[path] = source.read(path)
    there.update(early)
    with source.lock("lock"):  # nobody publishes while the edge of the log is read
        now = set(source.walk(LOG))
        edge = {path: source.read(path) for path in sorted(now) if path not in there or not path.startswith(_ONCE)}
        key = signing_key(source, str(source.root))
    checkpoint = edge.pop(_LAST)
    for path in [path for path in edge if path.startswith(_TILES)]:
        written += _bring(target, path, edge.pop(path), is_new=path not in found)
    before = target.read(LOG_KEY)
    if before != key:  # the one before goes last: it signed the checkpoint that is there
        written += _bring(target, LOG_KEY if before is None else NEXT_LOG_KEY, key)
    for path, data in [(_LAST, checkpoint), *early.items(), *edge.items()]:
        written += _bring(target, path, data, is_new=path not in found)
    place_key(target, key)
    for path in found - now:
        if path.startswith(_TILES) and ".p/" in path:
            target.remove(path)
    return written


def take_log(source: Files, target: Disk, where: str) -> None:
    """Make the log of a vault from a copy of it, up to its checkpoint. Raises as `signing_key`."""
    target.write_new(LOG_KEY, signing_key(source, where))
    size = _size_of(source)
    for path in source.walk(LOG):
        data = None if is_beyond(path, size) else source.read(path)
        if data is not None:
            target.write_new(path, data)


def set_aside_unsigned(disk: Disk) -> None:
    """Move aside what is of more entries than the checkpoint, when the catalog that had those entries is lost."""
    with disk.lock("lock"):
        size = _size_of(disk)
        for path in [path for path in disk.walk(LOG) if is_beyond(path, size)]:
            disk.move_aside(path, f"quarantine/{LOG}")


def _size_of(files: Files) -> int:
    note = files.read(_LAST)
    return 0 if note is None else parse_checkpoint(note)[0].size


def _bring(target: Files, path: str, data: bytes | None, *, is_new: bool = False) -> int:
    """Write what is not there yet or otherwise; how many. None: a partial tile that became full meanwhile."""
    if data is None or (not is_new and target.read(path) == data):
        return 0
    target.replace(path, data)
    return 1


def _is_by(note: bytes, key: bytes) -> bool:
    with suppress(ProofInvalid):
        NoteKey.parse(log_vkey(key)[1]).verify(parse_checkpoint(note)[1])
        return True
    return False
