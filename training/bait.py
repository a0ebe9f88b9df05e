"""Things that look like plates, papers or screens and are not: vents, grids, signs, posters, windows, boards, switches, a camera's own overlay."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Bgr = NDArray[np.uint8]
_WORDS = (
    "EXIT",
    "OPEN",
    "SALE",
    "STOP",
    "PUSH",
    "NO PARKING",
    "BAKERY",
    "24 HOURS",
    "FIRE LANE",
    "POLICE",
    "main street",
)
_HERSHEY = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def draw(rng: Generator, scene: Bgr) -> None:
    """Put one or two of them somewhere into `scene`, in place."""
    for _ in range(int(rng.integers(1, 3))):
        _KINDS[int(rng.integers(len(_KINDS)))](rng, scene)


def _place(rng: Generator, scene: Bgr, shape: tuple[float, float] = (1.0, 5.0)) -> tuple[int, int, int, int]:
    high = round(float(np.exp(rng.uniform(np.log(6), np.log(70)))))
    wide = round(high * rng.uniform(*shape))
    return int(rng.integers(-wide // 3, scene.shape[1])), int(rng.integers(-high // 3, scene.shape[0])), wide, high


def _tint(rng: Generator, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    grey = rng.integers(low, high)
    return tuple(int(np.clip(grey + v, 0, 255)) for v in rng.normal(0, 14, 3))  # type: ignore[return-value]


def _slats(rng: Generator, scene: Bgr) -> None:
    """A vent, a grille, a radiator, blinds."""
    x, y, wide, high = _place(rng, scene)
    light, dark = _tint(rng, 90), _tint(rng, 0, 120)
    cv2.rectangle(scene, (x, y), (x + wide, y + high), light, -1)
    step = max(3, high // int(rng.integers(3, 9)))
    if rng.random() < 0.6:
        for row in range(y + step // 2, y + high, step):
            cv2.line(scene, (x + 2, row), (x + wide - 2, row), dark, max(1, step // 2))
    else:
        for column in range(x + step // 2, x + wide, step):
            cv2.line(scene, (column, y + 2), (column, y + high - 2), dark, max(1, step // 2))


def _grid(rng: Generator, scene: Bgr) -> None:
    """Windows of a house, tiles, a keyboard, shelves."""
    x, y, wide, high = _place(rng, scene, (0.8, 3.5))
    wide, high = wide * 2, high * 2
    wall, pane = _tint(rng, 60), _tint(rng)
    cv2.rectangle(scene, (x, y), (x + wide, y + high), wall, -1)
    rows, columns = int(rng.integers(1, 6)), int(rng.integers(2, 9))
    for r in range(rows):
        for c in range(columns):
            x0, y0 = x + (c + 0.15) * wide / columns, y + (r + 0.15) * high / rows
            x1, y1 = x + (c + 0.85) * wide / columns, y + (r + 0.85) * high / rows
            cv2.rectangle(scene, (round(x0), round(y0)), (round(x1), round(y1)), pane, -1)


def _blank(rng: Generator, scene: Bgr) -> None:
    """A board, a box, a door, a tile, a bare wall: an even four-sided thing with nothing on it."""
    x, y, wide, high = _place(rng, scene, (0.5, 2.0))
    wide, high = wide * int(rng.integers(1, 4)), high * int(rng.integers(1, 4))
    corners = np.asarray([[0, 0], [wide, 0], [wide, high], [0, high]]) + rng.normal(0, 0.08, (4, 2)) * (wide, high)
    tone = _tint(rng, 150) if rng.random() < 0.6 else _tint(rng)
    cv2.fillPoly(scene, [np.round(corners + np.asarray([x, y])).astype(np.int32)], tone, cv2.LINE_AA)
    if rng.random() < 0.4:
        cv2.polylines(
            scene, [np.round(corners + np.asarray([x, y])).astype(np.int32)], True, _tint(rng, 0, 120), 2, cv2.LINE_AA
        )


def _poster(rng: Generator, scene: Bgr) -> None:
    """A poster, a shop's sign, a painted picture: colours, few and large letters."""
    x, y, wide, high = _place(rng, scene, (0.5, 1.8))
    wide, high = max(24, wide * 2), max(24, high * 2)
    ground = tuple(int(v) for v in rng.integers(0, 256, 3))
    cv2.rectangle(scene, (x, y), (x + wide, y + high), ground, -1)
    for _ in range(int(rng.integers(1, 5))):
        tone = tuple(int(v) for v in rng.integers(0, 256, 3))
        at = (x + int(rng.uniform(0.2, 0.8) * wide), y + int(rng.uniform(0.2, 0.8) * high))
        cv2.ellipse(scene, at, (wide // 5, high // 6), float(rng.uniform(0, 180)), 0, 360, tone, -1, cv2.LINE_AA)
    words, face = str(rng.choice(_WORDS)), _HERSHEY[int(rng.integers(4))]
    ink = (255, 255, 255) if sum(ground) < 420 else (10, 10, 10)
    cv2.putText(scene, words, (x + 2, y + high // 3), face, wide / 160, ink, max(1, wide // 60), cv2.LINE_AA)


def _sign(rng: Generator, scene: Bgr) -> None:
    """A round, angular or long sign with a word: a shop, a street, a parking ban."""
    x, y, wide, high = _place(rng, scene, (0.9, 1.1) if rng.random() < 0.5 else (4.5, 9.0))
    high, wide = max(14, high), max(14, wide)
    ground = tuple(int(v) for v in rng.integers(0, 256, 3))
    ink = (255, 255, 255) if sum(ground) < 420 else (10, 10, 10)
    if wide < high * 1.5:
        centre = (x + wide // 2, y + high // 2)
        shape = cv2.ellipse2Poly(centre, (wide, high), 22, 0, 360, int(rng.choice([10, 45, 120])))
        cv2.fillPoly(scene, [shape], ground)
        cv2.polylines(scene, [shape], True, ink, max(1, high // 12), cv2.LINE_AA)
    else:
        cv2.rectangle(scene, (x, y), (x + wide, y + high), ground, -1)
        words = " ".join(str(w) for w in rng.choice(_WORDS, 3))
        face = _HERSHEY[int(rng.integers(4))]
        cv2.putText(scene, words, (x + 3, y + int(high * 0.75)), face, high / 34, ink, max(1, high // 18), cv2.LINE_AA)


def _stamp(rng: Generator, scene: Bgr) -> None:
    """Date, time and serial number that a camera writes over its picture."""
    words = f"20{rng.integers(10, 27)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02} T{rng.integers(10, 24)}:{rng.integers(10, 60)}:07Z"
    if rng.random() < 0.5:
        words = f"CAM BODY {rng.integers(2, 5)} X{rng.integers(10**7, 10**8)}"
    size, face = rng.uniform(0.3, 0.9), _HERSHEY[int(rng.integers(2))]
    at = (int(rng.integers(-20, scene.shape[1] // 2)), int(rng.integers(10, scene.shape[0])))
    if rng.random() < 0.4:
        cv2.putText(scene, words, at, face, size, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(scene, words, at, face, size, (235, 235, 235), 1, cv2.LINE_AA)


def _lamps(rng: Generator, scene: Bgr) -> None:
    """Strip lights, reflections, a ledge: bright and long, with nothing on them."""
    x, y, wide, high = _place(rng, scene, (5.5, 14.0))
    cv2.rectangle(scene, (x, y), (x + wide, y + max(2, high // 3)), _tint(rng, 200), -1, cv2.LINE_AA)


def _switch(rng: Generator, scene: Bgr) -> None:
    """A switch or socket: pale, about square, one or two dark marks."""
    x, y, wide, high = _place(rng, scene, (0.6, 1.2))
    cv2.rectangle(scene, (x, y), (x + wide, y + high), _tint(rng, 180), -1)
    dark = _tint(rng, 20, 140)
    for share in ((0.5,), (0.3, 0.7))[int(rng.integers(2))]:
        centre = (x + wide // 2, y + round(high * share))
        cv2.circle(scene, centre, max(1, wide // 8), dark, -1, cv2.LINE_AA)


_KINDS = (_slats, _grid, _blank, _sign, _stamp, _lamps, _switch, _poster)
