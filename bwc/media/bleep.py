"""A bleep instead of silence: 1 kHz, as AAC packets that stand where the packets of hidden sound stood."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bwc.media.aac import FRAME, AacConfig, AacEncoder, channels_of

HERTZ = 1_000
LEVEL = 0.1  # of full scale: -20 dB
RAMP_SECONDS = 0.010  # rise and fall, inside the span
NOISE = 0.01  # what AAC may add to the tone: a tenth of it; 0.0013 at most was seen (8 to 48 kHz, 2026-11)
_LEAD = 2  # frames encoded before the first one used: the encoder's window reaches back


def tone(spans: Sequence[tuple[int, int]], first: int, count: int, rate: int) -> NDArray[np.float32]:
    """`count` samples from sample `first` on: the bleep inside `spans` (samples, half open), zeros elsewhere."""
    places = np.arange(first, first + count)
    loud = np.zeros(count)
    ramp = RAMP_SECONDS * rate
    for begin, end in spans:
        if begin < first + count and end > first:
            rise = np.minimum((places - begin) / ramp, (end - places) / ramp)
            loud = np.maximum(loud, np.clip(rise, 0, 1))
    cycle = places % rate  # a whole number of cycles a second: the angle stays exact for hours
    return np.asarray(LEVEL * loud * np.sin(2 * np.pi * HERTZ * cycle / rate), np.float32)


class Bleep:
    """Packets that decode to the bleep. Positions are samples after the first to be heard."""

    def __init__(self, config: AacConfig, spans: Sequence[tuple[int, int]], rate: int) -> None:
        self._config, self._spans, self._rate = config, list(spans), rate
        self._encoder: AacEncoder | None = None
        self._packets: list[bytes] = []
        self._base = self._fed = self._dropped = 0
        self._settled = 0  # from here on decoded samples are the bleep's own

    def is_near(self, position: int) -> bool:
        """Whether the packet at `position`, or one beside it, holds a part of a span."""
        return any(begin < position + 2 * FRAME and end > position - FRAME for begin, end in self._spans)

    def packet(self, position: int) -> bytes:
        """The packet whose decoded samples begin at `position`; they should be asked for in order."""
        number = self._number(position)
        if self._encoder is None or number is None or number < self._dropped:
            self._restart(position)
            number = self._number(position)
            assert number is not None
        while self._dropped + len(self._packets) <= number:
            self._feed()
        self._packets, self._dropped = self._packets[number - self._dropped :], number
        return self._packets[0]

    def expected(self, position: int, count: int) -> NDArray[np.float32]:
        """What decoded samples should be, but for AAC's noise."""
        return tone(self._spans, position, count, self._rate)

    def strays(self, heard: NDArray[np.float32], position: int) -> bool:
        """Whether a sample inside a span is neither the bleep nor, on channels that cannot carry it, silence.

        Where packets of the recording leave a gap in a span, two of ours overlap that were not made for each other:
        there only loudness is judged.
        """
        wanted = self.expected(position, heard.shape[1])
        for begin, end in self._spans:
            inside = slice(max(0, begin - position), max(0, end - position))
            for channel in heard[:, inside]:
                if not channel.size:
                    continue
                stray = min(_most(channel - wanted[inside]), _most(channel))
                if stray > (NOISE if position >= self._settled else 2 * LEVEL + NOISE):
                    return True
        return False

    def _number(self, position: int) -> int | None:
        away, rest = divmod(position - self._base, FRAME)
        # packet k decodes to frame k - 1: its window begins one frame earlier. A far one is begun anew
        return away + 1 if not rest and away + 1 <= self._dropped + len(self._packets) + 8 else None

    def _restart(self, position: int) -> None:
        self._encoder = AacEncoder(rate=self._config.rate, channel_config=self._config.channel_config)
        self._base, self._packets, self._dropped = position - _LEAD * FRAME, [], 0
        self._fed, self._settled = self._base, position + FRAME

    def _feed(self) -> None:
        assert self._encoder is not None
        one = tone(self._spans, self._fed, FRAME, self._rate)
        self._fed += FRAME
        self._packets += self._encoder.encode(np.tile(one, (channels_of(self._config), 1)))


def _most(samples: NDArray[np.float32]) -> float:
    return float(np.abs(samples).max())
