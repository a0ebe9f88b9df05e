"""The copy as a file: what streams, tags and boxes it holds that it should not, and where its clock begins."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import BinaryIO

from bwc.errors import UsageError
from bwc.media.delivery import Delivery, layout_of
from bwc.media.facts import MediaFacts
from bwc.media.mp4_check import check_boxes
from bwc.redact.check_report import Fault, Finding


def faults_of_boxes(copy: BinaryIO) -> list[Finding]:
    """Boxes that we do not write, and user data in the picture stream."""
    return [Finding(fault=_fault_of(sentence), detail=sentence) for sentence in check_boxes(copy)]


def faults_of_streams(facts: MediaFacts) -> Iterator[Finding]:
    """Streams and tags of a copy beyond picture and sound."""
    for stream in facts.other_streams:
        yield Finding(fault=Fault.EXTRA_STREAM, detail=f"the copy has a stream of {stream.kind} {stream.codec}")
    # What the codec library makes of any MP4, and nothing else
    known = {"major_brand", "minor_version", "compatible_brands", "language", "handler_name", "vendor_id", "DURATION"}
    for where, name, value in facts.tags:
        if name not in known or (name in ("handler_name", "vendor_id") and value.strip("[]0\0 ")):
            yield Finding(fault=Fault.METADATA, detail=f"{where} holds the tag {name!r}")
    if facts.position or facts.recorded_at:
        yield Finding(fault=Fault.METADATA, detail="the copy says where or when it was recorded")


def delivered(facts: MediaFacts) -> dict[str, int]:
    """How the copy's pictures are stored; nothing for a form that we do not write."""
    if facts.video is None:
        return {}
    with suppress(UsageError):
        layout = layout_of(Delivery.FAITHFUL, replace(facts.video, width=2, height=2))
        return {"picture_bits": layout.bits, "picture_chroma": {1: 420, 2: 422, 3: 444}[layout.chroma]}
    return {}


def shift_of(facts: MediaFacts) -> Fraction:
    """Where the copy's zero lies on the original's clock: at zero, or at the beginning if that is earlier."""
    starts = [Fraction(0)]
    if facts.video is not None and facts.video.pts is not None:
        starts.append(facts.video.pts.start * facts.video.time_base)
    starts += [track.start * track.time_base for track in facts.audio if track.start is not None]
    return min(starts)


def _fault_of(sentence: str) -> Fault:
    if "SEI" in sentence or "NAL unit" in sentence:
        return Fault.USER_DATA
    if "holds a creation" in sentence or "holds a name" in sentence or "compressor name" in sentence:
        return Fault.METADATA
    if sentence.startswith(("tracks are", "a track is neither")):
        return Fault.EXTRA_STREAM
    return Fault.CONTAINER
