"""A check says what it did not look at."""

from dataclasses import replace

import pytest

from bwc.redact import plan_edit
from bwc.redact.plan import DAMAGED, DetectorInfo, Doubt
from tests.redact.clips import NOON, make_clip, plan_for
from tests.redact.test_check import checked, rendered


@pytest.fixture(scope="module")
def source() -> bytes:
    return make_clip()


@pytest.fixture(scope="module")
def good(source: bytes) -> bytes:
    return rendered(source, plan_for(source))


def test_a_wider_stride_than_usual_is_said(source: bytes, good: bytes) -> None:
    assert not [line for line in checked(source, good, plan_for(source)).not_checked if "whole pictures" in line]
    (line,) = [one for one in checked(source, good, plan_for(source), stride=20).not_checked if "whole pictures" in one]
    assert line == "faces and plates between whole pictures: one frame in 20 was searched, usual is one in 5"


def test_what_the_check_has_no_second_opinion_on_is_said(source: bytes, good: bytes) -> None:
    plan = plan_for(source)
    alone = "no detector of the check knows them; only gaps within a track are found"
    assert not [line for line in checked(source, good, plan).not_checked if alone in line]
    looked_for = {"centerface": (), "bwc_finder": ("plate", "head", "screen", "paper"), "ppocr_text": ()}
    made_by = tuple(
        DetectorInfo(
            name=name,
            package="-",
            file_sha256="00" * 32,
            licence="-",
            precision="-",
            settings={f"{kind}_threshold_permille": 300 for kind in kinds},
        )
        for name, kinds in looked_for.items()
    )
    drawn = plan_edit.add_mask(plan, {0: (0, 0, 20, 20)}, last=3, by="k", at=NOON)
    more = replace(drawn.tracks[0], id="t9", class_="tattoo")
    plan = replace(drawn, detectors=made_by, tracks=(*drawn.tracks, more))
    said = [line for line in checked(source, rendered(source, plan), plan).not_checked if alone in line]
    assert said == [
        f"{what}: {alone}"
        for what in ("heads that show no face", "papers and cards", "screens", "tattoo", "lines of text")
    ]


def test_frames_that_decode_with_errors_are_said(source: bytes, good: bytes) -> None:
    plan = plan_for(source, doubts=(Doubt(code=DAMAGED, first=3, stop=9), Doubt(code=DAMAGED, first=12, stop=13)))
    (line,) = [one for one in checked(source, rendered(source, plan), plan).not_checked if "errors" in one]
    assert line.startswith(f"pictures as they were: 7 of {plan.media.frames} frames decode with errors")
