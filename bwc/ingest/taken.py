"""One file of a card as it arrived: sealed, with what could not be read of it; and its line on the receipt."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bwc.canonical import Json
from bwc.evidence import ObjectRole
from bwc.ingest.card import CardFile
from bwc.ingest.damage import damage_of, gaps_text
from bwc.ingest.house import Held
from bwc.ingest.manifest import Arrived, Claim, Finding, compare, read_claims
from bwc.ingest.receipt import FileLine, Line, State
from bwc.ingest.sidecar_map import SidecarMap
from bwc.ingest.tables import MAX_BYTES
from bwc.recording import Gap


class Taken(NamedTuple):
    """A file that was sealed. `partner` is the file it lay beside; itself for a recording."""

    file: CardFile
    held: Held
    gaps: tuple[Gap, ...]
    partner: CardFile

    def line(self, role: str) -> FileLine:
        return file_line(self.file, self.held.content_digest, role, self.gaps)

    def arrived(self) -> Arrived:
        size = self.held.plain_bytes
        return Arrived(name=self.file.name, size_bytes=size, sha256=self.held.content_digest, open=self.held.open)

    def damage(self, role: ObjectRole) -> dict[str, Json]:
        """What the event tells of its gaps."""
        with self.held.open() as content:
            return damage_of(
                content,
                self.gaps,
                name=self.file.name,
                role=role,
                segment=self.held.sealed.segment,
                size_bytes=self.held.plain_bytes,
            )


def compare_sidecars(
    segments: Sequence[Taken], sidecars: Sequence[Taken], known: SidecarMap
) -> tuple[tuple[Claim, ...], tuple[Finding, ...]]:
    """What the sidecars say, and where it differs from what arrived."""
    arrived = {one.file: one.arrived() for one in (*segments, *sidecars)}
    claims: list[Claim] = []
    findings: list[Finding] = []
    for one in sidecars:
        if one.held.plain_bytes > MAX_BYTES:
            continue
        with one.held.open() as content:
            said = read_claims(content.read(MAX_BYTES + 1), said_by=one.file.base, known=known)
        findings += compare(said, list(arrived.values()), arrived.get(one.partner))
        claims += said
    return tuple(claims), tuple(findings)


def damage_problems(files: Sequence[FileLine]) -> tuple[str, ...]:
    """What stands against wiping: the files that could not be read whole."""
    return tuple(gaps_text(file.name, file.gaps, file.size_bytes) for file in files if file.gaps)


def not_taken(vendor: str, files: Sequence[CardFile], *problems: str) -> Line:
    lines = tuple(FileLine(name=file.name, size_bytes=file.size_bytes) for file in files)
    return Line(state=State.NOT_TAKEN, vendor=vendor, files=lines, problems=problems)


def file_line(file: CardFile, digest: str, role: str, gaps: Sequence[Gap] = ()) -> FileLine:
    return FileLine(name=file.name, size_bytes=file.size_bytes, sha256=digest, role=role, gaps=tuple(gaps))


def position(segments: Sequence[Taken], partner: CardFile) -> int:
    """The ordinal of the segment a sidecar lay beside, else of the first."""
    return next((ordinal for ordinal, one in enumerate(segments) if one.file == partner), 0)


class Meter:
    """Bytes of the card read so far; a file that is read twice counts once."""

    def __init__(self, total: int, progress: Callable[[int, int | None], None] | None) -> None:
        self._total = total
        self._progress = progress
        self._read: dict[CardFile, int] = {}
        self._done = 0

    def of(self, file: CardFile) -> Callable[[int], None]:
        here = 0

        def on_read(count: int) -> None:
            nonlocal here
            here += count
            more = here - self._read.get(file, 0)
            if more > 0:
                self._read[file] = here
                self._done += more
            if self._progress:
                self._progress(self._done, self._total)

        return on_read
