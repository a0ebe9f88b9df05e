"""What lies on a card, listed without changing it: no link followed, no access time written.

Names come from a stranger's file system. Inside bwc a name is text: valid printable UTF-8 stays as it is, a
backslash becomes `\\\\`, and every other byte (not UTF-8, control, bidirectional override) becomes `\\xNN`.
`name_text` and `name_bytes` are exact inverses, so no two files share a name.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bwc.errors import NotFound, StorageError, UsageError

LITTER_NAMES = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".localized"})
LITTER_FOLDERS = frozenset({"system volume information", ".spotlight-v100", ".fseventsd", ".temporaryitems"})
APPLE_DOUBLE = bytes.fromhex("00051607")  # first four bytes of a `._name` file, RFC 1740 appendix A


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFile:
    """One regular file on a card. `path` is relative to the card's root, as the file system spells it."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    inode: int
    device: int

    @property
    def name(self) -> str:
        return name_text(self.path)

    @property
    def folder(self) -> bytes:
        return self.path.rpartition(b"/")[0]

    @property
    def base(self) -> str:
        """The last part of the path, as text."""
        return name_text(self.path.rpartition(b"/")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Something on the card that is not taken, and why. `blocks_wipe` is false for the operating system's litter."""

    name: str
    size_bytes: int
    reason: str
    blocks_wipe: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything found on a card at one moment, in the order of the names."""

    root: Path
    files: tuple[CardFile, ...]
    left: tuple[Left, ...]
    folders: tuple[bytes, ...] = ()
    device: int = 0  # of the root: another one later means that the card is no longer mounted there


def name_text(raw: bytes) -> str:
    """`raw` as text that any document can hold; see the module's first lines."""
    out: list[str] = []
    for char in raw.decode("utf-8", "surrogateescape"):
        if char == "\\":
            out.append("\\\\")
        elif char.isprintable():
            out.append(char)
        else:
            out.extend(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
    return "".join(out)


def name_bytes(text: str) -> bytes:
    """The file system's bytes of a name written by `name_text`. Raises `UsageError` for any other text."""
    parts = re.split(r"(\\\\|\\x[0-9a-f]{2})", text)
    plain, escapes = parts[0::2], parts[1::2]
    if any("\\" in part for part in plain):
        raise UsageError(f"{text!r} is not an escaped file name")
    decoded = [b"\\" if escape == "\\\\" else bytes.fromhex(escape[2:]) for escape in escapes]
    raw = b"".join(part.encode() + escape for part, escape in zip(plain, [*decoded, b""], strict=True))
    if name_text(raw) != text:
        raise UsageError(f"{text!r} is not an escaped file name")
    return raw


def list_card(card: Path, *, deep: bool = True) -> Listing:
    """List every file below `card`, or `card` itself if it is one file; without `deep` only what lies directly in it.

    Raises `NotFound` when nothing is there and `StorageError` when its top folder cannot be read.
    """
    try:
        root = card.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise NotFound(f"no card at {card}", "name the folder where the card is mounted") from error
    if not root.is_dir():
        return _single(root)
    files: list[CardFile] = []
    left: list[Left] = []
    folders: list[bytes] = [b""]
    found_folders: list[bytes] = []
    with open_root(root) as root_fd:
        device = os.fstat(root_fd).st_dev
        while folders:
            folder = folders.pop()
            try:
                in_folder, not_taken, deeper = _list_folder(root, root_fd, folder)
            except OSError as error:
                if not folder:
                    raise StorageError(
                        f"card {card} cannot be read: {error.strerror}", "is it still mounted?"
                    ) from error
                why = f"folder cannot be read: {error.strerror}"
                left.append(Left(name=name_text(folder) + "/", size_bytes=0, reason=why, blocks_wipe=True))
                continue
            files += in_folder
            left += not_taken
            found_folders += deeper
            folders += deeper if deep else []
    by_name = sorted(files, key=lambda file: _natural(file.path))
    ordered = tuple(sorted(left, key=lambda each: each.name))
    return Listing(root=root, files=tuple(by_name), left=ordered, device=device, folders=tuple(sorted(found_folders)))


def _list_folder(root: Path, root_fd: int, folder: bytes) -> tuple[list[CardFile], list[Left], list[bytes]]:
    """What lies directly in `folder`: files, what is not taken, folders below."""
    files: list[CardFile] = []
    left: list[Left] = []
    deeper: list[bytes] = []
    fd = open_below(root_fd, folder, os.O_RDONLY | os.O_DIRECTORY) if folder else os.dup(root_fd)
    is_litter_folder = any(part.decode("utf-8", "replace").lower() in LITTER_FOLDERS for part in folder.split(b"/"))
    try:
        with os.scandir(fd) as entries:
            names = [os.fsencode(entry.name) for entry in entries]
        for name in names:
            path = folder + b"/" + name if folder else name
            try:
                info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except OSError as error:
                why = f"cannot be read: {error.strerror}"
                left.append(Left(name=name_text(path), size_bytes=0, reason=why, blocks_wipe=True))
                continue
            if stat.S_ISDIR(info.st_mode):
                deeper.append(path)
            elif not stat.S_ISREG(info.st_mode):
                left.append(_not_a_file(root, fd, name, path, info))
            elif is_litter_folder or _is_litter(fd, name):
                why = "written by an operating system, not by a camera"
                left.append(Left(name=name_text(path), size_bytes=info.st_size, reason=why, blocks_wipe=False))
            else:
                files.append(_card_file(path, info))
    finally:
        os.close(fd)
    return files, left, deeper


def _is_litter(folder_fd: int, name: bytes) -> bool:
    """Litter by name; a `._name` only if its content says so. Trash folders are evidence: somebody deleted that."""
    lowered = name.decode("utf-8", "replace").lower()
    if lowered in LITTER_NAMES:
        return True
    if not lowered.startswith("._"):
        return False
    try:
        fd = _open_quietly(name, os.O_RDONLY | os.O_NONBLOCK, folder_fd)
    except OSError:
        return False  # the intake will say that it cannot be read
    try:
        return os.read(fd, 4) == APPLE_DOUBLE
    except OSError:
        return False
    finally:
        os.close(fd)


def _not_a_file(root: Path, folder_fd: int, name: bytes, path: bytes, info: os.stat_result) -> Left:
    reason, blocks = "not a file", True
    if stat.S_ISLNK(info.st_mode):
        reason = "a link out of the card, not followed"
        target = Path(os.fsdecode(os.readlink(name, dir_fd=folder_fd)))
        here = (root / os.fsdecode(path)).parent
        try:
            inside = (here / target).resolve(strict=True)
        except (OSError, RuntimeError):
            reason = "a link to nothing"
        else:
            if inside.is_relative_to(root):
                reason, blocks = "a link within the card; what it points to is taken itself", False
    return Left(name=name_text(path), size_bytes=0, reason=reason, blocks_wipe=blocks)


def _single(path: Path) -> Listing:
    info = path.stat()
    if not stat.S_ISREG(info.st_mode):
        raise UsageError(f"{path} is neither a folder nor a file")
    return Listing(root=path, files=(_card_file(os.fsencode(path.name), info),), left=(), device=info.st_dev)


def _card_file(path: bytes, info: os.stat_result) -> CardFile:
    return CardFile(
        path=path, size_bytes=info.st_size, mtime_ns=info.st_mtime_ns, inode=info.st_ino, device=info.st_dev
    )


def is_same(file: CardFile, info: os.stat_result) -> bool:
    """Whether `info` is of the file as it was listed."""
    return stat.S_ISREG(info.st_mode) and file == _card_file(file.path, info)


@contextmanager
def open_root(root: Path) -> Iterator[int]:
    """A descriptor of the card's top folder."""
    fd = _open_quietly(os.fsencode(root), os.O_RDONLY | os.O_DIRECTORY, None)
    try:
        yield fd
    finally:
        os.close(fd)


def open_below(root_fd: int, path: bytes, flags: int) -> int:
    """Open `path` below `root_fd` one part at a time: no part may be a link, and no length limit applies to the whole."""
    parts = path.split(b"/")
    here = os.dup(root_fd)
    try:
        for part in parts[:-1]:
            deeper = _open_quietly(part, os.O_RDONLY | os.O_DIRECTORY, here)
            os.close(here)
            here = deeper
        return _open_quietly(parts[-1], flags, here)
    finally:
        os.close(here)


def _open_quietly(name: bytes, flags: int, folder_fd: int | None) -> int:
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags | os.O_NOATIME, dir_fd=folder_fd)
    except PermissionError:
        # Linux allows O_NOATIME to the owner of a file only (open(2)); without it the mount decides.
        return os.open(name, flags, dir_fd=folder_fd)


def _natural(path: bytes) -> list[tuple[int, int, bytes]]:
    """Sort key: numbers by value, so that chapter 2 comes before chapter 10."""
    parts = re.split(rb"(\d{1,18})", path)
    return [(1, int(part), part) if index % 2 else (0, 0, part) for index, part in enumerate(parts)]
