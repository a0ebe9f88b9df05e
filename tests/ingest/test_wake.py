"""Events only wake: they come when a file is closed after writing, moved, made or deleted, and never for our reading."""

import threading
from pathlib import Path

import pytest

from bwc.ingest.wake import woken_by_changes


def test_a_closed_file_wakes_and_reading_does_not(tmp_path: Path) -> None:
    woken = threading.Event()
    (tmp_path / "card").mkdir()
    with woken_by_changes(tmp_path, woken.set) as has_events:
        if not has_events:
            pytest.skip("no file system events here")
        (tmp_path / "card" / "A.MP4").write_bytes(b"x")
        assert woken.wait(10)
        woken.clear()
        woken.wait(0.3)
        woken.clear()
        (tmp_path / "card" / "A.MP4").read_bytes()
        assert not woken.wait(0.5)


def test_a_folder_that_gives_no_events_is_only_looked_at(tmp_path: Path) -> None:
    with woken_by_changes(tmp_path / "none", lambda: None) as has_events:
        assert not has_events
