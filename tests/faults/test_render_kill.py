"""A render killed at random instants, or one of its workers killed, or run on a cluster: the same bytes as undisturbed.

BWC_KILLS=100 pytest tests/faults/test_render_kill.py
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("BWC_KILLS") or 20)
RENDER = """
import hashlib, io, sys
from pathlib import Path
from bwc.evidence import ObjectId
from bwc.jobs import Jobs
from bwc.redact.plan_format import from_bytes
from bwc.redact.render import render
from bwc.storage.fsops import Disk
from bwc.storage.pieces import Pieces
from bwc.storage.scratch import open_scratch

if __name__ == "__main__":
    folder, jobs, scheduler = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    source, pieces = (folder / "source.mp4").read_bytes(), Pieces(Disk(folder / "work"), ObjectId("ab" * 32), bytes(32))
    out = io.BytesIO()
    with Jobs(jobs, scheduler=scheduler) as workers:
        render(io.BytesIO(source), from_bytes((folder / "plan.json").read_bytes()), out,
               lambda: open_scratch(folder / "scratch"), jobs=workers, pieces=pieces if not scheduler else None)
    print(hashlib.sha256(out.getvalue()).hexdigest(), flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty groups of 640x480, all with something to hide."""
    from bwc.redact.plan_format import to_bytes
    from tests.redact.test_render_groups import closed, plan

    place = tmp_path_factory.mktemp("kills")
    source = closed(range(0, 200 * 3000, 3000), size=(640, 480))
    (place / "source.mp4").write_bytes(source)
    (place / "plan.json").write_bytes(to_bytes(plan(source, [(0, 200)], size=(640, 480))))
    (place / "render.py").write_text(RENDER)
    (place / "scratch").mkdir()
    return place


def start(folder: Path, jobs: int = 2, scheduler: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(folder / "render.py"), str(folder), str(jobs), scheduler],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def said(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip()


def forget_pieces(folder: Path) -> int:
    found = [path for path in (folder / "work").rglob("*") if path.is_file()]
    for path in found:
        path.unlink()
    return len(found)


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> tuple[str, float]:
    """The digest of the copy, and how long it takes."""
    began = time.monotonic()
    digest = said(start(folder, jobs=1))
    assert forget_pieces(folder) == 20
    return digest, time.monotonic() - began


def test_killed_at_random_instants_it_goes_on_to_the_same_bytes(folder: Path, undisturbed: tuple[str, float]) -> None:
    digest, seconds = undisturbed
    chance, kills = random.Random(26), 0
    while kills < KILLS:
        forget_pieces(folder)
        for _ in range(4):
            process = start(folder)
            try:
                process.wait(chance.uniform(0.3, 1.0) * seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
            process.communicate()
            # what is left readable is ciphertext: a picture's first slice would show as its four-byte length and type
            assert not any(b"avcC" in path.read_bytes() for path in (folder / "work").rglob("*") if path.is_file())
        assert said(start(folder)) == digest


def test_the_command_on_a_loose_file_killed_anywhere_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    """Detection and render of the real command line: what is left beside the copy is sealed, and gone at the end."""
    from tests.bench.redact_hours import repeated

    clip, out, waiting = tmp_path / "clip.mp4", tmp_path / "out.mp4", tmp_path / ".out.mp4.bwc-work"
    repeated(ROOT / "fixtures" / "clips" / "plain.mp4", clip, 6)
    words = [
        sys.executable,
        "-m",
        "bwc.cli.main",
        "redact",
        str(clip),
        "-o",
        str(out),
        "--no-check",
        "--profile",
        "fast",
    ]

    def begin() -> "subprocess.Popen[bytes]":
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True, **quiet)  # type: ignore[call-overload, no-any-return]

    began = time.monotonic()
    assert begin().wait(300) == 0
    seconds, undisturbed = time.monotonic() - began, out.read_bytes()
    chance, kills, stages = random.Random(28), 0, set()
    while kills < KILLS:
        out.unlink()
        for _ in range(4):
            process = begin()
            try:
                process.wait(chance.uniform(0.2, 1.0) * seconds)
                break
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
            left = [path for path in waiting.rglob("*") if path.is_file()]
            stages.add(len(left))
            assert not out.exists() or out.read_bytes() == undisturbed
            assert not any(b"avcC" in path.read_bytes() for path in left if path.name != "copy")
        if not out.exists() or waiting.exists():
            assert begin().wait(300) == 0
        assert out.read_bytes() == undisturbed
        assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]
    print(f"{kills} kills; files left behind: {sorted(stages)}")


def test_a_killed_worker_costs_its_group_only(folder: Path, undisturbed: tuple[str, float]) -> None:
    forget_pieces(folder)
    process = start(folder)
    killed = 0
    while process.poll() is None and killed < 2:
        workers = [pid for pid in _children(process.pid) if b"spawn_main" in _command(pid)]
        if workers and len(list((folder / "work").rglob("*"))) > 3 + 4 * killed:
            os.kill(workers[0], signal.SIGKILL)
            killed += 1
        time.sleep(0.05)
    assert said(process) == undisturbed[0]
    assert killed


def test_a_cluster_gives_the_same_bytes_also_when_a_worker_dies(folder: Path, undisturbed: tuple[str, float]) -> None:
    pytest.importorskip("distributed", reason="no cluster software: pip install '.[cluster]'")
    where = folder / "scheduler.json"
    tool = [sys.executable, "-m", "dask"] if _has_dask_module() else ["dask"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    scheduler = subprocess.Popen(
        [*tool, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(where)],
        **quiet,  # type: ignore[call-overload]
    )
    workers = []
    try:
        for _ in range(2):
            words = [*tool, "worker", "--scheduler-file", str(where), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            workers.append(subprocess.Popen([*words, "--local-directory", str(folder)], **quiet))  # type: ignore[call-overload]
        deadline = time.monotonic() + 60
        while not where.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        import json

        address = json.loads(where.read_text())["address"]
        assert said(start(folder, scheduler=address)) == undisturbed[0]
        process = start(folder, scheduler=address)
        time.sleep(undisturbed[1] * 0.7)
        workers[0].kill()
        assert said(process) == undisturbed[0]
    finally:
        for one in (*workers, scheduler):
            one.kill()
            one.wait()


def _has_dask_module() -> bool:
    import importlib.util

    return importlib.util.find_spec("dask.__main__") is not None


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
