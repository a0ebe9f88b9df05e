"""An interrupted analysis goes on from what detectors had answered, to the very same plan."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bwc.redact import answers, detect
from bwc.redact.answers import BLOCK, Answers
from bwc.redact.detect import analyse
from bwc.redact.detectors.base import Detection
from bwc.redact.lookout import Lookout
from bwc.redact.plan_format import to_bytes
from bwc.redact.profiles import PROFILES
from bwc.roles import Policy
from tests.redact.test_detect import GreenFinder, recording, walking

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Kept(dict[str, bytes]):
    """Pieces in memory."""

    def put(self, name: str, data: bytes) -> None:
        self[name] = data


class Stopped(BaseException):
    """The process was killed."""


class Mortal(GreenFinder):
    """Dies at its `last` look."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def detect(self, bgr):  # type: ignore[no-untyped-def]
        if self.looks >= self.last:
            raise Stopped
        return super().detect(bgr)


def detection(number: int) -> Detection:
    return Detection((number + 1 / 3, 2.0, 30.5, 40.1), 0.1 + number / 1000, "face")


def test_answers_are_kept_in_blocks_and_read_the_same_again() -> None:
    kept = Kept()
    first = Answers(kept, {"recording": "a"})
    for look in range(BLOCK * 2 + 3):
        first.add(look, 100 * look, [detection(look)])
    again = Answers(kept, {"recording": "a"})
    assert again.known == BLOCK * 2
    assert all(again.get(look, 100 * look) == [detection(look)] for look in range(BLOCK * 2))
    assert again.get(BLOCK * 2, 200 * BLOCK) is None


def test_answers_of_something_else_are_not_taken() -> None:
    kept = Kept()
    first = Answers(kept, {"recording": "a"})
    for look in range(BLOCK):
        first.add(look, look, [])
    assert Answers(kept, {"recording": "b"}).known == 0


def test_from_a_look_at_another_picture_on_nothing_is_taken_and_all_is_kept_anew() -> None:
    kept = Kept()
    first = Answers(kept, {"recording": "a"})
    for look in range(2 * BLOCK):
        first.add(look, look, [detection(look)])
    again = Answers(kept, {"recording": "a"})
    assert again.get(4, 4) == [detection(4)]
    assert again.get(5, 7) is None
    assert again.get(6, 6) is None
    assert again.known == 5
    for look in range(2 * BLOCK):
        again.add(look, look if look < 5 else look + 2, [detection(look if look < 5 else 0)])
    last = Answers(kept, {"recording": "a"})
    assert [last.get(look, look + 2) for look in range(5, 2 * BLOCK)] == [[detection(0)]] * (2 * BLOCK - 5)
    assert last.get(0, 0) == [detection(0)]


def test_after_a_kill_the_same_plan_comes_out_and_nothing_is_asked_twice() -> None:
    frames = 15 * (BLOCK + 6)  # a quiet picture of somebody well known is looked at every fifteenth
    clip = recording(walking, frames)

    def plan(finder: GreenFinder, kept: Kept | None) -> bytes:
        clip.seek(0)
        made = analyse(
            clip,
            content_sha256="ab" * 32,
            item=None,
            segment=0,
            policy=Policy(),
            now=NOON,
            lookout=Lookout((finder,), (finder,)),
            pieces=kept,  # type: ignore[arg-type]
        )
        return to_bytes(made)

    first = GreenFinder()
    undisturbed = plan(first, None)
    kept = Kept()
    with pytest.raises(Stopped):
        plan(Mortal(BLOCK + 4), kept)
    assert len(kept) == 1
    rest = GreenFinder()
    assert plan(rest, kept) == undisturbed
    assert rest.looks == first.looks - BLOCK


def test_work_of_another_build_or_of_another_profile_of_that_name_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clip, kept = recording(walking, 10), Kept()
    monkeypatch.setattr(answers, "BLOCK", 1)
    assert (looks(clip, kept), looks(clip, kept)) == (3, 0)
    with monkeypatch.context() as patch:
        patch.setattr(detect, "work_of", lambda: {"code_sha256": "other"})
        assert looks(clip, kept) == 3
    monkeypatch.setitem(PROFILES, "balanced", replace(PROFILES["balanced"], face_new=0.21))
    assert looks(clip, kept) == 3


def looks(clip: io.BytesIO, kept: Kept) -> int:
    """How often detectors were asked."""
    finder = GreenFinder()
    clip.seek(0)
    analyse(
        clip,
        content_sha256="ab" * 32,
        item=None,
        segment=0,
        policy=Policy(),
        now=NOON,
        lookout=Lookout((finder,), (finder,)),
        pieces=kept,
    )
    return finder.looks
