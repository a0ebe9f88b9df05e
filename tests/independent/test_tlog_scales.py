"""Our logs read by `tlog-scales` (PyPI, Apache-2.0), which somebody else wrote: every leaf is under the checkpoint."""

import os
import subprocess
from pathlib import Path

import pytest

from bwc.anchors.proof import LogProof
from bwc.audit.tiles import bundle_path
from tests.audit.logs import VKEY, House, grown_house

pytestmark = pytest.mark.independent


@pytest.fixture
def tool() -> Path:
    place = os.environ.get("BWC_TLOG_SCALES")
    if not place:
        pytest.skip("NOT JUDGED BY tlog-scales: make test-independent installs it")
    return Path(place) / "tlog-tiles"


def written(house: House, folder: Path) -> Path:
    for path, data in house.files.held.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def run(tool: Path, *words: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([tool, *map(str, words)], capture_output=True, check=False, timeout=60)


def test_it_reads_our_leaves_and_makes_proofs_that_we_accept(tool: Path, tmp_path: Path) -> None:
    house = grown_house(600)
    house.publish()
    log = f"file://{written(house, tmp_path)}"
    for seq in (0, 255, 256, 599):
        entry = house.rows.held[seq].entry
        assert run(tool, "get-leaf", "-c", log, seq).stdout.rstrip(b"\n") == entry
        proof = run(tool, "gen-proof", log, seq)
        assert proof.returncode == 0, proof.stderr
        LogProof.parse(proof.stdout).verify(entry, VKEY)


def test_it_refuses_an_altered_entry(tool: Path, tmp_path: Path) -> None:
    house = grown_house(600)
    house.publish()
    path = written(house, tmp_path) / bundle_path(1)
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    assert run(tool, "get-leaf", "-c", f"file://{tmp_path}", 256).returncode != 0
