"""What detectors have answered so far, kept in sealed pieces, so that an interrupted analysis does not ask twice.

Looks are numbered in order; the same recording, profile, models and code give the same looks, so a number names an answer.
The picture's time is kept with it: where another picture is looked at after all, nothing from there on is believed.
A piece holds the answers to `BLOCK` looks: a few seconds of detectors' work, lost at most when a process is killed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bwc.canonical import Json, canonical, sha256_hex
from bwc.redact.detectors.base import Detection

BLOCK = 32  # looks: about five seconds of footage


class Pieces(Protocol):
    """Sealed working pieces by name. What is put is durable on return."""

    def get(self, name: str, /) -> bytes | None: ...
    def put(self, name: str, data: bytes, /) -> None: ...


class Answers:
    """The answers of one analysis. `inputs` is everything that decides them."""

    def __init__(self, pieces: Pieces, inputs: Json) -> None:
        self._pieces = pieces
        self._key = sha256_hex(b"bwc.answers/3\n" + canonical(inputs))
        self._known: list[_Answer] = []
        self._kept = 0  # how many of them are in whole pieces
        while (data := pieces.get(self._name(len(self._known) // BLOCK))) is not None:
            self._known += _parsed(data)
        self._kept = len(self._known)

    @property
    def known(self) -> int:
        """How many looks, from the first, were answered before."""
        return self._kept

    def get(self, look: int, pts: int) -> list[Detection] | None:
        """The answer to look `look` (from 0), at the picture shown at `pts`, if it is known."""
        if look >= self._kept:
            return None
        known = self._known[look]
        if known.pts != pts:
            self._forget(look)
            return None
        return known.found

    def add(self, look: int, pts: int, found: Sequence[Detection]) -> None:
        """Keep the answer to the next look; one that was known already is left as it is."""
        if look < len(self._known):
            return
        self._known.append(_Answer(pts, list(found)))
        if len(self._known) % BLOCK == 0:
            number = look // BLOCK
            self._pieces.put(self._name(number), _written(self._known[number * BLOCK :]))
            self._kept = len(self._known)

    def _forget(self, look: int) -> None:
        """Whatever was answered from `look` on belongs to other pictures; later pieces are written over."""
        del self._known[look:]
        self._kept = min(self._kept, look)

    def _name(self, number: int) -> str:
        return f"{self._key}.{number}"


@dataclass(frozen=True, slots=True)
class _Answer:
    pts: int
    found: list[Detection]


def _written(answers: Sequence[_Answer]) -> bytes:
    # Python writes floats so that they read the same again
    return json.dumps(
        [[one.pts, [[*seen.box, seen.score, seen.class_, seen.ours] for seen in one.found]] for one in answers]
    ).encode()


def _parsed(data: bytes) -> list[_Answer]:
    return [
        _Answer(pts, [Detection((x0, y0, x1, y1), *rest) for x0, y0, x1, y1, *rest in found])
        for pts, found in json.loads(data)
    ]
