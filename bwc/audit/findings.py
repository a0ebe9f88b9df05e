"""What a verification found: one finding per thing, under the numbered steps of docs/auditor.md."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bwc.canonical import Json
from bwc.errors import IntegrityError

MAX_PER_STEP = 50  # further ones are counted: a log with a million bad entries needs no million lines


class Grade(StrEnum):
    OK = "ok"
    NOTE = "note"  # worth a look; no proof of tampering
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding: the step, how grave, what, and where (a path, `entry 12`, an item or object id)."""

    step: int
    grade: Grade
    what: str
    where: str = ""
    error: type[IntegrityError] = IntegrityError

    def to_json(self) -> dict[str, Json]:
        return {"grade": self.grade.value, "step": self.step, "what": self.what, "where": self.where}


class Findings:
    """The findings of one verification, in the order they were made."""

    def __init__(self) -> None:
        self._all: list[Finding] = []
        self._counts: Counter[tuple[int, Grade]] = Counter()

    def __iter__(self) -> Iterator[Finding]:
        yield from self._all
        for (step, grade), count in sorted(self._counts.items()):
            if count > MAX_PER_STEP:
                yield Finding(step=step, grade=grade, what=f"and {count - MAX_PER_STEP} more like these")

    def ok(self, step: int, what: str) -> None:
        """Conclude a step, unless something bad was found in it."""
        if not self.count(step, Grade.BAD):
            self._add(Finding(step=step, grade=Grade.OK, what=what))

    def note(self, step: int, what: str, where: str = "") -> None:
        self._add(Finding(step=step, grade=Grade.NOTE, what=what, where=where))

    def bad(self, step: int, what: str, where: str = "", error: type[IntegrityError] = IntegrityError) -> None:
        self._add(Finding(step=step, grade=Grade.BAD, what=what, where=where, error=error))

    def refused(self, step: int, error: IntegrityError, where: str = "") -> None:
        """Record an error that a parser or a proof raised."""
        self.bad(step, error.message, where, type(error))

    def take(self, other: "Findings") -> None:
        """Add what another verification found."""
        for one in other._all:
            if self._counts[(one.step, one.grade)] + 1 <= MAX_PER_STEP:
                self._all.append(one)
            self._counts[(one.step, one.grade)] += 1
        for key, count in other._counts.items():
            self._counts[key] += max(0, count - MAX_PER_STEP)

    def count(self, step: int | None = None, grade: Grade = Grade.BAD) -> int:
        """How many findings of `grade`, in one step or in all."""
        return sum(count for (at, what), count in self._counts.items() if what is grade and step in (None, at))

    def raise_if_bad(self) -> None:
        """Raise the first bad finding as its `IntegrityError`, with all findings as details."""
        for one in self._all:
            if one.grade is Grade.BAD:
                message = f"{one.where}: {one.what}" if one.where else one.what
                raise one.error(message, details=[found.to_json() for found in self])

    def _add(self, finding: Finding) -> None:
        key = (finding.step, finding.grade)
        self._counts[key] += 1
        if self._counts[key] <= MAX_PER_STEP:
            self._all.append(finding)
