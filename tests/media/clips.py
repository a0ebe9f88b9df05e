"""Small clips made on the spot, each with one property a body camera or an accident can give it."""

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from bwc.media.decode import VideoReader
from bwc.media.encode import H264Encoder
from bwc.media.mp4 import Mp4, SampleTable, Track, video_track

TICKS = Fraction(1, 90_000)


def planes(number: int, width: int = 64, height: int = 48) -> tuple[Any, Any, Any]:
    """A picture that tells its number: a bright column moves, the grey level of the rest too."""
    y = np.full((height, width), 60 + number % 8 * 8, np.uint8)
    y[:, (number * 5) % (width - 4) :][:, :4] = 220
    half = ((height + 1) // 2, (width + 1) // 2)
    return y, np.full(half, 100 + number % 16, np.uint8), np.full(half, 150 - number % 16, np.uint8)


def clip(
    *,
    codec: str = "libx264",
    container: str = "mp4",
    pts: Sequence[int] = tuple(range(0, 30 * 3000, 3000)),
    time_base: Fraction = TICKS,
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    options: dict[str, str] | None = None,
    audio: str | None = None,
    audio_start: Fraction = Fraction(0),
    rate: int = 48_000,
    audio_samples: int = 48_000,
    muxer: dict[str, str] | None = None,
) -> bytes:
    """A recording written by FFmpeg's muxers. Sound is a tone of amplitude 0.5."""
    sink = io.BytesIO()
    sink.name = f"clip.{container}"
    with av.open(sink, "w", format=container, options=muxer or {}) as out:
        video = out.add_stream(
            codec, rate=30, options={"sc_threshold": "0"} | (options or {}) if codec == "libx264" else options or {}
        )
        video.width, video.height = size
        video.pix_fmt = pix_fmt
        video.time_base = time_base
        video.codec_context.time_base = time_base
        video.codec_context.thread_count = 1
        sound = out.add_stream(audio, rate=rate) if audio else None
        if sound is not None:
            sound.layout = "mono"
        for number, when in enumerate(pts):
            y, u, v = planes(number, *size)
            frame = av.VideoFrame.from_ndarray(
                np.concatenate([part.ravel() for part in (_even(y), u, v)]).reshape(-1, size[0] + size[0] % 2),
                "yuv420p",
            )
            frame = frame.reformat(width=size[0], height=size[1], format=pix_fmt)
            frame.pts, frame.time_base = when, time_base
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if sound is not None:
            wave = (0.5 * np.sin(np.arange(audio_samples) * 2 * np.pi * 440 / rate)).astype(np.float32)
            step = sound.codec_context.frame_size or 1024
            resampler = av.AudioResampler(format=sound.format.name, layout="mono", rate=rate)
            for first in range(0, audio_samples, step):
                part = av.AudioFrame.from_ndarray(wave[None, first : first + step], "fltp", "mono")
                part.sample_rate, part.time_base = rate, Fraction(1, rate)
                part.pts = first + int(audio_start * rate)
                for ready in resampler.resample(part):
                    out.mux(sound.encode(ready))
            out.mux(sound.encode(None))
    return sink.getvalue()


def _even(y: Any) -> Any:
    return np.pad(y, ((0, y.shape[0] % 2), (0, y.shape[1] % 2)), mode="edge")


def encoded(
    pts: Sequence[int],
    *,
    time_base: Fraction = TICKS,
    size: tuple[int, int] = (64, 48),
    keys: Sequence[int] = (),
    draw: Callable[[int], tuple[Any, Any, Any]] | None = None,
    **settings: Any,
) -> tuple[H264Encoder, SampleTable, io.BytesIO]:
    """Our own encoder over numbered pictures (or what `draw` makes of a number): encoder, table, samples back to back."""
    encoder = H264Encoder(*size, time_base, **settings)
    table, data = SampleTable(), io.BytesIO()
    samples = []
    for number, when in enumerate(pts):
        samples += encoder.encode(draw(number) if draw else planes(number, *size), when, force_key=number in keys)
    for sample in samples + encoder.finish():
        table.add(size=len(sample.data), pts=sample.pts, dts=sample.dts, key=sample.key)
        data.write(sample.data)
    return encoder, table, data


def our_mp4(
    pts: Sequence[int],
    *,
    time_base: Fraction = TICKS,
    size: tuple[int, int] = (64, 48),
    tracks: Sequence[Track] = (),
    change: Callable[[Track], Track] = lambda track: track,
    **settings: Any,
) -> bytes:
    """A whole file by our encoder and writer; `change` may tamper with the picture's track."""
    encoder, table, data = encoded(pts, time_base=time_base, size=size, **settings)
    track = video_track(table, data, time_base=time_base, avcc=encoder.avcc, width=size[0], height=size[1])
    return b"".join(Mp4([change(track), *tracks]))


def times(data: bytes) -> list[Fraction]:
    """Presentation times of every frame in seconds, exact."""
    return [picture.pts * picture.time_base for picture in VideoReader(io.BytesIO(data)).frames()]


def shared_data() -> Path:
    """The folder of real footage beside the checkout, or a loud skip."""
    import os

    named = os.environ.get("BWC_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not (folder / "containers").is_dir():
        pytest.skip(f"footage absent: set BWC_TEST_DATA (looked for {folder.name}/containers)")
    return folder
