"""AAC-LC: its configuration, its ADTS wrapping, silence as packets, and an encoder that signs nothing.

ISO/IEC 14496-3 1.6.2 (AudioSpecificConfig) and 1.A.2 (ADTS).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import av
import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from numpy.typing import NDArray

from bwc.errors import MediaError

FRAME = 1024  # samples of one AAC-LC packet
RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "7.1"}  # by channel configuration
_LC = 2
_BITS_PER_CHANNEL = 96_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AacConfig:
    """What an AudioSpecificConfig says, as far as packets of it can be copied and replaced."""

    specific: bytes
    rate: int
    channel_config: int

    @property
    def layout(self) -> str:
        return LAYOUTS[self.channel_config]


def parse_config(specific: bytes) -> AacConfig | None:
    """The configuration, or None for anything but AAC-LC with 1024-sample frames and a plain channel layout."""
    if len(specific) < 2:
        return None
    bits = int.from_bytes(specific[:2], "big")
    kind, index, channels = bits >> 11, bits >> 7 & 15, bits >> 3 & 15
    short_frames, depends = bits >> 2 & 1, bits >> 1 & 1
    if kind != _LC or index >= len(RATES) or channels not in LAYOUTS or short_frames or depends:
        return None
    return AacConfig(specific=specific, rate=RATES[index], channel_config=channels)


def parse_adts(packet: bytes) -> tuple[AacConfig, bytes] | None:
    """Configuration and bare frame of one ADTS packet, or None when it is not one frame of AAC-LC."""
    if len(packet) < 7 or packet[0] != 0xFF or packet[1] & 0xF6 != 0xF0:
        return None
    kind = (packet[2] >> 6) + 1
    index = packet[2] >> 2 & 15
    channels = (packet[2] & 1) << 2 | packet[3] >> 6
    size = (packet[3] & 3) << 11 | packet[4] << 3 | packet[5] >> 5
    header = 7 if packet[1] & 1 else 9
    if packet[6] & 3 or size != len(packet) or size <= header:
        return None
    config = parse_config((kind << 11 | index << 7 | channels << 3).to_bytes(2, "big"))
    return (config, packet[header:]) if config is not None else None


class AacEncoder:
    """Planar floats in, bare AAC-LC packets out; the first packet is priming (`padding` samples)."""

    def __init__(self, *, rate: int, channel_config: int) -> None:
        if rate not in RATES or channel_config not in LAYOUTS:
            raise MediaError(f"AAC has no form for {rate} Hz in {channel_config} channels")
        context = AudioCodecContext.create("aac", "w")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate = rate
        context.layout = LAYOUTS[channel_config]
        context.format = "fltp"
        context.bit_rate = min(_BITS_PER_CHANNEL * context.layout.nb_channels, 6 * rate * context.layout.nb_channels)
        # Without the flag the first packet carries the library's name and version as a fill element.
        context.flags |= Flags.bitexact | Flags.global_header
        context.open()
        config = parse_config(context.extradata or b"")
        if config is None:
            raise MediaError("the AAC encoder made a configuration that cannot be written")
        self.config = config
        self.padding = FRAME
        self._context = context
        self._position = 0

    def encode(self, samples: NDArray[np.float32]) -> list[bytes]:
        """Packets completed by `samples` (channels, 1..1024), contiguous in time."""
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self.config.layout)
        frame.sample_rate = self.config.rate
        frame.pts = self._position
        self._position += samples.shape[1]
        return [bytes(packet) for packet in self._context.encode(frame)]

    def finish(self) -> list[bytes]:
        return [bytes(packet) for packet in self._context.encode(None)]


def silent_packet(config: AacConfig) -> bytes:
    """One packet that decodes to zeros under `config`, whatever comes before and after is silent too.

    Raises `MediaError` when the decoder does not agree.
    """
    encoder = AacEncoder(rate=config.rate, channel_config=config.channel_config)
    nothing = np.zeros((channels_of(config), FRAME), np.float32)
    packets = [packet for _ in range(4) for packet in encoder.encode(nothing)]
    packet = packets[-1]
    for samples in decode_packets(config, [packet] * 3):
        if samples.shape != (channels_of(config), FRAME) or np.any(samples):
            raise MediaError("no silent AAC packet can be made for this sound track")
    return packet


def channels_of(config: AacConfig) -> int:
    return 8 if config.channel_config == 7 else config.channel_config


def decode_packets(config: AacConfig, packets: Iterable[bytes]) -> Iterable[NDArray[np.float32]]:
    """(channels, samples) floats of each packet. Raises `MediaError` for one that does not decode."""
    decoder = AacDecoder(config)
    for packet in packets:
        yield decoder.decode(packet)


class AacDecoder:
    """Bare AAC packets to samples, with the state that overlapping windows need."""

    def __init__(self, config: AacConfig) -> None:
        context = AudioCodecContext.create("aac", "r")
        assert isinstance(context, AudioCodecContext)
        context.extradata = config.specific
        context.open()
        self._context = context

    def decode(self, packet: bytes) -> NDArray[np.float32]:
        try:
            frames = self._context.decode(av.Packet(packet))
        except av.error.FFmpegError as error:
            raise MediaError(f"an AAC packet does not decode: {error.strerror}") from error
        if len(frames) != 1:
            raise MediaError(f"an AAC packet gave {len(frames)} frames")
        return np.array(frames[0].to_ndarray(), dtype=np.float32)
