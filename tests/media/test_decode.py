"""Frames: exact times, nothing hidden delivered, nothing lost in silence."""

import gc
import io
import resource
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bwc.errors import SealBroken, UnreadableMedia
from bwc.media.decode import VideoReader
from bwc.media.facts import PtsTable
from bwc.media.planes import planes_of
from bwc.media.source import FrameDecoder, Source
from tests.media import clips

VFR = [0, 3000, 3001, 9000, 12_500, 90_000, 93_003, 93_004, 180_000]


def read(data: bytes, **options: object) -> tuple[VideoReader, list]:
    reader = VideoReader(io.BytesIO(data), **options)
    return reader, list(reader.frames())


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "avi"])
def test_ordinals_count_up_and_times_are_the_containers(container: str) -> None:
    pts = list(range(0, 20 * 3000, 3000))
    reader, pictures = read(clips.clip(container=container, pts=pts, options={"bf": "0", "g": "10"}))
    assert [picture.ordinal for picture in pictures] == list(range(20))
    seconds = [picture.seconds - pictures[0].seconds for picture in pictures]
    tick = reader.time_base
    assert all(abs(got - when * clips.TICKS) <= tick / 2 for got, when in zip(seconds, pts, strict=True))
    assert [picture.ordinal for picture in pictures if picture.keyframe] == [0, 10]
    assert reader.lost == []
    assert reader.damaged == 0


def test_variable_rate_is_exact_and_b_frames_come_in_presentation_order() -> None:
    data = clips.clip(pts=VFR, options={"bf": "2", "g": "30", "x264-params": "b-adapt=0"})
    reader, pictures = read(data)
    assert reader.facts.video is not None
    assert reader.facts.video.reorders
    assert [picture.seconds for picture in pictures] == [when * clips.TICKS for when in VFR]
    bright = [int(np.argmax(picture.y[10].astype(int))) for picture in pictures]
    assert [abs(found - number * 5 % 60) <= 3 for number, found in enumerate(bright)] == [True] * len(VFR)


def test_frames_hidden_by_an_edit_list_are_never_delivered() -> None:
    pts = [number * 3000 for number in range(30)]
    hidden = clips.our_mp4(pts, change=lambda t: replace(t, skip=t.skip + 9 * 3000, presented=t.presented - 9 * 3000))
    reader, pictures = read(hidden)
    assert [picture.seconds for picture in pictures] == [Fraction(number, 30) for number in range(21)]
    assert int(np.argmax(pictures[0].y[10].astype(int))) in range(43, 49)  # the tenth picture, not the first
    assert reader.lost == []
    assert reader.facts.video is not None
    assert reader.facts.video.frames == 21


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "container"),
    [
        ("ffv1", "yuv422p", "matroska"),
        ("ffv1", "yuv444p", "matroska"),
        ("ffv1", "yuv420p10le", "matroska"),
        ("ffv1", "yuv422p10le", "matroska"),
        ("ffv1", "yuva420p", "matroska"),
        ("ffv1", "yuv411p", "matroska"),
        ("ffv1", "gray", "matroska"),
        ("rawvideo", "nv12", "matroska"),
        ("rawvideo", "yuyv422", "matroska"),
        ("mjpeg", "yuvj422p", "avi"),
    ],
)
def test_every_layout_becomes_8_bit_420_with_the_same_values(codec: str, pix_fmt: str, container: str) -> None:
    if codec == "rawvideo":
        pytest.importorskip("av")
    data = clips.clip(codec=codec, pix_fmt=pix_fmt, container=container, pts=[0, 3000, 6000])
    _, pictures = read(data)
    assert len(pictures) == 3
    for number, picture in enumerate(pictures):
        y, u, v = clips.planes(number)
        if pix_fmt.startswith("yuvj"):
            assert picture.colour.range == 2
            continue  # the clip's maker stretched it to full range
        assert picture.y.shape == y.shape
        assert picture.u.shape == u.shape
        assert int(np.abs(picture.y.astype(int) - y).max()) <= 1
        if pix_fmt != "gray":
            assert int(np.abs(picture.u.astype(int) - u).max()) <= 1
            assert int(np.abs(picture.v.astype(int) - v).max()) <= 1


@pytest.mark.parametrize("size", [(65, 49), (63, 48), (64, 47)])
def test_odd_sizes_stay_odd(size: tuple[int, int]) -> None:
    data = clips.clip(codec="ffv1", container="matroska", size=size, pts=[0, 3000])
    _, pictures = read(data)
    assert pictures[0].y.shape == (size[1], size[0])
    assert pictures[0].u.shape == ((size[1] + 1) // 2, (size[0] + 1) // 2)
    assert pictures[0].bgr().shape == (size[1], size[0], 3)
    again = planes_of(pictures[0].to_av())
    assert all(np.array_equal(a, b) for a, b in zip(again, (pictures[0].y, pictures[0].u, pictures[0].v), strict=True))


def test_a_damaged_packet_costs_its_frame_and_is_counted() -> None:
    encoder, table, data = clips.encoded([n * 3000 for n in range(20)])
    broken = bytearray(data.getvalue())
    start = sum(table.sizes[:7])
    broken[start : start + table.sizes[7]] = bytes(table.sizes[7])
    from bwc.media.mp4 import Mp4, video_track

    file = b"".join(
        Mp4(
            [
                video_track(
                    table, io.BytesIO(bytes(broken)), time_base=clips.TICKS, avcc=encoder.avcc, width=64, height=48
                )
            ]
        )
    )
    reader, pictures = read(file)
    assert [picture.pts for picture in pictures] == [n * 3000 for n in range(20) if n != 7]
    assert [(loss.after_ordinal, loss.packets) for loss in reader.lost] == [(6, 1)]
    assert "Invalid data" in reader.lost[0].reason
    assert [picture.damaged for picture in pictures] == [False] * 7 + [True] * 12  # until the next keyframe
    assert reader.damaged == 12


def test_a_recording_that_ends_early_says_so() -> None:
    data = clips.clip(container="matroska", options={"bf": "0"}, pts=[n * 3000 for n in range(60)])
    # Matroska written to a seekable sink carries its length; the cut leaves it there.
    reader, pictures = read(data[: len(data) * 6 // 10])
    assert 5 < len(pictures) < 60
    assert abs(len(pictures) + reader.frames_lost - 60) <= 1
    assert "before the length it declares" in reader.lost[-1].reason


def test_an_error_of_the_file_is_never_a_short_recording() -> None:
    data = clips.clip(pts=[n * 3000 for n in range(200)], container="matroska", options={"bf": "0"})

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > len(data) * 2 // 3:
                raise SealBroken("segment 3 does not authenticate")
            return super().read(size)

    with pytest.raises(SealBroken):
        list(VideoReader(Broken(data)).frames())


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile '{0}'\n", "#EXTM3U\n#EXTINF:1,\n{0}\n"])
def test_a_playlist_reaches_no_other_file(text: str, tmp_path) -> None:
    canary = tmp_path / "other.mp4"
    canary.write_bytes(clips.clip(pts=[0, 3000]))
    with pytest.raises(UnreadableMedia):
        VideoReader(io.BytesIO(text.format(canary).encode()))


def test_frame_times_that_do_not_increase_are_mended_and_reported() -> None:
    class Frame:
        dts = None
        key_frame = True
        is_corrupt = False

        def __init__(self, pts: int | None) -> None:
            self.pts = pts

    with Source(io.BytesIO(clips.clip(pts=[0, 3000]))) as source:
        decoder = FrameDecoder(source.picture())
        got = [decoder._deliver(Frame(pts)).pts for pts in (0, 10, 10, 5, None, 40)]
    assert got == [0, 10, 11, 12, 13, 40]
    assert [(one.ordinal, one.untrusted_pts, one.pts) for one in decoder.retimed] == [
        (2, 10, 11),
        (3, 5, 12),
        (4, None, 13),
    ]


def test_reading_from_an_ordinal_names_the_same_frames() -> None:
    reader = VideoReader(io.BytesIO(clips.clip(pts=VFR, options={"bf": "2"})))
    everything = [(p.ordinal, p.pts, p.y.tobytes()) for p in reader.frames()]
    assert [(p.ordinal, p.pts, p.y.tobytes()) for p in reader.frames(4)] == everything[4:]


def test_motion_vectors_are_given_and_memory_stays_flat() -> None:
    data = clips.clip(
        size=(640, 480), pts=[n * 3000 for n in range(300)], options={"bf": "0", "g": "300", "preset": "ultrafast"}
    )
    reader = VideoReader(io.BytesIO(data), motion_vectors=True)
    seen, peak = 0, 0
    for picture in reader.frames():
        if picture.ordinal == 60:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if picture.motion is not None and len(picture.motion):
            seen += 1
            assert {"dst_x", "dst_y", "motion_x", "motion_scale", "source"} <= set(picture.motion.dtype.names)
    assert seen > 250
    # 240 more frames of 460 kB would be 110 MB if the cycle were not collected
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 40_000
    gc.unfreeze()


def test_bgr_is_scaled_by_area_and_keeps_full_range_apart() -> None:
    _, pictures = read(clips.clip(codec="ffv1", container="matroska", size=(128, 96), pts=[0]))
    assert pictures[0].bgr(64).shape == (48, 64, 3)
    grey = pictures[0].bgr()[40, 100].astype(int)
    limited = (60 - 16) * 255 / 219
    assert abs(grey.mean() - limited) < 12


def test_pts_table_round_trip() -> None:
    table = PtsTable.of(VFR)
    assert table is not None
    assert list(table) == VFR
    assert len(table) == len(VFR)
    assert table.last == VFR[-1]
    assert PtsTable.from_json(table.to_json()) == table
    assert PtsTable.of([]) is None


def test_borrowed_planes_hold_the_same_and_outlive_the_reading() -> None:
    data = clips.clip()
    own = list(VideoReader(io.BytesIO(data)).frames())
    borrowed = list(VideoReader(io.BytesIO(data), borrow=True).frames())
    assert len(borrowed) == len(own) > 3
    for one, other in zip(own, borrowed, strict=True):
        for plane, same in zip((one.y, one.u, one.v), (other.y, other.u, other.v), strict=True):
            assert np.array_equal(plane, same)
