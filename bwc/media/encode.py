"""Pictures to H.264: exact pts, keyframes where the source has them, the same bytes for the same planes.

libx264 with one thread, no B-frames and CPU-independent code paths: two machines with the same build of the encoder
write the same stream. `settings` says everything that decides the bytes.
"""

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from bwc.canonical import Json
from bwc.errors import MediaError
from bwc.media.decode import frame_of
from bwc.media.delivery import COMPATIBLE, Layout
from bwc.media.facts import Colour
from bwc.media.h264 import avcc_of, clean_units, length_prefixed, nal_units
from bwc.media.parameter_sets import ParameterSets
from bwc.media.planes import Planes, buffer_of

MAX_TICKS = 2**31 - 1  # FFmpeg keeps time bases in 32-bit integers
_LARGE = 1280 * 720  # from here on detail is many blocks wide: 16x16 predictions are enough
_SAR_LIMIT = 65_535  # H.264 E.1.1: sar_width and sar_height have 16 bits


@dataclass(frozen=True, slots=True)
class EncodedSample:
    """One picture as MP4 stores it: length-prefixed NAL units; pts and dts in ticks of the encoder's time base."""

    data: bytes
    pts: int
    dts: int
    key: bool


class H264Encoder:
    """Encodes planes of one size and `layout`. Odd sizes are padded to even by repeating the last row and column;

    `coded_width`, `coded_height` are what the stream holds, `width`, `height` what is to be shown (the MP4's `clap`).
    Feed pts that increase strictly; samples come back in the same order, some calls later.
    """

    def __init__(
        self,
        width: int,
        height: int,
        time_base: Fraction,
        *,
        rate: Fraction = Fraction(0),
        colour: Colour | None = None,
        sar: tuple[int, int] = (1, 1),
        interlaced: bool = False,
        top_field_first: bool = True,
        crf: int = 20,
        preset: str = "superfast",
        key_interval: int = 60,
        beside: ParameterSets | None = None,
        layout: Layout = COMPATIBLE,
    ) -> None:
        """With `beside`, what is encoded can stand in one track with pictures under those parameter sets, and a group

        of pictures encoded by itself is the one encoded among others.
        """
        if time_base <= 0 or max(time_base.numerator, time_base.denominator) > MAX_TICKS:
            raise MediaError(f"time base {time_base} cannot be encoded")
        self.width, self.height = width, height
        self.layout = layout
        self._pad = layout.padding(width, height)
        self.coded_width, self.coded_height = width + self._pad[0], height + self._pad[1]
        self.time_base = time_base
        self.colour = colour or Colour()
        self._parameters = {
            "bframes": "0",
            "scenecut": "0",
            "keyint": str(key_interval),
            "min-keyint": "1",
            # 5 % of CPU time (25.0 to 26.4 ms a 1080p frame, 2026-11) buys equal bytes on different processors.
            "cpu-independent": "1",
        }
        is_large = self.coded_width * self.coded_height >= _LARGE
        if is_large:
            # 17 % of CPU time (24.1 to 20.0 ms a 1080p frame) for 0.12 dB, at 4 % fewer bytes; then 1.5 ms of encoding and
            # 1.9 of decoding for 14 % more bytes of the same pictures (7.9 to 9.0 Mbit/s where a camera wrote 10; 2026-11)
            self._parameters |= {"partitions": "none", "cabac": "0", "8x8dct": "0", "weightp": "0"}
        if beside is not None:
            level = max([_level(self.coded_width, self.coded_height), *(one.level for one in beside.facts())])
            self._parameters |= {"stitchable": "1", "sps-id": str(beside.free_id()), "level": str(level)}
        if min(sar) > 0 and max(sar) <= _SAR_LIMIT and sar[0] != sar[1]:
            self._parameters["sar"] = f"{sar[0]}/{sar[1]}"
        if interlaced:
            # Content of two fields: encoded as such (MBAFF), so that players deinterlace. x264 has no weightp there.
            self._parameters |= {"interlaced": "1", ("tff" if top_field_first else "bff"): "1", "weightp": "0"}
        # One quantizer for all pictures: x264 need not weigh each one before it encodes it (18.4 to 13.5 ms, decisions/smart-render.md)
        rate_control = "qp" if is_large and layout.bits == 8 else "crf"
        self._options = {
            rate_control: str(crf),
            "forced-idr": "1",
            "preset": preset,
            "x264-params": ":".join(f"{key}={value}" for key, value in self._parameters.items()),
        }
        self._context = self._open(rate if rate > 0 else Fraction(30))
        self._avcc = avcc_of(self._context.extradata or b"", chroma=layout.chroma, bits=layout.bits)
        self._last_pts: int | None = None

    def _open(self, rate: Fraction) -> VideoCodecContext:
        context = VideoCodecContext.create("libx264", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = self.coded_width, self.coded_height
        context.pix_fmt = self.layout.pix_fmt
        context.time_base = self.time_base
        context.framerate = rate.limit_denominator(100_000)
        context.thread_count = 1
        context.flags |= Flags.global_header | Flags.bitexact
        context.color_range = self.colour.range
        context.color_primaries = self.colour.primaries
        context.color_trc = self.colour.transfer
        context.colorspace = self.colour.matrix
        context.options = dict(self._options)
        try:
            context.open()
        except av.error.FFmpegError as error:
            raise MediaError(f"the H.264 encoder refuses {self.width}x{self.height}: {error.strerror}") from error
        return context

    @property
    def avcc(self) -> bytes:
        """The decoder configuration record for the sample entry."""
        return self._avcc

    @property
    def settings(self) -> dict[str, Json]:
        """What decides the bytes: encoder, its build, options."""
        version = ".".join(str(number) for number in av.library_versions["libavcodec"])
        return {
            "encoder": "libx264",
            "libavcodec": version,
            "options": dict(sorted(self._options.items())),
            "pix_fmt": self.layout.pix_fmt,
            "pyav": av.__version__,
            "threads": 1,
        }

    def encode(self, planes: Planes, pts: int, *, force_key: bool = False) -> list[EncodedSample]:
        """Take one picture; `force_key` makes it an IDR. Raises `MediaError` unless pts grows and the size fits."""
        if self._last_pts is not None and pts <= self._last_pts:
            raise MediaError(f"frame times do not increase: {self._last_pts} then {pts}")
        if planes[0].shape != (self.height, self.width):
            raise MediaError(f"a frame of {planes[0].shape[1]}x{planes[0].shape[0]} among {self.width}x{self.height}")
        self._last_pts = pts
        frame = self._frame(planes)
        frame.pts = pts
        frame.time_base = self.time_base
        if force_key:
            frame.pict_type = PictureType.I
        return self._samples(frame)

    def _frame(self, planes: Planes) -> VideoFrame:
        if any(self._pad):
            luma = np.pad(planes[0], ((0, self._pad[1]), (0, self._pad[0])), mode="edge")
            return frame_of((luma, planes[1], planes[2]), self.layout.pix_fmt)
        buffer = buffer_of(planes) if self.layout == COMPATIBLE else None
        if buffer is not None:
            frame = VideoFrame.from_numpy_buffer(
                buffer, self.layout.pix_fmt
            )  # libx264 copies it before `encode` returns
            # PyAV 18.1 takes a buffer of 4n + 2 rows for one of 4n: colours four rows too low
            if frame.height == self.height:
                return frame
        return frame_of(planes, self.layout.pix_fmt)

    def finish(self) -> list[EncodedSample]:
        """The samples still inside the encoder."""
        return self._samples(None)

    def _samples(self, frame: VideoFrame | None) -> list[EncodedSample]:
        samples = []
        for packet in self._context.encode(frame):
            if packet.pts is None or packet.dts is None:
                raise MediaError("the encoder gave a packet without time")
            data = length_prefixed(clean_units(nal_units(bytes(packet))))
            samples.append(EncodedSample(data=data, pts=packet.pts, dts=packet.dts, key=packet.is_keyframe))
        return samples


def _level(width: int, height: int) -> int:
    """A level (times ten) whose picture size and speed up to 60 per second hold this one (H.264 table A-1)."""
    blocks = -(-width // 16) * -(-height // 16)
    table = ((1_620, 31), (3_600, 32), (8_704, 42), (36_864, 52), (139_264, 62))
    return next((level for most, level in table if blocks <= most), 62)
