"""Hash, seal, store and prove in one streaming pass; open and seek on the way out.

The order of a new object: staged, synced, read back from the device and compared; then its manifest and envelope,
staged and read back too; then the names: envelope, manifest, object. So what has a name in `objects/` is whole, and
a crash anywhere leaves at most a partial or an object that no event names. Nothing here records anything.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from bwc.canonical import sha256_hex
from bwc.errors import DigestMismatch, IntegrityError, SealBroken
from bwc.evidence import ItemId, ObjectId, ObjectRole, SealedObject
from bwc.identities import Recipient, Signer, Unwrapper
from bwc.recording import Gap
from bwc.storage import body as bodies
from bwc.storage import envelope as envelopes
from bwc.storage.diskfile import LYING_DISK, StagedFile
from bwc.storage.fsops import Disk
from bwc.storage.held import Held, open_sealed
from bwc.storage.inspection import findings, read_named
from bwc.storage.manifest import Manifest, aad_of, content_commit, key_commit, parse_manifest
from bwc.storage.passes import ProvenBytes, SealedBytes, SealingPass, prove
from bwc.storage.pieces import Pieces
from bwc.storage.scratch import Scratch
from bwc.storage.store import LocalStore, ObjectStore, Shelf
from bwc.storage.stream import KEY_BYTES, OpenedStream


@dataclass(frozen=True, slots=True, kw_only=True)
class _Label:
    """What the caller says of an object before it exists."""

    item: ItemId
    role: ObjectRole
    segment: int
    signer: Signer
    recipients: Sequence[Recipient]
    now: datetime
    gaps: tuple[Gap, ...] = ()


class Vault:
    """The sealed objects, manifests, envelopes and private bodies of one vault.

    Several threads may seal, open and check at once; a `Sink` and an opened stream belong to one thread at a time.
    """

    def __init__(self, store: ObjectStore, *, log: str, disk: Disk) -> None:
        """`log` is the origin of the vault's log; `disk` is where scratch space is taken."""
        self.log = log
        self.store = store
        self.stores: Sequence[ObjectStore] = (store,)  # all that may hold a copy: destruction reaches each
        self._disk = disk

    @classmethod
    def at(cls, root: Path, *, log: str, disk: Disk | None = None) -> "Vault":
        """The vault in a local folder."""
        disk = disk or Disk(root)
        return cls(LocalStore(disk), log=log, disk=disk)

    # --- in ---

    def seal(
        self,
        source: BinaryIO,
        *,
        item: ItemId,
        role: ObjectRole,
        segment: int,
        signer: Signer,
        recipients: Sequence[Recipient],
        now: datetime,
        gaps: Callable[[], Sequence[Gap]] = tuple,
    ) -> Held:
        """Seal `source` into the vault, reading it once to its end. `gaps` is asked then: what the source lacks.

        When this returns the object is durable, was read back from the device, digested, opened whole and compared.
        On any failure nothing is left. What `source` raises comes out unchanged: it is the card's fault, not ours.
        """
        with self.sink(item=item, role=role, segment=segment, signer=signer, recipients=recipients, now=now) as sink:
            sink.read(source)
            sink.mark(gaps())
        return sink.held

    def sink(
        self,
        *,
        item: ItemId,
        role: ObjectRole,
        segment: int,
        signer: Signer,
        recipients: Sequence[Recipient],
        now: datetime,
    ) -> "Sink":
        """The same for bytes that are written one after another: `with vault.sink(…) as out: out.write(…)`.

        `out.held` is there after a clean exit; an exception inside leaves nothing in the vault.
        """
        return Sink(self, _Label(item=item, role=role, segment=segment, signer=signer, recipients=recipients, now=now))

    def put_body(self, data: bytes) -> str:
        """Keep a sealed private body, durably; the digest of its file, which names it. The same again is no error."""
        bodies.parse_body(data)
        digest = sha256_hex(data)
        self.store.put(Shelf.BODIES, digest, data)
        return digest

    def put_bodies(self, files: Iterable[bytes]) -> None:
        """`put_body` of many: all durable on return; they share the journal's commits."""
        documents = {}
        for data in files:
            bodies.parse_body(data)
            documents[sha256_hex(data)] = data
        self.store.put_together(Shelf.BODIES, documents)

    def rewrapped(
        self, sealed: SealedObject, recipients: Sequence[Recipient], unwrapper: Unwrapper
    ) -> tuple[SealedObject, bytes] | None:
        """An envelope that names exactly `recipients`, and the object as the log is to name it then; None if it does.

        Nothing is written: `put_envelope`, record, publish, `erase_envelope` of the old one; dying before leaves one that
        no event names. No envelope's name ever comes again (`envelope.renewed_wraps`): erasing never meets one in use.
        """
        old = envelopes.parse_envelope(self.envelope_bytes(sealed))
        if set(old.recipients) == {one.recipient_id for one in recipients}:
            return None
        dek = self._key_of(sealed, self._manifest_of_log(sealed), unwrapper, old)
        try:
            new = envelopes.renewed(old, dek, recipients)
        finally:
            dek[:] = bytes(KEY_BYTES)
        return replace(sealed, envelope_sha256=sha256_hex(new)), new

    def rewrap(
        self, sealed: SealedObject, recipients: Sequence[Recipient], unwrapper: Unwrapper
    ) -> SealedObject | None:
        """The same for one object, and the new envelope is kept: durable on return."""
        if (made := self.rewrapped(sealed, recipients, unwrapper)) is None:
            return None
        self.put_envelope(made[1])
        return made[0]

    def put_envelope(self, data: bytes) -> None:
        """Keep an envelope, durably; several threads may do so at once."""
        self.store.put(Shelf.ENVELOPES, sha256_hex(data), data)

    def scratch(self) -> Scratch:
        """Sealed working space that is gone when closed: write, then `reader()`."""
        return Scratch(self._disk.anonymous())

    def pieces(self, sealed: SealedObject, unwrapper: Unwrapper) -> Pieces:
        """Where work on the object the log names so keeps its finished parts."""
        dek = self._key_of(sealed, self._manifest_of_log(sealed), unwrapper)
        try:
            return Pieces(self._disk, sealed.object_id, dek)
        finally:
            dek[:] = bytes(KEY_BYTES)

    # --- out ---

    def open(self, sealed: SealedObject, unwrapper: Unwrapper) -> BinaryIO:
        """The plaintext of what the log names so, seekable; each byte is authenticated before it is returned.

        Raises `KeyUnavailable` when it is not sealed to this key, `IntegrityError` when something is missing,
        swapped or changed, here or at the read that meets it.
        """
        manifest = self._manifest_of_log(sealed)
        dek = self._key_of(sealed, manifest, unwrapper)
        try:
            stream = OpenedStream(self.open_sealed(sealed.object_id), dek, manifest.aad)
        finally:
            dek[:] = bytes(KEY_BYTES)
        if stream.plain_bytes != manifest.plain_bytes:
            raise SealBroken(f"object {sealed.object_id} has another length than its manifest says")
        return cast(BinaryIO, stream)

    def manifest(self, object_id: ObjectId) -> Manifest:
        """The parsed manifest; check its signature with `manifest.verify_manifest` and the operator's key."""
        return self._manifest_for(object_id, self.manifest_bytes(object_id))

    def open_sealed(self, object_id: ObjectId) -> BinaryIO:
        """The sealed bytes. Raises `IntegrityError` if they are missing."""
        return open_sealed(self.store, object_id)

    def manifest_bytes(self, object_id: ObjectId) -> bytes:
        data = self.store.get(Shelf.MANIFESTS, object_id)
        if data is None:
            raise IntegrityError(f"the manifest of object {object_id} is missing")
        return data

    def envelope_bytes(self, sealed: SealedObject) -> bytes:
        what = f"the envelope of object {sealed.object_id}"
        return read_named(self.store, Shelf.ENVELOPES, sealed.envelope_sha256, what)

    def body_bytes(self, digest: str) -> bytes:
        return read_named(self.store, Shelf.BODIES, digest, "a private body")

    # --- looking after ---

    def check(self, expected: SealedObject, *, deep: bool = True, item: str | None = None) -> Manifest:
        """Compare what lies here with what the log says of one object; needs no key. Returns its manifest.

        `deep` reads the sealed bytes back from the device and digests them, whole and by leaf. Raises
        `IntegrityError` that names the first thing wrong; its `details` list all that was found.
        """
        found = list(findings(self.store, self.log, expected, deep=deep, item=item))
        if found:
            details = [{"error": error.name, "message": error.message} for error in found]
            raise type(found[0])(found[0].message, details=details)
        return self.manifest(expected.object_id)

    def orphans(
        self, *, objects: Collection[str], envelopes: Collection[str], bodies: Collection[str]
    ) -> list[tuple[Shelf, str]]:
        """What lies here and no event names (any more). Harmless; see `collect`.

        `objects` are ids, `envelopes` and `bodies` digests, as the published log names them: what only a newer,
        unpublished entry replaced is still named there.
        """
        known: dict[Shelf, Collection[str]] = dict.fromkeys(Shelf, objects)
        known |= {Shelf.ENVELOPES: envelopes, Shelf.BODIES: bodies}
        return [(shelf, name) for shelf in Shelf for name in self.store.names(shelf) if name not in known[shelf]]

    def collect(self, orphans: Sequence[tuple[Shelf, str]], *, older_than_s: float) -> list[tuple[Shelf, str]]:
        """Delete orphans that have been here so long that the act that made them cannot still be running."""
        old = [one for one in orphans if self.store.age_s(*one) >= older_than_s]
        for shelf, name in old:
            self.store.discard_unnamed(shelf, name)
        return old

    def has_envelope(self, digest: str) -> bool:
        """Whether an envelope of this digest lies here, whole or not."""
        return self.store.size(Shelf.ENVELOPES, digest) is not None

    def erase_envelope(self, digest: str) -> None:
        """Destroy a wrapped file key, durably. An object whose only envelope goes is never opened again."""
        self.store.erase(Shelf.ENVELOPES, digest)

    def erase_body(self, digest: str) -> None:
        """Destroy a private body, durably."""
        self.store.erase(Shelf.BODIES, digest)

    def _key_of(
        self, sealed: SealedObject, manifest: Manifest, unwrapper: Unwrapper, envelope: envelopes.Envelope | None = None
    ) -> bytearray:
        """The file key, and proof that it is the one the manifest commits to. The caller wipes it."""
        dek = envelopes.open_parsed(
            envelope or envelopes.parse_envelope(self.envelope_bytes(sealed)),
            unwrapper,
            manifest_sha256=sealed.manifest_sha256,
            item=manifest.item,
            object_id=sealed.object_id,
            log=self.log,
        )
        manifest.check_key(dek)
        return dek

    def _manifest_of_log(self, sealed: SealedObject) -> Manifest:
        """The manifest, if it is the one the log names."""
        data = self.manifest_bytes(sealed.object_id)
        if sha256_hex(data) != sealed.manifest_sha256:
            raise DigestMismatch(f"the manifest of object {sealed.object_id} is not the one the log names")
        return self._manifest_for(sealed.object_id, data)

    def _manifest_for(self, object_id: ObjectId, data: bytes) -> Manifest:
        manifest = parse_manifest(data)
        if manifest.object_id != object_id or manifest.log_origin != self.log:
            raise IntegrityError(f"the manifest of object {object_id} belongs to something else")
        return manifest

    def _keep(self, staged: StagedFile, sealed: SealedBytes, dek: bytearray, label: _Label) -> SealedObject:
        """Prove what is staged, then give object, manifest and envelope their names."""
        try:
            proven = prove(staged.blocks(), dek, aad_of(self.log, label.item), sealed=sealed)
        except SealBroken as error:
            raise SealBroken(f"the disk gave back other bytes than were written: {error}", LYING_DISK) from error
        manifest = self._manifest_of(proven, sealed, dek, label)
        manifest_data = manifest.sign(label.signer)
        object_id, manifest_sha256 = manifest.object_id, sha256_hex(manifest_data)
        envelope_data = envelopes.build(dek, label.item, object_id, manifest_sha256, label.recipients, self.log)
        envelope_sha256 = sha256_hex(envelope_data)
        with self.store.stage_bytes(envelope_data) as envelope, self.store.stage_bytes(manifest_data) as signed:
            self.store.publish(
                [
                    (envelope, Shelf.ENVELOPES, envelope_sha256),
                    (signed, Shelf.MANIFESTS, object_id),
                    (staged, Shelf.OBJECTS, object_id),
                ]
            )
        return SealedObject(
            object_id=object_id,
            role=label.role,
            segment=label.segment,
            sealed_bytes=proven.sealed_bytes,
            content_commit=manifest.content_commit,
            manifest_sha256=manifest_sha256,
            envelope_sha256=envelope_sha256,
        )

    def _manifest_of(self, proven: ProvenBytes, sealed: SealedBytes, dek: bytearray, label: _Label) -> Manifest:
        return Manifest(
            item=label.item,
            log_origin=self.log,
            role=label.role,
            segment=label.segment,
            object_id=ObjectId(proven.object_id),
            sealed_bytes=proven.sealed_bytes,
            plain_bytes=proven.plain_bytes,
            leaves=proven.leaves,
            key_commit=key_commit(dek),
            content_commit=content_commit(dek, sealed.content_sha256),
            at=label.now,
            gaps=label.gaps,
        )


class Sink:
    """Takes plaintext and, on a clean exit, has it sealed, proven and named. Made by `Vault.sink`."""

    def __init__(self, vault: Vault, label: _Label) -> None:
        self._vault = vault
        self._label = label
        self._dek = bytearray(secrets.token_bytes(KEY_BYTES))
        self._held: Held | None = None
        self._staged: StagedFile | None = None
        self._pass: SealingPass | None = None

    def __enter__(self) -> "Sink":
        self._staged = self._vault.store.stage()
        self._pass = SealingPass(self._staged, self._dek, aad_of(self._vault.log, self._label.item))
        return self

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Seal `data`."""
        return self._open_pass().write(data)

    def read(self, source: BinaryIO) -> None:
        """Seal `source` to its end."""
        self._open_pass().read(source)

    def mark(self, gaps: Sequence[Gap]) -> None:
        """Say in the manifest which stretches are zeros because they could not be read."""
        self._label = replace(self._label, gaps=tuple(gaps))

    @property
    def held(self) -> Held:
        """What was sealed; there only after a clean exit."""
        if self._held is None:
            raise ValueError("nothing was sealed: the sink was not left cleanly")
        return self._held

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        staged, passing = self._staged, self._open_pass()
        self._staged = self._pass = None
        assert staged is not None
        try:
            if kind is None:
                sealed = passing.finish()
                named = self._vault._keep(staged, sealed, self._dek, self._label)
                self._held = Held(
                    self._vault.store, named, sealed, self._dek, aad_of(self._vault.log, self._label.item)
                )
        finally:
            staged.drop()
            if self._held is None:
                self._dek[:] = bytes(KEY_BYTES)

    def _open_pass(self) -> SealingPass:
        if self._pass is None:
            raise ValueError("a sink is written inside its `with`")
        return self._pass
