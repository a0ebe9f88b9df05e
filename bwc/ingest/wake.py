"""The file system's own word that something changed: only a reason to look sooner, never what is believed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def woken_by_changes(folder: Path, wake: Callable[[], None]) -> Iterator[bool]:
    """Call `wake` when a file below `folder` was written and closed, moved, made or deleted.

    Whether events can be had at all; network shares give none for what others write, and a system may be out of watches.
    """
    from watchdog.events import (
        DirCreatedEvent,
        DirDeletedEvent,
        DirMovedEvent,
        FileClosedEvent,
        FileCreatedEvent,
        FileDeletedEvent,
        FileMovedEvent,
        FileSystemEvent,
        FileSystemEventHandler,
    )
    from watchdog.observers import Observer

    kinds: list[type[FileSystemEvent]] = [
        *(DirCreatedEvent, DirDeletedEvent, DirMovedEvent),
        *(FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileMovedEvent),
    ]

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            wake()

    observer = Observer()
    try:
        observer.schedule(Handler(), str(folder), recursive=True, event_filter=kinds)
        observer.start()
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        observer.stop()
        observer.join()
