"""What each profile costs and what it leaves in sight; writes the table of docs/accuracy.md.

    python tests/accuracy/profiles.py DATA [--work DIR] [--profiles fast,balanced,max] [--only hard,video_synth] [--kept JSON]

The clips of DATA in the folders named, and the hard set, redacted with each profile and judged from pixels as in
`run.py`. `--kept`: figures of deface on the same clips, for comparison. About 15 CPU minutes; a clip whose figures are
in the work folder already, from here or from `run.py`, is not run again.
"""

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from run import PAGE, ROOT, dataset, groups, measured, tool

START, END = "<!-- profiles: tests/accuracy/profiles.py -->", "<!-- end of profiles -->"
HEAD = (
    "| clips | tool | CPU ms a frame | faces from 20 px | 12 to 20 px | plates from 20 px | longest run | face-seconds seen | hidden for nothing |",
    "|---|---|---|---|---|---|---|---|---|",
)


def row(folder: str, run: dict[str, Any]) -> str:
    clips = [clip for clip in run["clips"] if clip["clip"].split("/")[0] == folder]
    frames = sum(clip["frames"] for clip in clips)
    found = {label: figures for _, label, figures, _ in groups({"clips": clips})}
    face, plate = found.get("face"), found.get("plate")
    people = [figures for label, figures in found.items() if label in {"face", "head"}]
    cells = [
        folder,
        tool(run),
        f"{sum(clip['cpu_ms_per_frame'] * clip['frames'] for clip in clips) / frames:.0f}",
        shown(face, ("20-40", "40-100", "100-")),
        shown(face, ("12-20",)),
        shown(plate, ("20-40", "40-100", "100-")),
        f"{max(figures['longest']['ms'] for figures in people)} ms",
        f"{sum(figures['visible'] for figures in people):.1f}",
        f"{sum(clip['over_hidden_share_of_picture'] * clip['frames'] for clip in clips) / frames:.2%}",
    ]
    return "| " + " | ".join(cells) + " |"


def shown(figures: dict[str, Any] | None, sizes: tuple[str, ...]) -> str:
    rows = [figures["sizes"][size] for size in sizes if size in figures["sizes"]] if figures else []
    hidden, boxes = sum(one[0] for one in rows), sum(one[1] for one in rows)
    return f"{hidden}/{boxes} = {hidden / boxes:.4f}" if boxes else "-"


def known(work: Path, profile: str, clip: str) -> dict[str, Any] | None:
    """The figures of one clip from an earlier run of this script, or of `run.py` in the same folder."""
    for saved in (work / "profiles" / f"{profile}-{clip.replace('/', '-')}.json", work / f"{profile}.json"):
        for run in json.loads(saved.read_text())["runs"] if saved.is_file() else ():
            for one in run["clips"] if run["tool"] == f"bwc {profile}" else ():
                if one["clip"] == clip:
                    return dict(one)
    return None


def run_one(work: Path, data: Path, profile: str, clip: str) -> dict[str, Any]:
    folder = work / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    found = measured(data, profile, [], work, clip)
    (folder / f"{profile}-{clip.replace('/', '-')}.json").write_text(json.dumps(found))
    return dict(found["runs"][0]["clips"][0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "accuracy")
    parser.add_argument("--profiles", default="fast,balanced,max")
    parser.add_argument("--only", default="hard,video_synth")
    parser.add_argument("--kept", type=Path)
    wanted = parser.parse_args()
    data, lines = dataset(wanted.data, wanted.work), list(HEAD)
    for folder in wanted.only.split(","):
        clips = sorted(
            str(path.relative_to(data))[: -len(".truth.json")] for path in data.glob(f"{folder}/*.truth.json")
        )
        for profile in wanted.profiles.split(","):
            found = [known(wanted.work, profile, clip) or run_one(wanted.work, data, profile, clip) for clip in clips]
            lines.append(row(folder, {"tool": f"bwc {profile}", "clips": found}))
        if wanted.kept:
            runs = json.loads(wanted.kept.read_text())["runs"]
            lines += [row(folder, run) for run in runs if tool(run) != run["tool"]]
    table = f"Measured {date.today().isoformat()} by `python tests/accuracy/profiles.py`; CPU time of detection and rendering together.\n\n"
    table += "\n".join(lines)
    print(table)
    before, start, rest = PAGE.read_text(encoding="utf-8").partition(START)
    if start:
        PAGE.write_text(f"{before}{START}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
