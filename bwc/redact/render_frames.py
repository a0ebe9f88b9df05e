"""The full render: every frame decoded, covered, encoded, in one pass. For recordings whose pictures cannot be copied."""

from bwc.media.decode import Picture, VideoReader
from bwc.media.delivery import Layout
from bwc.media.encode import EncodedSample, H264Encoder
from bwc.media.facts import VideoFacts
from bwc.media.mp4 import SampleTable
from bwc.redact.ahead import Ahead
from bwc.redact.cover import around_damage, draw, fill_of
from bwc.redact.effects import Held
from bwc.redact.excerpt import ExcerptReader
from bwc.redact.plan import Coverage, FrameCover, RedactionPlan
from bwc.redact.rendering import CRF, KEY_INTERVAL, PRESET, Account, Progress, Scratch


def encoder_for(plan: RedactionPlan, video: VideoFacts, layout: Layout) -> H264Encoder:
    return H264Encoder(
        plan.media.width,
        plan.media.height,
        plan.media.time_base,
        rate=video.rate,
        colour=video.colour,
        sar=video.sar,
        interlaced=video.interlaced,
        top_field_first=video.top_field_first,
        crf=CRF,
        preset=PRESET,
        key_interval=KEY_INTERVAL,
        layout=layout,
    )


def render_frames(
    reader: VideoReader | ExcerptReader,
    video: VideoFacts,
    plan: RedactionPlan,
    encoder: H264Encoder,
    *,
    piece: Scratch,
    progress: Progress | None,
) -> tuple[SampleTable, Account]:
    """Samples go to `piece`; the table says their sizes and times."""
    covers, table, account = Coverage(plan), SampleTable(), Account()
    fill = fill_of(plan.effect, video)

    def keep(samples: list[EncodedSample]) -> None:
        for sample in samples:
            piece.write(sample.data)
            table.add(size=len(sample.data), pts=sample.pts, dts=sample.dts, key=sample.key)

    held = Held()
    with Ahead(reader.frames()) as pictures:
        for picture in pictures:
            cover = _cover_of(picture, plan, covers, account)
            planes = (picture.y, picture.u, picture.v)
            held = Held() if picture.keyframe else held
            draw(planes, cover, plan.effect, fill, held)
            keep(encoder.encode(planes, picture.pts, force_key=picture.keyframe))
            account.frames += 1
            account.covered += not cover.is_clear
            if progress and account.frames % 30 == 0:
                progress(account.frames, plan.media.frames or None)
    keep(encoder.finish())
    if progress:
        progress(account.frames, account.frames)
    return table, account


def _cover_of(picture: Picture, plan: RedactionPlan, covers: Coverage, account: Account) -> FrameCover:
    ordinal = plan.media.pts.ordinal_of(picture.pts)
    if ordinal is None:
        account.unknown.append(picture.ordinal)
        return FrameCover(whole=True)
    cover = covers.at(ordinal)
    if not picture.damaged:
        return cover
    account.damaged.append(picture.ordinal)
    return around_damage(covers, plan, ordinal)
