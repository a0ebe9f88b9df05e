"""One group of pictures redacted by itself: a pure job for any process on any machine. Same task, same bytes.

A task carries the coded pictures (no path, no key), the covers of each frame, and everything the encoder is told.
"""

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction

from bwc.canonical import Json, canonical, parse_canonical
from bwc.errors import IntegrityError, MediaError
from bwc.media.encode import EncodedSample, H264Encoder
from bwc.media.facts import Colour
from bwc.media.group_decode import GroupReader
from bwc.media.parameter_sets import ParameterSets
from bwc.redact.cover import Fill, draw
from bwc.redact.effects import Held
from bwc.redact.plan import FrameCover
from bwc.redact.plan_effect import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """What the encoder of every group of one copy is told."""

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    colour: Colour
    sar: tuple[int, int]
    crf: int
    preset: str
    key_interval: int
    source: ParameterSets

    def encoder(self) -> H264Encoder:
        return H264Encoder(
            self.width,
            self.height,
            self.time_base,
            rate=self.rate,
            colour=self.colour,
            sar=self.sar,
            crf=self.crf,
            preset=self.preset,
            key_interval=self.key_interval,
            beside=self.source,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GopTask:
    """A closed group: cleaned samples, and their times after the first one's. The first `head` frames stay as they are,

    `covers` are those of the others.
    """

    encoding: Encoding
    samples: tuple[bytes, ...]
    pts: tuple[int, ...]
    head: int
    covers: tuple[FrameCover, ...]
    effect: Effect
    fill: Fill

    def digest(self, build: dict[str, Json]) -> str:
        """What names the answer: everything that decides its bytes, `build` being the account of encoder and code."""
        digest = hashlib.sha256(b"bwc.gop-task/1\n")
        digest.update(canonical({**build, "head": self.head, "fill": list(self.fill), "pts": list(self.pts)}))
        digest.update(repr((self.encoding, self.effect, self.covers)).encode())
        for sample in self.samples:
            digest.update(len(sample).to_bytes(4, "big") + sample)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class GopDone:
    """The samples of a group from frame `head` on; none when a picture did not decode cleanly."""

    samples: tuple[EncodedSample, ...] = ()
    damaged: bool = False
    avcc: bytes = field(default=b"")

    def to_bytes(self) -> bytes:
        """For a working piece: header line, then the samples."""
        rows: list[Json] = [[len(one.data), one.pts, one.dts, one.key] for one in self.samples]
        head = canonical({"avcc": self.avcc.hex(), "damaged": self.damaged, "samples": rows})
        return len(head).to_bytes(4, "big") + head + b"".join(one.data for one in self.samples)

    @classmethod
    def from_bytes(cls, data: bytes) -> "GopDone":
        """Raises `IntegrityError` for what `to_bytes` does not write."""
        size = int.from_bytes(data[:4], "big")
        try:
            head = parse_canonical(data[4 : 4 + size])
            assert isinstance(head, dict)
            position, samples = 4 + size, []
            for length, pts, dts, key in head["samples"]:
                samples.append(EncodedSample(data=data[position : position + length], pts=pts, dts=dts, key=key))
                position += length
            if position != len(data):
                raise ValueError(position)
            return cls(samples=tuple(samples), damaged=bool(head["damaged"]), avcc=bytes.fromhex(str(head["avcc"])))
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            raise IntegrityError("a working piece is not one of ours") from error


def render_gop(task: GopTask) -> GopDone:
    """Decode the group, cover and encode its frames from `head` on. With no covers it is only decoded, as a proof."""
    told = task.encoding
    reader = GroupReader(task.samples, task.pts, avcc=told.source.avcc(), time_base=told.time_base)
    encoder = told.encoder() if task.covers else None
    samples: list[EncodedSample] = []
    held = Held()
    count = 0
    for picture in reader.frames():
        whole = (picture.width, picture.height) == (told.width, told.height)
        if picture.damaged or not whole or count >= len(task.pts) or picture.pts != task.pts[count]:
            return GopDone(damaged=True)
        if encoder is not None and count >= task.head:
            planes = (picture.y, picture.u, picture.v)
            draw(planes, task.covers[count - task.head], task.effect, task.fill, held)
            samples += encoder.encode(planes, picture.pts, force_key=count == task.head)
        count += 1
    if count != len(task.pts) or not reader.is_clean:
        return GopDone(damaged=True)
    if encoder is None:
        return GopDone()
    samples += encoder.finish()
    if len(samples) != len(task.covers):
        raise MediaError(f"the encoder made {len(samples)} samples of {len(task.covers)} frames")
    return GopDone(samples=tuple(samples), avcc=encoder.avcc)
