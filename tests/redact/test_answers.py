"""An interrupted analysis goes on from what detectors had answered, to the very same plan."""

from datetime import UTC, datetime

import pytest

from bwc.redact.answers import BLOCK, Answers
from bwc.redact.detect import Lookout, analyse
from bwc.redact.detectors.base import Detection
from bwc.redact.plan_format import to_bytes
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
        first.add(look, [detection(look)])
    again = Answers(kept, {"recording": "a"})
    assert again.known == BLOCK * 2
    assert all(again.get(look) == [detection(look)] for look in range(BLOCK * 2))
    assert again.get(BLOCK * 2) is None


def test_answers_of_something_else_are_not_taken() -> None:
    kept = Kept()
    first = Answers(kept, {"recording": "a"})
    for look in range(BLOCK):
        first.add(look, [])
    assert Answers(kept, {"recording": "b"}).known == 0


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
