"""A judge that runs the page's logic, and a video large enough to have several leaves."""

import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.release.judging import RATE, SECONDS, Judge


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    made = Judge(tmp_path_factory.mktemp("page"))
    probe = subprocess.run(
        ["node", "-e", "crypto.subtle.generateKey('Ed25519', false, ['sign'])"], capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip("this node has no Ed25519 in WebCrypto: the page's logic was NOT run")
    yield made
    made.process.terminate()
    made.process.wait(10)


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of noise, a keyframe each second, index in front: several leaves."""
    path = tmp_path_factory.mktemp("video") / "noise.mp4"
    noise = np.random.default_rng(1)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 640, 368, "yuv420p"  # type: ignore[union-attr]
        stream.bit_rate, stream.gop_size = 40_000_000, RATE  # type: ignore[union-attr]
        stream.time_base = Fraction(1, RATE)
        stream.options = {"sc_threshold": "1000000000"}  # noise is one scene cut after the other
        for number in range(RATE * SECONDS):
            picture = noise.integers(0, 255, (368, 640, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            out.mux(stream.encode(frame))  # type: ignore[union-attr]
        out.mux(stream.encode())  # type: ignore[union-attr]
    return path
