"""Facts: what is there, what is lost, what the camera says; read in a child that can do no harm."""

import io
import json
import os
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from bwc.canonical import canonical, parse_canonical
from bwc.errors import MediaError, SealBroken, UnreadableMedia
from bwc.media import sandbox
from bwc.media.facts import MediaFacts
from bwc.media.probe import probe, scan
from bwc.media.sandbox import probe_safely
from tests.media import clips

FRAMES = [n * 3000 for n in range(30)]


def test_facts_of_a_plain_recording_round_trip() -> None:
    data = clips.clip(pts=FRAMES, audio="aac", audio_start=Fraction(1, 2), options={"g": "10", "bf": "0"})
    facts = probe(io.BytesIO(data), "clip.mp4")
    assert facts.video is not None
    assert facts.video.pts is not None
    assert (facts.video.frames, facts.video.decoded, facts.video.frames_lost) == (30, 30, 0)
    assert [when * facts.video.time_base for when in facts.video.pts] == [when * clips.TICKS for when in FRAMES]
    assert facts.video.keyframes == (0, 10, 20)
    assert (facts.video.width, facts.video.height, facts.video.rotation) == (64, 48, 0)
    (sound,) = facts.audio
    assert (sound.codec, sound.rate, sound.channels, sound.packets_lost) == ("aac", 48_000, 1, 0)
    assert MediaFacts.from_json(parse_canonical(canonical(facts.to_json()))) == facts


def test_times_beyond_the_decoded_frames_come_from_packets() -> None:
    data = clips.clip(pts=FRAMES, options={"g": "10", "bf": "2"})
    part, whole = (scan(io.BytesIO(data), decode_frames=count).video for count in (5, None))
    assert part is not None
    assert whole is not None
    assert part.decoded < whole.decoded == 30
    assert (part.pts, part.keyframes, part.frames) == (whole.pts, whole.keyframes, whole.frames)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "bwc.media-facts/2"},
        {"duration": [1, 1000]},
        {"tags": [["a", "b"]]},
        {"video": 7},
        {"audio": [{}]},
        {"recorded_at": "yesterday"},
    ],
)
def test_other_documents_are_not_facts(change: dict) -> None:
    good = probe(io.BytesIO(clips.clip(pts=[0, 3000]))).to_json()
    with pytest.raises((MediaError, Exception)) as caught:
        MediaFacts.from_json({**good, **change})
    assert type(caught.value).__module__ == "bwc.errors"


def test_clock_and_place_are_read_and_nonsense_is_not() -> None:
    from bwc.media.probe import _moment, _position

    assert _moment("2026-03-08T02:30:00Z") == datetime(2026, 3, 8, 2, 30, tzinfo=UTC)
    assert _moment("2026-03-08 02:30:00") == datetime(2026, 3, 8, 2, 30, tzinfo=UTC)
    assert _moment("1970-01-01T00:00:00Z") is None
    assert _moment("yesterday") is None
    assert _position((("container", "location", "+47.6062-122.3321/"),)) == (47_606_200, -122_332_100)
    assert _position((("container", "location", "+147.6-122.3/"),)) is None


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 5000, b"not a film", b"RIFF\x10\x00\x00\x00AVI LIST", bytes(range(256)) * 40]
)
def test_what_is_no_recording_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableMedia, match="cannot be read"):
        probe(io.BytesIO(data), "x.mp4")


def test_the_sandbox_gives_the_same_facts() -> None:
    data = clips.clip(pts=FRAMES, audio="aac")
    assert probe_safely(io.BytesIO(data), "x") == probe(io.BytesIO(data), "x")
    with pytest.raises(UnreadableMedia, match=r"x\.mp4 cannot be read"):
        probe_safely(io.BytesIO(b"nothing"), "x.mp4")


def test_a_child_that_takes_too_long_is_stopped() -> None:
    started = time.monotonic()
    with pytest.raises(UnreadableMedia, match="too long"):
        probe_safely(io.BytesIO(clips.clip(pts=FRAMES)), "x", wall_seconds=0.05)
    assert time.monotonic() - started < 5


def child_doing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> None:
    """Let the sandbox's child run `code` in place of the probe, under the same limits."""
    script = tmp_path / "child.py"
    script.write_text(
        "import sys\nfrom bwc.media import probe, sandbox\n"
        "def act(file, *a, **k):\n" + textwrap.indent(textwrap.dedent(code), "    ") + "\n"
        "probe.probe = act\nsandbox._child(sys.argv[1:])\n"
    )
    real = subprocess.Popen

    def popen(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
        return real([sys.executable, str(script), *command[3:]], **options)

    monkeypatch.setattr(sandbox.subprocess, "Popen", popen)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed"),
        ("import os; os._exit(3)", "status 3"),
        ("while True: pass", "processor time"),
        ("a = bytearray(3 << 30)", "too much memory"),
        ("open(sys.argv[0] + '.leak', 'wb', 0).write(b'plaintext')", "cannot be read"),
        ("file.raw._channel.sendall(b'X')", "cannot be read"),
        ("file.raw._channel.sendall(b'J' + bytes([9, 0, 0, 0]) + b'{\"a\": 1}}')", "nonsense"),
        ("file.raw._channel.sendall(b'J' + bytes([255, 255, 255, 255]))", "cannot be read"),
    ],
)
def test_a_child_gone_wrong_means_unreadable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, message: str
) -> None:
    child_doing(monkeypatch, tmp_path, code)
    with pytest.raises(UnreadableMedia, match=message):
        probe_safely(io.BytesIO(bytes(1000)), "x", cpu_seconds=1, wall_seconds=20)
    assert not any(path.stat().st_size for path in tmp_path.glob("*.leak"))


def test_an_error_of_the_sealed_file_passes_through() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise SealBroken("x")

    with pytest.raises(SealBroken):
        probe_safely(Broken(bytes(1000)), "x")


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    probe_safely(io.BytesIO(clips.clip(pts=FRAMES)), "x")
    assert os.listdir(tmp_path) == []


def test_tags_are_cut_and_counted() -> None:
    facts = probe(io.BytesIO(clips.clip(container="matroska", pts=[0, 3000])))
    assert json.dumps(facts.to_json())
    assert all(len(value) <= 2_000 for _, _, value in facts.tags)
