"""Clips as a body camera writes them: 60 s of 1920x1080 at 30 fps, 10 Mbit/s, one-second closed GOPs, no B-frames.

    python tests/bench/clips.py [--seconds 60] [--folder ~/.cache/bwc-bench]

A walk along a wall with a shaking hand, three faces (34 to 220 px) and a car's plate as moving sprites, sensor noise,
AAC sound. Three dirty shares (GOPs with something to hide): `all`, `60`, `10` per cent. The seconds of all three are
the same pictures, so figures compare. Pictures: see fixtures/scene.py. Nothing is committed; a clip that is there is
not made again. Beside each clip `NAME.truth.json` holds every box of every frame.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from math import sin
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.bitstream import BitStreamFilterContext

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "fixtures"))

import scene  # noqa: E402

SIZE = (1920, 1080)
RATE = 30
SHARES = {"all": 100, "60": 60, "10": 10}
VERSION = 2  # another picture or encoder setting: count up, and clips are made again
_MARGIN = 160  # pixels of world around the frame: shake and pan stay inside
X264 = {
    "preset": "veryfast",
    "bf": "0",
    "b": "10M",
    "maxrate": "10M",
    "bufsize": "10M",
    "g": str(RATE),
    "keyint_min": str(RATE),
    "sc_threshold": "0",
    "flags": "+cgop",
    "threads": "1",
    "x264-params": "stitchable=1:force-cfr=1",
}


def clip(share: str, *, seconds: int = 60, folder: Path | None = None) -> Path:
    """The clip with that dirty share, made if it is not there."""
    place = folder or Path(os.environ.get("BWC_BENCH_CACHE", "~/.cache/bwc-bench")).expanduser()
    path = place / f"walk{seconds}-{share}-v{VERSION}.mp4"
    if not path.exists():
        place.mkdir(parents=True, exist_ok=True)
        make_all(place, seconds)
    return path


def make_all(folder: Path, seconds: int) -> None:
    """Every share: each second is encoded once with sprites and once without, then the clips are put together."""
    with ProcessPoolExecutor(max_workers=os.cpu_count(), mp_context=get_context("spawn")) as pool:
        dirty = list(pool.map(second, range(seconds), [True] * seconds))
        clean = list(pool.map(second, range(seconds), [False] * seconds))
    for share, percent in SHARES.items():
        chosen = [dirty[at] if is_dirty(at, percent) else clean[at] for at in range(seconds)]
        path = folder / f"walk{seconds}-{share}-v{VERSION}.mp4"
        partial = path.with_suffix(".partial")
        partial.write_bytes(joined([data for data, _ in chosen]))
        boxes = [frame for _, frames in chosen for frame in frames]
        path.with_suffix(".truth.json").write_text(json.dumps({"rate": RATE, "size": SIZE, "frames": boxes}))
        partial.rename(path)


def is_dirty(second: int, percent: int) -> bool:
    """Of every ten seconds the first ones: people come, stay, and are gone for a while."""
    return second % 10 < percent // 10


def second(number: int, dirty: bool) -> tuple[bytes, list[list[dict[str, Any]]]]:
    """One second, encoded by itself: a closed GOP; and the boxes in its frames."""
    sink, truth = io.BytesIO(), []
    with av.open(sink, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=RATE, options=dict(X264))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.color_range = 1
        stream.codec_context.color_primaries = stream.codec_context.color_trc = stream.codec_context.colorspace = 1
        stream.codec_context.time_base = Fraction(1, RATE)
        for picture, boxes in pictures(number, dirty):
            frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
            frame.pts, frame.time_base = len(truth), Fraction(1, RATE)
            truth.append(boxes)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return sink.getvalue(), truth


def pictures(number: int, dirty: bool) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """The frames of one second (I420) with the boxes in them."""
    world = _world()
    rng = np.random.default_rng(number)
    noise = [rng.normal(0, 2.0, (SIZE[1] // 2, SIZE[0] // 2)).astype(np.float32) for _ in range(4)]
    noise = [np.round(cv2.resize(one, SIZE, interpolation=cv2.INTER_LINEAR)).astype(np.int16) for one in noise]
    for place in range(RATE):
        at = number + place / RATE
        x = _MARGIN + 20 * sin(25.1 * at) + 12 * sin(11.3 * at) + 60 * sin(0.4 * at)
        y = _MARGIN + 16 * sin(23.9 * at + 1) + 9 * sin(14.7 * at)
        view = np.array([[1.0, 0.004 * sin(5 * at), -x], [-0.004 * sin(5 * at), 1.0, -y]])
        picture = cv2.warpAffine(world, view, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        boxes = [_draw(picture, actor, at, view) for actor in _actors()] if dirty else []
        planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
        grain = np.roll(noise[place % 4], (place * 131, place * 71), (1, 0))
        cv2.add(planes[: SIZE[1]], grain, dst=planes[: SIZE[1]], dtype=cv2.CV_8U)
        yield planes, [box for box in boxes if box is not None]


def _world() -> Any:
    photo = scene.street("brick", "gravel", (0.9, 1.0, 1.1))
    return cv2.resize(photo, (SIZE[0] + 2 * _MARGIN, SIZE[1] + 2 * _MARGIN), interpolation=cv2.INTER_AREA)


def _actors() -> list[tuple[str, Any, Any]]:
    """Name, sprite, and where its lower middle is: (x, y, scale) in world pixels at a time in seconds."""
    return [
        ("far", scene.person(40, False), lambda at: (700 + 90 * sin(0.9 * at), 880, 0.30)),
        ("car", scene.car("TEST 26", (120, 90, 60)), lambda at: (1650 + 120 * sin(0.35 * at), 1050, 1.1)),
        ("middle", scene.person(90, True), lambda at: (1050 + 150 * sin(0.5 * at), 1120, 0.85)),
        ("near", scene.person(0, False), lambda at: (420 + 110 * sin(0.7 * at + 1), 1330, 1.75)),
    ]


def _draw(picture: Any, actor: tuple[str, Any, Any], at: float, view: Any) -> dict[str, Any] | None:
    """Blend one sprite into its part of the picture; its box in the frame, None when outside."""
    name, sprite, where = actor
    x, y, scale = where(at)
    high, wide = (round(side * scale) for side in sprite.alpha.shape)
    left, top = (round(value) for value in view @ np.array([x - wide / 2, y - high, 1.0]))
    x0, y0, x1, y1 = max(0, left), max(0, top), min(SIZE[0], left + wide), min(SIZE[1], top + high)
    if x1 <= x0 or y1 <= y0:
        return None
    cut = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    small = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    alpha = cv2.resize(sprite.alpha, (wide, high), interpolation=small)[cut][..., None]
    drawn = cv2.resize(sprite.picture, (wide, high), interpolation=small)[cut]
    part = picture[y0:y1, x0:x1]
    part[:] = np.round(part * (1 - alpha) + drawn * alpha).astype(np.uint8)
    box = [value * scale for value in sprite.box]
    edges = max(0, box[0] + left), max(0, box[1] + top), min(SIZE[0], box[2] + left), min(SIZE[1], box[3] + top)
    if edges[2] - edges[0] < 4 or edges[3] - edges[1] < 4:
        return None
    return {"id": name, "label": sprite.label, "box": [round(edge) for edge in edges]}


def joined(seconds: list[bytes]) -> bytes:
    """One MP4 of closed GOPs one after another, and a tone that rises each second. No encoder's SEI, as in a camera."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as out, av.open(io.BytesIO(seconds[0])) as first:
        video = out.add_stream_from_template(first.streams.video[0])
        video.time_base = Fraction(1, 90_000)
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        strip = BitStreamFilterContext("filter_units=remove_types=6", first.streams.video[0], video)
        for number, data in enumerate(seconds):
            with av.open(io.BytesIO(data)) as source:
                for packet in source.demux(video=0):
                    if not packet.size:
                        continue
                    for cut in strip.filter(packet):
                        when = number * RATE + round(cut.pts * cut.time_base * RATE)
                        cut.pts = cut.dts = when
                        cut.duration = 1
                        cut.time_base, cut.stream = Fraction(1, RATE), video
                        out.mux(cut)
            _tone(out, sound, number)
        out.mux(sound.encode(None))
    return sink.getvalue()


def _tone(out: Any, sound: Any, number: int) -> None:
    ticks = np.arange(number * 48_000, (number + 1) * 48_000)
    wave = (0.3 * np.sin(ticks * 2 * np.pi * (300 + 10 * number) / 48_000)).astype(np.float32)
    for first in range(0, 48_000, 960):
        part = av.AudioFrame.from_ndarray(wave[None, first : first + 960], "fltp", "mono")
        part.sample_rate, part.time_base, part.pts = 48_000, Fraction(1, 48_000), int(ticks[first])
        out.mux(sound.encode(part))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    for share in SHARES:
        print(clip(share, seconds=chosen.seconds, folder=chosen.folder))


if __name__ == "__main__":
    main()
