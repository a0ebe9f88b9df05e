"""Exports with one folder for each recording: its videos in the order of their names, all else beside them.

For exports of systems whose layout is not public (Motorola and WatchGuard, Getac, and others). Nothing is recognised by
itself: a person says so (`--source folders`), and the sidecar map says what the vendor's files call things.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from bwc.ingest.card import CardFile
from bwc.ingest.recording import VIDEO_EXTENSIONS, Recording, Sidecar, extension_of


class Folders:
    """A folder with a video in it is one recording. Folders without one, and the top folder, are left alone."""

    name = "folders"

    def partners(self, stem: str) -> Sequence[str]:
        return ()

    def recordings(self, files: Sequence[CardFile]) -> Iterable[Recording]:
        together: dict[bytes, list[CardFile]] = defaultdict(list)
        for file in files:
            if file.folder:
                together[file.folder].append(file)
        for members in together.values():
            videos = tuple(file for file in members if extension_of(file) in VIDEO_EXTENSIONS)
            if videos:
                beside = tuple(Sidecar(file, 0) for file in members if file not in videos)
                yield Recording(vendor=self.name, segments=videos, sidecars=beside)

    def says(self, recording: Recording) -> Sequence[tuple[str, str]]:
        return ()
