"""What every way of rendering shares: settings of the encoder, working pieces, the account of what was done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, Protocol

from bwc.canonical import Json
from bwc.media.audio import Sound
from bwc.media.delivery import COMPATIBLE, Delivery
from bwc.media.source import LostFrames
from bwc.redact.plan_effect import Effect

# superfast without B-frames beats veryfast at equal rate on noisy, shaky footage: VMAF 99.3 at 18.5 ms a frame
# against 99.2 at 50 (1080p, 11.9 Mbit/s, 2026-11); 22 gives 0.84 times a camera's 10 Mbit/s
CRF = 22
PRESET = "superfast"
KEY_INTERVAL = 60  # frames at most between keyframes; the source's own are kept as well

Progress = Callable[[int, int | None], None]


class Scratch(Protocol):
    """A working piece: written once, then read. What it holds is sealed wherever it rests."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""
        ...

    def reader(self) -> BinaryIO:
        """A seekable reader of all that was written; nothing is written after."""
        ...

    def close(self) -> None: ...


class Pieces(Protocol):
    """Finished groups of a render that may be interrupted: sealed wherever they rest, named by what decides them."""

    def get(self, name: str, /) -> bytes | None: ...
    def put(self, name: str, data: bytes, /) -> None: ...


class ByteSink(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Way(StrEnum):
    SMART = "smart"  # groups with nothing to hide are copied, the others encoded again
    FULL = "full"  # every frame is encoded again


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedRun:
    """The first `frames` pictures of a group (all of it, when `whole`), copied bit for bit."""

    group: int
    first: int  # ordinal
    frames: int
    of: int  # frames in the group
    start: int = 0  # of the group, in units of the time scale its digests use
    rest: bytes = b""  # the chain of digests behind the copied pictures; empty without an index

    @property
    def whole(self) -> bool:
        return self.frames == self.of


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderResult:
    """What was made, and everything that was not as it should be."""

    frames: int
    frames_lost: int
    lost: tuple[LostFrames, ...]
    covered_frames: int
    covered_whole: tuple[int, ...]  # ordinals covered whole because the plan does not know them
    damaged: tuple[int, ...]  # ordinals decoded with concealed errors; covered with neighbours' covers too
    audio: tuple[Sound, ...]
    audio_missing: tuple[int, ...]  # streams of which nothing decodes
    encoder: Mapping[str, Json]
    copy_bytes: int
    copy_sha256: str
    way: Way
    why: str  # why pictures could not be copied; empty for a smart render
    groups: int  # groups of pictures (IDR to IDR); 0 for a full render
    copied: tuple[CopiedRun, ...]  # pictures that are the recording's own, bit for bit
    proof: Mapping[str, Json] | None  # that they are (`render_groups`); None without an index or anything copied
    delivery: Delivery
    pix_fmt: str  # of the pictures that were encoded
    padding: tuple[int, int]  # columns and rows coded beyond what is shown


@dataclass(slots=True)
class Account:
    frames: int = 0
    covered: int = 0
    unknown: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    groups: int = 0
    proof: Mapping[str, Json] | None = None
    copied: list[CopiedRun] = field(default_factory=list)


def way_json(result: RenderResult) -> dict[str, Json]:
    """How a copy was made, in counts: for the log and for `--json`."""
    return {
        "delivery": result.delivery.value,
        "frames_copied": sum(run.frames for run in result.copied),
        "groups": result.groups,
        "groups_copied": sum(run.whole for run in result.copied),
        "padding": list(result.padding),
        "pix_fmt": result.pix_fmt,
        "render": result.way.value,
        "render_why": result.why,
    }


def way_text(result: RenderResult, effect: Effect) -> str:
    """The same for people, and what speaks against the covers."""
    return "\n".join([_copied_text(result), *_delivery_text(result), *([effect.caveat] if effect.caveat else [])])


def _delivery_text(result: RenderResult) -> list[str]:
    lines = []
    if any(result.padding):
        columns, rows = result.padding
        lines.append(f"coded with {columns} more columns and {rows} more rows: players show the recording's own size")
    if result.pix_fmt != COMPATIBLE.pix_fmt:
        lines.append(f"delivered faithfully, in {result.pix_fmt}: browsers and many players do not show that")
    return lines


def _copied_text(result: RenderResult) -> str:
    if result.way is Way.FULL:
        return f"every frame was encoded again: {result.why}"
    copied = sum(run.frames for run in result.copied)
    if copied == result.frames:
        return f"all {result.frames} frames are the recording's own, bit for bit"
    if not copied:
        if result.covered_frames == result.frames:
            return "every frame was encoded again: something is hidden in each"
        # render_groups: the head of a group is copied, unless the camera wrote more than pictures into it
        why = "each group of its pictures holds more than pictures" + (
            ", or begins with something hidden" if result.covered_frames else ""
        )
        return f"every frame was encoded again: {why}"
    return f"{copied} of {result.frames} frames are the recording's own, bit for bit; the others were encoded again"
