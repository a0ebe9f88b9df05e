"""Our H.264: deterministic, keyframes where asked, nothing that tells of its maker."""

import io
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bwc.errors import MediaError
from bwc.media.decode import Picture, VideoReader
from bwc.media.delivery import Layout
from bwc.media.encode import H264Encoder
from bwc.media.facts import Colour
from bwc.media.h264 import avcc_of, clean_units, length_prefixed, nal_units, sample_units, sei_types
from bwc.media.mp4 import Mp4, video_track
from bwc.media.planes import Planes, buffer_of
from tests.media import clips

PTS = [number * 3000 for number in range(20)]


def test_the_same_planes_give_the_same_bytes() -> None:
    first, second = (clips.encoded(PTS, keys=[7])[2].getvalue() for _ in range(2))
    assert first == second


def test_keyframes_stand_where_asked_and_nowhere_else() -> None:
    _, table, _ = clips.encoded(PTS, keys=[7, 8, 15], key_interval=250)
    assert list(table.keys) == [0, 7, 8, 15]
    assert list(table.pts) == list(table.dts) == PTS


def test_samples_hold_slices_only() -> None:
    encoder, table, data = clips.encoded(PTS, keys=[5])
    raw, position = data.getvalue(), 0
    assert b"x264" not in raw + encoder.avcc
    for size in table.sizes:
        kinds = {unit[0] & 31 for unit in sample_units(raw[position : position + size])}
        assert kinds <= {1, 5, 6}
        position += size


@pytest.mark.parametrize(
    "colour",
    [Colour(), Colour(range=2, primaries=1, transfer=1, matrix=1), Colour(range=1, primaries=9, transfer=18, matrix=9)],
)
def test_colour_range_and_shape_of_pixels_come_back(colour: Colour) -> None:
    encoder, table, data = clips.encoded(PTS[:4], colour=colour, sar=(4, 3))
    track = video_track(
        table, data, time_base=clips.TICKS, avcc=encoder.avcc, width=64, height=48, colour=colour, sar=(4, 3)
    )
    video = VideoReader(io.BytesIO(b"".join(Mp4([track])))).facts.video
    assert video is not None
    assert (video.colour, video.sar) == (colour, (4, 3))


@pytest.mark.parametrize("size", [(65, 49), (63, 48), (64, 47)])
def test_odd_sizes_are_shown_at_their_own_size(size: tuple[int, int]) -> None:
    pictures = list(VideoReader(io.BytesIO(clips.our_mp4(PTS[:5], size=size, crf=1))).frames())
    assert [(picture.width, picture.height) for picture in pictures] == [size] * 5
    for number, picture in enumerate(pictures):
        assert int(np.abs(picture.y.astype(int) - clips.planes(number, *size)[0]).max()) <= 12


@pytest.mark.parametrize("width", [64, 66, 70, 63])
@pytest.mark.parametrize("height", [48, 50, 54, 49, 51])
def test_all_three_planes_come_back_in_place_at_every_size(width: int, height: int) -> None:
    """Heights of 4n + 2 had their colours four rows too low: PyAV takes such a buffer for one of 4n rows."""
    meant = tuple(
        np.add.outer(np.arange(rows) * steep, np.arange(columns)).astype(np.uint8) + np.uint8(base)
        for rows, columns, steep, base in (
            (height, width, 3, 20),
            ((height + 1) // 2, (width + 1) // 2, 5, 60),
            ((height + 1) // 2, (width + 1) // 2, 2, 90),
        )
    )

    def written(draw: Callable[[int], Planes]) -> list[Picture]:
        return list(VideoReader(io.BytesIO(clips.our_mp4([0, 3000], size=(width, height), crf=1, draw=draw))).frames())

    first_copy = written(lambda _: meant)
    for picture in written(lambda number: planes_of(first_copy[number])):  # in one buffer where sizes are even
        for seen, wanted in zip(planes_of(picture), meant, strict=True):
            assert seen.shape == wanted.shape
            assert int(np.abs(seen.astype(int) - wanted).max()) <= 6


def planes_of(picture: Picture) -> Planes:
    return picture.y, picture.u, picture.v


def test_content_of_two_fields_is_encoded_as_such() -> None:
    video = VideoReader(io.BytesIO(clips.our_mp4(PTS, size=(64, 64), interlaced=True))).facts.video
    assert video is not None
    assert video.interlaced
    assert not VideoReader(io.BytesIO(clips.our_mp4(PTS, size=(64, 64)))).facts.video.interlaced


def test_times_that_do_not_grow_and_other_sizes_are_refused() -> None:
    encoder = H264Encoder(64, 48, clips.TICKS)
    encoder.encode(clips.planes(0), 100)
    with pytest.raises(MediaError, match="do not increase"):
        encoder.encode(clips.planes(1), 100)
    with pytest.raises(MediaError, match="among 64x48"):
        encoder.encode(clips.planes(1, 32, 32), 200)
    with pytest.raises(MediaError, match="time base"):
        H264Encoder(64, 48, Fraction(1, 2**31))


def test_settings_say_what_decides_the_bytes() -> None:
    from bwc.canonical import canonical

    settings = H264Encoder(64, 48, clips.TICKS, crf=23).settings
    assert settings["options"]["crf"] == "23"
    assert b"libx264" in canonical(settings)


def test_user_data_and_parameter_sets_are_dropped_from_samples() -> None:
    user_data = bytes([6, 5, 3]) + b"abc\x80"
    timing = bytes([6, 1, 1, 0, 0x80])
    stream = b"".join(
        b"\x00\x00\x00\x01" + unit for unit in (b"\x09\xf0", b"\x67ab", b"\x68c", user_data, timing, b"\x65xyz")
    )
    units = list(nal_units(stream))
    assert units[3] == user_data
    assert list(sei_types(user_data)) == [5]
    assert list(sei_types(bytes([6, 255, 10, 2, 1, 1, 4, 1, 9, 0x80]))) == [265, 4]
    assert clean_units(iter(units)) == [timing, b"\x65xyz"]
    assert list(sample_units(length_prefixed([timing, b"\x65xyz"]))) == [timing, b"\x65xyz"]
    with pytest.raises(MediaError):
        list(sample_units(b"\x00\x00\x00\x09abc"))
    with pytest.raises(MediaError):
        avcc_of(b"\x00\x00\x01\x67abc")


def test_a_source_with_a_turned_camera_is_turned_alike() -> None:
    for matrix, rotation in (((0, 65536, -65536, 0), -90), ((0, -65536, 65536, 0), 90), ((-65536, 0, 0, -65536), -180)):
        data = clips.our_mp4(PTS[:3], change=lambda track, turn=matrix: replace(track, matrix=turn))
        video = VideoReader(io.BytesIO(data)).facts.video
        assert video is not None
        assert (video.matrix, video.rotation) == (matrix, rotation)


def test_planes_in_one_buffer_are_encoded_as_separate_ones_are() -> None:
    source = clips.our_mp4(PTS, size=(64, 48))
    made = []
    for apart in (False, True):
        encoder = H264Encoder(64, 48, clips.TICKS)
        samples = []
        for picture in VideoReader(io.BytesIO(source)).frames():
            planes = picture.y, picture.u, picture.v
            assert buffer_of(planes) is not None
            if apart:
                planes = picture.y.copy(), picture.u.copy(), picture.v.copy()
                assert buffer_of(planes) is None
            samples += encoder.encode(planes, picture.pts)
            picture.y[:] = 0  # the encoder holds nothing of what it was given
        made.append([sample.data for sample in samples + encoder.finish()])
    assert made[0] == made[1]
    y, u, v = planes
    assert buffer_of((y, v, u)) is None


def _option(encoder: H264Encoder, name: str) -> object:
    options = encoder.settings["options"]
    assert isinstance(options, dict)
    return options.get(name)


def test_large_pictures_are_quantized_evenly_and_the_settings_say_so() -> None:
    """A group encoded by itself cannot differ from one among others: no picture is weighed against those before it."""
    large, small = (H264Encoder(*size, clips.TICKS, crf=22) for size in ((1280, 720), (640, 360)))
    assert (_option(large, "qp"), _option(large, "crf")) == ("22", None)
    assert (_option(small, "qp"), _option(small, "crf")) == (None, "22")
    deep = H264Encoder(
        1280, 720, clips.TICKS, crf=22, layout=Layout(pix_fmt="yuv420p10le", bits=10, across=2, down=2, chroma=1)
    )
    assert _option(deep, "qp") is None  # its quantizers count from elsewhere
