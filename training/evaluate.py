"""Judge on groups never learnt from: `PYTHONPATH=.. python evaluate.py --data ../../shared/training --model finder.onnx`.

For each detector and set of sizes: recall by height of the plate (overlap of at least 0.3), false alarms per picture
without plates, both at several thresholds, and the recall where false alarms are one in ten pictures. Needs no torch.
Drawn plates are put on kept backgrounds, from a seed that learning does not use; "far" are kept photographs of plates shrunk,
shaded and blurred. Heads: the same on the kept pictures with people, false alarms on those without. Screens and papers: drawn
ones on kept backgrounds (no photograph has labels of them); false alarms on kept photographs where none was seen. `--faces` (teach.py) as in learning, else labels of hats only.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import far
import held
import numpy as np
import papers
import screens
from camera import record, spoil
from dataset import HEAD, PAPER, PLAIN, PLATE, SCREEN, TIER_A, TIER_B, Sample, listing, split, straight
from plates import Fonts, draw, wear
from scenes import NONE, cut, stick

from bwc.redact.detectors.base import Detection, merge, overlap
from bwc.redact.detectors.faces import CenterFace
from bwc.redact.detectors.finder import FILE, SHEETS, Finder, FinderNetwork
from bwc.redact.detectors.network import Network
from bwc.redact.detectors.plates import PlateFinder

HEIGHTS = (0, 12, 20, 40, 100, 10_000)
THRESHOLDS = (0.12, 0.2, 0.25, 0.35, 0.5, 0.7, 0.9)
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


def judge(name: str, find: Find, sets: dict[str, list[Sample]], plain: list[Sample], kind: int = PLATE) -> None:
    """Print the figures of one detector; `plain` are pictures without any of this kind."""
    start, alarms = time.process_time(), []
    for sample in plain:
        alarms += [d.score for d in find(straight(sample).bgr)]
    per_picture = {t: sum(a > t for a in alarms) / len(plain) for t in THRESHOLDS}
    steps = np.arange(_LOWEST, 0.995, 0.005)
    tenth = float(next((t for t in steps if sum(a > t for a in alarms) <= 0.1 * len(plain)), 0.995))
    print(f"\n{name}: {(time.process_time() - start) / len(plain) * 1000:.0f} ms per picture without")
    print(f"  false alarms per picture of {len(plain)}: " + ", ".join(f"{t}: {v:.2f}" for t, v in per_picture.items()))
    for label, samples in sets.items():
        heights, best = np.zeros(0), np.zeros(0)
        for sample in samples:
            ready = straight(sample)
            boxes = ready.of(kind)
            best = np.concatenate([best, matches(find(ready.bgr), boxes)])
            heights = np.concatenate([heights, boxes[:, 3] - boxes[:, 1]])
        row = ", ".join(f"{t}: {(best > t).mean():.3f}" for t in THRESHOLDS)
        print(f"  {label} ({len(best)}): {row}; at 0.1 false alarms (> {tenth:.2f}): {(best > tenth).mean():.3f}")
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
        scene, boxes = cv2.resize(sample.bgr, (640, 640)), NONE
        for _ in range(3):
            box = stick(rng, scene, wear(rng, draw(rng, fonts)), boxes)
            boxes = boxes if box is None else np.concatenate([boxes, box[None]])
        if len(boxes):
            made.append(Sample("drawn", "drawn", sample.path, boxes, 1.0, (1.0, 0.0, 0.0, 0.0), spoil(rng, scene)))
    return made


def distant(real: list[Sample], count: int) -> list[Sample]:
    """Pictures of 640 x 640 in which plates of kept photographs are 8 to 32 pixels high, in the shade and blurred."""
    rng, made = np.random.default_rng(20261128), []
    while len(made) < count:
        sample = real[int(rng.integers(len(real)))]
        ground = np.full((640, 640, 3), rng.integers(20, 160, 3), np.uint8)
        scene, boxes = cut(rng, sample, 640, PLATE, (ground, NONE), sizes=far.SIZES)
        plates = boxes[boxes[:, 4] == PLATE]
        if len(plates):
            shown = record(rng, far.shade(rng, scene, float(np.median(plates[:, 3] - plates[:, 1]))))
            made.append(replace(sample, source="far", boxes=boxes, stretch=1.0, bgr=shown))
    return made


def laid(plain: list[Sample], fonts: Fonts, kind: int, count: int) -> list[Sample]:
    """Pictures of 640 x 640 with up to two drawn screens or papers each, from `plain` ones."""
    rng, made = np.random.default_rng(20261129 + kind), []
    while len(made) < count:
        sample = plain[int(rng.integers(len(plain)))]
        assert sample.bgr is not None
        scene, boxes = cv2.resize(sample.bgr, (640, 640)), NONE
        for _ in range(2):
            shown = plain[int(rng.integers(len(plain)))].bgr
            assert shown is not None
            sheet = papers.draw(rng, fonts, []) if kind == PAPER else screens.draw(rng, fonts, [shown], [])
            box = held.put(rng, scene, sheet, boxes, (14.0, 360.0), lit=kind == SCREEN)
            boxes = boxes if box is None else np.concatenate([boxes, np.float32([[*np.clip(box, 0, 640), kind]])])
        if len(boxes):
            made.append(replace(sample, source="laid", boxes=boxes, stretch=1.0, bgr=spoil(rng, scene)))
    return made


def only(find: Find, kind: str) -> Find:
    return lambda bgr: [one for one in find(bgr) if one.class_ == kind]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="another file than the packaged one")
    parser.add_argument("--faces", type=Path, help="what teach.py wrote")
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument(
        "--only",
        choices=("own", "clp_det", "pair", "heads", "sheets"),
        nargs="+",
        default=["own", "clp_det", "pair", "heads", "sheets"],
    )
    parser.add_argument("--sizes", type=int, nargs="+", action="append", help="default: 640, and 640 with 1280")
    parser.add_argument("--all-of-b", action="store_true", help="tier B whole: for weights that never saw it")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    faces = json.loads(wanted.faces.read_text()) if wanted.faces else None
    plain = [s.loaded() for s in split(listing(wanted.data, PLAIN, faces))[1]]
    sets: dict[str, list[Sample]] = {}
    for source in TIER_A + TIER_B:
        every = listing(wanted.data, (source,), faces)
        chosen = every if wanted.all_of_b and source in TIER_B else split(every)[1]
        if chosen := [s.loaded() for s in chosen if len(s.of(PLATE))]:
            sets[source] = chosen
    fonts = Fonts.find(wanted.fonts)
    kept = [s for several in sets.values() for s in several]
    sets["drawn"] = drawn(plain, fonts, 120)
    sets["far"] = distant([s for s in kept if s.source != "plates_in_phone"], 160)
    sheets = {kind: laid(plain, fonts, kind, 100) for kind in (SCREEN, PAPER)}
    bare = [s for s in [*plain, *kept[::3]] if min(s.care[SCREEN:]) >= 0.5]
    people = {
        "people": [s for s in plain if len(s.of(HEAD))],
        "plates": [s for s in sets["plates_openimages"] if len(s.of(HEAD))],
    }
    empty = [s for s in [*plain, *sets["plates_ro_dashcam"], *sets["plates_us_mixed"]] if not len(s.of(HEAD))]
    empty = [s for s in empty if s.source not in PLAIN or s.care[HEAD] == 1.0]
    data = wanted.model.read_bytes() if wanted.model else FILE.load()
    more = wanted.model.read_bytes() if wanted.model else SHEETS.load()
    low, low_sheets = (dict.fromkeys(kinds, _LOWEST) for kinds in (("plate", "head"), ("screen", "paper")))
    for sizes in wanted.sizes or [[640], [640, 1280]]:
        found, clp = (
            Finder(FinderNetwork(Network(data), FILE, "f32"), tuple(sizes), low).detect,
            PlateFinder.open(sizes, _LOWEST).detect,
        )
        own = only(found, "plate")
        finds: dict[str, Find] = {"own": own, "clp_det": clp, "pair": pair(own, clp)}
        for name in wanted.only:
            if name == "heads":
                judge(f"heads {sizes}", only(found, "head"), people, empty, HEAD)
                judge(f"CenterFace {sizes}", CenterFace.open(sizes, _LOWEST).detect, people, empty, HEAD)
            elif name == "sheets":
                seen = Finder(FinderNetwork(Network(more), SHEETS, "f32"), tuple(sizes), low_sheets).detect
                judge(f"screens {sizes}", only(seen, "screen"), {"drawn": sheets[SCREEN]}, bare, SCREEN)
                judge(f"papers {sizes}", only(seen, "paper"), {"drawn": sheets[PAPER]}, bare, PAPER)
            else:
                judge(f"{name} {sizes}", finds[name], sets, plain)


if __name__ == "__main__":
    main()
