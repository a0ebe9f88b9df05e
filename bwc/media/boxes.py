"""The bytes of MP4 boxes: sizes, run tables, and the sample entries of H.264 and AAC.

ISO/IEC 14496-12 (boxes), 14496-15 (avc1), 14496-14 and 14496-1 (mp4a, esds). No creation time, no names.
"""

from array import array
from collections.abc import Iterable

from bwc.media.facts import Colour

U32 = 2**32


def box(kind: bytes, *parts: bytes) -> bytes:
    size = 8 + sum(len(part) for part in parts)
    return u32(size) + kind + b"".join(parts)


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def big_endian(values: "array[int]") -> bytes:
    swapped = array("I", values)
    swapped.byteswap()
    return swapped.tobytes()


def times(timescale: int, duration: int) -> bytes:
    """Version, zero creation and modification time, time scale, duration: the opening of mvhd and mdhd."""
    if duration >= U32:
        return b"\x01\x00\x00\x00" + bytes(16) + u32(timescale) + duration.to_bytes(8, "big")
    return bytes(12) + u32(timescale) + u32(duration)


def matrix_bytes(part: tuple[int, int, int, int], width: int, height: int) -> bytes:
    """A tkhd matrix with the shift that puts the turned picture's corner at the origin."""
    a, b, c, d = part
    corners = [(x * a + y * c, x * b + y * d) for x in (0, width) for y in (0, height)]
    shift_x, shift_y = -min(x for x, _ in corners), -min(y for _, y in corners)
    numbers = (a, b, 0, c, d, 0, shift_x, shift_y, 1 << 30)
    return b"".join((number & 0xFFFFFFFF).to_bytes(4, "big") for number in numbers)


def mdat_header(payload: int) -> bytes:
    if payload + 8 < U32:
        return u32(payload + 8) + b"mdat"
    return u32(1) + b"mdat" + (payload + 16).to_bytes(8, "big")


def runs(kind: bytes, version: int, values: Iterable[int]) -> bytes:
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][1] == value:
            runs[-1][0] += 1
        else:
            runs.append([1, value])
    rows = b"".join(u32(count) + value.to_bytes(4, "big", signed=value < 0) for count, value in runs)
    return box(kind, bytes([version, 0, 0, 0]) + u32(len(runs)) + rows)


def sample_to_chunk(counts: list[int]) -> bytes:
    rows: list[bytes] = []
    last = 0
    for chunk, count in enumerate(counts, 1):
        if count != last:
            rows.append(u32(chunk) + u32(count) + u32(1))
            last = count
    return bytes(4) + u32(len(rows)) + b"".join(rows)


def avc1(
    avcc: bytes, width: int, height: int, colour: Colour, sar: tuple[int, int], *, padding: tuple[int, int]
) -> bytes:
    coded_width, coded_height = width + padding[0], height + padding[1]
    body = bytes(6) + u16(1) + bytes(16) + u16(coded_width) + u16(coded_height)
    body += u32(0x480000) + u32(0x480000) + bytes(4) + u16(1) + bytes(32) + u16(0x18) + u16(0xFFFF)
    boxes = [box(b"avcC", avcc)]
    if (coded_width, coded_height) != (width, height):
        # 14496-12 12.1.4: the centre of the shown part lies half a pixel left of and above the padded picture's.
        rows = [(width, 1), (height, 1), (width - coded_width, 2), (height - coded_height, 2)]
        boxes.append(box(b"clap", b"".join(n.to_bytes(4, "big", signed=True) + u32(d) for n, d in rows)))
    if min(sar) > 0 and sar[0] != sar[1]:
        boxes.append(box(b"pasp", u32(sar[0]) + u32(sar[1])))
    if colour != Colour():
        codes = u16(colour.primaries) + u16(colour.transfer) + u16(colour.matrix)
        boxes.append(box(b"colr", b"nclx" + codes + bytes([0x80 if colour.range == 2 else 0])))
    return box(b"avc1", body, *boxes)


def mp4a(config: bytes, rate: int, channels: int, largest: int) -> bytes:
    specific = _descriptor(5, config)
    # 14496-1 7.2.6.6: AAC (0x40), audio stream, buffer size, no bit rate claimed
    decoder = _descriptor(4, b"\x40\x15" + (largest & 0xFFFFFF).to_bytes(3, "big") + bytes(8) + specific)
    esds = box(b"esds", bytes(4) + _descriptor(3, b"\x00\x00\x00" + decoder + _descriptor(6, b"\x02")))
    short_rate = rate if rate < 65_536 else 0
    body = bytes(6) + u16(1) + bytes(8) + u16(channels) + u16(16) + bytes(4) + u32(short_rate << 16)
    return box(b"mp4a", body, esds)


def _descriptor(tag: int, payload: bytes) -> bytes:
    size = len(payload)
    return bytes([tag, 0x80 | size >> 21 & 127, 0x80 | size >> 14 & 127, 0x80 | size >> 7 & 127, size & 127]) + payload
