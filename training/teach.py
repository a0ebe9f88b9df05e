"""Find the faces in the pictures with CenterFace, once, as labels of heads: `PYTHONPATH=.. python teach.py --data … --out heads.json`.

The sources label heads in one folder only, and there as hats. A face that CenterFace is fairly sure of becomes a head
(`dataset.head_of`); where it is silent nothing is concluded. Needs the packages of bwc, no torch.
"""

import argparse
import json
from pathlib import Path

import cv2
from dataset import PLAIN, TIER_A, TIER_B, listing, straight

from bwc.redact.detectors.faces import CenterFace

_SURE = 0.35


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    finder, said = CenterFace.open((640,), _SURE), {}
    for sample in listing(wanted.data, PLAIN + TIER_A + TIER_B):
        ready = straight(sample.loaded())
        assert ready.bgr is not None
        faces = [
            [round(v / (sample.stretch if i % 2 == 0 else 1), 1) for i, v in enumerate(d.box)]
            for d in finder.detect(ready.bgr)
        ]
        if faces:
            said[f"{sample.source}/{sample.path.name}"] = faces
    wanted.out.write_text(json.dumps(said))
    print(f"{sum(len(f) for f in said.values())} faces in {len(said)} pictures")


if __name__ == "__main__":
    main()
