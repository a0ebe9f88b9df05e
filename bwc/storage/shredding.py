"""Destroying what an order names, in every store: keys first, then what they opened, then what lies astray.

Every step may be done again: dying anywhere leaves less than before, and the next run goes on. What a lock of a store
keeps stays sealed under a key that is gone.
"""

from collections.abc import Callable, Collection, Sequence

from bwc.errors import IntegrityError, StorageError
from bwc.storage.body import parse_body
from bwc.storage.envelope import parse_envelope
from bwc.storage.manifest import parse_manifest
from bwc.storage.retention_tables import DestroyedBody, DestroyedObject
from bwc.storage.store import ObjectStore, Shelf

# What no entry names for so long belongs to an act that is over: an intake of large chapters may seal the first
# hours before it records them all
ASTRAY_S = 48 * 3600.0


def shred(
    stores: Sequence[ObjectStore], objects: Sequence[DestroyedObject], bodies: Sequence[DestroyedBody]
) -> set[str]:
    """Destroy these; durable on return. The ids of objects of which a locked store keeps something, unreadable.

    Raises `StorageError` when a key or a private body is still there afterwards.
    """
    left: set[str] = set()
    keys = [(Shelf.ENVELOPES, one.envelope_sha256) for one in objects] + [(Shelf.BODIES, one.file) for one in bodies]
    for store in stores:
        for shelf, name in keys:
            if not store.destroy(shelf, name) or store.size(shelf, name) is not None:
                raise StorageError(f"{shelf.value}/{name} could not be destroyed", "bwc dispose --finish")
    for store in stores:
        for one in objects:
            for shelf in (Shelf.MANIFESTS, Shelf.OBJECTS):
                left |= set() if store.destroy(shelf, one.object_id) else {one.object_id}
    return left


def sweep(
    stores: Sequence[ObjectStore],
    *,
    objects: Collection[str],
    envelopes: Collection[str],
    bodies: Collection[str],
    items: Collection[str],
    commits: Collection[str],
) -> int:
    """Destroy what lies astray and may hold the same footage or words; how many younger things were left.

    `objects`, `envelopes` and `bodies` are what the published log names now. Of the rest goes what says that it
    belongs to one of the destroyed `items` or bodies (`commits`), and whatever is two days old.
    """
    young = 0
    for store in stores:
        for shelf, known, belongs in (
            (Shelf.ENVELOPES, envelopes, lambda data: parse_envelope(data).item in items),
            (Shelf.BODIES, bodies, lambda data: parse_body(data).commit in commits),
            (Shelf.MANIFESTS, objects, lambda data: parse_manifest(data).item in items),
        ):
            for name in [one for one in store.names(shelf) if one not in known]:
                if _says(store.get(shelf, name), belongs) or store.age_s(shelf, name) >= ASTRAY_S:
                    store.destroy(shelf, name)
                    if shelf is Shelf.MANIFESTS:
                        store.destroy(Shelf.OBJECTS, name)
                else:
                    young += 1
    return young


def _says(data: bytes | None, belongs: Callable[[bytes], bool]) -> bool:
    try:
        return data is not None and belongs(data)
    except IntegrityError:
        return False  # broken: goes when it is old
