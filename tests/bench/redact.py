"""Redaction: how fast, how much memory, how near to the original; beside ffmpeg and, where it is installed, deface.

    python tests/bench/redact.py [--seconds 60] [--shares all,60,10] [--render-only] [--deface PROGRAM] [--deface-seconds 10] [--rounds 1]
    make bench ONLY=redact DEFACE=PROGRAM

Clips: tests/bench/clips.py. Every figure is of a whole command: wall seconds, CPU seconds of all its processes, what two idle cores
could reach by them (`ceiling`), how many times the CPU seconds that ffmpeg takes in the same round to decode the clip once on one thread
(`decodes`: what is left of a figure when the machine's speed is taken out), the highest sum of their resident memory (sampled ten times a second, shared pages counted in each).
`render` takes the plan from the clip's truth: no detection. `ffmpeg`, beside the clip with 60 % dirty groups, decodes, blurs three boxes
that do not move and encodes with libx264: no detection either. deface gets the first ten seconds, of which six are dirty: it needs minutes
for them (`--deface-seconds 60`: the whole clip, a quarter of an hour more a round). Quality is judged on the render of the truth's plan: structural similarity of luma outside covers in every 30th frame that was
encoded again, equality of every frame that was copied. With `--rounds` all commands of a clip take turns, and each figure is the
median of its rounds, with the least and the most wall seconds; memory is the most. What tables hold of other sizes and lengths: redact_tables.py, redact_hours.py.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.metrics import structural_similarity

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bwc.media.decode import VideoReader  # noqa: E402
from bwc.redact.plan import DECODING, Coverage, PlanMedia, PtsTable, RedactionPlan, Span, Track  # noqa: E402
from bwc.redact.plan_format import to_bytes  # noqa: E402
from tests.bench.clips import SHARES, clip  # noqa: E402
from tests.redact.clips import NOON  # noqa: E402


@dataclass(frozen=True)
class Ran:
    wall: float
    cpu: float
    peak_mb: float
    answer: str
    code: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--shares", default="all,60,10")
    parser.add_argument("--render-only", action="store_true")
    parser.add_argument("--deface", default=os.environ.get("BWC_DEFACE") or shutil.which("deface") or "")
    parser.add_argument("--deface-seconds", type=int, default=10, choices=(10, 60))
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    print(
        f"{'clip':6}{'what':34}{'wall s':>8}{'x real':>8}{'CPU s':>8}{'ceiling':>9}{'decodes':>9}{'peak MB':>9}{'size':>7}"
    )
    with tempfile.TemporaryDirectory(prefix="bwc-bench-", dir=os.environ.get("BWC_BENCH_TMP")) as folder:
        if not chosen.render_only:
            first = Path(folder) / "first.mp4"
            bwc = [sys.executable, "-m", "bwc.cli.main", "redact", str(clip("60", seconds=10)), "-o", str(first)]
            run(bwc)  # the first run of a version makes networks ready for the others
        for share in chosen.shares.split(","):
            assert share in SHARES
            one_clip(clip(share, seconds=chosen.seconds), share, Path(folder), chosen)
        if chosen.deface and not chosen.render_only:
            deface(clip("60", seconds=chosen.deface_seconds), Path(folder), chosen)


def one_clip(path: Path, share: str, folder: Path, chosen: argparse.Namespace) -> None:
    """All commands on one clip."""
    plan = plan_of(path)
    plan_file = folder / f"{share}.json"
    plan_file.write_bytes(to_bytes(plan))
    out = folder / "out.mp4"
    bwc = [sys.executable, "-m", "bwc.cli.main", "redact", "--json", str(path), "-o", str(out)]
    commands: list[tuple[str, list[str]]] = [("render", [*bwc, "--plan", str(plan_file), "--no-check"])]
    if not chosen.render_only:
        commands.append(("detect, render", [*bwc, "--no-check"]))
        commands.append(("detect, render, check", bwc))
    if share == "60":
        commands += others(path, out)
    rounds = Rounds(share, path, out, chosen.seconds)
    for number in range(chosen.rounds):
        rounds.decode()
        for name, command in commands:
            answer = rounds.run(name, command)
            if name == "render" and answer and number == 0:
                print(f"{share:6}  {quality(path, out, plan)}; {copied(answer)}", flush=True)
    rounds.tell()


def deface(path: Path, folder: Path, chosen: argparse.Namespace) -> None:
    """The same seconds with `bwc` and with deface."""
    out, seconds = folder / "out.mp4", chosen.deface_seconds
    rounds = Rounds(f"60/{seconds}", path, out, seconds)
    bwc = [sys.executable, "-m", "bwc.cli.main", "redact", "--json", str(path), "-o", str(out), "--no-check"]
    words = [chosen.deface, str(path), "-o", str(out), "-k"]
    for _ in range(chosen.rounds):
        rounds.decode()
        rounds.run("detect, render", bwc)
        rounds.run("deface --scale 640x360", [*words, "--scale", "640x360"])
        rounds.run("deface", words)
    rounds.tell()


class Rounds:
    """What the commands on one clip of `seconds` took, round by round."""

    def __init__(self, share: str, path: Path, out: Path, seconds: int) -> None:
        self._share, self._path, self._out, self._seconds = share, path, out, seconds
        self._ran: dict[str, list[tuple[Ran, float]]] = {}  # with the decodes its CPU time was worth
        self._size: dict[str, float] = {}
        self._decoding = float("nan")

    def decode(self) -> None:
        """Decode the clip once on one thread: what the round is measured by."""
        if shutil.which("ffmpeg"):
            words = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(self._path), "-map", "0:v", "-f", "null", "-"]
            ran = run(words)
            self._decoding = ran.cpu
            self._ran.setdefault("ffmpeg, decode alone", []).append((ran, 1.0))

    def run(self, name: str, command: Sequence[str]) -> str:
        """Run a command; its answer, empty when it made nothing."""
        self._out.unlink(missing_ok=True)
        ran = run(command)
        if not self._out.exists():
            print(f"{self._share:6}{name:34}  made nothing (exit {ran.code}): {ran.answer[-300:]!r}", flush=True)
            return ""
        self._ran.setdefault(name, []).append((ran, ran.cpu / self._decoding))
        self._size[name] = self._out.stat().st_size / self._path.stat().st_size
        return ran.answer or "made"

    def tell(self) -> None:
        """Print a row for each."""
        for name, runs in self._ran.items():
            walls, cpu = [one.wall for one, _ in runs], statistics.median(one.cpu for one, _ in runs)
            wall, peak = statistics.median(walls), max(one.peak_mb for one, _ in runs)
            figures = f"{wall:8.1f}{self._seconds / wall:8.2f}{cpu:8.1f}{2 * self._seconds / cpu:9.2f}"
            decodes = f"{statistics.median(many for _, many in runs):9.2f}{peak:9.0f}"
            size = f"{self._size[name]:7.3f}" if name in self._size else f"{'':7}"
            spread = f"  {min(walls):.1f} to {max(walls):.1f} s" if len(runs) > 1 else ""
            print(f"{self._share:6}{name:34}{figures}{decodes}{size}{spread}", flush=True)


def others(path: Path, out: Path) -> list[tuple[str, list[str]]]:
    """What others do with the same clip."""
    found: list[tuple[str, list[str]]] = []
    if shutil.which("ffmpeg"):
        boxes = ((200, 300), (900, 400), (1400, 600))
        cuts = ";".join(f"[s{at}]crop=200:240:{x}:{y},boxblur=10:1[b{at}]" for at, (x, y) in enumerate(boxes))
        chain = "[v]"
        joins = []
        for at, (x, y) in enumerate(boxes):
            joins.append(f"{chain}[b{at}]overlay={x}:{y}[o{at}]")
            chain = f"[o{at}]"
        graph = f"[0:v]split=4[v][s0][s1][s2];{cuts};{';'.join(joins)}"
        for preset, crf in (("veryfast", "20"), ("superfast", "22")):
            words = [
                "ffmpeg",
                "-v",
                "error",
                "-y",
                "-i",
                str(path),
                "-filter_complex",
                graph,
                "-map",
                f"[o{len(boxes) - 1}]",
            ]
            words += ["-map", "0:a", "-c:a", "copy", "-c:v", "libx264", "-preset", preset, "-crf", crf, str(out)]
            found.append((f"ffmpeg boxblur {preset} crf {crf}", words))
    return found


def run(command: Sequence[str]) -> Ran:
    """Run to the end; CPU seconds of the whole tree, and its highest resident memory."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # as installed: modules and networks are kept in the form they run in
    began = time.perf_counter()
    with tempfile.TemporaryFile() as told:
        child = subprocess.Popen(command, env=environment, stdout=told, stderr=subprocess.DEVNULL)
        peak = _Peak(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        highest = peak.stop()
        told.seek(0)
        answer = told.read().decode()
    child.returncode = os.waitstatus_to_exitcode(status)
    return Ran(wall, usage.ru_utime + usage.ru_stime, highest, answer, child.returncode)


class _Peak:
    """The highest sum of resident memory of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        self._pid, self._highest, self._ended = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._highest

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self._highest = max(self._highest, sum(_resident(pid) for pid in _tree(self._pid)) / 2**20)


def _tree(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _tree(int(child))
    except OSError:
        pass
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def plan_of(path: Path) -> RedactionPlan:
    """The truth of a clip as a plan."""
    import hashlib

    truth = json.loads(path.with_suffix(".truth.json").read_text())
    with path.open("rb") as file:
        video = VideoReader(file).facts.video
    assert video is not None
    assert video.pts is not None
    pts = list(video.pts)
    seen: dict[str, list[tuple[int, tuple[int, int, int, int]]]] = {}
    for ordinal, boxes in enumerate(truth["frames"]):
        for box in boxes:
            seen.setdefault(box["id"], []).append((ordinal, tuple(box["box"])))
    return RedactionPlan(
        plan_id="pln-0123456789ab",
        item=None,
        segment=0,
        content_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        made_at=NOON,
        tool="bench",
        media=PlanMedia(
            width=video.width,
            height=video.height,
            rotation=0,
            time_base=video.time_base,
            pts=PtsTable.from_values(pts),
            frames_lost=0,
            duration=pts[-1] - pts[0] + pts[1] - pts[0],
        ),
        tracks=tuple(
            Track(id=f"t{number}", class_="face", spans=tuple(_spans(rows)))
            for number, rows in enumerate(seen.values(), 1)
        ),
        extensions={DECODING: {"damaged": []}},
    )


def _spans(rows: list[tuple[int, tuple[int, int, int, int]]]) -> list[Span]:
    spans: list[Span] = []
    first, boxes = rows[0][0], [rows[0][1]]
    for ordinal, box in rows[1:]:
        if ordinal != first + len(boxes):
            spans.append(Span(first=first, boxes=boxes))
            first, boxes = ordinal, []
        boxes.append(box)
    return [*spans, Span(first=first, boxes=boxes)]


def quality(path: Path, out: Path, plan: RedactionPlan) -> str:
    """How near the copy is to the original outside covers."""
    covers, values, same = Coverage(plan), [], 0
    with path.open("rb") as first, out.open("rb") as second:
        for before, after in zip(VideoReader(first).frames(), VideoReader(second).frames(), strict=True):
            if (
                np.array_equal(before.y, after.y)
                and np.array_equal(before.u, after.u)
                and np.array_equal(before.v, after.v)
            ):
                same += 1
            elif before.ordinal % 30 == 7:
                _, full = structural_similarity(before.y, after.y, data_range=255, full=True)
                outside = np.ones(full.shape, bool)
                for x0, y0, x1, y1 in covers.at(before.ordinal).boxes:
                    outside[max(0, y0 - 8) : y1 + 8, max(0, x0 - 8) : x1 + 8] = False
                values.append(float(full[outside].mean()))
    least = f"{min(values):.4f} least, {statistics.mean(values):.4f} mean" if values else "nothing encoded"
    return f"{same} frames equal; SSIM outside covers {least}"


def copied(answer: str) -> str:
    told, _ = json.JSONDecoder().raw_decode(answer)
    return (
        f"{told['groups_copied']} of {told['groups']} groups, {told['frames_copied']} of {told['frames']} frames copied"
    )


if __name__ == "__main__":
    main()
