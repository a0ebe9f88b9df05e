"""Every test is a person of its own: what `bwc` keeps beside a person goes to a folder that nobody else has.

And what several rooms share: one real S3 server, one key service, started when the first test asks for it.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.suites.key_service import KeyService
    from tests.suites.s3_server import S3Server

_NUMBERS = itertools.count()

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as bwc itself does, for tests that load numpy before it
# OpenVINO compiles each network for each size of picture, which short clips do not repay
os.environ.setdefault("BWC_RUNTIME", "onnxruntime")


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


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[S3Server]":
    """A running server with the buckets `locking` and `plain`. Skips where it is not installed."""
    from tests.suites.s3_server import S3Server

    server = S3Server(tmp_path_factory.mktemp("s3")).start()
    try:
        server.bucket("locking")
        server.bucket("plain", lock=False)
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def key_service() -> "Iterator[KeyService]":
    """A running key service. Skips where it is not installed."""
    from tests.suites.key_service import KeyService

    service = KeyService()
    try:
        yield service
    finally:
        service.stop()
