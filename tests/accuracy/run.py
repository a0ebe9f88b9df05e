"""`make accuracy`: measure on footage with known truth and on the hard set, beside deface; write docs/accuracy.md's tables.

    python tests/accuracy/run.py DATA [--work DIR] [--profiles balanced,fast] [--deface VENV/bin/deface | --kept JSON]

Everything is judged by `bwc bench accuracy` on the pixels of the copies. Slow (about 15 CPU minutes without deface).
Clips that show nobody (`controls`) get an empty truth here, so that what is hidden in them counts as hidden for nothing.
The floor (tests/accuracy/floor.json) may only rise: the run fails when a figure falls below it.
"""

import argparse
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bwc.redact.exposure import SIZES, nearly_longest  # noqa: E402

PAGE = ROOT / "docs" / "accuracy.md"
FLOOR = Path(__file__).with_name("floor.json")
FOLDERS = ("video_bodycam", "video_headcam", "video_faces_lowres", "video_synth", "video_telemetry")
CONTROLS = ("video_telemetry/gopro_karma",)
START, END = "<!-- figures: tests/accuracy/run.py -->", "<!-- end of figures -->"


def dataset(data: Path, work: Path) -> Path:
    """Links to the clips and their truth, and the hard set, in one folder."""
    folder = work / "dataset"
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for path in sorted((data / name).iterdir()):
            link = folder / name / path.name
            if not link.exists():
                link.symlink_to(path.resolve())
    for name in CONTROLS:
        truth = folder / f"{name}.truth.json"
        if (data / f"{name}.mp4").is_file() and not truth.exists():
            truth.write_text(json.dumps({"frames": []}))
    hard = folder / "hard"
    if len(list(hard.glob("*.truth.json"))) < 6:
        script = Path(__file__).with_name("hard_set.py")
        subprocess.run([sys.executable, str(script), str(hard), "--stills", str(data / "stills")], check=True)
    return folder


def others(deface: Path | None, work: Path) -> list[str]:
    """deface with its defaults and at its fast setting, covering with a magenta picture so that pixels can be judged."""
    if deface is None:
        return []
    picture = work / "magenta.png"
    cv2.imwrite(str(picture), np.full((64, 64, 3), (255, 0, 255), np.uint8))
    line = f"{deface} {{in}} -o {{out}} --replacewith img --replaceimg {picture}"
    return [line, f"{line} --scale 640x360"]


def measured(folder: Path, profile: str, lines: list[str], work: Path, only: str) -> dict[str, Any]:
    saved = work / f"{profile}{'-' + only.replace('/', '-') if only else ''}.json"
    misses = saved.with_suffix(".jpg")
    for path in (saved, misses):
        path.unlink(missing_ok=True)
    words = [sys.executable, "-m", "bwc.cli.main", "bench", "accuracy", str(folder), "--profile", profile]
    words += ["--save", str(saved), "--misses", str(misses), "--only", only]
    for line in lines:
        words += ["--other", line]
    subprocess.run(words, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(saved.read_text())
    return found


def groups(run: dict[str, Any]) -> list[tuple[str, str, dict[str, Any], list[dict[str, Any]]]]:
    """(folder, label, merged figures, clips) of one run, clips of a folder taken together."""
    rows = []
    folders = sorted({clip["clip"].split("/")[0] for clip in run["clips"]})
    for folder in folders:
        clips = [clip for clip in run["clips"] if clip["clip"].split("/")[0] == folder]
        for label in sorted({label for clip in clips for label in clip["labels"]}):
            parts = [clip["labels"][label] for clip in clips if label in clip["labels"]]
            rows.append((folder, label, merged(parts), clips))
    return rows


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    sizes: dict[str, list[int]] = {}
    for part in parts:
        for size, share in part["sizes"].items():
            row = sizes.setdefault(size, [0, 0])
            row[0] += share["hidden"]
            row[1] += share["boxes"]
    longest = max((part["longest_run"] for part in parts), key=lambda run: run["ms"])
    runs = [part["run_frames"] for part in parts if "run_frames" in part]
    nearly = [nearly_longest(lengths) for lengths in (*runs, sorted(frames for lengths in runs for frames in lengths))]
    return {
        "sizes": sizes,
        "longest": longest,
        "nearly": f"{nearly[-1]} ({', '.join(map(str, nearly[:-1]))})" if runs else "-",
        "visible": sum(part["visible_seconds"] for part in parts),
    }


def table(found: dict[str, Any]) -> str:
    lines = [
        "| clips | class | tool | hidden, from 100 / 40 / 20 / 12 / 0 px | longest run | of 95 in 100 (clip by clip) | seconds seen |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in found["runs"]:
        for folder, label, figures, _ in groups(run):
            sizes = [figures["sizes"].get(size) for size in ("100-", "40-100", "20-40", "12-20", "0-12")]
            shown = ", ".join("-" if one is None else f"{one[0]}/{one[1]}" for one in sizes)
            longest = figures["longest"]
            lines.append(
                f"| {folder} | {label} | {tool(run)} | {shown} | {longest['frames']} ({longest['ms']} ms) | {figures['nearly']} | "
                f"{figures['visible']:.2f} |"
            )
    lines += [
        "",
        "| clip | tool | hidden for nothing | hidden / (truth + margin) | false tracks a minute | CPU ms a frame | x real time |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in found["runs"]:
        for clip in run["clips"]:
            false, times = clip["false_tracks_per_minute"], clip.get("hidden_times_least")
            lines.append(
                f"| {clip['clip'].split('/')[-1]} | {tool(run)} | {clip['over_hidden_share_of_picture']:.2%} | "
                f"{'-' if times is None else f'{times:.2f}'} | "
                f"{'-' if false is None else false} | {clip['cpu_ms_per_frame']} | {clip['times_real_time']} |"
            )
    return "\n".join(lines)


def tags(found: dict[str, Any], folder: Path) -> str:
    """The hard set parted by what makes it hard; one person in two clips counts twice."""
    rows: dict[tuple[str, str], list[int]] = {}
    people: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for clip in found["runs"][0]["clips"]:
        known = [(label, figures) for label, figures in clip["labels"].items() if figures.get("tags")]
        light = f"light={'night' if 'night' in clip['clip'] else 'day'}"
        for label, figures in known:
            sizes = {f"height={size} px": share for size, share in figures["sizes"].items()}
            for tag, share in {**figures["tags"], **sizes, light: figures["all"]}.items():
                row = rows.setdefault((label, tag), [0, 0])
                row[0] += share["hidden"]
                row[1] += share["boxes"]
        for box in boxes_of(folder / f"{clip['clip']}.truth.json") if known else ():
            size = next(f"{low}-{high or ''}" for low, high in zip(SIZES, (*SIZES[1:], None), strict=True) if not high or box["h"] < high)  # fmt: skip
            for tag in (*(f"{name}={value}" for name, value in box["tags"].items()), light, f"height={size} px"):
                people.setdefault((box["label"], tag), set()).add((clip["clip"], box["id"]))
    lines = ["| class | what | people | hidden | |", "|---|---|---|---|---|"]
    lines += [f"| {label} | {tag} | {len(people[label, tag])} | {h}/{n} | {h / n:.3f} |" for (label, tag), (h, n) in sorted(rows.items())]  # fmt: skip
    return "\n".join(lines)


def boxes_of(truth: Path) -> list[dict[str, Any]]:
    """The boxes with tags that count."""
    frames = json.loads(truth.read_text(encoding="utf-8"))["frames"]
    return [box for boxes in frames for box in boxes if box.get("tags") and not box.get("ignore")]


def tool(run: dict[str, Any]) -> str:
    name = run["tool"]
    return name if name.startswith("bwc") else "deface" + (" --scale 640x360" if "640x360" in name else "")


def shares(run: dict[str, Any]) -> dict[str, float]:
    """What the floor holds: the hidden share from 20 px, by folder and class."""
    found = {}
    for folder, label, figures, _ in groups(run):
        rows = [figures["sizes"][size] for size in ("100-", "40-100", "20-40") if size in figures["sizes"]]
        if rows:
            found[f"{folder} {label}"] = round(sum(row[0] for row in rows) / sum(row[1] for row in rows), 4)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "accuracy")
    parser.add_argument("--profiles", default="balanced")
    parser.add_argument("--only", default="")
    parser.add_argument("--deface", type=Path)
    parser.add_argument(
        "--kept", type=Path, help="figures of deface from an earlier run on the same clips: not run again"
    )
    parser.add_argument("--raise-floor", action="store_true", help="write what was reached as the new floor")
    wanted = parser.parse_args()
    wanted.work.mkdir(parents=True, exist_ok=True)
    folder = dataset(wanted.data, wanted.work)
    parts = [f"Measured {date.today().isoformat()} by `python tests/accuracy/run.py`.\n"]
    fallen = []
    for place, profile in enumerate(wanted.profiles.split(",")):
        lines = others(wanted.deface, wanted.work) if place == 0 else []
        found = measured(folder, profile, lines, wanted.work, wanted.only)
        if place == 0 and wanted.kept:
            found["runs"] += [run for run in json.loads(wanted.kept.read_text())["runs"] if tool(run) != run["tool"]]
        parts.append(f"### Profile `{profile}`\n\nModels: {'; '.join(found['runs'][0]['models'])}.\n\n{table(found)}\n")
        if place == 0:
            parts.append(f"### What makes it hard (`{profile}`)\n\n{tags(found, folder)}\n")
            reached = shares(found["runs"][0])
            floor: dict[str, float] = json.loads(FLOOR.read_text()) if FLOOR.exists() else {}
            fallen = [
                f"{name}: {reached[name]} < {least}"
                for name, least in floor.items()
                if reached.get(name, least) < least
            ]
            if wanted.raise_floor:
                higher = {name: max(value, floor.get(name, 0.0)) for name, value in (floor | reached).items()}
                FLOOR.write_text(json.dumps(higher, indent=1, sort_keys=True) + "\n")
    figures = "\n".join(parts)
    print(figures)
    if not wanted.only and PAGE.exists():
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{START}\n{figures}\n{END}{after}", encoding="utf-8")
    for line in fallen:
        print(f"below the floor: {line}", file=sys.stderr)
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())
