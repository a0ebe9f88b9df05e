"""bwc.media.planes: pictures for looks are padded with black, and what lies inside stays the same."""

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from bwc.media.planes import bgr_of, halvings, planes_of, resized, size_at


def frame_like_footage(pix_fmt: str, width: int = 960, height: int = 540) -> VideoFrame:
    """Noise of several sizes, from black to white."""
    rng = np.random.default_rng(5)
    grain = rng.integers(0, 256, (height // 3, width // 3, 3)).astype(np.uint8)
    picture = np.asarray(cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=pix_fmt)


@pytest.mark.parametrize("width", [None, 640])
@pytest.mark.parametrize("size", [(960, 540), (962, 542)])
def test_padding_to_whole_steps_is_black_and_changes_nothing(width: int | None, size: tuple[int, int]) -> None:
    planes = planes_of(frame_like_footage("yuv420p", *size))
    plain = bgr_of(*planes, full_range=False, width=width)
    padded = bgr_of(*planes, full_range=False, width=width, step=32)
    rows, columns = plain.shape[:2]
    assert (rows, columns) == ((size[1], size[0]) if width is None else size_at(size, width)[::-1])
    assert padded.shape[0] % 32 == padded.shape[1] % 32 == 0
    assert (padded[:rows, :columns] == plain).all()
    assert not padded[rows:].any()
    assert not padded[:, columns:].any()


def test_a_third_of_each_side_is_the_mean_of_nine() -> None:
    nines = np.arange(9 * 255 + 1)[:, None] // 9 + (np.arange(9) < np.arange(9 * 255 + 1)[:, None] % 9)
    y = nines.astype(np.uint8).reshape(28, 82, 3, 3).transpose(0, 2, 1, 3).reshape(84, 246)
    u, v = y[:42, :123], y[42:, 123:]
    for plane, small in zip((y, u, v), resized((y, u, v), 82, 28), strict=True):
        rows, columns = small.shape
        assert np.array_equal(small, cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA))
    assert np.array_equal(resized((y, u, v), 82, 28)[0].ravel(), np.round(np.arange(9 * 255 + 1) / 9))


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("size", [(481, 271), (480, 271), (481, 270)])
def test_odd_sizes_stay_odd_unless_padded(size: tuple[int, int], full_range: bool) -> None:
    (columns, rows), rng = size, np.random.default_rng(7)
    around = rng.integers(0, 256, (rows + 4, columns + 6), np.uint8)
    y, u, v = around[2 : rows + 2, 4 : columns + 4], *rng.integers(0, 256, (2, 136, 241), np.uint8)
    u, v = u[: (rows + 1) // 2, : (columns + 1) // 2], v[: (rows + 1) // 2, : (columns + 1) // 2]
    plain = bgr_of(y, u, v, full_range=full_range)
    assert plain.shape == (rows, columns, 3)
    even = np.pad(y, ((0, rows % 2), (0, columns % 2)), mode="edge")
    assert (plain == bgr_of(even, u, v, full_range=full_range)[:rows, :columns]).all()
    square = bgr_of(y, u, v, full_range=full_range, step=481)
    assert square.shape == (481, 481, 3)
    assert (square[:rows, :columns] == plain).all()
    assert not square[rows:].any()
    assert not square[:, columns:].any()


@pytest.mark.parametrize(("size", "times"), [((1920, 1080), 2), ((3840, 2160), 3), ((1280, 720), 0), ((480, 270), 0)])
def test_pictures_are_halved_as_far_as_that_goes_evenly(size: tuple[int, int], times: int) -> None:
    assert halvings(size, (480, 270)) == times
