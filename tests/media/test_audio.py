"""Sound: copied bit for bit, or AAC of the same start and length; muted spans are zeros."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from bwc.errors import MediaError
from bwc.media.aac import AacEncoder, decode_packets, parse_adts, parse_config, silent_packet
from bwc.media.audio import Sound, write_sound
from bwc.media.mp4 import Mp4
from bwc.media.mp4_check import check_boxes
from bwc.media.pcm import decode_sound
from bwc.media.probe import scan
from tests.media import clips

FRAMES = [n * 3000 for n in range(30)]
SECOND = 1_000_000_000


def carried(data: bytes, **options: object) -> tuple[Sound, bytes]:
    """The first sound track of `data` through our writer, alone in an MP4."""
    track = scan(io.BytesIO(data), decode_frames=0).audio[0]
    sink = io.BytesIO()
    sound = write_sound(io.BytesIO(data), track.stream, sink.write, **options)
    assert sound is not None
    return sound, b"".join(Mp4([sound.track(sink)]))


def heard(data: bytes) -> tuple[Fraction, np.ndarray, int]:
    """(start, samples, rate) of the first sound track as a player hears it."""
    index = scan(io.BytesIO(data), decode_frames=0).audio[0].stream
    parts = list(decode_sound(io.BytesIO(data), index))
    return parts[0][0], np.concatenate([samples for _, samples, _ in parts], axis=1), parts[0][2]


def packets(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data)) as container:
        return [bytes(p) for p in container.demux(audio=0) if p.size]


@pytest.mark.parametrize("container", ["mp4", "matroska"])
@pytest.mark.parametrize("start", [Fraction(0), Fraction(3, 2)])
def test_aac_is_copied_bit_for_bit(container: str, start: Fraction) -> None:
    source = clips.clip(container=container, pts=FRAMES, audio="aac", audio_start=start)
    sound, copy = carried(source)
    assert sound.copied
    assert packets(copy) == packets(source)
    (begin, before, _), (begin_copy, after, _) = heard(source), heard(copy)
    assert begin_copy == begin
    assert np.array_equal(before, after)


def test_adts_is_unwrapped() -> None:
    source = clips.clip(container="mpegts", pts=FRAMES, audio="aac")
    sound, copy = carried(source)
    assert sound.copied
    assert packets(copy) == [parse_adts(packet)[1] for packet in packets(source)]
    assert heard(copy)[0] == heard(source)[0]
    assert np.array_equal(heard(copy)[1], heard(source)[1])


@pytest.mark.parametrize(
    ("codec", "container", "rate"),
    [
        ("pcm_s16le", "avi", 48_000),
        ("libmp3lame", "avi", 44_100),
        ("pcm_s16le", "avi", 8_000),
        ("flac", "matroska", 48_000),
        ("libopus", "matroska", 48_000),
    ],
)
def test_other_sound_becomes_aac_of_the_same_start_and_length(codec: str, container: str, rate: int) -> None:
    source = clips.clip(
        container=container,
        audio=codec,
        rate=rate,
        audio_samples=rate,
        codec="mpeg4",
        pts=range(30),
        time_base=Fraction(1, 30),
    )
    sound, copy = carried(source)
    assert not sound.copied
    begin, before, source_rate = heard(source)
    begin_copy, after, copy_rate = heard(copy)
    assert begin_copy == begin
    assert abs(Fraction(after.shape[1], copy_rate) - Fraction(before.shape[1], source_rate)) <= Fraction(
        1024, copy_rate
    )
    middle = slice(rate // 4, rate // 2)
    assert np.abs(after[:, middle]).max() > 0.35  # the tone is there, in time: same phase
    assert float(np.abs(after[0, middle] - before[0, middle]).max()) < 0.1


@pytest.mark.parametrize(
    ("codec", "container"), [("aac", "mp4"), ("aac", "mpegts"), ("pcm_s16le", "avi"), ("flac", "matroska")]
)
def test_every_sample_of_a_muted_span_is_zero_and_the_rest_is_not(codec: str, container: str) -> None:
    source = clips.clip(
        container=container, audio=codec, codec="mpeg4", audio_samples=96_000, pts=range(30), time_base=Fraction(1, 30)
    )
    begin, before, rate = heard(source)
    base = int(begin * SECOND)
    spans = [(base + 300_000_000, base + 500_000_001), (base + 1_200_000_000, base + 1_200_000_001)]
    sound, copy = carried(source, mutes=spans)
    assert sound.packets_muted > 10
    _, after, _ = heard(copy)
    assert abs(after.shape[1] - before.shape[1]) <= 1024
    for first, last in ((0.3, 0.5), (1.2, 1.2)):
        inside = after[:, int(first * rate) : int(last * rate) + 1]
        assert not np.any(inside)
    for first, last in ((0.05, 0.22), (0.6, 1.1), (1.35, 1.8)):
        outside = after[0, int(first * rate) : int(last * rate)]
        assert float(np.abs(outside).max()) > 0.35
        if codec == "aac":
            # Not bit-equal: the decoder's noise generator (PNS) has run through other packets.
            assert float(np.abs(outside - before[0, int(first * rate) : int(last * rate)]).max()) < 0.001


def test_muted_packets_hold_nothing_of_the_source() -> None:
    source = clips.clip(pts=FRAMES, audio="aac")
    _, copy = carried(source, mutes=[(0, 10 * SECOND)])
    silence = silent_packet(parse_config(b"\x11\x88"))
    assert set(packets(copy)) == {silence}


def test_a_span_before_or_after_the_sound_mutes_nothing() -> None:
    source = clips.clip(pts=FRAMES, audio="aac", audio_start=Fraction(2))
    sound, copy = carried(source, mutes=[(0, 1_900_000_000), (4 * SECOND, 5 * SECOND)])
    assert sound.packets_muted == 0
    assert packets(copy) == packets(source)


def test_damaged_packets_become_silence_and_are_counted() -> None:
    source = bytearray(clips.clip(pts=FRAMES, audio="aac", options={"bf": "0"}))
    victims = packets(bytes(source))[10:14]
    for victim in victims:
        at = source.index(victim)
        source[at : at + len(victim)] = b"\xff" * len(victim)
    sound, copy = carried(bytes(source))
    assert sound.packets_lost == 4
    assert sound.reasons
    assert len(packets(copy)) == len(packets(bytes(source)))
    assert heard(copy)[0] == heard(bytes(source))[0]


def test_a_hole_in_the_sound_stays_a_hole() -> None:
    sink = io.BytesIO()
    encoder = AacEncoder(rate=48_000, channel_config=1)
    wave = (0.5 * np.sin(np.arange(96_000) / 20)).astype(np.float32)[None]
    made = [p for n in range(0, 96_000 - 1024, 1024) for p in encoder.encode(wave[:, n : n + 1024])]
    sound = Sound(
        stream=0, config=encoder.config.specific, rate=48_000, channels=1, start=Fraction(0), skip=0, length=93 * 1024 + 48_000,
        packet_samples=1024, table=clips.SampleTable(), copied=True, packets=0, packets_muted=0, packets_lost=0, reasons=(),
    )  # fmt: skip
    for number, packet in enumerate(made):
        sound.table.add(size=len(packet), pts=number * 1024 + (48_000 if number >= 40 else 0))
        sink.write(packet)
    source = b"".join(Mp4([sound.track(sink)]))
    _, copy = carried(source)
    assert [p for p, *_ in _times(copy)] == [p for p, *_ in _times(source)]


def _times(data: bytes) -> list[tuple[Fraction, int]]:
    return [(start, samples.shape[1]) for start, samples, _ in decode_sound(io.BytesIO(data), 0)]


def test_sound_that_starts_between_samples_is_written_exactly() -> None:
    source = clips.clip(
        container="matroska",
        pts=FRAMES,
        audio="aac",
        rate=44_100,
        audio_start=Fraction(123, 1000),
        audio_samples=44_100,
    )
    sound, copy = carried(source)
    assert heard(source)[0] == sound.start == Fraction(123, 1000)
    # The file says 0.123 s exactly; FFmpeg's clock for the track has no finer tick than a sample.
    assert abs(heard(copy)[0] - sound.start) <= Fraction(1, 2 * 44_100)
    scale = int.from_bytes(copy[copy.index(b"mvhd") + 16 :][:4], "big")
    empty = int.from_bytes(copy[copy.index(b"elst") + 12 :][:4], "big")
    assert Fraction(empty, scale) == sound.start


@pytest.mark.parametrize("rate", [48_000, 16_000, 8_000, 44_100])
@pytest.mark.parametrize("channel_config", [1, 2, 6])
def test_silent_packets_decode_to_zeros(rate: int, channel_config: int) -> None:
    config = AacEncoder(rate=rate, channel_config=channel_config).config
    assert not any(np.any(part) for part in decode_packets(config, [silent_packet(config)] * 5))


def test_our_packets_carry_no_name() -> None:
    encoder = AacEncoder(rate=48_000, channel_config=2)
    made = encoder.encode(np.zeros((2, 1024), np.float32)) + encoder.encode(np.zeros((2, 1024), np.float32))
    assert not any(b"Lav" in packet for packet in made + encoder.finish())


def test_configurations_that_cannot_be_copied_are_known() -> None:
    assert parse_config(b"\x11\x90").rate == 48_000
    assert parse_config(b"\x2b\x11\x88\x00") is None  # SBR: another object type
    assert parse_config(b"\x11\x94") is None  # 960-sample frames
    assert parse_config(b"\x11\x80") is None  # channels by a program config element
    assert parse_config(b"") is None
    assert parse_adts(b"\xff\xf1\x50") is None
    with pytest.raises(MediaError):
        AacEncoder(rate=12_345, channel_config=1)


def test_picture_and_sound_together_pass_the_checker() -> None:
    source = clips.clip(pts=FRAMES, audio="aac", audio_start=Fraction(1, 2))
    sink = io.BytesIO()
    sound = write_sound(io.BytesIO(source), 1, sink.write)
    assert sound is not None
    assert check_boxes(io.BytesIO(clips.our_mp4(FRAMES, tracks=[sound.track(sink)]))) == []
