"""Judge on groups never learnt from: `PYTHONPATH=.. python evaluate.py --data ../../shared/training --model plates.onnx`.

For each detector and set of sizes: recall by height of the plate (overlap of at least 0.3), false alarms per picture
without plates, both at several thresholds, and the recall where false alarms are one in ten pictures. Needs no torch.
Drawn plates are put on kept backgrounds, from a seed that learning does not use.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from dataset import PLAIN, TIER_A, TIER_B, Sample, listing, split, straight
from plates import Fonts, draw, wear
from scenes import spoil, stick

from bwc.redact.detectors.base import Detection, merge, overlap
from bwc.redact.detectors.network import Network
from bwc.redact.detectors.plates import PlateFinder
from bwc.redact.detectors.plates_net import PlateNetFinder, weights

HEIGHTS = (0, 12, 20, 40, 100, 10_000)
THRESHOLDS = (0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7)
_LOWEST = 0.08
Find = Callable[[np.ndarray], list[Detection]]


def matches(found: list[Detection], boxes: np.ndarray) -> np.ndarray:
    """For each truth box the best score of a find that overlaps it by 0.3 or more, else 0."""
    best = np.zeros(len(boxes))
    for i, box in enumerate(boxes):
        if found:
            shared, _ = overlap(np.asarray(box, np.float32), np.asarray([d.box for d in found], np.float32))
            best[i] = max((d.score for d, s in zip(found, shared, strict=True) if s >= 0.3), default=0.0)
    return best


def judge(name: str, find: Find, sets: dict[str, list[Sample]], plain: list[Sample]) -> None:
    """Print the figures of one detector."""
    start, alarms = time.process_time(), []
    for sample in plain:
        alarms += [d.score for d in find(straight(sample).bgr)]
    per_picture = {t: sum(a > t for a in alarms) / len(plain) for t in THRESHOLDS}
    steps = np.arange(_LOWEST, 0.995, 0.005)
    tenth = float(next((t for t in steps if sum(a > t for a in alarms) <= 0.1 * len(plain)), 0.995))
    print(f"\n{name}: {(time.process_time() - start) / len(plain) * 1000:.0f} ms per plate-free picture")
    print(f"  false alarms per picture of {len(plain)}: " + ", ".join(f"{t}: {v:.2f}" for t, v in per_picture.items()))
    for label, samples in sets.items():
        heights, best = np.zeros(0), np.zeros(0)
        for sample in samples:
            ready = straight(sample)
            best = np.concatenate([best, matches(find(ready.bgr), ready.boxes)])
            heights = np.concatenate([heights, ready.boxes[:, 3] - ready.boxes[:, 1]])
        row = ", ".join(f"{t}: {(best > t).mean():.3f}" for t in THRESHOLDS)
        print(
            f"  {label} ({len(best)} plates): {row}; at 0.1 false alarms (> {tenth:.2f}): {(best > tenth).mean():.3f}"
        )
        for low, high in pairwise(HEIGHTS):
            here = best[(heights >= low) & (heights < high)]
            if len(here):
                print(
                    f"    from {low:3} px: {(here > 0.2).sum()}/{len(here)} at 0.2, {(here > tenth).sum()} at 0.1 false alarms"
                )
    sys.stdout.flush()


def pair(own: Find, clp: Find) -> Find:
    """Both together: the thresholds below are for the own network, whatever clp_det gives above 0.15 counts always."""

    def find(bgr: np.ndarray) -> list[Detection]:
        sure = [replace(one, score=1.0) for one in clp(bgr) if one.score > 0.15]
        return merge([*own(bgr), *sure])

    return find


def drawn(plain: list[Sample], fonts: Fonts, count: int) -> list[Sample]:
    """Pictures of 640 x 640 with up to three drawn plates each, from `plain` ones."""
    rng, made = np.random.default_rng(20261122), []
    while len(made) < count:
        sample = plain[int(rng.integers(len(plain)))]
        scene, boxes = cv2.resize(sample.bgr, (640, 640)), np.zeros((0, 4), np.float32)
        for _ in range(3):
            box = stick(rng, scene, wear(rng, draw(rng, fonts)), boxes)
            boxes = boxes if box is None else np.concatenate([boxes, box[None]])
        if len(boxes):
            picture = spoil(rng, scene)
            made.append(Sample("drawn", "drawn", sample.path, boxes.astype(np.float32), 1.0, True, picture))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="another file than the packaged one")
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument("--only", choices=("own", "clp_det", "pair"), nargs="+", default=["own", "clp_det", "pair"])
    parser.add_argument("--sizes", type=int, nargs="+", action="append", help="default: 640, and 640 with 1280")
    parser.add_argument("--all-of-b", action="store_true", help="tier B whole: for weights that never saw it")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    plain = [s.loaded() for s in split(listing(wanted.data, PLAIN))[1]]
    sets: dict[str, list[Sample]] = {}
    for source in TIER_A + TIER_B:
        every = listing(wanted.data, (source,))
        chosen = every if wanted.all_of_b and source in TIER_B else split(every)[1]
        if chosen := [s.loaded() for s in chosen if len(s.boxes)]:
            sets[source] = chosen
    sets["drawn"] = drawn(plain, Fonts.find(wanted.fonts), 120)
    data = wanted.model.read_bytes() if wanted.model else weights()
    for sizes in wanted.sizes or [[640], [640, 1280]]:
        own, clp = PlateNetFinder(Network(data), tuple(sizes), _LOWEST), PlateFinder.open(sizes, _LOWEST)
        finds: dict[str, Find] = {"own": own.detect, "clp_det": clp.detect, "pair": pair(own.detect, clp.detect)}
        for name in wanted.only:
            judge(f"{name} {sizes}", finds[name], sets, plain)


if __name__ == "__main__":
    main()
