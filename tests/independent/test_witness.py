"""Our witness and our cosigned checkpoints, judged by others: Go's note package, and a witness that somebody else wrote."""

import base64
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bwc.anchors.paths import consistency_proof
from bwc.appending.writing import add_signatures
from bwc.audit.checkpoint import COSIGNATURE, Note, NoteKey, parse_checkpoint
from bwc.audit.tiles import TileTree
from bwc.identities import encode_binary
from bwc.oversight.post import post
from bwc.oversight.witness import create
from tests.anchors.test_fork import forked
from tests.audit.logs import ORIGIN, STRANGER, VKEY, House, small_house
from tests.independent.test_go import gover, written

pytestmark = pytest.mark.independent
__all__ = ["gover"]


def request(house: House, old: int, note: bytes) -> bytes:
    size = parse_checkpoint(note)[0].size
    proof = consistency_proof(old, size, TileTree(house.files, size).node) if 0 < old < size else []
    return f"old {old}\n{''.join(f'{encode_binary(one)}' + chr(10) for one in proof)}\n".encode() + note


def test_go_accepts_our_cosigned_checkpoint_and_refuses_an_altered_one(gover: Path, tmp_path: Path) -> None:
    witness = create(tmp_path / "witness", "clerk.example/bwc")
    witness.follow(VKEY)
    house = small_house()
    note = house.files.held["checkpoint"]
    answer = witness.add_checkpoint(request(house, 0, note))
    (line,) = Note.parse(b"x\n\n" + answer.body).signatures
    house.files.held["checkpoint"] = add_signatures(note, [line])
    log = written(house.files, tmp_path / "log")

    def judged(key: NoteKey) -> subprocess.CompletedProcess[str]:
        words = [gover, "-w", key.text(), log, VKEY.text()]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    good = judged(witness.key)
    assert good.returncode == 0, good.stderr
    assert "COSIGNED clerk.example/bwc" in good.stdout
    assert judged(NoteKey("clerk.example/bwc", COSIGNATURE, STRANGER.public)).returncode != 0
    blob = bytearray(base64.b64decode(line.line().split(" ")[2]))
    blob[8] ^= 1  # the time
    changed = house.files.held["checkpoint"].replace(line.line().split(" ")[2].strip().encode(), base64.b64encode(blob))
    (log / "checkpoint").write_bytes(changed)
    assert judged(witness.key).returncode != 0


@dataclass
class Other:
    """A witness that somebody else wrote (PyPI aics-witness), serving."""

    url: str
    key: NoteKey


def _program(name: str) -> str | None:
    """A program of the `aics` packages: they need Python 3.12, so a virtual environment of their own; BWC_AICS is its bin."""
    named = os.environ.get("BWC_AICS")
    return shutil.which(name, path=named) if named else shutil.which(name)


def _run(*words: Any, folder: Path) -> subprocess.CompletedProcess[str]:
    asked = [str(one) for one in words]
    return subprocess.run(asked, capture_output=True, text=True, check=False, cwd=folder, timeout=60)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    program = _program("aics-witness")
    if program is None:
        pytest.skip("NOT JUDGED BY ANOTHER'S WITNESS: needs aics-witness (Python 3.12 venv; BWC_AICS=its bin folder)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "other"
    folder.mkdir()
    made = _run(program, "init", "--name", "other.example/w1", "--listen", f"127.0.0.1:{port}", folder=folder)
    (vkey,) = [word for word in made.stdout.split() if word.startswith("other.example/w1+")]
    assert _run(program, "add-log", "--origin", ORIGIN, "--vkey", VKEY.text(), folder=folder).returncode == 0
    with subprocess.Popen(
        [program, "serve"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as serving:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield Other(f"http://127.0.0.1:{port}/", NoteKey.parse(vkey))
        serving.terminate()


def test_another_checker_counts_our_witness(tmp_path: Path) -> None:
    program = _program("aics-tlog")
    if program is None:
        pytest.skip("NOT JUDGED BY AICS-TLOG: needs it (Python 3.12 venv; BWC_AICS=its bin folder)")
    witness = create(tmp_path / "witness", "clerk.example/bwc")
    witness.follow(VKEY)
    house = small_house()
    note = house.files.held["checkpoint"]
    (line,) = Note.parse(b"x\n\n" + witness.add_checkpoint(request(house, 0, note)).body).signatures
    house.files.held["checkpoint"] = add_signatures(note, [line])
    log = written(house.files, tmp_path / "log")
    words = [program, "verify-checkpoint", "--tiles", log, "--log-key", VKEY.text(), "--quorum", "1", "--witness-key"]
    good = _run(*words, witness.key.text(), folder=tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    stranger = NoteKey("clerk.example/bwc", COSIGNATURE, STRANGER.public)
    assert _run(*words, stranger.text(), folder=tmp_path).returncode != 0


def test_another_witness_cosigns_our_log_and_refuses_its_fork(other: Other) -> None:
    house, fork = small_house(), forked(12)
    for old, size in ((0, 5), (5, 9), (9, 12)):
        note = house.files.held[f"checkpoints/{size}"]
        answer = post(f"{other.url}add-checkpoint", request(house, old, note), "text/plain", timeout=10, most=10_000)
        assert answer.status == 200, answer.body
        signatures = Note.parse(b"x\n\n" + answer.body).signatures
        assert other.key.verify(parse_checkpoint(add_signatures(note, signatures))[1])
    late = post(f"{other.url}add-checkpoint", request(house, 5, note), "text/plain", timeout=10, most=10_000)
    assert (late.status, late.body) == (409, b"12\n")
    again = request(fork, 12, fork.files.held["checkpoint"])
    assert post(f"{other.url}add-checkpoint", again, "text/plain", timeout=10, most=10_000).status in (409, 422)
    assert VKEY.name == ORIGIN
