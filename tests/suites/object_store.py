"""What every object store must do: subclass `ObjectStoreSuite` and give it a `store` fixture."""

import hashlib
import io
import random

import pytest

from bwc.errors import BwcError, DigestMismatch, IntegrityError, StorageError, UsageError
from bwc.storage.fsops import AlreadyThere
from bwc.storage.manifest import LEAF_BYTES
from bwc.storage.passes import LeafDigests
from bwc.storage.store import Extent, ObjectStore, Shelf

A, B = (hashlib.sha256(text).hexdigest() for text in (b"a", b"b"))
DOCUMENTS = [Shelf.MANIFESTS, Shelf.ENVELOPES, Shelf.BODIES]


def sealed_like(size: int, seed: int = 1) -> tuple[bytes, Extent]:
    """Bytes as random as sealed ones, and what a manifest says of them."""
    data = random.Random(seed).randbytes(size)
    leaves = LeafDigests()
    leaves.feed(data)
    return data, Extent(name=hashlib.sha256(data).hexdigest(), size_bytes=size, leaves=leaves.finish())


SIZES = [1, LEAF_BYTES, LEAF_BYTES + 1, 2 * LEAF_BYTES + 12_345]


class ObjectStoreSuite:
    """The promises of `ObjectStore`."""

    @pytest.mark.parametrize("shelf", DOCUMENTS)
    def test_a_document_is_given_back(self, store: ObjectStore, shelf: Shelf) -> None:
        assert store.get(shelf, A) is None
        assert store.size(shelf, A) is None
        store.put(shelf, A, b"one")
        assert (store.get(shelf, A), store.size(shelf, A)) == (b"one", 3)
        assert list(store.names(shelf)) == [A]
        assert store.age_s(shelf, A) < 600

    @pytest.mark.parametrize("shelf", DOCUMENTS)
    def test_written_once_and_the_same_again_is_no_error(self, store: ObjectStore, shelf: Shelf) -> None:
        store.put(shelf, A, b"one")
        store.put(shelf, A, b"one")
        with pytest.raises(IntegrityError):
            store.put(shelf, A, b"two")
        assert store.get(shelf, A) == b"one"

    def test_only_envelopes_and_bodies_go_and_nothing_changes(self, store: ObjectStore) -> None:
        for shelf in DOCUMENTS:
            store.put(shelf, A, b"one")
        for shelf in (Shelf.ENVELOPES, Shelf.BODIES):
            store.erase(shelf, A)
            store.erase(shelf, A)
            assert store.get(shelf, A) is None
        for shelf in (Shelf.MANIFESTS, Shelf.OBJECTS):
            with pytest.raises(UsageError):
                store.erase(shelf, A)
        assert store.get(Shelf.MANIFESTS, A) == b"one"
        assert not hasattr(store, "replace")

    def test_many_documents_are_kept_and_erased_together(self, store: ObjectStore) -> None:
        names = {hashlib.sha256(bytes([at])).hexdigest(): bytes([at]) * 50 for at in range(40)}
        first = next(iter(names))
        store.put(Shelf.BODIES, first, names[first])
        store.put_together(Shelf.BODIES, names)
        assert {name: store.get(Shelf.BODIES, name) for name in names} == names
        with pytest.raises(IntegrityError):
            store.put_together(Shelf.BODIES, {first: b"other"})
        with pytest.raises(UsageError):
            store.erase_together(Shelf.OBJECTS, [first])
        store.erase_together(Shelf.BODIES, [*names, A])
        assert list(store.names(Shelf.BODIES)) == []

    def test_an_object_is_published_with_what_belongs_to_it(self, store: ObjectStore) -> None:
        data = bytes(range(256)) * 40_000
        with store.stage() as staged, store.stage_bytes(b"manifest") as manifest:
            staged.write(data)
            staged.finish()
            assert store.open(Shelf.OBJECTS, A) is None
            store.publish([(manifest, Shelf.MANIFESTS, A), (staged, Shelf.OBJECTS, A)])
        found = store.open(Shelf.OBJECTS, A)
        assert found is not None
        with found:
            found.seek(1_000_000)
            assert found.read(300) == data[1_000_000:1_000_300]
        assert b"".join(bytes(block) for block in store.blocks(Shelf.OBJECTS, A)) == data
        assert (store.get(Shelf.MANIFESTS, A), list(store.names(Shelf.OBJECTS))) == (b"manifest", [A])

    def test_a_taken_name_publishes_nothing(self, store: ObjectStore) -> None:
        store.put(Shelf.MANIFESTS, A, b"first")
        envelope, manifest = store.stage_bytes(b"envelope"), store.stage_bytes(b"second")
        with envelope, manifest, pytest.raises(AlreadyThere):
            store.publish([(envelope, Shelf.ENVELOPES, A), (manifest, Shelf.MANIFESTS, A)])
        assert (store.get(Shelf.ENVELOPES, A), store.get(Shelf.MANIFESTS, A)) == (None, b"first")

    def test_what_is_staged_and_dropped_was_never_there(self, store: ObjectStore) -> None:
        with store.stage() as staged:
            staged.write(b"half")
        assert [name for shelf in Shelf for name in store.names(shelf)] == []

    def test_what_no_event_names_can_be_discarded(self, store: ObjectStore) -> None:
        for shelf in DOCUMENTS:
            store.put(shelf, A, b"one")
            store.put(shelf, B, b"two")
            store.discard_unnamed(shelf, A)
            assert list(store.names(shelf)) == [B]

    def test_what_was_ordered_destroyed_goes_or_is_said_to_be_locked(self, store: ObjectStore) -> None:
        for shelf in DOCUMENTS:
            store.put(shelf, A, b"one")
            store.put(shelf, B, b"two")
            if store.destroy(shelf, A):
                assert store.get(shelf, A) is None
                assert store.destroy(shelf, A)  # again is no error
            else:
                assert shelf is Shelf.MANIFESTS
            assert store.get(shelf, B) == b"two"

    @pytest.mark.parametrize("name", ["", "..", "../" + A, A.upper(), A[:-1], A + "0", A[:63] + "/"])
    def test_a_name_that_is_no_digest_is_refused(self, store: ObjectStore, name: str) -> None:
        for act in (store.get, store.size, store.open):
            with pytest.raises(BwcError):
                act(Shelf.MANIFESTS, name)
        with pytest.raises(BwcError):
            store.put(Shelf.MANIFESTS, name, b"x")

    def test_reading_what_is_not_there_is_a_storage_error(self, store: ObjectStore) -> None:
        with pytest.raises(StorageError):
            list(store.blocks(Shelf.OBJECTS, A))

    @pytest.mark.parametrize("size", SIZES)
    def test_a_finished_object_is_received_and_proven(self, store: ObjectStore, size: int) -> None:
        data, extent = sealed_like(size)
        told: list[int] = []
        store.receive(io.BytesIO(data), extent, progress=told.append)
        assert sum(told) == size
        store.prove(extent)
        store.receive(io.BytesIO(data), extent)
        assert b"".join(bytes(block) for block in store.blocks(Shelf.OBJECTS, extent.name)) == data

    @pytest.mark.parametrize("size", SIZES)
    def test_other_bytes_are_never_received(self, store: ObjectStore, size: int) -> None:
        data, extent = sealed_like(size)
        flipped = bytearray(data)
        flipped[-1] ^= 1
        for wrong in (bytes(flipped), data[:-1], data + b"x"):
            with pytest.raises(DigestMismatch):
                store.receive(io.BytesIO(wrong), extent)
            assert store.size(Shelf.OBJECTS, extent.name) is None
        store.receive(io.BytesIO(data), extent)

    def test_what_is_not_there_is_not_proven(self, store: ObjectStore) -> None:
        with pytest.raises(IntegrityError):
            store.prove(sealed_like(10)[1])

    def test_what_is_damaged_is_moved_aside_and_can_be_written_again(self, store: ObjectStore) -> None:
        data, extent = sealed_like(1000)
        assert store.isolate(Shelf.OBJECTS, extent.name) is None
        with store.stage_bytes(b"rotten") as rotten:
            store.publish([(rotten, Shelf.OBJECTS, extent.name)])
        with pytest.raises(DigestMismatch):
            store.prove(extent)
        assert store.isolate(Shelf.OBJECTS, extent.name)
        assert store.size(Shelf.OBJECTS, extent.name) is None
        assert list(store.names(Shelf.OBJECTS)) == []
        store.receive(io.BytesIO(data), extent)
        store.prove(extent)
