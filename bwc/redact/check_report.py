"""What the check of a redacted copy found: canonical JSON `bwc.check/1` (docs/formats/check-report.md).

A suspect is something a person must look at and decide; the decision is a custody event, not part of the report.
A fault is something wrong with the copy itself; it cannot be decided away, the copy is made again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bwc.canonical import Json, canonical, is_sha256_hex, parse_canonical, sha256_hex
from bwc.errors import BwcError, UsageError
from bwc.redact.plan import Box, DetectorInfo

FORMAT = "bwc.check/1"


class Sight(StrEnum):
    """How a suspect shows."""

    VISIBLE = "visible"  # nothing covers it
    PARTLY = "partly"  # a cover hides some of it
    GAP = "gap"  # the plan hides it before or after; no detector's hits there are evidence by themselves
    INSIDE = "inside"  # found again inside a cover: the cover is too weak
    HEARD = "heard"  # said, not seen


class Fault(StrEnum):
    """What can be wrong with a copy. All of them stop a release but those of `NOTES`."""

    PLAN_STALE = "plan-stale"  # the plan does not describe the original
    TIMING = "timing"  # frames missing, added, or shown at another time
    PICTURE_SIZE = "picture-size"
    PICTURE_DIFFERS = "picture-differs"  # not the original's picture outside covers
    COVER_WEAK = "cover-weak"  # something is left inside a cover
    UNREADABLE = "unreadable"  # the copy does not decode to its end
    AUDIO_MISSING = "audio-missing"
    AUDIO_DIFFERS = "audio-differs"  # start, length, channels or samples outside muted spans
    MUTE_HEARD = "mute-heard"
    EXTRA_STREAM = "extra-stream"
    METADATA = "metadata"
    USER_DATA = "user-data"  # SEI user data in the picture stream
    CONTAINER = "container"  # a box that we do not write
    FRAMES_LOST = "frames-lost"  # frames the original could not give


NOTES = frozenset({Fault.FRAMES_LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Something that looks visible, or is said. `boxes` (none of what is said) are (ordinal, x0, y0, x1, y1) of coded pixels, at most 200 of them."""

    id: str
    class_: str
    sight: Sight
    first: int
    last: int
    first_ms: int
    last_ms: int
    sightings: int
    best_permille: int
    risk: int  # best score in per mille x seconds in ms x height in pixels / 1000: an order, not a probability
    boxes: tuple[tuple[int, int, int, int, int], ...]

    def moved(self, frames: int) -> "Suspect":
        """The same, `frames` ordinals later."""
        boxes = tuple((ordinal + frames, *box) for ordinal, *box in self.boxes)
        return replace(self, first=self.first + frames, last=self.last + frames, boxes=boxes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fault, in words, with the frames it concerns (None: all of them or none in particular)."""

    fault: Fault
    detail: str
    first: int | None = None
    last: int | None = None
    frames: int = 0
    box: Box | None = None

    def moved(self, frames: int) -> "Finding":
        """The same, `frames` ordinals later."""
        if self.first is None or self.last is None:
            return self
        return replace(self, first=self.first + frames, last=self.last + frames)

    @property
    def stops_release(self) -> bool:
        return self.fault not in NOTES


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTrack:
    """A track that a person keeps visible and that was seen: listed, never a suspect."""

    id: str
    sightings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The second opinion on one copy made from one plan. `sound` holds what was measured per sound track."""

    plan_id: str
    plan_revision: int
    plan_sha256: str
    content_sha256: str
    copy_sha256: str
    copy_bytes: int
    tool: str
    stride: int
    frames: int
    frames_checked: int
    frames_lost: int
    covers_checked: int
    detectors: tuple[DetectorInfo, ...]
    not_checked: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    findings: tuple[Finding, ...]
    kept: tuple[KeptTrack, ...]
    measures: Mapping[str, int]

    @property
    def is_clean(self) -> bool:
        """Looked at, with no suspect and no fault that stops a release."""
        return self.is_searched and not self.suspects and not self.faults

    @property
    def is_searched(self) -> bool:
        """Whether any whole picture was searched; a report of which none was is no second opinion."""
        return self.frames_checked > 0

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.stops_release)

    def to_bytes(self) -> bytes:
        return canonical(_report_json(self))

    @property
    def sha256(self) -> str:
        return sha256_hex(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> "CheckReport":
        """Raises `UsageError` unless `data` is exactly what `to_bytes` writes."""
        try:
            return _report_of(parse_canonical(data))
        except BwcError as error:
            raise UsageError(f"not a check report: {error.message}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"not a check report: {error}") from error


def _report_json(report: CheckReport) -> dict[str, Json]:
    return {
        "content_sha256": report.content_sha256,
        "copy_bytes": report.copy_bytes,
        "copy_sha256": report.copy_sha256,
        "covers_checked": report.covers_checked,
        "detectors": [
            {
                "file_sha256": info.file_sha256,
                "licence": info.licence,
                "name": info.name,
                "package": info.package,
                "precision": info.precision,
                "settings": dict(info.settings),
            }
            for info in report.detectors
        ],
        "findings": [
            {
                "box": None if finding.box is None else list(finding.box),
                "detail": finding.detail,
                "fault": finding.fault.value,
                "first": finding.first,
                "frames": finding.frames,
                "last": finding.last,
            }
            for finding in report.findings
        ],
        "format": FORMAT,
        "frames": report.frames,
        "frames_checked": report.frames_checked,
        "frames_lost": report.frames_lost,
        "kept": [{"id": track.id, "sightings": track.sightings} for track in report.kept],
        "measures": dict(report.measures),
        "not_checked": list(report.not_checked),
        "plan_id": report.plan_id,
        "plan_revision": report.plan_revision,
        "plan_sha256": report.plan_sha256,
        "stride": report.stride,
        "suspects": [
            {
                "best_permille": suspect.best_permille,
                "boxes": [list(box) for box in suspect.boxes],
                "class": suspect.class_,
                "first": suspect.first,
                "first_ms": suspect.first_ms,
                "id": suspect.id,
                "last": suspect.last,
                "last_ms": suspect.last_ms,
                "risk": suspect.risk,
                "sight": suspect.sight.value,
                "sightings": suspect.sightings,
            }
            for suspect in report.suspects
        ],
        "tool": report.tool,
    }


_REPORT_KEYS = {*CheckReport.__dataclass_fields__, "format"}


def _report_of(value: Any) -> CheckReport:
    if set(value) != _REPORT_KEYS or value["format"] != FORMAT:
        raise UsageError(f"expected {FORMAT}")
    digests = [value[name] for name in ("plan_sha256", "content_sha256", "copy_sha256")]
    if not all(is_sha256_hex(digest) for digest in digests):
        raise UsageError("a digest is not a digest")
    report = CheckReport(
        **{
            name: _integer(value[name])
            for name in (
                "plan_revision",
                "copy_bytes",
                "stride",
                "frames",
                "frames_checked",
                "frames_lost",
                "covers_checked",
            )
        },
        plan_id=_text(value["plan_id"]),
        plan_sha256=digests[0],
        content_sha256=digests[1],
        copy_sha256=digests[2],
        tool=_text(value["tool"]),
        detectors=tuple(
            DetectorInfo(
                name=_text(part["name"]),
                package=_text(part["package"]),
                file_sha256=_text(part["file_sha256"]),
                licence=_text(part["licence"]),
                precision=_text(part["precision"]),
                settings=dict(part["settings"]),
            )
            for part in value["detectors"]
        ),
        not_checked=tuple(_text(name) for name in value["not_checked"]),
        suspects=tuple(_suspect_of(part) for part in value["suspects"]),
        findings=tuple(_finding_of(part) for part in value["findings"]),
        kept=tuple(KeptTrack(id=_text(part["id"]), sightings=_integer(part["sightings"])) for part in value["kept"]),
        measures={_text(name): _integer(number) for name, number in value["measures"].items()},
    )
    if _report_json(report) != value:
        raise UsageError("a part holds something this reader does not know")
    return report


def _suspect_of(value: Any) -> Suspect:
    numbers = ("first", "last", "first_ms", "last_ms", "sightings", "best_permille", "risk")
    boxes = []
    for box in value["boxes"]:
        ordinal, x0, y0, x1, y1 = (_integer(part) for part in box)
        boxes.append((ordinal, x0, y0, x1, y1))
    return Suspect(
        **{name: _integer(value[name]) for name in numbers},
        id=_text(value["id"]),
        class_=_text(value["class"]),
        sight=Sight(value["sight"]),
        boxes=tuple(boxes),
    )


def _finding_of(value: Any) -> Finding:
    box = None
    if value["box"] is not None:
        x0, y0, x1, y1 = (_integer(part) for part in value["box"])
        box = (x0, y0, x1, y1)
    return Finding(
        fault=Fault(value["fault"]),
        detail=_text(value["detail"]),
        first=None if value["first"] is None else _integer(value["first"]),
        last=None if value["last"] is None else _integer(value["last"]),
        frames=_integer(value["frames"]),
        box=box,
    )


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise UsageError("expected an integer")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError("expected text")
    return value
