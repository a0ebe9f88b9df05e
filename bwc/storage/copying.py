"""Copy one sealed object from a store to another, with its manifest and envelope; nothing counts before it is proven."""

from bwc.canonical import sha256_hex
from bwc.errors import DigestMismatch, IntegrityError
from bwc.evidence import SealedObject
from bwc.storage.inspection import read_named
from bwc.storage.manifest import parse_manifest
from bwc.storage.store import Extent, ObjectStore, Progress, Proof, Shelf


def copy_object(
    source: ObjectStore, target: ObjectStore, sealed: SealedObject, *, progress: Progress | None = None
) -> Proof:
    """Put `sealed` into `target` and prove it there; the same again is no error.

    In the order of a new object: envelope, manifest, then the object, so that what has a name in `objects/` is whole.
    Raises `IntegrityError` when either side holds other bytes than the log says.
    """
    what = f"the envelope of object {sealed.object_id}"
    envelope = read_named(source, Shelf.ENVELOPES, sealed.envelope_sha256, what)
    manifest, extent = extent_of(source, sealed)
    target.put(Shelf.ENVELOPES, sealed.envelope_sha256, envelope)
    target.put(Shelf.MANIFESTS, sealed.object_id, manifest)
    opened = source.open(Shelf.OBJECTS, sealed.object_id)
    if opened is None:
        raise IntegrityError(f"object {sealed.object_id} is missing")
    with opened:
        return target.receive(opened, extent, progress=progress)


def prove_copy(store: ObjectStore, sealed: SealedObject, *, progress: Progress | None = None) -> Proof:
    """Raise `IntegrityError` unless `store` holds `sealed` whole: object, manifest and envelope."""
    read_named(store, Shelf.ENVELOPES, sealed.envelope_sha256, f"the envelope of object {sealed.object_id}")
    _, extent = extent_of(store, sealed)
    return store.prove(extent, progress=progress)


def wrong_files(good: ObjectStore, store: ObjectStore, sealed: SealedObject) -> list[tuple[Shelf, str, bool]]:
    """Which files of `sealed` are not in `store` as the log has them, and whether something lies there at all.

    `good` is where its manifest is looked for when the one in `store` is wrong.
    """
    wrong = []
    for shelf, name, digest in (
        (Shelf.ENVELOPES, sealed.envelope_sha256, sealed.envelope_sha256),
        (Shelf.MANIFESTS, sealed.object_id, sealed.manifest_sha256),
    ):
        data = store.get(shelf, name)
        if data is None or sha256_hex(data) != digest:
            wrong.append((shelf, name, data is not None))
    name = sealed.object_id
    if store.size(Shelf.OBJECTS, name) is None:
        return [*wrong, (Shelf.OBJECTS, name, False)]
    is_manifest_wrong = any(shelf is Shelf.MANIFESTS for shelf, _, _ in wrong)
    try:
        store.prove(extent_of(good if is_manifest_wrong else store, sealed)[1])
    except IntegrityError:
        wrong.append((Shelf.OBJECTS, name, True))
    return wrong


def copy_body(source: ObjectStore, target: ObjectStore, digest: str) -> None:
    """Put a private body into `target`; the same again is no error."""
    target.put(Shelf.BODIES, digest, read_named(source, Shelf.BODIES, digest, "a private body"))


def extent_of(store: ObjectStore, sealed: SealedObject) -> tuple[bytes, Extent]:
    """The manifest that the log names, and what it says of the object's bytes."""
    data = store.get(Shelf.MANIFESTS, sealed.object_id)
    if data is None:
        raise IntegrityError(f"the manifest of object {sealed.object_id} is missing")
    if sha256_hex(data) != sealed.manifest_sha256:
        raise DigestMismatch(f"the manifest of object {sealed.object_id} is not the one the log names")
    manifest = parse_manifest(data)
    return data, Extent(name=manifest.object_id, size_bytes=manifest.sealed_bytes, leaves=manifest.leaves)
