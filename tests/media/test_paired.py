"""Two pictures decoded at a time: the same pictures, times, vectors and losses as by one thread, also of a recording that is damaged."""

import hashlib
import io
import random

import av.logging
import pytest

from bwc.media.decode import VideoReader
from bwc.media.facts import VideoFacts
from bwc.media.paired import PairedDecoder, Unsound
from bwc.media.source import Source
from bwc.media.twins import Spans
from tests.media import clips

_PARTS = ("source", "w", "h", "src_x", "src_y", "dst_x", "dst_y", "motion_x", "motion_y")  # between them lies padding


class _Onlooker:
    def __init__(self) -> None:
        self.packets: list[tuple[int | None, bytes, bool]] = []
        self.pictures: list[tuple[int, int]] = []

    def begins(self, video: VideoFacts) -> None: ...

    def coded(self, pts: int | None, data: bytes, *, is_key: bool) -> None:
        self.packets.append((pts, data, is_key))

    def shown(self, picture: object) -> None:
        self.pictures.append((picture.ordinal, picture.pts))  # type: ignore[attr-defined]


def _read(data: bytes, *, paired: bool, known: Spans = ()) -> tuple[object, ...]:
    reader = VideoReader(io.BytesIO(data), motion_vectors=True, borrow=True, paired=paired)
    reader.known = known
    reader.onlooker = onlooker = _Onlooker()
    rows = []
    for picture in reader.frames():
        digest = hashlib.sha256(picture.y.tobytes() + picture.u.tobytes() + picture.v.tobytes())
        for part in _PARTS if picture.motion is not None else ():
            digest.update(picture.motion[part].tobytes())
        rows.append((picture.ordinal, picture.pts, picture.damaged, picture.keyframe, digest.digest()))
    return rows, reader.lost, reader.retimed, reader.damaged, onlooker.packets, onlooker.pictures


def _sound() -> bytes:
    options = {"bf": "0", "g": "12", "qp": "4"}
    return clips.clip(pts=list(range(0, 60 * 3000, 3000)), size=(320, 192), options=options)


def _damaged(seed: int) -> bytes:
    data, chance = bytearray(_sound()), random.Random(seed)
    begin, end = data.index(b"mdat") + 4, data.index(b"moov")
    for _ in range(1 + seed % 3):
        at = chance.randrange(begin, end - 50)
        data[at : at + 40] = chance.randbytes(40)
    return bytes(data)


def _count_paired(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    pushed: list[int] = []
    push = PairedDecoder.push
    monkeypatch.setattr(PairedDecoder, "push", lambda self, packet: (pushed.append(1), push(self, packet))[1])
    return pushed


def test_a_sound_recording_gives_the_same_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = _count_paired(monkeypatch)
    found = _read(_sound(), paired=True)
    assert len(pushed) == 60  # all of it
    assert found == _read(_sound(), paired=False)
    assert len(found[5]) == 60  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_recording_gives_the_same_and_the_onlooker_is_told_once(seed: int) -> None:
    data = _damaged(seed)
    found = _read(data, paired=True)
    assert found == _read(data, paired=False)
    assert [pts for pts, _, _ in found[4]] == sorted({pts for pts, _, _ in found[4]})  # type: ignore[attr-defined]


def test_pictures_stored_in_another_order_are_left_to_one_thread() -> None:
    data = clips.clip(pts=list(range(0, 30 * 3000, 3000)), options={"bf": "3", "g": "12"})
    assert _read(data, paired=True) == _read(data, paired=False)


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
def test_groups_that_are_known_are_passed_over_alike(seed: int | None) -> None:
    data = _sound() if seed is None else _damaged(seed)
    reader = VideoReader(io.BytesIO(data))
    pts = [picture.pts for picture in reader.frames()]
    known = ((pts[12], pts[23]), (pts[36], pts[47]))
    found = _read(data, paired=True, known=known)
    assert found == _read(data, paired=False, known=known)
    assert len(found[0]) > 30  # type: ignore[arg-type]


def test_a_tail_that_was_declared_and_is_not_there_is_no_reason_to_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = _count_paired(monkeypatch)
    monkeypatch.setattr("bwc.media.source._declared_end", lambda stream: 90_000 * 60)
    found = _read(_sound(), paired=True)
    assert len(pushed) == 60
    assert len(found[1]) == 1  # type: ignore[arg-type]


def test_trouble_is_raised_before_anything_of_it_is_given_out() -> None:
    data = _damaged(1)
    with Source(io.BytesIO(data)) as source:
        stream = source.picture()
        decoder = PairedDecoder(stream)
        given: list[bool] = []

        def push_all() -> None:
            for packet in source.packets(stream):
                given.extend(one.damaged for one in decoder.push(packet))

        with pytest.raises(Unsound):
            push_all()
        stream.codec_context.flush_buffers()
    assert given
    assert not any(given)


def test_the_library_s_last_words_are_heard_again_afterwards() -> None:
    _read(_sound(), paired=True)
    assert av.logging.get_level() == av.logging.PANIC
    pictures = VideoReader(io.BytesIO(_sound()), paired=True).frames()
    next(pictures)
    assert av.logging.get_level() is None
    pictures.close()
    assert av.logging.get_level() == av.logging.PANIC
