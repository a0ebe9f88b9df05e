"""The pictures to learn from: which sources, under which tier of licence, and which groups are kept for judging.

Layout of each source: `NAME/truth.json` and `NAME/images/`, boxes as top left and size in pixels of the picture.
"""

import json
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

TIER_A = ("plates_ro_dashcam", "plates_openimages", "plates_in_phone", "plates_id_phone", "plates_my_gate")
TIER_B = ("plates_us_mixed", "plates_kaggle_cc0")
PLAIN = ("negatives_no_plate", "heads_stock_free")  # no plate in view: backgrounds and false-alarm bait
# Here plates in the background are often unlabelled: a find outside the boxes is not held against the network
INCOMPLETE = ("plates_ro_dashcam", "plates_us_mixed", "plates_kaggle_cc0", "plates_in_phone")
# These were squeezed to a square by the export; 4:3 is the shape most cameras give
SQUEEZED = {"plates_openimages": 4 / 3, "plates_us_mixed": 4 / 3, "heads_stock_free": 4 / 3}
_KEPT_CLIPS = ("dayride_type1_002", "dayride_type1_003")  # whole drives, never single frames of one
_ONE_IN = 6  # share of groups kept for judging
_TAIL = 30  # frames at the end of the only night drive, with a gap of GAP frames before them
_GAP = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture: `bgr` as stored, `boxes` n x 4 (x0, y0, x1, y1), `stretch` = width to put the shape right."""

    source: str
    group: str
    path: Path
    boxes: NDArray[np.float32]
    stretch: float
    complete: bool
    bgr: NDArray[np.uint8] | None = None

    def loaded(self) -> "Sample":
        bgr = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise FileNotFoundError(self.path)
        return replace(self, bgr=bgr)


def group_of(source: str, source_id: str) -> str:
    """What must not be split between learning and judging: a drive, a day at a gate, a burst of a phone."""
    if source == "plates_ro_dashcam":
        return source_id.split(".mp4", maxsplit=1)[0]
    if source == "plates_my_gate":
        return source_id[:11]  # the hour: two cameras see the same car
    if found := re.match(r"(IMG_?\d{8}|PXL_\d{8}_\d{3}|P_\d{8}|Screenshot_\d{4}-\d\d-\d\d)", source_id):
        return found.group(1)
    if found := re.match(r"(IMG|DSC)_(\d+)", source_id):
        return f"{found.group(1)}_{int(found.group(2)) // 10}"
    return re.sub(r"[-_]\d+-?_?(png|jpg|jpeg)?$", "", source_id) if source == "negatives_no_plate" else source_id


def is_kept(source: str, group: str) -> bool:
    """True when the group is for judging only. A fixed function of the names: no list to lose."""
    if source == "plates_ro_dashcam":
        return group in _KEPT_CLIPS
    if source == "negatives_no_plate" and "skimage" in group:
        return False
    return zlib.crc32(f"{source}/{group}".encode()) % _ONE_IN == 0


def listing(root: Path, sources: tuple[str, ...]) -> list[Sample]:
    """Every picture of `sources` under `root`, not yet read from disk."""
    found: list[Sample] = []
    for source in sources:
        for one in json.loads((root / source / "truth.json").read_text()):
            boxes = [(b["x"], b["y"], b["x"] + b["w"], b["y"] + b["h"]) for b in one["boxes"] if b["label"] == "plate"]
            found.append(
                Sample(
                    source=source,
                    group=group_of(source, one["source_id"]),
                    path=root / source / one["image"],
                    boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
                    stretch=SQUEEZED.get(source, 1.0),
                    complete=source not in INCOMPLETE,
                )
            )
    return found


def split(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """(to learn from, to judge with). No group is in both; of the only night drive the end judges."""
    night = [s for s in samples if s.group == "nightride_type3_001"]
    judged_night = {id(s) for s in night[-_TAIL // 2 :]}
    dropped = {id(s) for s in night[-_TAIL // 2 - _GAP : -_TAIL // 2]}
    learn = [s for s in samples if not is_kept(s.source, s.group) and id(s) not in judged_night | dropped]
    judge = [s for s in samples if is_kept(s.source, s.group) or id(s) in judged_night]
    return learn, judge


def straight(sample: Sample) -> Sample:
    """The picture with its shape put right, boxes moved along."""
    assert sample.bgr is not None
    if sample.stretch == 1.0:
        return sample
    bgr = cv2.resize(sample.bgr, None, fx=sample.stretch, fy=1.0, interpolation=cv2.INTER_LINEAR)
    return replace(
        sample, bgr=bgr, boxes=sample.boxes * np.float32([sample.stretch, 1, sample.stretch, 1]), stretch=1.0
    )
