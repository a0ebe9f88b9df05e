"""Packets and frames out of an untrusted recording: errors caught per packet, every loss counted.

What FFmpeg hides, this file counts: a packet that raises, a packet that yields no picture, a picture built on
concealed errors, a recording that ends before the length it declares. Frames hidden by an edit list are not
losses: they are not meant to be seen, and are never delivered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import av
import av.error
import av.logging
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from bwc.errors import UnreadableMedia
from bwc.media.clap import clean_aperture

if TYPE_CHECKING:
    from av.container.input import InputContainer
    from av.packet import Packet

# Playlists (hls, dash, concat) and image sequences name other files; a recording must not reach beyond its bytes.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,av1,obu,ivf,m4v,mjpeg,flv,asf,mxf,dv,"
    "ogg,wav,w64,mp3,aac,flac,amr,ac3,eac3,caf,aiff"
)
OPEN_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
MAX_PIXELS = 8192 * 8192  # beyond any camera; a header that claims more is an attack on memory
_MAX_DEMUX_ERRORS = 32

# Nothing of the library's log reaches the terminal, but its last error line reaches our exceptions.
av.logging.set_level(av.logging.PANIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostFrames:
    """Frames that the recording holds (or declares) and that could not be decoded."""

    after_ordinal: int  # the last frame delivered before them, -1 for none
    packets: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retimed:
    """A frame whose own time could not stand (missing, or not after the one before); `pts` is what it was given."""

    ordinal: int
    untrusted_pts: int | None
    pts: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame in presentation order, with its identity."""

    ordinal: int
    pts: int
    frame: VideoFrame | None  # None: known from elsewhere, not decoded
    damaged: bool


class WatchedFile:
    """A seekable reader that keeps the first error of the file below it and then reads as ended.

    FFmpeg takes a failed read for the end of the file. An `IntegrityError` must never become a short recording, so
    callers ask `raise_if_failed` after opening, after every packet and at the end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        if self._failure is not None:
            return b""
        try:
            return self._file.read(size)
        except BaseException as error:  # an interrupt too: it is raised again outside the C callback
            self._failure = error
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        if self._failure is not None:
            return -1
        try:
            return self._file.seek(offset, whence)
        except BaseException as error:
            self._failure = error
            return -1

    def tell(self) -> int:
        return self._file.tell()

    def raise_if_failed(self) -> None:
        if self._failure is not None:
            raise self._failure


class Source:
    """An opened recording. Raises `UnreadableMedia` (with the codec library's last line) when it cannot be opened."""

    def __init__(self, file: BinaryIO, *, name: str = "") -> None:
        self.name = name or "recording"
        self._window = clean_aperture(file)
        file.seek(0)
        self.watched = WatchedFile(file)
        self.trouble: list[str] = []  # demuxing errors, in words
        try:
            self.container = cast(
                "InputContainer",
                av.open(cast(Any, self.watched), mode="r", options=dict(OPEN_OPTIONS), metadata_errors="replace"),
            )
        except (av.error.FFmpegError, ValueError) as error:
            self.watched.raise_if_failed()
            raise UnreadableMedia(f"{self.name} cannot be read: {last_line(error)}") from error
        self.watched.raise_if_failed()

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.container.close()

    def picture(self) -> VideoStream | None:
        """The main video stream: not a cover or thumbnail, the largest, then the first."""
        found: VideoStream | None = None
        for stream in self.container.streams.video:
            still = stream.disposition & (av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails)
            context = cast("Any", stream.codec_context)
            if still or context is None or not 0 < context.width * context.height <= MAX_PIXELS:
                continue
            if found is None or context.width * context.height > found.width * found.height:
                found = stream
        return found

    def sounds(self) -> list[AudioStream]:
        """The sound tracks that have a decoder."""
        return [stream for stream in self.container.streams.audio if cast("Any", stream.codec_context) is not None]

    def window(self, width: int, height: int) -> tuple[int, int, int, int]:
        """(left, top, width, height) of a `width` x `height` picture that is meant to be shown.

        Grown outwards to even corners, so that chroma samples stay with their pixels.
        """
        left, top, shown_width, shown_height = self._window or (0, 0, width, height)
        if left + shown_width > width or top + shown_height > height:
            return 0, 0, width, height
        return left - left % 2, top - top % 2, shown_width + left % 2, shown_height + top % 2

    def _mend(self, packet: "Packet[Any]") -> None:
        """AVI holds no pts. For H.264 the library guesses them one frame late, the last one a tick after its
        predecessor; without B-frames the order of storage is the order of showing, so the dts is the time.
        """
        if self.container.format.name == "avi" and packet.stream.type == "video":
            context = cast("Any", packet.stream.codec_context)
            if not context.has_b_frames and packet.dts is not None:
                packet.pts = packet.dts

    def packets(self, *streams: Any) -> Iterator["Packet[Any]"]:
        """Packets of `streams` in file order; errors between packets are noted in `trouble` and stepped over."""
        errors = 0
        while True:
            try:
                for packet in self.container.demux(*streams):
                    self.watched.raise_if_failed()
                    # An empty packet means "drain" to a decoder: one in mid-stream would end the recording there.
                    if packet.size > 0:
                        self._mend(packet)
                        yield packet
            except av.error.FFmpegError as error:
                self.watched.raise_if_failed()
                errors += 1
                self.trouble.append(last_line(error))
                if errors >= _MAX_DEMUX_ERRORS or isinstance(error, av.error.EOFError):
                    return
                continue
            self.watched.raise_if_failed()
            return


class FrameDecoder:
    """Turns the packets of one video stream into `Decoded` frames and keeps the account of what was lost.

    A packet is *answered* when a frame with its pts comes out. Frames come in presentation order, so every
    unanswered packet before a frame is lost. Memory is bounded by the decoder's reordering depth.
    """

    def __init__(self, stream: VideoStream, *, threads: int = 1, motion_vectors: bool = False) -> None:
        self._stream = stream
        self._context = stream.codec_context
        if motion_vectors:
            self._context.options = {"flags2": "+export_mvs"}
        # One thread: concealment of errors then never depends on timing, and the same bytes give the same frames.
        if not self._context.is_open:
            self._context.thread_count = threads
        if threads != 1 and not self._context.is_open:
            self._context.thread_type = "FRAME"
        self.lost: list[LostFrames] = []
        self.retimed: list[Retimed] = []
        self.damaged = 0
        self.frames = 0
        self._waiting: dict[int, str] = {}
        self._unnamed_errors = 0
        self._last_pts: int | None = None
        self._last_delta = 1
        self._smeared = False
        self._end: int | None = None

    def push(self, packet: "Packet[Any]") -> list[Decoded]:
        """The frames that `packet` completes; none when it fails (the loss is counted)."""
        reason = ""
        frames: list[VideoFrame] = []
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError as error:
            reason = last_line(error)
        if not packet.is_discard:
            if packet.pts is not None:
                self._waiting[packet.pts] = reason
            elif reason:
                self._unnamed_errors += 1
                self._lose(1, reason)
        return [self._deliver(frame) for frame in frames]

    def pause(self) -> list[Decoded]:
        """The frames still inside the decoder, which then forgets: what follows begins at an IDR picture, or is `known`."""
        delivered = [self._deliver(frame) for frame in self._context.decode(None)]
        self._context.flush_buffers()
        return delivered

    def known(self, packet: "Packet[Any]") -> Decoded:
        """The frame of a packet that is not decoded, because its picture is known; packets come in the order of showing."""
        pts = packet.pts
        assert pts is not None
        self._settle(pts)
        if self._last_pts is not None:
            self._last_delta = pts - self._last_pts
        self._last_pts, self._smeared = pts, False
        self.frames += 1
        return Decoded(ordinal=self.frames - 1, pts=pts, frame=None, damaged=False)

    def finish(self) -> list[Decoded]:
        """The frames still inside the decoder; then what remains unanswered is lost, and so is a missing tail."""
        delivered: list[Decoded] = []
        try:
            delivered = [self._deliver(frame) for frame in self._context.decode(None)]
        except av.error.FFmpegError as error:
            self._lose(0, last_line(error))
        self._settle(None)
        self._missing_tail()
        return delivered

    @property
    def frames_lost(self) -> int:
        return sum(loss.packets for loss in self.lost)

    def _deliver(self, frame: VideoFrame) -> Decoded:
        own = frame.pts if frame.pts is not None else frame.dts
        pts = own
        last = self._last_pts
        if pts is None or (last is not None and pts <= last):
            pts = 0 if last is None else last + self._last_delta if pts is None else last + 1
        if pts != own or frame.pts is None:
            self.retimed.append(Retimed(ordinal=self.frames, untrusted_pts=frame.pts, pts=pts))
        if own is not None:
            self._settle(own)
        if last is not None:
            self._last_delta = pts - last
        self._last_pts = pts
        if frame.key_frame and not frame.is_corrupt:
            self._smeared = False
        damaged = bool(frame.is_corrupt) or self._smeared
        self._smeared = damaged
        self.damaged += damaged
        decoded = Decoded(ordinal=self.frames, pts=pts, frame=frame, damaged=damaged)
        self.frames += 1
        return decoded

    def _settle(self, pts: int | None) -> None:
        """Packets that come before the frame at `pts` (None: the end) and were not answered are lost."""
        if pts is not None:
            self._waiting.pop(pts, None)
        gone = sorted(waiting for waiting in self._waiting if pts is None or waiting < pts)
        reasons: dict[str, int] = {}
        for waiting in gone:
            reason = self._waiting.pop(waiting) or "the decoder made no picture of it"
            reasons[reason] = reasons.get(reason, 0) + 1
        for reason, packets in reasons.items():
            self._lose(packets, reason)

    def _lose(self, packets: int, reason: str) -> None:
        self.lost.append(LostFrames(after_ordinal=self.frames - 1, packets=packets, reason=reason))
        self._smeared = True

    def _missing_tail(self) -> None:
        """A recording that ends well before the length it declares has lost its tail (estimated by its rate)."""
        declared = _declared_end(self._stream)
        if declared is None or self._last_pts is None or self._stream.time_base is None:
            return
        step = max(self._last_delta, 1)
        if self._stream.average_rate:
            step = max(step, round(1 / (self._stream.average_rate * self._stream.time_base)))
        lost_since = sum(loss.packets for loss in self.lost if loss.after_ordinal == self.frames - 1)
        missing = round(Fraction(declared - self._last_pts, step)) - 1 - lost_since
        seconds = (declared - self._last_pts) * self._stream.time_base
        if missing >= 2 and seconds > Fraction(1, 5):
            reason = f"the recording ends {float(seconds):.3f} s before the length it declares (frames estimated)"
            self._lose(missing, reason)


def _declared_end(stream: VideoStream) -> int | None:
    """The end in ticks that the header claims, where a header is to be trusted with it; else None."""
    if stream.time_base is None:
        return None
    if stream.duration is not None:
        return (stream.start_time or 0) + stream.duration
    text = stream.metadata.get("DURATION", "")  # Matroska statistics: 00:00:01.601000000
    parts = text.split(":")
    try:
        hours, minutes, seconds = int(parts[0]), int(parts[1]), Fraction(parts[2])
    except (ValueError, IndexError):
        return None
    return int((hours * 3600 + minutes * 60 + seconds) / stream.time_base)


def last_line(error: Exception) -> str:
    """The codec library's last line: what it was, without the errno prefix and our file names."""
    log = getattr(error, "log", None)
    text = log[2].strip() if log else ""
    words = getattr(error, "strerror", None) or str(error)
    return f"{words}: {text}" if text else words
