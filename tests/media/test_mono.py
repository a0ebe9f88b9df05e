"""One channel at 16,000 samples a second, on the recording's clock, gaps and all."""

import io
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from bwc.media.mono import RATE, Block, _Mix, mono_blocks
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


def mixed(channels: np.ndarray, step: int = 341) -> np.ndarray:
    mix = _Mix(len(channels))
    parts = [mix.take(channels[:, first : first + step]) for first in range(0, channels.shape[1], step)]
    return np.concatenate([*parts, mix.finish()])


@pytest.mark.parametrize(
    "weights", [(1, 1), (1, -1), (1, 0), (0, 1), (1, 0.5), (1, 1, 1, 1), (0, 1, -1), (1, -1, 0, 0, 0, 0)]
)
@pytest.mark.parametrize("hertz", [150, 440, 3_000])
def test_no_channel_cancels_another(weights: tuple[float, ...], hertz: int) -> None:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)
    out = mixed(np.outer(weights, wave).astype(np.float32))
    assert len(out) == len(wave), "nothing is longer or later than it was"
    level = np.sqrt(np.mean(out[1_000:-1_000] ** 2) / np.mean(wave**2))
    assert 0.12 < level < 1.5
    if set(weights) == {1}:
        assert abs(level - 1) < 0.05


def test_blocks_of_any_size_give_the_same_mix_where_it_lay() -> None:
    noise = np.random.default_rng(7).normal(0, 0.1, (2, 4_000)).astype(np.float32)
    assert np.allclose(mixed(noise, step=7), mixed(noise, step=4_000), atol=1e-6)
    click = np.zeros((2, 4_000), np.float32)
    click[0, 2_000] = 1
    assert int(np.abs(mixed(click)).argmax()) == 2_000
    assert mixed(np.zeros((2, 3), np.float32)).shape == (3,)
    assert np.array_equal(mixed(noise[:1]), noise[0]), "one channel stays as it is"


def test_a_voice_in_opposite_phase_is_still_there() -> None:
    wave = 0.5 * np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000)
    sink = io.BytesIO()
    with av.open(sink, "w", format="wav") as out:
        sound = out.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        pair = (np.stack([wave, -wave], axis=1).reshape(1, -1) * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pair, "s16", "stereo")
        frame.sample_rate, frame.pts = 48_000, 0
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    whole = np.concatenate([block.samples for block in mono_blocks(io.BytesIO(sink.getvalue()), 0)])
    assert abs(len(whole) - RATE) < 200
    assert 0.5 < np.abs(whole[2_000:-2_000]).max() < 0.9
