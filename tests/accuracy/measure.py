"""Judge plans against truth: `python tests/accuracy/measure.py DIR [--profile P] [--only NAME] [--margin N]`.

For every clip under DIR with a `NAME.truth.json` (and every clip without one, for its count of tracks): the share
of truth boxes that are at least 90 % covered by what the plan hides (margin added, all tracks, decided or not),
by class and size, the longest visible run of one subject, tracks that touch no truth, and CPU time.
It judges plans, not pixels. Truth boxes marked `ignore` count for nothing, as miss or as false alarm.
"""

import argparse
import hashlib
import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bwc.redact.detect import analyse
from bwc.redact.plan import Box, Coverage, RedactionPlan
from bwc.redact.profiles import PROFILES
from bwc.roles import Policy

SIZES = ((0, 12), (12, 20), (20, 40), (40, 100), (100, 10_000))
COVERED = 0.9


def covered_share(truth: tuple[float, float, float, float], boxes: tuple[Box, ...]) -> float:
    """Share of the truth box (x0, y0, x1, y1) under any of `boxes`, to a hundredth of its side."""
    x0, y0, x1, y1 = truth
    grid_x = x0 + (np.arange(50) + 0.5) * (x1 - x0) / 50
    grid_y = y0 + (np.arange(50) + 0.5) * (y1 - y0) / 50
    hidden = np.zeros((50, 50), bool)
    for box in boxes:
        hidden |= ((grid_y >= box[1]) & (grid_y < box[3]))[:, None] & ((grid_x >= box[0]) & (grid_x < box[2]))[None]
    return float(hidden.mean())


def judge(plan: RedactionPlan, truth: dict[str, Any] | None) -> dict[str, Any]:
    """The figures of one plan. Coverage may come from a track of either class: hidden is hidden."""
    cover = Coverage(plan)
    frames: list[list[dict[str, Any]]] = truth["frames"] if truth else [[] for _ in range(plan.media.frames)]
    counts: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    runs: dict[tuple[str, Any], int] = defaultdict(int)
    longest: dict[str, int] = defaultdict(int)
    misses: list[tuple[int, str, Any, int]] = []
    hidden_px = 0.0
    for ordinal in range(min(plan.media.frames, len(frames))):
        boxes = cover.at(ordinal).boxes
        hidden_px += _area(boxes, plan)
        for one in frames[ordinal]:
            if one.get("ignore"):
                continue
            size = next(low for low, high in SIZES if low <= one["h"] < high)
            ok = covered_share((one["x"], one["y"], one["x"] + one["w"], one["y"] + one["h"]), boxes) >= COVERED
            counts[one["label"], size][0] += ok
            counts[one["label"], size][1] += 1
            subject = (one["label"], one.get("id"))
            runs[subject] = 0 if ok else runs[subject] + 1
            if not ok:
                misses.append((ordinal, one["label"], one.get("id"), round(one["h"])))
            longest[one["label"]] = max(longest[one["label"]], runs[subject])
    labels = truth.get("labels", ["face", "plate"]) if truth else ["face", "plate"]
    return {
        "counts": dict(counts),
        "longest": dict(longest),
        "misses": misses,
        "false": [t.id for t in plan.tracks if t.class_ in labels and not _touches(t, frames)],
        "tracks": len(plan.tracks),
        "undecided": sum(t.decision.choice.value == "undecided" for t in plan.tracks),
        "hidden_share": hidden_px / max(1, plan.media.frames),
    }


def _area(boxes: tuple[Box, ...], plan: RedactionPlan) -> float:
    mask = np.zeros((plan.media.height // 4 + 1, plan.media.width // 4 + 1), bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0 // 4 : -(-y1 // 4), x0 // 4 : -(-x1 // 4)] = True
    return float(mask.mean())


def _touches(track: Any, frames: list[list[dict[str, Any]]]) -> bool:
    for span in track.spans:
        for ordinal, (x0, y0, x1, y1) in enumerate(span.boxes, span.first):
            for one in frames[ordinal] if ordinal < len(frames) else []:
                if (
                    x0 < one["x"] + one["w"] * 0.75
                    and x1 > one["x"] + one["w"] * 0.25
                    and y0 < one["y"] + one["h"] * 0.75
                    and y1 > one["y"] + one["h"] * 0.25
                ):
                    return True
    return False


def clips(folder: Path, only: str) -> Iterator[Path]:
    for clip in sorted(folder.rglob("*.mp4")):
        if only in str(clip) and "containers" not in clip.parts:
            yield clip


def plan_for(clip: Path, profile: str, policy: Policy) -> RedactionPlan:
    with clip.open("rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
        file.seek(0)
        return analyse(
            file,
            content_sha256=digest,
            item=None,
            segment=0,
            profile=profile,
            policy=policy,
            now=datetime.now(UTC),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="balanced")
    parser.add_argument("--only", default="")
    parser.add_argument("--margin", type=int, default=Policy().margin_permille)
    parser.add_argument("--misses", action="store_true", help="list every visible truth box")
    parser.add_argument("--tracks", action="store_true", help="list every track")
    wanted = parser.parse_args()
    policy = Policy(margin_permille=wanted.margin)
    for clip in clips(wanted.folder, wanted.only):
        beside = clip.with_suffix(".truth.json")
        truth = json.loads(beside.read_text()) if beside.exists() else None
        cpu, wall = time.process_time(), time.monotonic()
        plan = plan_for(clip, wanted.profile, policy)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        found = judge(plan, truth)
        seconds = float(plan.media.duration * plan.media.time_base)
        print(
            f"{clip.stem[:34]:34} {plan.media.frames} frames {seconds:.1f} s | cpu {cpu / plan.media.frames * 1000:.0f} "
            f"ms/frame, {seconds / wall:.2f} x real time | tracks {found['tracks']} undecided {found['undecided']} "
            f"false {len(found['false'])} | hidden {found['hidden_share']:.2%} of the picture"
        )
        for (label, size), (ok, total) in sorted(found["counts"].items()):
            print(f"    {label:5} from {size:3} px: {ok}/{total} = {ok / total:.4f}")
        print("    longest visible run: " + (", ".join(f"{k} {v}" for k, v in found["longest"].items()) or "-"))
        if wanted.tracks:
            for t in plan.tracks:
                false = " FALSE" if t.id in found["false"] else ""
                box = t.spans[0].boxes[0]
                print(
                    f"      {t.id} {t.class_} {t.score_permille} {t.spans[0].first}-{t.spans[-1].stop} {box} {t.doubts}{false}"
                )
        if wanted.misses:
            print("      " + " ".join(f"{o}:{label}{i}({h}px)" for o, label, i, h in found["misses"][:400]))
        sys.stdout.flush()
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
