"""What checking a released package found: steps, findings, and one verdict of three."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bwc.anchors.fork import ForkEvidence
from bwc.anchors.seen import look_at_notes
from bwc.audit.checkpoint import NoteKey
from bwc.canonical import Json
from bwc.errors import BwcError, NotPinned
from bwc.verifier.released import Release


class Verdict(StrEnum):
    OURS = "ours"  # whole, and tied to a key the verifier already had
    NOT_TIED = "not-tied"  # consistent with itself; says nothing about who made it
    BAD = "bad"


class Result(StrEnum):
    OK = "ok"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `times_ms`: the parts of the video that a damaged copy touches."""

    step: int
    thing: str
    error: BwcError
    times_ms: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "error": self.error.name,
            "message": self.error.message,
            "step": self.step,
            "thing": self.thing,
            "times_ms": [list(pair) for pair in self.times_ms],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    number: int
    title: str
    result: Result
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageReport:
    """What every step found. `release` is None when release.json could not be read."""

    verdict: Verdict
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    release: Release | None
    fingerprint: str
    tied_to: str
    key: NoteKey | None = None  # of the log, as the package states it; whose it is says `tied_to`
    checkpoints: tuple[bytes, ...] = ()  # signed notes whose signature holds

    def raise_if_bad(self) -> None:
        """Raise the error of the first finding, naming its thing, with all findings as details."""
        if self.verdict is Verdict.BAD:
            first = self.findings[0]
            more = f" (and {len(self.findings) - 1} more)" if len(self.findings) > 1 else ""
            kind = type(first.error)
            raise kind(
                f"{first.thing}: {first.error.message}{more}",
                first.error.hint or "do not rely on it; get the package from the agency again",
                details=[finding.to_json() for finding in self.findings],
            )

    def raise_unless_ours(self) -> None:
        """As `raise_if_bad`; and `NotPinned` when it is whole but not tied to a key we have."""
        self.raise_if_bad()
        if self.verdict is Verdict.NOT_TIED:
            raise NotPinned(
                "consistent with itself, NOT tied to any agency",
                f"compare this fingerprint with the agency's: {self.fingerprint}; then --key VKEY",
            )

    def text(self) -> str:
        """The steps and the verdict, for people."""
        lines = [f"{one.number}  {one.result.value:<7} {'; '.join((one.title, *one.said))}" for one in self.steps]
        lines += [f"   bad: {one.thing}: {one.error.message}" for one in self.findings]
        if self.release:
            lines.append(f"\nrelease     {self.release.release} by {self.release.agency} (as the package says)")
        return "\n".join([*lines, f"fingerprint {self.fingerprint}", f"verdict     {self.verdict.value}"])

    def to_json(self) -> dict[str, Json]:
        return {
            "agency": self.release.agency if self.release else None,
            "findings": [finding.to_json() for finding in self.findings],
            "fingerprint": self.fingerprint or None,
            "release": self.release.release if self.release else None,
            "steps": [
                {"number": step.number, "result": step.result.value, "said": list(step.said), "title": step.title}
                for step in self.steps
            ],
            "tied_to": self.tied_to or None,
            "verdict": self.verdict.value,
        }


def look_at_package(report: PackageReport, folder: Path) -> list[ForkEvidence]:
    """After a package was checked: compare its checkpoints with what was seen; save them if it is the agency's.

    The fork evidence found, which is kept.
    """
    if report.key is None or not report.tied_to:
        return []
    return look_at_notes(report.checkpoints, report.key, folder, save=report.verdict is Verdict.OURS)


def time_text(ms: int) -> str:
    """Milliseconds as 1:02:03.400 for people."""
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
