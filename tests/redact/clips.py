"""Small clips for tests: a textured moving picture with magenta squares, a tone, any frame times."""

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fractions import Fraction

import av
import numpy as np

from bwc.canonical import sha256_hex
from bwc.redact.detectors.base import Detection, Picture8
from bwc.redact.plan import Box, DetectorInfo, PlanMedia, PtsTable, RedactionPlan, Span, Track

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WIDTH, HEIGHT, FRAMES = 320, 240, 45
TIME_BASE = Fraction(1, 90000)
Path_ = Callable[[int], Box | None]


def walker(ordinal: int) -> Box:
    """A square of 40 px that walks to the right."""
    return 20 + 4 * ordinal, 80, 60 + 4 * ordinal, 120


def regular(count: int = FRAMES) -> list[int]:
    return [3003 * place for place in range(count)]


def make_clip(
    *,
    pts: Sequence[int] | None = None,
    subjects: Sequence[Path_] = (walker,),
    seed: int = 1,
    audio: bool = True,
    audio_late: float = 0.0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    codec: str = "libx264",
    tags: bool = False,
) -> bytes:
    """An MP4. Subjects are magenta squares with a pattern, at the boxes their paths say."""
    times = list(pts) if pts is not None else regular()
    rng = np.random.default_rng(seed)
    width, height = size
    scene = np.kron(rng.integers(40, 200, (height // 8 + 2, width // 8 + 40), np.uint8), np.ones((8, 8), np.uint8))
    sink = io.BytesIO()
    container = av.open(sink, "w", format="mp4")
    if tags:
        container.metadata["location"] = "+47.6062-122.3321/"
        container.metadata["creation_time"] = "2026-03-17T10:00:00Z"
    video = container.add_stream(codec, rate=30)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.time_base = TIME_BASE
    video.codec_context.time_base = TIME_BASE
    video.options = {"crf": "16", "preset": "ultrafast", "bf": "0", "g": "15"} if codec == "libx264" else {}
    sound = container.add_stream("aac", rate=48000) if audio else None
    packets = []
    for ordinal, when in enumerate(times):
        picture = np.stack([scene[:height, ordinal : ordinal + width]] * 3, axis=2).copy()
        for path in subjects:
            box = path(ordinal)
            if box is not None:
                x0, y0, x1, y1 = box
                picture[y0:y1, x0:x1] = (230, 20, 220)
                picture[y0 + 4 : y1 - 4 : 8, x0 + 4 : x1 - 4] = (120, 10, 120)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = when, TIME_BASE
        packets += video.encode(frame)
    packets += video.encode()
    for packet in packets:
        container.mux(packet)
    if sound is not None:
        seconds = float((times[-1] - times[0]) * TIME_BASE)
        samples = (0.3 * np.sin(np.arange(int(seconds * 48000)) * 0.06 * (1 + seed / 7))).astype(np.float32)
        samples *= np.linspace(0.2, 1, samples.size, dtype=np.float32)
        for start in range(0, samples.size, 1024):
            block = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
            block.sample_rate = 48000
            block.pts = start + round(audio_late * 48000)
            for packet in sound.encode(block):
                container.mux(packet)
        for packet in sound.encode():
            container.mux(packet)
    container.close()
    return sink.getvalue()


def plan_for(
    data: bytes,
    *,
    pts: Sequence[int] | None = None,
    spans: Sequence[tuple[int, int]] = ((0, FRAMES),),
    path: Path_ = walker,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    time_base: Fraction = TIME_BASE,
    **changes: object,
) -> RedactionPlan:
    """A plan that covers `path` in the given spans of ordinals."""
    times = list(pts) if pts is not None else regular()
    parts = []
    for first, stop in spans:
        boxes = [path(ordinal) for ordinal in range(first, stop)]
        parts.append(Span(first=first, boxes=[box for box in boxes if box is not None]))
    media = PlanMedia(
        width=size[0],
        height=size[1],
        rotation=0,
        time_base=time_base,
        pts=PtsTable.from_values(times),
        frames_lost=0,
        duration=times[-1] - times[0] + 3003,
    )
    values: dict[str, object] = {
        "plan_id": "pln-0123456789ab",
        "item": None,
        "segment": 0,
        "content_sha256": sha256_hex(data),
        "made_at": NOON,
        "tool": "test",
        "media": media,
        "tracks": (Track(id="t1", class_="face", score_permille=900, spans=tuple(parts)),) if spans else (),
        **changes,
    }
    return RedactionPlan(**values)  # type: ignore[arg-type]


class MagentaFinder:
    """Finds magenta squares of 12 px and more: a detector whose errors are known."""

    name = "magenta"
    classes = ("face",)

    def describe(self) -> DetectorInfo:
        return DetectorInfo(name="magenta", package="test", file_sha256="00" * 32, licence="-", precision="-")

    def detect(self, bgr: Picture8) -> list[Detection]:
        blue, green, red = (bgr[:, :, place].astype(int) for place in range(3))
        mask = (red - green > 60) & (blue - green > 60)
        if mask.sum() < 144:
            return []
        rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
        box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
        return [Detection(box, 0.8, "face")]


class Memory:
    """A scratch in memory."""

    opened = 0
    closed = 0

    def __init__(self) -> None:
        self.file = io.BytesIO()
        type(self).opened += 1

    def write(self, data: bytes) -> None:
        self.file.write(data)

    def reader(self) -> io.BytesIO:
        self.file.seek(0)
        return self.file

    def close(self) -> None:
        type(self).closed += 1


class Pipe:
    """A sink that cannot seek, and remembers what it was given."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        return len(data)

    @property
    def data(self) -> bytes:
        return b"".join(self.parts)
