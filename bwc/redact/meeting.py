"""Whether two boxes of one picture may be the same subject, and whether a lost track could have come as far as a sight."""

import numpy as np

from bwc.redact.flow import Floats
from bwc.redact.heads import Sighting
from bwc.redact.path import Path


def alike(one: Floats, other: Floats) -> float:
    """How well two boxes may be the same subject in the same picture: 0 for no, up to 2."""
    # plain numbers: numpy takes ten times as long for four of them
    x0, y0, x1, y1 = one.tolist()
    u0, v0, u1, v1 = other.tolist()
    wide, high, other_wide, other_high = x1 - x0, y1 - y0, u1 - u0, v1 - v0
    if not 0.16 < wide * high / max(other_wide * other_high, 1e-6) < 6.25:
        return 0.0
    apart_x = abs(x0 + x1 - u0 - u1) / 2 / max(wide, other_wide, 1e-6)
    apart_y = abs(y0 + y1 - v0 - v1) / 2 / max(high, other_high, 1e-6)
    closeness = 1 - max(apart_x, apart_y)
    shared = shared_of(one, other)
    return shared + closeness if shared > 0.15 or closeness > 0.5 else 0.0


def may_be(path: Path, seen: Sighting) -> bool:
    """Whether a lost track could have come this far; following every sighting back through seconds costs too much."""
    if path.class_ != seen.class_:
        return False
    size, seen_size = path.here[2:] - path.here[:2], seen.box[2:] - seen.box[:2]
    apart = np.abs((path.here[:2] + path.here[2:]) - (seen.box[:2] + seen.box[2:])) / 2
    return bool((apart < 3 * np.maximum(size, seen_size)).all())


def shared_of(one: Floats, other: Floats) -> float:
    x0, y0, x1, y1 = one.tolist()
    u0, v0, u1, v1 = other.tolist()
    shared = max(0.0, min(x1, u1) - max(x0, u0)) * max(0.0, min(y1, v1) - max(y0, v0))
    return float(shared / max((x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - shared, 1e-6))
