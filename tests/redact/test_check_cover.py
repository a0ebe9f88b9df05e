"""What the check says of pictures that differ outside covers: colours as well as brightness, at every size."""

import io
from collections.abc import Callable

import pytest

from bwc.media.decode import VideoReader
from bwc.media.encode import H264Encoder
from bwc.media.mp4 import Mp4, SampleTable, video_track
from bwc.media.planes import Planes
from bwc.redact.check_report import Fault
from bwc.redact.plan import Box
from tests.redact.clips import make_clip, plan_for, walker
from tests.redact.test_check import checked, faults, rendered


def repainted(copy: bytes, change: Callable[[Planes], None]) -> bytes:
    """`copy` with its planes changed and encoded again, without sound."""
    reader = VideoReader(io.BytesIO(copy))
    encoder, table, data = H264Encoder(reader.width, reader.height, reader.time_base), SampleTable(), io.BytesIO()
    samples = []
    for picture in reader.frames():
        change((picture.y, picture.u, picture.v))
        samples += encoder.encode((picture.y, picture.u, picture.v), picture.pts)
    for sample in samples + encoder.finish():
        table.add(size=len(sample.data), pts=sample.pts, dts=sample.dts, key=sample.key)
        data.write(sample.data)
    track = video_track(
        table, data, time_base=reader.time_base, avcc=encoder.avcc, width=reader.width, height=reader.height
    )
    return b"".join(Mp4([track]))


def strip(planes: Planes) -> None:
    planes[1][:4] -= 60


def spot(planes: Planes) -> None:
    planes[2][80:92, 100:112] += 60


def tint(planes: Planes) -> None:
    planes[2][:] += 4


def moved(planes: Planes) -> None:
    """Colours that lie eight rows too low."""
    for plane in planes[1:]:
        plane[4:] = plane[:-4].copy()


@pytest.mark.parametrize("change", [strip, spot, tint, moved])
def test_colours_that_differ_outside_covers_are_a_fault(change: Callable[[Planes], None]) -> None:
    def other(ordinal: int) -> Box:
        return 30, 180, 70, 220

    source = make_clip(subjects=(walker, other))
    copy = rendered(source, plan_for(source))
    assert Fault.PICTURE_DIFFERS not in faults(checked(source, repainted(copy, lambda _: None), plan_for(source)))
    report = checked(source, repainted(copy, change), plan_for(source))
    assert Fault.PICTURE_DIFFERS in faults(report)
    assert "colours" in next(one.detail for one in report.findings if one.fault is Fault.PICTURE_DIFFERS)


def test_heights_of_every_kind_are_clean() -> None:
    """Heights of 4n + 2 had their colours four rows too low, and nobody compared colours."""
    for size in ((320, 242), (322, 240), (318, 238)):
        source = make_clip(size=size)
        plan = plan_for(source, size=size)
        report = checked(source, rendered(source, plan), plan)
        assert report.is_clean, (size, report.findings)
        assert report.measures["difference_colour_local_centilevels"] <= 500
