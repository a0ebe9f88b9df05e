"""GoPro: names state chapter and recording (GX01nnnn, GX02nnnn; GOPRnnnn, GP01nnnn), proxies are GLccnnnn.

The scheme is public: GoPro community article "GoPro camera file naming convention".
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bwc.ingest.card import CardFile
from bwc.ingest.recording import Recording, extension_of

_GOPRO = re.compile(r"(G[HXS])(\d\d)(\d{4})\.(?:MP4|360)\Z", re.IGNORECASE)
_FIRST = re.compile(r"GOPR(\d{4})\.MP4\Z", re.IGNORECASE)
_NEXT = re.compile(r"GP(\d\d)(\d{4})\.MP4\Z", re.IGNORECASE)
_PROXY = re.compile(r"GL(\d\d\d{4})\Z", re.IGNORECASE)


class GoPro:
    """Chapters of one folder are one recording as far as their numbers follow each other."""

    name = "gopro"

    def partners(self, stem: str) -> Sequence[str]:
        proxy = _PROXY.match(stem)
        return [kind + proxy[1] for kind in ("gx", "gh")] if proxy else []

    def recordings(self, files: Sequence[CardFile]) -> Iterable[Recording]:
        together: dict[tuple[bytes, str, str], list[tuple[int, CardFile]]] = defaultdict(list)
        for file in files:
            found = _chapter_of(file)
            if found:
                kind, number, chapter = found
                together[file.folder, kind, number].append((chapter, file))
        for (_, kind, _), members in together.items():
            yield from _runs(kind, sorted(members, key=lambda one: one[0]))

    def says(self, recording: Recording) -> Sequence[tuple[str, str]]:
        return ()


def _chapter_of(file: CardFile) -> tuple[str, str, int] | None:
    """Kind of name, number of the recording, number of the chapter."""
    if match := _GOPRO.match(file.base):
        return f"{match[1].upper()}.{extension_of(file)}", match[3], int(match[2])
    if match := _FIRST.match(file.base):
        return "GP", match[1], 0
    if match := _NEXT.match(file.base):
        return "GP", match[2], int(match[1])
    return None


def _runs(kind: str, members: Sequence[tuple[int, CardFile]]) -> Iterable[Recording]:
    expected = 0 if kind == "GP" else 1
    run: list[CardFile] = []
    notes: tuple[str, ...] = ()
    for number, file in members:
        if run and number != expected:
            yield Recording(vendor="gopro", segments=tuple(run), notes=notes)
            run = []
        if not run:
            notes = () if number == expected else (f"chapters {expected} to {number - 1} are not on the card",)
        run.append(file)
        expected = number + 1
    yield Recording(vendor="gopro", segments=tuple(run), notes=notes)
