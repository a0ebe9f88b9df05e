"""Pictures read a second time from their places are those the container gave."""

import io

import pytest

from bwc.media.gops import CodedPictures, Uncopyable
from bwc.media.places import Places
from tests.media import clips

CLOSED = {"bf": "0", "g": "10", "keyint_min": "10"}


def places_of(data: bytes) -> tuple[Places, CodedPictures, list[int]]:
    with CodedPictures(io.BytesIO(data), packets=True) as coded:
        found = list(coded)
    places = Places(len(found))
    for sample in found:
        places.add(sample)
    return places, coded, [sample.pts for sample in found]


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_the_same_pictures_are_read_again(container: str) -> None:
    data = clips.clip(container=container, options=CLOSED)
    places, coded, times = places_of(data)
    assert places.are_known
    again = list(places.read(io.BytesIO(data), times, coded.sets))
    with CodedPictures(io.BytesIO(data)) as first:
        wanted = list(first)
    assert [(one.pts, one.data, one.is_idr, one.tells) for one in again] == [
        (one.pts, one.data, one.is_idr, one.tells) for one in wanted
    ]


@pytest.mark.parametrize("container", ["matroska", "mpegts"])
def test_a_container_that_wraps_its_packets_does_not_say_where_they_lie(container: str) -> None:
    places, _, _ = places_of(clips.clip(container=container, options=CLOSED, pts=range(9_000, 99_000, 3000)))
    assert not places.are_known


def test_other_bytes_at_their_place_are_refused() -> None:
    data = bytearray(clips.clip(options=CLOSED))
    places, coded, times = places_of(bytes(data))
    data[data.index(b"mdat") + 1000] ^= 1
    with pytest.raises(Uncopyable, match="do not lie"):
        list(places.read(io.BytesIO(data), times, coded.sets))
    with pytest.raises(Uncopyable, match="do not lie"):
        list(places.read(io.BytesIO(data[:1000]), times, coded.sets))
