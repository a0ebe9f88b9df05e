"""What rendering costs at other lengths, sizes, shares and numbers of regions; the plan is given, so only the render is measured.

    python tests/bench/redact_tables.py            # make bench ONLY=redact_tables

CPU milliseconds a frame of the whole command, start of the program included, are what counts; wall seconds beside them. Clips of ten
seconds (tests/bench/clips.py), six of ten groups dirty unless the row says otherwise; other sizes are the same pictures scaled.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bwc.redact.plan import Effect, EffectKind, RedactionPlan, Span, Track  # noqa: E402
from bwc.redact.plan_format import to_bytes  # noqa: E402
from tests.bench.clips import RATE, VERSION, X264, clip, is_dirty  # noqa: E402
from tests.bench.redact import plan_of, run  # noqa: E402

SECONDS = 10
SIZES = ((640, 360), (1280, 720), (3840, 2160))


def main() -> None:
    print(f"{'what':44}{'frames':>8}{'wall s':>8}{'CPU s':>8}{'CPU ms/frame':>14}{'peak MB':>9}{'size':>7}")
    with tempfile.TemporaryDirectory(prefix="bwc-bench-", dir=os.environ.get("BWC_BENCH_TMP")) as folder:
        place = Path(folder)
        for seconds in (SECONDS, 60):
            render(f"{seconds} s", clip("60", seconds=seconds), place)
        for share in ("10", "all"):
            render(f"share of dirty groups: {share}", clip(share, seconds=SECONDS), place)
        for size in SIZES:
            render(f"{size[0]}x{size[1]}", scaled(clip("60", seconds=SECONDS), size), place)
        for count in (1, 20, 80):
            render(f"{count} regions of 100 px, solid", clip("60", seconds=SECONDS), place, regions(count))
        for kind in (EffectKind.MEAN, EffectKind.PIXELATE, EffectKind.BLUR):
            render(f"20 regions of 100 px, {kind.value}", clip("60", seconds=SECONDS), place, regions(20, kind))


def render(name: str, path: Path, folder: Path, change: Callable[[RedactionPlan], RedactionPlan] | None = None) -> None:
    """One row."""
    plan = plan_of(path)
    wanted = change(plan) if change else plan
    plan_file, out = folder / "plan.json", folder / "out.mp4"
    plan_file.write_bytes(to_bytes(wanted))
    out.unlink(missing_ok=True)
    words = [sys.executable, "-m", "bwc.cli.main", "redact", "--json", str(path), "-o", str(out)]
    done = run([*words, "--plan", str(plan_file), "--no-check"])
    if not out.exists():
        print(f"{name:44}  made nothing (exit {done.code}): {done.answer[-300:]!r}", flush=True)
        return
    frames, size = plan.media.frames, out.stat().st_size / path.stat().st_size
    figures = f"{frames:8}{done.wall:8.1f}{done.cpu:8.1f}{1000 * done.cpu / frames:14.2f}{done.peak_mb:9.0f}{size:7.3f}"
    print(f"{name:44}{figures}", flush=True)


def regions(count: int, kind: EffectKind = EffectKind.SOLID) -> Callable[[RedactionPlan], RedactionPlan]:
    """The plan with `count` boxes of 100 px in every frame of the dirty groups, each on a way of its own."""

    def change(plan: RedactionPlan) -> RedactionPlan:
        media = plan.media
        tracks = []
        for number in range(count):
            spans = []
            for second in range(media.frames // RATE):
                if is_dirty(second, 60):
                    at = [(second * RATE + place, number) for place in range(RATE)]
                    spans.append(Span(first=second * RATE, boxes=[_box(*one, media.width, media.height) for one in at]))
            tracks.append(Track(id=f"t{number + 1}", class_="face", spans=tuple(spans)))
        return replace(plan, tracks=tuple(tracks), effect=Effect(kind=kind, margin_permille=0))

    return change


def _box(frame: int, number: int, width: int, height: int) -> tuple[int, int, int, int]:
    x = (number * 211 + 3 * frame) % (width - 100)
    y = (number * 137 + 2 * frame) % (height - 100)
    return x, y, x + 100, y + 100


def scaled(path: Path, size: tuple[int, int]) -> Path:
    """The clip at another size with its truth, made once."""
    made = path.with_name(f"{path.stem}-{size[0]}x{size[1]}-v{VERSION}.mp4")
    if made.exists():
        return made
    partial = made.with_suffix(".partial")
    mbit = 10 * (size[0] * size[1] / (1920 * 1080)) ** 0.75
    options = X264 | {
        "b": f"{mbit:.2f}M",
        "maxrate": f"{mbit:.2f}M",
        "bufsize": f"{mbit:.2f}M",
        "x264-params": "force-cfr=1",
    }
    with av.open(str(path)) as before, av.open(str(partial), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        for number, frame in enumerate(before.decode(video=0)):
            small = frame.reformat(*size)
            small.pts, small.time_base, small.pict_type = number, Fraction(1, RATE), 0
            out.mux(stream.encode(small))
        out.mux(stream.encode(None))
    truth = json.loads(path.with_suffix(".truth.json").read_text())
    by = size[0] / truth["size"][0]
    for boxes in truth["frames"]:
        for one in boxes:
            x0, y0, x1, y1 = (round(edge * by) for edge in one["box"])
            one["box"] = [x0, y0, min(size[0], max(x1, x0 + 2)), min(size[1], max(y1, y0 + 2))]
    made.with_suffix(".truth.json").write_text(json.dumps(truth | {"size": size}))
    partial.rename(made)
    return made


if __name__ == "__main__":
    main()
