"""How pictures are delivered: `compatible`, which every player shows, or `faithful`, which keeps depth, colour detail and size.

A layout says how samples of a picture lie: bits, and how many pixels share a colour sample. Our H.264 encoder keeps 8 and
10 bits in 4:2:0, 4:2:2 and 4:4:4; what it cannot keep is refused here, never rounded unasked.
"""

from dataclasses import dataclass
from enum import StrEnum

from bwc.errors import UsageError
from bwc.media.facts import VideoFacts


class Delivery(StrEnum):
    COMPATIBLE = "compatible"  # 8-bit 4:2:0; odd sizes padded
    FAITHFUL = "faithful"  # bits, colour detail and size as recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`across`, `down`: pixels that share a colour sample. `chroma`: its number in H.264 (1: 4:2:0, 2: 4:2:2, 3: 4:4:4)."""

    pix_fmt: str
    bits: int
    across: int
    down: int
    chroma: int

    def padding(self, width: int, height: int) -> tuple[int, int]:
        """Columns and rows that are added because H.264 codes whole colour samples."""
        return -width % self.across, -height % self.down


COMPATIBLE = Layout(pix_fmt="yuv420p", bits=8, across=2, down=2, chroma=1)
_LAYOUTS = {
    one.pix_fmt: one
    for one in (
        COMPATIBLE,
        Layout(pix_fmt="yuv422p", bits=8, across=2, down=1, chroma=2),
        Layout(pix_fmt="yuv444p", bits=8, across=1, down=1, chroma=3),
        Layout(pix_fmt="yuv420p10le", bits=10, across=2, down=2, chroma=1),
        Layout(pix_fmt="yuv422p10le", bits=10, across=2, down=1, chroma=2),
        Layout(pix_fmt="yuv444p10le", bits=10, across=1, down=1, chroma=3),
    )
}
# Other names for samples of the same worth: full range by name, interleaved colour, another order of bytes
_SAME = {
    "yuvj420p": "yuv420p", "nv12": "yuv420p", "nv21": "yuv420p",
    "yuvj422p": "yuv422p", "nv16": "yuv422p", "yuyv422": "yuv422p", "uyvy422": "yuv422p",
    "yuvj444p": "yuv444p", "nv24": "yuv444p",
    "p010le": "yuv420p10le", "yuv420p10be": "yuv420p10le", "p210le": "yuv422p10le", "yuv422p10be": "yuv422p10le",
    "y210le": "yuv422p10le", "yuv444p10be": "yuv444p10le",
}  # fmt: skip


def layout_of(delivery: Delivery, video: VideoFacts) -> Layout:
    """How the pictures of a copy of `video` lie. Raises `UsageError` when it cannot be delivered faithfully."""
    if delivery is Delivery.COMPATIBLE:
        return COMPATIBLE
    hint = "--delivery compatible makes an 8-bit 4:2:0 copy, odd sizes padded"
    found = _LAYOUTS.get(_SAME.get(video.pix_fmt, video.pix_fmt))
    if found is None:
        raise UsageError(
            f"a recording in {video.pix_fmt} cannot be delivered faithfully: 8 or 10 bits in 4:2:0, 4:2:2 or 4:4:4 can",
            hint,
        )
    if found.padding(video.width, video.height) != (0, 0):
        raise UsageError(
            f"{video.width}x{video.height} cannot be delivered faithfully: H.264 in {found.pix_fmt} has even sizes only",
            hint,
        )
    return found
