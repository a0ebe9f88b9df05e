"""The check's search holds a few pictures, however long the recording, and finds the same however many wait."""

import gc
import io
import random
from dataclasses import replace

import pytest

from bwc.media.decode import VideoReader
from bwc.redact.check_finders import Finders
from bwc.redact.check_search import Search
from bwc.redact.check_sight import Hit
from bwc.redact.check_trail import _Sample
from bwc.redact.detectors.base import Detection, Picture8
from bwc.redact.plan import Coverage
from tests.redact.clips import FRAMES, MagentaFinder, make_clip, plan_for, regular
from tests.redact.test_check import checked, rendered


@pytest.fixture(scope="module")
def source() -> bytes:
    return make_clip()


@pytest.mark.parametrize("stride", [1, 4])
def test_how_many_pictures_wait_and_what_is_asked_early_change_nothing(
    source: bytes, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    plan = plan_for(source, spans=((0, 18), (30, FRAMES)))
    copy = rendered(source, plan)
    found = []
    for waiting in (0, 2, 40):
        monkeypatch.setattr("bwc.redact.check_search._WAITING", waiting)
        monkeypatch.setattr("bwc.redact.check_search.pictures_ahead", lambda width, height, most: most)
        found.append(checked(source, copy, plan, stride=stride))
    assert found[0].measures["cutouts"] > 0 or stride == 1
    assert found[0].suspects
    assert found[0].to_bytes() == found[1].to_bytes() == found[2].to_bytes()


def most_held(source: bytes, frames: int) -> int:
    """The most cut-outs and hits held at once by a search of `frames` frames, in which covers end all the time."""
    times = regular(frames)
    plan = plan_for(source, pts=times, spans=[(start, start + 4) for start in range(0, frames, 15)])
    (track,) = plan.tracks
    plan = replace(
        plan, tracks=tuple(replace(track, id=f"t{place}", spans=(span,)) for place, span in enumerate(track.spans))
    )
    picture = next(iter(VideoReader(io.BytesIO(source)).frames()))
    covers, most = Coverage(plan), 0
    finder = FlickeringFinder()
    with Search(plan, Finders(coarse=(finder,), fine=(), close=(finder,)), 2) as search:
        for ordinal in range(frames):
            search.look(picture, ordinal, covers.at(ordinal), (), picture)
            if ordinal % 15 == 0:
                most = max(most, sum(isinstance(one, (_Sample, Hit)) for one in gc.get_objects()))
        search.finish()
    return most


class FlickeringFinder(MagentaFinder):
    """Has one weak hit in every picture, each somewhere else: chains that prove nothing."""

    def __init__(self) -> None:
        self._chance = random.Random(1)

    def detect(self, bgr: Picture8) -> list[Detection]:
        x, y = self._chance.choices(range(200), k=2)
        return [Detection((x, y, x + 30, y + 30), 0.3, "face")]


def test_what_a_search_holds_does_not_grow_with_the_recording(source: bytes) -> None:
    # The search's threads share the finder's chance, so the peaks of two searches differ by a third; what is kept for
    # every frame would make the second eight times as much.
    assert most_held(source, 1200) <= 2 * most_held(source, 150)
