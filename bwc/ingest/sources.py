"""Which files on a card belong together: recordings, their chapters, their sidecars.

Every file is evidence. The rules only decide what is one item, never what is taken:

1. A file with a sidecar's extension beside a recording of the same name (`A.MP4` with `A.json` or `A.MP4.json`;
   GoPro's `GL…` proxy with `GX…`/`GH…`) is that recording's sidecar. Without such a recording it is an item.
2. GoPro's names state chapter and recording: `GX01nnnn GX02nnnn …`, `GOPRnnnn GP01nnnn …` in one folder are one item
   as far as the chapter numbers follow each other.
3. `NAME-part1 NAME-part2` (also `_part`, `-chapter`, `_ch`) are one item if they start at 0 or 1, follow each other,
   none was written before the one it follows, and none but the last is smaller than half the largest.
4. `NAME_001 NAME_002` are usually separate recordings. They are one item only if they look like one recording that
   was cut at a fixed size: all but the last of equal size (5 %), the last not larger, written one after another at
   a steady rate; two files only if the first is as large as a file may be on FAT or in a 2 or 4 GiB cut.
5. Everything else is an item of its own. Chapters are never joined, so a wrong guess loses nothing.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from bwc.errors import BwcError
from bwc.ingest.card import CardFile, Left, Listing, list_card

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
CUT_SIZES = (2 * 2**30, 4 * 2**30, 2_000_000_000, 4_000_000_000)
EXFAT_STEP_NS = 2_000_000_000  # FAT and exFAT keep modification times in steps of two seconds

_GOPRO = re.compile(r"(G[HXS])(\d\d)(\d{4})\.(?:MP4|360)\Z", re.IGNORECASE)
_GOPRO_FIRST = re.compile(r"GOPR(\d{4})\.MP4\Z", re.IGNORECASE)
_GOPRO_NEXT = re.compile(r"GP(\d\d)(\d{4})\.MP4\Z", re.IGNORECASE)
_GOPRO_PROXY = re.compile(r"GL(\d\d\d{4})\Z", re.IGNORECASE)
_PART = re.compile(r"(.+?)[-_. ](?:part|pt|chapter|ch)[-_. ]?(\d{1,3})\.([^.]+)\Z", re.IGNORECASE)
_NUMBERED = re.compile(r"(.+)_(\d{3,4})\.([^.]+)\Z")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card as found: items to take in, and what is left alone."""

    listing: Listing
    recordings: tuple[Recording, ...]

    @property
    def left(self) -> tuple[Left, ...]:
        return self.listing.left


class _Chapter(NamedTuple):
    vendor: str
    rule: str
    recording: tuple[str, ...]  # what all chapters of one recording share
    number: int


def read_card(card: Path, *, deep: bool = True) -> Card:
    """List `card` and group its files. Raises as `list_card` does."""
    listing = list_card(card, deep=deep)
    return Card(listing=listing, recordings=group(listing.files))


def group(files: Sequence[CardFile]) -> tuple[Recording, ...]:
    """The recordings among `files`, in the order of their first file. Each file is in exactly one of them."""
    owners = _sidecar_owners(files)
    sidecars: dict[CardFile, list[CardFile]] = defaultdict(list)
    for sidecar, owner in owners.items():
        sidecars[owner].append(sidecar)
    recordings = _chaptered([file for file in files if file not in owners])
    return tuple(
        Recording(
            vendor=recording.vendor,
            segments=recording.segments,
            sidecars=tuple(
                Sidecar(file, ordinal) for ordinal, owner in enumerate(recording.segments) for file in sidecars[owner]
            ),
            notes=recording.notes,
        )
        for recording in recordings
    )


def changes_since(card: Path, before: Card, *, deep: bool = True) -> tuple[str, ...]:
    """What a second listing shows that the first did not: then the card holds something we have not seen."""
    try:
        after = list_card(card, deep=deep)
    except BwcError as error:
        return (f"the card could not be listed again: {error.message}",)
    old = {file.path: file for file in before.listing.files}
    new = {file.path: file for file in after.files}
    texts = [f"{file.name} appeared while the card was taken in" for path, file in new.items() if path not in old]
    texts += [f"{file.name} is gone from the card" for path, file in old.items() if path not in new]
    texts += [f"{file.name} changed after it was read" for path, file in new.items() if old.get(path, file) != file]
    known = {left.name for left in before.left}
    texts += [f"{left.name}: {left.reason}" for left in after.left if left.blocks_wipe and left.name not in known]
    return tuple(texts)


def _sidecar_owners(files: Iterable[CardFile]) -> dict[CardFile, CardFile]:
    """For each sidecar the recording it lies beside. A video is preferred where several files share the name."""
    by_name: dict[tuple[bytes, str], CardFile] = {}
    by_stem: dict[tuple[bytes, str], CardFile] = {}
    candidates = []
    for file in files:
        if _extension(file) in SIDECAR_EXTENSIONS:
            candidates.append(file)
            continue
        by_name[file.folder, file.base.casefold()] = file
        stem = (file.folder, _stem(file))
        if stem not in by_stem or (
            _extension(file) in VIDEO_EXTENSIONS and _extension(by_stem[stem]) not in VIDEO_EXTENSIONS
        ):
            by_stem[stem] = file
    owners = {}
    for file in candidates:
        name = _stem(file)
        proxy = _GOPRO_PROXY.match(name)
        owner = by_name.get((file.folder, name))
        for partner in [name, *(kind + proxy[1] for kind in ("gx", "gh") if proxy)]:
            owner = owner or by_stem.get((file.folder, partner))
        if owner:
            owners[file] = owner
    return owners


def _chaptered(files: Sequence[CardFile]) -> list[Recording]:
    chapters = {file: chapter for file in files if (chapter := _chapter_of(file))}
    together: dict[tuple[bytes, _Chapter], list[CardFile]] = defaultdict(list)
    for file, chapter in chapters.items():
        together[file.folder, chapter._replace(number=0)].append(file)
    found: dict[CardFile, Recording] = {}
    for (_, kind), members in together.items():
        members.sort(key=lambda file: chapters[file].number)
        for recording in _runs(kind, members, [chapters[file].number for file in members]):
            found[recording.segments[0]] = recording
    rest = {file for recording in found.values() for file in recording.segments}
    singles = {file: Recording(vendor="generic", segments=(file,)) for file in files if file not in rest}
    return [(found | singles)[file] for file in files if file in found or file in singles]


def _chapter_of(file: CardFile) -> _Chapter | None:
    name = file.base
    if match := _GOPRO.match(name):
        return _Chapter("gopro", "gopro", (match[1].upper(), match[3], _extension(file)), int(match[2]))
    if match := _GOPRO_FIRST.match(name):
        return _Chapter("gopro", "gopro", ("GP", match[1]), 0)
    if match := _GOPRO_NEXT.match(name):
        return _Chapter("gopro", "gopro", ("GP", match[2]), int(match[1]))
    if match := _PART.match(name):
        return _Chapter("generic", "part", (match[1].casefold(), match[3].casefold()), int(match[2]))
    if (match := _NUMBERED.match(name)) and match[3].casefold() in VIDEO_EXTENSIONS:
        shape = (match[1].casefold(), match[3].casefold(), str(len(match[2])))
        return _Chapter("generic", "numbered", shape, int(match[2]))
    return None


def _runs(kind: _Chapter, members: list[CardFile], numbers: list[int]) -> list[Recording]:
    """The recordings that `members` (sorted by chapter number) form under the rule of their names."""
    if kind.rule == "gopro":
        return _gopro_runs(kind, members, numbers)
    follows = numbers[0] in (0, 1) and all(after == before + 1 for before, after in pairwise(numbers))
    looks_like_one = _are_parts(members) if kind.rule == "part" else _are_cuts(members)
    if len(members) > 1 and follows and looks_like_one:
        return [Recording(vendor=kind.vendor, segments=tuple(members))]
    return [Recording(vendor=kind.vendor, segments=(file,)) for file in members]


def _gopro_runs(kind: _Chapter, members: list[CardFile], numbers: list[int]) -> list[Recording]:
    first = 0 if kind.recording[0] == "GP" else 1
    runs: list[list[int]] = []
    for index, number in enumerate(numbers):
        if runs and number == numbers[runs[-1][-1]] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    recordings = []
    expected = first
    for run in runs:
        start, end = numbers[run[0]], numbers[run[-1]]
        missing = () if start == expected else (f"chapters {expected} to {start - 1} are not on the card",)
        expected = end + 1
        chosen = tuple(members[index] for index in run)
        recordings.append(Recording(vendor=kind.vendor, segments=chosen, notes=missing))
    return recordings


def _are_parts(members: Sequence[CardFile]) -> bool:
    sizes = [file.size_bytes for file in members]
    in_order = all(before.mtime_ns <= after.mtime_ns + EXFAT_STEP_NS for before, after in pairwise(members))
    return in_order and min(sizes[:-1], default=0) * 2 >= max(sizes)


def _are_cuts(members: Sequence[CardFile]) -> bool:
    if len(members) < 2:
        return False
    *full, last = [file.size_bytes for file in members]
    if last * 100 > max(full) * 105 or max(full) * 100 > min(full) * 105:
        return False
    gaps = [after.mtime_ns - before.mtime_ns for before, after in pairwise(members)]
    if min(gaps) <= 0:
        return False
    if len(full) == 1:
        return any(limit * 95 <= full[0] * 100 <= limit * 100 for limit in CUT_SIZES)
    *steady, final = gaps
    slack = EXFAT_STEP_NS + max(steady) // 10
    return max(steady) - min(steady) <= slack and final <= max(steady) + slack


def _stem(file: CardFile) -> str:
    return file.base.rpartition(".")[0].casefold() or file.base.casefold()


def _extension(file: CardFile) -> str:
    stem, _, extension = file.base.rpartition(".")
    return extension.casefold() if stem else ""
