"""release.json: the paper that names every file of a release package (format bwc.release/1).

Normative page: docs/formats/release.md. Keys a reader does not know are ignored; later work adds, never changes.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from bwc.audit.merkle import leaf_hash
from bwc.canonical import Json, canonical, is_sha256_hex, parse_canonical
from bwc.errors import IntegrityError
from bwc.keys import PublicKey

FORMAT = "bwc.release/1"
LEAF_BYTES = 4 * 2**20
PAPER, ENTRY, PROOF = "release.json", "entry.json", "release.tlog-proof"
PAPERS = (PAPER, ENTRY, PROOF)  # what cannot be listed in release.json, because it is or points to it

# One folder level at most, no leading dot, no separators, nothing a shell or Windows reads as more than a name.
_NAME = re.compile(r"(?:proofs/)?[A-Za-z0-9][A-Za-z0-9_-]{0,79}(?:\.[A-Za-z0-9_-]{1,20}){0,3}\Z")
_RELEASE = re.compile(r"rel-[0-9a-f]{12}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One file of the package: its digest, and the RFC 6962 tree over its 4 MiB pieces (the last may be shorter)."""

    name: str
    role: str  # copy, redaction-log, page, readme, proof
    sha256: str
    size_bytes: int
    leaves: tuple[str, ...]
    leaves_root: str

    def to_json(self) -> dict[str, Json]:
        return {
            "bytes": self.size_bytes,
            "leaf_bytes": LEAF_BYTES,
            "leaves": list(self.leaves),
            "leaves_root": self.leaves_root,
            "name": self.name,
            "role": self.role,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFacts:
    """What the check found in the copy: suspects in all, and those a person has not decided."""

    frames_checked: int
    stride: int
    suspects: int
    suspects_open: int

    def to_json(self) -> dict[str, Json]:
        return {
            "frames_checked": self.frames_checked,
            "stride": self.stride,
            "suspects": self.suspects,
            "suspects_open": self.suspects_open,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsFacts:
    """Where it is shown which pictures of a copy are the recording's own: the paper, and the log entry with its proof."""

    paper: str
    entry: str
    proof: str
    frames: int  # of the copy that are copied

    def to_json(self) -> dict[str, Json]:
        return {"entry": self.entry, "frames": self.frames, "paper": self.paper, "proof": self.proof}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFacts:
    """One redacted copy and the documents behind it. `leaf_times`: milliseconds of video that need each leaf."""

    file: str
    segment: int
    plan_sha256: str
    copy_sha256: str
    report_sha256: str
    frames: int
    frames_lost: int
    duration_ms: int
    leaf_times: tuple[tuple[int, int], ...]
    check: CheckFacts
    groups: GroupsFacts | None = None
    part: str = ""  # which part of the recording it is, in words; empty: all of it

    def to_json(self) -> dict[str, Json]:
        more: dict[str, Json] = {} if self.groups is None else {"groups": self.groups.to_json()}
        if self.part:
            more["part"] = self.part
        return more | {
            "check": self.check.to_json(),
            "copy_sha256": self.copy_sha256,
            "duration_ms": self.duration_ms,
            "file": self.file,
            "frames": self.frames,
            "frames_lost": self.frames_lost,
            "leaf_times": [list(pair) for pair in self.leaf_times],
            "plan_sha256": self.plan_sha256,
            "report_sha256": self.report_sha256,
            "segment": self.segment,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenFacts:
    """A log entry handed out with its own inclusion proof: why ("enrolment" or "approval"), and the two files."""

    seq: int
    why: str
    entry: str
    proof: str

    def to_json(self) -> dict[str, Json]:
        return {"entry": self.entry, "proof": self.proof, "seq": self.seq, "why": self.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemptionCount:
    """How often an exemption was used: spans of picture, of sound, and of whole frames."""

    code: str
    pictures: int
    sounds: int
    whole_frames: int

    def to_json(self) -> dict[str, Json]:
        return {
            "code": self.code,
            "pictures": self.pictures,
            "sounds": self.sounds,
            "whole_frames": self.whole_frames,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The content of release.json. `vkey` and `agency` are what the package says of itself: a claim until tied."""

    agency: str
    log: str
    vkey: str
    release: str
    request: str
    item: str
    made_at: str
    tool: str
    files: tuple[FileFacts, ...]
    copies: tuple[CopyFacts, ...]
    keys: tuple[PublicKey, ...]  # every key that signed an entry of this package
    entries: tuple[ProvenFacts, ...]
    exemptions: tuple[ExemptionCount, ...]

    def to_bytes(self) -> bytes:
        return canonical(
            {
                "agency": self.agency,
                "copies": [copy.to_json() for copy in self.copies],
                "entries": [entry.to_json() for entry in self.entries],
                "exemptions": [count.to_json() for count in self.exemptions],
                "files": [file.to_json() for file in self.files],
                "format": FORMAT,
                "item": self.item,
                "keys": [key.to_json() for key in self.keys],
                "log": self.log,
                "made_at": self.made_at,
                "release": self.release,
                "request": self.request,
                "tool": self.tool,
                "vkey": self.vkey,
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> "Release":
        """The release in the bytes of release.json. Raises `IntegrityError` naming what is not as the format says."""
        value = _Reader(parse_canonical(data))
        if value.text("format") != FORMAT:
            raise IntegrityError(f"{PAPER}: format {value.text('format')!r} is not {FORMAT}")
        found = cls(
            agency=value.text("agency"),
            log=value.text("log"),
            vkey=value.text("vkey"),
            release=value.text("release", _RELEASE.match),
            request=value.text("request"),
            item=value.text("item"),
            made_at=value.text("made_at"),
            tool=value.text("tool"),
            files=tuple(_file(inner) for inner in value.each("files")),
            copies=tuple(_copy(inner) for inner in value.each("copies")),
            keys=tuple(PublicKey.from_json(inner) for inner in value.plain("keys")),
            entries=tuple(_proven(inner) for inner in value.each("entries")),
            exemptions=tuple(_exemption(inner) for inner in value.each("exemptions")),
        )
        _check_names(found)
        return found

    def file(self, name: str) -> FileFacts | None:
        return next((file for file in self.files if file.name == name), None)


def is_file_name(name: str) -> bool:
    """Whether `name` may stand in a package: one plain name, or one inside `proofs/`."""
    return _NAME.match(name) is not None


def measure(source: BinaryIO) -> tuple[str, int, tuple[bytes, ...]]:
    """SHA-256 (hex), length, and the RFC 6962 leaf hash of each 4 MiB piece of `source`, read once to its end."""
    whole, size, leaves = hashlib.sha256(), 0, []
    for piece in _pieces(source):
        whole.update(piece)
        leaves.append(leaf_hash(piece))
        size += len(piece)
    return whole.hexdigest(), size, tuple(leaves)


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    """Pieces of exactly `LEAF_BYTES`, the last one shorter; a short read is not taken for the end."""
    while True:
        piece = bytearray()
        while len(piece) < LEAF_BYTES and (more := source.read(LEAF_BYTES - len(piece))):
            piece += more
        if piece:
            yield bytes(piece)
        if len(piece) < LEAF_BYTES:
            return


class _Reader:
    """Strict reading of one JSON object; every complaint names release.json and the key."""

    def __init__(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise IntegrityError(f"{PAPER}: an object is missing")
        self.value: Mapping[str, Any] = value

    def text(self, key: str, may_be: Callable[[str], object] = lambda _: True) -> str:
        found = self.value.get(key)
        if not isinstance(found, str) or not may_be(found):
            raise IntegrityError(f"{PAPER}: {key!r} is not as the format says")
        return found

    def digest(self, key: str) -> str:
        return self.text(key, is_sha256_hex)

    def count(self, key: str) -> int:
        found = self.value.get(key)
        if type(found) is not int or found < 0:
            raise IntegrityError(f"{PAPER}: {key!r} is not a count")
        return found

    def plain(self, key: str) -> list[Any]:
        found = self.value.get(key)
        if not isinstance(found, list):
            raise IntegrityError(f"{PAPER}: {key!r} is not a list")
        return found

    def each(self, key: str) -> "list[_Reader]":
        return [_Reader(inner) for inner in self.plain(key)]


def _file(value: _Reader) -> FileFacts:
    leaves = value.plain("leaves")
    if value.count("leaf_bytes") != LEAF_BYTES or not all(is_sha256_hex(leaf) for leaf in leaves):
        raise IntegrityError(f"{PAPER}: the leaves of a file are not as the format says")
    return FileFacts(
        name=value.text("name", is_file_name),
        role=value.text("role"),
        sha256=value.digest("sha256"),
        size_bytes=value.count("bytes"),
        leaves=tuple(leaves),
        leaves_root=value.digest("leaves_root"),
    )


def _copy(value: _Reader) -> CopyFacts:
    times = value.plain("leaf_times")
    if not all(isinstance(t, list) and len(t) == 2 and all(type(ms) is int and ms >= 0 for ms in t) for t in times):
        raise IntegrityError(f"{PAPER}: 'leaf_times' is not as the format says")
    check = _Reader(value.value.get("check"))
    return CopyFacts(
        file=value.text("file", is_file_name),
        segment=value.count("segment"),
        plan_sha256=value.digest("plan_sha256"),
        copy_sha256=value.digest("copy_sha256"),
        report_sha256=value.digest("report_sha256"),
        frames=value.count("frames"),
        frames_lost=value.count("frames_lost"),
        duration_ms=value.count("duration_ms"),
        leaf_times=tuple((first, last) for first, last in times),
        check=CheckFacts(
            frames_checked=check.count("frames_checked"),
            stride=check.count("stride"),
            suspects=check.count("suspects"),
            suspects_open=check.count("suspects_open"),
        ),
        groups=_groups(_Reader(value.value["groups"])) if "groups" in value.value else None,
        part=value.text("part") if "part" in value.value else "",
    )


def _groups(value: _Reader) -> GroupsFacts:
    return GroupsFacts(
        paper=value.text("paper", is_file_name),
        entry=value.text("entry", is_file_name),
        proof=value.text("proof", is_file_name),
        frames=value.count("frames"),
    )


def _proven(value: _Reader) -> ProvenFacts:
    return ProvenFacts(
        seq=value.count("seq"),
        why=value.text("why"),
        entry=value.text("entry", is_file_name),
        proof=value.text("proof", is_file_name),
    )


def _exemption(value: _Reader) -> ExemptionCount:
    return ExemptionCount(
        code=value.text("code"),
        pictures=value.count("pictures"),
        sounds=value.count("sounds"),
        whole_frames=value.count("whole_frames"),
    )


def _check_names(found: Release) -> None:
    """Every name once, none of the papers, and each copy and proof among the files. Raises `IntegrityError`."""
    names = [file.name for file in found.files]
    if len({name.lower() for name in names}) != len(names) or {name.lower() for name in names} & set(PAPERS):
        raise IntegrityError(f"{PAPER}: a file is listed twice, or a paper is listed as a file")
    for file in found.files:
        if len(file.leaves) != -(-file.size_bytes // LEAF_BYTES):
            raise IntegrityError(f"{PAPER}: {file.name} has another number of leaves than its size needs")
    pointed = [copy.file for copy in found.copies] + [name for e in found.entries for name in (e.entry, e.proof)]
    pointed += [name for copy in found.copies if (g := copy.groups) for name in (g.paper, g.entry, g.proof)]
    if missing := [name for name in pointed if name not in names]:
        raise IntegrityError(f"{PAPER}: {missing[0]} is spoken of but not listed")
