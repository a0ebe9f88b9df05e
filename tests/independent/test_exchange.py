"""What we hand out, judged by tools that others wrote: `case_validate` (case-utils) and `bagit`.

Both live in a venv of their own (320 MB), which `make test-independent` makes; elsewhere BWC_EXCHANGE_TOOLS is its bin
folder. Without them these tests skip and say so.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bwc.config import Places
from tests.oversight.test_report import (
    export_log,
    inspected,
    places,  # noqa: F401
)

pytestmark = pytest.mark.independent


def tool(name: str) -> str:
    folder = os.environ.get("BWC_EXCHANGE_TOOLS")
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here: install case-utils and bagit, set BWC_EXCHANGE_TOOLS")
    return found


def test_case_validate_says_that_the_graph_conforms(places: Places, tmp_path: Path) -> None:  # noqa: F811
    checker = tool("case_validate")
    export_log(inspected(places, tmp_path).log, places.log, tmp_path / "out", agency="Springfield", bag=False)
    done = subprocess.run([checker, str(tmp_path / "out" / "case.jsonld")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Conforms: True" in done.stdout


def test_bagit_says_that_the_bag_is_valid(places: Places, tmp_path: Path) -> None:  # noqa: F811
    python = tool("python")
    export_log(inspected(places, tmp_path).log, places.log, tmp_path / "out", agency="Springfield", bag=True)
    check = "import sys, bagit; bag = bagit.Bag(sys.argv[1]); bag.validate(); print(bag.version)"
    done = subprocess.run([python, "-c", check, str(tmp_path / "out")], capture_output=True, text=True, check=False)
    if "No module named 'bagit'" in done.stderr:
        pytest.skip("bagit is not here: set BWC_EXCHANGE_TOOLS")
    assert (done.returncode, done.stdout.strip()) == (0, "1.0"), done.stderr
    (tmp_path / "out" / "data" / "entries.jsonl").write_text("")
    assert (
        subprocess.run([python, "-c", check, str(tmp_path / "out")], capture_output=True, check=False).returncode != 0
    )
