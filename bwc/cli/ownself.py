"""What this installation of bwc is made of: one digest over its files, and whether they are those that were installed."""

import base64
import hashlib
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import bwc

FOLDER = Path(bwc.__file__).resolve().parent


def package_digest(folder: Path = FOLDER) -> str:
    """SHA-256 over one line a file, `DIGEST  PATH`, by path: what `sha256sum` prints, sorted. Two computers compare it."""
    lines = [f"{digest.hex()}  {path}\n" for path, digest in _digests(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def changed_files(folder: Path = FOLDER) -> list[str] | None:
    """Files that are not as the installer wrote them, or missing; None where it left no list (an editable install)."""
    try:
        listed = importlib.metadata.files("bwc") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    recorded = {str(one): one.hash.value for one in listed if one.hash and str(one).startswith("bwc/")}
    if not recorded:
        return None
    there = {f"bwc/{path}": base64.urlsafe_b64encode(digest).decode().rstrip("=") for path, digest in _digests(folder)}
    return sorted(
        {name for name, value in recorded.items() if there.get(name) != value} | (there.keys() - recorded.keys())
    )


def _digests(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).digest()
