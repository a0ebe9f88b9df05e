"""What one look of each detector costs: milliseconds of CPU a picture, by size, on one thread.

    python tests/bench/looks.py [--looks 20]

The picture is the first of a fixture, enlarged to 1920x1080; each detector gets a fresh view, so its resizing is in the figure. Nothing is asserted.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bwc.media.decode import VideoReader  # noqa: E402
from bwc.redact.detectors.base import Detector  # noqa: E402
from bwc.redact.detectors.faces import CenterFace  # noqa: E402
from bwc.redact.detectors.faces_check import CheckFaces  # noqa: E402
from bwc.redact.detectors.finder import Finder  # noqa: E402
from bwc.redact.detectors.plates import PlateFinder  # noqa: E402


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=20)
    chosen = parser.parse_args()
    with (ROOT / "fixtures" / "clips" / "cut.mp4").open("rb") as file:
        first = next(iter(VideoReader(file).frames())).bgr()
    picture = cv2.resize(first, (1920, 1080), interpolation=cv2.INTER_CUBIC)
    print(f"{'detector':34}{'long side':>10}{'CPU ms a look':>15}")
    for side in (640, 960, 1280, 1920):
        detectors: list[Detector] = [
            CenterFace.open((side,)), Finder.open((side,)), PlateFinder.open((side,)), CheckFaces.open((side,)),
        ]  # fmt: skip
        for detector in detectors:
            detector.detect(picture)
            spent = []
            for _ in range(chosen.looks):
                before = time.process_time()
                detector.detect(picture)
                spent.append((time.process_time() - before) * 1000)
            found = detector.describe()
            print(f"{found.name + ' ' + found.precision:34}{side:>10}{statistics.median(spent):>15.1f}", flush=True)


if __name__ == "__main__":
    main()
