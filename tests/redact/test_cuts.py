"""What scenes are compared at: small pictures, the same to the last bit however they are made."""

import cv2
import numpy as np
import pytest

from bwc.redact.cuts import reduced


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_of_sixteen_to_nine_is_reduced_by_area(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for most in (2, 17, 256):
        grey = rng.integers(0, most, (270, 480), np.uint8)
        small = cv2.resize(grey, (64, 36), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(reduced(grey), small.astype(np.float32))
        assert reduced(grey).dtype == np.float32
