"""A folder as a BagIt 1.0 bag (RFC 8493): payload below `data/`, a digest of every file, nothing that needs a library to read."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

_ALGORITHMS = ("sha256", "sha512")
_BLOCK = 1 << 20


def seal_bag(folder: Path, info: Mapping[str, str]) -> None:
    """Make the bag's own files around `folder/data`, which is there and complete."""
    files = sorted(path for path in (folder / "data").rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    _write(folder / "bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    lines = [f"{name}: {value}" for name, value in sorted({**info, "Payload-Oxum": f"{size}.{len(files)}"}.items())]
    _write(folder / "bag-info.txt", "\n".join(lines) + "\n")
    _manifests(folder, "manifest", files)
    tags = [folder / "bagit.txt", folder / "bag-info.txt", *(folder / f"manifest-{name}.txt" for name in _ALGORITHMS)]
    _manifests(folder, "tagmanifest", tags)


def _manifests(folder: Path, kind: str, files: list[Path]) -> None:
    found = [(path, _digests(path)) for path in files]
    for place, name in enumerate(_ALGORITHMS):
        lines = [f"{digests[place]}  {_escaped(path.relative_to(folder))}" for path, digests in found]
        _write(folder / f"{kind}-{name}.txt", "\n".join(lines) + "\n")


def _digests(path: Path) -> tuple[str, ...]:
    states = [hashlib.new(name) for name in _ALGORITHMS]
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            for state in states:
                state.update(block)
    return tuple(state.hexdigest() for state in states)


def _escaped(path: Path) -> str:
    # RFC 8493 2.1.3: these three would break a line of a manifest
    return str(path).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
