"""What was seen beside another pass changes no byte of a report, is never believed of other bytes, and saves decoding."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from bwc.errors import MediaError
from bwc.media import decode
from bwc.media.decode import Picture, VideoReader
from bwc.media.twins import Twin, twins
from bwc.redact.check import check
from bwc.redact.check_bystander import Bystander
from bwc.redact.check_finders import Finders
from bwc.redact.check_known import Known, known_pictures
from bwc.redact.check_places import places_of
from bwc.redact.check_report import CheckReport
from bwc.redact.plan import DECODING, Box, Coverage, RedactionPlan
from bwc.redact.render import render
from tests.redact.clips import MagentaFinder, Memory, Pipe, make_clip, plan_for, regular, walker
from tests.redact.test_render_groups import b_frames

FINDERS = Finders(coarse=(MagentaFinder(),), fine=(), close=(MagentaFinder(),))
COUNT, STEP = 75, 3003  # groups of 15


def shown(*spans: tuple[int, int]) -> bytes:
    """A clip in which the walker shows in those frames."""

    def path(ordinal: int) -> Box | None:
        return walker(ordinal) if any(first <= ordinal < stop for first, stop in spans) else None

    return make_clip(pts=regular(COUNT), subjects=(path,), audio=False)


def plan_of(source: bytes, *spans: tuple[int, int]) -> RedactionPlan:
    return plan_for(source, pts=regular(COUNT), spans=spans, extensions={DECODING: {"damaged": []}})


def rendered(source: bytes, plan: RedactionPlan) -> bytes:
    out = Pipe()
    render(io.BytesIO(source), plan, out, Memory)
    return out.data


def watched(source: bytes, stride: int | None, finders: Finders = FINDERS) -> Bystander:
    bystander = Bystander(Memory, stride=stride, finders=finders)
    reader = VideoReader(io.BytesIO(source), borrow=True)
    assert reader.facts.video is not None
    bystander.begins(reader.facts.video)
    reader.onlooker = bystander
    for _ in reader.frames():
        pass
    bystander.ends()
    return bystander


def checked(source: bytes, copy: bytes, plan: RedactionPlan, stride: int | None, seen: bytes | None) -> CheckReport:
    files = io.BytesIO(source), io.BytesIO(copy)
    if seen is None:
        return check(*files, plan, stride=stride, finders=FINDERS)
    with watched(seen, stride) as bystander:
        return check(*files, plan, stride=stride, finders=FINDERS, bystander=bystander)


def known(source: bytes, copy: bytes, plan: RedactionPlan, stride: int, seen: bytes) -> Known:
    with watched(seen, stride) as bystander:
        groups = twins(io.BytesIO(source), io.BytesIO(copy))
        return known_pictures(groups, plan.media, Coverage(plan), places_of(plan), bystander)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures get pixels."""
    counts = [0]
    whole = decode.planes_of

    def counting(*args: object, **kwargs: object) -> object:
        counts[0] += 1
        return whole(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(decode, "planes_of", counting)
    return counts


@pytest.mark.parametrize("stride", [1, 5, 10])
@pytest.mark.parametrize(
    ("visible", "hidden"),
    [
        ([(16, 28)], [(16, 28)]),  # all is well
        ([(16, 28), (47, 52)], [(16, 28)]),  # somebody in a group that was copied
        ([(16, 28)], [(16, 22)]),  # the plan stops too early
        ([(25, 34)], [(20, 25)]),  # and goes on in a group where it is nobody's turn while the person shows
        ([(3, 64)], [(0, 20), (40, 64)]),
    ],
)
def test_the_report_is_the_same_to_the_last_byte(
    visible: Sequence[tuple[int, int]], hidden: Sequence[tuple[int, int]], stride: int
) -> None:
    source = shown(*visible)
    plan = plan_of(source, *hidden)
    copy = rendered(source, plan)
    alone, beside = (checked(source, copy, plan, stride, seen) for seen in (None, source))
    assert beside.to_bytes() == alone.to_bytes()


def test_copied_groups_without_anybody_are_not_decoded_nor_is_the_original(decoded: list[int]) -> None:
    source = shown((16, 28))
    plan = plan_of(source, (16, 28))
    copy = rendered(source, plan)
    with watched(source, 5) as bystander:
        decoded[0] = 0
        report = check(io.BytesIO(source), io.BytesIO(copy), plan, stride=5, finders=FINDERS, bystander=bystander)
    # The copy's group 0 (user data was taken out of it), 1 (the walker) and the head of 2 (where the walker may go on);
    # without a bystander all of the copy and the original's groups 0 and 1
    assert decoded[0] == 15 + 15 + 10
    assert (report.frames, report.frames_checked) == (COUNT, 15)
    found = known(source, copy, plan, 5, source)
    assert found.same == ((30 * STEP, 74 * STEP),)
    assert found.original == ((0, 74 * STEP),)
    assert found.copy == ((40 * STEP, 74 * STEP),)


def test_what_lies_under_a_cover_is_decoded_where_somebody_is_seen_beside_it(decoded: list[int]) -> None:
    source = shown((16, 28))
    plan = plan_of(source, (16, 22))
    copy = rendered(source, plan)
    with watched(source, 5) as bystander:
        decoded[0] = 0
        report = check(io.BytesIO(source), io.BytesIO(copy), plan, stride=5, finders=FINDERS, bystander=bystander)
    assert report.suspects
    # of the copy group 2 as far as the walker may go on, of the original's group 1 what comes up to frame 21, hidden last
    assert decoded[0] == (15 + 15 + 4) + 7


def test_what_was_seen_of_other_bytes_is_not_believed() -> None:
    source, other = shown((16, 28)), make_clip(pts=regular(COUNT), subjects=(), audio=False, seed=2)
    plan = plan_of(source, (16, 28))
    copy = rendered(source, plan)
    assert known(source, copy, plan, 5, other).copy == ()
    assert checked(source, copy, plan, 5, other).to_bytes() == checked(source, copy, plan, 5, None).to_bytes()


def test_a_picture_that_differs_is_found_by_its_small_one_too() -> None:
    source = shown((16, 28))
    plan = plan_of(source, (16, 28))
    brighter = make_clip(pts=regular(COUNT), subjects=(), audio=False, seed=3)
    reports = [checked(source, brighter, plan, 5, seen) for seen in (None, source)]
    assert reports[0].to_bytes() == reports[1].to_bytes()
    assert {one.fault.value for one in reports[1].faults} >= {"picture-differs"}


def test_a_group_with_a_picture_that_is_damaged_or_missing_is_not_known() -> None:
    source = shown((16, 28))
    plan = plan_of(source, (16, 28))
    copy = rendered(source, plan)

    class Torn(VideoReader):
        def frames(self, start_ordinal: int = 0) -> Iterator[Picture]:
            for picture in super().frames(start_ordinal):
                if self.onlooker is not None and picture.ordinal == 40:
                    self.onlooker.shown(replace(picture, damaged=True))
                yield picture

    bystander = Bystander(Memory, stride=5, finders=FINDERS)
    with bystander:
        reader = Torn(io.BytesIO(source))
        assert reader.facts.video is not None
        bystander.begins(reader.facts.video)
        reader.onlooker = bystander
        for _ in reader.frames():
            pass
        bystander.ends()
        groups = twins(io.BytesIO(source), io.BytesIO(copy))
        found = known_pictures(groups, plan.media, Coverage(plan), places_of(plan), bystander)
    assert not any(first <= 40 * STEP <= last for first, last in found.copy)
    assert any(first <= 50 * STEP <= last for first, last in found.copy)


def test_pictures_stored_in_another_order_are_not_followed() -> None:
    with watched(b_frames(), None) as bystander:
        assert not any(bystander.knows(Twin(0, 9, 10, b"", None), *size) for size in ((48, 64), (0, 0)))


def test_an_error_of_a_finder_is_not_lost() -> None:
    class Broken(MagentaFinder):
        def detect(self, bgr: object) -> list[object]:  # type: ignore[override]
            raise MediaError("broken")

    with pytest.raises(MediaError, match="broken"):
        watched(shown((16, 28)), 5, Finders(coarse=(Broken(),), fine=(), close=()))


def test_what_is_kept_is_given_up_at_the_end() -> None:
    Memory.opened = Memory.closed = 0
    with watched(shown((16, 28)), 5):
        pass
    assert (Memory.opened, Memory.closed) == (1, 1)
