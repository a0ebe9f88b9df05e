"""The installation's own digest: the same for the same files, another for any change."""

import hashlib
import importlib.metadata
import shutil
from pathlib import Path

import pytest

from bwc.cli import ownself


def test_the_digest_is_that_of_sha256sum_and_sees_every_change(tmp_path: Path) -> None:
    folder = tmp_path / "bwc"
    shutil.copytree(ownself.FOLDER / "appending", folder, ignore=shutil.ignore_patterns("__pycache__"))
    lines = "".join(f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in sorted(folder.iterdir()))
    before = ownself.package_digest(folder)
    assert before == hashlib.sha256(lines.encode()).hexdigest()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert ownself.package_digest(folder) == before
    with (folder / "log.py").open("a") as file:
        file.write("\n")
    changed = ownself.package_digest(folder)
    (folder / "more.py").touch()
    assert len({before, changed, ownself.package_digest(folder)}) == 3


def test_a_file_that_is_not_as_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bwc"
    folder.mkdir()
    for name in ("a.py", "b.py"):
        (folder / name).write_text(name)
    listed = []
    for name in ("a.py", "b.py"):
        entry = importlib.metadata.PackagePath(f"bwc/{name}")
        digest = hashlib.sha256(name.encode()).digest()
        value = ownself.base64.urlsafe_b64encode(digest).decode().rstrip("=")
        entry.hash = importlib.metadata.FileHash(f"sha256={value}")
        listed.append(entry)
    monkeypatch.setattr(importlib.metadata, "files", lambda _: listed)
    assert ownself.changed_files(folder) == []
    (folder / "b.py").write_text("changed")
    (folder / "c.py").touch()
    assert ownself.changed_files(folder) == ["bwc/b.py", "bwc/c.py"]
    (folder / "a.py").unlink()
    assert ownself.changed_files(folder) == ["bwc/a.py", "bwc/b.py", "bwc/c.py"]
    monkeypatch.setattr(importlib.metadata, "files", lambda _: [])
    assert ownself.changed_files(folder) is None
