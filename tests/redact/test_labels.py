"""Words on covers: where they fit, what they say, and that the check tells them from a leak."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest

from bwc.errors import UsageError
from bwc.evidence import Choice
from bwc.media.decode import VideoReader
from bwc.redact import plan_edit
from bwc.redact.check_cover import flaws_of_covers
from bwc.redact.labels import MARGIN, Label, Labels, placed
from bwc.redact.plan import Box, Coverage, Effect, EffectKind, RedactionPlan, labels_of
from bwc.redact.plan_format import from_bytes, to_bytes
from tests.redact.clips import FRAMES, NOON, make_clip, plan_for
from tests.redact.test_check import checked, rendered

SIZE = (640, 480)


def large(ordinal: int) -> Box:
    return 40 + 4 * ordinal, 100, 240 + 4 * ordinal, 320


def ascii_of(label: Label) -> str:
    return "\n".join("".join(".#"[point] for point in row) for row in label.points())


def test_letters_are_readable() -> None:
    (label,) = placed([((0, 0, 60, 40), "a1")])
    assert ascii_of(label) == (
        ".###....#..\n#...#..##..\n#...#...#..\n#####...#..\n#...#...#..\n#...#...#..\n#...#..###."
    )


@pytest.mark.parametrize(
    ("box", "words", "lines", "scale"),
    [
        ((0, 0, 240, 120), "face", ("FACE",), 4),
        ((0, 0, 100, 120), "face", ("FACE",), 3),
        ((0, 0, 48, 60), "face", ("FACE",), 1),
        ((0, 0, 46, 60), "face", None, 0),  # no room
        ((0, 0, 240, 30), "face", None, 0),
        ((0, 0, 120, 120), "RCW 42.56.240(14)", ("RCW", "42.56.240(14)"), 1),
        ((0, 0, 400, 60), "RCW 42.56.240(14)", ("RCW 42.56.240(14)",), 3),
        ((0, 0, 240, 120), "", None, 0),
        ((0, 0, 240, 120), "\u00fc\n\u5f20", None, 0),  # no such letters
    ],
)
def test_a_label_is_as_large_as_fits_in_the_middle_of_its_cover(
    box: Box, words: str, lines: tuple[str, ...] | None, scale: int
) -> None:
    found = placed([(box, words)])
    assert [(one.lines, one.scale) for one in found] == ([] if lines is None else [(lines, scale)])
    for label in found:
        x0, y0, x1, y1 = label.box
        assert min(x0 - box[0], y0 - box[1], box[2] - x1, box[3] - y1) >= MARGIN
        assert len(label.points()) * scale == y1 - y0
        assert {len(row) * scale for row in label.points()} == {x1 - x0}


def test_a_label_in_the_way_of_an_earlier_one_is_left_out() -> None:
    assert len(placed([((0, 0, 100, 100), "face"), ((20, 10, 120, 110), "face"), ((200, 0, 300, 100), "face")])) == 2


def test_nothing_is_written_unless_the_plan_says_so() -> None:
    plan = plan_for(b"", path=large, size=SIZE)
    assert Coverage(plan).at(0).labels == ()
    shown = plan_edit.labelled(plan, Labels.CLASS)
    assert [one.lines for one in Coverage(shown).at(0).labels] == [("FACE",)]
    assert Coverage(shown).at(0).boxes == Coverage(plan).at(0).boxes
    assert labels_of(from_bytes(to_bytes(shown))) is Labels.CLASS
    assert plan_edit.labelled(shown, Labels.NONE) == plan
    with pytest.raises(UsageError, match="'names'"):
        Coverage(replace(plan, extensions={"labels": {"show": "names"}}))


def test_an_exemption_is_written_where_one_was_given_and_never_a_note() -> None:
    plan = plan_edit.labelled(plan_for(b"", path=large, size=SIZE), Labels.EXEMPTION)
    assert Coverage(plan).at(0).labels == ()
    said = plan_edit.decide(plan, ["t1"], Choice.REDACT, by="k", at=NOON, exemption="(b)(6)", note="Mrs Doe")
    assert [one.lines for one in Coverage(said).at(0).labels] == [("(B)(6)",)]


def test_only_solid_covers_of_single_regions_bear_labels() -> None:
    plan = plan_edit.labelled(plan_for(b"", path=large, size=SIZE), Labels.CLASS)
    blurred = replace(plan, effect=Effect(kind=EffectKind.BLUR))
    assert Coverage(blurred).at(0).labels == ()
    with pytest.raises(UsageError, match="only solid covers"):
        plan_edit.labelled(replace(blurred, extensions={}), Labels.CLASS)
    assert Coverage(replace(plan, effect=Effect(inverse=True))).at(0).labels == ()
    assert Coverage(plan_edit.add_whole_frame(plan, 0, 9, by="k", at=NOON)).at(3).labels == ()


@pytest.fixture(scope="module")
def source() -> bytes:
    return make_clip(subjects=(large,), size=SIZE)


def labelled(
    source: bytes, colour: tuple[int, int, int] = (0, 0, 0), words: str = "RCW 42.56.240(14)"
) -> RedactionPlan:
    plan = plan_edit.labelled(plan_for(source, path=large, size=SIZE), Labels.EXEMPTION)
    plan = replace(plan, effect=Effect(colour=colour))
    return plan_edit.decide(plan, ["t1"], Choice.REDACT, by="k", at=NOON, exemption=words)


@pytest.mark.parametrize("colour", [(0, 0, 0), (32, 64, 128), (255, 255, 255)])
@pytest.mark.parametrize("words", ["(b)(6)", "RCW 42.56.240(14) subsection-14-of-1"])
def test_the_check_takes_a_label_for_what_it_is(source: bytes, colour: tuple[int, int, int], words: str) -> None:
    plan = labelled(source, colour, words)
    copy = rendered(source, plan)
    report = checked(source, copy, plan)
    assert report.findings == ()
    assert report.suspects == ()
    bare = replace(plan, extensions={})
    assert [one.fault.value for one in checked(source, copy, bare).findings] == ["cover-weak"]  # the plan said nothing
    assert checked(source, rendered(source, bare), plan).is_clean  # a label left out is no leak


def test_what_is_not_the_label_shows_through_a_labelled_cover(source: bytes) -> None:
    plan = labelled(source)
    cover = Coverage(plan).at(10)
    picture = list(VideoReader(io.BytesIO(rendered(source, plan))).frames())[10]
    planes = picture.y.copy(), picture.u.copy(), picture.v.copy()
    assert flaws_of_covers(*planes, cover, plan.effect) == []
    (label,) = cover.labels
    x0, y0, x1, y1 = label.box
    rng = np.random.default_rng(1)
    face = cv2.resize(rng.integers(0, 255, (6, 8), np.uint8), (x1 - x0, y1 - y0))
    under = planes[0].copy()
    under[y0:y1, x0:x1] = face
    assert flaws_of_covers(under, planes[1], planes[2], cover, plan.effect)
    mixed = planes[0].copy()
    mixed[y0:y1, x0:x1] = np.maximum(mixed[y0:y1, x0:x1], face // 2)
    assert flaws_of_covers(mixed, planes[1], planes[2], cover, plan.effect)
    tinted = planes[1].copy()
    tinted[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = face[::2, ::2][: y1 // 2 - y0 // 2, : x1 // 2 - x0 // 2]
    assert flaws_of_covers(planes[0], tinted, planes[2], cover, plan.effect)
    beside = planes[0].copy()
    beside[y1 + 6 : y1 + 40, x0:x1] = 90
    assert flaws_of_covers(beside, planes[1], planes[2], cover, plan.effect)


def test_labels_do_not_depend_on_what_is_under_the_cover(source: bytes) -> None:
    other = make_clip(subjects=(lambda ordinal: large(FRAMES - 1 - ordinal),), size=SIZE)
    labels = [Coverage(labelled(data)).at(20).labels for data in (source, other)]
    assert labels[0] == labels[1] != ()


def test_what_a_person_covers_is_labelled_by_its_class_where_that_is_known() -> None:
    bare = plan_for(make_clip(), spans=(), extensions={"labels": {"show": "class"}})
    for class_, said in ((plan_edit.MANUAL, "MANUAL"), ("face", "FACE")):
        plan = plan_edit.add_mask(bare, {0: (0, 0, 200, 100)}, last=3, class_=class_, by="k", at=NOON)
        (label,) = Coverage(plan).at(0).labels
        assert label.lines == (said,)
