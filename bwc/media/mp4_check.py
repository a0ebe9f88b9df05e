"""A strict reading of our own MP4s: every box known, every byte accounted for, nothing hidden between samples.

Used by the leak check on final bytes. It shares no code with the writer: a second opinion must not share the first
one's mistake. Findings are sentences; an empty list means the file is exactly the kind that `docs/formats/media.md`
describes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

_CONTAINERS: dict[str, tuple[str, ...]] = {
    "": ("ftyp", "moov", "mdat"),
    "moov": ("mvhd", "trak"),
    "trak": ("tkhd", "edts", "mdia"),
    "edts": ("elst",),
    "mdia": ("mdhd", "hdlr", "minf"),
    "minf": ("vmhd", "smhd", "dinf", "stbl"),
    "dinf": ("dref",),
    "stbl": ("stsd", "stts", "ctts", "stss", "stsc", "stsz", "stco", "co64"),
}
_ENTRY_BOXES = {"avc1": ("avcC", "clap", "pasp", "colr"), "mp4a": ("esds",)}
_ENTRY_BYTES = {"avc1": 78, "mp4a": 28}  # fields of the sample entry before its boxes (14496-12 12.1.3, 12.2.3)
_MANY = {"trak"}
# Bytes of boxes without tables, by version (14496-12); tables: bytes before the rows and in one row.
_FIXED = {"mvhd": (100, 112), "tkhd": (84, 96), "mdhd": (24, 36), "vmhd": (12,), "smhd": (8,), "hdlr": (25,)}
_ROWS = {"elst": (12, 20), "stts": (8,), "ctts": (8, 8), "stss": (4,), "stsc": (12,), "stco": (4,), "co64": (8,)}
_ENTRY_FIXED = {"clap": 32, "pasp": 8, "colr": 11}
_MAX_HEAD = 512 << 20  # bytes of moov: an hour of video is 3 MB
_READ = 1 << 20


@dataclass(slots=True)
class _TrackBoxes:
    """What one trak says of its samples."""

    handler: str = ""
    entry: str = ""
    sizes: list[int] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    per_chunk: list[tuple[int, int]] = field(default_factory=list)
    timed: int = 0
    shifted: int | None = None
    keys: list[int] | None = None


def check_boxes(file: BinaryIO, *, samples: bool = True) -> list[str]:
    """What is wrong with the MP4 in `file` (seekable), as sentences; empty when nothing is.

    With `samples`, every H.264 sample is also read for units that tell of their maker: user-data SEI, in-band
    parameter sets, delimiters, filler.
    """
    size = file.seek(0, 2)
    walk = _Walk(file, size)
    try:
        walk.top()
        walk.layout()
        if samples and not walk.findings:
            walk.read_samples()
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        walk.findings.append(f"the boxes cannot be read: {error}")
    return walk.findings


class _Walk:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size
        self.findings: list[str] = []
        self.tracks: list[_TrackBoxes] = []
        self.payload = (0, 0)

    def say(self, text: str) -> None:
        if len(self.findings) < 100:
            self.findings.append(text)

    def top(self) -> None:
        """ftyp, moov, mdat, in that order and to the last byte."""
        position, seen = 0, []
        while position < self.size:
            self.file.seek(position)
            head = self.file.read(16)
            if len(head) < 8:
                self.say(f"{len(head)} stray bytes at the end of the file")
                break
            length, kind = int.from_bytes(head[:4], "big"), head[4:8].decode("latin-1")
            header = 8
            if length == 1:
                length, header = int.from_bytes(head[8:16], "big"), 16
            if length < header or position + length > self.size:
                self.say(f"box {kind!r} at {position} claims {length} bytes, the file has {self.size - position} left")
                break
            seen.append(kind)
            self._top_box(kind, position + header, length - header)
            position += length
        if seen != ["ftyp", "moov", "mdat"]:
            self.say(f"top-level boxes are {', '.join(map(repr, seen)) or 'none'}, not ftyp, moov, mdat")

    def _top_box(self, kind: str, begin: int, length: int) -> None:
        if kind == "mdat":
            self.payload = (begin, length)
            return
        if length > _MAX_HEAD:
            raise ValueError(f"{kind} has {length} bytes")
        self.file.seek(begin)
        body = self.file.read(length)
        if kind == "ftyp":
            if body != b"isom\x00\x00\x02\x00isomiso2avc1mp41":
                self.say("ftyp names other brands than ours")
        elif kind == "moov":
            self._children("moov", body, None)

    def _children(self, parent: str, body: bytes, track: _TrackBoxes | None) -> None:
        seen: set[str] = set()
        for kind, inner in _boxes(body):
            if kind not in _CONTAINERS[parent]:
                self.say(f"box {kind!r} inside {parent} does not belong there")
                continue
            if kind in seen and kind not in _MANY:
                self.say(f"box {kind!r} stands twice inside {parent}")
            seen.add(kind)
            if kind == "trak":
                track = _TrackBoxes()
                self.tracks.append(track)
            if kind in _CONTAINERS:
                self._children(kind, inner, track)
            else:
                self._leaf(kind, inner, track)

    def _leaf(self, kind: str, body: bytes, track: _TrackBoxes | None) -> None:
        if kind in ("mvhd", "tkhd", "mdhd"):
            times = body[4:20] if body[0] == 1 else body[4:12]
            if any(times):
                self.say(f"{kind} holds a creation or modification time")
        self._length(kind, body)
        if track is None:
            return
        if kind == "hdlr":
            track.handler = body[8:12].decode("latin-1")
            if body[24:] != b"\x00" or any(body[12:24]):
                self.say("hdlr holds a name")
        elif kind == "dref" and body != b"\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0curl \x00\x00\x00\x01":
            self.say("dref points outside the file")
        elif kind == "stsd":
            self._entry(body, track)
        elif kind == "stsz":
            fixed, count = struct.unpack(">II", body[4:12])
            track.sizes = [fixed] * count if fixed else [n for (n,) in struct.iter_unpack(">I", body[12:])]
            if len(track.sizes) != count:
                self.say("stsz does not hold as many sizes as it says")
        elif kind in ("stco", "co64"):
            form = ">I" if kind == "stco" else ">Q"
            if track.chunks:
                self.say("a track has two tables of chunk offsets")
            track.chunks = [n for (n,) in struct.iter_unpack(form, body[8:])]
        elif kind == "stsc":
            track.per_chunk = [(first, count) for first, count, _ in struct.iter_unpack(">III", body[8:])]
        elif kind == "stts":
            track.timed = sum(count for count, _ in struct.iter_unpack(">II", body[8:]))
        elif kind == "ctts":
            track.shifted = sum(count for count, _ in struct.iter_unpack(">II", body[8:]))
        elif kind == "stss":
            track.keys = [n for (n,) in struct.iter_unpack(">I", body[8:])]

    def _length(self, kind: str, body: bytes) -> None:
        """A box holds what its version and its count of rows say, not a byte more."""
        expected = len(body)
        if kind in _FIXED and body[0] < len(_FIXED[kind]):
            expected = _FIXED[kind][body[0]]
        elif kind in _ROWS and body[0] < len(_ROWS[kind]):
            expected = 8 + int.from_bytes(body[4:8], "big") * _ROWS[kind][body[0]]
        elif kind in _FIXED or kind in _ROWS:
            self.say(f"{kind} has the unknown version {body[0]}")
        if expected != len(body):
            self.say(f"{kind} holds {len(body)} bytes, its content takes {expected}")

    def _entry(self, body: bytes, track: _TrackBoxes) -> None:
        entries = list(_boxes(body[8:]))
        if len(entries) != 1 or entries[0][0] not in _ENTRY_BOXES:
            self.say(f"sample entries are {[kind for kind, _ in entries]}, not one avc1 or mp4a")
            return
        kind, inner = entries[0]
        track.entry = kind
        fixed = _ENTRY_BYTES[kind]
        if kind == "avc1" and any(inner[42:74]):
            self.say("the sample entry holds a compressor name")
        extensions = list(_boxes(inner[fixed:]))
        names = [name for name, _ in extensions]
        for name, content in extensions:
            if len(content) != _ENTRY_FIXED.get(name, len(content)):
                self.say(f"{name} holds {len(content)} bytes")
            if name == "avcC" and not _is_plain_avcc(content):
                self.say("avcC holds other than one or two SPS and their PPS")
            if name not in _ENTRY_BOXES[kind]:
                self.say(f"box {name!r} inside {kind} does not belong there")
        if len(names) != len(set(names)):
            self.say(f"a box stands twice inside {kind}")

    def layout(self) -> None:
        """Tracks are one picture and its sound; samples fill mdat without gap or overlap."""
        kinds = [(track.handler, track.entry) for track in self.tracks]
        if [kind for kind in kinds if kind[0] == "vide"] != [("vide", "avc1")]:
            self.say(f"tracks are {kinds}, not exactly one picture (avc1)")
        if any(kind not in (("vide", "avc1"), ("soun", "mp4a")) for kind in kinds):
            self.say(f"a track is neither picture nor sound: {kinds}")
        runs: list[tuple[int, int]] = []
        for number, track in enumerate(self.tracks, 1):
            if track.timed != len(track.sizes) or track.shifted not in (None, len(track.sizes)):
                self.say(f"track {number} has {len(track.sizes)} samples and times for {track.timed}")
            if track.keys is not None and any(not 1 <= key <= len(track.sizes) for key in track.keys):
                self.say(f"track {number} names a sync sample that is not there")
            runs += self._chunk_runs(number, track)
        begin, length = self.payload
        position = begin
        for start, size in sorted(runs):
            if start != position:
                self.say(
                    f"{abs(start - position)} bytes at {min(start, position)} of mdat belong to no sample, or to two"
                )
            position = start + size
        if position != begin + length:
            self.say(f"mdat holds {begin + length - position} bytes that belong to no sample")

    def _chunk_runs(self, number: int, track: _TrackBoxes) -> Iterator[tuple[int, int]]:
        sample = 0
        for count, offset in zip(_counts(track), track.chunks, strict=True):
            size = sum(track.sizes[sample : sample + count])
            sample += count
            yield offset, size
        if sample != len(track.sizes):
            self.say(f"track {number} has {len(track.sizes)} samples and places for {sample}")

    def read_samples(self) -> None:
        """Every unit of every H.264 sample is a slice or harmless SEI."""
        for track in self.tracks:
            if track.entry != "avc1":
                continue
            sample = 0
            for count, offset in zip(_counts(track), track.chunks, strict=True):
                self.file.seek(offset)
                for _ in range(count):
                    self._sample(sample, self.file.read(track.sizes[sample]))
                    sample += 1

    def _sample(self, number: int, data: bytes) -> None:
        position = 0
        while position < len(data):
            size = int.from_bytes(data[position : position + 4], "big")
            unit = data[position + 4 : position + 4 + size]
            if size == 0 or len(unit) != size:
                self.say(f"sample {number} is not made of whole NAL units")
                return
            kind = unit[0] & 31
            if kind == 6:
                for message in _messages(unit[1:]):
                    if message not in (0, 1, 6):
                        self.say(f"sample {number} holds an SEI message of type {message}")
            elif kind not in (1, 5):
                self.say(f"sample {number} holds a NAL unit of type {kind}")
            position += 4 + size


def _counts(track: _TrackBoxes) -> Iterator[int]:
    rows = iter([*track.per_chunk, (len(track.chunks) + 1, 0)])
    first, count = next(rows)
    if first != 1:
        raise ValueError("stsc does not begin with the first chunk")
    for after, next_count in rows:
        if after <= first:
            raise ValueError("stsc is out of order")
        for _ in range(first, after):
            yield count
        first, count = after, next_count


def _messages(coded: bytes) -> Iterator[int]:
    """Types of the SEI messages in one unit (14496-10 7.3.2.3); user data is 4 (registered) and 5 (unregistered)."""
    payload = coded.replace(b"\x00\x00\x03", b"\x00\x00")
    position = 0
    while position + 2 <= len(payload):
        kind = size = 0
        while payload[position] == 255:
            kind += 255
            position += 1
        kind += payload[position]
        position += 1
        while payload[position] == 255:
            size += 255
            position += 1
        size += payload[position]
        position += 1 + size
        yield kind


def _is_plain_avcc(content: bytes) -> bool:
    """One SPS, or the recording's and ours (pictures copied, pictures encoded), then their PPS and nothing else."""
    position, kinds = 5, []
    first = content[position] & 31
    for mask in (31, 255):
        count = content[position] & mask
        position += 1
        for _ in range(count):
            size = int.from_bytes(content[position : position + 2], "big")
            kinds.append(content[position + 2] & 31)
            position += 2 + size
    if content[1] in (100, 110, 122, 144, 244):
        if content[position + 3 : position + 4] != b"\x00":
            return False
        position += 4
    return position == len(content) and 1 <= first <= 2 and set(kinds[:first]) == {7} and set(kinds[first:]) == {8}


def _boxes(body: bytes) -> Iterator[tuple[str, bytes]]:
    position = 0
    while position < len(body):
        if position + 8 > len(body):
            raise ValueError(f"{len(body) - position} stray bytes inside a box")
        size, kind = int.from_bytes(body[position : position + 4], "big"), body[position + 4 : position + 8]
        if size < 8 or position + size > len(body):
            raise ValueError(f"box {kind!r} claims {size} bytes, its parent has {len(body) - position} left")
        yield kind.decode("latin-1"), body[position + 8 : position + size]
        position += size
