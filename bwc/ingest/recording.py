"""What a card's files become: recordings of one or more segments, and what lay beside them. For writers of sources.

A source is what knows one vendor's names (docs/sources.md): `Source` is all it has to be.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bwc.ingest.card import CardFile

SIDECAR_EXTENSIONS = frozenset(
    [
        "json",
        "xml",
        "csv",
        "tsv",
        "txt",
        "srt",
        "vtt",
        "thm",
        "lrv",
        "gpx",
        "nmea",
        "kml",
        "xmp",
        "md5",
        "sha1",
        "sha256",
        "sig",
        "log",
    ],
)
VIDEO_EXTENSIONS = frozenset(
    ["mp4", "mov", "m4v", "mkv", "avi", "ts", "mts", "m2ts", "mpg", "mpeg", "3gp", "webm", "360", "asf", "wmv", "av3"]
)


class Sidecar(NamedTuple):
    """A file written beside segment `segment` of a recording."""

    file: CardFile
    segment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Files that become one item: segments in the order of recording, and what lay beside them."""

    vendor: str
    segments: tuple[CardFile, ...]
    sidecars: tuple[Sidecar, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[CardFile, ...]:
        return self.segments + tuple(sidecar.file for sidecar in self.sidecars)


class Source(Protocol):
    """One vendor's way to name and lay out files. Names, sizes and times are all it sees; it reads nothing."""

    @property
    def name(self) -> str:
        """A short word; the recordings it finds carry it as `vendor`."""
        ...

    def partners(self, stem: str) -> Sequence[str]:
        """Other stems, lower case, of recordings that a sidecar with this stem belongs to. Usually none."""
        ...

    def recordings(self, files: Sequence[CardFile]) -> Iterable[Recording]:
        """The recordings it is sure of among `files`; it leaves every other file alone."""
        ...

    def says(self, recording: Recording) -> Sequence[tuple[str, str]]:
        """What the names themselves say of a recording: pairs like `("camera", "X60A1234B")`. Usually nothing."""
        ...


def stem_of(file: CardFile) -> str:
    """The name without its extension, to compare."""
    return file.base.rpartition(".")[0].casefold() or file.base.casefold()


def extension_of(file: CardFile) -> str:
    """The extension without its dot, to compare; empty if there is none."""
    stem, _, extension = file.base.rpartition(".")
    return extension.casefold() if stem else ""
