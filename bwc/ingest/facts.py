"""Media facts of one segment, divided into what the public log may hold and what only its readers see."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

from bwc.audit.merkle import root_of
from bwc.canonical import Json
from bwc.errors import MediaError
from bwc.evidence import utc_text
from bwc.media.facts import MediaFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """`document` is sealed as the segment's facts; `public` stands in the log, `private` in the event's body."""

    document: Mapping[str, Json] | None
    public: Mapping[str, Json]
    private: Mapping[str, Json] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


Describe: TypeAlias = Callable[[BinaryIO, str], Described]


def describe_media(content: BinaryIO, name: str) -> Described:
    """The facts of `content`, read in a process with limits. Unreadable media is described as such, not an error."""
    from bwc.media.sandbox import index_safely

    try:
        facts, groups = index_safely(content, name)
    except MediaError as error:
        why = error.message.removeprefix(f"{name} cannot be read: ")
        return Described(document=None, public={"readable": False}, notes=(f"cannot be played: {why}",))
    document, public = facts.to_json(), _public(facts)
    if groups is not None:
        document["groups"] = groups.to_json()
        # the leaves are salted: the root tells nothing, and binds every group of pictures
        public["groups"] = {"count": len(groups.leaves), "root": root_of(groups.leaves).hex()}
    return Described(document=document, public=public, private=_private(facts), notes=_notes(facts))


def _public(facts: MediaFacts) -> dict[str, Json]:
    """Counts only: a frame count names nobody, a recording time or a place may."""
    if facts.video is None:
        return {"readable": bool(facts.audio), "frames": 0, "frames_lost": 0}
    return {"readable": True, "frames": facts.video.frames, "frames_lost": facts.video.frames_lost}


def _private(facts: MediaFacts) -> dict[str, Json]:
    video = facts.video
    return {
        "audio": [track.codec for track in facts.audio],
        "codec": video.codec if video else None,
        "container": facts.container,
        "duration_ms": facts.duration // 1000,
        "height": video.height if video else None,
        "recorded_at": utc_text(facts.recorded_at) if facts.recorded_at else None,
        "width": video.width if video else None,
    }


def _notes(facts: MediaFacts) -> tuple[str, ...]:
    lost = facts.video.frames_lost if facts.video else 0
    return ((f"{lost} frames cannot be decoded; the file is held as it is",) if lost else ()) + facts.losses[:3]
