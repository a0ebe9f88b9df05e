"""Step 8 of the auditor's check: what the log points to is there and is what it says. Needs no key to footage."""

import hashlib
import math
import random
import re
import stat
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from bwc.audit.event import Entry
from bwc.audit.log_report import LogReport
from bwc.canonical import canonical, is_sha256_hex, parse_canonical, sha256_hex
from bwc.errors import DigestMismatch, IntegrityError, ProofInvalid, StorageError, UsageError
from bwc.evidence import EventKind, SealedObject
from bwc.keys import decode_binary
from bwc.verifier.readers import Readers

MANIFEST_FORMAT = "bwc.manifest/1"
ENVELOPE_FORMAT = "bwc.envelope/1"
BODY_FORMAT = "bwc.body/1"
SHELVES = ("objects", "manifests", "envelopes", "bodies")

_READ_BYTES = 1 << 20
_MAX_DOCUMENT = 64 << 20

Progress = Callable[[int, int | None], None]  # objects done, of how many


class ObjectSource(Protocol):
    """Where sealed things rest. Absent ones are None; what cannot be read raises `StorageError`."""

    def open_sealed(self, object_id: str) -> BinaryIO | None:
        """The sealed bytes, seekable."""

    def manifest(self, object_id: str) -> bytes | None: ...

    def envelope(self, digest: str) -> bytes | None:
        """The envelope that is named so: by the SHA-256 of its file."""

    def body(self, digest: str) -> bytes | None:
        """The sealed private body that is named so: by the SHA-256 of its file."""

    def names(self, shelf: str) -> Iterable[str]:
        """What lies on one of `SHELVES`."""


class VaultFolder:
    """A vault in a local folder, to read only. Symbolic links are not followed."""

    _ENDING = re.compile(r"(\.json)?\Z")

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open_sealed(self, object_id: str) -> BinaryIO | None:
        return self._open(self._place("objects", object_id))

    def manifest(self, object_id: str) -> bytes | None:
        return self._read("manifests", object_id)

    def envelope(self, digest: str) -> bytes | None:
        return self._read("envelopes", digest)

    def body(self, digest: str) -> bytes | None:
        return self._read("bodies", digest)

    def names(self, shelf: str) -> Iterator[str]:
        for place in sorted(self._folder.joinpath(shelf).glob("*/*")):
            yield self._ENDING.sub("", place.name)

    def _place(self, shelf: str, name: str) -> Path:
        if not is_sha256_hex(name):
            raise IntegrityError(f"{name!r} is not the name of anything in a vault")
        return self._folder / shelf / name[:2] / (name if shelf == "objects" else f"{name}.json")

    def _open(self, place: Path) -> BinaryIO | None:
        try:
            if not stat.S_ISREG(place.lstat().st_mode):
                raise IntegrityError(f"{place.name} is not a file")
            return place.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{place.name} cannot be read: {error.strerror}") from error

    def _read(self, shelf: str, name: str) -> bytes | None:
        file = self._open(self._place(shelf, name))
        if file is None:
            return None
        with file:
            return file.read(_MAX_DOCUMENT)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A sealed object as the log has it: its first entry, and the envelope it has now."""

    seq: int
    item: str | None
    log: str
    actor: str
    object: SealedObject
    readers: frozenset[str]  # recipients of footage at the entry that recorded its envelope

    @property
    def name(self) -> str:
        return f"object {self.object.object_id} ({self.object.role.value} of {self.item}, entry {self.seq})"


@dataclass(frozen=True, slots=True)
class _RecordedBody:
    """A private body as the log has it: the entry that says so last, and the digest of its file."""

    seq: int
    log: str
    commit: str
    file: str
    destroyed: int | None  # the entry from which on it may be absent

    @property
    def name(self) -> str:
        return f"private body {self.commit} (entry {self.seq})"


class Readings(Protocol):
    """When each object was last read whole; kept beside whoever verifies."""

    def oldest_first(self, objects: Mapping[str, int], share: float) -> Collection[str]:
        """The objects (by name, with their bytes) to read now."""

    def was_read(self, name: str) -> None: ...


def verify_objects(
    report: LogReport,
    source: ObjectSource,
    *,
    read_data: float = 1.0,
    progress: Progress | None = None,
    readings: Readings | None = None,
) -> None:
    """Compare everything the log names with what is there; the findings go to `report` as step 8.

    `read_data` is the share of the sealed objects whose bytes are all read and hashed, those read longest ago by
    `readings` first, without it picked at random; of the
    others length, manifest and envelope are checked. What no entry names is noted: it is not evidence yet.
    """
    if not 0 <= read_data <= 1:
        raise UsageError("the share of data to read is between 0 and 1")
    check = _Check(report, source)
    check.read_log()
    check.lay_to_rest()
    objects, bodies = check.objects, check.bodies
    if readings is not None:
        sizes = {name: one.object.sealed_bytes for name, one in objects.items()}
        chosen = set(readings.oldest_first(sizes, read_data))
    else:
        chosen = set(random.SystemRandom().sample(sorted(objects), math.ceil(read_data * len(objects))))
    for done, (name, recorded) in enumerate(objects.items()):
        if progress:
            progress(done, len(objects))
        check.check_object(recorded, deep=name in chosen)
        if readings is not None and name in chosen:
            readings.was_read(name)
    if progress:
        progress(len(objects), len(objects))
    for body in bodies.values():
        check.check_body(body)
    check.note_former()
    check.check_gaps()
    check.note_unknown()
    gone = len(report.standing.disposals.items)
    said = f"{len(objects)} objects ({len(chosen)} read in full), {len(bodies)} private bodies"
    report.findings.ok(8, said + (f"; {gone} item{'' if gone == 1 else 's'} destroyed by order" if gone else ""))


class _Check:
    def __init__(self, report: LogReport, source: ObjectSource) -> None:
        self._report = report
        self._findings = report.findings
        self._source = source
        self.objects: dict[str, _Recorded] = {}
        self.bodies: dict[str, _RecordedBody] = {}  # by commitment
        self._gaps: dict[int, int] = {}  # by entry: gaps in the signed manifests less gaps in the facts
        self._replaced: set[str] = set()  # files that a later entry put others in place of
        self._readers = Readers()
        self._destroyed: dict[str, set[str]] = {}  # names on a shelf that may be absent, by shelf

    def read_log(self) -> None:
        """Gather the objects and bodies that the entries name, as the last entry about each has them."""
        for entry in self._report.read():
            try:
                self._readers.take(entry)
                if entry.kind == EventKind.ITEM_INGESTED:
                    self._gaps[entry.seq] = -_count(entry.facts.get("gaps"))
                for one in entry.objects if entry.objects_text else ():
                    self._record(entry, one)
                if entry.body_commit is not None and entry.body_file is not None:
                    self._record_body(entry, entry.body_commit, entry.body_file)
                if entry.kind == EventKind.ITEM_REWRAPPED:
                    again: Any = entry.facts.get("bodies")
                    for commit, file in again.items() if _is_texts(again) else ():
                        self._record_body(entry, commit, file)
            except IntegrityError as error:
                self._findings.refused(8, error, f"entry {entry.seq}")

    def _record(self, entry: Entry, one: SealedObject) -> None:
        """An object named again keeps all it had; an `item.rewrapped` may give it another envelope."""
        known = self.objects.get(one.object_id)
        fresh = _Recorded(entry.seq, entry.item, entry.log, entry.actor, one, self._readers.now)
        if known is not None:
            same = known.object
            if entry.kind == EventKind.ITEM_REWRAPPED:
                self._replaced.add(same.envelope_sha256)
                same = replace(same, envelope_sha256=one.envelope_sha256)
            if (same, known.item) != (one, entry.item):
                raise IntegrityError(f"{known.name} is recorded otherwise later")
            is_new = one.envelope_sha256 != known.object.envelope_sha256
            fresh = replace(known, object=one, readers=self._readers.now if is_new else known.readers)
        self.objects[one.object_id] = fresh

    def _record_body(self, entry: Entry, commit: str, file: str) -> None:
        known = self.bodies.get(commit)
        if known is not None and known.file != file:
            if entry.kind != EventKind.ITEM_REWRAPPED:
                raise IntegrityError(f"{known.name} is recorded otherwise later")
            self._replaced.add(known.file)
        by = known.destroyed if known else self._report.standing.disposals.may_miss_body(entry)
        self.bodies[commit] = _RecordedBody(entry.seq, entry.log, commit, file, by)

    def lay_to_rest(self) -> None:
        """Set aside what an order destroyed; note what of it lies here all the same."""
        disposals = self._report.standing.disposals
        gone = {name: one for name, one in self.objects.items() if one.item in disposals.items}
        bodies = {name: one for name, one in self.bodies.items() if one.destroyed is not None}
        self.objects = {name: one for name, one in self.objects.items() if name not in gone}
        self.bodies = {name: one for name, one in self.bodies.items() if name not in bodies}
        self._destroyed = {
            "objects": set(gone),
            "manifests": set(gone),
            "envelopes": {one.object.envelope_sha256 for one in gone.values()},
            "bodies": {one.file for one in bodies.values()},
        }
        for item, stone in disposals.items.items():
            if stone.done is None:
                what = f"destruction confirmed by entry {stone.confirmed} is not finished: bwc dispose --finish"
                self._findings.note(8, what, f"item {item}")

    def check_object(self, recorded: _Recorded, *, deep: bool) -> None:
        self._attempt(recorded.name, self._check_manifest, recorded)
        self._attempt(recorded.name, self._check_envelope, recorded)
        self._attempt(recorded.name, self._check_sealed, recorded, deep)

    def check_body(self, recorded: _RecordedBody) -> None:
        self._attempt(recorded.name, self._check_body, recorded)

    def note_former(self) -> None:
        """Note who lost the right to read and is still named by envelopes."""
        for name, what in self._readers.former():
            self._findings.note(8, what, name)

    def check_gaps(self) -> None:
        """What an entry says of unread stretches is what the manifests of its objects say."""
        for seq, difference in self._gaps.items():
            if difference:
                self._findings.bad(
                    8, "it tells of another number of gaps than the manifests of its objects", f"entry {seq}"
                )

    def note_unknown(self) -> None:
        """Note what lies there and is not what the log names now; it is harmless."""
        known: dict[str, Container[str]] = dict.fromkeys(SHELVES, self.objects)
        known["envelopes"] = {one.object.envelope_sha256 for one in self.objects.values()}
        known["bodies"] = {one.file for one in self.bodies.values()}
        for shelf, names in known.items():
            for name in self._source.names(shelf):
                if name in self._destroyed.get(shelf, ()):
                    if shelf in ("envelopes", "bodies"):  # sealed bytes may stay under a lock: nobody can read them
                        what = "destroyed by order, yet it lies here (again): bwc dispose --finish"
                        self._findings.note(8, what, f"{shelf}/{name}")
                elif name not in names:
                    replaced = name in self._replaced
                    what = "replaced by a later entry, not erased yet" if replaced else "no published entry names it"
                    self._findings.note(8, what, f"{shelf}/{name}")

    def _attempt(self, where: str, check: Callable[..., None], *about: object) -> None:
        try:
            check(*about)
        except IntegrityError as error:
            self._findings.refused(8, error, where)
        except StorageError as error:
            self._findings.bad(8, error.message, where)

    def _check_body(self, recorded: _RecordedBody) -> None:
        document = _document(self._source.body(recorded.file), "file", recorded.file, BODY_FORMAT)
        if (document.get("commit"), document.get("log")) != (recorded.commit, recorded.log):
            raise IntegrityError(f"its file {recorded.file} belongs to another entry or log")

    def _check_envelope(self, recorded: _Recorded) -> None:
        one = recorded.object
        data = self._source.envelope(one.envelope_sha256)
        document = _document(data, "envelope", one.envelope_sha256, ENVELOPE_FORMAT)
        said = tuple(document.get(name) for name in ("object", "manifest", "item", "log"))
        if said != (one.object_id, one.manifest_sha256, recorded.item, recorded.log):
            raise IntegrityError(f"its envelope {one.envelope_sha256} belongs to another object")
        self._readers.verify_envelope(document, one.envelope_sha256, recorded.readers)

    def _check_manifest(self, recorded: _Recorded) -> None:
        one = recorded.object
        gaps = self._gaps.pop(recorded.seq, None)  # back when this manifest is counted
        data = self._source.manifest(one.object_id)
        if data is None:
            raise IntegrityError("its manifest is missing")
        if sha256_hex(data) != one.manifest_sha256:
            raise DigestMismatch("its manifest is not the one in the log")
        signed = parse_canonical(data)
        manifest, signature = _members(signed, "manifest", "signature")
        alg, key, sig = _members(signature, "alg", "key", "sig")
        expected = {
            "content": one.content_commit,
            "format": MANIFEST_FORMAT,
            "item": recorded.item,
            "log": recorded.log,
            "object": one.object_id,
            "role": one.role.value,
            "sealed_bytes": one.sealed_bytes,
            "segment": one.segment,
        }
        if not isinstance(manifest, dict) or any(manifest.get(name) != value for name, value in expected.items()):
            raise IntegrityError("its manifest says otherwise than the log")
        enrolled = self._report.standing.keys.get(recorded.actor)
        if key != recorded.actor or enrolled is None or alg != enrolled.key.alg:
            raise ProofInvalid("its manifest is signed by another than who recorded it")
        if gaps is not None and isinstance(manifest.get("gaps"), list):
            self._gaps[recorded.seq] = gaps + len(manifest["gaps"])
        enrolled.key.verify(MANIFEST_FORMAT.encode() + b"\n" + canonical(manifest), decode_binary(sig))

    def _check_sealed(self, recorded: _Recorded, deep: bool) -> None:
        file = self._source.open_sealed(recorded.object.object_id)
        if file is None:
            raise IntegrityError("its sealed bytes are missing")
        with file:
            try:
                size = file.seek(0, 2)
                if size != recorded.object.sealed_bytes:
                    raise DigestMismatch(f"it has {size} bytes, the log says {recorded.object.sealed_bytes}")
                if deep and _digest(file, 0, size) != recorded.object.object_id:
                    raise DigestMismatch(f"its sealed bytes are damaged{self._damage(recorded, file)}")
            except OSError as error:
                raise StorageError(f"its sealed bytes cannot be read: {error.strerror or error}") from error

    def _damage(self, recorded: _Recorded, file: BinaryIO) -> str:
        """Where: the leaf digests of the manifest tell it to 8 MiB."""
        try:
            manifest = parse_canonical(self._source.manifest(recorded.object.object_id) or b"")["manifest"]
            width, leaves = int(manifest["leaf_bytes"]), list(manifest["leaves"])
        except (IntegrityError, KeyError, TypeError, ValueError):
            return ""
        for number, leaf in enumerate(leaves if width > 0 else []):
            if _digest(file, number * width, width) != leaf:
                return f" from byte {number * width} on"
        return ""


def _count(value: Any) -> int:
    return value if type(value) is int else 0


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _document(data: bytes | None, what: str, digest: str, form: str) -> dict[str, Any]:
    if data is None:
        raise IntegrityError(f"its {what} {digest} is missing")
    if sha256_hex(data) != digest:
        raise DigestMismatch(f"its {what} {digest} holds other bytes")
    document = parse_canonical(data)
    if not isinstance(document, dict) or document.get("format") != form:
        raise IntegrityError(f"its {what} {digest} is not of the form {form}")
    return document


def _members(value: Any, *names: str) -> tuple[Any, ...]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise IntegrityError("its manifest is not signed")
    return tuple(value[name] for name in names)


def _digest(file: BinaryIO, start: int, length: int) -> str:
    found = hashlib.sha256()
    file.seek(start)
    while length > 0 and (part := file.read(min(_READ_BYTES, length))):
        found.update(part)
        length -= len(part)
    return found.hexdigest()
