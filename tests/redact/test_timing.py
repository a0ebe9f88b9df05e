"""Every frame of a copy at its own exact time, all there, in order, none twice: numbered frames, read back.

Each picture carries its number as sixteen black or white squares; the copies are read by PyAV alone.
"""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bwc.media.decode import VideoReader
from bwc.media.mp4_check import check_boxes
from bwc.media.pcm import decode_sound
from bwc.redact.plan import PtsTable, RedactionPlan
from bwc.redact.render import Way, render
from bwc.redact.rendering import RenderResult
from tests.media.clips import shared_data
from tests.media.test_footage import READABLE
from tests.redact.clips import Memory, Pipe, plan_for

SIZE, CELL, FRAMES = (160, 96), 16, 60
TICKS = Fraction(1, 90_000)


@dataclass(frozen=True)
class Variant:
    """How a recording is made. `kept`: packets that are stored, by their place."""

    pts: Sequence[int] = tuple(range(0, FRAMES * 3000, 3000))
    time_base: Fraction = TICKS
    options: tuple[tuple[str, str], ...] = (("bf", "0"),)
    audio_at: Fraction | None = Fraction(0)
    container: str = "mp4"
    dropped: tuple[int, ...] = ()
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    muxer: tuple[tuple[str, str], ...] = ()


def numbered(number: int, pix_fmt: str = "yuv420p") -> av.VideoFrame:
    width, height = SIZE
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    picture[:height] = 90 + number % 7
    for bit in range(16):
        row, column = bit // 8 * CELL, bit % 8 * CELL
        picture[row : row + CELL, column : column + CELL] = 220 if number >> bit & 1 else 30
    return av.VideoFrame.from_ndarray(picture, "yuv420p").reformat(format=pix_fmt)


def number_of(luma: np.ndarray) -> int:  # type: ignore[type-arg]
    cells = luma[: 2 * CELL, : 8 * CELL].reshape(2, CELL, 8, CELL)[:, 4:12, :, 4:12].mean(axis=(1, 3)).ravel()
    return sum(int(cell > 125) << bit for bit, cell in enumerate(cells))


def made(variant: Variant) -> bytes:
    sink = io.BytesIO()
    with av.open(sink, "w", format=variant.container, options=dict(variant.muxer)) as out:
        options = {"g": "15", "keyint_min": "15", "sc_threshold": "0", "crf": "18"} | dict(variant.options)
        video = out.add_stream(variant.codec, rate=30, options=options if variant.codec == "libx264" else {})
        video.width, video.height, video.pix_fmt = *SIZE, variant.pix_fmt
        video.time_base = video.codec_context.time_base = variant.time_base
        sound = out.add_stream("aac", rate=48_000, layout="mono") if variant.audio_at is not None else None
        packets = []
        for number, when in enumerate(variant.pts):
            frame = numbered(number, variant.pix_fmt)
            frame.pts, frame.time_base = when, variant.time_base
            packets += video.encode(frame)
        packets += video.encode(None)
        for place, packet in enumerate(packets):
            if place not in variant.dropped:
                out.mux(packet)
        if sound is not None:
            wave = (0.3 * np.sin(np.arange(96_000) * 0.06)).astype(np.float32)
            for first in range(0, wave.size, 960):
                block = av.AudioFrame.from_ndarray(wave[None, first : first + 960], "fltp", "mono")
                block.sample_rate, block.time_base = 48_000, Fraction(1, 48_000)
                block.pts = first + int(variant.audio_at * 48_000)
                out.mux(sound.encode(block))
            out.mux(sound.encode(None))
    # SVT-AV1 puts the thread that opens it into the system's real-time class where it may (as root): all the tests after it,
    # and every program they start, would then let nothing else run beside them
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return sink.getvalue()


def hurt(data: bytes) -> bytes:
    """One packet in the middle of a group is zeroed."""
    with av.open(io.BytesIO(data)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    broken = bytearray(data)
    position, size = packets[38]
    broken[position + 8 : position + size] = bytes(size - 8)
    return bytes(broken)


def cut_by_edit_list(data: bytes) -> bytes:
    """The first ten pictures are not meant to be seen: the edit starts at the eleventh."""
    place = data.rfind(b"elst", 0, data.find(b"hdlr", data.find(b"vmhd") - 400))
    entry = data.find(b"elst") + 12
    assert place > 0
    changed = bytearray(data)
    changed[entry + 4 : entry + 8] = (10 * 3000).to_bytes(4, "big")
    return bytes(changed)


VARIANTS = {
    "constant": Variant(),
    "ntsc": Variant(pts=range(0, FRAMES * 1001, 1001), time_base=Fraction(1, 30_000)),
    "variable": Variant(pts=[at * 3000 + at * at * 17 + (45_000 if at > 30 else 0) for at in range(FRAMES)]),
    "half_a_second_late": Variant(pts=range(45_000, 45_000 + FRAMES * 3000, 3000), audio_at=Fraction(1, 2)),
    "sound_first": Variant(pts=range(135_000, 135_000 + FRAMES * 3000, 3000)),
    "sound_late": Variant(audio_at=Fraction(3, 2)),
    "b_frames": Variant(options=(("bf", "3"), ("b_strategy", "0"))),
    "open_gop": Variant(options=(("bf", "2"), ("b_strategy", "0"), ("x264-params", "open-gop=1"))),
    "all_intra": Variant(options=(("bf", "0"), ("g", "1"), ("keyint_min", "1"))),
    "one_group": Variant(options=(("bf", "0"), ("g", "999"), ("keyint_min", "999"))),
    "no_sound": Variant(audio_at=None),
    "transport_stream": Variant(container="mpegts", pts=range(126_000, 126_000 + FRAMES * 3000, 3000), audio_at=Fraction(7, 5)),
    "matroska": Variant(container="matroska", time_base=Fraction(1, 1000), pts=[at * 100 // 3 for at in range(FRAMES)]),
    "dropped_frames": Variant(dropped=(11, 12, 29), options=(("bf", "0"), ("g", "1"), ("keyint_min", "1"))),
    "hevc": Variant(codec="libx265"),
    "ten_bit": Variant(pix_fmt="yuv420p10le"),
    "av1": Variant(codec="libsvtav1"),
    "fragmented": Variant(muxer=(("movflags", "frag_keyframe+empty_moov+default_base_moof"),)),
}  # fmt: skip
SMART = {
    "constant", "ntsc", "variable", "half_a_second_late", "sound_first", "sound_late", "all_intra", "one_group",
    "no_sound", "transport_stream", "matroska", "dropped_frames", "fragmented",
}  # fmt: skip


def planned(data: bytes) -> tuple[RedactionPlan, list[Fraction]]:
    """A plan that covers a corner in a few frames, and the times the decoder gives."""
    reader = VideoReader(io.BytesIO(data))
    ticks = [picture.pts for picture in reader.frames()]
    size = (reader.width, reader.height)
    box = (0, size[1] - 32, 32, size[1])
    count = len(ticks)
    wanted = plan_for(
        data,
        pts=ticks,
        spans=((count // 3, count // 2), (count - 2, count)),
        path=lambda _: box,
        size=size,
        time_base=reader.time_base,
    )
    wanted = replace(
        wanted, media=replace(wanted.media, frames_lost=reader.frames_lost, pts=PtsTable.from_values(ticks))
    )
    return wanted, [tick * reader.time_base for tick in ticks]


def copied(data: bytes) -> tuple[bytes, RenderResult, list[Fraction]]:
    wanted, times = planned(data)
    out = Pipe()
    result = render(io.BytesIO(data), wanted, out, Memory)
    assert check_boxes(io.BytesIO(out.data)) == []
    return out.data, result, times


def seen(data: bytes) -> tuple[list[Fraction], list[int]]:
    """Times and numbers as PyAV reads them."""
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
        base = container.streams.video[0].time_base
    assert base is not None
    return [frame.pts * base for frame in frames], [number_of(frame.to_ndarray(format="gray")) for frame in frames]


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_numbered_frames_come_back_at_their_times(name: str) -> None:
    variant = VARIANTS[name]
    source = made(variant)
    assert (b"moof" in source) == (name == "fragmented")
    copy, result, times = copied(source)
    expected = seen(source)
    assert expected[0] == times
    assert seen(copy) == expected
    assert expected[1] == [at for at in range(FRAMES) if at not in variant.dropped]
    assert (result.way is Way.SMART) == (name in SMART)
    if variant.audio_at is not None:
        assert sound(copy) == sound(source)


def test_making_a_clip_leaves_the_tests_no_more_urgent_than_anything_else() -> None:
    made(VARIANTS["av1"])
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.parametrize("change", [hurt, cut_by_edit_list], ids=["corrupt_packet", "edit_list"])
def test_damage_and_hidden_frames_leave_the_others_where_they_are(change: Callable[[bytes], bytes]) -> None:
    source = change(made(VARIANTS["constant"]))
    copy, result, times = copied(source)
    assert result.way is Way.FULL
    found, numbers = seen(copy)
    assert found == times
    undamaged = [at for at, number in zip(range(len(numbers)), numbers, strict=True) if at not in result.damaged]
    shown = [numbers[at] for at in undamaged]
    assert shown == sorted(set(shown))
    if change is cut_by_edit_list:
        assert numbers == list(range(10, FRAMES))


def test_a_turned_recording_stays_turned() -> None:
    sink = io.BytesIO()
    source = made(VARIANTS["constant"])
    with av.open(io.BytesIO(source)) as before, av.open(sink, "w", format="mp4") as out:
        stream = out.add_stream_from_template(before.streams.video[0])
        stream.set_display_rotation(90)
        for packet in before.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    copy, result, times = copied(sink.getvalue())
    assert result.way is Way.SMART
    assert VideoReader(io.BytesIO(copy)).facts.video.rotation == VideoReader(sink).facts.video.rotation == 90  # type: ignore[union-attr]
    assert seen(copy) == (times, list(range(FRAMES)))


def sound(data: bytes) -> tuple[Fraction, int]:
    """When the sound starts, and how many samples are heard."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0].index
    parts = list(decode_sound(io.BytesIO(data), stream))
    return parts[0][0], sum(samples.shape[1] for _, samples, _ in parts)


@pytest.mark.footage
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(READABLE))
def test_real_footage_in_any_container_keeps_every_time(name: str) -> None:
    path: Path = shared_data() / name
    data = path.read_bytes()
    copy, result, times = copied(data)
    with av.open(io.BytesIO(copy)) as container:
        base = container.streams.video[0].time_base
        found = [frame.pts * base for frame in container.decode(video=0)]  # type: ignore[operator]
    earliest = min(Fraction(0), times[0], *(one.start for one in result.audio))
    assert [when + earliest for when in found] == times
    assert result.frames == len(times)
