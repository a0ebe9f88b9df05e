"""Make clips in which people are hard to keep hidden, with exact truth: `hard_set.py OUT [--stills DIR] [--seconds N]`.

Six clips, 1280x720 at 30 frames per second as a body camera writes them (no B-frames, one-second groups), hand-held:
turning (to lost profile and away), hidden (phone, hand and other people in front), worn (cap, mask, glasses), night
(torch, noise), fast (pans with motion blur, people crossing), small (10 to 40 px, coming nearer, in and out of the frame).
Truth: `face` while the head is turned by less than 100 degrees, `head` while it is turned further away. `vis` is the
share not covered by something in front; a head under a quarter in sight is `ignore`d. The same clips every time;
`--seed N` makes another set of the same kinds: other people in each part, other places, sizes, tempo, light, wall, mirrored or not.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import pi, sin
from pathlib import Path
from typing import TypedDict

import av
import cv2
import heads as make
import numpy as np
import skimage.data
from heads import Floats, Head, Pixels, Wear

W, H, FPS = 1280, 720, 30
FACE = (0.24, 0.74, 0.74)  # the face in its head's box, seen from the front: top, width, height as shares
AWAY = 100.0  # degrees of yaw from which no face is seen
LEAST_VISIBLE = 0.25
SHUTTER = 0.6  # of the time between frames, for motion blur


@dataclass(frozen=True)
class Pose:
    """Where a head is at a time: its middle and height in pixels of the still camera, and how it is turned."""

    x: float
    y: float
    height: float
    yaw: float = 0.0
    pitch: float = 0.0


@dataclass(frozen=True)
class Person:
    name: str
    head: Head
    wear: Wear
    at: Callable[[float], Pose]
    thing: Callable[[float], tuple[str, float] | None] = lambda _: None  # ("phone" or "hand", x offset in heads)


@dataclass(frozen=True)
class Clip:
    name: str
    people: Sequence[Person]
    light: str = "day"
    shake: float = 7.0  # pixels
    pan: Callable[[float], float] = lambda _: 0.0  # pixels to the right
    blur: bool = False
    seed: int = 0


def varied(clip: Clip, found: Sequence[Head], seed: int) -> Clip:
    """The same kind of clip with other people, places, sizes, tempo and shake."""
    chance = np.random.default_rng([seed, *map(ord, clip.name)])
    mirrored, order = bool(chance.random() < 0.5), chance.permutation(len(found))
    people = [
        replace(one, head=found[order[n % len(found)]], **_moved(one, mirrored, chance))
        for n, one in enumerate(clip.people)
    ]
    pan, side = clip.pan, -1 if mirrored else 1
    return replace(
        clip,
        name=f"{clip.name}_{seed}",
        people=people,
        shake=clip.shake * float(chance.uniform(0.7, 1.5)),
        pan=lambda t: side * pan(t),
        seed=seed,
    )


class _Moves(TypedDict):
    at: Callable[[float], Pose]
    thing: Callable[[float], tuple[str, float] | None]


def _moved(one: Person, mirrored: bool, chance: np.random.Generator) -> _Moves:
    tempo, start, larger = (float(chance.uniform(*ends)) for ends in ((0.75, 1.3), (0, 3), (0.85, 1.2)))
    right, down = float(chance.uniform(-60, 60)), float(chance.uniform(-40, 30))
    at, thing = one.at, one.thing

    def there(t: float) -> Pose:
        pose = at(start + tempo * t)
        x, yaw = (W - pose.x, -pose.yaw) if mirrored else (pose.x, pose.yaw)
        return Pose(x + right, pose.y + down, pose.height * larger, yaw, pose.pitch)

    return {"at": there, "thing": lambda t: thing(start + tempo * t)}


def clips(found: list[Head], seconds: float) -> list[Clip]:
    def who(number: int) -> Head:
        return found[number % len(found)]

    def stands(x: float, y: float, height: float, yaw: Callable[[float], float]) -> Callable[[float], Pose]:
        return lambda t: Pose(x + 12 * sin(t * 0.9), y + 4 * sin(t * 1.7), height, yaw(t), 6 * sin(t * 0.7))

    turning = [
        Person("turn1", who(0), Wear(), stands(220, 300, 120, lambda t: 150 * sin(t * 0.7))),
        Person("turn2", who(4), Wear(), stands(560, 330, 70, lambda t: 100 * sin(t * 0.5 + 1))),
        Person("turn3", who(8), Wear(), stands(820, 320, 50, lambda t: t * 45)),
        Person("away", who(2), Wear(), stands(1080, 310, 90, lambda t: 40 if t < 2 else 170 if t < 5 else 30)),
    ]
    hidden = [
        Person(
            "phone", who(1), Wear(), stands(260, 300, 130, lambda t: 15 * sin(t)),
            lambda t: ("phone", 0.15 * sin(t * 2)) if 1.5 < t < 5.5 else None,
        ),
        Person("hand", who(5), Wear(), stands(620, 310, 90, lambda t: 30 * sin(t)), lambda t: ("hand", 1.4 * sin(t * 1.3))),
        Person("behind", who(6), Wear(), stands(930, 320, 60, lambda t: 25 * sin(t * 0.8))),
        Person("passer", who(3), Wear(), lambda t: Pose(-100 + (t % 8) * 190, 290, 150, 60)),
    ]  # fmt: skip
    worn = [
        Person("cap", who(0), Wear(cap=True), stands(220, 300, 110, lambda t: 60 * sin(t * 0.6))),
        Person("masked", who(7), Wear(mask=True), stands(500, 320, 80, lambda t: 70 * sin(t * 0.5 + 2))),
        Person("all", who(5), Wear(cap=True, mask=True), stands(790, 310, 60, lambda t: 50 * sin(t * 0.8))),
        Person("glasses", who(2), Wear(cap=True, glasses=True), stands(1060, 305, 95, lambda t: 80 * sin(t * 0.7))),
    ]
    night = [
        Person("torch1", who(1), Wear(), stands(380, 320, 100, lambda t: 60 * sin(t * 0.7))),
        Person("torch2", who(8), Wear(cap=True), stands(760, 330, 60, lambda t: 80 * sin(t * 0.6 + 1))),
        Person("comes", who(3), Wear(), lambda t: Pose(1000 - 40 * t, 330, 22 + 9 * t, 20 * sin(t))),
    ]
    fast = [
        Person("cross1", who(4), Wear(), lambda t: Pose(-80 + (t % 4) * 380, 310, 90, 75)),
        Person("cross2", who(0), Wear(), lambda t: Pose(1360 - (t % 5) * 320, 330, 60, -70)),
        Person("stays", who(7), Wear(), stands(640, 320, 70, lambda t: 45 * sin(t))),
    ]
    small = [
        Person(f"far{n}", who(n), Wear(cap=n % 3 == 0), _walker(120 + 150 * n, 12 + 3 * n, n)) for n in range(7)
    ] + [
        Person("enters", who(4), Wear(), lambda t: Pose(1330 - 90 * (t % 6), 340, 34, -50)),
        Person("leaves", who(1), Wear(), lambda t: Pose(300 - 80 * (t % 6), 345, 26, 60)),
    ]  # fmt: skip
    return [
        Clip("hard_turning", turning),
        Clip("hard_hidden", hidden),
        Clip("hard_worn", worn),
        Clip("hard_night", night, light="night"),
        Clip("hard_fast", fast, blur=True, shake=14, pan=lambda t: 160 * sin(t * 1.6)),
        Clip("hard_small", small),
    ]


def _walker(x: float, height: float, number: int) -> Callable[[float], Pose]:
    return lambda t: Pose(
        x + 9 * sin(t + number), 352 - height / 3, height * (1 + 0.05 * t), 70 * sin(0.6 * t + number)
    )


def background(seed: int = 0) -> Pixels:
    """A wall and a yard, larger than the frame, from CC0 textures."""
    canvas = np.zeros((H + 240, W + 900, 3), np.float32)
    for name, top, bottom, dim in (("brick", 60, 520, 0.8), ("gravel", 520, H + 240, 0.7)):
        photo = np.asarray(getattr(skimage.data, name)(), np.float32)
        tile = cv2.resize(photo, (360, 360), interpolation=cv2.INTER_AREA)
        canvas[top:bottom] = (np.tile(tile, (4, 8))[: bottom - top, : W + 900] * dim)[..., None]
    canvas[:60] = 205
    rng = np.random.default_rng(5 + seed)
    for _ in range(14):  # windows, doors, boxes: edges that a tracker may hold on to
        x, y = rng.integers(0, W + 800), rng.integers(90, 420)
        w, h = rng.integers(30, 140), rng.integers(40, 160)
        cv2.rectangle(canvas, (int(x), int(y)), (int(x + w), int(y + h)), rng.uniform(30, 200, 3).tolist(), -1)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def paste(canvas: Floats, picture: Floats, alpha: Floats, x: float, y: float) -> None:
    """`picture` onto `canvas` with its top left corner at a fraction of a pixel."""
    left, top = int(np.floor(x)), int(np.floor(y))
    shift = np.float32([[1, 0, x - left], [0, 1, y - top]])
    size = (picture.shape[1] + 1, picture.shape[0] + 1)
    picture, alpha = cv2.warpAffine(picture, shift, size), cv2.warpAffine(alpha, shift, size)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(W, left + size[0]), min(H, top + size[1])
    if x1 > x0 and y1 > y0:
        a = alpha[y0 - top : y1 - top, x0 - left : x1 - left, None]
        canvas[y0:y1, x0:x1] = canvas[y0:y1, x0:x1] * (1 - a) + picture[y0 - top : y1 - top, x0 - left : x1 - left] * a


def _thing(kind: str, height: int) -> tuple[Floats, Floats]:
    if kind == "phone":
        picture = np.full((round(height * 0.95), round(height * 0.5), 3), 28, np.float32)
        cv2.rectangle(picture, (4, 4), (14, 24), (70, 70, 70), -1)
        return picture, np.ones(picture.shape[:2], np.float32)
    size = round(height * 0.9)
    picture = np.full((size, round(size * 0.8), 3), (120, 150, 205), np.float32)
    alpha = np.zeros(picture.shape[:2], np.float32)
    cv2.ellipse(alpha, (picture.shape[1] // 2, size * 2 // 3), (picture.shape[1] // 3, size // 3), 0, 0, 360, 1.0, -1)
    for finger in range(4):
        at = picture.shape[1] * (2 + finger) // 7
        cv2.line(alpha, (at, size // 2), (at, size // 10), 1.0, max(2, size // 9), cv2.LINE_AA)
    return picture, alpha


def frame(clip: Clip, wall: Pixels, t: float, chance: np.random.Generator) -> tuple[Floats, list[dict[str, object]]]:
    """One picture at `t` seconds and the truth in it."""
    sx = clip.shake * (sin(2 * pi * 3.7 * t) + 0.6 * sin(2 * pi * 1.3 * t + 1)) + clip.pan(t)
    sy = clip.shake * 0.8 * sin(2 * pi * 4.3 * t + 2)
    view = np.float32([[1, 0, -(450 + sx)], [0, 1, -(120 + sy)]])
    canvas = cv2.warpAffine(wall, view, (W, H), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT).astype(
        np.float32
    )
    owner = np.full((H, W), -1, np.int16)  # whose pixel it is, to know what is in front
    boxes: list[tuple[int, Person, Pose, tuple[float, float, float, float], float]] = []
    people = sorted(clip.people, key=lambda person: person.at(t).height)
    for index, person in enumerate(people):
        pose = person.at(t)
        height = max(6, round(pose.height))
        picture, alpha = make.draw(person.head, height, yaw=pose.yaw, pitch=pose.pitch, wear=person.wear)
        x, y = pose.x - sx - picture.shape[1] / 2, pose.y - sy - height / 2
        torso = np.full((round(height * 2.4), round(height * 2.1), 3), chance_colour(person.name), np.float32)
        shape = np.zeros(torso.shape[:2], np.float32)
        cv2.ellipse(
            shape,
            (torso.shape[1] // 2, round(height * 1.1)),
            (round(height), round(height * 1.05)),
            0,
            180,
            360,
            1.0,
            -1,
        )
        shape[round(height * 1.1) :, torso.shape[1] // 2 - height : torso.shape[1] // 2 + height] = 1
        at = pose.x - sx - torso.shape[1] / 2, y + height * 0.9
        paste(canvas, torso, shape, *at)
        _own(owner, shape, *at, 1000)
        paste(canvas, picture, alpha, x, y)
        area = _own(owner, alpha, x, y, index)
        boxes.append((index, person, pose, (x, y, picture.shape[1], height), area))
        held = person.thing(t)
        if held:
            thing, cover = _thing(held[0], height)
            at = x + picture.shape[1] / 2 - thing.shape[1] / 2 + held[1] * height, y + height * 0.12
            paste(canvas, thing, cover, *at)
            _own(owner, cover, *at, 1000)
    return canvas, [one for one in (_truth(owner, *row) for row in boxes) if one]


def _own(owner: np.ndarray, alpha: Floats, x: float, y: float, index: int) -> float:
    """Mark where `alpha` is drawn; its whole area, also outside the picture."""
    left, top = round(x), round(y)
    solid = alpha > 0.5
    x0, y0, x1, y1 = max(0, left), max(0, top), min(W, left + alpha.shape[1]), min(H, top + alpha.shape[0])
    if x1 > x0 and y1 > y0:
        part = owner[y0:y1, x0:x1]
        part[solid[y0 - top : y1 - top, x0 - left : x1 - left]] = index
    return float(solid.sum())


def _truth(
    owner: np.ndarray, index: int, person: Person, pose: Pose, box: tuple[float, float, float, float], area: float
) -> dict[str, object] | None:
    visible = float((owner == index).sum()) / max(1.0, area)
    if visible <= 0.02:
        return None
    turned = abs((pose.yaw + 180) % 360 - 180)
    x, y, w, h = box
    if turned < AWAY:  # the face wanders to the side and narrows as the head turns
        share_y, share_w, share_h = FACE
        middle = x + w / 2 + np.sin(np.radians(pose.yaw)) * w * -0.22
        wide = share_w * w * max(0.45, float(np.cos(np.radians(turned * 0.75))))
        x, y, w, h = middle - wide / 2, y + share_y * h, wide, share_h * h
    x0, y0, x1, y1 = max(0.0, x), max(0.0, y), min(float(W), x + w), min(float(H), y + h)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    found: dict[str, object] = {
        "label": "face" if turned < AWAY else "head", "id": person.name, "vis": round(visible, 2),
        "x": round(x0, 1), "y": round(y0, 1), "w": round(x1 - x0, 1), "h": round(y1 - y0, 1),
        "tags": {"tone": person.head.tone, "wear": person.wear.text, "turned": f"{int(turned // 30) * 30}"},
    }  # fmt: skip
    return found | ({"ignore": True} if visible < LEAST_VISIBLE else {})


def chance_colour(name: str) -> list[float]:
    rng = np.random.default_rng(sum(map(ord, name)))
    return rng.uniform(30, 170, 3).tolist()


def lit(picture: Floats, clip: Clip, t: float, chance: np.random.Generator) -> Pixels:
    """Light and noise as the camera would add them."""
    if clip.light == "night":
        x, y = np.meshgrid(np.arange(W), np.arange(H))
        cone = np.exp(-(((x - 640 - 300 * sin(t * 0.8)) / 260) ** 2 + ((y - 330) / 200) ** 2))
        picture = picture * (0.10 + 0.75 * cone[..., None])
        noise = chance.normal(0, 7, (H // 2, W // 2, 1)).astype(np.float32)
        picture = picture + cv2.resize(noise, (W, H))[..., None] + chance.normal(0, 3, (H, W, 1))
    else:
        picture = picture + chance.normal(0, 2, (H, W, 1))
    return np.clip(picture, 0, 255).astype(np.uint8)


def write(clip: Clip, folder: Path, seconds: float) -> None:
    wall, chance = background(clip.seed), np.random.default_rng(11 + clip.seed)
    truth: list[list[dict[str, object]]] = []
    path = folder / f"{clip.name}.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={
            "preset": "veryfast", "bf": "0", "refs": "1", "g": str(FPS), "keyint_min": str(FPS), "sc_threshold": "0", "crf": "20",
        })  # fmt: skip
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        for number in range(round(seconds * FPS)):
            t = number / FPS
            picture, boxes = frame(clip, wall, t, chance)
            if clip.blur:  # what the shutter sees: the mean of four moments
                moments = [frame(clip, wall, t + SHUTTER * k / (4 * FPS), chance)[0] for k in (1, 2, 3)]
                picture = (picture + sum(moments)) / 4
            truth.append(boxes)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(lit(picture, clip, t, chance), format="bgr24")))
        out.mux(stream.encode(None))
    head = {"video": path.name, "width": W, "height": H, "fps": FPS, "n_frames": len(truth), "labels": ["face", "head"]}
    path.with_suffix(".truth.json").write_text(json.dumps(head | {"frames": truth}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--stills", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data" / "stills"
    )
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0, help="another set of the same kinds")
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    found = make.heads(wanted.stills)
    for clip in clips(found, wanted.seconds):
        if wanted.seed:
            clip = varied(clip, found, wanted.seed)
        if wanted.only in clip.name:
            write(clip, wanted.out, wanted.seconds)
            print(f"{clip.name}: {len(clip.people)} people", flush=True)


if __name__ == "__main__":
    main()
