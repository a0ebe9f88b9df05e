"""What lies in a store compared with what the log says of it: everything that is wrong, named. Needs no key."""

import hashlib
from collections.abc import Iterator

from bwc.canonical import sha256_hex
from bwc.errors import DigestMismatch, IntegrityError
from bwc.evidence import SealedObject
from bwc.storage.envelope import parse_envelope
from bwc.storage.lanes import run_lanes
from bwc.storage.manifest import Manifest, parse_manifest
from bwc.storage.passes import LeafDigests
from bwc.storage.store import ObjectStore, Shelf, path_of


def findings(
    store: ObjectStore, log: str, expected: SealedObject, *, deep: bool, item: str | None = None
) -> Iterator[IntegrityError]:
    """Each thing wrong with one object: 1 its manifest, 2 its envelope, 3 its size and, if `deep`, 4 its bytes."""
    manifest: Manifest | None = None
    try:  # 1
        manifest = _manifest(store, expected)
        yield from _contradictions(manifest, log, expected, item)
    except IntegrityError as error:
        yield error
    try:  # 2
        _check_envelope(store, log, expected, manifest)
    except IntegrityError as error:
        yield error
    size = store.size(Shelf.OBJECTS, expected.object_id)  # 3
    if size is None:
        yield IntegrityError(f"object {expected.object_id} is missing")
        return
    if size != expected.sealed_bytes:
        yield DigestMismatch(f"object {expected.object_id} has {size} bytes, the log says {expected.sealed_bytes}")
    if deep:  # 4
        yield from _wrong_bytes(store, expected, manifest)


def _manifest(store: ObjectStore, expected: SealedObject) -> Manifest:
    name = expected.object_id
    data = store.get(Shelf.MANIFESTS, name)
    if data is None:
        raise IntegrityError(f"the manifest of object {name} is missing")
    if sha256_hex(data) != expected.manifest_sha256:
        raise DigestMismatch(f"the manifest of object {name} is not the one the log names")
    return parse_manifest(data)


def _contradictions(manifest: Manifest, log: str, expected: SealedObject, item: str | None) -> Iterator[IntegrityError]:
    name = expected.object_id
    for what, said, must in (
        ("object", manifest.object_id, name),
        ("log", manifest.log_origin, log),
        ("item", manifest.item, manifest.item if item is None else item),
        ("role", manifest.role, expected.role),
        ("segment", manifest.segment, expected.segment),
        ("size", manifest.sealed_bytes, expected.sealed_bytes),
        ("content commitment", manifest.content_commit, expected.content_commit),
    ):
        if said != must:
            yield IntegrityError(f"the manifest of object {name} gives {what} {said}, the log {must}")


def read_named(store: ObjectStore, shelf: Shelf, digest: str, what: str) -> bytes:
    """A document that is named by its own digest. Raises `IntegrityError` if it is missing or holds other bytes."""
    data = store.get(shelf, digest)
    if data is None:
        raise IntegrityError(f"{what} is missing ({path_of(shelf, digest)})")
    if sha256_hex(data) != digest:
        raise DigestMismatch(f"{what} holds other bytes than the log names ({path_of(shelf, digest)})")
    return data


def _check_envelope(store: ObjectStore, log: str, expected: SealedObject, manifest: Manifest | None) -> None:
    name = expected.object_id
    data = read_named(store, Shelf.ENVELOPES, expected.envelope_sha256, f"the envelope of object {name}")
    envelope = parse_envelope(data)
    bound = (envelope.object_id, envelope.manifest_sha256, envelope.log_origin)
    if bound != (name, expected.manifest_sha256, log) or (manifest and envelope.item != manifest.item):
        raise IntegrityError(f"the envelope of object {name} belongs to something else")


def _wrong_bytes(store: ObjectStore, expected: SealedObject, manifest: Manifest | None) -> Iterator[IntegrityError]:
    name = expected.object_id
    whole, leaves = hashlib.sha256(), LeafDigests()
    run_lanes(store.blocks(Shelf.OBJECTS, name), whole.update, leaves.feed)
    found = leaves.finish()
    expected_leaves = manifest.leaves if manifest else found
    wrong = [str(at) for at, pair in enumerate(zip(found, expected_leaves, strict=False)) if pair[0] != pair[1]]
    if whole.hexdigest() != name:
        where = f" (8 MiB leaf {', '.join(wrong)})" if wrong else ""
        yield DigestMismatch(f"object {name} holds other bytes{where}")
    elif found != expected_leaves:
        yield DigestMismatch(f"the manifest of object {name} has other leaf digests than its bytes")
