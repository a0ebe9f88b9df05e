"""What lies in the folder of a package: its files, links, and what desktops leave in every folder they show."""

import os
import stat
from pathlib import Path

_DROPPINGS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # what a desktop adds to every folder it shows
_APPLE_DOUBLE, _MOST_DOUBLE = bytes.fromhex("0005160700020000"), 1 << 20  # RFC 1740: magic and version; attributes only


def is_plain(path: Path, *, follow: bool) -> bool:
    """Whether a regular file is at `path`; in a whole package links are never followed."""
    try:
        return stat.S_ISREG(path.stat(follow_symlinks=follow).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_dropping(path: Path) -> bool:
    """Whether a desktop left this file in a folder that it showed; nobody made it a part of anything."""
    return path.name in _DROPPINGS or _is_apple_double(path)


def walk(folder: Path) -> list[tuple[str, bool]]:
    """Everything in the package but folders: path from its top with `/`, and whether it is a regular file."""
    found = []
    for here, folders, files in os.walk(folder, onerror=_raise):
        for name in (*files, *(name for name in folders if (Path(here) / name).is_symlink())):
            path = Path(here) / name
            found.append((path.relative_to(folder).as_posix(), is_plain(path, follow=False)))
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def _is_apple_double(path: Path) -> bool:
    """Whether it is what a Mac leaves beside a file on a disk that is not its own: the name and the first bytes say so."""
    if not path.name.startswith("._") or path.stat().st_size > _MOST_DOUBLE:
        return False
    with path.open("rb") as file:
        return file.read(len(_APPLE_DOUBLE)) == _APPLE_DOUBLE
