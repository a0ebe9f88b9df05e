"""The local store keeps every promise of `ObjectStore`."""

from pathlib import Path

import pytest

from bwc.storage.fsops import Disk
from bwc.storage.store import LocalStore, Shelf
from tests.storage.model_disk import ROOT, ModelCalls
from tests.suites.object_store import A, ObjectStoreSuite


class TestLocalStore(ObjectStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(Disk(tmp_path / "vault"))

    def test_strangers_in_the_folders_are_not_listed(self, store: LocalStore) -> None:
        store.put(Shelf.MANIFESTS, A, b"one")
        folder = store.disk.root / "manifests"
        (folder / A[:2] / "notes.txt").write_bytes(b"")
        (folder / "zz").mkdir()
        (folder / "zz" / f"{A}.json").write_bytes(b"")
        assert list(store.names(Shelf.MANIFESTS)) == [A]


class TestModelStore(ObjectStoreSuite):
    """The model disk behaves as a disk, or its fault tests say nothing."""

    @pytest.fixture
    def store(self) -> LocalStore:
        calls = ModelCalls()
        calls.modified = lambda path: __import__("time").time()  # type: ignore[method-assign]
        return LocalStore(Disk(Path(ROOT), calls))
