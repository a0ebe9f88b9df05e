"""Sound is judged alike in whatever pieces it is decoded."""

import io

import pytest

from bwc.media.decode import VideoReader
from bwc.redact import check_sound
from bwc.redact.check_sound import Loudness, hear
from tests.redact.clips import make_clip

MS = 1_000_000


def heard(data: bytes, at_once: int, monkeypatch: pytest.MonkeyPatch) -> Loudness:
    monkeypatch.setattr(check_sound, "_AT_ONCE", at_once)
    (track,) = VideoReader(io.BytesIO(data)).facts.audio
    return hear(io.BytesIO(data), track.stream, [(300 * MS, 500 * MS)], bleeped=[(700 * MS, 900 * MS)])


def test_some_packets_at_a_time_sound_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_clip()
    one, many = (heard(source, count, monkeypatch) for count in (1, 32))
    assert (one.start, one.end, one.rate, one.channels, one.counts) == (
        many.start,
        many.end,
        many.rate,
        many.channels,
        many.counts,
    )
    assert one.loudest_muted == many.loudest_muted > 0.1
    assert one.beside_bleep == pytest.approx(many.beside_bleep, abs=0.05)
    for place in one.counts:
        assert one.window(place, 0) == pytest.approx(many.window(place, 0), rel=1e-9)
        assert one.window(place, 1) == pytest.approx(many.window(place, 1), rel=0.1)
