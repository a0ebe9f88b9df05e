"""The pictures to learn from: which sources, under which tier of licence, and which groups are kept for judging.

Layout of each source: `NAME/truth.json` and `NAME/images/`, boxes as top left and size in pixels of the picture.
"""

import json
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

TIER_A = ("plates_ro_dashcam", "plates_openimages", "plates_in_phone", "plates_id_phone", "plates_my_gate")
TIER_B = ("plates_us_mixed", "plates_kaggle_cc0")
PLAIN = ("negatives_no_plate", "heads_stock_free")  # no plate in view: backgrounds and false-alarm bait
# Here plates in the background are often unlabelled: a find outside the boxes is not held against the network
INCOMPLETE = ("plates_ro_dashcam", "plates_us_mixed", "plates_kaggle_cc0", "plates_in_phone")
# Crowds and people seen from above: so many unlabelled heads that nothing there is held against a find of a head
_CROWDED = ("crowd_public_domain", "mall_ccby4", "id_noid_ccby4")
_EMPTY = ("traffic_signs_ccby4", "scikit_image")  # nobody in view
PLATE, HEAD, SCREEN, PAPER = 0, 1, 2, 3
# These were squeezed to a square by the export; 4:3 is the shape most cameras give
SQUEEZED = {"plates_openimages": 4 / 3, "plates_us_mixed": 4 / 3, "heads_stock_free": 4 / 3}
_KEPT_CLIPS = ("dayride_type1_002", "dayride_type1_003")  # whole drives, never single frames of one
_ONE_IN = 6  # share of groups kept for judging
_TAIL = 30  # frames at the end of the only night drive, with a gap of GAP frames before them
_GAP = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture: `bgr` as stored, `boxes` n x 5 (x0, y0, x1, y1, kind), `stretch` = width to put the shape right.

    `care` says for each kind how much a find far from every box is held against the network: 1 fully,
    0 not at all, between when the network is sure (labels may be missing).
    """

    source: str
    group: str
    path: Path
    boxes: NDArray[np.float32]
    stretch: float
    care: tuple[float, float, float, float]
    bgr: NDArray[np.uint8] | None = None

    def loaded(self) -> "Sample":
        bgr = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise FileNotFoundError(self.path)
        return replace(self, bgr=bgr)

    def of(self, kind: int) -> NDArray[np.float32]:
        """The boxes of one kind, n x 4."""
        return np.asarray(self.boxes[self.boxes[:, 4] == kind, :4], np.float32)


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


def listing(root: Path, sources: tuple[str, ...], faces: dict[str, list[list[float]]] | None = None) -> list[Sample]:
    """Every picture of `sources` under `root`, not yet read from disk; `faces` from teach.py become heads."""
    found: list[Sample] = []
    for source in sources:
        for one in json.loads((root / source / "truth.json").read_text()):
            path = root / source / one["image"]
            seen = (faces or {}).get(f"{source}/{path.name}", [])
            plates = [
                (b["x"], b["y"], b["x"] + b["w"], b["y"] + b["h"], PLATE) for b in one["boxes"] if b["label"] == "plate"
            ]
            heads = [(*box, HEAD) for box in heads_of([b for b in one["boxes"] if b["label"] == "head"], seen)]
            note = str(one.get("note"))
            found.append(
                Sample(
                    source=source,
                    group=group_of(source, one["source_id"]),
                    path=path,
                    boxes=np.asarray(plates + heads, np.float32).reshape(-1, 5),
                    stretch=SQUEEZED.get(source, 1.0),
                    care=(
                        0.1 if source in INCOMPLETE else 1.0,
                        _heads_care(source, note),
                        *_sheets_care(source, note),
                    ),
                )
            )
    return found


def _heads_care(source: str, note: str) -> float:
    """How much a sure find of a head far from every label counts as wrong: people in streets are few and mostly labelled."""
    if note in _CROWDED:
        return 0.0
    return 1.0 if note in _EMPTY else 0.5 if source in TIER_A + TIER_B else 0.1


def _sheets_care(source: str, note: str) -> tuple[float, float]:
    """The same for screens and for papers: no photograph has labels of them, and few but these show any."""
    if note in ("idcard_ccby4", "id_noid_ccby4"):  # badges round necks, papers on desks
        return 0.1, 0.0
    if note == "room_objects_ccby4":  # a telephone in a hand
        return 0.0, 0.5
    if note in _EMPTY:
        return 1.0, 1.0
    return (0.5, 0.5) if source in TIER_A + TIER_B else (0.1, 0.1)


_DOWN = {"hard_hat": 1.5, "hat": 1.7, "bare": 1.25}  # the labels end at the eyes, at the brim, at the nose


def heads_of(labels: list[dict[str, Any]], faces: list[list[float]]) -> list[tuple[float, float, float, float]]:
    """Heads from labels of hats and from faces: a face under a hat tells how far down its head goes."""
    heads, used = [], set()
    for b in labels:
        x0, y0, x1 = b["x"], b["y"], b["x"] + b["w"]
        grown = y0 + b["h"] * _DOWN.get(b.get("kind", "bare"), 1.25)
        under = [i for i, f in enumerate(faces) if x0 < (f[0] + f[2]) / 2 < x1 and y0 < (f[1] + f[3]) / 2 < grown]
        if under:
            best = max(under, key=lambda i: faces[i][2] - faces[i][0])
            used.add(best)
            face = head_of(faces[best])
            wide = 1.5 * (face[2] - face[0])  # of a broad brim only what is near the head
            middle = (face[0] + face[2]) / 2
            heads.append(
                (
                    max(min(x0, face[0]), middle - wide / 2),
                    min(y0, face[1]),
                    min(max(x1, face[2]), middle + wide / 2),
                    face[3],
                )
            )
        else:
            heads.append((x0, y0, x1, grown))
    for i, face_box in enumerate(faces):
        inside = any(
            h[0] < (face_box[0] + face_box[2]) / 2 < h[2] and h[1] < (face_box[1] + face_box[3]) / 2 < h[3]
            for h in heads
        )
        if i not in used and not inside:
            heads.append(head_of(face_box))
    return heads


def head_of(face: list[float]) -> tuple[float, float, float, float]:
    """A face, brow to chin, grown to the head around it."""
    x0, y0, x1, y1 = face
    wide, high = x1 - x0, y1 - y0
    return x0 - 0.14 * wide, y0 - 0.3 * high, x1 + 0.14 * wide, y1 + 0.04 * high


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
        sample, bgr=bgr, boxes=sample.boxes * np.float32([sample.stretch, 1, sample.stretch, 1, 1]), stretch=1.0
    )
