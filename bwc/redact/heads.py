"""Faces, the heads around them and the bodies below: a head seen is evidence of its face, a face not seen may be turned away.

Shares are of upright heads: the face fills the lower three quarters of a head's height and most of its width. Where a
head turns, its skin moves across it and takes boxes along; shoulders stay, so they tell where the head is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bwc.redact.detectors.base import overlap

Floats = NDArray[np.float32]

FACE, HEAD, PLATE = "face", "head", "plate"
LOOKED_FOR = frozenset({FACE, PLATE})  # what every look may find: that it did not says something
_FACE_IN_HEAD = (0.13, 0.24, 0.87, 0.98)  # of a head's box: left, top, right, bottom of its face
_ABOVE, _BELOW = 0.32, 0.03  # of a face's height, added to make a head
_HALF = 0.53  # half a head's width, in heights of its face
_FRONTAL, _TURNED = 0.78, 0.6  # a face narrower than this share of its height is turned: the head reaches further
_POOR = 0.5  # of a face scored less the half may be behind something
_SAME = 0.3  # overlap of a face with the face in a head from which both are of one person


@dataclass(frozen=True, slots=True)
class Sighting:
    """A detection in small-picture pixels. `covers` is what has to be hidden where that is more than `box`.

    `ours` is what it was scored by detectors whose figures are known here; None: all of `score`. `also` is where else a face may be.
    """

    box: Floats
    score: float
    class_: str
    covers: Floats | None = None
    ours: float | None = None
    also: Floats | None = None

    def boxes(self) -> list[Floats]:
        """Where it may be."""
        return [self.box] if self.also is None else [self.box, self.also]


def as_faces(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Heads as the faces in them, whole heads to be hidden; a head whose face was seen as well says nothing new.

    Where it was seen better than a poor face, part of that face may be behind something: it lies where the head says, too. And where
    a plug-in alone saw the face: it takes no head away. A plug-in's faces and plates count as ours do from here
    on; its heads do not.
    """
    seen = [one for one in sightings if one.class_ != HEAD]
    places = [place for place, one in enumerate(seen) if one.class_ == FACE]
    faces = np.asarray([seen[place].box for place in places], np.float32).reshape(-1, 4)
    whole: dict[int, Floats] = {}
    lone: list[Sighting] = []
    for one in sightings:
        if one.class_ == HEAD:
            box = _part(one.box, _FACE_IN_HEAD)
            shared = overlap(box, faces)[0] if places else np.zeros(1, np.float32)
            if float(shared.max()) < _SAME:
                lone.append(replace(one, box=box, class_=FACE, covers=one.box))
                continue
            face = places[int(np.argmax(shared))]
            if seen[face].ours == 0 and one.ours != 0:
                whole[face] = joined(one.box, whole.get(face, seen[face].box))
            elif one.ours != 0 and seen[face].score < min(_POOR, one.score):
                seen[face] = replace(seen[face], also=box)
    found = [
        replace(one, covers=whole.get(place), ours=None) if one.class_ in LOOKED_FOR else one
        for place, one in enumerate(seen)
    ]
    return [*found, *lone]


def joined(one: Floats, other: Floats) -> Floats:
    return np.concatenate([np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:])]).astype(np.float32)


def head_around(face: Floats) -> Floats:
    """The box of the head whose face is `face`; wider on both sides where the face is narrow, as nobody says which."""
    wide, high = float(face[2] - face[0]), float(face[3] - face[1])
    half = max(wide / 2, _HALF * high + _TURNED * max(0.0, _FRONTAL * high - wide))
    middle = float(face[0] + face[2]) / 2
    return np.asarray([middle - half, face[1] - _ABOVE * high, middle + half, face[3] + _BELOW * high], np.float32)


def held_by(box: Floats, class_: str) -> Floats:
    """What a subject is fixed to: the shoulders below a face, with their outline, the part of a vehicle round a plate."""
    if class_ == FACE:
        return _part(box, (-1.3, 0.85, 2.3, 2.0))
    return _part(box, (-0.5, -1.0, 1.5, 2.0))


def _part(box: Floats, shares: tuple[float, float, float, float]) -> Floats:
    size = np.tile(box[2:] - box[:2], 2)
    return (np.tile(box[:2], 2) + np.asarray(shares, np.float32) * size).astype(np.float32)
