"""One channel at 16,000 samples a second, on the recording's clock, gaps and all."""

import io
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from bwc.media.mono import RATE, Block, mono_blocks
from bwc.media.probe import scan
from tests.media import clips


def blocks(data: bytes) -> list[Block]:
    return list(mono_blocks(io.BytesIO(data), scan(io.BytesIO(data), decode_frames=0).audio[0].stream))


@pytest.mark.parametrize("start", [Fraction(0), Fraction(3, 2)])
@pytest.mark.parametrize("rate", [48_000, 16_000])
def test_sound_lies_where_it_lay(start: Fraction, rate: int) -> None:
    found = blocks(clips.clip(audio="aac", audio_start=start, rate=rate, audio_samples=rate))
    assert abs(found[0].start - start) < Fraction(1, 10)  # what fills the encoder's first window may be heard
    assert [block.joined for block in found] == [False] + [True] * (len(found) - 1)
    for before, after in pairwise(found):
        assert after.start == before.start + Fraction(len(before.samples), RATE)
    whole = np.concatenate([block.samples for block in found])
    assert abs(len(whole) / RATE - 1) < 0.1
    assert 0.3 < np.abs(whole[2_000:-2_000]).max() < 0.8
