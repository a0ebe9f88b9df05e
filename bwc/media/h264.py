"""H.264 NAL units: Annex B to length-prefixed samples, parameter sets to avcC, and nothing that tells of its maker.

ISO/IEC 14496-10 (NAL units, SEI) and 14496-15 (avcC).
"""

from collections.abc import Iterator

from bwc.errors import MediaError

IDR, SEI, SPS, PPS, AUD, FILLER, SPS_EXT = 5, 6, 7, 8, 9, 12, 13
# Buffering period, picture timing, recovery point: what a decoder may need. User data (4, 5: the encoder's name and
# settings, captions, camera telemetry) and everything else is dropped.
SEI_KEPT = frozenset({0, 1, 6})
_HIGH_PROFILES = frozenset({100, 110, 122, 144, 244})


def nal_units(annex_b: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B byte stream, without start codes."""
    start = annex_b.find(b"\x00\x00\x01")
    if start < 0:
        raise MediaError("the encoder's output has no start code")
    while start >= 0:
        begin = start + 3
        start = annex_b.find(b"\x00\x00\x01", begin)
        unit = annex_b[begin : start if start >= 0 else len(annex_b)]
        # The fourth byte of a long start code and trailing zero bytes belong to no unit (B.1.1).
        yield unit.rstrip(b"\x00") if start >= 0 else unit


def length_prefixed(units: Iterator[bytes] | list[bytes]) -> bytes:
    """One sample as MP4 stores it: each unit after its length in four bytes."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def sample_units(sample: bytes) -> Iterator[bytes]:
    """The units of a length-prefixed sample. Raises `MediaError` when the lengths do not fill it."""
    position = 0
    while position < len(sample):
        size = int.from_bytes(sample[position : position + 4], "big")
        unit = sample[position + 4 : position + 4 + size]
        if size == 0 or len(unit) != size:
            raise MediaError("an H.264 sample is cut short")
        yield unit
        position += 4 + size


def clean_units(units: Iterator[bytes]) -> list[bytes]:
    """Slices and harmless SEI only: no parameter sets (they live in avcC), delimiters, filler or user data."""
    kept: list[bytes] = []
    for unit in units:
        kind = unit[0] & 31
        if kind in (SPS, PPS, SPS_EXT, AUD, FILLER) or (kind == SEI and not set(sei_types(unit)) <= SEI_KEPT):
            continue
        kept.append(unit)
    return kept


def sei_types(unit: bytes) -> Iterator[int]:
    """Payload types of the messages in one SEI unit (7.3.2.3)."""
    payload = unit[1:].replace(b"\x00\x00\x03", b"\x00\x00")
    position = 0
    while position < len(payload) and payload[position:] != b"\x80":
        numbers = []
        for _ in range(2):
            value = 0
            while position < len(payload) and payload[position] == 255:
                value += 255
                position += 1
            if position >= len(payload):
                return
            numbers.append(value + payload[position])
            position += 1
        yield numbers[0]
        position += numbers[1]


def avcc_of(extradata: bytes, *, chroma: int = 1, bits: int = 8) -> bytes:
    """The avcC record for Annex B `extradata`: its parameter sets and nothing else of it."""
    units = list(nal_units(extradata))
    sps = [unit for unit in units if unit[0] & 31 == SPS]
    pps = [unit for unit in units if unit[0] & 31 == PPS]
    if len(sps) != 1 or not pps:
        raise MediaError(f"expected one SPS and a PPS, got {len(sps)} and {len(pps)}")
    first = sps[0]
    record = bytes([1, first[1], first[2], first[3], 0xFF, 0xE0 | 1]) + _sized(first) + bytes([len(pps)])
    record += b"".join(_sized(unit) for unit in pps)
    if first[1] in _HIGH_PROFILES:
        # as many bits for luma as for chroma, no SPS extension: the only form this encoder makes
        record += bytes([0xFC | chroma, 0xF8 | bits - 8, 0xF8 | bits - 8, 0])
    return record


def _sized(unit: bytes) -> bytes:
    return len(unit).to_bytes(2, "big") + unit
