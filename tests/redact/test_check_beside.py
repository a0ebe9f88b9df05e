"""The recogniser of the check is opened when all pictures are searched and what searched them rests; at no other time."""

import io
import threading
from collections.abc import Callable

import numpy as np
import pytest

from bwc.media.mono import Floats
from bwc.redact.check import check
from bwc.redact.check_finders import Finders
from bwc.redact.detectors.base import Detection, Picture8
from bwc.redact.detectors.finder import Finder
from bwc.redact.render import render
from bwc.redact.speech.heard import Word
from bwc.redact.speech.listen import Hearing
from tests.redact.clips import MagentaFinder, Memory, Pipe
from tests.redact.spoken import CLIP, Reader, bare_plan, hearing

DATA = CLIP.read_bytes()


class _Told(MagentaFinder):
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def detect(self, bgr: Picture8) -> list[Detection]:
        self._told.append("searched")
        return super().detect(bgr)

    def rest(self) -> None:
        self._told.append("rested")


class _Broken(_Told):
    def detect(self, bgr: Picture8) -> list[Detection]:
        raise RuntimeError("a detector is broken")


def _hearing(told: list[str]) -> Hearing:
    def opened() -> Reader:
        told.append("opened")
        return Reader()

    return Hearing(opened)


def _check(finder: Callable[[list[str]], _Told], told: list[str]) -> None:
    plan = bare_plan()
    copy = Pipe()
    render(io.BytesIO(DATA), plan, copy, Memory)
    finders = Finders(coarse=(finder(told),), fine=(), close=(finder(told),))
    check(io.BytesIO(DATA), io.BytesIO(copy.data), plan, finders=finders, hearing=_hearing(told))


def test_the_recogniser_comes_after_the_pictures() -> None:
    told: list[str] = []
    _check(_Told, told)
    searched = told.count("searched")
    assert searched > 1
    assert told == ["searched"] * searched + ["rested"] * 2 + ["opened"]


def test_who_waits_for_pictures_that_failed_does_not_wait_for_ever() -> None:
    done = threading.Event()

    def run() -> None:
        with pytest.raises(RuntimeError, match="broken"):
            _check(_Broken, [])
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(60)


def test_a_hearing_that_waits_is_not_asked_where_no_voice_is_and_opens_once() -> None:
    asked: list[int] = []
    later = hearing().after(lambda: asked.append(1))
    assert not asked
    silence: Floats = np.zeros(16_000, np.float32)
    words: list[Word] = later.words(silence)
    assert later.words(silence) == words
    assert asked == [1]
    assert later.describe()
    assert later.after(lambda: asked.append(2)) is later  # it is open already
    deaf = Hearing(None, "why")
    assert deaf.after(lambda: None) is deaf


def test_a_network_that_rested_finds_the_same() -> None:
    finder = Finder.open((320,))
    picture = np.random.default_rng(3).integers(0, 255, (180, 320, 3), np.uint8)
    picture[60:120, 120:200] = 230
    low = Finder(finder.source, (320,), {"plate": 0.0001, "head": 0.0001})
    before = low.detect(picture)
    low.rest()
    assert low.detect(picture) == before
    assert before
