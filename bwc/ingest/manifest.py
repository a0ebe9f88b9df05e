"""What the camera says it handed over, compared with what arrived.

Cameras and docks write sidecars in shapes nobody publishes, so this reads any JSON, XML or CSV for objects that
name a file, a size or a digest, and any `DIGEST  NAME` list. What it finds is a claim by a stranger: it never changes
what is taken, it only adds findings to the receipt.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import BinaryIO

from bwc.canonical import Json
from bwc.evidence import utc_text
from bwc.ingest.card import name_text
from bwc.ingest.sidecar_map import NOTHING, Reading, SidecarMap, plain_key
from bwc.ingest.tables import Table, read_tables

MAX_CLAIMS = 10_000

_NAME = frozenset({"filename", "file", "name", "path", "originalname", "originalfilename", "filepath", "mediafile"})
_SIZE = frozenset({"size", "filesize", "length"})
_SIZE_IN_BYTES = frozenset({"sizebytes", "sizeinbytes", "filesizebytes", "filesizeinbytes", "bytes", "bytecount"})
_ALGORITHM = {
    "sha256": "sha256", "sha256sum": "sha256", "sha256hash": "sha256", "filesha256": "sha256",
    "sha1": "sha1", "sha1sum": "sha1", "md5": "md5", "md5sum": "md5", "md5hash": "md5",
}  # fmt: skip
_ANY_DIGEST = frozenset({"hash", "checksum", "digest", "filehash", "hashvalue"})
_RECORDED = frozenset({"recordedat", "recordingstart", "starttime", "recordstart", "startedat", "creationtime"})
_CAMERA = frozenset({"camera", "cameraid", "cameraserial", "deviceid", "deviceserial", "serialnumber", "serial"})
_OFFICER = frozenset({"officer", "officerid", "badge", "badgenumber", "badgeid"})
_CASE = frozenset({"caseid", "casenumber"})
_OF_RECORDING = ("recorded_at", "camera", "officer", "case", "category", "clock_offset_ms")
_HEX_KIND = {32: "md5", 40: "sha1", 64: "sha256"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one sidecar says of one file. Everything in it is untrusted; digests are lower-case hex."""

    said_by: str
    untrusted_name: str | None = None
    size_bytes: int | None = None
    size_is_bytes: bool = False  # the sidecar names the unit
    digests: tuple[tuple[str, str], ...] = ()
    recorded_at: datetime | None = None
    camera: str | None = None
    officer: str | None = None
    case: str | None = None
    category: str | None = None
    clock_offset_ms: int | None = None

    def said(self) -> dict[str, Json]:
        """What it says of the recording, for the private body of the event; empty when nothing."""
        found: dict[str, Json] = {
            "camera": self.camera,
            "case": self.case,
            "category": self.category,
            "clock_offset_ms": self.clock_offset_ms,
            "officer": self.officer,
            "recorded_at": utc_text(self.recorded_at) if self.recorded_at else None,
        }
        told = {name: value for name, value in found.items() if value is not None}
        return {"by": self.said_by, **told} if told else {}

    @property
    def is_about_a_file(self) -> bool:
        return self.size_bytes is not None or bool(self.digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One file as it arrived in the vault. `open` gives its content once more, for digests other than SHA-256."""

    name: str
    size_bytes: int
    sha256: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Where claim and arrival differ (or agree). `blocks_wipe` when the card may hold what we do not."""

    text: str
    blocks_wipe: bool


def read_claims(data: bytes, *, said_by: str, known: SidecarMap = NOTHING) -> tuple[Claim, ...]:
    """The claims in a sidecar named `said_by`; empty when it is of no kind read here or says nothing.

    `known` is what the agency says of its vendors' sidecars; it adds to the names known here.
    """
    reading = known.reading_of(said_by)
    claims: list[Claim] = []
    for table in read_tables(data, said_by.rpartition(".")[2].casefold()):
        if len(claims) == MAX_CLAIMS:
            break
        claim = _claim(table, said_by, reading)
        if claim != Claim(said_by=said_by):
            claims.append(claim)
    return tuple(claims)


def claim_of_names(said_by: str, pairs: Sequence[tuple[str, str]]) -> Claim:
    """What a file's name says, as its source reads it."""
    return _claim(Table((), dict(pairs)), said_by, NOTHING.reading_of(said_by))


def compare(claims: Sequence[Claim], arrived: Sequence[Arrived], partner: Arrived | None) -> tuple[Finding, ...]:
    """Findings of `claims` against `arrived`. A claim without a name is about `partner`, the file it lay beside."""
    by_name = {_last_part(file.name): file for file in arrived}
    findings: list[Finding] = []
    for claim in claims:
        if not claim.is_about_a_file:
            continue
        file = partner if claim.untrusted_name is None else by_name.get(_last_part(claim.untrusted_name))
        if file is not None:
            findings += _differences(claim, file)
        elif claim.untrusted_name is not None:
            text = f"{claim.said_by} names {claim.untrusted_name[:200]}, which is not on the card"
            findings.append(Finding(text=text, blocks_wipe=False))
    return tuple(findings)


def merged(claims: Sequence[Claim]) -> Claim | None:
    """The first of each thing that is said of the recording, as one claim."""
    if not claims:
        return None
    first = claims[0]
    for claim in claims[1:]:
        missing = {name: getattr(claim, name) for name in _OF_RECORDING if getattr(first, name) is None}
        first = replace(first, **missing)
    return first


def _differences(claim: Claim, file: Arrived) -> Iterator[Finding]:
    for algorithm, said in claim.digests:
        found = file.sha256 if algorithm == "sha256" else _digest(file.open(), algorithm)
        if found != said:
            text = f"{claim.said_by} gives {file.name} the {algorithm} {said}, what arrived has {found}"
            yield Finding(text=text, blocks_wipe=True)
        else:
            yield Finding(text=f"{claim.said_by}: {algorithm} of {file.name} agrees", blocks_wipe=False)
    if claim.size_bytes is not None and claim.size_bytes != file.size_bytes:
        text = f"{claim.said_by} gives {file.name} {claim.size_bytes} bytes, {file.size_bytes} arrived"
        # A bare "size" may be in other units or of another rendition; a digest or a named unit is not.
        yield Finding(text=text, blocks_wipe=claim.size_is_bytes and not claim.digests)


def _digest(source: BinaryIO, algorithm: str) -> str:
    """MD5 or SHA-1 in hex, to compare with a camera's own word; never used to identify anything."""
    state = hashlib.new(algorithm, usedforsecurity=False)
    with source:
        while block := source.read(2**20):
            state.update(block)
    return state.hexdigest()


def _claim(table: Table, said_by: str, reading: Reading) -> Claim:
    claim = Claim(said_by=said_by)
    digests: dict[str, str] = {}
    for untrusted_key, untrusted_value in table.values.items():
        key = plain_key(untrusted_key)
        field = reading.field_of(table.path, untrusted_key)
        # json may smuggle in lone surrogates and control characters; escaped, no document or terminal sees them
        value = name_text(untrusted_value.strip().encode("utf-8", "surrogatepass"))
        if not value:
            continue
        if field == "name" or (not field and key in _NAME):
            claim = replace(claim, untrusted_name=value)
        elif field == "size_bytes" or (not field and key in _SIZE | _SIZE_IN_BYTES):
            if re.fullmatch(r"\d{1,15}", value):
                is_bytes = field == "size_bytes" or key in _SIZE_IN_BYTES
                claim = replace(claim, size_bytes=int(value), size_is_bytes=is_bytes)
        elif field in _ALGORITHM or field == "digest" or (not field and (key in _ALGORITHM or key in _ANY_DIGEST)):
            kind = _HEX_KIND.get(len(value)) if re.fullmatch(r"[0-9A-Fa-f]+", value) else None
            if kind and _ALGORITHM.get(field or key, kind) == kind:
                digests[kind] = value.lower()
        elif field == "recorded_at" or (not field and key in _RECORDED):
            claim = replace(claim, recorded_at=reading.moment(value) if field else _moment(value))
        elif field == "clock_offset":
            claim = replace(claim, clock_offset_ms=reading.offset_ms(value))
        elif field == "camera" or (not field and key in _CAMERA):
            claim = replace(claim, camera=value[:100])
        elif field == "officer" or (not field and key in _OFFICER):
            claim = replace(claim, officer=value[:100])
        elif field == "case" or (not field and key in _CASE):
            claim = replace(claim, case=value[:100])
        elif field == "category":
            claim = replace(claim, category=value[:100])
    return replace(claim, digests=tuple(sorted(digests.items())))


def _moment(text: str) -> datetime | None:
    """An ISO 8601 moment that states its zone; a camera's local time says nothing without one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else None
    except OverflowError:
        return None


def _last_part(name: str) -> str:
    return re.split(r"[/\\]", name)[-1].casefold()
