"""How well faces stay covered between looks: `python tests/accuracy/between.py DIR [--every 10] [--only NAME] [--floor 0.98]`.

Detectors look at every tenth frame only. Counted are the truth faces of all frames for which the look before or the look after
found that face: the share of which at least 90 % is under what the tracks hide, margin included. Where detectors missed a
face at both ends nothing is counted: that is theirs, and `make accuracy` has it. Ends with 1 below the floor.
"""

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "accuracy")]

from measure import COVERED, clips, covered_share  # noqa: E402

from bwc.media.decode import VideoReader  # noqa: E402
from bwc.redact.detect import GREY_LONG_SIDE, has_plain_motion  # noqa: E402
from bwc.redact.detectors.base import overlap  # noqa: E402
from bwc.redact.detectors.faces import CenterFace, open_network  # noqa: E402
from bwc.redact.detectors.view import View  # noqa: E402
from bwc.redact.flow import Still  # noqa: E402
from bwc.redact.motion import field_of  # noqa: E402
from bwc.redact.path import Path as Track  # noqa: E402
from bwc.redact.profiles import DEFAULT, habits_for, profile_named  # noqa: E402
from bwc.redact.track import Sighting, Tracker  # noqa: E402
from bwc.redact.verdict import smeared  # noqa: E402
from bwc.roles import Policy  # noqa: E402

FOUND = 0.3  # overlap of a detection and a truth box from which the face was found
Box = tuple[float, float, float, float]


def tracked(clip: Path, finder: CenterFace, every: int) -> tuple[list[Track], dict[int, list[Box]], float]:
    """The tracks, what was found at each look, and pixels of the recording in one of the tracks' pixels."""
    profile, found, stretch = profile_named(DEFAULT), dict[int, list[Box]](), list[tuple[int, Still]]()
    with clip.open("rb") as file:
        video = VideoReader(file).facts.video
        assert video is not None
        assert not video.rotation, "upright clips only"
        tracker, scale = None, 1.0
        for picture in VideoReader(file, motion_vectors=has_plain_motion(video)).frames():
            if tracker is None:
                scale = max(1.0, max(picture.width, picture.height) / GREY_LONG_SIDE)
                small = (round(picture.width / scale), round(picture.height / scale))
                habits = habits_for(video.rate if video.rate > 0 else Fraction(30), profile, 1 / scale)
                tracker = Tracker(habits, width=small[0], height=small[1])
            grey = np.asarray(cv2.resize(picture.y, small, interpolation=cv2.INTER_AREA), np.uint8)
            stretch.append(
                (picture.ordinal, Still(grey, field_of(picture.motion, picture.width, picture.height, scale)))
            )
            if picture.ordinal % every == 0:
                view = View.of_planes((picture.y, picture.u, picture.v), full_range=picture.colour.range == 2)
                seen = finder.look(view)
                found[picture.ordinal] = [one.box for one in seen]
                sights = [
                    Sighting(np.asarray(one.box, np.float32) / np.float32(scale), one.score, "face") for one in seen
                ]
                tracker.advance(stretch, sights)
                stretch = []
        assert tracker is not None
        if stretch:
            tracker.advance(stretch, [])
        return tracker.finish(), found, scale


def judged(clip: Path, finder: CenterFace, every: int) -> tuple[int, int]:
    """(covered, counted) face-frames of one clip."""
    truth: list[list[dict[str, Any]]] = json.loads(clip.with_suffix(".truth.json").read_text())["frames"]
    tracks, found, scale = tracked(clip, finder, every)
    seen = {ordinal: {one["id"] for one in _faces(truth, ordinal) if _is_found(one, boxes)} for ordinal, boxes in found.items()}  # fmt: skip
    ways = [(track.first, smeared(track.boxes)) for track in tracks]  # as the plan has them
    margin, covered, counted = Policy().margin_permille / 2000, 0, 0
    for ordinal in range(min(len(truth), max(found) + 1)):
        before = ordinal - ordinal % every
        known = seen.get(before, set()) | seen.get(before + every if ordinal % every else before, set())
        hidden = [
            _grown(boxes[ordinal - first] * scale, margin) for first, boxes in ways if 0 <= ordinal - first < len(boxes)
        ]
        for one in _faces(truth, ordinal):
            if one["id"] in known:
                counted += 1
                box = (one["x"], one["y"], one["x"] + one["w"], one["y"] + one["h"])
                covered += covered_share(box, tuple(hidden)) >= COVERED
    return covered, counted


def _faces(truth: list[list[dict[str, Any]]], ordinal: int) -> list[dict[str, Any]]:
    boxes = truth[ordinal] if ordinal < len(truth) else []
    return [one for one in boxes if one["label"] == "face" and not one.get("ignore")]


def _is_found(one: dict[str, Any], boxes: list[Box]) -> bool:
    if not boxes:
        return False
    own = np.asarray([one["x"], one["y"], one["x"] + one["w"], one["y"] + one["h"]], np.float32)
    return float(overlap(own, np.asarray(boxes, np.float32))[0].max()) >= FOUND


def _grown(box: Any, margin: float) -> tuple[int, int, int, int]:
    size = box[2:] - box[:2]
    x0, y0, x1, y1 = (*np.floor(box[:2] - margin * size), *np.ceil(box[2:] + margin * size))
    return int(x0), int(y0), int(x1), int(y1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--only", default="")
    parser.add_argument("--floor", type=float, default=0.0)
    wanted = parser.parse_args()
    finder = CenterFace(open_network(), (640, 1280), profile_named(DEFAULT).face_threshold)
    all_covered = all_counted = 0
    for clip in clips(wanted.folder, wanted.only):
        if clip.with_suffix(".truth.json").exists():
            covered, counted = judged(clip, finder, wanted.every)
            all_covered, all_counted = all_covered + covered, all_counted + counted
            print(f"{clip.stem[:40]:40} {covered}/{counted} = {covered / max(1, counted):.4f}", flush=True)
    share = all_covered / max(1, all_counted)
    print(f"{'all':40} {all_covered}/{all_counted} = {share:.4f}")
    return 0 if share >= wanted.floor else 1


if __name__ == "__main__":
    sys.exit(main())
