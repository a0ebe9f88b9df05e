"""What detectors have answered so far, kept in sealed pieces, so that an interrupted analysis does not ask twice.

Looks are numbered in order; the same recording, profile and models give the same looks, so a number names an answer.
A piece holds the answers to `BLOCK` looks: a few seconds of detectors' work, lost at most when a process is killed.
"""

import json
from collections.abc import Sequence
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
        self._key = sha256_hex(b"bwc.answers/2\n" + canonical(inputs))
        self._known: list[list[Detection]] = []
        self._fresh: list[list[Detection]] = []
        while (data := pieces.get(self._name(len(self._known) // BLOCK))) is not None:
            self._known += _parsed(data)

    @property
    def known(self) -> int:
        """How many looks, from the first, were answered before."""
        return len(self._known)

    def get(self, look: int) -> list[Detection] | None:
        """The answer to look `look` (from 0) if it is known."""
        return self._known[look] if look < len(self._known) else None

    def add(self, look: int, found: Sequence[Detection]) -> None:
        """Keep the answer to the next look; one that was known already is left as it is."""
        if look < len(self._known):
            return
        self._fresh.append(list(found))
        if len(self._fresh) == BLOCK:
            number = len(self._known) // BLOCK
            self._pieces.put(self._name(number), _written(self._fresh))
            self._known += self._fresh
            self._fresh = []

    def _name(self, number: int) -> str:
        return f"{self._key}.{number}"


def _written(looks: Sequence[Sequence[Detection]]) -> bytes:
    # Python writes floats so that they read the same again
    return json.dumps([[[*one.box, one.score, one.class_] for one in found] for found in looks]).encode()


def _parsed(data: bytes) -> list[list[Detection]]:
    return [
        [Detection((x0, y0, x1, y1), score, class_) for x0, y0, x1, y1, score, class_ in look]
        for look in json.loads(data)
    ]
