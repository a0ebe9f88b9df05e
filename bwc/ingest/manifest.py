"""What the camera says it handed over, compared with what arrived.

Cameras and docks write sidecars in shapes nobody publishes, so this reads any JSON, XML or CSV for objects that
name a file, a size or a digest, and any `DIGEST  NAME` list. What it finds is a claim by a stranger: it never changes
what is taken, it only adds findings to the receipt.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import BinaryIO
from xml.etree import ElementTree

from bwc.ingest.card import name_text

MAX_BYTES = 4 * 2**20  # a list of what was recorded; larger "sidecars" are telemetry, kept but not read here
MAX_CLAIMS = 10_000
READABLE = frozenset({"json", "xml", "csv", "tsv", "txt", "md5", "sha1", "sha256"})

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
_HEX_KIND = {32: "md5", 40: "sha1", 64: "sha256"}
_LISTED = re.compile(r"(?:\\?)([0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}) [ *](\S.*)\Z")


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


def read_claims(data: bytes, *, said_by: str) -> tuple[Claim, ...]:
    """The claims in a sidecar named `said_by`; empty when it is of no kind read here or says nothing."""
    extension = said_by.rpartition(".")[2].casefold()
    if extension not in READABLE or not data or len(data) > MAX_BYTES:
        return ()
    text = _text(data)
    claims: list[Claim] = []
    for table in _tables(text, extension):
        if len(claims) == MAX_CLAIMS:
            break
        claim = _claim(table, said_by)
        if claim != Claim(said_by=said_by):
            claims.append(claim)
    return tuple(claims)


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
    """The first recording time, camera and officer that a sidecar states, as one claim."""
    if not claims:
        return None
    first = claims[0]
    for claim in claims[1:]:
        first = replace(
            first,
            recorded_at=first.recorded_at or claim.recorded_at,
            camera=first.camera or claim.camera,
            officer=first.officer or claim.officer,
        )
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


def _claim(table: Mapping[str, str], said_by: str) -> Claim:
    claim = Claim(said_by=said_by)
    digests: dict[str, str] = {}
    for untrusted_key, untrusted_value in table.items():
        key = re.sub(r"[^a-z0-9]", "", untrusted_key.casefold())
        # json may smuggle in lone surrogates and control characters; escaped, no document or terminal sees them
        value = name_text(untrusted_value.strip().encode("utf-8", "surrogatepass"))
        if key in _NAME and value:
            claim = replace(claim, untrusted_name=value)
        elif key in _SIZE | _SIZE_IN_BYTES and re.fullmatch(r"\d{1,15}", value):
            claim = replace(claim, size_bytes=int(value), size_is_bytes=key in _SIZE_IN_BYTES)
        elif (key in _ALGORITHM or key in _ANY_DIGEST) and re.fullmatch(r"[0-9A-Fa-f]+", value):
            kind = _HEX_KIND.get(len(value))
            if kind and _ALGORITHM.get(key, kind) == kind:
                digests[kind] = value.lower()
        elif key in _RECORDED:
            claim = replace(claim, recorded_at=_moment(value))
        elif key in _CAMERA and value:
            claim = replace(claim, camera=value[:100])
        elif key in _OFFICER and value:
            claim = replace(claim, officer=value[:100])
    return replace(claim, digests=tuple(sorted(digests.items())))


def _tables(text: str, extension: str) -> Iterator[Mapping[str, str]]:
    """The key-value tables of a document; nothing when it is malformed."""
    try:
        if extension == "json":
            yield from _json_tables(json.loads(text))
        elif extension == "xml":
            yield from _xml_tables(text)
        elif extension in ("csv", "tsv"):
            yield from _csv_tables(text, "\t" if extension == "tsv" else ",")
        else:
            yield from _list_tables(text)
    except (ValueError, RecursionError, csv.Error, ElementTree.ParseError):
        return


def _json_tables(value: object) -> Iterator[Mapping[str, str]]:
    waiting = [value]
    while waiting:
        here = waiting.pop(0)
        if isinstance(here, dict):
            plain = {key: each for key, each in here.items() if isinstance(each, (str, int))}
            yield {key: str(each) for key, each in plain.items() if not isinstance(each, bool)}
            waiting += here.values()
        elif isinstance(here, list):
            waiting += here


def _xml_tables(text: str) -> Iterator[Mapping[str, str]]:
    # A document type may define entities that expand without end; no camera's sidecar needs one.
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        return
    root = ElementTree.fromstring(text)  # noqa: S314 - entities are refused above, the size is bounded
    for element in root.iter():
        table = {_local(key): value for key, value in element.attrib.items()}
        for child in element:
            if len(child) == 0 and child.text:
                table[_local(child.tag)] = child.text
        if table:
            yield table


def _csv_tables(text: str, delimiter: str) -> Iterator[Mapping[str, str]]:
    for row in csv.DictReader(io.StringIO(text), delimiter=delimiter):
        yield {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}


def _list_tables(text: str) -> Iterator[Mapping[str, str]]:
    """Lines as `sha256sum` and its kin write them."""
    for line in text.splitlines():
        if match := _LISTED.match(line):
            yield {"digest": match[1], "name": match[2]}


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1")


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


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _last_part(name: str) -> str:
    return re.split(r"[/\\]", name)[-1].casefold()
