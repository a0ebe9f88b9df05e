"""The contract of a detector, as a test that anybody can run on theirs: `python -m bwc.redact.detectors.conformance NAME`.

Made-up pictures of many shapes are handed to it, and a photograph if one is given; what it says of itself is read as a
plan would record it.
"""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bwc.canonical import canonical, is_sha256_hex
from bwc.errors import BwcError, NotFound, UsageError
from bwc.redact.detectors.base import Detection, Detector, Picture8
from bwc.redact.detectors.plugins import installed, load, verify_found

SHAPES = ((480, 640), (1080, 1920), (720, 480), (17, 33), (64, 1200))  # height, width


def check_detector(detector: Detector, *, photographs: Sequence[Picture8] = (), seed: int = 1) -> int:
    """Raise `UsageError` with what broke the contract. How many pictures were looked at."""
    _check_words(detector)
    pictures = [*made_up_pictures(seed), *photographs]
    first = [_asked(detector, bgr) for bgr in pictures]
    for bgr, found in zip(pictures, first, strict=True):
        if _asked(detector, bgr) != found:
            raise UsageError(f"{detector.name} says another thing of the same picture when it is asked again")
    _check_threads(detector, pictures[:2], first[:2])
    return len(pictures)


def made_up_pictures(seed: int = 1) -> list[Picture8]:
    """Noise, black, white and drawn shapes, in several sizes; the same for the same seed."""
    chance = np.random.default_rng(seed)
    made: list[Picture8] = []
    for height, width in SHAPES:
        noise = chance.integers(0, 256, (height, width, 3), np.uint8)
        drawn = np.full((height, width, 3), 90, np.uint8)
        cv2.circle(drawn, (width // 2, height // 2), max(2, height // 4), (120, 160, 220), -1)
        made += [noise, drawn]
    return [*made, np.zeros((96, 96, 3), np.uint8), np.full((96, 96, 3), 255, np.uint8)]


def _check_words(detector: Detector) -> None:
    name = detector.name
    if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"{name!r} is no name", "letters, digits, hyphens and underscores")
    classes = detector.classes
    if (
        not isinstance(classes, tuple)
        or not classes
        or not all(isinstance(one, str) and one.isidentifier() for one in classes)
    ):
        raise UsageError(f"{name} has the classes {classes!r}", "a tuple of words")
    info = detector.describe()
    if info.name != name:
        raise UsageError(f"{name} describes itself as {info.name}")
    if not is_sha256_hex(info.file_sha256):
        raise UsageError(f"{name} does not name its model file by SHA-256", "64 hex digits of the file that is used")
    if not all(isinstance(text, str) and text for text in (info.package, info.licence, info.precision)):
        raise UsageError(f"{name} leaves out its package, licence or precision")
    try:
        canonical(dict(info.settings))
    except (BwcError, ValueError) as error:
        raise UsageError(f"{name} has settings a plan cannot hold: {error}", "texts, whole numbers, lists") from error


def _asked(detector: Detector, bgr: Picture8) -> list[Detection]:
    before = bgr.copy()
    try:
        found = detector.detect(bgr)
    except BwcError:
        raise
    except Exception as error:
        shape = f"{bgr.shape[1]}x{bgr.shape[0]}"
        raise UsageError(f"{detector.name} raised {type(error).__name__} on a picture of {shape}: {error}") from error
    if not np.array_equal(before, bgr):
        raise UsageError(f"{detector.name} writes into the picture it is given")
    if not isinstance(found, list):
        raise UsageError(f"{detector.name} hands back {type(found).__name__}, not a list")
    verify_found(detector, found, bgr)
    if [one.score for one in found] != sorted((one.score for one in found), reverse=True):
        raise UsageError(f"{detector.name} does not hand back the best score first")
    return found


def _check_threads(detector: Detector, pictures: Sequence[Picture8], expected: Sequence[list[Detection]]) -> None:
    """Two threads at a time get the same answers."""
    wrong: list[str] = []

    def ask(place: int) -> None:
        try:
            if _asked(detector, pictures[place]) != expected[place]:
                wrong.append("other answers")
        except BwcError as error:
            wrong.append(error.message)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise UsageError(f"{detector.name} cannot be used from two threads: {wrong[0]}")


def main(words: Sequence[str]) -> int:
    """Check the plug-ins named, else all that are installed; words that are files are photographs. 1: one broke the contract.

    Where none is named, one that lacks something here (a model file, a runtime) is told and left out.
    """
    files = [Path(word) for word in words if Path(word).is_file()]
    photographs = [np.asarray(picture, np.uint8) for path in files if (picture := cv2.imread(str(path))) is not None]
    names = [word for word in words if Path(word) not in files]
    failed = False
    for name in names or installed():
        try:
            looked = check_detector(load(name), photographs=photographs)
        except BwcError as error:
            is_absent = isinstance(error, NotFound) and not names
            failed |= not is_absent
            sys.stdout.write(
                f"{name}: {'left out: ' if is_absent else ''}{error.message}"
                + (f"; {error.hint}\n" if error.hint else "\n")
            )
        else:
            sys.stdout.write(f"{name}: keeps the contract on {looked} pictures\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
