"""The bleep: what stands in a bleeped span is the bleep and nothing else, and all around is the recording's own."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from bwc.errors import MediaError
from bwc.media.aac import FRAME, AacDecoder, AacEncoder
from bwc.media.audio import write_sound
from bwc.media.bleep import LEVEL, NOISE, Bleep, tone
from bwc.media.mp4 import Mp4
from bwc.media.pcm import decode_sound
from bwc.media.probe import scan
from tests.media import clips

FRAMES = [n * 3000 for n in range(90)]
SECOND = 1_000_000_000
SPAN = (SECOND, 2 * SECOND + 12_345_678)


def bleeped(data: bytes, **options: object) -> bytes:
    track = scan(io.BytesIO(data), decode_frames=0).audio[0]
    sink = io.BytesIO()
    sound = write_sound(io.BytesIO(data), track.stream, sink.write, **options)
    assert sound is not None
    return b"".join(Mp4([sound.track(sink)]))


def heard(data: bytes) -> tuple[Fraction, np.ndarray, int]:
    index = scan(io.BytesIO(data), decode_frames=0).audio[0].stream
    parts = list(decode_sound(io.BytesIO(data), index))
    return parts[0][0], np.concatenate([samples for _, samples, _ in parts], axis=1), parts[0][2]


def packets(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (48_000, 2), (44_100, 2), (16_000, 1), (8_000, 1)])
def test_packets_decode_to_the_bleep(rate: int, channels: int) -> None:
    config = AacEncoder(rate=rate, channel_config=channels).config
    spans = [(5_000, 5_000 + rate // 2 + 37), (5_000 + rate, 5_000 + rate + 300)]
    bleep, decoder = Bleep(config, spans, rate), AacDecoder(config)
    for position in range(0, 2 * rate, FRAME):
        samples = decoder.decode(bleep.packet(position))
        if position >= 2 * FRAME:
            assert np.abs(samples - tone(spans, position, FRAME, rate)).max() < NOISE
            assert not bleep.strays(samples, position)
    assert bleep.strays(samples + 0.3, 5_000)


@pytest.mark.parametrize("audio", ["aac", "pcm_s16le"])
def test_a_bleeped_span_is_the_bleep_and_the_rest_is_the_recording(audio: str) -> None:
    source = clips.clip(
        container="matroska" if audio != "aac" else "mp4", pts=FRAMES, audio=audio, audio_samples=144_000
    )
    copy = bleeped(source, bleeps=[SPAN])
    (start, _, rate), (start_copy, after, _) = heard(source), heard(copy)
    assert start == start_copy
    first, last = (int((Fraction(edge, SECOND) - start) * rate) for edge in SPAN)
    expected = tone([(first, last + 1)], 0, after.shape[1], rate)
    assert np.abs(after[0, first + 1 : last] - expected[first + 1 : last]).max() < NOISE
    assert np.abs(after[0, first + rate // 10 : last - rate // 10]).max() > 0.9 * LEVEL
    if audio == "aac":
        # not samples: where an encoder left noise to the decoder's chance, its chance goes on from other packets
        same = [one == other for one, other in zip(packets(source), packets(copy), strict=True)]
        assert same.count(False) <= (last - first) // FRAME + 4
        assert all(same[: first // FRAME - 2])
        assert all(same[last // FRAME + 4 :])


def test_silence_and_bleeps_stand_side_by_side() -> None:
    source = clips.clip(pts=FRAMES, audio="aac", audio_samples=144_000)
    copy = bleeped(source, mutes=[(0, SECOND // 4)], bleeps=[(3 * SECOND // 2, 2 * SECOND)])
    _, after, rate = heard(copy)
    assert not np.any(after[:, : rate // 4])
    assert np.abs(after[:, 17 * rate // 10 : 19 * rate // 10]).max() > 0.9 * LEVEL


def test_the_witness_refuses_what_is_no_bleep(monkeypatch: pytest.MonkeyPatch) -> None:
    source = clips.clip(pts=FRAMES, audio="aac", audio_samples=144_000)
    monkeypatch.setattr(Bleep, "is_near", lambda self, position: False)  # silence where a bleep should be …
    bleeped(source, bleeps=[SPAN])  # … gives nothing away
    loud = AacEncoder(rate=48_000, channel_config=1)
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (1, FRAME)).astype(np.float32)
    packet = [one for _ in range(4) for one in loud.encode(noise)][-1]
    monkeypatch.setattr(Bleep, "is_near", lambda self, position: True)
    monkeypatch.setattr(Bleep, "packet", lambda self, position: packet)
    with pytest.raises(MediaError, match="something else"):
        bleeped(source, bleeps=[SPAN])
