"""H.264 parameter sets: read what decides whether pictures can be copied, and put two encoders' sets into one avcC.

ISO/IEC 14496-10 7.3.2.1 (SPS), 7.3.2.2 (PPS) and 14496-15 5.3.3.1 (avcC). Read from untrusted files: any nonsense
is a `MediaError`, never a guess.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bwc.errors import MediaError
from bwc.media.h264 import PPS, SPS, SPS_EXT, nal_units

_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_AVCC_HIGH = frozenset({100, 110, 122, 144, 244})
_MOST_BITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SpsFacts:
    """What one sequence parameter set says of the pictures under it."""

    id: int
    profile: int
    level: int
    chroma_format: int  # 1: 4:2:0
    bit_depth: int  # the larger of luma and chroma
    frames_only: bool  # no fields, no MBAFF
    width: int  # coded, in whole macroblocks
    height: int


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """The parameter sets of a stream, and how long the length before each unit of its samples is (0: Annex B)."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    length_bytes: int = 4

    @classmethod
    def of(cls, extradata: bytes) -> "ParameterSets":
        """The sets in an avcC record or in Annex B `extradata`. Raises `MediaError` when there are none."""
        if extradata[:1] != b"\x01":
            units = list(nal_units(extradata)) if extradata else []
            found = cls(tuple(u for u in units if u[0] & 31 == SPS), tuple(u for u in units if u[0] & 31 == PPS), 0)
        else:
            found = _read_avcc(extradata)
        if not found.sps or not found.pps:
            raise MediaError("the recording has no H.264 parameter sets")
        return found

    def holds(self, unit: bytes) -> bool:
        """Whether a parameter set found among pictures is one of these."""
        return unit in self.sps or unit in self.pps

    def facts(self) -> list[SpsFacts]:
        return [read_sps(unit) for unit in self.sps]

    def free_id(self) -> int:
        """The smallest id that no set of these has, for sets to be put beside them."""
        taken = {read_sps(unit).id for unit in self.sps} | {pps_id(unit) for unit in self.pps}
        return next(number for number in range(32) if number not in taken)

    def joined(self, other: "ParameterSets") -> "ParameterSets":
        """Both, these first. Raises `MediaError` when two share an id."""
        both = ParameterSets((*self.sps, *other.sps), (*self.pps, *other.pps))
        ids = [[read_sps(unit).id for unit in both.sps], [pps_id(unit) for unit in both.pps]]
        if any(len(numbers) != len(set(numbers)) for numbers in ids):
            raise MediaError("two parameter sets have one id")
        return both

    def avcc(self) -> bytes:
        """The decoder configuration record: profile and level are the highest of all sets."""
        facts = self.facts()
        top = max(facts, key=lambda one: (one.profile in _AVCC_HIGH, one.profile))
        constraints = self.sps[facts.index(top)][2]
        level = max(one.level for one in facts)
        record = bytes([1, top.profile, constraints, level, 0xFF, 0xE0 | len(self.sps)])
        record += b"".join(_sized(unit) for unit in self.sps)
        record += bytes([len(self.pps)]) + b"".join(_sized(unit) for unit in self.pps)
        if top.profile in _AVCC_HIGH:
            record += bytes([0xFC | top.chroma_format, 0xF8 | top.bit_depth - 8, 0xF8 | top.bit_depth - 8, 0])
        return record


def _read_avcc(record: bytes) -> ParameterSets:
    groups: list[tuple[bytes, ...]] = []
    position = 5
    try:
        for mask in (31, 255):
            count = record[position] & mask
            position += 1
            units = []
            for _ in range(count):
                size = int.from_bytes(record[position : position + 2], "big")
                unit = record[position + 2 : position + 2 + size]
                if size == 0 or len(unit) != size:
                    raise MediaError("a parameter set in avcC is cut short")
                units.append(unit)
                position += 2 + size
            groups.append(tuple(units))
    except IndexError as error:
        raise MediaError("the avcC record is cut short") from error
    if any(unit[0] & 31 == SPS_EXT for group in groups for unit in group):
        raise MediaError("avcC holds extensions")
    if any(u[0] & 31 != SPS for u in groups[0]) or any(u[0] & 31 != PPS for u in groups[1]):
        raise MediaError("avcC holds other units than parameter sets")
    return ParameterSets(groups[0], groups[1], (record[4] & 3) + 1)


def read_sps(unit: bytes) -> SpsFacts:
    """The facts in one SPS unit. Raises `MediaError` for one that cannot be read."""
    if len(unit) < 5 or unit[0] & 31 != SPS:
        raise MediaError("not a sequence parameter set")
    bits = _Bits(unit[4:])
    profile, level = unit[1], unit[3]
    number = bits.ue()
    chroma_format, depth = 1, 8
    if profile in _CHROMA_PROFILES:
        chroma_format = bits.ue()
        if chroma_format == 3:
            bits.u(1)
        depth = 8 + max(bits.ue(), bits.ue())
        bits.u(1)  # lossless bypass
        if bits.u(1):
            for index in range(8 if chroma_format != 3 else 12):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.ue()  # frame number
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    bits.ue()  # reference frames
    bits.u(1)  # gaps
    width, height = bits.ue() + 1, bits.ue() + 1
    frames_only = bool(bits.u(1))
    return SpsFacts(
        id=number,
        profile=profile,
        level=level,
        chroma_format=chroma_format,
        bit_depth=depth,
        frames_only=frames_only,
        width=width * 16,
        height=height * 16 * (1 if frames_only else 2),
    )


def pps_id(unit: bytes) -> int:
    """The id of one PPS unit."""
    if len(unit) < 2 or unit[0] & 31 != PPS:
        raise MediaError("not a picture parameter set")
    return _Bits(unit[1:]).ue()


def _skip_scaling_list(bits: "_Bits", size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _sized(unit: bytes) -> bytes:
    return len(unit).to_bytes(2, "big") + unit


class _Bits:
    """Bits of an RBSP, and Exp-Golomb numbers in it (9.1)."""

    def __init__(self, coded: bytes) -> None:
        self._bits = self._read(coded.replace(b"\x00\x00\x03", b"\x00\x00"))

    @staticmethod
    def _read(payload: bytes) -> Iterator[int]:
        for byte in payload:
            for place in range(7, -1, -1):
                yield byte >> place & 1

    def u(self, count: int) -> int:
        value = 0
        for _ in range(count):
            bit = next(self._bits, None)
            if bit is None:
                raise MediaError("a parameter set is cut short")
            value = value << 1 | bit
        return value

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _MOST_BITS:
                raise MediaError("a parameter set cannot be read")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -(value // 2)
