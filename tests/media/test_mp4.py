"""Our MP4: exact rationals read back by FFmpeg, and a checker that misses nothing."""

import io
from array import array
from dataclasses import replace
from fractions import Fraction

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwc.errors import MediaError
from bwc.media.mp4 import Mp4, SampleTable, origin_of, video_track
from bwc.media.mp4_check import check_boxes
from tests.media import clips

ENCODER, ONE_TABLE, ONE = clips.encoded([0])
BASES = [
    Fraction(1, 90_000),
    Fraction(1001, 30_000),
    Fraction(100, 2997),
    Fraction(1, 1000),
    Fraction(1, 11_988),
    Fraction(1, 10_240),
    Fraction(1, 1_000_000_000),
    Fraction(1, 30),
]


def repeated(pts: list[int], base: Fraction, **more: object) -> bytes:
    """A file whose every sample is the same IDR picture: only times matter."""
    table = SampleTable()
    for when in pts:
        table.add(size=len(ONE.getvalue()), pts=when)
    data = io.BytesIO(ONE.getvalue() * len(pts))
    return b"".join(Mp4([video_track(table, data, time_base=base, avcc=ENCODER.avcc, width=64, height=48, **more)]))


def packet_times(data: bytes) -> list[Fraction]:
    with av.open(io.BytesIO(data)) as container:
        return [p.pts * p.time_base for p in container.demux(video=0) if p.size]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_strictly_increasing_times_come_back_exactly(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(BASES))
    start = data.draw(st.integers(0, 10**7))
    longest = min(2**31 - 1, int(20 / base)) // base.numerator
    deltas = data.draw(st.lists(st.integers(1, max(1, longest)), min_size=1, max_size=30))
    pts = [start]
    for delta in deltas:
        pts.append(pts[-1] + delta)
    if start * base > 3 * 10**4:
        return
    file = repeated(pts, base)
    assert packet_times(file) == [when * base for when in pts]
    assert check_boxes(io.BytesIO(file)) == []


def test_a_recording_that_begins_before_zero_keeps_its_distances() -> None:
    pts = [-6000, -3000, 0, 3000]
    with pytest.raises(MediaError, match="before the zero"):
        repeated(pts, clips.TICKS)
    origin = origin_of([pts[0] * clips.TICKS, Fraction(1)])
    file = repeated(pts, clips.TICKS, origin=origin)
    assert packet_times(file) == [(when + 6000) * clips.TICKS for when in pts]


def test_start_offset_shows_as_the_streams_start() -> None:
    file = repeated([126_000, 129_003], clips.TICKS)
    with av.open(io.BytesIO(file)) as container:
        assert container.streams.video[0].start_time * container.streams.video[0].time_base == Fraction(7, 5)


def test_b_frame_order_is_kept_by_composition_offsets() -> None:
    table = SampleTable()
    order = [(0, 0), (3000, 9000), (6000, 3000), (9000, 6000)]
    for dts, pts in order:
        table.add(size=len(ONE.getvalue()), pts=pts + 3000, dts=dts, key=dts == 0)
    data = io.BytesIO(ONE.getvalue() * 4)
    file = b"".join(Mp4([video_track(table, data, time_base=clips.TICKS, avcc=ENCODER.avcc, width=64, height=48)]))
    assert packet_times(file) == [(pts + 3000) * clips.TICKS for _, pts in order]
    assert check_boxes(io.BytesIO(file)) == []


class _Sparse(io.RawIOBase):
    """A reader of a great many zero bytes: stands for the samples of a long recording."""

    def read(self, size: int = -1) -> bytes:
        return bytes(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0


def test_more_than_four_gigabytes_need_wide_offsets() -> None:
    table = SampleTable()
    for number in range(60):
        table.add(size=100_000_000, pts=number * 90_000)
    file = Mp4([video_track(table, _Sparse(), time_base=clips.TICKS, avcc=ENCODER.avcc, width=64, height=48)])
    assert b"co64" in file.head
    assert b"stco" not in file.head
    assert file.size == len(file.head) + 6_000_000_000

    class Whole(io.RawIOBase):
        position = 0

        def seek(self, offset: int, whence: int = 0) -> int:
            self.position = offset + (file.size if whence == 2 else 0)
            return self.position

        def read(self, size: int = -1) -> bytes:
            part = file.head[self.position : self.position + size]
            part += bytes(min(size - len(part), file.size - self.position - len(part)))
            self.position += len(part)
            return part

    assert check_boxes(Whole(), samples=False) == []


def test_data_that_ends_early_is_an_error_not_a_short_file() -> None:
    table = SampleTable()
    for number in range(3):
        table.add(size=len(ONE.getvalue()), pts=number)
    file = Mp4(
        [video_track(table, io.BytesIO(ONE.getvalue()), time_base=clips.TICKS, avcc=ENCODER.avcc, width=64, height=48)]
    )
    with pytest.raises(MediaError, match="end early"):
        list(file)


def test_times_that_mp4_cannot_hold_are_refused() -> None:
    with pytest.raises(MediaError, match="does not fit"):
        repeated([0, 2**31 + 5], Fraction(1, 1_000_000_000))
    with pytest.raises(MediaError, match="without frames"):
        video_track(SampleTable(), io.BytesIO(), time_base=clips.TICKS, avcc=b"", width=2, height=2)
    table = SampleTable()
    table.add(size=1, pts=5)
    with pytest.raises(MediaError, match="do not increase"):
        table.add(size=1, pts=5)


GOOD = repeated([0, 3000, 6000], clips.TICKS)


def grow(path: list[bytes], addition: bytes) -> bytes:
    """GOOD with `addition` inside the box at `path`, every size and chunk offset on the way put right."""
    data, position = bytearray(GOOD), 0
    sizes = []
    for kind in path:
        position = data.index(kind, position) - 4
        sizes.append(position)
        position += 8
    end = sizes[-1] + int.from_bytes(data[sizes[-1] : sizes[-1] + 4], "big")
    data[end:end] = addition
    for at in sizes:
        size = int.from_bytes(data[at : at + 4], "big") + len(addition)
        data[at : at + 4] = size.to_bytes(4, "big")
    if path[0] == b"moov":
        stco = data.index(b"stco")
        for at in range(stco + 12, stco + 12 + 4 * int.from_bytes(data[stco + 8 : stco + 12], "big"), 4):
            data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + len(addition)).to_bytes(4, "big")
    return bytes(data)


FREE = b"\x00\x00\x00\x10free12345678"


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        (GOOD + FREE, "free"),
        (GOOD + b"abc", "stray"),
        (grow([b"moov"], b"\x00\x00\x00\x0cudtaname"), "udta"),
        (grow([b"moov"], b"\x00\x00\x00\x0cmetaname"), "meta"),
        (grow([b"moov", b"trak"], FREE), "free"),
        (grow([b"moov", b"trak", b"mdia", b"minf", b"stbl"], FREE), "free"),
        (grow([b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"], b"secret00"), "stts"),
        (grow([b"moov", b"mvhd"], b"secret00"), "mvhd"),
        (grow([b"mdat"], b"hidden"), "belong to no sample"),
        (GOOD.replace(b"vide" + bytes(12), b"vide" + b"abcdefghijkl"), "name"),
        (GOOD.replace(b"avc1\x00\x00\x00", b"hvc1\x00\x00\x00"), "hvc1"),
        (GOOD.replace(b"isomiso2avc1mp41", b"isomiso2avc1mp42"), "brands"),
        (GOOD.replace(b"mvhd" + bytes(8), b"mvhd" + bytes(4) + b"\xd0\x00\x00\x00"), "time"),
        (GOOD[:-5], "claims"),
        (b"", "none"),
    ],
)
def test_the_checker_sees(data: bytes, finding: str) -> None:
    assert any(finding in sentence for sentence in check_boxes(io.BytesIO(data)))


def test_the_checker_is_content_with_our_file() -> None:
    assert check_boxes(io.BytesIO(GOOD)) == []


def test_the_checker_sees_a_second_picture_and_user_data() -> None:
    table = SampleTable()
    user = bytes([6, 5, 4]) + b"x264\x80"
    sample = len(user).to_bytes(4, "big") + user + ONE.getvalue()
    table.add(size=len(sample), pts=0)
    track = video_track(table, io.BytesIO(sample), time_base=clips.TICKS, avcc=ENCODER.avcc, width=64, height=48)
    assert any("SEI message of type 5" in s for s in check_boxes(io.BytesIO(b"".join(Mp4([track])))))
    twice = [track, replace(track, data=io.BytesIO(sample))]
    assert any("exactly one picture" in s for s in check_boxes(io.BytesIO(b"".join(Mp4(twice)))))


def test_tables_are_small() -> None:
    assert array("I").itemsize == 4
    assert array("q").itemsize == 8
