"""How surely the codes of slips are read back: by bwc, and by the reader of OpenCV that it used before.

    python tests/bench/codes.py [--slips 300] [--photographs 80]

Every slip is of another log, key and checkpoint, so every code differs. Photographs are made: perspective, a turn of up
to 25 degrees, soft, noisy, darker, JPEG at 70.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy
from numpy.typing import NDArray

from bwc.anchors.slip import read_slip
from bwc.appending.writing import log_key, sign_checkpoint
from bwc.audit.checkpoint import Checkpoint, NoteKey
from bwc.errors import UsageError
from bwc.identities import SeedSigner
from bwc.oversight.slip import as_png, read_any

Picture = NDArray[numpy.uint8]


def main() -> None:
    """Make the codes, read them back, print how many were read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slips", type=int, default=300)
    parser.add_argument("--photographs", type=int, default=80)
    chosen = parser.parse_args()
    rng = numpy.random.default_rng(1)
    found = {"as made": [0, 0, 0], "photographed": [0, 0, 0]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slip.png"
        for at in range(chosen.slips):
            note, key = signed(rng)
            pictures = {"as made": decoded(as_png(note, key))}
            if at < chosen.photographs:
                pictures["photographed"] = photographed(pictures["as made"], rng)
            for kind, picture in pictures.items():
                cv2.imwrite(str(path), picture)
                found[kind][0] += 1
                found[kind][1] += by_bwc(path) == note
                found[kind][2] += by_opencv(picture) == note
    print(f"{'':14}{'codes':>8}{'bwc':>8}{'OpenCV':>8}")
    for kind, (codes, ours, theirs) in found.items():
        print(f"{kind:14}{codes:8}{ours:8}{theirs:8}")


def signed(rng: numpy.random.Generator) -> tuple[bytes, NoteKey]:
    """A checkpoint of a log nobody else has, signed; and the log's key."""
    signer = SeedSigner(rng.bytes(32))
    origin = f"springfield.example/bwc/{rng.bytes(4).hex()}"
    checkpoint = Checkpoint(origin=origin, size=int(rng.integers(1, 10**7)), root=rng.bytes(32))
    return sign_checkpoint(checkpoint, signer), log_key(origin, signer)


def by_bwc(path: Path) -> bytes:
    """What `bwc verify --against` takes from the picture; nothing when it finds none."""
    try:
        return read_any(path)
    except UsageError:
        return b""


def by_opencv(picture: Picture) -> bytes:
    """The same with OpenCV's reader, which looks at three sizes."""
    for scale in (1.0, 0.5, 2.0):
        text = cv2.QRCodeDetector().detectAndDecode(cv2.resize(picture, None, fx=scale, fy=scale))[0]
        if text:
            return read_slip(text.encode(), "picture")
    return b""


def decoded(data: bytes) -> Picture:
    """The grey picture in a file's bytes."""
    picture = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return picture.astype(numpy.uint8)


def photographed(code: Picture, rng: numpy.random.Generator) -> Picture:
    """The code on a grey desk, seen by a hand-held telephone."""
    desk = numpy.pad(code, ((300, 300), (400, 400)), constant_values=200)
    height, width = desk.shape
    corners = numpy.array([[0, 0], [width, 0], [width, height], [0, height]], numpy.float32)
    moved = corners + rng.uniform(-80, 80, (4, 2)).astype(numpy.float32)
    tilted = cv2.warpPerspective(desk, cv2.getPerspectiveTransform(corners, moved), (width, height), borderValue=(200,))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-25, 25)), 0.7)
    soft = cv2.GaussianBlur(cv2.warpAffine(tilted, turn, (width, height), borderValue=(200,)), (0, 0), 1.0)
    noisy = (soft * 0.7 + 20 + rng.normal(0, 12, soft.shape)).clip(0, 255).astype(numpy.uint8)
    return decoded(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes())


if __name__ == "__main__":
    main()
