"""Effects: what is covered is gone, what is not is untouched."""

import numpy as np
import pytest

from bwc.redact.effects import Held, Planes, cover_boxes, cover_whole, yuv_of
from bwc.redact.plan_effect import Effect, EffectKind, grow

BLACK = (16, 128, 128)


def noise(width: int = 161, height: int = 91, seed: int = 3) -> Planes:
    rng = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    return (
        rng.integers(0, 256, (height, width), np.uint8),
        rng.integers(0, 256, half, np.uint8),
        rng.integers(0, 256, half, np.uint8),
    )


def copy(planes: Planes) -> Planes:
    return planes[0].copy(), planes[1].copy(), planes[2].copy()


@pytest.mark.parametrize("kind", list(EffectKind))
@pytest.mark.parametrize("box", [(10, 10, 60, 50), (101, 33, 161, 91), (0, 0, 1, 1), (160, 90, 161, 91)])
def test_nothing_outside_the_region_changes(kind: EffectKind, box: tuple[int, int, int, int]) -> None:
    before, after = noise(), noise()
    region = grow(box, 300, 161, 91)
    cover_boxes(after, (region,), Effect(kind=kind), BLACK)
    x0, y0, x1, y1 = region
    before[0][y0:y1, x0:x1] = after[0][y0:y1, x0:x1]
    for place in (1, 2):
        part = np.s_[y0 // 2 : (y1 + 1) // 2, x0 // 2 : (x1 + 1) // 2]
        before[place][part] = after[place][part]
    for old, new in zip(before, after, strict=True):
        assert np.array_equal(old, new)


@pytest.mark.parametrize("box", [(11, 13, 60, 51), (101, 33, 161, 91)])
def test_solid_covers_every_sample_that_touches_the_box(box: tuple[int, int, int, int]) -> None:
    planes = noise()
    cover_boxes(planes, (grow(box, 0, 161, 91),), Effect(), BLACK)
    x0, y0, x1, y1 = box
    assert (planes[0][y0:y1, x0:x1] == 16).all()
    for plane in planes[1:]:
        assert (plane[y0 // 2 : -(-y1 // 2), x0 // 2 : -(-x1 // 2)] == 128).all()


def test_solid_and_mean_leave_one_value() -> None:
    for kind in (EffectKind.SOLID, EffectKind.MEAN):
        planes = noise()
        cover_boxes(planes, ((20, 20, 80, 60),), Effect(kind=kind), BLACK)
        assert len(np.unique(planes[0][20:60, 20:80])) == 1
        assert len(np.unique(planes[1][10:30, 10:40])) == 1


def test_pixelation_has_at_most_four_cells_across_and_sixteen_levels() -> None:
    planes = noise()
    cover_boxes(planes, ((20, 20, 100, 60),), Effect(kind=EffectKind.PIXELATE), BLACK)
    region = planes[0][20:60, 20:100]
    assert all(len(np.unique(row)) <= 4 for row in region)
    assert (np.count_nonzero(np.diff(region.astype(int), axis=1), axis=1) <= 3).all()
    assert len(np.unique(np.concatenate([plane.ravel() // 16 for plane in (region,)]))) <= 16
    assert ((region - 8) % 16 == 0).all()


def test_two_pictures_of_one_mean_pixelate_alike() -> None:
    base = noise(seed=1)
    other = copy(base)
    other[0][20:60, 20:100] ^= 1  # below what quantised cells can show
    for planes in (base, other):
        cover_boxes(planes, ((20, 20, 100, 60),), Effect(kind=EffectKind.PIXELATE), BLACK)
    assert np.abs(base[0].astype(int) - other[0].astype(int)).max() in (0, 16)
    assert np.mean(base[0] != other[0]) < 0.05


def test_the_blur_is_a_quarter_of_the_box_and_takes_nothing_from_outside() -> None:
    planes = noise()
    planes[0][:] = 0
    planes[0][20:60, 20:100] = 200
    planes[0][30:34, 40:44] = 0
    cover_boxes(planes, ((20, 20, 100, 60),), Effect(kind=EffectKind.BLUR), BLACK)
    region = planes[0][20:60, 20:100].astype(int)
    assert region.min() > 190  # the dark dot is spread over sigma 20, the dark outside stays out
    assert region.max() - region.min() < 8


def test_whole_frame_leaves_nothing_and_inverse_leaves_only_what_is_kept() -> None:
    planes = noise()
    cover_whole(planes, BLACK)
    assert [np.unique(plane).tolist() for plane in planes] == [[16], [128], [128]]
    before, planes = noise(), noise()
    cover_whole(planes, BLACK, keep=((21, 21, 41, 41),))
    assert np.array_equal(planes[0][22:40, 22:40], before[0][22:40, 22:40])
    assert np.array_equal(planes[1][11:20, 11:20], before[1][11:20, 11:20])
    planes[0][22:40, 22:40] = 16
    planes[1][11:20, 11:20] = 128
    assert (planes[0] == 16).all()
    assert (planes[1] == 128).all()


@pytest.mark.parametrize(
    ("colour", "is_bt709", "is_full_range", "expected"),
    [
        ((0, 0, 0), True, False, (16, 128, 128)),
        ((255, 255, 255), False, False, (235, 128, 128)),
        ((255, 0, 0), False, False, (81, 90, 240)),  # ITU-R BT.601 colour bars
        ((0, 0, 255), True, False, (32, 240, 118)),  # ITU-R BT.709 colour bars
        ((0, 0, 0), True, True, (0, 128, 128)),
        ((0, 0, 255), False, True, (29, 255, 107)),
    ],
)
def test_colours_follow_matrix_and_range(colour, is_bt709, is_full_range, expected) -> None:  # type: ignore[no-untyped-def]
    assert yuv_of(colour, is_bt709=is_bt709, is_full_range=is_full_range) == expected


def test_a_mosaic_is_held_while_its_region_goes_on_and_made_anew_elsewhere() -> None:
    held, effect = Held(), Effect(kind=EffectKind.PIXELATE)
    shown = []
    for number in range(4):
        planes = noise(seed=number)
        box = (20 + 2 * number, 20, 100 + 2 * number, 60)
        cover_boxes(planes, (box,), effect, BLACK, held)
        shown.append(planes[0][20:60, box[0] : box[2]])
    assert all(np.array_equal(shown[0], one) for one in shown)
    planes = noise(seed=9)
    planes[0][:] = 250
    cover_boxes(planes, ((120, 40, 160, 80),), effect, BLACK, held)
    assert (planes[0][40:80, 120:160] == 248).all()


def test_a_held_mosaic_does_not_last_for_ever() -> None:
    held, effect = Held(), Effect(kind=EffectKind.PIXELATE)
    values = set()
    for number in range(130):
        planes = noise()
        planes[0][:] = 16 * (number // 10)
        cover_boxes(planes, ((20, 20, 100, 60),), effect, BLACK, held)
        values.add(int(planes[0][30, 30]))
    assert len(values) == 3
