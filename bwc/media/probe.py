"""What a recording holds: streams, frame times, camera clock, position, raw tags. Run it in the sandbox.

One pass over all packets; the first frames are decoded (all of a short recording), so that "readable" means that
a picture came out. Tags are a stranger's text: cut at a limit, never trusted with a decision.
"""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, BinaryIO, cast

import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from bwc.errors import UnreadableMedia
from bwc.media.facts import IDENTITY, AudioFacts, Colour, MediaFacts, OtherStream, PtsTable, VideoFacts
from bwc.media.source import Decoded, FrameDecoder, Source, last_line

__all__ = ["DECODE_FRAMES", "AudioFacts", "MediaFacts", "VideoFacts", "probe", "scan"]

DECODE_FRAMES = 300  # ten seconds at 30 fps: two CPU seconds of 1080p (7 ms a frame)
_TAGS = 200
_TAG_CHARACTERS = 2_000
_CLOCK_TAGS = ("creation_time", "date", "com.apple.quicktime.creationdate", "DATE_RECORDED", "ICRD")
_PLACE_TAGS = ("location", "com.apple.quicktime.location.ISO6709", "location-eng")
_ISO6709 = re.compile(r"([+-]\d{1,2}(?:\.\d{1,12})?)([+-]\d{1,3}(?:\.\d{1,12})?)")


def probe(file: BinaryIO, name: str = "", *, decode_frames: int | None = DECODE_FRAMES) -> MediaFacts:
    """Facts of the recording in `file` (seekable). `decode_frames` None decodes every frame: exact, but slow.

    Raises `UnreadableMedia` with the codec library's last line when no picture and no sound decodes.
    """
    facts = scan(file, name, decode_frames=decode_frames)
    if (facts.video is None or facts.video.decoded == 0) and all(track.start is None for track in facts.audio):
        why = facts.losses[-1] if facts.losses else "no stream that decodes"
        raise UnreadableMedia(f"{name or 'recording'} cannot be read: {why}")
    return facts


def scan(file: BinaryIO, name: str = "", *, decode_frames: int | None) -> MediaFacts:
    """`probe` without the last question: facts even of a recording nothing of which decodes."""
    with Source(file, name=name) as source:
        picture = source.picture()
        video = _VideoScan(picture, decode_frames) if picture is not None else None
        sounds = {stream.index: _AudioScan(stream) for stream in source.sounds()}
        wanted: list[Any] = ([picture] if picture is not None else []) + list(source.sounds())
        for packet in source.packets(*wanted) if wanted else ():
            if video is not None and packet.stream_index == video.stream.index:
                video.push(packet)
            else:
                sounds[packet.stream_index].push(packet)
        tags = tuple(_tags(source))
        losses = list(source.trouble)
        video_facts = video.facts(losses, source) if video is not None else None
        for sound in sounds.values():
            losses += sound.losses()
        return MediaFacts(
            container=source.container.format.name,
            duration=max(0, int(source.container.duration or 0)),
            video=video_facts,
            audio=tuple(sound.facts() for sound in sounds.values()),
            other_streams=tuple(_others(source, picture)),
            tags=tags,
            recorded_at=_recorded_at(tags),
            position=_position(tags),
            losses=tuple(losses[:100]),
        )


class _VideoScan:
    """Frame times by decoding as far as asked, by packets after that."""

    def __init__(self, stream: VideoStream, decode_frames: int | None) -> None:
        self.stream = stream
        self._left = decode_frames
        self._decoder: FrameDecoder | None = FrameDecoder(stream)
        self._account = self._decoder
        self._pts = array("q")
        self._keys = array("q")
        self._packet_pts = array("q")
        self._packet_keys: set[int] = set()
        self._first: VideoFrame | None = None
        self._reordered = False
        self._last_dts = None

    def push(self, packet: Any) -> None:
        if packet.pts is not None and not packet.is_discard:
            self._packet_pts.append(packet.pts)
            if packet.is_keyframe:
                self._packet_keys.add(packet.pts)
            if len(self._packet_pts) > 1 and packet.pts < self._packet_pts[-2]:
                self._reordered = True
        if self._decoder is not None:
            self._take(self._decoder.push(packet))
            if self._left is not None and len(self._pts) >= self._left:
                self._decoder = None  # the rest is counted by packets

    def _take(self, frames: list[Decoded]) -> None:
        for decoded in frames:
            if self._first is None:
                self._first = decoded.frame
            if decoded.frame is not None and decoded.frame.key_frame:
                self._keys.append(decoded.ordinal)
            self._pts.append(decoded.pts)

    def facts(self, losses: list[str], source: Source) -> VideoFacts:
        if self._decoder is not None:
            self._take(self._decoder.finish())
        assert self._account is not None
        for loss in self._account.lost:
            losses.append(f"{loss.packets} frames lost after frame {loss.after_ordinal}: {loss.reason}")
        pts, keys = self._times()
        context = self.stream.codec_context
        first = self._first
        time_base = self.stream.time_base or Fraction(1, 90_000)
        matrix = _matrix(first)
        sar = context.sample_aspect_ratio
        coded = (first.width, first.height) if first is not None else (context.width, context.height)
        _, _, width, height = source.window(*coded)
        return VideoFacts(
            stream=self.stream.index,
            codec=context.codec.canonical_name,
            profile=context.profile or "",
            pix_fmt=first.format.name if first is not None else context.pix_fmt or "",
            width=width,
            height=height,
            matrix=matrix,
            rotation=first.rotation if first is not None else 0,
            sar=(sar.numerator, sar.denominator) if sar else (1, 1),
            time_base=time_base,
            rate=self.stream.average_rate or Fraction(0),
            frames=len(pts),
            decoded=len(self._pts),
            frames_lost=self._account.frames_lost,
            frames_damaged=self._account.damaged,
            pts=PtsTable.of(pts),
            keyframes=tuple(keys),
            interlaced=bool(first.interlaced_frame) if first is not None else False,
            top_field_first=context.field_order not in (3, 5),  # AV_FIELD_BB, AV_FIELD_BT; unknown: top
            colour=_colour(first, context),
            reorders=self._reordered,
        )

    def _times(self) -> tuple["array[int]", list[int]]:
        """pts in order and the ordinals of keyframes: decoded ones, then those of packets after the last decoded."""
        pts, keys = array("q", self._pts), list(self._keys)
        if self._decoder is None:
            rest = np.unique(np.frombuffer(self._packet_pts, np.int64))  # in order; a set of hours is 20 MB
            rest = rest[rest > pts[-1]] if pts else rest
            keys += (np.flatnonzero(np.isin(rest, list(self._packet_keys))) + len(pts)).tolist()
            pts.frombytes(rest.tobytes())
        return pts, keys


@dataclass
class _AudioScan:
    """Extent of one sound track; its first packets are decoded to learn where sound begins."""

    stream: AudioStream
    packets: int = 0
    lost: int = 0
    start: int | None = None
    end: int | None = None
    errors: list[str] = field(default_factory=list)

    def push(self, packet: Any) -> None:
        self.packets += 1
        self.lost += bool(packet.is_corrupt)
        if packet.pts is not None:
            self.end = max(self.end if self.end is not None else packet.pts, packet.pts + (packet.duration or 0))
        if self.start is not None:
            return
        try:
            frames = self.stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            self.lost += not packet.is_corrupt
            self.errors.append(last_line(error))
            return
        for frame in frames:
            if self.start is None:
                self.start = frame.pts if frame.pts is not None else packet.pts or 0

    def losses(self) -> list[str]:
        where = f"sound of stream {self.stream.index}"
        if self.start is None:
            return [f"{where}: nothing of it decodes" + (f": {self.errors[-1]}" if self.errors else "")]
        return [f"{where}: {self.lost} packets lost"] if self.lost else []

    def facts(self) -> AudioFacts:
        context = self.stream.codec_context
        start = self.start
        return AudioFacts(
            stream=self.stream.index,
            codec=context.codec.canonical_name,
            profile=context.profile or "",
            rate=context.sample_rate,
            channels=context.layout.nb_channels,
            layout=context.layout.name,
            time_base=self.stream.time_base or Fraction(1, context.sample_rate or 1),
            start=start,
            duration=max(0, self.end - start) if self.end is not None and start is not None else 0,
            packets=self.packets,
            packets_lost=self.lost,
        )


def _matrix(frame: VideoFrame | None) -> tuple[int, int, int, int]:
    if frame is None:
        return IDENTITY
    found = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return IDENTITY
    numbers = memoryview(bytes(cast(Any, found))).cast(
        "i"
    )  # nine native int32, rows of a 3x3 matrix; the last column is 2.30
    return numbers[0], numbers[1], numbers[3], numbers[4]


def _colour(frame: VideoFrame | None, context: Any) -> Colour:
    tagged = frame if frame is not None else context
    full = frame is not None and frame.format.name.startswith("yuvj")
    return Colour(
        range=2 if full else int(tagged.color_range),
        primaries=int(tagged.color_primaries),
        transfer=int(tagged.color_trc),
        matrix=int(tagged.colorspace),
    )


def _others(source: Source, picture: VideoStream | None) -> Iterator[OtherStream]:
    for stream in source.container.streams:
        if stream.index in {sound.index for sound in source.sounds()} or (
            picture is not None and stream.index == picture.index
        ):
            continue
        context = stream.codec_context
        name = stream.metadata.get("handler_name", "")[:_TAG_CHARACTERS]
        yield OtherStream(stream=stream.index, kind=stream.type, codec=context.name if context else "", name=name)


def _tags(source: Source) -> Iterator[tuple[str, str, str]]:
    count = 0
    places: list[tuple[str, Any]] = [("container", source.container.metadata)]
    places += [(f"stream {stream.index}", stream.metadata) for stream in source.container.streams]
    for where, metadata in places:
        for key, value in metadata.items():
            count += 1
            if count > _TAGS:
                return
            yield where, _text(key), _text(value)


def _text(untrusted: str) -> str:
    return untrusted[:_TAG_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _recorded_at(tags: tuple[tuple[str, str, str], ...]) -> datetime | None:
    for wanted in _CLOCK_TAGS:
        for _, key, value in tags:
            if key.lower() == wanted.lower():
                moment = _moment(value)
                if moment is not None:
                    return moment
    return None


def _moment(untrusted: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(untrusted.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # 1904, 1970 and 2000 are what a camera writes whose clock was never set
    return moment.astimezone(UTC) if moment.year > 2000 else None


def _position(tags: tuple[tuple[str, str, str], ...]) -> tuple[int, int] | None:
    for wanted in _PLACE_TAGS:
        for _, key, value in tags:
            match = _ISO6709.match(value.strip()) if key == wanted else None
            if match:
                latitude, longitude = (round(Fraction(number) * 1_000_000) for number in match.groups())
                if abs(latitude) <= 90_000_000 and abs(longitude) <= 180_000_000:
                    return latitude, longitude
    return None
