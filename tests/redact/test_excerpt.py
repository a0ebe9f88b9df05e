"""Only a part: its frames and sound and nothing else of the recording, at times from zero; judged as that part."""

import io
from fractions import Fraction

import numpy as np
import pytest

from bwc.errors import UsageError
from bwc.media.decode import VideoReader
from bwc.media.mp4_check import check_boxes
from bwc.media.pcm import decode_sound
from bwc.redact.check import check
from bwc.redact.check_search import Finders
from bwc.redact.excerpt import Excerpt, excerpt_of, from_zero, plan_of
from bwc.redact.plan import RedactionPlan
from bwc.redact.render import RenderResult, render
from tests.redact.clips import FRAMES, MagentaFinder, Memory, Pipe, make_clip, plan_for

S = 1_000_000_000
FINDERS = Finders(coarse=(MagentaFinder(),), fine=(), close=(MagentaFinder(),))


def rendered(data: bytes, plan: RedactionPlan, excerpt: Excerpt) -> tuple[bytes, RenderResult]:
    out = Pipe()
    result = render(io.BytesIO(data), plan, out, Memory, excerpt=excerpt)
    return out.data, result


def pictures(data: bytes) -> list:  # type: ignore[type-arg]
    return list(VideoReader(io.BytesIO(data)).frames())


def heard(data: bytes) -> tuple[Fraction, Fraction]:
    parts = [
        (when, when + Fraction(samples.shape[1], rate)) for when, samples, rate in decode_sound(io.BytesIO(data), 1)
    ]
    return parts[0][0], parts[-1][1]


def test_an_excerpt_holds_the_frames_that_begin_in_the_span() -> None:
    plan = plan_for(make_clip())  # 30 frames a second
    assert Excerpt.between(plan, int(0.5 * S), 1 * S).facts() == (15, 30)
    assert Excerpt.between(plan, int(0.49 * S), None).facts() == (15, FRAMES)
    assert Excerpt.between(plan, None, int(0.1 * S)).facts() == (0, 3)


@pytest.mark.parametrize(("start", "end"), [(9 * S, None), (1 * S, 1 * S), (int(0.51 * S), int(0.52 * S))])
def test_a_span_without_a_frame_is_refused(start: int, end: int | None) -> None:
    with pytest.raises(UsageError):
        Excerpt.between(plan_for(make_clip()), start, end)


def test_nothing_but_the_part_is_in_the_file() -> None:
    source = make_clip()
    plan = plan_for(source)
    part = Excerpt.between(plan, int(0.5 * S), int(1.2 * S))
    copy, result = rendered(source, plan, part)
    assert check_boxes(io.BytesIO(copy)) == []
    assert result.frames == part.stop - part.first
    assert result.way == "full"
    made, origin = pictures(copy), pictures(source)[part.first : part.stop]
    assert [one.seconds for one in made] == [one.seconds - part.start for one in origin]
    assert made[0].seconds == 0
    for before, after in zip(origin, made, strict=True):
        assert np.abs(after.y[160:].astype(int) - before.y[160:].astype(int)).mean() < 4
    begin, end = heard(copy)
    assert abs(begin) < Fraction(1, 1000)
    assert abs(end - (part.end - part.start)) < Fraction(30, 1000)


def test_the_part_is_checked_as_the_part_and_its_suspects_named_by_the_recording() -> None:
    source = make_clip()
    plan = plan_for(source, spans=((0, 20), (30, FRAMES)))  # nothing hides the walker in between
    part = Excerpt.between(plan, int(0.4 * S), int(1.3 * S))
    copy, _ = rendered(source, plan, part)
    report = check(io.BytesIO(source), io.BytesIO(copy), plan, finders=FINDERS, excerpt=part)
    assert report.faults == ()
    (suspect,) = report.suspects
    assert (suspect.first, suspect.last) == (20, 29)
    assert {box[0] for box in suspect.boxes} == set(range(20, 30))
    assert report.measures["excerpt_first"] == part.first
    assert report.frames == part.stop - part.first


def test_another_part_is_a_fault() -> None:
    source = make_clip()
    plan = plan_for(source)
    copy, _ = rendered(source, plan, Excerpt.of_frames(plan, 5, 25))
    for wrong in (Excerpt.of_frames(plan, 6, 26), Excerpt.of_frames(plan, 5, 24), None):
        report = check(io.BytesIO(source), io.BytesIO(copy), plan, finders=FINDERS, excerpt=wrong)
        assert report.faults


def test_the_plan_of_a_part_covers_what_the_whole_covers() -> None:
    plan = plan_for(make_clip(), spans=((0, 20), (30, FRAMES)))
    part = plan_of(plan, Excerpt.of_frames(plan, 10, 35))
    assert [(span.first, span.stop) for span in part.tracks[0].spans] == [(0, 10), (20, 25)]
    assert part.tracks[0].spans[1].boxes[0] == plan.tracks[0].spans[1].boxes[0]
    assert from_zero(plan, Excerpt.of_frames(plan, 10, 35)).media.pts.start == 0


def test_a_copy_says_which_part_it_is() -> None:
    plan = plan_for(make_clip())
    assert excerpt_of(plan, {}) is None
    assert excerpt_of(plan, {"excerpt": [3, 9]}) == Excerpt.of_frames(plan, 3, 9)
