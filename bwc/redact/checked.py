"""One check of a copy as people and programs are told of it: its suspects, and which of them a person has decided."""

from dataclasses import dataclass

from bwc.canonical import Json
from bwc.errors import LeakFound
from bwc.evidence import ItemId
from bwc.redact.carrying import Said
from bwc.redact.check_report import CheckReport, Suspect
from bwc.redact.plan import PlanMedia
from bwc.redact.plan_view import counted
from bwc.redact.shown import shown_box


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A check just made, and which of its suspects a person has already decided."""

    item: ItemId
    segment: int
    report: CheckReport
    decided: dict[str, Said]
    request: str = ""  # the copy is of the version for this request; empty: of the common plan
    words: str = ""  # how item and version are named on the command line
    media: PlanMedia | None = None  # without it boxes are told as the recording is coded

    @property
    def data(self) -> bytes:
        return self.report.to_bytes()

    @property
    def open_suspects(self) -> tuple[Suspect, ...]:
        return tuple(one for one in self.report.suspects if one.id not in self.decided)

    def to_json(self) -> dict[str, Json]:
        return {
            "carried": [name for name, said in self.decided.items() if said.earlier is not None],
            "faults": [f"{one.fault.value}: {one.detail}" for one in self.report.faults],
            "frames": self.report.frames,
            "frames_checked": self.report.frames_checked,
            "item": self.item,
            "not_checked": list(self.report.not_checked),
            "open": [one.id for one in self.open_suspects],
            "report_sha256": self.report.sha256,
            "request": self.request or None,
            "segment": self.segment,
            "stride": self.report.stride,
            "suspects": [_suspect_json(one) for one in self.report.suspects],
        }

    def text(self) -> str:
        report = self.report
        every = "every frame" if report.stride == 1 else f"one frame in {report.stride}"
        lines = [
            f"{report.frames_checked} of {report.frames} frames searched ({every}), {report.measures.get('cutouts', 0)} "
            f"places of doubt looked at closely, {report.covers_checked} covers tested, "
            f"{counted(len(report.suspects), 'suspect')}, {counted(len(report.faults), 'fault')}"
        ]
        lines += [f"  {one.id}  {_suspect_text(one, self.media)}{self._said(one.id)}" for one in report.suspects]
        lines += [
            f"  {'fault' if one.stops_release else 'note'} {one.fault.value}: {one.detail}" for one in report.findings
        ]
        lines += [f"  not checked: {what}" for what in report.not_checked]
        return "\n".join(lines)

    def _said(self, suspect: str) -> str:
        return f" ({self.decided[suspect].text})" if suspect in self.decided else ""

    def raise_if_open(self) -> None:
        """Raise `LeakFound` while a suspect is open, the copy has a fault, or nothing of it was searched."""
        details: list[dict[str, Json]] = [_suspect_json(one) for one in self.open_suspects]
        details += [{"fault": one.fault.value, "detail": one.detail} for one in self.report.faults]
        if self.open_suspects:
            first = self.open_suspects[0].id
            hint = f"look, then: bwc decide {self.words} {first} redact, or {first} keep --note '…'"
            still = (
                f"{counted(len(self.open_suspects), 'suspect')} {'is' if len(self.open_suspects) == 1 else 'are'} open"
            )
            raise LeakFound(f"{self.item}: {still}", hint, details=details)
        if self.report.faults:
            hint = f"bwc redact {self.words}, then check again"
            raise LeakFound(
                f"{self.item}: the copy has {counted(len(self.report.faults), 'fault')}", hint, details=details
            )
        if not self.report.is_searched:
            raise LeakFound(f"{self.item}: no picture of the copy was searched", f"bwc check {self.words} --stride 1")


def _suspect_json(one: Suspect) -> dict[str, Json]:
    return {
        "class": one.class_,
        "first_ms": one.first_ms,
        "id": one.id,
        "last_ms": one.last_ms,
        "risk": one.risk,
        "score_permille": one.best_permille,
        "sight": one.sight.value,
        "sightings": one.sightings,
    }


def _suspect_text(one: Suspect, media: PlanMedia | None) -> str:
    if not one.boxes:  # said, not seen
        return (
            f"{one.class_}, {one.first_ms / 1000:.2f}-{one.last_ms / 1000:.2f} s, score {one.best_permille / 1000:.2f}"
        )
    _, *coded = one.boxes[len(one.boxes) // 2]
    x0, y0, x1, y1 = shown_box(media, (coded[0], coded[1], coded[2], coded[3])) if media else coded
    return (
        f"{one.class_} {one.sight.value} at {x0},{y0},{x1 - x0},{y1 - y0}, {one.first_ms / 1000:.2f}-{one.last_ms / 1000:.2f} s, "
        f"{counted(one.sightings, 'sighting')}, score {one.best_permille / 1000:.2f}"
    )
