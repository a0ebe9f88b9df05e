"""Damage in a released video is named by time: never less than what the damage touches."""

import io
from itertools import pairwise
from pathlib import Path

import av

from bwc.release.leaf_times import leaf_times
from bwc.verifier.package import examine_package
from bwc.verifier.released import LEAF_BYTES
from tests.audit.logs import VKEY
from tests.release.judging import RATE, SECONDS
from tests.release.making import Maker


def test_leaves_cover_the_recording_in_order(video: Path) -> None:
    times = leaf_times(video)
    assert len(times) == -(-video.stat().st_size // LEAF_BYTES) >= 4
    assert times[0] == (0, SECONDS * 1000)  # it holds the index
    for (first, last), (following, _) in pairwise(times[1:]):
        assert first < following <= last
    assert times[-1][1] == SECONDS * 1000
    with av.open(str(video)) as container:
        keyframes = [
            int(p.pts * p.time_base * 1000) for p in container.demux(video=0) if p.is_keyframe and p.pts is not None
        ]
    assert len(keyframes) < RATE * SECONDS / 2
    assert {last for _, last in times} <= {*keyframes, SECONDS * 1000}  # damage spreads up to the next keyframe


def test_pictures_that_change_lie_inside_the_named_time(video: Path, tmp_path: Path) -> None:
    whole = video.read_bytes()
    damaged = bytearray(whole)
    at = 2 * LEAF_BYTES + LEAF_BYTES // 2
    damaged[at : at + 64] = bytes(64)
    first, last = leaf_times(video)[2]
    changed = [ms for ms, same in compare(whole, bytes(damaged)) if not same]
    assert changed
    assert first <= min(changed)
    assert max(changed) < last
    assert last - first < SECONDS * 1000 * 3 // 4


def test_report_names_the_time(video: Path, tmp_path: Path) -> None:
    made = Maker().make(tmp_path / "out", video.read_bytes())
    damaged = bytearray(made.video.read_bytes())
    damaged[2 * LEAF_BYTES + 7] ^= 0x10
    made.video.write_bytes(damaged)
    finding = examine_package(made.folder, key=VKEY).findings[0]
    assert finding.thing == made.video.name
    assert finding.times_ms == (leaf_times(video)[2],)
    assert "0:00:0" in finding.error.message


def test_no_recording_has_no_times(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    for data in (b"", b"hello", bytes(5000)):
        path.write_bytes(data)
        assert leaf_times(path) == ()


def compare(one: bytes, other: bytes) -> list[tuple[int, bool]]:
    """Each picture's time in milliseconds, and whether both files show the same there."""
    pictures: list[dict[int, bytes]] = []
    for data in (one, other):
        found: dict[int, bytes] = {}
        with av.open(io.BytesIO(data)) as container:
            for packet in container.demux(video=0):
                try:
                    for frame in packet.decode():
                        assert frame.pts is not None
                        assert frame.time_base
                        found[int(frame.pts * frame.time_base * 1000)] = frame.to_ndarray(format="gray").tobytes()
                except av.error.FFmpegError:
                    continue
        pictures.append(found)
    return [(ms, pictures[1].get(ms) == picture) for ms, picture in pictures[0].items()]
