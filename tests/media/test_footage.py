"""Real body-camera footage in 27 containers, some damaged: every time exact, every loss named."""

import io
from fractions import Fraction
from pathlib import Path

import av
import pytest

from bwc.errors import UnreadableMedia
from bwc.media.decode import VideoReader
from bwc.media.mp4_check import check_boxes
from bwc.media.pcm import decode_sound
from bwc.media.sandbox import probe_safely
from tests.media.carry import carry
from tests.media.clips import shared_data

pytestmark = pytest.mark.footage

# variant: (frames delivered, frames lost, sound tracks carried, of which copied); None: refused
CONTAINERS: dict[str, tuple[int, int, int, int] | None] = {
    "bitflips60.mp4": (38, 0, 1, 1),
    "bodycam_plus_gpmf.mp4": (42, 0, 1, 1),
    "burned_in_overlay.mp4": (38, 0, 1, 1),
    "divx.avi": (48, 0, 1, 0),
    "fragmented.mp4": (38, 0, 1, 1),
    "fragmented_power_loss.mp4": (22, 16, 0, 0),
    "h264_10bit422.mp4": (38, 0, 1, 1),
    "hevc.mp4": (38, 0, 1, 1),
    "interlaced.mp4": (24, 0, 1, 1),
    "located.mp4": (48, 0, 1, 1),
    "matroska.mkv": (48, 0, 1, 1),
    "mjpeg.avi": (48, 0, 1, 0),
    "no_audio.mp4": (38, 0, 0, 0),
    "no_moov.mp4": None,
    "pre_event_audio_starts_4s.mp4": (240, 0, 1, 1),
    "quicktime.mov": (48, 0, 1, 1),
    "rotated90.mp4": (48, 0, 1, 1),
    "text_named.mp4": None,
    "trailing_garbage.mp4": (38, 0, 1, 1),
    "transport.ts": (48, 0, 1, 1),
    "truncated.mkv": (27, 21, 1, 1),
    "truncated_60pct.mp4": None,
    "two_audio.mp4": (36, 0, 2, 2),
    "upside_down180.mp4": (48, 0, 1, 1),
    "vfr.mp4": (23, 0, 1, 1),
    "zero_bytes.mp4": None,
    "zeroed_20k.mp4": (36, 2, 1, 1),
}
OTHERS = {
    "video_bodycam/spd_01.mp4": (48, 0, 1, 1),
    "video_bodycam/spd_03.mp4": (38, 0, 1, 1),
    "video_faces_lowres/head-pose-face-detection-female-and-male.mp4": (56, 0, 0, 0),
    "video_faces_lowres/walking-and-pause.mp4": (41, 0, 0, 0),
}
LONG = {
    "video_headcam/ego_faces.mp4": (14, 0, 1, 1),
    "video_headcam/ego_plates.mp4": (24, 0, 1, 1),
    "video_synth/synth_night_flashlight.mp4": (450, 0, 1, 1),
    "video_synth/synth_street_day.mp4": (600, 0, 1, 1),
    "video_telemetry/gopro_karma.mp4": (362, 0, 1, 1),
    "video_telemetry/gopro_walk_noface.mp4": (315, 0, 1, 1),
}
REFUSED = [name for name, outcome in CONTAINERS.items() if outcome is None]
READABLE = {f"containers/{name}": outcome for name, outcome in CONTAINERS.items() if outcome is not None}


def plain_times(path: Path) -> list[Fraction]:
    """Times as a naive PyAV program sees them: the independent witness (AVI with H.264 excepted, none here)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = []
        for packet in container.demux(stream):
            try:
                found += [frame.pts * stream.time_base for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    return found


def extent(data: bytes, stream: int) -> tuple[Fraction, Fraction, int]:
    """(start, end, rate) of a sound track by its decoded samples."""
    start = end = None
    rate = 1
    for when, samples, rate in decode_sound(io.BytesIO(data), stream):
        start = when if start is None else start
        end = when + Fraction(samples.shape[1], rate)
    assert start is not None
    assert end is not None
    return start, end, rate


def hold(path: Path, outcome: tuple[int, int, int, int]) -> None:
    data = path.read_bytes()
    done = carry(io.BytesIO(data), path.name, preset="ultrafast")  # times do not depend on the preset
    assert (len(done.times), done.frames_lost, len(done.sounds), sum(s.copied for s in done.sounds)) == outcome
    assert done.times == plain_times(path)
    copy = io.BytesIO(done.copy)
    reader = VideoReader(copy)
    assert [picture.pts * picture.time_base for picture in reader.frames()] == done.times
    assert reader.lost == []
    assert check_boxes(copy) == []
    assert b"x264" not in done.copy
    source, made = done.facts.video, reader.facts.video
    assert source is not None
    assert made is not None
    assert (made.rotation, made.matrix, made.width, made.height) == (
        source.rotation, source.matrix, source.width, source.height,
    )  # fmt: skip
    assert (made.colour, made.interlaced, made.sar) == (source.colour, source.interlaced, source.sar)
    assert set(source.keyframes) <= set(made.keyframes)
    for sound, track in zip(done.sounds, reader.facts.audio, strict=True):
        before, after = extent(data, sound.stream), extent(done.copy, track.stream)
        assert after[0] == before[0]
        assert abs((after[1] - after[0]) - (before[1] - before[0])) <= Fraction(1024, after[2])


@pytest.mark.parametrize("name", READABLE)
def test_every_readable_variant_keeps_its_times(name: str) -> None:
    hold(shared_data() / name, READABLE[name])


@pytest.mark.parametrize("name", OTHERS)
def test_real_clips_keep_their_times(name: str) -> None:
    hold(shared_data() / name, OTHERS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_longer_clips_keep_their_times(name: str) -> None:
    hold(shared_data() / name, LONG[name])


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_the_librarys_words(name: str) -> None:
    with (shared_data() / "containers" / name).open("rb") as file, pytest.raises(UnreadableMedia, match="Invalid data"):
        probe_safely(file, name)


def test_every_file_of_the_folder_is_accounted_for() -> None:
    assert sorted(path.name for path in (shared_data() / "containers").iterdir()) == sorted(CONTAINERS)


def test_losses_are_said_in_words() -> None:
    folder = shared_data() / "containers"
    for name, words in {
        "zeroed_20k.mp4": "Error splitting the input into NAL units",
        "truncated.mkv": "before the length it declares",
        "fragmented_power_loss.mp4": "nothing of it decodes",
    }.items():
        with (folder / name).open("rb") as file:
            assert any(words in loss for loss in probe_safely(file, name).losses)


def test_located_recording_says_where_and_when() -> None:
    with (shared_data() / "containers" / "located.mp4").open("rb") as file:
        facts = probe_safely(file)
    assert facts.position == (47_606_200, -122_332_100)
    assert ("container", "make", "Axon") in facts.tags
    assert facts.recorded_at is not None
