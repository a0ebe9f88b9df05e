"""Attack on covers: can what is under them be found again, or told apart? `python tests/accuracy/attack.py DATA [--sizes 40,100,300] [--covers none,solid]`

Faces at hand (stills and frames of real recordings, one person each) are scaled to the size, set among their own surroundings,
shaken by a few pixels a frame, encoded, redacted by the product with each effect it allows, and decoded again. Then, on the
pixels under the covers only (without the 4 pixels into which the encoder smears the edge):

- found again: any of our detectors has a box that lies in the cover;
- own photo, other photo: nearest neighbour among all people, by raw pixels, by principal components and by gradients, with a gallery covered alike
  (the attacker knows the effect); the best of the three, once from one frame, once from the mean of all frames;
- the same for settings that the product refuses, drawn with its own functions, so that the refusal has its figure.

No face recognition network ships with the product, nor is one used here: a stronger matcher would do better on what is not flat.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

import av  # noqa: E402
import cv2  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from bwc.canonical import sha256_hex  # noqa: E402
from bwc.errors import UsageError  # noqa: E402
from bwc.media.decode import Picture, VideoReader  # noqa: E402
from bwc.redact.detectors.base import Detector  # noqa: E402
from bwc.redact.detectors.faces import CenterFace  # noqa: E402
from bwc.redact.detectors.faces_check import CheckFaces  # noqa: E402
from bwc.redact.effects import _blur, _mosaic  # noqa: E402
from bwc.redact.loose import SealedScratch  # noqa: E402
from bwc.redact.plan import Box, Coverage, Effect, EffectKind, PlanMedia, PtsTable, RedactionPlan, Span, Track  # noqa: E402
from bwc.redact.render import render  # noqa: E402

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

CONTEXT = 1.0  # of the face's height, on every side
FRAMES = 12
SIDE = 24  # features are taken at this size
RIM = 4
LARGEST = 1920 * 1088
STILLS = {"astronaut.png": (172, 60, 106, 140), "egoblur_man.jpg": (470, 130, 260, 340)}
CLIPS = (
    "video_bodycam/spd_01",
    "video_bodycam/spd_03",
    "video_headcam/ego_faces",
    "video_faces_lowres/head-pose-face-detection-female-and-male",
    "video_faces_lowres/walking-and-pause",
)


@dataclass(frozen=True)
class Face:
    """One photograph of one person: a picture, and the box of the face in it."""

    person: str
    picture: Pixels
    box: tuple[float, float, float, float]  # x, y, w, h


def faces(data: Path) -> list[Face]:
    """Two photographs of people in clips (first and last frame that shows them), one of people in stills."""
    found = [Face(name, cv2.imread(str(data / "stills" / name)), box) for name, box in STILLS.items()]
    truth = json.loads((data / "stills" / "truth.json").read_text())
    city = next(one for one in truth if one["image"] == "city.jpg")
    picture = cv2.imread(str(data / "stills" / "city.jpg"))
    for place, box in enumerate(one for one in city["boxes"] if one["label"] == "face"):
        found.append(Face(f"city{place}", picture, (box["x"], box["y"], box["w"], box["h"])))
    for name in CLIPS:
        shown = json.loads((data / f"{name}.truth.json").read_text())["frames"]
        places: dict[str, list[int]] = {}
        for ordinal, boxes in enumerate(shown):
            for box in boxes:
                if box["label"] == "face" and not box.get("ignore"):
                    places.setdefault(str(box["id"]), []).append(ordinal)
        wanted = {(who, spot) for who, seen in places.items() for spot in (seen[0], seen[-1])}
        with (data / f"{name}.mp4").open("rb") as file:
            for frame in VideoReader(file).frames():
                for box in shown[frame.ordinal] if frame.ordinal < len(shown) else []:
                    if (str(box.get("id")), frame.ordinal) in wanted:
                        where = (box["x"], box["y"], box["w"], box["h"])
                        found.append(Face(f"{name}/{box['id']}", frame.bgr(), where))
    return found


def tile(face: Face, size: int, dx: int = 0, dy: int = 0) -> tuple[Pixels, Box]:
    """The face `size` pixels high among its surroundings, and its box; the same for every face of one size."""
    x, y, w, h = face.box
    scale = size / h
    side = 2 * round(size * (1 + 2 * CONTEXT) / 2)
    move = np.float32(
        [[scale, 0, side / 2 + dx - (x + w / 2) * scale], [0, scale, side / 2 + dy - (y + h / 2) * scale]]
    )
    picture = cv2.warpAffine(face.picture, move, (side, side), flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    half = round(size * 0.4)
    middle = side // 2
    return picture, (middle - half + dx, middle - size // 2 + dy, middle + half + dx, middle + size // 2 + dy)


def shake(frame: int) -> tuple[int, int]:
    return (0, 1, 2, 1, 0, -1, -2, -1)[frame % 8], (0, 2, 1, -1, -2, 0)[frame % 6]


@dataclass(frozen=True)
class Sheet:
    """Some faces side by side in one recording, and where each is covered."""

    data: bytes
    plan: RedactionPlan
    places: Sequence[int]  # which faces, in order of the plan's tracks


def sheets(found: Sequence[Face], size: int) -> Iterator[Sheet]:
    side = tile(found[0], size)[0].shape[0]
    columns = max(1, min(len(found), int((LARGEST * 16 / 9) ** 0.5) // side))
    rows = max(1, LARGEST // (columns * side * side))
    for start in range(0, len(found), columns * rows):
        places = range(start, min(len(found), start + columns * rows))
        height = side * ceil(len(places) / columns)
        pictures, boxes = [], [[] for _ in places]
        for number in range(FRAMES):
            canvas = np.zeros((height, side * columns, 3), np.uint8)
            for spot, place in enumerate(places):
                x, y = side * (spot % columns), side * (spot // columns)
                canvas[y : y + side, x : x + side], box = tile(found[place], size, *shake(number))
                boxes[spot].append((box[0] + x, box[1] + y, box[2] + x, box[3] + y))
            pictures.append(canvas)
        data = encoded(pictures)
        yield Sheet(data, plan_for(data, boxes, pictures[0].shape), list(places))


def encoded(pictures: Sequence[Pixels]) -> bytes:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "16", "preset": "veryfast", "bf": "0"}
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        out.mux(stream.encode())
    return sink.getvalue()


def plan_for(data: bytes, boxes: Sequence[Sequence[Box]], shape: Sequence[int]) -> RedactionPlan:
    reader = VideoReader(io.BytesIO(data))
    ticks = [one.pts for one in reader.frames()]
    media = PlanMedia(
        width=shape[1], height=shape[0], rotation=0, time_base=Fraction(reader.time_base), pts=PtsTable.from_values(ticks),
        frames_lost=0, duration=ticks[-1] + ticks[1],
    )  # fmt: skip
    tracks = tuple(
        Track(id=f"t{place}", class_="face", score_permille=900, spans=(Span(first=0, boxes=path),))
        for place, path in enumerate(boxes, 1)
    )
    now = datetime.now(UTC)
    return RedactionPlan(
        plan_id="pln-0123456789ab", item=None, segment=0, content_sha256=sha256_hex(data), made_at=now, tool="attack", media=media, tracks=tracks
    )  # fmt: skip


def copies(sheet: Sheet, effect: Effect | None, weak: Callable[[Pixels], None] | None) -> list[Picture]:
    """The frames of the redacted copy; with `weak` the original's, drawn over by it."""
    data = sheet.data
    if effect is not None:
        sink = io.BytesIO()
        plan = RedactionPlan(**{name: getattr(sheet.plan, name) for name in sheet.plan.__slots__} | {"effect": effect})
        render(io.BytesIO(data), plan, sink, lambda: SealedScratch(Path("/tmp")))
        data = sink.getvalue()
    pictures = list(VideoReader(io.BytesIO(data)).frames())
    if weak is not None:
        cover = Coverage(sheet.plan)
        for picture in pictures:
            for x0, y0, x1, y1 in cover.at(picture.ordinal).boxes:
                for plane, part in ((picture.y, 1), (picture.u, 2), (picture.v, 2)):
                    weak(plane[y0 // part : y1 // part, x0 // part : x1 // part])
    return pictures


def features(regions: Sequence[Floats]) -> Floats:
    """What covers show, one row a person: brightness and colour stretched to their full range, however faint."""
    rows = np.stack([one.ravel() for one in regions]).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(rows.std(axis=1, keepdims=True), 1e-6)


def region_of(picture: Picture, box: Box) -> Floats:
    x0, y0, x1, y1 = box[0] + RIM, box[1] + RIM, box[2] - RIM, box[3] - RIM
    parts = [picture.y[y0:y1, x0:x1], picture.u[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2], picture.v[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]]  # fmt: skip
    return np.stack([cv2.resize(part.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for part in parts])


def gradients(regions: Sequence[Floats]) -> list[Floats]:
    return [
        np.concatenate([cv2.Sobel(one[0], cv2.CV_32F, 1, 0), cv2.Sobel(one[0], cv2.CV_32F, 0, 1)]) for one in regions
    ]


def components(rows: Floats, gallery: Floats) -> tuple[Floats, Floats]:
    """Both in the gallery's twenty strongest components, each of the same weight."""
    middle = gallery.mean(axis=0)
    _, weights, axes = np.linalg.svd(gallery - middle, full_matrices=False)
    keep = axes[:20] / np.maximum(weights[:20, None], 1e-3)
    return (rows - middle) @ keep.T, (gallery - middle) @ keep.T


def rank_1(probes: Sequence[Floats], gallery: Sequence[Floats], people: Sequence[str], *, own: bool) -> float | None:
    """The best matcher's share of probes whose nearest neighbour is their own photo, or another one of the person."""
    ways = []
    for make in (lambda regions: regions, gradients):
        rows, known = features(make(probes)), features(make(gallery))
        ways += [(rows, known), components(rows, known)]
    best = None
    for rows, known in ways:
        right = []
        away = ((rows[:, None] - known[None]) ** 2).sum(axis=2)
        for place, person in enumerate(people):
            if own:
                right.append(int(np.argmin(away[place])) == place)
                continue
            others = [spot for spot in range(len(people)) if spot != place]
            if any(people[spot] == person for spot in others):
                right.append(people[min(others, key=lambda spot: away[place, spot])] == person)
        if right:
            best = max(best or 0.0, sum(right) / len(right))
    return best


def found_again(
    pictures: Sequence[Picture], cover: Coverage, side: int, detectors: Sequence[Detector]
) -> tuple[int, int]:
    """Covers in which a detector finds something, and covers, in the first and the middle frame."""
    hits = total = 0
    for picture in (pictures[0], pictures[len(pictures) // 2]):
        bgr = picture.bgr()
        for box in cover.at(picture.ordinal).boxes:
            middle = (box[0] + box[2]) // 2 // side * side, (box[1] + box[3]) // 2 // side * side
            part = bgr[middle[1] : middle[1] + side, middle[0] : middle[0] + side]
            hits += any(_lies_in(one.box, box, middle) for detector in detectors for one in detector.detect(part))
            total += 1
    return hits, total


def _lies_in(found: tuple[float, float, float, float], box: Box, corner: tuple[int, int]) -> bool:
    x0, y0, x1, y1 = found[0] + corner[0], found[1] + corner[1], found[2] + corner[0], found[3] + corner[1]
    wide, high = min(x1, box[2]) - max(x0, box[0]), min(y1, box[3]) - max(y0, box[1])
    return wide > 0 and high > 0 and wide * high >= 0.5 * (x1 - x0) * (y1 - y0)


def _pixelated(cells: int) -> Callable[[Pixels], None]:
    def draw(region: Pixels) -> None:
        height, width = region.shape
        shape = max(1, round(cells * height / max(region.shape))), max(1, round(cells * width / max(region.shape)))
        region[:] = cv2.resize(_mosaic(region, shape), (width, height), interpolation=cv2.INTER_NEAREST)

    return draw


def _blurred(permille: int) -> Callable[[Pixels], None]:
    return lambda region: _blur(region, permille)


Way = tuple[str, Effect | None, Callable[[Pixels], None] | None]


def ways() -> list[Way]:
    made: list[Way] = [("none", None, None)]
    made += [(kind.value, Effect(kind=kind), None) for kind in EffectKind]
    for cells in (8, 16):
        _verify_refused(cells=cells)
        made.append((f"pixelate, {cells} cells (refused)", None, _pixelated(cells)))
    for permille in (60, 150):
        _verify_refused(blur_permille=permille)
        made.append((f"blur, {permille} permille (refused)", None, _blurred(permille)))
    return made


def _verify_refused(**setting: int) -> None:
    try:
        Effect(**setting)  # type: ignore[arg-type]
    except UsageError:
        return
    raise SystemExit(f"{setting} was not refused")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", default="40,100,300")
    parser.add_argument("--covers", default="", help="only those whose names begin so, for example none,solid")
    wanted = parser.parse_args()
    found = faces(wanted.data)
    people = [face.person for face in found]
    detectors = (CenterFace.open((640,), 0.2), CheckFaces.open((640,)))
    print(f"{len(found)} photographs of {len(set(people))} people; chance {1 / len(found):.1%} own, other photo at most {1 / len(set(people)):.1%} by person\n")  # fmt: skip
    print("| px | cover | found again | own photo | mean of frames | other photo | mean of frames |")
    print("|---|---|---|---|---|---|---|")
    leaks = 0
    for size in map(int, wanted.sizes.split(",")):
        side = tile(found[0], size)[0].shape[0]
        made = list(sheets(found, size))
        for name, effect, weak in (way for way in ways() if way[0].startswith(tuple(wanted.covers.split(",")))):
            one: list[Floats] = [np.zeros(1, np.float32)] * len(found)
            mean, gallery = list(one), list(one)
            hits = total = 0
            for sheet in made:
                pictures = copies(sheet, effect, weak)
                cover = Coverage(sheet.plan)
                again, covers = found_again(pictures, cover, side, detectors)
                hits, total = hits + again, total + covers
                alike = _alike(sheet, effect, weak)
                for spot, place in enumerate(sheet.places):
                    shown = [region_of(picture, cover.at(picture.ordinal).boxes[spot]) for picture in pictures]
                    one[place], mean[place] = shown[FRAMES // 2], np.mean(shown, axis=0)
                    gallery[place] = region_of(alike, cover.at(0).boxes[spot])
            figures = [rank_1(probes, gallery, people, own=own) for own in (True, False) for probes in (one, mean)]
            cells = " | ".join("-" if figure is None else f"{figure:.1%}" for figure in figures)
            print(f"| {size} | {name} | {hits}/{total} | {cells} |", flush=True)
            if name == "solid":
                most = 1 / len(found) + 2 * (1 / len(found) / len(found)) ** 0.5
                leaks += hits + sum((figure or 0) > most for figure in figures[:2])
    return 1 if leaks else 0


def _alike(sheet: Sheet, effect: Effect | None, weak: Callable[[Pixels], None] | None) -> Picture:
    """The gallery: the first frame as the attacker would cover it, not encoded again."""
    if effect is None:
        return copies(sheet, None, weak)[0]
    draw = {
        EffectKind.PIXELATE: _pixelated(effect.cells),
        EffectKind.BLUR: _blurred(effect.blur_permille),
        EffectKind.MEAN: _flatten,
        EffectKind.SOLID: lambda region: None,  # the most an attacker can hope for: the faces themselves
    }[effect.kind]
    return copies(sheet, None, draw)[0]


def _flatten(region: Pixels) -> None:
    region[:] = round(float(region.mean()))


if __name__ == "__main__":
    sys.exit(main())
