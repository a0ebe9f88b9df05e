"""Two deliveries: compatible plays everywhere, faithful keeps what was recorded or is refused; never silently less."""

import io
from dataclasses import replace

import av
import numpy as np
import pytest

from bwc.errors import UsageError
from bwc.media.decode import Picture, VideoReader
from bwc.media.delivery import COMPATIBLE, Delivery, layout_of
from bwc.media.mp4_check import check_boxes
from bwc.redact.check import check
from bwc.redact.check_search import Finders
from bwc.redact.plan import RedactionPlan
from bwc.redact.plan_edit import delivered
from bwc.redact.plan_effect import Effect, EffectKind
from bwc.redact.plan_format import from_bytes, to_bytes
from bwc.redact.plan_view import delivery_of
from bwc.redact.render import Way, render
from bwc.redact.rendering import RenderResult, way_json, way_text
from tests.media import clips
from tests.media.clips import shared_data
from tests.redact.clips import Memory, Pipe
from tests.redact.test_timing import VARIANTS, Variant, made, planned, seen

DEEP = ["yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"]


def delivered_as(data: bytes, delivery: Delivery, **look: object) -> tuple[bytes, RenderResult, RedactionPlan]:
    wanted = delivered(planned(data)[0], delivery)
    wanted = replace(wanted, effect=Effect(**look))  # type: ignore[arg-type]
    out = Pipe()
    result = render(io.BytesIO(data), wanted, out, Memory)
    assert check_boxes(io.BytesIO(out.data)) == []
    return out.data, result, wanted


def stored(data: bytes) -> str:
    with av.open(io.BytesIO(data)) as container:
        return str(container.streams.video[0].codec_context.pix_fmt)


def native(data: bytes) -> list[Picture]:
    """Frames with the bits and colour samples they are stored with."""
    reader = VideoReader(io.BytesIO(data))
    reader.layout = layout_of(Delivery.FAITHFUL, reader.facts.video)  # type: ignore[arg-type]
    return list(reader.frames())


@pytest.mark.parametrize("pix_fmt", DEEP)
def test_faithful_keeps_bits_and_colour_detail_and_compatible_does_not(pix_fmt: str) -> None:
    source = made(Variant(pix_fmt=pix_fmt, audio_at=None))
    faithful, result, _ = delivered_as(source, Delivery.FAITHFUL)
    assert (stored(faithful), result.pix_fmt, result.delivery) == (pix_fmt, pix_fmt, Delivery.FAITHFUL)
    assert seen(faithful) == seen(source)
    assert "browsers" in way_text(result, Effect())
    assert "cosmetic" in way_text(result, Effect(kind=EffectKind.MEAN))
    assert "cosmetic" not in way_text(result, Effect())
    compatible, other, _ = delivered_as(source, Delivery.COMPATIBLE)
    assert (stored(compatible), way_json(other)["delivery"]) == ("yuv420p", "compatible")
    assert seen(compatible) == seen(source)


@pytest.mark.parametrize("kind", list(EffectKind))
@pytest.mark.parametrize("pix_fmt", ["yuv422p10le", "yuv444p"])
def test_what_is_covered_is_gone_from_every_plane(pix_fmt: str, kind: EffectKind) -> None:
    source = made(Variant(pix_fmt=pix_fmt, audio_at=None))
    copy, _, plan = delivered_as(source, Delivery.FAITHFUL, kind=kind)
    report = check(io.BytesIO(source), io.BytesIO(copy), plan, finders=Finders(coarse=(), fine=(), close=()))
    assert report.findings == ()
    assert report.measures["picture_bits"] == (10 if "10" in pix_fmt else 8)
    assert report.measures["picture_chroma"] == int(pix_fmt[3:6])


def test_solid_covers_are_the_colour_in_ten_bits_and_full_colour() -> None:
    source = made(Variant(pix_fmt="yuv444p10le", audio_at=None))
    copy, _, _ = delivered_as(source, Delivery.FAITHFUL, colour=(255, 255, 255))
    picture = native(copy)[25]
    y, u, v = (plane[96 - 28 : 96 - 4, 4:28].astype(int) for plane in (picture.y, picture.u, picture.v))
    assert abs(y - 940).max() < 12
    assert abs(u - 512).max() < 12
    assert abs(v - 512).max() < 12


def test_fine_steps_of_ten_bits_survive_only_faithfully() -> None:
    """A ramp of single ten-bit steps: the faithful copy has more values than eight bits can tell apart."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=30, options={"crf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv420p10le"
        ramp = np.full((96, 256), 512, np.uint16)
        ramp[:64] = 400 + np.arange(256) // 4
        for _ in range(4):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(ramp, "yuv420p10le")))
        out.mux(stream.encode(None))
    source = sink.getvalue()
    values = {}
    for delivery in Delivery:
        first = native(delivered_as(source, delivery)[0])[0]
        values[delivery] = len(np.unique(first.y[:32]))
    assert values[Delivery.FAITHFUL] > 1.5 * values[Delivery.COMPATIBLE]


def test_hevc_and_interlaced_sources_keep_what_they_are() -> None:
    copy, result, _ = delivered_as(made(replace(VARIANTS["hevc"], pix_fmt="yuv420p10le")), Delivery.FAITHFUL)
    assert (stored(copy), result.way) == ("yuv420p10le", Way.FULL)
    fields = made(Variant(pix_fmt="yuv422p", options=(("bf", "0"), ("flags", "+ildct+ilme")), audio_at=None))
    assert VideoReader(io.BytesIO(fields)).facts.video.interlaced  # type: ignore[union-attr]
    copy, _, _ = delivered_as(fields, Delivery.FAITHFUL)
    video = VideoReader(io.BytesIO(copy)).facts.video
    assert video is not None
    assert (video.interlaced, video.pix_fmt) == (True, "yuv422p")


def test_both_are_the_same_bytes_where_the_recording_is_plain() -> None:
    source = made(VARIANTS["constant"])
    assert delivered_as(source, Delivery.FAITHFUL)[0] == delivered_as(source, Delivery.COMPATIBLE)[0]


def odd(pix_fmt: str = "yuvj420p") -> bytes:
    return clips.clip(
        codec="mjpeg", container="avi", pix_fmt=pix_fmt, size=(65, 49), pts=range(10), time_base=clips.Fraction(1, 30)
    )


def test_odd_sizes_are_padded_and_recorded_or_refused() -> None:
    source = odd()
    copy, result, _ = delivered_as(source, Delivery.COMPATIBLE)
    assert (result.padding, way_json(result)["padding"]) == ((1, 1), [1, 1])
    reader = VideoReader(io.BytesIO(copy))
    assert (reader.width, reader.height) == (65, 49)
    with pytest.raises(
        UsageError, match=r"65x49 cannot be delivered faithfully: H\.264 in yuv420p has even sizes only"
    ):
        delivered_as(source, Delivery.FAITHFUL)


def test_full_colour_has_odd_sizes_too() -> None:
    copy, result, _ = delivered_as(odd("yuvj444p"), Delivery.FAITHFUL)
    reader = VideoReader(io.BytesIO(copy))
    assert (reader.width, reader.height, result.padding) == (65, 49, (0, 0))
    with av.open(io.BytesIO(copy)) as container:
        assert (container.streams.video[0].codec_context.width, container.streams.video[0].codec_context.height) == (
            65,
            49,
        )


@pytest.mark.parametrize("pix_fmt", ["yuv420p12le", "gray", "gbrp", "yuv411p", "yuva420p"])
def test_what_our_encoder_cannot_keep_is_refused_with_the_way_out(pix_fmt: str) -> None:
    video = VideoReader(io.BytesIO(made(VARIANTS["no_sound"]))).facts.video
    assert video is not None
    with pytest.raises(UsageError, match=f"a recording in {pix_fmt}") as caught:
        layout_of(Delivery.FAITHFUL, replace(video, pix_fmt=pix_fmt))
    assert "--delivery compatible" in caught.value.hint
    assert layout_of(Delivery.COMPATIBLE, replace(video, pix_fmt=pix_fmt)) == COMPATIBLE


def test_the_plan_says_how_its_copy_is_delivered() -> None:
    plan = planned(made(VARIANTS["no_sound"]))[0]
    assert delivery_of(plan) is Delivery.COMPATIBLE
    assert delivered(plan, Delivery.COMPATIBLE) == plan
    chosen = delivered(plan, Delivery.FAITHFUL)
    assert delivery_of(from_bytes(to_bytes(chosen))) is Delivery.FAITHFUL
    assert delivery_of(delivered(chosen, Delivery.COMPATIBLE)) is Delivery.COMPATIBLE
    with pytest.raises(UsageError, match="'lossless'"):
        delivery_of(replace(plan, extensions={"delivery": {"profile": "lossless"}}))


@pytest.mark.footage
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pix_fmt"), [("h264_10bit422.mp4", "yuv422p10le"), ("interlaced.mp4", "yuv420p"), ("hevc.mp4", "yuv420p")]
)
def test_real_footage_is_delivered_faithfully(name: str, pix_fmt: str) -> None:
    source = (shared_data() / "containers" / name).read_bytes()
    copy, _, _ = delivered_as(source, Delivery.FAITHFUL)
    assert stored(copy) == pix_fmt
    before, after = (VideoReader(io.BytesIO(one)).facts.video for one in (source, copy))
    assert before is not None
    assert after is not None
    assert (after.colour, after.interlaced, list(after.pts or ())) == (
        before.colour,
        before.interlaced,
        list(before.pts or ()),
    )


def test_why_no_picture_of_a_smart_render_was_copied_is_said() -> None:
    _, result, _ = delivered_as(made(Variant(audio_at=None)), Delivery.COMPATIBLE)
    smart = replace(result, way=Way.SMART, why="", copied=(), covered_frames=result.frames)
    assert way_text(smart, Effect()).startswith("every frame was encoded again: something is hidden in each")
    some = way_text(replace(smart, covered_frames=result.frames - 1), Effect())
    assert "each group of its pictures holds more than pictures, or begins with something hidden" in some
    none = way_text(replace(smart, covered_frames=0), Effect())
    assert none.splitlines()[0].endswith("each group of its pictures holds more than pictures")
