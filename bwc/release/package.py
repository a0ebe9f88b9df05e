"""Writing a release package: copies, redaction log, page and papers, first beside the target, renamed at the end.

Three steps, because the log entry names the digest of release.json and the proof comes after the entry:
`prepare` writes all but entry and proof; the caller records `release.published` and publishes the log; `finish`
adds both, checks the whole package as a requester would, and gives it its name. `abandon` leaves nothing.
"""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import parse_entry
from bwc.audit.merkle import root_of
from bwc.canonical import sha256_hex
from bwc.errors import BwcError, DigestMismatch, StoreFull, UsageError
from bwc.evidence import ItemId, utc_text
from bwc.identities import PublicKey
from bwc.redact.plan import RedactionPlan
from bwc.release.leaf_times import leaf_times
from bwc.release.page import verify_page
from bwc.release.readme import readme_text
from bwc.release.redaction_log import Covered, count_exemptions, rows_of, to_csv, to_html
from bwc.verifier.package import examine_package
from bwc.verifier.released import (
    ENTRY,
    PAPER,
    PROOF,
    CheckFacts,
    CopyFacts,
    FileFacts,
    GroupsFacts,
    ProvenFacts,
    Release,
    is_file_name,
    measure,
)

README, PAGE, LOG_CSV, LOG_HTML = "README.txt", "verify.html", "redaction-log.csv", "redaction-log.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """What can be heard in a copy, as WebVTT and as text."""

    vtt: bytes
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One approved redacted copy: its bytes as a stream, and what plan, render and check say of it."""

    stream: BinaryIO
    segment: int
    plan: RedactionPlan
    plan_sha256: str
    copy_sha256: str
    report_sha256: str
    frames: int
    frames_lost: int
    duration_ms: int
    check: CheckFacts
    groups: "CopiedPaper | None" = None
    lost: Sequence[tuple[int, int]] = ()  # (ordinal of the frame before, packets that could not be decoded)
    part: str = ""  # which part of the recording it is, in words; empty: all of it
    captions: Captions | None = None
    name: str | None = None  # in the package; by default made from the item


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedPaper:
    """Which pictures of a copy are the recording's own (`bwc.copied-groups/1`), and the entry that indexed it."""

    paper: bytes
    frames: int
    entry: bytes
    proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A log entry to hand out: `why` is "enrolment" (of a signer, or of who enrolled one) or "approval"."""

    why: str
    entry: bytes
    proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFacts:
    """What the package says of itself. `keys`: every key that signs the release or one of the `proven` entries."""

    agency: str
    log_key: NoteKey  # that signs now
    release: str
    request: str
    item: ItemId
    made_at: datetime
    tool: str
    keys: Sequence[PublicKey]
    proven: Sequence[Proven]
    default_exemption: str = "privacy"
    explanations: Mapping[str, str] = field(default_factory=dict)  # the agency's codes in plain words
    first_key: NoteKey | None = None  # of the log, which the agency published, when the key was handed over since


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A package without entry and proof, in a folder beside its target."""

    folder: Path
    target: Path
    release: Release
    release_sha256: str
    log_key: NoteKey


def new_release_id() -> str:
    """A fresh release id: `rel-` and 48 random bits, nothing about the request."""
    return f"rel-{secrets.token_hex(6)}"


def prepare(target: Path, *, facts: ReleaseFacts, copies: Sequence[Copy]) -> Prepared:
    """Write everything but the entry and its proof into a new folder beside `target`.

    When this returns every file is durable and each copy's bytes were compared with its recorded digest.
    Raises `DigestMismatch` if a copy is not the one approved, `UsageError` for a target that holds something,
    `StoreFull` or `BwcError` if it cannot be written. On any failure nothing is left.
    """
    target = target.absolute()
    _refuse_occupied(target)
    if not copies:
        raise UsageError("a release needs at least one copy")
    folder = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    with _told(target):
        try:
            folder.mkdir(parents=True)
            return _write_all(folder, target, facts, copies)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def finish(prepared: Prepared, entry: bytes, proof: bytes) -> Path:
    """Add the log entry and its proof, check the package as a requester would, and rename it to its target.

    Raises `IntegrityError` if the package does not verify with the log's own key; nothing then has the target's
    name, and the prepared folder is still there for `finish` with the right papers, or for `abandon`.
    """
    with _told(prepared.target):
        for name, data in ((ENTRY, entry), (PROOF, proof)):
            _write(prepared.folder / name, BytesIO(data))
        examine_package(prepared.folder, key=prepared.log_key).raise_unless_ours()
        _sync_folder(prepared.folder)
        _refuse_occupied(prepared.target)
        # rename(2) replaces an empty folder and refuses one that got a file meanwhile
        prepared.folder.rename(prepared.target)
        _sync_folder(prepared.target.parent)
    return prepared.target


def abandon(prepared: Prepared) -> None:
    """Remove a prepared package that will not be finished."""
    shutil.rmtree(prepared.folder, ignore_errors=True)


def _write_all(folder: Path, target: Path, facts: ReleaseFacts, copies: Sequence[Copy]) -> Prepared:
    files: list[FileFacts] = []
    listed: list[CopyFacts] = []
    papers: list[FileFacts] = []
    (folder / "proofs").mkdir()
    for copy in copies:
        file = _add(folder, _copy_name(facts.item, copy, len(copies)), "copy", copy.stream)
        if file.sha256 != copy.copy_sha256:
            raise DigestMismatch(f"{file.name} is not the copy that was approved: {file.sha256}")
        files.append(file)
        if copy.captions:
            stem = file.name.rpartition(".")[0]
            files.append(_add(folder, f"{stem}.vtt", "captions", BytesIO(copy.captions.vtt)))
            files.append(_add(folder, f"{stem}.transcript.txt", "transcript", BytesIO(copy.captions.text)))
        groups, more = _add_groups(folder, copy, papers)
        papers += more
        listed.append(replace(_copy_facts(folder, file, copy), groups=groups))
    rows = rows_of(
        [
            Covered(file=one.file, plan=copy.plan, frames_lost=copy.frames_lost, lost=copy.lost)
            for one, copy in zip(listed, copies, strict=True)
        ],
        default_code=facts.default_exemption,
        explanations=facts.explanations,
    )
    title = f"Redaction log of release {facts.release}"
    parts = [
        f"{one.file} is a part of the recording: {copy.part}"
        for one, copy in zip(listed, copies, strict=True)
        if copy.part
    ]
    lead = [
        f"{facts.agency} · request {facts.request} · item {facts.item} · made {utc_text(facts.made_at)[:10]}",
        *parts,
    ]
    files.append(_add(folder, LOG_CSV, "redaction-log", BytesIO(to_csv(rows))))
    files.append(_add(folder, LOG_HTML, "redaction-log", BytesIO(to_html(rows, title=title, lead=lead))))
    files.append(_add(folder, PAGE, "page", BytesIO(verify_page())))
    entries, proofs = _add_proven(folder, facts.proven)
    release = Release(
        agency=facts.agency,
        log=facts.log_key.name,
        vkey=facts.log_key.text(),
        release=facts.release,
        request=facts.request,
        item=facts.item,
        made_at=utc_text(facts.made_at),
        tool=facts.tool,
        files=(),
        copies=tuple(listed),
        keys=tuple(facts.keys),
        entries=entries,
        exemptions=count_exemptions(rows),
    )
    text = readme_text(replace(release, files=tuple(files)), facts.first_key or facts.log_key)
    files.append(_add(folder, README, "readme", BytesIO(text.encode())))
    return _seal(folder, target, release, (*files, *papers, *proofs), facts.log_key)


def _seal(folder: Path, target: Path, unlisted: Release, files: tuple[FileFacts, ...], log_key: NoteKey) -> Prepared:
    release = replace(unlisted, files=files)
    paper = release.to_bytes()
    if Release.parse(paper) != release:
        raise UsageError("this release cannot be written so that it reads the same again")
    _write(folder / PAPER, BytesIO(paper))
    _sync_folder(folder)
    return Prepared(folder=folder, target=target, release=release, release_sha256=sha256_hex(paper), log_key=log_key)


def _copy_name(item: ItemId, copy: Copy, count: int) -> str:
    return copy.name or (f"{item}.mp4" if count == 1 else f"{item}-{copy.segment + 1}.mp4")


def _copy_facts(folder: Path, file: FileFacts, copy: Copy) -> CopyFacts:
    return CopyFacts(
        file=file.name,
        segment=copy.segment,
        plan_sha256=copy.plan_sha256,
        copy_sha256=copy.copy_sha256,
        report_sha256=copy.report_sha256,
        frames=copy.frames,
        frames_lost=copy.frames_lost,
        duration_ms=copy.duration_ms,
        leaf_times=leaf_times(folder / file.name),
        check=copy.check,
        part=copy.part,
    )


def _add_groups(folder: Path, copy: Copy, files: Sequence[FileFacts]) -> tuple[GroupsFacts | None, list[FileFacts]]:
    if copy.groups is None:
        return None, []
    seq = parse_entry(copy.groups.entry).seq
    facts = GroupsFacts(
        paper=f"proofs/copied-{copy.segment}.json",
        entry=f"proofs/{seq}.entry.json",
        proof=f"proofs/{seq}.tlog-proof",
        frames=copy.groups.frames,
    )
    parts = ((facts.paper, copy.groups.paper), (facts.entry, copy.groups.entry), (facts.proof, copy.groups.proof))
    known = {file.name for file in files}
    return facts, [_add(folder, name, "proof", BytesIO(data)) for name, data in parts if name not in known]


def _add_proven(folder: Path, proven: Sequence[Proven]) -> tuple[tuple[ProvenFacts, ...], tuple[FileFacts, ...]]:
    entries, files = [], []
    for one in proven:
        seq = parse_entry(one.entry).seq
        names = (f"proofs/{seq}.entry.json", f"proofs/{seq}.tlog-proof")
        entries.append(ProvenFacts(seq=seq, why=one.why, entry=names[0], proof=names[1]))
        files += [
            _add(folder, name, "proof", BytesIO(data)) for name, data in zip(names, (one.entry, one.proof), strict=True)
        ]
    _sync_folder(folder / "proofs")
    return tuple(entries), tuple(files)


def _add(folder: Path, name: str, role: str, source: BinaryIO) -> FileFacts:
    """Write one file of the package, durable on return, measured in the same pass."""
    if not is_file_name(name):
        raise UsageError(f"{name!r} cannot be a file of a release", "letters, digits, dash, underscore, one extension")
    sha256, size, leaves = _write(folder / name, source)
    return FileFacts(
        name=name,
        role=role,
        sha256=sha256,
        size_bytes=size,
        leaves=tuple(leaf.hex() for leaf in leaves),
        leaves_root=root_of(leaves).hex(),
    )


def _write(path: Path, source: BinaryIO) -> tuple[str, int, tuple[bytes, ...]]:
    with path.open("wb") as out:
        measured = measure(_Through(source, out))
        out.flush()
        os.fsync(out.fileno())
    return measured


class _Through(BytesIO):
    """A source whose bytes are written to `out` as they are read."""

    def __init__(self, source: BinaryIO, out: BinaryIO) -> None:
        super().__init__()
        self._source, self._out = source, out

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._source.read(-1 if size is None else size)
        self._out.write(data)
        return data


def _refuse_occupied(target: Path) -> None:
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise UsageError(f"{target} already holds something", "name a new or empty folder with -o")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _told(target: Path) -> Iterator[None]:
    """Turns what the system says about the disk into our errors."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(f"no space left for {target}", "free some space, or name another place with -o") from error
        raise BwcError(f"cannot write {error.filename or target}: {error.strerror}") from error
