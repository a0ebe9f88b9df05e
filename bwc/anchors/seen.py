"""What one person has seen of a log: signed checkpoints and fork evidence, kept beside them and never in the log.

Every `verify`, `release` and `audit` looks here first and saves what it saw. A checkpoint that the newest one is
proven to continue needs no keeping; those of packages, which came without the log, wait until the log is seen again.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bwc.anchors.beside import write_beside
from bwc.anchors.fork import ForkEvidence, ForkKind, SignedCheckpoint, contradiction
from bwc.audit.checkpoint import NoteKey
from bwc.audit.keychain import KeyChain
from bwc.audit.log_report import LogReport
from bwc.audit.tiles import CHECKPOINT, LogReader
from bwc.canonical import Json, sha256_hex
from bwc.errors import CheckpointRolledBack, ConfigError, IntegrityError, LogForked, UsageError
from bwc.evidence import parse_utc, utc_text

FORMAT = "bwc.seen/1"
_MOST_WAITING = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCheckpoint:
    """A checkpoint this person saw, and when."""

    signed: SignedCheckpoint
    seen_at: datetime

    @property
    def size(self) -> int:
        return self.signed.checkpoint.size

    def to_json(self) -> dict[str, Json]:
        return self.signed.to_json() | {"seen_at": utc_text(self.seen_at)}


@dataclass(slots=True)
class Seen:
    """One person's memory of one log. `folder` holds those of all logs."""

    folder: Path
    origin: str
    held: list[SeenCheckpoint] = field(default_factory=list)  # by size

    def __post_init__(self) -> None:
        """Raises `ConfigError` if it cannot be read."""
        self.held = self._read()

    def _read(self) -> list[SeenCheckpoint]:
        """Raises `ConfigError`: a damaged memory must not count as an empty one."""
        try:
            value = json.loads(self._path.read_bytes())
            if value["format"] != FORMAT or value["origin"] != self.origin:
                raise UsageError(f"not what was seen of {self.origin}")
            return [
                SeenCheckpoint(signed=SignedCheckpoint.from_json(one), seen_at=parse_utc(one["seen_at"]))
                for one in value["checkpoints"]
            ]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, UsageError, IntegrityError) as error:
            hint = f"restore it from a backup; without it a rollback before today goes unseen: rm {self._path}"
            raise ConfigError(f"{self._path}: {error}", hint) from error

    @property
    def _place(self) -> Path:
        return self.folder / sha256_hex(self.origin.encode())[:32]

    @property
    def _path(self) -> Path:
        return self._place / "seen.json"

    @property
    def last(self) -> SeenCheckpoint | None:
        """The one with the most entries."""
        return max(self.held, key=lambda one: one.size, default=None)

    def look(
        self, note: bytes, key: NoteKey, files: LogReader | None, *, save: bool = True, may_lack: bool = False
    ) -> list[ForkEvidence]:
        """Compare a checkpoint, signed by `key`, with all that was seen; save it if it continues them.

        `files` is its log; without it (a package) of other sizes only the keys are compared, and they are kept for later. Fork
        evidence is kept and returned, and the checkpoint then not saved: what was seen first stays the measure.
        With `may_lack` it is no contradiction that more was seen: of that the keys are compared.
        """
        now, at = SignedCheckpoint(note, key), datetime.now(UTC)
        with self._alone() if save or self._place.is_dir() else nullcontext():
            self.held = self._read()  # what another process of this person saw meanwhile
            compared = [one for one in self.held if files is not None or one.size == now.checkpoint.size]
            short = now.checkpoint.size if may_lack else None
            found = [
                contradiction(one.signed, now, files if short is None or one.size <= short else None, found_at=at)
                for one in self.held
            ]
            evidence = [one for one in found if one is not None]
            for one in evidence:
                self.keep(one)
            if save and not evidence:
                # what was compared is continued by this one and needs no keeping
                waiting = [one for one in self.held if one not in compared]
                self._save([*waiting, SeenCheckpoint(signed=now, seen_at=at)])
        return evidence

    def chain(self) -> KeyChain | None:
        """The log's keys, as the largest checkpoint seen carries them."""
        return self.last.signed.chain if self.last else None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While this lasts no other process of this person changes what was seen."""
        import fcntl  # not everywhere: the one-file verifier has no memory

        self._place.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._place / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def keep(self, evidence: ForkEvidence) -> None:
        """Keep it beside this person; the same again changes nothing."""
        path = self._place / "evidence" / evidence.name
        if not path.exists():
            write_beside(path, evidence.to_bytes())

    def _save(self, held: list[SeenCheckpoint]) -> None:
        held = sorted(held, key=lambda one: one.size)[-_MOST_WAITING:]
        document = {
            "checkpoints": [one.to_json() for one in held],
            "format": FORMAT,
            "origin": self.origin,
        }
        write_beside(self._path, json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n")
        self.held = held


def look(report: LogReport, memory: Seen) -> None:
    """After `verify_log` with a key that was brought along: what contradicts the memory becomes findings of step 2.

    What was seen is saved when nothing bad was found at all.
    """
    findings, key, files = report.findings, report.key, report.files
    if key is None or files is None or not report.pinned or report.checkpoint is None or findings.count(1):
        return  # nothing that the key's holder signed
    try:
        note = files.read(CHECKPOINT) or b""
        for one in memory.look(note, key, files, save=not findings.count()):
            findings.bad(2, f"{one.text()}; the proof is kept: bwc audit evidence", one.name, type(as_error(one)))
    except IntegrityError as error:
        if not findings.count(3):  # else the tiles are known not to lead anywhere
            findings.refused(2, error, CHECKPOINT)


def look_at_copy(report: LogReport, memory: Seen, newer: LogReader | None) -> None:
    """As `look`, for a copy that lacks the newest entries that were seen; nothing of it is saved.

    All that was seen up to its size it must continue, and of one chain with the rest its keys must be. `newer` is the log
    it is a copy of: where that continues all that was seen, the copy must be its beginning.
    """
    findings, key, files, last = report.findings, report.key, report.files, memory.last
    if key is None or files is None or report.checkpoint is None or last is None or findings.count(1):
        return
    try:
        mine = SignedCheckpoint(files.read(CHECKPOINT) or b"", key)
        evidence = memory.look(mine.note, key, files, save=False, may_lack=True)
    except IntegrityError as error:
        if not findings.count(3):
            findings.refused(2, error, CHECKPOINT)
        return
    lacks = last.size - mine.checkpoint.size
    said = f"a copy that is {entries_text(lacks)} behind what was seen"
    if newer is None:
        said += "; that it is the beginning of it the newer log shows"
    else:
        try:
            more, against = _beginning(mine, memory, newer)
        except IntegrityError as error:
            more, against = f"; the newer log shows nothing of it: {error.message}", None
        said += more
        evidence += [against] if against else []
    for one in evidence:
        findings.bad(2, f"{one.text()}; the proof is kept: bwc audit evidence", one.name, type(as_error(one)))
    if not evidence:
        findings.note(2, said, CHECKPOINT)


def _beginning(mine: SignedCheckpoint, memory: Seen, newer: LogReader) -> tuple[str, ForkEvidence | None]:
    """What the newer log says of a copy: in words, and evidence if the copy is not its beginning."""
    now = SignedCheckpoint(newer.read(CHECKPOINT) or b"", mine.key)
    if memory.look(now.note, mine.key, newer, save=False):
        return "; the newer log contradicts what was seen and shows nothing of it: bwc verify", None
    found = contradiction(mine, now, newer, found_at=datetime.now(UTC))
    if found is not None:
        memory.keep(found)
    return "; it is the beginning of the newer log", found


def entries_text(count: int) -> str:
    """So many entries, for people."""
    return "1 entry" if count == 1 else f"{count} entries"


def look_at_notes(notes: Sequence[bytes], key: NoteKey, folder: Path, *, save: bool) -> list[ForkEvidence]:
    """Compare checkpoints that papers came with, tied to `key`, with what was seen. The fork evidence found, which is kept."""
    memory = Seen(folder, key.name)
    for note in notes:
        evidence = memory.look(note, key, None, save=save)
        if evidence:
            return evidence
    return []


def as_error(evidence: ForkEvidence) -> IntegrityError:
    """The error of fork evidence."""
    kind = CheckpointRolledBack if evidence.kind is ForkKind.SHORTER else LogForked
    return kind(evidence.text(), "keep the proof: bwc audit evidence -o FOLDER")


def kept_evidence(folder: Path) -> list[ForkEvidence]:
    """All fork evidence this person has, of every log. Raises `IntegrityError` naming a file that was damaged."""
    found = []
    for path in sorted(folder.glob("*/evidence/*.json")):
        try:
            found.append(ForkEvidence.parse(path.read_bytes()))
        except IntegrityError as error:
            raise type(error)(f"{path}: {error.message}", "restore it from a backup") from error
    return found
