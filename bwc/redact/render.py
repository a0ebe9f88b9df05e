"""From an original and its plan to the redacted copy: every frame decoded, covered, encoded; an MP4 of our own.

 1. compare the recording with the plan: another size, time base or other frame times refuse (`PlanStale`)
 2. decode each frame in order, cover it in its planes, encode it; samples go to a scratch, never to a clear file
 3. sound: packets as they are, spans the plan mutes silenced
 4. when the last frame is known good, write the MP4 front to back; until then nothing has reached the sink

A frame that the plan does not know, or cannot know, is covered whole: doubt hides.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO, Protocol

from bwc.canonical import Json
from bwc.errors import PlanStale, UnreadableMedia
from bwc.media.audio import Sound, write_sound
from bwc.media.decode import Picture, VideoReader
from bwc.media.encode import EncodedSample, H264Encoder
from bwc.media.facts import VideoFacts
from bwc.media.mp4 import Mp4, SampleTable, Track, video_track
from bwc.media.source import LostFrames
from bwc.redact.ahead import Ahead
from bwc.redact.effects import cover_boxes, cover_whole, yuv_of
from bwc.redact.plan import Coverage, FrameCover, RedactionPlan
from bwc.redact.plan_view import muted_spans

# superfast without B-frames beats veryfast at equal rate on noisy, shaky footage: VMAF 99.3 at 18.5 ms a frame
# against 99.2 at 50 (1080p, 11.9 Mbit/s, 2026-11); crf 22 gives 1.1 times a camera's 10 Mbit/s
CRF = 22
PRESET = "superfast"
KEY_INTERVAL = 60  # frames at most between keyframes; the source's own are kept as well
DAMAGE_REACH = 5  # frames before and after a damaged one whose covers are added to its own
_H273_BT709 = 1
_HD_HEIGHT = 720  # a recording without a matrix tag is BT.709 from here on, as players assume
_MAX_TICKS = 2**31 - 1

Progress = Callable[[int, int | None], None]


class Scratch(Protocol):
    """A working piece: written once, then read. What it holds is sealed wherever it rests."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""
        ...

    def reader(self) -> BinaryIO:
        """A seekable reader of all that was written; nothing is written after."""
        ...

    def close(self) -> None: ...


class ByteSink(Protocol):
    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderResult:
    """What was made, and everything that was not as it should be."""

    frames: int
    frames_lost: int
    lost: tuple[LostFrames, ...]
    covered_frames: int
    covered_whole: tuple[int, ...]  # ordinals covered whole because the plan does not know them
    damaged: tuple[int, ...]  # ordinals decoded with concealed errors; covered with neighbours' covers too
    audio: tuple[Sound, ...]
    audio_missing: tuple[int, ...]  # streams of which nothing decodes
    encoder: Mapping[str, Json]
    copy_bytes: int
    copy_sha256: str


@dataclass(slots=True)
class _Account:
    frames: int = 0
    covered: int = 0
    unknown: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)


def render(
    original: BinaryIO,
    plan: RedactionPlan,
    out: ByteSink,
    scratch: Callable[[], Scratch],
    progress: Progress | None = None,
) -> RenderResult:
    """Write the redacted copy of `original` to `out`, which need not seek. Same inputs, same bytes.

    Raises `PlanStale` when the recording is not the one `plan` describes and `UnreadableMedia` when no frame
    decodes; nothing is written to `out` then. Undecided tracks are covered. Frames lost are counted, not raised.
    """
    reader = VideoReader(original)
    facts = reader.facts
    if facts.video is None:
        raise UnreadableMedia("the recording holds no picture")
    _verify_recording(plan, reader)
    pieces: list[Scratch] = []
    try:
        pieces.append(scratch())
        encoder = _encoder(plan, facts.video)
        table, account = _pictures(reader, facts.video, plan, encoder, piece=pieces[0], progress=progress)
        _verify_times(plan, account, reader)
        sounds: list[Sound] = []
        for stream in facts.audio:
            pieces.append(scratch())
            sound = write_sound(original, stream.stream, _taker(pieces[-1]), mutes=muted_spans(plan))
            if sound is None:
                pieces.pop().close()
            else:
                sounds.append(sound)
        # MP4 cannot say that something begins before zero: then the earliest beginning becomes zero
        origin = min(Fraction(0), plan.media.pts.start * plan.media.time_base, *(sound.start for sound in sounds))
        tracks = [_video(table, pieces[0].reader(), plan=plan, video=facts.video, encoder=encoder, origin=origin)]
        tracks += [sound.track(piece.reader(), origin=origin) for sound, piece in zip(sounds, pieces[1:], strict=True)]
        size, digest = _write(Mp4(tracks), out)
    finally:
        for piece in pieces:
            piece.close()
    return RenderResult(
        frames=account.frames,
        frames_lost=reader.frames_lost,
        lost=tuple(reader.lost),
        covered_frames=account.covered,
        covered_whole=tuple(account.unknown),
        damaged=tuple(account.damaged),
        audio=tuple(sounds),
        audio_missing=tuple(sorted({one.stream for one in facts.audio} - {one.stream for one in sounds})),
        encoder=encoder.settings,
        copy_bytes=size,
        copy_sha256=digest,
    )


def _verify_recording(plan: RedactionPlan, reader: VideoReader) -> None:
    media = plan.media
    if (reader.width, reader.height) != (media.width, media.height) or reader.time_base != media.time_base:
        raise PlanStale(
            f"the plan is of {media.width}x{media.height} in {media.time_base} s, "
            f"the recording has {reader.width}x{reader.height} in {reader.time_base} s",
            "bwc detect ITEM makes a plan of this recording",
        )


def _verify_times(plan: RedactionPlan, account: _Account, reader: VideoReader) -> None:
    """Frames of a sound recording are exactly the plan's. In a damaged one what does not fit is covered whole."""
    if account.frames == 0:
        raise UnreadableMedia("no frame of the recording decodes", "the original stays as it is")
    fits = not account.unknown and account.frames == plan.media.frames
    if fits or (reader.lost and account.frames > len(account.unknown)):
        return
    raise PlanStale(
        f"the recording has {account.frames} frames, the plan {plan.media.frames}; {len(account.unknown)} are shown "
        "at times the plan does not know",
        "bwc detect ITEM makes a plan of this recording",
    )


def _encoder(plan: RedactionPlan, video: VideoFacts) -> H264Encoder:
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
    )


def _pictures(
    reader: VideoReader,
    video: VideoFacts,
    plan: RedactionPlan,
    encoder: H264Encoder,
    *,
    piece: Scratch,
    progress: Progress | None,
) -> tuple[SampleTable, _Account]:
    """Step 2. Samples go to `piece`; the table says their sizes and times."""
    covers, table, account = Coverage(plan), SampleTable(), _Account()
    is_bt709 = video.colour.matrix == _H273_BT709 or (video.colour.matrix == 2 and video.height >= _HD_HEIGHT)
    fill = yuv_of(plan.effect.colour, is_bt709=is_bt709, is_full_range=video.colour.range == 2)

    def keep(samples: list[EncodedSample]) -> None:
        for sample in samples:
            piece.write(sample.data)
            table.add(size=len(sample.data), pts=sample.pts, dts=sample.dts, key=sample.key)

    with Ahead(reader.frames()) as pictures:
        for picture in pictures:
            cover = _cover_of(picture, plan, covers, account)
            planes = (picture.y, picture.u, picture.v)
            if cover.whole:
                cover_whole(planes, fill, cover.keep)
            cover_boxes(planes, cover.boxes, plan.effect, fill)
            keep(encoder.encode(planes, picture.pts, force_key=picture.keyframe))
            account.frames += 1
            account.covered += not cover.is_clear
            if progress and account.frames % 30 == 0:
                progress(account.frames, plan.media.frames or None)
    keep(encoder.finish())
    if progress:
        progress(account.frames, account.frames)
    return table, account


def _cover_of(picture: Picture, plan: RedactionPlan, covers: Coverage, account: _Account) -> FrameCover:
    ordinal = plan.media.pts.ordinal_of(picture.pts)
    if ordinal is None:
        account.unknown.append(picture.ordinal)
        return FrameCover(whole=True)
    cover = covers.at(ordinal)
    if not picture.damaged:
        return cover
    # Concealment repeats or drags parts of neighbouring pictures: what was hidden there may show here.
    account.damaged.append(picture.ordinal)
    around = range(max(0, ordinal - DAMAGE_REACH), min(plan.media.frames, ordinal + DAMAGE_REACH + 1))
    boxes = {box: None for place in around for box in covers.at(place).boxes}
    whole = any(covers.at(place).whole for place in around)
    return FrameCover(whole=whole, boxes=tuple(boxes), keep=cover.keep if plan.effect.inverse else ())


def _video(
    table: SampleTable,
    data: BinaryIO,
    *,
    plan: RedactionPlan,
    video: VideoFacts,
    encoder: H264Encoder,
    origin: Fraction,
) -> Track:
    pts = plan.media.pts
    last = pts.start + plan.media.duration - pts.pts_of(pts.count - 1)
    return video_track(
        table,
        data,
        time_base=plan.media.time_base,
        avcc=encoder.avcc,
        width=plan.media.width,
        height=plan.media.height,
        matrix=video.matrix,
        colour=video.colour,
        sar=video.sar,
        last_duration=last if 0 < last <= _MAX_TICKS else None,
        origin=origin,
    )


def _taker(piece: Scratch) -> Callable[[bytes], None]:
    def take(data: bytes) -> None:
        piece.write(data)

    return take


def _write(mp4: Mp4, out: ByteSink) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    for piece in mp4:
        out.write(piece)
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()
