"""Face detectors beside each other on pictures with known truth: `python tests/accuracy/beside.py DIR… [--every N]`.

Each DIR holds stills (`truth.json` names them) and clips (`NAME.truth.json`); of a clip every Nth picture is looked at, alone,
without anything that a plan adds (no tracks, no heads). For each detector: faces found (overlap 0.3) by their height,
faces covered (90 % of the truth box lies in one box grown by the policy's margin), boxes that touch no face, and milliseconds
of CPU a picture. `+` lines are both together, as `--also` joins them. mediapipe takes part where BWC_MEDIAPIPE_MODEL names a file.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bwc.errors import BwcError
from bwc.media.decode import VideoReader
from bwc.redact.detectors.base import Detection, Detector, Floats, Picture8, join, overlap
from bwc.redact.detectors.faces import CenterFace
from bwc.redact.detectors.faces_check import CheckFaces
from bwc.redact.detectors.mediapipe import MediaPipe
from bwc.roles import Policy

SIZES = ((0, 32), (32, 64), (64, 10_000))
GROW = Policy().margin_permille / 2000


@dataclass(slots=True)
class Tally:
    """What one detector made of all pictures."""

    found: dict[int, list[bool]] = field(default_factory=lambda: {low: [] for low, _ in SIZES})
    covered: list[bool] = field(default_factory=list)
    false: int = 0
    milliseconds: list[float] = field(default_factory=list)

    def add(self, seen: list[Detection], truth: list[dict[str, Any]], spent: float) -> None:
        boxes = np.asarray([one.box for one in seen], np.float32).reshape(-1, 4)
        touched = np.zeros(len(boxes), bool)
        for one in truth:
            face = np.asarray([one["x"], one["y"], one["x"] + one["w"], one["y"] + one["h"]], np.float32)
            shared, inside = overlap(face, boxes)
            touched |= (shared >= 0.1) | (inside >= 0.5)
            if one.get("ignore"):
                continue
            self.found[next(low for low, high in SIZES if low <= one["h"] < high)].append(bool((shared >= 0.3).any()))
            self.covered.append(bool((_hidden(face, boxes) >= 0.9).any()))
        self.false += int((~touched).sum())
        self.milliseconds.append(spent)

    def row(self) -> str:
        every = [one for some in self.found.values() for one in some]
        cells = [f"{sum(some)}/{len(some)}" for some in (every, *self.found.values(), self.covered)]
        return "".join(f"{cell:>10}" for cell in cells) + (
            f"{self.false / len(self.milliseconds):>12.2f}{np.mean(self.milliseconds):>10.1f}"
        )


def _hidden(face: Floats, boxes: Floats) -> Floats:
    """The share of `face` in each of `boxes`, grown by the margin."""
    grow = (boxes[:, 2:] - boxes[:, :2]) * np.float32(GROW)
    low, high = np.maximum(face[:2], boxes[:, :2] - grow), np.minimum(face[2:], boxes[:, 2:] + grow)
    return np.asarray(np.clip(high - low, 0, None).prod(axis=1) / (face[2:] - face[:2]).prod(), np.float32)


def pictures(folder: Path, every: int) -> Iterator[tuple[Picture8, list[dict[str, Any]]]]:
    """Every still and every Nth picture of every clip that has a truth about faces, with that truth."""
    for listed in sorted(folder.rglob("truth.json")):
        for one in json.loads(listed.read_text()):
            bgr = cv2.imread(str(listed.parent / one["image"]))
            if bgr is not None:
                yield np.asarray(bgr, np.uint8), _faces(one["boxes"])
    for beside in sorted(folder.rglob("*.truth.json")):
        truth = json.loads(beside.read_text())
        if "face" not in truth.get("labels", ["face"]):
            continue
        with beside.with_name(beside.name.replace(".truth.json", ".mp4")).open("rb") as file:
            for ordinal, picture in enumerate(VideoReader(file).frames()):
                if ordinal % every == 0 and ordinal < len(truth["frames"]):
                    yield picture.bgr(), _faces(truth["frames"][ordinal])


def _faces(boxes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in boxes if one["label"] == "face"]


def detectors() -> dict[str, Detector]:
    """Ours as plans and checks use them, and mediapipe cut three ways."""
    some: dict[str, Detector] = {
        "centerface 640": CenterFace.open((640,)),
        "centerface 640 + 1280": CenterFace.open((640, 1280)),
        "libfacedetection 640 + 1280": CheckFaces.open((640, 1280)),
    }
    try:
        for tiles in ((1,), (1, 2), (1, 2, 4)):
            detector = MediaPipe(tiles=tiles)
            some[f"mediapipe {detector.kind.name} x{tiles[-1]}"] = detector
    except BwcError as error:
        print(f"mediapipe is left out: {error.message}; {error.hint}")
    return some


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=10, help="of a clip only each Nth picture (10)")
    wanted = parser.parse_args()
    every, first = detectors(), "centerface 640 + 1280"
    tallies = {name: Tally() for name in every}
    tallies |= {f"{first} + {name}": Tally() for name in every if name.startswith("mediapipe")}
    many = 0
    for bgr, truth in (one for folder in wanted.folders for one in pictures(folder, wanted.every)):
        many += 1
        seen: dict[str, tuple[list[Detection], float]] = {}
        for name, detector in every.items():
            if many == 1:
                detector.detect(bgr)  # the first look compiles
            before = time.process_time()
            seen[name] = (detector.detect(bgr), (time.process_time() - before) * 1000)
            tallies[name].add(seen[name][0], truth, seen[name][1])
        for name in every:
            if name.startswith("mediapipe"):
                (ours, cost), (theirs, more) = seen[first], seen[name]
                both = join([*ours, *(replace(one, ours=0.0) for one in theirs)])
                tallies[f"{first} + {name}"].add(both, truth, cost + more)
    heads = ("found", *(f"{low}-{high} px" if high < 9999 else f"{low}+ px" for low, high in SIZES), "covered")
    print(f"{many} pictures\n{'':48}" + "".join(f"{head:>10}" for head in heads) + f"{'false/pic':>12}{'CPU ms':>10}")
    for name, tally in tallies.items():
        print(f"{name:48}{tally.row()}")


if __name__ == "__main__":
    main()
