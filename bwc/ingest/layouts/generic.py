"""Any camera: chapters whose names, sizes and times show one recording; everything else is a recording of its own.

1. `NAME-part1 NAME-part2` (also `_part`, `-chapter`, `_ch`) are one recording if they start at 0 or 1, follow each other,
   none was written before the one it follows, and none but the last is smaller than half the largest.
2. `NAME_001 NAME_002` are usually separate recordings. They are one only if they look like one recording that was cut at
   a fixed size: all but the last of equal size (5 %), the last not larger, written one after another at a steady rate;
   two files only if the first is as large as a file may be on FAT or in a 2 or 4 GiB cut.
3. Everything else is a recording of its own. Chapters are never joined, so a wrong guess loses nothing.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from bwc.ingest.card import CardFile
from bwc.ingest.recording import VIDEO_EXTENSIONS, Recording

CUT_SIZES = (2 * 2**30, 4 * 2**30, 2_000_000_000, 4_000_000_000)
EXFAT_STEP_NS = 2_000_000_000  # FAT and exFAT keep modification times in steps of two seconds

_PART = re.compile(r"(.+?)[-_. ](?:part|pt|chapter|ch)[-_. ]?(\d{1,3})\.([^.]+)\Z", re.IGNORECASE)
_NUMBERED = re.compile(r"(.+)_(\d{3,4})\.([^.]+)\Z")


class _Chapter(NamedTuple):
    rule: str
    recording: tuple[str, ...]  # what all chapters of one recording share
    number: int


class Generic:
    """Takes every file it is given."""

    name = "generic"

    def partners(self, stem: str) -> Sequence[str]:
        return ()

    def recordings(self, files: Sequence[CardFile]) -> Iterable[Recording]:
        together: dict[tuple[bytes, str, tuple[str, ...]], list[tuple[int, CardFile]]] = defaultdict(list)
        for file in files:
            chapter = _chapter_of(file)
            if chapter:
                together[file.folder, chapter.rule, chapter.recording].append((chapter.number, file))
        rest = set(files)
        for (_, rule, _), members in together.items():
            members.sort(key=lambda one: one[0])
            numbers = [number for number, _ in members]
            chapters = [file for _, file in members]
            follows = numbers[0] in (0, 1) and all(after == before + 1 for before, after in pairwise(numbers))
            if len(members) > 1 and follows and (_are_parts(chapters) if rule == "part" else _are_cuts(chapters)):
                rest -= set(chapters)
                yield Recording(vendor=self.name, segments=tuple(chapters))
        for file in files:
            if file in rest:
                yield Recording(vendor=self.name, segments=(file,))

    def says(self, recording: Recording) -> Sequence[tuple[str, str]]:
        return ()


def _chapter_of(file: CardFile) -> _Chapter | None:
    name = file.base
    if match := _PART.match(name):
        return _Chapter("part", (match[1].casefold(), match[3].casefold()), int(match[2]))
    if (match := _NUMBERED.match(name)) and match[3].casefold() in VIDEO_EXTENSIONS:
        shape = (match[1].casefold(), match[3].casefold(), str(len(match[2])))
        return _Chapter("numbered", shape, int(match[2]))
    return None


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
