import cv2
import numpy as np
import pytest
from skimage import data

from bwc.redact.detectors.faces import CenterFace
from bwc.redact.detectors.light import AIM, brightened


def noise(mean: int) -> np.ndarray:
    made = np.random.default_rng(5).normal(mean, mean / 3, (120, 160, 3))
    return np.clip(made, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("mean", [16, 20, 24, 30])
def test_dark_pictures_are_brought_to_one_light(mean):
    assert abs(float(brightened(noise(mean)).mean()) - AIM) < 8


def test_what_is_light_is_left_as_it_is():
    picture = noise(40)
    assert brightened(picture) is picture


def test_black_stays_black_and_noise_in_the_dark_is_not_drawn_up_without_end():
    black = np.zeros((64, 64, 3), np.uint8)
    assert not brightened(black).any()
    assert brightened(np.full((64, 64, 3), 1, np.uint8)).max() < 30


def test_a_face_in_the_dark_is_found_better():
    astronaut = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    dark = cv2.convertScaleAbs(astronaut, alpha=0.05)
    dark = np.clip(dark + np.random.default_rng(1).normal(0, 2, dark.shape), 0, 255).astype(np.uint8)
    usual = CenterFace.open((640,), 0.05)
    as_is = CenterFace(usual.source, (640,), 0.05, takes_as_is=True)
    best = [max((one.score for one in finder.detect(dark)), default=0) for finder in (usual, as_is)]
    assert best[0] > best[1]
    assert "brightened_to" in usual.describe().settings
    assert "brightened_to" not in as_is.describe().settings
