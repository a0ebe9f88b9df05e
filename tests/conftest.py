"""Every test is a person of its own: what `bwc` keeps beside a person goes to a folder that nobody else has."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_NUMBERS = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _home_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = os.environ.get("BWC_HOME")
    folder = tmp_path_factory.mktemp("beside")
    os.environ["BWC_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["BWC_HOME"]
    else:
        os.environ["BWC_HOME"] = before


@pytest.fixture(autouse=True)
def _home_of_the_test(_home_of_the_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BWC_HOME", str(_home_of_the_run / str(next(_NUMBERS))))
