"""Smart render: what has nothing to hide is copied bit for bit, the rest encoded, and where it is not safe nothing is."""

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from bwc.jobs import Jobs
from bwc.media.gops import CodedPictures
from bwc.media.mp4_check import check_boxes
from bwc.media.parameter_sets import ParameterSets, read_sps
from bwc.redact import plan_edit, render_groups
from bwc.redact.plan import DECODING, Effect, RedactionPlan
from bwc.redact.render import Way, render
from bwc.redact.rendering import RenderResult
from tests.media import clips
from tests.redact.clips import NOON, Memory, Pipe, make_clip, plan_for

FRAMES, GROUP = 60, 10
CLEAN = {DECODING: {"damaged": []}}
BOX = (8, 8, 40, 40)


def plan(
    data: bytes, spans: Sequence[tuple[int, int]], *, extensions: object = CLEAN, size: tuple[int, int] = (64, 48)
) -> RedactionPlan:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        times = sorted(packet.pts for packet in container.demux(video=0) if packet.size and not packet.is_discard)
        base = stream.time_base
    return plan_for(data, pts=times, spans=spans, path=lambda _: BOX, size=size, time_base=base, extensions=extensions)


def closed(pts: Sequence[int] = tuple(range(0, FRAMES * 3000, 3000)), **settings: object) -> bytes:
    """A recording of closed groups of ten, without B-frames or user data."""
    return clips.our_mp4(pts, keys=range(0, len(pts), GROUP), **settings)


def rendered(data: bytes, wanted: RedactionPlan, jobs: Jobs | None = None) -> tuple[bytes, RenderResult]:
    out = Pipe()
    result = render(io.BytesIO(data), wanted, out, Memory, jobs=jobs)
    assert check_boxes(io.BytesIO(out.data)) == []
    return out.data, result


def samples(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def pictures(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def test_groups_with_nothing_to_hide_are_copied_and_so_is_the_clean_head_of_a_dirty_one() -> None:
    source = closed()
    copy, result = rendered(source, plan(source, [(23, 26), (40, 41)]))
    assert result.way is Way.SMART
    assert [(run.group, run.first, run.frames, run.whole) for run in result.copied] == [
        (0, 0, 10, True), (1, 10, 10, True), (2, 20, 3, False), (3, 30, 10, True), (5, 50, 10, True),
    ]  # fmt: skip
    copied = [at for run in result.copied for at in range(run.first, run.first + run.frames)]
    before, after = samples(source), samples(copy)
    shown = pictures(source), pictures(copy)
    assert len(after) == FRAMES
    assert [at for at in range(FRAMES) if before[at] == after[at]] == copied
    assert [at for at in range(FRAMES) if shown[0][at] == shown[1][at]] == copied
    assert clips.times(copy) == clips.times(source)


def test_every_encoded_stretch_begins_with_an_idr_under_parameter_sets_of_its_own() -> None:
    source = closed()
    copy, _ = rendered(source, plan(source, [(23, 26)]))
    with av.open(io.BytesIO(copy)) as container:
        sets = ParameterSets.of(container.streams.video[0].codec_context.extradata)
        keys = [at for at, packet in enumerate(container.demux(video=0)) if packet.size and packet.is_keyframe]
    assert keys == [0, 10, 20, 23, 30, 40, 50]
    assert [read_sps(unit).id for unit in sets.sps] == [0, 1]
    assert [read_sps(unit).width for unit in sets.sps] == [64, 64]


def test_covered_pixels_are_gone() -> None:
    source = closed()
    copy, _ = rendered(source, plan(source, [(23, 26)]))
    with av.open(io.BytesIO(copy)) as container:
        for at, frame in enumerate(container.decode(video=0)):
            luma = frame.to_ndarray()[10:38, 10:38]
            assert (np.abs(luma.astype(int) - 16).max() < 4) == (23 <= at < 26)


@pytest.mark.parametrize("start", [0, 45_000, 7_654_321])
def test_variable_rates_and_late_starts_stay_exact(start: int) -> None:
    times = [start + 3003 * at + 700 * (at % 3) + (90_000 if at > 31 else 0) for at in range(FRAMES)]
    source = closed(times)
    copy, result = rendered(source, plan(source, [(5, 35)]))
    assert result.way is Way.SMART
    assert clips.times(copy) == clips.times(source)


def test_the_same_bytes_whatever_the_number_of_processes() -> None:
    source = closed()
    wanted = plan(source, [(3, 14), (23, 26), (41, 59)])
    with Jobs(2) as two:
        assert rendered(source, wanted)[0] == rendered(source, wanted, two)[0]


def test_a_clip_without_anything_to_hide_is_copied_whole() -> None:
    source = closed()
    copy, result = rendered(source, plan(source, []))
    assert samples(copy) == samples(source)
    assert result.covered_frames == 0
    assert sum(run.frames for run in result.copied) == FRAMES


def test_inverse_and_whole_frames_are_encoded() -> None:
    source = closed()
    inverse = replace(plan(source, []), effect=Effect(inverse=True))
    assert rendered(source, inverse)[1].copied == ()
    whole = plan_edit.add_whole_frame(plan(source, []), 12, 14, by="k", at=NOON)
    assert [run.group for run in rendered(source, whole)[1].copied] == [0, 1, 2, 3, 4, 5]
    assert sum(run.frames for run in rendered(source, whole)[1].copied) == 52


def test_user_data_is_never_carried_over() -> None:
    source = make_clip(audio=False)
    assert b"x264" in source
    copy, result = rendered(source, replace(plan_for(source, spans=((40, 45),)), extensions=CLEAN))
    assert result.way is Way.SMART
    assert [(run.group, run.frames, run.whole) for run in result.copied] == [(1, 15, True), (2, 10, False)]
    assert b"x264" not in copy
    assert len(pictures(copy)) == 45


def b_frames() -> bytes:
    return clips.clip(options={"bf": "2", "g": "10", "b_strategy": "0"})


def hidden() -> bytes:
    """An edit list that begins in the middle of a group: pictures before it must never be seen."""
    return closed(
        tuple(range(0, 90_000, 3000)), change=lambda track: replace(track, skip=3 * 3000, presented=27 * 3000)
    )


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (b_frames, "B-frames"),
        (hidden, "edit list"),
        (lambda: clips.clip(codec="libx265", options={"x265-params": "log-level=none"}), "not H.264"),
        (lambda: clips.clip(codec="mpeg4", time_base=Fraction(1, 30_000), pts=range(0, 30_000, 1000)), "not H.264"),
        (lambda: clips.clip(pix_fmt="yuv422p", options={"bf": "0"}), "4:2:0"),
        (lambda: clips.clip(pix_fmt="yuv420p10le", options={"bf": "0"}), "4:2:0"),
        (lambda: closed(tuple(range(0, 90_000, 3000)), interlaced=True), "fields"),
    ],
)
def test_what_cannot_be_copied_safely_is_rendered_in_full_and_says_why(make: object, why: str) -> None:
    source = make()  # type: ignore[operator]
    copy, result = rendered(source, plan(source, [(4, 9)]))
    assert result.way is Way.FULL
    assert why in result.why
    assert result.copied == ()
    assert clips.times(copy) == clips.times(source)


@pytest.mark.parametrize("extensions", [{}, CLEAN])
def test_a_group_that_does_not_decode_cleanly_is_not_copied(extensions: object) -> None:
    whole = closed()
    broken = bytearray(whole)
    with av.open(io.BytesIO(whole)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    position, size = packets[34]
    broken[position + 12 : position + size] = bytes(size - 12)
    data = bytes(broken)
    reader_says = [picture.damaged for picture in clips.VideoReader(io.BytesIO(data)).frames()]
    wanted = plan(data, [(3, 5)], extensions=extensions)
    if len(reader_says) < FRAMES:
        wanted = replace(wanted, media=replace(wanted.media, frames_lost=FRAMES - len(reader_says)))
    elif extensions:
        damaged = [[at, at + 1] for at, bad in enumerate(reader_says) if bad]
        assert damaged
        wanted = replace(wanted, extensions={DECODING: {"damaged": damaged}})
    _, result = rendered(data, wanted)
    assert result.way is Way.FULL


def test_a_transport_stream_is_copied_too_and_keeps_its_start() -> None:
    source = clips.clip(
        container="mpegts", pts=range(126_000, 216_000, 3000), options={"bf": "0", "g": "10", "keyint_min": "10"}
    )
    with CodedPictures(io.BytesIO(source)) as coded:
        assert sum(sample.is_idr for sample in coded) == 3
    copy, result = rendered(source, plan(source, [(12, 14)]))
    assert result.way is Way.SMART
    assert clips.times(copy) == clips.times(source)
    assert clips.times(copy)[0] > 0


def test_a_worker_that_dies_costs_its_group_only() -> None:
    parent = os.getpid()
    with Jobs(2) as jobs:
        items = [(at, (at, parent)) for at in range(6)]
        assert [answer for _, answer in jobs.in_order(_dies_once, items)] == [0, 1, 4, 9, 16, 25]


def test_items_without_a_task_do_not_keep_workers_waiting() -> None:
    taken: list[int] = []

    def items() -> Iterator[tuple[int, int | None]]:
        for at in range(100):
            taken.append(at)
            yield at, at if at % 10 == 0 else None

    with Jobs(1) as jobs:
        light = jobs.in_order(abs, items(), weigh=lambda _: 1)
        assert next(light) == (0, 0)
        assert len(taken) == 21  # up to the third task
        heavy = jobs.in_order(abs, items(), weigh=lambda _: 1 << 30)
        taken.clear()
        assert next(heavy) == (0, 0)
        assert len(taken) == 3


def test_an_item_without_a_task_is_given_out_before_the_next_is_taken() -> None:
    taken: list[int] = []

    def items() -> Iterator[tuple[int, int | None]]:
        for at in range(100):
            taken.append(at)
            yield at, None

    with Jobs(1) as jobs:
        given = jobs.in_order(abs, items(), weigh=lambda _: 1)
        assert [next(given) for _ in range(3)] == [(0, None), (1, None), (2, None)]
        assert taken == [0, 1, 2]


def test_workers_that_were_started_early_do_the_same_work() -> None:
    with Jobs(2) as jobs:
        jobs.warm(_dies_once)
        items = [(at, (at, os.getpid())) for at in range(3)]
        assert [answer for _, answer in jobs.in_order(_dies_once, items)] == [0, 1, 4]


def _dies_once(task: tuple[int, int]) -> int:
    number, parent = task
    mark = f"/tmp/bwc-test-dies-{parent}"
    if number == 3 and os.getpid() != parent:
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            os.unlink(mark)
        else:
            os._exit(9)
    return number * number


class Kept:
    """Pieces in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        return self.held.get(name)

    def put(self, name: str, data: bytes) -> None:
        self.held[name] = data


class Stopped(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3, 5])
def test_an_interrupted_render_goes_on_from_its_finished_groups_to_the_same_bytes(
    after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = closed()
    wanted = plan(source, [(3, 57)])
    whole, _ = rendered(source, wanted)
    kept, groups = Kept(), []

    def stop(done: int, _: int | None) -> None:
        groups.append(done)
        if len(groups) == after:
            raise Stopped

    with pytest.raises(Stopped):
        render(io.BytesIO(source), wanted, Pipe(), Memory, stop, pieces=kept)
    assert len(kept.held) == after
    done = []
    real = render_groups.render_gop
    monkeypatch.setattr(render_groups, "render_gop", lambda task: (done.append(1), real(task))[1])
    out = Pipe()
    render(io.BytesIO(source), wanted, out, Memory, pieces=kept)
    assert out.data == whole
    assert len(done) == 6 - after


def test_a_piece_of_another_build_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    source, kept, names = closed(), Kept(), []
    for code in ("one", "other"):
        monkeypatch.setattr(render_groups, "work_of", lambda said=code: {"code": said})
        render(io.BytesIO(source), plan(source, [(3, 5)]), Pipe(), Memory, pieces=kept)
        names.append(len(kept.held))
    assert names == [1, 2]


def test_a_piece_of_another_plan_is_not_used() -> None:
    source, kept = closed(), Kept()
    for spans in ([(3, 5)], [(3, 6)]):
        out = Pipe()
        render(io.BytesIO(source), plan(source, spans), out, Memory, pieces=kept)
        assert out.data == rendered(source, plan(source, spans))[0]
    assert len(kept.held) == 2
