"""Frames with their pts, in presentation order, from any seekable file object, as 8-bit 4:2:0 planes.

A `Picture` owns its planes (copies): they may be written to, unless the reader was told to `borrow` them from the
decoder, which saves a millisecond for a frame of 1080 lines and keeps the frame in memory as long as its planes. Values and range tag are the source's; only the
layout changes (10-bit to 8, 4:2:2 and 4:4:4 to 4:2:0), unless another `layout` is asked for. Odd sizes stay odd:
chroma planes are rounded up.
"""

import gc
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from bwc.errors import MediaError, UnreadableMedia
from bwc.media.delivery import COMPATIBLE, Layout
from bwc.media.facts import Colour, MediaFacts, VideoFacts
from bwc.media.paired import PairedDecoder, Unsound, codec_threads
from bwc.media.planes import Plane, Planes, bgr_of, cropped, half_of, native_planes, planes_of, resized
from bwc.media.probe import scan
from bwc.media.source import Decoded, FrameDecoder, LostFrames, Retimed, Source
from bwc.media.twins import Spans

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# A PyAV frame whose side data was touched sits in a reference cycle: 300 frames of 1080p kept 563 MB until the
# cyclic collector ran, 109 MB with a collection every 10 frames (PyAV 18.1, 2026-11). Freezing what is already
# alive makes each collection cheap; once per process only, a second freeze would keep frames for ever.
_COLLECT_EVERY = 10
_frozen = False


@dataclass(slots=True)
class Picture:
    """One frame. Planes are `uint8`, C-contiguous and writable unless borrowed: y (height, width), u and v (ceil half, ceil half).

    A reader that was given another `layout` delivers that: `uint16` for 10 bits, more colour samples.
    """

    ordinal: int
    pts: int  # ticks of time_base
    time_base: Fraction
    keyframe: bool
    y: Plane
    u: Plane
    v: Plane
    damaged: bool = False  # concealed errors, or built on a frame that was lost
    interlaced: bool = False
    colour: Colour = field(default_factory=Colour)
    known: bool = False  # not decoded, its planes are empty: the reader was told that they are known
    motion: NDArray[Any] | None = None  # the codec's vectors (fields of AVMotionVector), when asked for and present
    _halves: list[Plane] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def width(self) -> int:
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        return int(self.y.shape[0])

    @property
    def seconds(self) -> Fraction:
        """Time of the frame on the recording's own clock."""
        return self.pts * self.time_base

    def halved(self, times: int) -> Plane:
        """`y`, 8 bits, by area at half its size, and that again, `times` in all; its sides must divide. Made once for all who ask, by one thread at a time."""
        while len(self._halves) < times:
            self._halves.append(half_of(self._halves[-1] if self._halves else self.y))
        return self._halves[times - 1] if times else self.y

    def bgr(self, width: int | None = None) -> Plane:
        """(rows, columns, 3) BGR in coded orientation, scaled to `width` columns by area when given."""
        return bgr_of(self.y, self.u, self.v, full_range=self.colour.range == 2, width=width)

    def to_av(self) -> VideoFrame:
        """A new `yuv420p` frame with these planes, pts and time base, and nothing else of the source."""
        frame = frame_of((self.y, self.u, self.v))
        frame.pts = self.pts
        frame.time_base = self.time_base
        return frame


class Onlooker(Protocol):
    """Is told what a reader decodes, in order, in the thread that reads; tells it nothing, and changes no pixel.

    Pictures come in the order of showing, some time after their packets.
    """

    def begins(self, video: VideoFacts) -> None: ...
    def coded(self, pts: int | None, data: bytes, *, is_key: bool) -> None: ...
    def shown(self, picture: "Picture") -> None: ...


class VideoReader:
    """The main picture of a recording. `file` is any seekable binary reader; it stays the caller's to close.

    Raises `UnreadableMedia` when the file cannot be opened or holds no picture. One iteration at a time.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        name: str = "",
        motion_vectors: bool = False,
        planes: bool = True,
        borrow: bool = False,
        paired: bool = False,
        facts: MediaFacts | None = None,
    ) -> None:
        """`paired`: two pictures are decoded at a time, where all are stored in the order of showing; they are the same.

        `facts`: those of the file, if they are known.
        """
        self._file = file
        self._name = name
        self.motion_vectors = motion_vectors
        self.paired = paired
        self._planes = planes
        self._borrow = borrow
        self.layout: Layout = COMPATIBLE
        self.onlooker: Onlooker | None = None
        self.known: Spans = ()  # pictures not to be decoded: whole closed groups, see bwc.media.twins
        self._facts = facts
        self._account: FrameDecoder | None = None
        self._sought: Source | None = None
        with Source(file, name=name) as source:
            stream = _main(source)
            context = stream.codec_context
            self._coded = (context.width, context.height)
            self._window = source.window(*self._coded)
            self.width, self.height = self._window[2:]
            self.time_base: Fraction = stream.time_base or Fraction(1, 90_000)
            self.codec: str = context.name

    @property
    def facts(self) -> MediaFacts:
        """Facts from one pass over the packets (no decoding beyond the first frames); read once, then kept."""
        if self._facts is None:
            self._facts = scan(self._file, self._name, decode_frames=1)
        return self._facts

    @property
    def lost(self) -> list[LostFrames]:
        """Losses of the latest iteration so far; complete when it has ended."""
        return list(self._account.lost) if self._account else []

    @property
    def frames_lost(self) -> int:
        return self._account.frames_lost if self._account else 0

    @property
    def damaged(self) -> int:
        """Frames delivered with concealed errors in the latest iteration."""
        return self._account.damaged if self._account else 0

    @property
    def retimed(self) -> list[Retimed]:
        """Frames whose own time was missing or did not increase, in the latest iteration."""
        return list(self._account.retimed) if self._account else []

    def frames(self, start_ordinal: int = 0) -> Iterator[Picture]:
        """Pictures in presentation order from `start_ordinal`. Frames hidden by an edit list never appear.

        Every frame before is decoded too: what an ordinal names must not depend on where reading began.
        """
        told = _Told(self.onlooker)
        if self.paired:
            try:
                for picture in self._read(told, paired=True):
                    if picture.ordinal >= start_ordinal:
                        yield picture
            except Unsound:  # then all is decoded again by one thread, and only the rest is given out
                start_ordinal = max(start_ordinal, told.pictures)
            else:
                return
        for picture in self._read(told, paired=False):
            if picture.ordinal >= start_ordinal:
                yield picture

    def _read(self, told: "_Told", *, paired: bool) -> Iterator[Picture]:
        with Source(self._file, name=self._name) as source, ExitStack() as held:
            stream = _main(source)
            if paired:
                held.enter_context(codec_threads(stream))
                self._account = PairedDecoder(stream, motion_vectors=self.motion_vectors)
            else:
                self._account = FrameDecoder(stream, motion_vectors=self.motion_vectors)
            # The generator below is closed with this one; the container must outlive it.
            packets = told.packets_of(source.packets(stream))
            for decoded in _decoded(source, packets, self._account, self.known):
                picture = self._picture(decoded)
                told.show(picture)
                yield picture

    def frames_from(self, pts: int) -> Iterator[Picture]:
        """Pictures from the last keyframe at or before `pts` on; ordinals count from there, losses are not counted.

        The recording stays open for the next call, which ends this one: to open two hours anew takes 0.13 s of CPU time.
        """
        if self._sought is None:
            self._sought = Source(self._file, name=self._name)
        stream = _main(self._sought)
        self._sought.container.seek(pts, stream=stream)
        if stream.codec_context.is_open:
            stream.codec_context.flush_buffers()
        for decoded in _decoded(self._sought, self._sought.packets(stream), FrameDecoder(stream), ()):
            yield self._picture(decoded)

    def _picture(self, decoded: Decoded) -> Picture:
        frame = decoded.frame
        if frame is None:
            nothing = _nothing()
            return Picture(decoded.ordinal, decoded.pts, self.time_base, False, *nothing, known=True)
        y, u, v = self._planes_of(frame)
        if self._planes and (frame.width, frame.height) != self._coded:
            y, u, v = resized((y, u, v), *self._coded)
        if self._planes and self._window[2:] != self._coded:
            y, u, v = cropped((y, u, v), self._window)
        return Picture(
            ordinal=decoded.ordinal,
            pts=decoded.pts,
            time_base=self.time_base,
            keyframe=bool(frame.key_frame),
            y=y,
            u=u,
            v=v,
            damaged=decoded.damaged,
            interlaced=bool(frame.interlaced_frame),
            colour=colour_of(frame),
            motion=self._vectors(frame, decoded.ordinal) if self.motion_vectors else None,
        )

    def _planes_of(self, frame: VideoFrame) -> Planes:
        if not self._planes:
            if frame.width <= 0:
                raise MediaError("a frame has no width")
            return _nothing()
        if self.layout == COMPATIBLE:
            return planes_of(frame, borrow=self._borrow)
        return cast(Planes, native_planes(frame, self.layout))

    def _vectors(self, frame: VideoFrame, ordinal: int) -> NDArray[Any] | None:
        global _frozen  # noqa: PLW0603  once per process, see _COLLECT_EVERY
        if not _frozen:
            gc.collect()
            gc.freeze()
            _frozen = True
        found = frame.side_data.get("MOTION_VECTORS")
        vectors = None if found is None else found.to_ndarray()
        if vectors is not None and not self._borrow:
            vectors = np.array(vectors)
        del found
        if ordinal % _COLLECT_EVERY == 0:
            gc.collect()
        return vectors


def frame_of(planes: Planes, pix_fmt: str = COMPATIBLE.pix_fmt) -> VideoFrame:
    """A new frame holding a copy of `planes`."""
    rows, columns = planes[0].shape
    frame = VideoFrame(columns, rows, pix_fmt)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows, columns = values.shape
        kind = values.dtype
        raw = np.frombuffer(cast(Any, plane), np.uint8)[: rows * plane.line_size].reshape(rows, plane.line_size)
        raw[:, : columns * kind.itemsize].view(kind)[:] = values
    return frame


def colour_of(frame: VideoFrame) -> Colour:
    """The colour tags of one frame; the `yuvj` formats say full range by their name."""
    full = frame.format.name.startswith("yuvj")
    return Colour(
        range=2 if full else int(frame.color_range),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        matrix=int(frame.colorspace),
    )


class _Told:
    """What an onlooker has been told: each packet and each picture once, also when reading begins again."""

    def __init__(self, onlooker: Onlooker | None) -> None:
        self._onlooker = onlooker
        self._packets = 0
        self.pictures = 0

    def packets_of(self, packets: "Iterator[Packet[Any]]") -> "Iterator[Packet[Any]]":
        for number, packet in enumerate(packets):
            if number == self._packets:
                self._packets += 1
                if self._onlooker is not None:
                    self._onlooker.coded(packet.pts, bytes(packet), is_key=packet.is_keyframe)
            yield packet

    def show(self, picture: Picture) -> None:
        if picture.ordinal == self.pictures:
            self.pictures += 1
            if self._onlooker is not None:
                self._onlooker.shown(picture)


def _decoded(
    source: Source, packets: "Iterator[Packet[Any]]", account: FrameDecoder, known: Spans
) -> Iterator[Decoded]:
    spans, at = deque(known), False
    for packet in packets:
        while spans and packet.pts is not None and packet.pts > spans[0][1]:
            spans.popleft()
        before, at = at, bool(spans) and packet.pts is not None and packet.pts >= spans[0][0]
        if at and not before:
            yield from account.pause()
        if at:
            yield account.known(packet)
        else:
            yield from account.push(packet)
    for reason in source.trouble:
        account.lost.append(LostFrames(after_ordinal=account.frames - 1, packets=0, reason=reason))
    yield from account.finish()


def _main(source: Source) -> "VideoStream":
    stream = source.picture()
    if stream is None:
        raise UnreadableMedia(f"{source.name} holds no picture that can be decoded")
    return stream


def _nothing() -> tuple[Plane, Plane, Plane]:
    empty = np.zeros((0, 0), np.uint8)
    return empty, empty, empty
