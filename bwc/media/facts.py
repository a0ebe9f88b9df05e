"""What a recording is: container, picture, sound, frame times, tags. Plain numbers, canonical JSON, no codec library.

Media time is integer ticks with a `Fraction` time base. A frame is named by its ordinal (presentation order,
only frames that decode and are meant to be seen) and its pts in ticks; a frame number alone is not a time.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from bwc.canonical import Json
from bwc.errors import MediaError
from bwc.evidence import parse_utc, utc_text

FORMAT = "bwc.media-facts/1"
IDENTITY = (65536, 0, 0, 65536)  # a display matrix in 16.16 that turns nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class PtsTable:
    """Strictly increasing pts in ticks: the first one and runs of (delta, how often)."""

    start: int
    runs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, pts: Iterable[int]) -> "PtsTable | None":
        """The table of `pts`, or None for no pts. Raises `MediaError` unless they increase strictly."""
        runs: list[list[int]] = []
        start: int | None = None
        last = 0
        for value in pts:
            if start is None:
                start = last = value
                continue
            delta = value - last
            if delta <= 0:
                raise MediaError(f"frame times do not increase: {last} then {value}")
            if runs and runs[-1][0] == delta:
                runs[-1][1] += 1
            else:
                runs.append([delta, 1])
            last = value
        if start is None:
            return None
        return cls(start=start, runs=tuple((delta, count) for delta, count in runs))

    def __len__(self) -> int:
        return 1 + sum(count for _, count in self.runs)

    def __iter__(self) -> Iterator[int]:
        value = self.start
        yield value
        for delta, count in self.runs:
            for _ in range(count):
                value += delta
                yield value

    @property
    def last(self) -> int:
        return self.start + sum(delta * count for delta, count in self.runs)

    def to_json(self) -> dict[str, Json]:
        return {"start": self.start, "runs": [[delta, count] for delta, count in self.runs]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PtsTable":
        runs = tuple((int(delta), int(count)) for delta, count in value["runs"])
        if any(delta <= 0 or count <= 0 for delta, count in runs):
            raise ValueError("a run of frame times is not positive")
        return cls(start=int(value["start"]), runs=runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """Code points of ITU-T H.273 (2 = unspecified) and the range: 0 unspecified, 1 limited, 2 full."""

    range: int = 0
    primaries: int = 2
    transfer: int = 2
    matrix: int = 2

    def to_json(self) -> dict[str, Json]:
        return {"matrix": self.matrix, "primaries": self.primaries, "range": self.range, "transfer": self.transfer}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Colour":
        return cls(**{key: int(value[key]) for key in ("range", "primaries", "transfer", "matrix")})


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """The picture. Width and height are of the coded orientation, after the codec's own cropping."""

    stream: int
    codec: str
    profile: str
    pix_fmt: str
    width: int
    height: int
    matrix: tuple[int, int, int, int]  # a, b, c, d of the display matrix, 16.16
    rotation: int  # as PyAV says it: degrees counter-clockwise, -179..180
    sar: tuple[int, int]  # sample aspect ratio; (1, 1) when unknown
    time_base: Fraction
    rate: Fraction  # average frames per second, a hint only; 0 when unknown
    frames: int  # frames that decode, or (beyond `decoded`) packets that are meant to be seen
    decoded: int  # how many of `frames` this count has decoded
    frames_lost: int
    frames_damaged: int  # delivered, but with concealed errors or after a loss in the same group of pictures
    pts: PtsTable | None
    keyframes: tuple[int, ...]  # ordinals
    interlaced: bool
    top_field_first: bool
    colour: Colour
    reorders: bool  # the source has B-frames

    def to_json(self) -> dict[str, Json]:
        plain = {name: getattr(self, name) for name in _VIDEO_PLAIN}
        return {
            **plain,
            "colour": self.colour.to_json(),
            "keyframes": list(self.keyframes),
            "matrix": list(self.matrix),
            "pts": self.pts.to_json() if self.pts else None,
            "rate": _pair(self.rate),
            "sar": list(self.sar),
            "time_base": _pair(self.time_base),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "VideoFacts":
        plain = {name: _typed(value[name], kind) for name, kind in _VIDEO_PLAIN.items()}
        a, b, c, d = (int(number) for number in value["matrix"])
        sar_n, sar_d = (int(number) for number in value["sar"])
        return cls(
            **plain,
            colour=Colour.from_json(value["colour"]),
            keyframes=tuple(int(ordinal) for ordinal in value["keyframes"]),
            matrix=(a, b, c, d),
            pts=PtsTable.from_json(value["pts"]) if value["pts"] is not None else None,
            rate=_fraction(value["rate"]),
            sar=(sar_n, sar_d),
            time_base=_fraction(value["time_base"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """One sound track. `start` and `duration` in ticks of `time_base`; start is the first sample meant to be heard."""

    stream: int
    codec: str
    profile: str
    rate: int
    channels: int
    layout: str
    time_base: Fraction
    start: int | None  # None: nothing of it decodes
    duration: int
    packets: int
    packets_lost: int

    def to_json(self) -> dict[str, Json]:
        return {
            **{name: getattr(self, name) for name in _AUDIO_PLAIN},
            "start": self.start,
            "time_base": _pair(self.time_base),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "AudioFacts":
        plain = {name: _typed(value[name], kind) for name, kind in _AUDIO_PLAIN.items()}
        start = value["start"]
        return cls(**plain, start=None if start is None else int(start), time_base=_fraction(value["time_base"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStream:
    """A stream that is never copied: telemetry, timecode, subtitles, thumbnails, second pictures."""

    stream: int
    kind: str
    codec: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """Everything read from one recording. `tags` are as the camera wrote them: untrusted text, cut at a limit."""

    container: str
    duration: int  # ticks of 1/1000000 s, the codec library's unit for containers
    video: VideoFacts | None
    audio: tuple[AudioFacts, ...]
    other_streams: tuple[OtherStream, ...]
    tags: tuple[tuple[str, str, str], ...]  # (where: "container" or "stream N", name, value)
    recorded_at: datetime | None  # by the camera's clock, read as UTC
    position: tuple[int, int] | None  # latitude, longitude in microdegrees
    losses: tuple[str, ...]  # what could not be read, in words

    def to_json(self) -> dict[str, Json]:
        return {
            "audio": [track.to_json() for track in self.audio],
            "container": self.container,
            "duration": [self.duration, 1_000_000],
            "format": FORMAT,
            "losses": list(self.losses),
            "other_streams": [[s.stream, s.kind, s.codec, s.name] for s in self.other_streams],
            "position": list(self.position) if self.position else None,
            "recorded_at": utc_text(self.recorded_at) if self.recorded_at else None,
            "tags": [list(tag) for tag in self.tags],
            "video": self.video.to_json() if self.video else None,
        }

    @classmethod
    def from_json(cls, value: object) -> "MediaFacts":
        """Raises `MediaError` for anything `to_json` would not write."""
        try:
            return cls._parse(value)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise MediaError(f"not media facts: {error}") from error

    @classmethod
    def _parse(cls, value: Any) -> "MediaFacts":
        if value["format"] != FORMAT or value["duration"][1] != 1_000_000:
            raise ValueError("unknown format")
        position = value["position"]
        recorded_at = value["recorded_at"]
        return cls(
            container=_typed(value["container"], str),
            duration=int(value["duration"][0]),
            video=VideoFacts.from_json(value["video"]) if value["video"] is not None else None,
            audio=tuple(AudioFacts.from_json(track) for track in value["audio"]),
            other_streams=tuple(
                OtherStream(stream=int(index), kind=_typed(kind, str), codec=_typed(codec, str), name=_typed(name, str))
                for index, kind, codec, name in value["other_streams"]
            ),
            tags=tuple((_typed(w, str), _typed(n, str), _typed(v, str)) for w, n, v in value["tags"]),
            recorded_at=parse_utc(recorded_at) if recorded_at is not None else None,
            position=(int(position[0]), int(position[1])) if position is not None else None,
            losses=tuple(_typed(text, str) for text in value["losses"]),
        )


_VIDEO_PLAIN: dict[str, type] = {
    "stream": int, "codec": str, "profile": str, "pix_fmt": str, "width": int, "height": int, "rotation": int,
    "frames": int, "decoded": int, "frames_lost": int, "frames_damaged": int, "interlaced": bool,
    "top_field_first": bool, "reorders": bool,
}  # fmt: skip
_AUDIO_PLAIN: dict[str, type] = {
    "stream": int, "codec": str, "profile": str, "rate": int, "channels": int, "layout": str, "duration": int,
    "packets": int, "packets_lost": int,
}  # fmt: skip


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{value!r} is not {kind.__name__}")
    return value


def _pair(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]


def _fraction(value: Any) -> Fraction:
    numerator, denominator = value
    return Fraction(_typed(numerator, int), _typed(denominator, int))
