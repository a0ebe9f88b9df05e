"""From an original and its plan to the redacted copy: an MP4 of our own.

 1. compare the recording with the plan: another size, time base or other frame times refuse (`PlanStale`)
 2. pictures: groups with nothing to hide are copied and the others encoded again (`render_groups`); where a recording
    does not allow that, every frame is decoded, covered and encoded (`render_frames`). Samples go to a scratch
 3. sound: packets as they are, spans the plan mutes silenced, those it bleeps replaced by the bleep
 4. when the last frame is known good, write the MP4 front to back; until then nothing has reached the sink

A frame that the plan does not know, or cannot know, is covered whole: doubt hides.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from bwc.canonical import Json
from bwc.errors import PlanStale, UnreadableMedia
from bwc.jobs import Jobs
from bwc.media.audio import Sound, write_sound
from bwc.media.decode import VideoReader
from bwc.media.delivery import layout_of
from bwc.media.facts import MediaFacts, VideoFacts
from bwc.media.gops import Uncopyable
from bwc.media.group_index import GroupIndex
from bwc.media.mp4 import Mp4, SampleTable, Track, video_track
from bwc.media.source import LostFrames
from bwc.redact.excerpt import Excerpt, ExcerptReader, plan_of, trim_sound
from bwc.redact.gop_job import render_gop
from bwc.redact.plan import RedactionPlan
from bwc.redact.plan_view import delivery_of, silent_and_bleeped
from bwc.redact.render_frames import encoder_for, render_frames
from bwc.redact.render_groups import Groups
from bwc.redact.rendering import Account, ByteSink, Pieces, Progress, RenderResult, Scratch, Way

__all__ = ["Progress", "RenderResult", "Scratch", "Way", "render"]

_MAX_TICKS = 2**31 - 1


def render(
    original: BinaryIO,
    plan: RedactionPlan,
    out: ByteSink,
    scratch: Callable[[], Scratch],
    progress: Progress | None = None,
    *,
    jobs: Jobs | None = None,
    pieces: Pieces | None = None,
    index: GroupIndex | None = None,
    excerpt: Excerpt | None = None,
    facts: MediaFacts | None = None,
) -> RenderResult:
    """Write the redacted copy of `original` to `out`, which need not seek. Same inputs, same bytes, however many `jobs`.

    With `excerpt` only that part is written, every frame of it encoded; `plan` is that of the whole recording.
    `facts` are those of the original, if they are known.

    Raises `PlanStale` when the recording is not the one `plan` describes, `UsageError` when the plan asks for a delivery
    that cannot be, and `UnreadableMedia` when no frame
    decodes; nothing is written to `out` then. Undecided tracks are covered. Frames lost are counted, not raised.
    """
    reader = VideoReader(original, facts=facts)
    facts = reader.facts
    if facts.video is None:
        raise UnreadableMedia("the recording holds no picture")
    _verify_recording(plan, reader)
    delivery = delivery_of(plan)
    reader.layout = layout = layout_of(delivery, facts.video)
    tracks_data: list[Scratch] = []
    try:
        made = _pictures(
            original,
            reader,
            facts.video,
            plan,
            scratch,
            progress=progress,
            jobs=jobs or Jobs(1),
            pieces=pieces,
            index=index,
            excerpt=excerpt,
        )
        tracks_data.append(made.data)
        if jobs is not None:
            jobs.close()  # idle workers hold 100 MB each; the next recording's pictures start them again
        sounds: list[Sound] = []
        for stream in facts.audio:
            tracks_data.append(scratch())
            sound = _sound(original, stream.stream, plan, _taker(tracks_data[-1]), scratch=scratch, excerpt=excerpt)
            if sound is None:
                tracks_data.pop().close()
            else:
                sounds.append(sound)
        part = plan_of(plan, excerpt) if excerpt else plan
        origin = excerpt.start if excerpt else _origin(plan, sounds)
        tracks = [
            _video(
                made, plan=part, video=facts.video, origin=origin, padding=layout.padding(reader.width, reader.height)
            )
        ]
        tracks += [
            sound.track(piece.reader(), origin=origin) for sound, piece in zip(sounds, tracks_data[1:], strict=True)
        ]
        size, digest = _write(Mp4(tracks), out)
    finally:
        for piece in tracks_data:
            piece.close()
    account = made.account
    return RenderResult(
        frames=account.frames,
        frames_lost=made.frames_lost,
        lost=made.lost,
        covered_frames=account.covered,
        covered_whole=tuple(account.unknown),
        damaged=tuple(account.damaged),
        audio=tuple(sounds),
        audio_missing=tuple(sorted({one.stream for one in facts.audio} - {one.stream for one in sounds})),
        encoder=made.settings,
        copy_bytes=size,
        copy_sha256=digest,
        way=made.way,
        why=made.why,
        groups=account.groups,
        copied=tuple(account.copied),
        proof=account.proof,
        delivery=delivery,
        pix_fmt=layout.pix_fmt,
        padding=layout.padding(plan.media.width, plan.media.height),
    )


def _origin(plan: RedactionPlan, sounds: list[Sound]) -> Fraction:
    """MP4 cannot say that something begins before zero: then the earliest beginning becomes zero."""
    return min(Fraction(0), plan.media.pts.start * plan.media.time_base, *(sound.start for sound in sounds))


def _sound(
    original: BinaryIO,
    stream: int,
    plan: RedactionPlan,
    put: Callable[[bytes], None],
    *,
    scratch: Callable[[], Scratch],
    excerpt: Excerpt | None,
) -> Sound | None:
    """Step 3 for one track; its packets go to `put`."""
    silent, bleeped = silent_and_bleeped(plan, silent=excerpt.outside() if excerpt else ())
    if excerpt is None:
        return write_sound(original, stream, put, mutes=silent, bleeps=bleeped)
    whole = scratch()
    try:
        sound = write_sound(original, stream, _taker(whole), mutes=silent, bleeps=bleeped)
        return None if sound is None else trim_sound(sound, whole.reader(), put, excerpt)
    finally:
        whole.close()


def _verify_recording(plan: RedactionPlan, reader: VideoReader) -> None:
    media = plan.media
    if (reader.width, reader.height) != (media.width, media.height) or reader.time_base != media.time_base:
        raise PlanStale(
            f"the plan is of {media.width}x{media.height} in {media.time_base} s, "
            f"the recording has {reader.width}x{reader.height} in {reader.time_base} s",
            "bwc detect ITEM makes a plan of this recording",
        )


def _verify_times(plan: RedactionPlan, account: Account, reader: VideoReader | ExcerptReader) -> None:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pictures:
    """The picture track, ready but for the file around it."""

    data: Scratch
    table: SampleTable
    account: Account
    avcc: bytes
    settings: Mapping[str, Json]
    way: Way
    why: str = ""
    frames_lost: int = 0
    lost: tuple[LostFrames, ...] = ()


def _pictures(
    original: BinaryIO,
    reader: VideoReader,
    video: VideoFacts,
    plan: RedactionPlan,
    scratch: Callable[[], Scratch],
    *,
    progress: Progress | None,
    jobs: Jobs,
    pieces: Pieces | None,
    index: GroupIndex | None,
    excerpt: Excerpt | None,
) -> _Pictures:
    """Step 2: by groups where the recording allows it."""
    if excerpt is not None:
        part = ExcerptReader(reader, excerpt)
        return _encoded(part, video, plan_of(plan, excerpt), scratch, progress=progress, why="it is an excerpt")
    if video.codec == "h264" and not video.reorders and (plan.tracks or plan.whole_frame):
        jobs.warm(render_gop)  # a second of starting processes, while this one reads packets
    data = scratch()
    try:
        groups = Groups(original, video, plan, index)
        table, account = groups.render(data, jobs=jobs, pieces=pieces, progress=progress)
    except Uncopyable as error:
        data.close()
        why = error.message
    except BaseException:
        data.close()
        raise
    else:
        return _Pictures(
            data=data, table=table, account=account, avcc=groups.avcc, settings=groups.settings, way=Way.SMART
        )
    return _encoded(reader, video, plan, scratch, progress=progress, why=why)


def _encoded(
    reader: VideoReader | ExcerptReader,
    video: VideoFacts,
    plan: RedactionPlan,
    scratch: Callable[[], Scratch],
    *,
    progress: Progress | None,
    why: str,
) -> _Pictures:
    """Step 2 where nothing is copied."""
    data = scratch()
    try:
        encoder = encoder_for(plan, video, reader.layout)
        table, account = render_frames(reader, video, plan, encoder, piece=data, progress=progress)
        _verify_times(plan, account, reader)
    except BaseException:
        data.close()
        raise
    return _Pictures(
        data=data,
        table=table,
        account=account,
        avcc=encoder.avcc,
        settings=encoder.settings,
        way=Way.FULL,
        why=why,
        frames_lost=reader.frames_lost,
        lost=tuple(reader.lost),
    )


def _video(
    made: _Pictures, *, plan: RedactionPlan, video: VideoFacts, origin: Fraction, padding: tuple[int, int]
) -> Track:
    pts = plan.media.pts
    last = pts.start + plan.media.duration - pts.pts_of(pts.count - 1)
    return video_track(
        made.table,
        made.data.reader(),
        time_base=plan.media.time_base,
        avcc=made.avcc,
        width=plan.media.width,
        height=plan.media.height,
        matrix=video.matrix,
        colour=video.colour,
        sar=video.sar,
        last_duration=last if 0 < last <= _MAX_TICKS else None,
        origin=origin,
        padding=padding,
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
