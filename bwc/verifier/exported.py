"""The papers of an export: another agency's chain of custody, checked offline (docs/formats/export.md).

1. the paper can be read   2. every entry is in the log under the checkpoint   3. each trail is unbroken from its first
entry on and ends with the export   4. every entry is signed by keys that proven entries enrol   5. every recording and
sidecar is named by the trail, its manifest is signed, and the salt told opens its commitment to the digest told
6. every private body told is what its entry commits to   7. the log is that of an agency we know, signed with a key that
was the log's at that size, by what we saw of it
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bwc.anchors.pins import Pin
from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import Entry
from bwc.audit.merkle import leaf_hash
from bwc.canonical import canonical, is_sha256_hex, parse_canonical, sha256_hex
from bwc.errors import BwcError, DigestMismatch, IntegrityError, ProofInvalid
from bwc.evidence import EventKind
from bwc.keys import decode_binary
from bwc.verifier.people import People
from bwc.verifier.signers import Checkpoints, read_proof
from bwc.verifier.tied import KnownChain, no_chain, tie_papers

FORMAT = "bwc.export/1"
PAPER = "custody/export.json"

Read = Callable[[str], bytes]  # the bytes of one paper; raises IntegrityError when it is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """One recording or sidecar that was handed over. `name` is the camera's, by the exporter's word."""

    path: str
    name: str
    role: str
    segment: int
    sha256: str
    size_bytes: int
    object_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedItem:
    """One item of the other agency: its files and its trail. `told` is the private body of its first entry, as corrected since."""

    item: str
    files: tuple[ExportedFile, ...]
    entries: tuple[Entry, ...]
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A verified export. `tied_to` is the log that a key we have ties it to, empty when none does; `said` is why, for people.

    `checkpoints` are those it is proven under, as they were signed.
    """

    agency: str
    log: str
    key: NoteKey
    size: int
    root: str
    items: tuple[ExportedItem, ...]
    tied_to: str
    said: str
    checkpoints: tuple[bytes, ...]


def _as_corrected(entries: Sequence[Entry], bodies: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """What the intake told, with what each `item.tagged` since says instead."""
    told = dict(bodies.get(entries[0].seq, {}))
    for entry in entries:
        new = bodies.get(entry.seq, {}).get("new") if entry.kind == EventKind.ITEM_TAGGED else None
        if isinstance(new, Mapping):
            told |= {name: new[name] for name in ("officer", "category", "case_ids") if name in new}
    return told


def entry_name(seq: int) -> str:
    """Where an entry lies in the bag."""
    return f"custody/entries/{seq}.json"


def proof_name(seq: int) -> str:
    """Where its inclusion proof lies."""
    return f"custody/entries/{seq}.tlog-proof"


def manifest_name(object_id: str) -> str:
    """Where the signed manifest of a sealed object lies."""
    return f"custody/manifests/{object_id}.json"


def verify_export(
    read: Read, *, key: NoteKey | None = None, pins: Sequence[Pin] = (), known: KnownChain = no_chain
) -> Export:
    """Check the papers of an export. Raises `IntegrityError`, its subclass naming what is wrong.

    `key` is the other agency's, given by hand; else a pin of the same log ties it. Without either it is only
    consistent with itself. `known` are the keys of a log as we saw them handed over.
    """
    try:
        return _Check(read).run(key, pins, known)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"{PAPER} does not keep to its form: {error}") from error


@dataclass(slots=True)
class _Check:
    read: Read
    seen: Checkpoints = field(default_factory=Checkpoints)
    people: People = field(default_factory=lambda: People("", ""))

    def run(self, key: NoteKey | None, pins: Sequence[Pin], known: KnownChain) -> Export:
        paper: Any = parse_canonical(self.read(PAPER))  # 1
        if paper["format"] != FORMAT:
            raise IntegrityError(f"{PAPER} is of the form {paper['format']}")
        stated = NoteKey.parse(paper["vkey"])
        self.people = People(paper["agency"], paper["log"])
        trails = {str(one["item"]): self._entries(one["trail"], stated) for one in paper["items"]}
        entries = [*self._entries(paper["enrolments"], stated), *(entry for one in trails.values() for entry in one)]
        for entry in sorted(entries, key=lambda one: one.seq):
            self.people.take(entry)  # 4
        items = tuple(self._item(one, trails[str(one["item"])]) for one in paper["items"])
        if not items:
            raise IntegrityError(f"{PAPER} hands over nothing")
        size = max(self.seen.roots)
        if key is not None and key.name != stated.name:
            raise ProofInvalid(f"the export is of the log {stated.name}, the key you gave is of {key.name}")
        last = max((one.entries[-1] for one in items), key=lambda one: one.seq)
        tied, chain = tie_papers(
            self.people.agency, self.seen.notes, stated, published=last, given=key, pins=pins, known=known
        )  # 7
        return Export(
            agency=str(paper["agency"]),
            log=str(paper["log"]),
            key=chain.first,
            size=size,
            root=self.seen.roots[size].hex(),
            items=items,
            tied_to=tied.to,
            said=tied.said,
            checkpoints=tuple(self.seen.notes),
        )

    def _entries(self, numbers: Sequence[int], key: NoteKey) -> list[Entry]:
        found = []
        for seq in numbers:  # 2
            raw = self.read(entry_name(seq))
            entry, _ = read_proof(raw, self.read(proof_name(seq)), key=key, seen=self.seen)
            if entry.seq != seq:
                raise ProofInvalid(f"{entry_name(seq)} is entry {entry.seq}")
            found.append(entry)
        return found

    def _item(self, told: Mapping[str, Any], entries: Sequence[Entry]) -> ExportedItem:
        item = str(told["item"])
        before = "0" * 64
        for place, entry in enumerate(entries):  # 3
            if (entry.item, entry.item_seq, entry.item_prev) != (item, place, before):
                raise ProofInvalid(f"the trail of {item} is broken at entry {entry.seq}")
            before = leaf_hash(entry.raw).hex()
        if not entries or entries[-1].kind != EventKind.ITEM_EXPORTED:
            raise ProofInvalid(f"the trail of {item} does not end with its export")
        bodies = self._bodies(entries, told["bodies"])
        files = tuple(self._file(one, entries) for one in told["files"])
        if not files:
            raise IntegrityError(f"{PAPER} hands over no file of {item}")
        return ExportedItem(item=item, files=files, entries=tuple(entries), told=_as_corrected(entries, bodies))

    def _bodies(self, entries: Sequence[Entry], told: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
        commits = {entry.body_commit: entry.seq for entry in entries if entry.body_commit}
        found: dict[int, Mapping[str, Any]] = {}
        for commit, salted in told.items():  # 6
            if commit not in commits or sha256_hex(b"bwc/body/v1\n" + canonical(salted)) != commit:
                raise DigestMismatch(f"the private body {commit} is not what any entry of the trail commits to")
            found[commits[commit]] = dict(salted["body"])
        return found

    def _file(self, told: Mapping[str, Any], entries: Sequence[Entry]) -> ExportedFile:
        file = ExportedFile(
            path=str(told["path"]),
            name=str(told["name"]),
            role=str(told["role"]),
            segment=int(told["segment"]),
            sha256=str(told["sha256"]),
            size_bytes=int(told["bytes"]),
            object_id=str(told["object"]),
        )
        if not (is_sha256_hex(file.sha256) and is_sha256_hex(file.object_id)):
            raise IntegrityError(f"{file.path} is told without its digests")
        try:
            self._commitment(file, str(told["salt"]), entries)  # 5
        except BwcError as error:
            raise type(error)(f"{file.path}: {error.message}") from error
        return file

    def _commitment(self, file: ExportedFile, salt: str, entries: Sequence[Entry]) -> None:
        named = [(entry, one) for entry in entries for one in entry.objects if one.object_id == file.object_id]
        if not named or (named[0][1].role.value, named[0][1].segment) != (file.role, file.segment):
            raise ProofInvalid("no entry of the trail brings this file")
        entry, sealed = named[0]
        data = self.read(manifest_name(file.object_id))
        if sha256_hex(data) != sealed.manifest_sha256:
            raise DigestMismatch("its manifest is not the one in the log")
        signed: Any = parse_canonical(data)
        manifest, signature = signed["manifest"], signed["signature"]
        key = self.people.keys.get(str(signature["key"]))
        if key is None or signature["key"] != entry.actor:
            raise ProofInvalid("its manifest is signed by another than who recorded it")
        key.verify(b"bwc.manifest/1\n" + canonical(manifest), decode_binary(signature["sig"]))
        opened = sha256_hex(b"bwc/content/v1\n" + canonical({"salt": salt, "sha256": file.sha256}))
        if not opened == manifest["content"] == sealed.content_commit or manifest["plain_bytes"] != file.size_bytes:
            raise DigestMismatch("its digest is not the one that was sealed")
