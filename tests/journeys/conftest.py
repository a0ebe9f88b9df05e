"""Journeys run the real command line in a world of their own: home, passphrase, vault, card."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"


SCHEMA = json.loads((ROOT / "docs" / "json-schema.json").read_text(encoding="utf-8"))


def schema_of(*words: str) -> dict[str, Any]:
    """The schema of a command's document."""
    known = SCHEMA["$defs"]
    name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
    return {"$schema": SCHEMA["$schema"], "anyOf": [known[name], known["error"]]}


@dataclass
class Done:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def first_json(self) -> Any:
        """The result of a command that ended with an error: the error document follows it."""
        return json.JSONDecoder().raw_decode(self.out)[0]


@dataclass
class World:
    """A person at a computer: their home folder, and the commands they type."""

    folder: Path
    operator: str = "chief"
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        secret = self.folder / "passphrase"
        if not secret.exists():
            secret.write_text("correct horse battery staple\n")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def vault(self) -> Path:
        return self.folder / "vault"

    def environment(self) -> dict[str, str]:
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("BWC_") or key in ("BWC_MODELS", "BWC_RUNTIME")
        }
        return (
            kept
            | {
                "BWC_HOME": str(self.home),
                "BWC_VAULT": str(self.vault),
                "BWC_PASSPHRASE_FILE": str(self.folder / "passphrase"),
                "PYTHONPATH": str(ROOT),
            }
            | self.extra
        )

    def run(self, *words: str | Path, code: int | None = 0, timeout: float = 600) -> Done:
        """Run `bwc WORDS`; with `code` not None it must exit so."""
        done = subprocess.run(
            [sys.executable, "-m", "bwc.cli.main", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if code is not None and done.returncode != code:
            pytest.fail(
                f"bwc {' '.join(map(str, words))} exited {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
            )
        return Done(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def locked_at_the_end(self) -> Iterator[None]:
        """However it ends, no agent is left running."""
        try:
            yield
        finally:
            self.run("lock", code=None)

    def json(self, *words: str | Path, code: int | None = 0, timeout: float = 600) -> Any:
        """Run with --json; its document, which must be as docs/json-schema.json says."""
        document = self.run(*words, "--json", code=code, timeout=timeout).json
        jsonschema.validate(document, schema_of(*map(str, words)))
        return document

    def items(self) -> list[dict[str, Any]]:
        return self.json("list")["items"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A computer with an empty vault of "Springfield PD"."""
    made = World(tmp_path)
    made.run(
        "init",
        made.vault,
        "--agency",
        "Springfield PD",
        "--operator",
        made.operator,
        "--recovery-file",
        tmp_path / "recovery.txt",
    )
    return made


@pytest.fixture
def card(tmp_path: Path) -> Callable[..., Path]:
    """Make a card with copies of the given files."""

    def make(*files: Path) -> Path:
        folder = tmp_path / "card" / "DCIM" / "100BWC"
        folder.mkdir(parents=True, exist_ok=True)
        for one in files:
            shutil.copy(one, folder / one.name)
        return tmp_path / "card"

    return make
