"""Hours: does memory stay flat? One minute with two groups of ten dirty, repeated by copying its packets; each dirty group's covers
differ, so that nothing of an earlier one can be taken again.

    python tests/bench/redact_hours.py [--minutes 10,120] [--width 640] [--whole]     # make bench ONLY=redact_hours

The plan is given; no detection, no check: with --whole both, and no plan. 640x360 by default: what grows with length does not grow with the
picture's size, and two hours of 1920x1080 (--width 1920) need eight times as long.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bwc.redact.plan import PlanMedia, PtsTable, RedactionPlan, Span, Track  # noqa: E402
from bwc.redact.plan_format import to_bytes  # noqa: E402
from tests.bench.clips import RATE, clip  # noqa: E402
from tests.bench.redact import plan_of, run  # noqa: E402
from tests.bench.redact_tables import scaled  # noqa: E402

DIRTY = 2  # of ten groups
TICK = Fraction(1024, 48_000)  # of a packet of sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", default="10,120")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--whole", action="store_true")
    chosen = parser.parse_args()
    print(
        f"{'minutes':>8}{'frames':>9}{'wall s':>8}{'CPU s':>8}{'CPU ms/frame':>14}{'peak MB':>9}{'plan MB':>9}{'copy MB':>9}"
    )
    base = clip("60", seconds=10)
    if chosen.width != 1920:
        base = scaled(base, (chosen.width, chosen.width * 9 // 16))
    with tempfile.TemporaryDirectory(prefix="bwc-bench-", dir=os.environ.get("BWC_BENCH_TMP")) as folder:
        for minutes in chosen.minutes.split(","):
            one(base, int(minutes), Path(folder), whole=chosen.whole)


def one(base: Path, minutes: int, folder: Path, *, whole: bool) -> None:
    """One row."""
    path, plan_file, out = folder / "long.mp4", folder / "plan.json", folder / "out.mp4"
    frames = repeated(base, path, minutes * 6)
    plan_file.unlink(missing_ok=True)
    out.unlink(missing_ok=True)
    words = [sys.executable, "-m", "bwc.cli.main", "redact", "--json", str(path), "-o", str(out)]
    if whole:
        words += ["--save-plan", str(plan_file)]
    else:
        plan_file.write_bytes(to_bytes(plan(base, path, frames)))
        words += ["--plan", str(plan_file), "--no-check"]
    done = run(words)
    if not out.exists():
        print(f"{minutes:8}  made nothing (exit {done.code}): {done.answer[-300:]!r}", flush=True)
        return
    sizes = f"{plan_file.stat().st_size / 1e6:9.2f}{out.stat().st_size / 1e6:9.0f}"
    figures = f"{frames:9}{done.wall:8.1f}{done.cpu:8.1f}{1000 * done.cpu / frames:14.2f}{done.peak_mb:9.0f}{sizes}"
    told, _ = json.JSONDecoder().raw_decode(done.answer)
    print(f"{minutes:8}{figures}  {told['groups_copied']} of {told['groups']} groups copied", flush=True)


def repeated(base: Path, path: Path, times: int) -> int:
    """The pictures of `base` with the sound of the clip it was made of, `times` over; how many frames that is."""
    with (
        av.open(str(base)) as source,
        av.open(str(clip("60", seconds=10))) as heard,
        av.open(str(path), "w", format="mp4") as out,
    ):
        rows = []
        for container, stream in ((source, source.streams.video[0]), (heard, heard.streams.audio[0])):
            stored = [(bytes(one), one.is_keyframe) for one in container.demux(stream) if one.size]
            rows.append((stored, out.add_stream_from_template(stream)))
        pictures, sounds = rows
        pictures[1].time_base = Fraction(1, 90_000)
        frames, packets = len(pictures[0]) * times, 0
        for number in range(frames):
            mux(out, pictures, number, Fraction(1, RATE))
            while packets * TICK < Fraction(number + 1, RATE):
                mux(out, sounds, packets, TICK)
                packets += 1
    return frames


def mux(out: Any, row: tuple[list[tuple[bytes, bool]], Any], number: int, tick: Fraction) -> None:
    """Packet `number` of an endless row."""
    stored, stream = row
    data, is_key = stored[number % len(stored)]
    packet = av.Packet(data)
    packet.stream, packet.time_base, packet.is_keyframe = stream, tick, is_key
    packet.pts = packet.dts = number
    packet.duration = 1
    out.mux(packet)


def plan(base: Path, path: Path, frames: int) -> RedactionPlan:
    """Two groups of ten hold something to hide, at a place of its own in each."""
    known = plan_of(base)
    width, height = known.media.width, known.media.height
    spans = []
    for number, first in enumerate(range(0, frames, RATE)):
        if number % 10 < DIRTY:
            x, y = number % (width - 60), number // (width - 60) * 4 % (height - 60)
            spans.append(Span(first=first, boxes=[(x, y, x + 60, y + 60)] * RATE))
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    tick = 3000
    media = PlanMedia(
        width=width,
        height=height,
        rotation=0,
        time_base=Fraction(1, 90_000),
        pts=PtsTable.from_values(range(0, frames * tick, tick)),
        frames_lost=0,
        duration=frames * tick,
    )
    track = Track(id="t1", class_="face", spans=tuple(spans))
    return replace(known, media=media, content_sha256=digest.hexdigest(), tracks=(track,))


if __name__ == "__main__":
    main()
