"""The page's logic as a judge: one node process that is shown package after package."""

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

RATE, SECONDS = 10, 12  # of the video in conftest.py


class Judge:
    """One node process that judges package after package."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.skip("node absent: the page's logic was NOT run (apt-get install nodejs)")
        for name in (
            "verify.js",
            "verify_copied.js",
            "verify_papers.js",
        ):  # node takes a bare .js for a script of the old kind
            text = files("bwc.release").joinpath("static", name).read_text(encoding="utf-8")
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "package.json").write_text('{"type": "module"}')
        script = Path(__file__).with_name("judge.mjs")
        self.process = subprocess.Popen(
            [node, str(script), str(folder / "verify.js")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, folder: Path, key: str = "", *, whole: bool = True, only: list[str] | None = None) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        ask = {"folder": str(folder), "key": key, "whole": whole, "only": only}
        self.process.stdin.write(json.dumps(ask) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())
