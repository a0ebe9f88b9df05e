"""Pictures decoded again are the same, in whatever steps they are asked for; readers of one file do not disturb each other."""

import io
from dataclasses import replace

import numpy as np
import pytest

from bwc.errors import MediaError
from bwc.media.again import Fetcher, Shared
from bwc.media.decode import VideoReader
from tests.redact.test_render_groups import closed


@pytest.mark.parametrize("asked", [[0, 1, 2], [7, 7, 8, 31, 59], [45, 3], [9, 10, 29]])
def test_a_picture_comes_again_as_it_was(asked: list[int]) -> None:
    shared = Shared(io.BytesIO(closed()))
    whole = list(VideoReader(shared.reader()).frames())
    fetcher = Fetcher(lambda: VideoReader(shared.reader()))
    for ordinal in asked:
        known = replace(whole[ordinal], y=np.zeros((0, 0), np.uint8), known=True)
        found = fetcher.fetch(known)
        assert (found.ordinal, found.pts, found.known) == (ordinal, whole[ordinal].pts, False)
        assert np.array_equal(found.y, whole[ordinal].y)


def test_a_picture_that_is_not_there_is_an_error() -> None:
    source = closed()
    first = next(VideoReader(io.BytesIO(source)).frames())
    with pytest.raises(MediaError, match="second time"):
        Fetcher(lambda: VideoReader(io.BytesIO(source))).fetch(replace(first, pts=first.pts + 1))


def test_readers_of_one_file_keep_their_places() -> None:
    shared = Shared(io.BytesIO(bytes(range(100))))
    one, two = shared.reader(), shared.reader()
    assert one.read(3) == b"\0\1\2"
    assert two.seek(-2, io.SEEK_END) == 98
    assert (one.read(2), two.read(), one.tell(), two.tell()) == (b"\3\4", b"\x62\x63", 5, 100)
    assert one.seek(5, io.SEEK_CUR) == 10
    assert one.read(1) == b"\n"
