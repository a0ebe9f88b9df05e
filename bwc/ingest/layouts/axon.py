"""Axon: files downloaded from Evidence carry the recording's title, `Axon Body 3 Video 2023-10-24 2046`.

What is public is the title that cameras give (it stands in published case files), not the layout of an export; agencies
may retitle. A camera ends a recording after four hours and begins another, so nothing is a chapter of anything here. The
time in a title is local and of minutes: it is noted, never used.
"""

import re
from collections.abc import Iterable, Sequence

from bwc.ingest.card import CardFile
from bwc.ingest.recording import VIDEO_EXTENSIONS, Recording, extension_of, stem_of

_TITLE = re.compile(
    r"axon[ _-](?P<model>body|flex|fleet|interview|signal|capture)[ _-]?(?P<mark>\d+)?[ _-].*?video[ _-]"
    r"(?P<day>\d{4}-\d\d-\d\d)[ _T-](?P<time>\d{4})",
    re.IGNORECASE,
)
_SERIAL = re.compile(r"(?<![0-9a-z])(x\d\d[0-9a-z]{6})(?![0-9a-z])", re.IGNORECASE)


class Axon:
    """Each titled video is one recording."""

    name = "axon-export"

    def partners(self, stem: str) -> Sequence[str]:
        return ()

    def recordings(self, files: Sequence[CardFile]) -> Iterable[Recording]:
        for file in files:
            if extension_of(file) in VIDEO_EXTENSIONS and _TITLE.match(stem_of(file)):
                yield Recording(vendor=self.name, segments=(file,))

    def says(self, recording: Recording) -> Sequence[tuple[str, str]]:
        stem = stem_of(recording.segments[0])
        serial = _SERIAL.search(stem)
        return [("camera", serial[1].upper())] if serial else []
