"""Checking a released package, or one released file, offline: no vault, no network, no trust in whoever sent it.

The steps (docs/formats/release.md lists them, verify.html does the same ones):

1. the three papers are there and can be read: release.json, entry.json, release.tlog-proof
2. the log's key, as release.json states it, signed the checkpoint
3. the entry is in the log under that checkpoint
4. the entry publishes this very release.json, these copies, this item
5. whoever published and approved was enrolled for it, and signed
6. every file is what release.json says
7. nothing else is in the folder
8. the log is that of an agency we already know
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bwc.anchors.pins import Pin, fingerprint_text
from bwc.anchors.proof import LogProof
from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import Entry, parse_entry
from bwc.audit.keychain import KeyChain
from bwc.audit.merkle import root_of
from bwc.canonical import sha256_hex
from bwc.errors import BwcError, DigestMismatch, IntegrityError, NotFound, ProofInvalid, StorageError
from bwc.evidence import EventKind, Outcome
from bwc.verifier.copied import CopiedGroups, check_copied, check_root, joined
from bwc.verifier.lying_about import is_dropping, is_plain, walk
from bwc.verifier.package_report import Finding, PackageReport, Result, Step, Verdict, time_text
from bwc.verifier.released import (
    ENTRY,
    LEAF_BYTES,
    PAPER,
    PAPERS,
    PROOF,
    CopyFacts,
    FileFacts,
    GroupsFacts,
    Release,
    measure,
)
from bwc.verifier.signers import (
    Checkpoints,
    check_indexed,
    check_signature_only,
    check_signers,
    read_proof,
    read_proven,
)
from bwc.verifier.tied import KnownChain, no_chain, signed_by, tie

_T = TypeVar("_T")
_TIE = 8
_MAX_PAPER = 64 * 2**20
_TITLES = (
    "the papers can be read",
    "the log's key signed the checkpoint",
    "the entry is in the log",
    "the entry publishes this release",
    "it was published and approved by enrolled people",
    "every file is what release.json says",
    "nothing else is in the folder",
    "the log is the agency's",
)


def examine_package(
    folder: Path, *, key: NoteKey | None = None, pins: Sequence[Pin] = (), known: KnownChain = no_chain
) -> PackageReport:
    """Check the release package in `folder`; what is wrong is in the report. `key` is the agency's, given by hand.

    Raises `NotFound` if there is no package, `StorageError` if it cannot be read.
    """
    if not folder.is_dir():
        raise NotFound(f"{folder} is not a folder")
    if not (folder / PAPER).exists() and not (folder / ENTRY).exists() and not (folder / PROOF).exists():
        if (folder / "custody" / "export.json").is_file():
            raise NotFound(
                f"{folder} is an export of recordings: it is checked as it is taken in", f"bwc import {folder}"
            )
        raise NotFound(f"{folder} holds no release package", f"it would hold {', '.join(PAPERS)}")
    return _Check(folder, None, key, pins, known).run()


def examine_file(
    path: Path, *, key: NoteKey | None = None, pins: Sequence[Pin] = (), known: KnownChain = no_chain
) -> PackageReport:
    """Check one released file with the papers that lie beside it. A paper itself stands for its whole package.

    Raises `NotFound` if the file or one of its papers is missing, `StorageError` if it cannot be read.
    """
    if not path.is_file():
        raise NotFound(f"{path} is not a file")
    if path.name in PAPERS:
        return examine_package(path.parent, key=key, pins=pins, known=known)
    if missing := [name for name in PAPERS if not (path.parent / name).is_file()]:
        raise NotFound(
            f"{path.name} cannot be checked: {', '.join(missing)} not beside it",
            f"put {', '.join(PAPERS)} of its release into {path.parent}",
        )
    return _Check(path.parent, path.name, key, pins, known).run()


def verify_package(folder: Path, *, key: NoteKey | None = None, pins: Sequence[Pin] = ()) -> PackageReport:
    """As `examine_package`; raises `IntegrityError` (its subclass, naming the thing) unless all is well."""
    report = examine_package(folder, key=key, pins=pins)
    report.raise_if_bad()
    return report


def verify_released_file(path: Path, *, key: NoteKey | None = None, pins: Sequence[Pin] = ()) -> PackageReport:
    """As `examine_file`; raises `IntegrityError` (its subclass, naming the thing) unless all is well."""
    report = examine_file(path, key=key, pins=pins)
    report.raise_if_bad()
    return report


class _Stop(Exception):
    """What a later step would need is not there."""


@dataclass(slots=True)
class _Check:
    folder: Path
    only: str | None  # the one file asked about, or None for the whole package
    key: NoteKey | None
    pins: Sequence[Pin]
    known: KnownChain = no_chain
    findings: list[Finding] = field(default_factory=list)
    said: dict[int, list[str]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    seen: Checkpoints = field(default_factory=Checkpoints)
    release: Release | None = None
    log_key: NoteKey | None = None
    chain: KeyChain | None = None  # from the log's first key to the one that signed
    proven: list[Entry] = field(default_factory=list)
    tied_to: str = ""

    def run(self) -> PackageReport:
        try:
            self._steps()
        except _Stop:
            pass
        except OSError as error:
            raise StorageError(f"{error.filename or self.folder}: {error.strerror}") from error
        verdict = Verdict.BAD if self.findings else Verdict.OURS if self.tied_to else Verdict.NOT_TIED
        return PackageReport(
            verdict=verdict,
            steps=tuple(self._step(number) for number in range(1, len(_TITLES) + 1)),
            findings=tuple(self.findings),
            release=self.release,
            fingerprint=fingerprint_text(self.chain.first) if self.chain else "",
            tied_to=self.tied_to,
            key=self.chain.first if self.chain else None,
            checkpoints=tuple(self.seen.notes),
        )

    def _steps(self) -> None:
        # 1
        self.done.add(1)
        papers = [self._paper(name) for name in PAPERS]
        if self.findings:
            raise _Stop
        paper, raw_entry, raw_proof = papers
        release = self.release = self._must(1, PAPER, lambda: Release.parse(paper))
        published = self._must(1, ENTRY, lambda: parse_entry(raw_entry))
        proof = self._must(1, PROOF, lambda: LogProof.parse(raw_proof))
        # 2
        key = self.log_key = self._must(2, PAPER, lambda: _stated_key(release))
        chain = self.chain = self._must(2, f"{PROOF} with {PAPER}", lambda: signed_by(proof.checkpoint_note, key))
        for one in chain.handovers:
            self._say(2, f"the log's key was handed over in entry {one.seq}")
        # 3
        both = f"{ENTRY} with {PROOF}"
        _, checkpoint = self._must(3, both, lambda: read_proof(raw_entry, raw_proof, key=key, seen=self.seen))
        self._say(3, f"entry {published.seq} of {checkpoint.size} in {checkpoint.origin}")
        # 4: without this the list of files is anybody's
        self._must(4, f"{PAPER} with {ENTRY}", lambda: _check_publishes(published, release, paper))
        self._people(release, published, key)  # 5
        self._files(release)  # 6
        self._strangers(release)  # 7
        self._tie(release, chain, published, checkpoint.size)  # 8

    def _people(self, release: Release, published: Entry, key: NoteKey) -> None:
        if self.only is not None and not (self.folder / "proofs").is_dir():
            self._must(5, ENTRY, lambda: check_signature_only(release, published))
            self._say(5, "signature checked; enrolment not checked: the folder proofs is not beside the file")
            self.done.discard(5)  # a signature by somebody who may not have been enrolled answers less than was asked
            return
        self.done.add(5)
        proven = self.proven = read_proven(release, self._small, self._complain(5), key=key, seen=self.seen)
        if not self._found(5):  # else every act whose enrolment is damaged would be complained of too
            for line in check_signers(release, published, proven, self._complain(5)):
                self._say(5, line)

    def _files(self, release: Release) -> None:
        self.done.add(6)
        if self.only is not None:
            self._only_file(release, self.only)
            return
        for facts in release.files:
            self._one_file(release, facts, self.folder / facts.name)
        for copy in release.copies:
            if copy.groups is not None:
                self._copied(release, copy, copy.groups, self.folder / copy.file)
        self._say(6, f"{len(release.files)} files, {sum(facts.size_bytes for facts in release.files):,} bytes")

    def _only_file(self, release: Release, name: str) -> None:
        facts = release.file(name)
        if facts is None:  # perhaps renamed: its digest tells
            with (self.folder / name).open("rb") as source:
                digest, _, _ = measure(source)
            facts = next((facts for facts in release.files if facts.sha256 == digest), None)
            if facts is None:
                self._complain(6)(name, DigestMismatch("is not one of the files of this release"))
                return
            self._say(6, f"{name} is {facts.name} of this release under another name")
        self._one_file(release, facts, self.folder / name)
        copy = next((copy for copy in release.copies if copy.file == facts.name and copy.groups), None)
        if copy and copy.groups and (self.folder / "proofs").is_dir():
            self._copied(release, copy, copy.groups, self.folder / name)
        elif copy:
            self._say(6, "which frames are the camera's own was not checked: no folder proofs beside the file")

    def _one_file(self, release: Release, facts: FileFacts, path: Path) -> None:
        leaves = tuple(bytes.fromhex(leaf) for leaf in facts.leaves)
        if root_of(leaves).hex() != facts.leaves_root:
            self._complain(6)(PAPER, DigestMismatch(f"the leaves of {facts.name} do not lead to their root"))
            return
        if not is_plain(path, follow=self.only is not None):
            self._complain(6)(facts.name, IntegrityError("is missing"))
            return
        with path.open("rb") as source:
            digest, size, found = measure(source)
        if (digest, size, found) == (facts.sha256, facts.size_bytes, leaves):
            return
        damaged = [at for at, leaf in enumerate(leaves) if at >= len(found) or found[at] != leaf]
        copy = next((copy for copy in release.copies if copy.file == facts.name), None)
        times = _times(copy, damaged)
        error = DigestMismatch(_damage_text(facts, size, damaged, times))
        thing = facts.name if self.only is None else path.name
        self.findings.append(Finding(step=6, thing=thing, error=error, times_ms=times))

    def _copied(self, release: Release, copy: CopyFacts, said: GroupsFacts, path: Path) -> None:
        """Pictures that are said to be the recording's own are the ones the log knows. `path` is the copy."""
        assert self.log_key is not None  # step 2
        try:
            paper = CopiedGroups.parse(self._small(said.paper))
            indexed, _ = read_proof(self._small(said.entry), self._small(said.proof), key=self.log_key, seen=self.seen)
            check_root(indexed, paper, item=release.item, segment=copy.segment)
            if not self._found(5):
                check_indexed(release, indexed, self.proven)
            if not is_plain(path, follow=self.only is not None):
                return  # said already
            with path.open("rb") as source:
                times = joined(one.times_ms for one in check_copied(source, paper))
            if times or paper.frames != said.frames:
                where = ", ".join(f"{time_text(first)}–{time_text(last)}" for first, last in times)
                error = DigestMismatch(f"holds other pictures than the camera recorded, at {where or 'unknown times'}")
                place = next((at for at, one in enumerate(self.findings) if one.step == 6), len(self.findings))
                # before the file's own finding: a group is a second or two, a piece of the file is 4 MiB
                self.findings.insert(place, Finding(step=6, thing=path.name, error=error, times_ms=times))
                return
            self._say(
                6,
                f"{path.name}: {paper.frames} of {copy.frames} frames are the camera's own, bit for bit "
                f"(recorded in entry {indexed.seq})",
            )
        except IntegrityError as error:
            self._complain(6)(f"{said.paper} with {path.name}", error)

    def _strangers(self, release: Release) -> None:
        if self.only is not None:
            return
        self.done.add(7)
        known = {*PAPERS, *(facts.name for facts in release.files)}
        for name, plain in walk(self.folder):
            if plain and is_dropping(self.folder / name):
                self._say(7, f"{name} was left here by a desktop; it is not part of the release")
            elif name not in known or not plain:
                self._complain(7)(name, IntegrityError("is not part of this release"))

    def _tie(self, release: Release, chain: KeyChain, published: Entry, size: int) -> None:
        self.done.add(8)
        mine = {"given": self.key, "pins": self.pins, "known": self.known}
        try:
            found = tie(release.agency, chain, size=size, published=published, **mine)  # type: ignore[arg-type]
        except ProofInvalid as error:
            hint = "verify it with the first key the agency published; if it fails there too, treat it as a forgery"
            self._complain(8)(PAPER, ProofInvalid(error.message, hint))
            return
        self.tied_to = found.to
        if found.said:
            self._say(8, found.said)

    def _paper(self, name: str) -> bytes:
        try:
            return self._small(name)
        except IntegrityError as error:
            self._complain(1)(name, error)
            return b""

    def _small(self, name: str) -> bytes:
        """The bytes of a small file of the package. Raises `IntegrityError` if it is missing or absurdly large."""
        path = self.folder / name
        if not is_plain(path, follow=self.only is not None):
            raise IntegrityError("is missing")
        if path.stat().st_size > _MAX_PAPER:
            raise IntegrityError(f"is larger than {_MAX_PAPER >> 20} MiB")
        return path.read_bytes()

    def _must(self, step: int, thing: str, act: Callable[[], _T]) -> _T:
        """What `act` returns; if it finds something wrong, no later step means anything."""
        self.done.add(step)
        try:
            return act()
        except IntegrityError as error:
            self._complain(step)(thing, error)
            raise _Stop from error

    def _complain(self, step: int) -> Callable[[str, BwcError], None]:
        return lambda thing, error: self.findings.append(Finding(step=step, thing=thing, error=error))

    def _found(self, step: int) -> bool:
        return any(finding.step == step for finding in self.findings)

    def _say(self, step: int, line: str) -> None:
        self.said.setdefault(step, []).append(line)

    def _step(self, number: int) -> Step:
        result = Result.BAD if self._found(number) else Result.OK if number in self.done else Result.SKIPPED
        if number == _TIE and result is Result.OK and not self.tied_to:
            result = Result.SKIPPED
        return Step(number=number, title=_TITLES[number - 1], result=result, said=tuple(self.said.get(number, ())))


def _stated_key(release: Release) -> NoteKey:
    key = NoteKey.parse(release.vkey)
    if key.name != release.log or key.text() != release.vkey:
        raise ProofInvalid("its key is not a key of its log")
    return key


def _check_publishes(published: Entry, release: Release, paper: bytes) -> None:
    """Raise `IntegrityError` unless the entry publishes this release.json and nothing else."""
    facts = published.facts
    if published.kind != EventKind.RELEASE_PUBLISHED or published.outcome != Outcome.OK:
        raise ProofInvalid(f"entry {published.seq} publishes nothing")
    if facts.get("release_sha256") != sha256_hex(paper):
        raise DigestMismatch(f"{PAPER} is not the one recorded in entry {published.seq}")
    if (published.log, published.item, facts.get("release")) != (release.log, release.item, release.release):
        raise ProofInvalid(f"entry {published.seq} is about another release")
    if facts.get("copies") != [copy.copy_sha256 for copy in release.copies]:
        raise ProofInvalid(f"entry {published.seq} publishes other copies")
    for copy in release.copies:
        listed = release.file(copy.file)
        if listed is None or listed.sha256 != copy.copy_sha256:
            raise DigestMismatch(f"{copy.file} is listed with another digest than the copy that was approved")


def _times(copy: CopyFacts | None, damaged: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The parts of the video that need the damaged leaves."""
    return joined(sorted(copy.leaf_times[at] for at in damaged if at < len(copy.leaf_times)) if copy else ())


def _damage_text(facts: FileFacts, size: int, damaged: Sequence[int], times: Sequence[tuple[int, int]]) -> str:
    problem = f"has {size:,} bytes instead of {facts.size_bytes:,}" if size != facts.size_bytes else "was changed"
    if damaged:
        problem += f"; damaged from byte {damaged[0] * LEAF_BYTES:,}, {len(damaged)} of {len(facts.leaves)} pieces"
    if times:
        problem += "; at " + ", ".join(f"{time_text(first)}–{time_text(last)}" for first, last in times)
    return problem
