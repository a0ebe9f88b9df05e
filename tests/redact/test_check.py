"""The check: good copies pass, every planted fault is found and named."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace

import av
import pytest

from bwc.canonical import parse_canonical, sha256_hex
from bwc.errors import LeakFound, UsageError
from bwc.evidence import Choice, ItemId
from bwc.media.decode import VideoReader
from bwc.redact import plan_edit
from bwc.redact.check import check
from bwc.redact.check_finders import Finders
from bwc.redact.check_report import CheckReport, Fault, Sight
from bwc.redact.check_search import Search, stride_for
from bwc.redact.check_sight import visible_permille
from bwc.redact.checked import Checked
from bwc.redact.detectors.base import Detection, Picture8
from bwc.redact.plan import Box, Effect, EffectKind, FrameCover, RedactionPlan, Span, Track
from bwc.redact.render import render
from tests.redact.clips import FRAMES, NOON, WIDTH, MagentaFinder, Memory, Pipe, make_clip, plan_for, regular, walker

FINDERS = Finders(coarse=(MagentaFinder(),), fine=(), close=(MagentaFinder(),))


def rendered(source: bytes, plan: RedactionPlan) -> bytes:
    out = Pipe()
    render(io.BytesIO(source), plan, out, Memory)
    return out.data


def checked(source: bytes, copy: bytes, plan: RedactionPlan, stride: int | None = 1) -> CheckReport:
    return check(io.BytesIO(source), io.BytesIO(copy), plan, stride=stride, finders=FINDERS)


def faults(report: CheckReport) -> set[Fault]:
    return {finding.fault for finding in report.findings}


@pytest.fixture(scope="module")
def source() -> bytes:
    return make_clip()


@pytest.fixture(scope="module")
def good(source: bytes) -> bytes:
    return rendered(source, plan_for(source))


def test_a_good_copy_is_clean(source: bytes, good: bytes) -> None:
    report = checked(source, good, plan_for(source))
    assert report.findings == ()
    assert report.suspects == ()
    assert report.is_clean
    assert (report.frames, report.frames_checked, report.covers_checked) == (FRAMES, FRAMES, FRAMES)
    assert report.copy_sha256 == sha256_hex(good)
    assert report.measures["audio_1_difference_permille"] == 0


@pytest.mark.parametrize("kind", [EffectKind.MEAN, EffectKind.PIXELATE, EffectKind.BLUR])
def test_good_copies_with_other_effects_have_no_fault(source: bytes, kind: EffectKind) -> None:
    plan = replace(plan_for(source), effect=Effect(kind=kind))
    assert faults(checked(source, rendered(source, plan), plan)) == set()


def test_whole_frames_inverse_and_mutes_pass(source: bytes) -> None:
    plan = plan_edit.add_whole_frame(plan_for(source), 3, 9, by="k", at=NOON)
    plan = plan_edit.add_mute(plan, 300_000_000, 600_000_000, by="k", at=NOON)
    assert checked(source, rendered(source, plan), plan).is_clean
    kept = plan_edit.decide(plan_for(source), ["t1"], Choice.KEEP, by="k", at=NOON, note="asked for")
    inverse = replace(kept, effect=Effect(inverse=True))
    report = checked(source, rendered(source, inverse), inverse)
    assert report.is_clean
    assert [(track.id, track.sightings) for track in report.kept] == [("t1", FRAMES)]


@pytest.mark.parametrize("gap", [(20, 26), (0, 6), (39, 45), (10, 40)])
def test_a_deleted_piece_of_a_track_is_a_suspect(source: bytes, gap: tuple[int, int]) -> None:
    spans = [span for span in ((0, gap[0]), (gap[1], FRAMES)) if span[0] < span[1]]
    plan = plan_for(source, spans=spans)
    report = checked(source, rendered(source, plan), plan)
    (suspect,) = report.suspects
    assert (suspect.class_, suspect.sight, suspect.first, suspect.last) == ("face", Sight.VISIBLE, gap[0], gap[1] - 1)
    assert suspect.boxes[0][0] == gap[0]
    assert visible_permille(walker(gap[0]), [suspect.boxes[0][1:]]) < 100
    assert not report.is_clean
    assert report.faults == ()


def test_a_cover_that_slipped_is_a_suspect_that_shows_partly(source: bytes) -> None:
    def slipped(ordinal: int) -> Box:
        x0, y0, x1, y1 = walker(ordinal)
        return x0, y0 + 26, x1, y1 + 26

    plan = replace(plan_for(source, path=slipped), effect=Effect(margin_permille=0))
    report = checked(source, rendered(source, plan), plan)
    assert [(suspect.sight, suspect.sightings) for suspect in report.suspects] == [(Sight.VISIBLE, FRAMES)]


def test_a_kept_track_is_listed_and_is_no_suspect(source: bytes) -> None:
    plan = plan_edit.decide(plan_for(source), ["t1"], Choice.KEEP, by="k", at=NOON, exemption="officer")
    report = checked(source, rendered(source, plan), plan)
    assert report.is_clean
    assert report.kept[0].sightings == FRAMES


def kept_over(source: bytes, class_: str, grown: int) -> RedactionPlan:
    """A plan that hides nothing, and keeps a track of `class_`, `grown` pixels larger than the walker on every side."""
    spans = [
        (max(0, x0 - grown), y0 - grown, x1 + grown, y1 + grown) for x0, y0, x1, y1 in map(walker, range(FRAMES))
    ]  # fmt: skip
    track = Track(id="t1", class_=class_, score_permille=900, spans=(Span(first=0, boxes=spans),))
    plan = replace(plan_for(source), tracks=(track,))
    return plan_edit.decide(plan, ["t1"], Choice.KEEP, by="k", at=NOON, note="a sign")


@pytest.mark.parametrize(("class_", "grown"), [("text", 2), ("text", 18), ("person", 18), ("plate", 2), ("face", 36)])
def test_a_kept_track_of_another_class_or_size_does_not_speak_for_a_face_before_it(
    source: bytes, class_: str, grown: int
) -> None:
    plan = kept_over(source, class_, grown)
    report = checked(source, rendered(source, plan), plan)
    assert [suspect.class_ for suspect in report.suspects] == ["face"]
    assert report.kept == ()


@pytest.mark.parametrize(("class_", "grown"), [("face", 0), ("face", 10), ("head", 15)])
def test_a_kept_face_or_head_speaks_for_its_own_face(source: bytes, class_: str, grown: int) -> None:
    plan = kept_over(source, class_, grown)
    report = checked(source, rendered(source, plan), plan)
    assert report.suspects == ()
    assert [(track.id, track.sightings) for track in report.kept] == [("t1", FRAMES)]


def test_a_copy_made_from_an_older_plan_is_faulty(source: bytes, good: bytes) -> None:
    newer = plan_edit.add_mask(plan_for(source), {5: (200, 150, 260, 200)}, last=15, by="k", at=NOON)
    report = checked(source, good, newer)
    assert faults(report) == {Fault.COVER_WEAK}
    finding = report.findings[0]
    assert (finding.first, finding.last, finding.frames, finding.box) == (5, 15, 11, (200, 150, 260, 200))
    more = rendered(source, newer)
    assert faults(checked(source, more, plan_for(source))) == {Fault.PICTURE_DIFFERS}


def test_a_copy_without_covers_is_faulty_and_its_subject_a_weak_cover(source: bytes) -> None:
    bare = rendered(source, replace(plan_for(source), tracks=()))
    report = checked(source, bare, plan_for(source))
    assert Fault.COVER_WEAK in faults(report)
    assert [suspect.sight for suspect in report.suspects] == [Sight.INSIDE]


def test_a_copy_of_another_recording_is_faulty(source: bytes) -> None:
    other = make_clip(seed=9)
    report = checked(source, rendered(other, plan_for(other)), plan_for(source))
    assert Fault.PICTURE_DIFFERS in faults(report)
    assert Fault.AUDIO_DIFFERS in faults(report)


def test_a_plan_of_another_recording_is_stale(source: bytes, good: bytes) -> None:
    stale = replace(plan_for(source), content_sha256="12" * 32)
    assert Fault.PLAN_STALE in faults(checked(source, good, stale))
    late = plan_for(source, pts=[3003 * place + 7 for place in range(FRAMES)])
    assert Fault.PLAN_STALE in faults(checked(source, good, late))


@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_truncated_copy_is_faulty(source: bytes, good: bytes, share: float) -> None:
    found = faults(checked(source, good[: int(len(good) * share)], plan_for(source)))
    assert Fault.CONTAINER in found
    assert found & {Fault.TIMING, Fault.UNREADABLE, Fault.AUDIO_DIFFERS}


def test_what_is_no_video_is_unreadable(source: bytes) -> None:
    report = checked(source, b"\0" * 5000, plan_for(source))
    assert Fault.UNREADABLE in faults(report)
    assert report.frames == 0


def remuxed(
    data: bytes,
    *,
    drop: Sequence[int] = (),
    delay: int = 0,
    tag: bool = False,
    sound: bool = True,
    user_data: bool = False,
) -> bytes:
    """A copy as another program would write it, with something changed."""
    sink = io.BytesIO()
    with av.open(io.BytesIO(data)) as before, av.open(sink, "w", format="mp4") as after:
        if tag:
            after.metadata["comment"] = "officer 1234"
        streams = {
            stream.index: after.add_stream_from_template(stream)
            for stream in before.streams
            if sound or stream.type == "video"
        }
        number = 0
        for packet in before.demux():
            if packet.size == 0 or packet.stream.index not in streams:
                continue
            if packet.stream.type == "video":
                number += 1
                if number - 1 in drop:
                    continue
                if user_data:
                    note = b"\x06\x05\x14" + bytes(16) + b"spy!" + b"\x80"
                    fresh = av.Packet(len(note).to_bytes(4, "big") + note + bytes(packet))
                    fresh.pts, fresh.dts, fresh.time_base = packet.pts, packet.dts, packet.time_base
                    fresh.is_keyframe = packet.is_keyframe
                    fresh.stream = streams[0]
                    after.mux(fresh)
                    continue
            elif delay:
                packet.pts += delay
                packet.dts += delay
            packet.stream = streams[packet.stream.index]
            after.mux(packet)
    return sink.getvalue()


def test_a_frame_left_out_is_a_fault_of_timing(source: bytes, good: bytes) -> None:
    report = checked(source, remuxed(good, drop=[44]), plan_for(source))
    assert Fault.TIMING in faults(report)
    assert "1 frame of the original" in next(one.detail for one in report.findings if one.fault is Fault.TIMING)


def test_sound_that_moved_or_went_missing_is_a_fault(source: bytes, good: bytes) -> None:
    assert Fault.AUDIO_DIFFERS in faults(checked(source, remuxed(good, delay=4800), plan_for(source)))
    assert Fault.AUDIO_MISSING in faults(checked(source, remuxed(good, sound=False), plan_for(source)))


def test_a_mute_that_was_not_done_is_heard(source: bytes, good: bytes) -> None:
    plan = plan_edit.add_mute(plan_for(source), 300_000_000, 600_000_000, by="k", at=NOON)
    assert faults(checked(source, good, plan)) == {Fault.MUTE_HEARD}


def test_tags_and_user_data_are_faults(source: bytes, good: bytes) -> None:
    tagged = checked(source, remuxed(good, tag=True), plan_for(source))
    assert {Fault.CONTAINER, Fault.METADATA} <= faults(tagged)
    assert "officer 1234" not in tagged.to_bytes().decode()


def test_a_stride_is_recorded_and_covers_are_still_checked_in_every_frame(source: bytes, good: bytes) -> None:
    report = checked(source, good, plan_for(source), stride=3)
    assert (report.stride, report.frames, report.frames_checked, report.covers_checked) == (3, FRAMES, 15, FRAMES)
    plan = plan_for(source, spans=((0, 18), (30, FRAMES)))
    (suspect,) = checked(source, rendered(source, plan), plan, stride=3).suspects
    assert (suspect.first, suspect.last, suspect.sightings) == (
        18,
        29,
        12,
    )  # where the plan stops, every frame is looked at


@pytest.mark.parametrize(("frames", "stride"), [(1, None), (2, None), (3, 40), (FRAMES, 1000)])
def test_a_copy_shorter_than_the_stride_is_searched_too(frames: int, stride: int | None) -> None:
    times = regular(frames)
    clip = make_clip(pts=times, audio=False)
    plan = plan_for(clip, pts=times, spans=())
    report = checked(clip, rendered(clip, plan), plan, stride=stride)
    assert report.frames_checked == 1
    assert report.measures["cutouts"] == 0


def test_times_that_make_no_sense_do_not_thin_out_the_search() -> None:
    plan = plan_for(b"", pts=range(3000), spans=())  # 90,000 frames a second
    assert stride_for(plan) == 40


def test_a_frame_that_is_missing_is_no_way_round_the_search(source: bytes) -> None:
    search = Search(plan_for(source, spans=()), FINDERS, 20)
    pictures = list(VideoReader(io.BytesIO(source)).frames())
    with search:
        for picture in pictures:
            if picture.ordinal != 10:
                search.look(picture, picture.ordinal, FrameCover(), ())
        search.finish()
    assert search.searched == 2  # frame 11 for frame 10, and frame 30


def standing(column: int, row: int) -> Callable[[int], Box]:
    left, top = 60 + 200 * column, 80 + 220 * row
    return lambda _: (left, top, left + 40, top + 40)


def test_every_place_of_doubt_is_looked_at_however_many_there_are() -> None:
    size = (640, 480)
    people = [standing(column, row) for row in range(2) for column in range(3)]
    clip = make_clip(subjects=people, size=size, audio=False)
    plan = plan_for(clip, spans=(), size=size)
    one = [Track(id=f"t{place}", class_="face", score_permille=900, spans=(Span(first=0, boxes=[path(0)] * 20),))
           for place, path in enumerate(people)]  # fmt: skip
    plan = replace(plan, tracks=tuple(one))
    report = checked(clip, rendered(clip, plan), plan, stride=1000)
    assert sorted(suspect.boxes[0] for suspect in report.suspects) == sorted((20, *path(0)) for path in people)
    assert report.measures["cutouts_left_out"] == 0


class UnsureFinder(MagentaFinder):
    """Has weak hits in six corners of every whole picture, and none in a cut-out."""

    def detect(self, bgr: Picture8) -> list[Detection]:
        if bgr.shape[1] < WIDTH:
            return []
        corners = [(float(x), float(y)) for y in (10, 150) for x in (10, 110, 210)]
        return [Detection((x, y, x + 30, y + 30), 0.3, "face") for x, y in corners]


def test_weak_hits_that_were_not_looked_at_again_are_counted_and_said(source: bytes, good: bytes) -> None:
    finders = Finders(coarse=(UnsureFinder(),), fine=(), close=(UnsureFinder(),))
    report = check(io.BytesIO(source), io.BytesIO(good), plan_for(source), stride=5, finders=finders)
    assert report.suspects == ()
    left_out = report.measures["cutouts_left_out"]
    assert left_out > 0
    said = f"enlarged: {left_out} times a weak hit was not looked at again, because of surer ones in its picture"
    assert said in report.not_checked


def test_a_missing_weight_file_is_said_once(source: bytes, good: bytes) -> None:
    plan = plan_for(source)
    plan = replace(plan, tracks=(replace(plan.tracks[0], class_="plate"),))
    finders = replace(FINDERS, not_checked=("plates: the weight file is not here",))
    report = check(io.BytesIO(source), io.BytesIO(good), plan, stride=1, finders=finders)
    assert [line for line in report.not_checked if line.startswith("plate")] == ["plates: the weight file is not here"]


def test_a_check_that_searched_nothing_is_not_clean_and_stands_in_the_way(source: bytes, good: bytes) -> None:
    report = checked(source, good, plan_for(source))
    nothing = replace(report, frames_checked=0)
    assert report.is_clean
    assert not nothing.is_clean
    with pytest.raises(LeakFound, match="no picture of the copy was searched"):
        Checked(item=ItemId("2026-0317-K4J7QX"), segment=0, report=nothing, decided={}).raise_if_open()
    (line,) = [one for one in checked(source, b"\0" * 5000, plan_for(source)).not_checked if "whole picture" in one]
    assert line == "faces and plates: no whole picture of the copy was searched"


def test_the_report_reads_back_and_is_the_same_for_the_same_copy(source: bytes, good: bytes) -> None:
    plan = plan_for(source, spans=((0, 20), (30, FRAMES)))
    copy = rendered(source, plan)
    report = checked(source, copy, plan)
    data = report.to_bytes()
    assert CheckReport.from_bytes(data) == report
    assert checked(source, copy, plan).to_bytes() == data
    assert parse_canonical(data)["format"] == "bwc.check/1"
    for broken in (
        b"",
        b"{}",
        data[:-1],
        data.replace(b'"stride":1', b'"stride":"1"'),
        data.replace(b'"tool"', b'"tuul"'),
    ):
        with pytest.raises(UsageError):
            CheckReport.from_bytes(broken)
