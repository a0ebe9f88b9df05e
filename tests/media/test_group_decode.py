"""A group of samples decoded by itself gives the pictures that the recording gives."""

import io

import numpy as np

from bwc.media.decode import VideoReader
from bwc.media.gops import CodedPictures
from bwc.media.group_decode import GroupReader
from tests.media import clips


def group(spoilt: int | None = None) -> tuple[bytes, GroupReader]:
    data = clips.our_mp4(range(0, 10 * 3000, 3000), keys=[0])
    with CodedPictures(io.BytesIO(data)) as coded:
        samples = list(coded)
        avcc, base = coded.sets.avcc(), coded.time_base
    units = [one.data[:12] + bytes(len(one.data) - 12) if at == spoilt else one.data for at, one in enumerate(samples)]
    return data, GroupReader(units, [one.pts for one in samples], avcc=avcc, time_base=base)


def test_pictures_and_times_are_those_of_the_recording() -> None:
    data, reader = group()
    for ours, theirs in zip(reader.frames(), VideoReader(io.BytesIO(data)).frames(), strict=True):
        assert (ours.ordinal, ours.pts, ours.keyframe) == (theirs.ordinal, theirs.pts, theirs.keyframe)
        assert ours.colour == theirs.colour
        assert all(
            np.array_equal(one, other)
            for one, other in zip((ours.y, ours.u, ours.v), (theirs.y, theirs.u, theirs.v), strict=True)
        )
    assert reader.is_clean


def test_a_spoilt_sample_is_told() -> None:
    _, reader = group(spoilt=4)
    assert any(picture.damaged for picture in reader.frames()) or not reader.is_clean
