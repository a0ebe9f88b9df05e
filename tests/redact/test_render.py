"""Rendering: exact times, what is covered is gone, sound kept, same bytes again, nothing written on refusal."""

import io
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from bwc.errors import PlanStale, UnreadableMedia
from bwc.media.decode import VideoReader
from bwc.media.mp4_check import check_boxes
from bwc.redact import plan_edit
from bwc.redact.plan import Effect, EffectKind, PtsTable, RedactionPlan
from bwc.redact.render import RenderResult, render
from tests.redact.clips import FRAMES, NOON, Memory, Pipe, make_clip, plan_for, regular, walker

VARIABLE = [900 + 3003 * place + 700 * (place % 3) + (40_000 if place > 20 else 0) for place in range(FRAMES)]


def rendered(data: bytes, plan: RedactionPlan) -> tuple[bytes, RenderResult]:
    out = Pipe()
    result = render(io.BytesIO(data), plan, out, Memory)
    assert result.copy_bytes == len(out.data)
    return out.data, result


def pictures(data: bytes) -> list:  # type: ignore[type-arg]
    return list(VideoReader(io.BytesIO(data)).frames())


@pytest.mark.parametrize("times", [regular(), VARIABLE, [450_000 + tick for tick in regular()]])
def test_every_frame_is_there_at_exactly_its_time(times: list[int]) -> None:
    source = make_clip(pts=times)
    before = [picture.seconds for picture in pictures(source)]
    plan = plan_for(source, pts=[picture.pts for picture in pictures(source)], time_base=pictures(source)[0].time_base)
    copy, result = rendered(source, plan)
    assert [picture.seconds for picture in pictures(copy)] == before
    assert result.frames == FRAMES
    assert result.frames_lost == 0
    assert check_boxes(io.BytesIO(copy)) == []


def test_the_covered_square_is_gone_and_the_rest_is_the_same() -> None:
    source = make_clip()
    copy, result = rendered(source, plan_for(source))
    assert result.covered_frames == FRAMES
    for before, after in zip(pictures(source), pictures(copy), strict=True):
        x0, y0, x1, y1 = walker(before.ordinal)
        assert np.abs(after.y[y0:y1, x0:x1].astype(int) - 16).mean() < 3
        assert np.abs(after.u[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2].astype(int) - 128).mean() < 3
        assert np.abs(after.y[160:].astype(int) - before.y[160:].astype(int)).mean() < 4


def test_what_is_kept_stays_visible_and_what_is_undecided_does_not() -> None:
    from bwc.evidence import Choice

    source = make_clip()
    kept = plan_edit.decide(plan_for(source), ["t1"], Choice.KEEP, by="k", at=NOON, note="the officer")
    copy, result = rendered(source, kept)
    assert result.covered_frames == 0
    x0, y0, x1, y1 = walker(10)
    assert pictures(copy)[10].v[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2].mean() > 150


def test_the_same_inputs_give_the_same_bytes() -> None:
    source = make_clip()
    plan = plan_edit.add_mute(plan_for(source), 200_000_000, 500_000_000, by="k", at=NOON)
    assert rendered(source, plan)[0] == rendered(source, plan)[0]


def test_sound_is_copied_packet_for_packet_and_muted_spans_are_silent() -> None:
    source = make_clip()
    copy, _ = rendered(source, plan_for(source))
    assert sound_packets(copy) == sound_packets(source)
    muted = plan_edit.add_mute(plan_for(source), 400_000_000, 700_000_000, by="k", at=NOON)
    quiet, result = rendered(source, muted)
    assert result.audio[0].packets_muted > 10
    start, samples = decoded(quiet)
    assert np.abs(samples[round((0.4 - start) * 48000) : round((0.7 - start) * 48000)]).max() == 0
    assert np.abs(samples[round((0.8 - start) * 48000) :]).max() > 0.1
    assert len(decoded(quiet)[1]) == len(decoded(source)[1])


def test_sound_that_begins_late_begins_late() -> None:
    source = make_clip(audio_late=0.5)
    copy, _ = rendered(source, plan_for(source))
    assert abs(decoded(copy)[0] - decoded(source)[0]) < 1 / 48000


def test_no_tag_and_no_other_stream_is_inherited() -> None:
    source = make_clip(tags=True)
    assert b"loci" in source
    copy, _ = rendered(source, plan_for(source))
    assert b"loci" not in copy
    silent = make_clip(tags=True, audio=False)
    copy, _ = rendered(silent, plan_for(silent))
    assert not any(name in copy for name in (b"Lavc", b"Lavf", b"x264", b"loci"))
    with av.open(io.BytesIO(rendered(source, plan_for(source))[0])) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert "creation_time" not in container.metadata


@pytest.mark.parametrize("kind", list(EffectKind))
def test_every_effect_renders_and_hides_the_pattern(kind: EffectKind) -> None:
    source = make_clip(audio=False)
    copy, _ = rendered(source, replace(plan_for(source), effect=Effect(kind=kind)))
    before, after = pictures(source)[20], pictures(copy)[20]
    x0, y0, x1, y1 = walker(20)
    middle = np.s_[y0 + 8 : y1 - 8, x0 + 8 : x1 - 8]
    stripes = [np.abs(np.diff(picture.y[middle].astype(int), axis=0)).mean() for picture in (before, after)]
    assert stripes[0] > 5
    assert stripes[1] < 2.5


def test_a_whole_frame_is_one_colour_and_inverse_shows_only_what_is_kept() -> None:
    from bwc.evidence import Choice

    source = make_clip(audio=False)
    whole = plan_edit.add_whole_frame(plan_for(source), 5, 9, by="k", at=NOON)
    shown = pictures(rendered(source, whole)[0])
    assert [picture.y.std() < 3 for picture in shown] == [5 <= place < 9 for place in range(FRAMES)]
    kept = plan_edit.decide(plan_for(source), ["t1"], Choice.KEEP, by="k", at=NOON, note="asked for")
    inverse = replace(kept, effect=Effect(inverse=True))
    picture = pictures(rendered(source, inverse)[0])[10]
    x0, y0, x1, y1 = walker(10)
    assert picture.y[y0:y1, x0:x1].std() > 10
    assert picture.y[:60].std() < 2


def test_a_plan_of_another_recording_is_refused_and_nothing_is_written() -> None:
    source = make_clip()
    late = replace(plan_for(source).media, pts=PtsTable.from_values([tick + 1 for tick in regular()]))
    wide = replace(plan_for(source).media, width=640)
    short = replace(plan_for(source).media, pts=PtsTable.from_values(regular(44)))
    for media in (late, wide, short, replace(late, time_base=Fraction(1, 30))):
        tracks = tuple(replace(track, spans=()) for track in plan_for(source).tracks)
        out = Pipe()
        opened, closed = Memory.opened, Memory.closed
        with pytest.raises(PlanStale):
            render(io.BytesIO(source), replace(plan_for(source), media=media, tracks=tracks), out, Memory)
        assert out.parts == []
        assert Memory.opened - opened == Memory.closed - closed


def test_what_does_not_decode_is_refused() -> None:
    source = make_clip()
    with pytest.raises(UnreadableMedia):
        render(io.BytesIO(source[:3000]), plan_for(source), Pipe(), Memory)


def test_frames_lost_are_counted_and_frames_beside_them_are_covered_more() -> None:
    source = bytearray(make_clip(audio=False))
    sizes = [(packet.pos, packet.size) for packet in av.open(io.BytesIO(bytes(source))).demux(video=0) if packet.size]
    for place in (20, 21):
        position, size = sizes[place]
        source[position + 4 : position + size] = bytes(size - 4)
    broken = bytes(source)
    reader = VideoReader(io.BytesIO(broken))
    shown = list(reader.frames())
    assert reader.frames_lost or any(picture.damaged for picture in shown)
    plan = plan_for(
        broken, spans=((0, len(shown)),), pts=[picture.pts for picture in shown], time_base=reader.time_base
    )
    copy, result = rendered(broken, plan)
    assert result.frames == len(shown)
    assert result.frames_lost == reader.frames_lost
    assert list(result.damaged) == [picture.ordinal for picture in shown if picture.damaged]
    assert len(pictures(copy)) == len(shown)


def test_an_odd_size_is_covered_to_its_last_column() -> None:
    source = make_clip(audio=False, size=(319, 239), codec="ffv1") if "ffv1" in av.codecs_available else b""
    with av.open(io.BytesIO(source)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (319, 239)
    shown = pictures(source)
    corner = lambda ordinal: (300, 220, 319, 239)  # noqa: E731
    plan = plan_for(
        source, pts=[picture.pts for picture in shown], path=corner, size=(319, 239), time_base=shown[0].time_base
    )
    copy, _ = rendered(source, plan)
    last = pictures(copy)[5]
    assert np.abs(last.y[226:239, 306:319].astype(int) - 16).max() < 12


def sound_packets(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def decoded(data: bytes) -> tuple[float, np.ndarray]:  # type: ignore[type-arg]
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    start = float(frames[0].pts * frames[0].time_base)
    return start, np.concatenate([frame.to_ndarray()[0] for frame in frames])
