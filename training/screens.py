"""Lit screens drawn flat: phones, tablets, laptops, monitors and terminals of cars, showing chat, maps, lists, forms and pictures."""

import cv2
import heads
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from papers import Sheet, corners, font, words
from PIL import Image, ImageDraw
from plates import Fonts

Bgr = NDArray[np.uint8]
_LONG = 300


def draw(rng: Generator, fonts: Fonts, photographs: list[Bgr], figures: list[heads.Figure]) -> Sheet:
    """One device with its screen on; pictures and films it shows come from `photographs` and `figures`."""
    kind = rng.choice(["phone", "tablet", "laptop", "monitor"], p=[0.52, 0.14, 0.2, 0.14])
    if kind == "phone":
        wide, high = round(_LONG / rng.uniform(1.75, 2.2)), _LONG
        if rng.random() < 0.2:
            wide, high = high, wide
    else:
        wide, high = _LONG, round(_LONG / rng.uniform(1.3, 1.8))
        if kind == "tablet" and rng.random() < 0.5:
            wide, high = high, wide
    shown = _content(rng, fonts, photographs, figures, (wide, high))
    edge = round(rng.uniform(0.015, 0.05) * _LONG)
    frame = np.full((high + 2 * edge, wide + 2 * edge, 3), int(rng.choice([12, 24, 40, 60, 205])), np.uint8)
    frame[edge:-edge, edge:-edge] = shown
    mask = corners(frame.shape[:2], {"phone": rng.uniform(6, 34), "tablet": 12.0}.get(str(kind), 4.0))
    box = np.float32([0, 0, frame.shape[1], frame.shape[0]])
    if kind == "laptop":
        frame, mask = _keyboard(rng, frame, mask)
    elif kind == "monitor" and rng.random() < 0.5:  # a foot
        frame, mask = _below(rng, frame, mask, 40, 0.12)
    tall = {"phone": 14.5, "tablet": 20.0, "laptop": 21.0, "monitor": 30.0}[str(kind)]
    return frame, mask, box, tall * (7.2 / 14.5 if kind == "phone" and wide > high else 1.0)


def _content(
    rng: Generator, fonts: Fonts, photographs: list[Bgr], figures: list[heads.Figure], size: tuple[int, int]
) -> Bgr:
    kind = rng.choice(
        ["chat", "map", "picture", "list", "lock", "keys", "page", "terminal", "person"],
        p=[0.16, 0.12, 0.13, 0.14, 0.08, 0.07, 0.11, 0.11, 0.08],
    )
    if kind in ("picture", "person"):
        bgr = _photograph(rng, photographs, size)
        if kind == "person" and figures:
            face, mask, _ = figures[int(rng.integers(len(figures)))]
            face = cv2.resize(face, size, interpolation=cv2.INTER_LINEAR)
            share = cv2.resize(mask, size)[..., None]
            bgr = np.asarray(bgr * (1 - share) + face * share, np.uint8)
        canvas = Image.fromarray(np.ascontiguousarray(bgr[:, :, ::-1]))
        _bars(rng, canvas, fonts, dark=True)
    else:
        dark = rng.random() < (0.8 if kind == "terminal" else 0.35)
        ground = tuple(int(v) for v in (rng.integers(6, 44, 3) if dark else rng.integers(222, 256, 3)))
        canvas = Image.new("RGB", size, ground)
        ink = (230, 232, 236) if dark else (30, 32, 40)
        _DRAWN[str(kind)](rng, canvas, fonts, ink)
        _bars(rng, canvas, fonts, dark=dark)
    bgr = np.asarray(canvas, np.float32)[:, :, ::-1]
    tint = np.float32([rng.uniform(0.95, 1.15), 1.0, rng.uniform(0.82, 1.02)])
    return np.clip(bgr * tint, 0, 255).astype(np.uint8)


def _photograph(rng: Generator, photographs: list[Bgr], size: tuple[int, int]) -> Bgr:
    bgr = photographs[int(rng.integers(len(photographs)))]
    high, wide = bgr.shape[:2]
    part = rng.uniform(0.35, 0.95)
    x, y = int(rng.uniform(0, 1 - part) * wide), int(rng.uniform(0, 1 - part) * high)
    piece = bgr[y : y + max(8, int(part * high)), x : x + max(8, int(part * wide))]
    return np.asarray(cv2.resize(piece, size, interpolation=cv2.INTER_AREA), np.uint8)


def _bars(rng: Generator, canvas: Image.Image, fonts: Fonts, *, dark: bool) -> None:
    """What stands above and below: clock, title, buttons."""
    pen, (wide, high) = ImageDraw.Draw(canvas), canvas.size
    ink = (240, 240, 240) if dark else (40, 40, 40)
    if rng.random() < 0.6:
        tone = tuple(int(v) for v in rng.integers(0, 256, 3))
        if rng.random() < 0.6:
            pen.rectangle((0, 0, wide, high * 0.09), fill=tone)
        pen.text((8, 4), words(rng, 2)[:14], ink, font(rng, fonts, high * 0.05))
    if rng.random() < 0.5:
        y = high * 0.93
        for x in np.linspace(0.12, 0.88, int(rng.integers(3, 6))) * wide:
            r = min(wide, high) * 0.03
            pen.rounded_rectangle((x - r, y - r, x + r, y + r), r * 0.4, outline=ink, width=2)


def _chat(rng: Generator, canvas: Image.Image, fonts: Fonts, ink: tuple[int, int, int]) -> None:
    pen, (wide, high), y = ImageDraw.Draw(canvas), canvas.size, canvas.height * 0.11
    mine = tuple(int(v) for v in rng.integers(60, 240, 3))
    theirs = tuple(int(v) for v in rng.integers(90, 235, 1).repeat(3))
    size = max(8.0, high * rng.uniform(0.026, 0.045))
    letters = font(rng, fonts, size)
    while y < high * 0.9:
        rows, own = int(rng.integers(1, 4)), rng.random() < 0.5
        span = wide * rng.uniform(0.3, 0.7)
        x = wide - span - 8 if own else 8.0
        pen.rounded_rectangle((x, y, x + span, y + rows * size * 1.25 + 6), 7, fill=mine if own else theirs)
        for row in range(rows):
            pen.text((x + 5, y + 3 + row * size * 1.25), words(rng, 6)[: int(span / size * 1.7)], ink, letters)
        y += rows * size * 1.25 + 14


def _map(rng: Generator, canvas: Image.Image, fonts: Fonts, ink: tuple[int, int, int]) -> None:
    pen, (wide, high) = ImageDraw.Draw(canvas), canvas.size
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0, wide), rng.uniform(0, high)
        tone = (170, 220, 170) if rng.random() < 0.5 else (150, 190, 240)
        pen.ellipse((x - 60, y - 50, x + 60, y + 50), fill=tone)
    for _ in range(int(rng.integers(5, 16))):
        a, b = rng.uniform(-0.2, 1.2, 2) * (wide, high), rng.uniform(-0.2, 1.2, 2) * (wide, high)
        tone = [(250, 250, 250), (200, 204, 210), (250, 214, 120)][int(rng.integers(3))]
        pen.line((*a, *b), fill=tone, width=int(rng.integers(2, 9)))
    way = np.cumsum(rng.normal(0, 40, (6, 2)), axis=0) + np.asarray([wide, high]) / 2
    pen.line([(float(x), float(y)) for x, y in way], fill=(60, 110, 240), width=6)
    for _ in range(int(rng.integers(2, 9))):
        pen.text((rng.uniform(0, wide), rng.uniform(0, high)), words(rng, 1), (60, 60, 60), font(rng, fonts, 10))


def _list(rng: Generator, canvas: Image.Image, fonts: Fonts, ink: tuple[int, int, int]) -> None:
    pen, (wide, high) = ImageDraw.Draw(canvas), canvas.size
    step = high * rng.uniform(0.06, 0.12)
    large, small = font(rng, fonts, step * 0.36), font(rng, fonts, step * 0.24)
    for y in np.arange(high * 0.12, high * 0.92, step):
        tone = tuple(int(v) for v in rng.integers(40, 250, 3))
        pen.ellipse((8, y + step * 0.12, 8 + step * 0.76, y + step * 0.88), fill=tone)
        pen.text((step + 12, y + step * 0.1), words(rng, 2)[: int(wide / 12)], ink, large)
        if rng.random() < 0.7:
            pen.text((step + 12, y + step * 0.55), words(rng, 5)[: int(wide / 9)], (140, 140, 146), small)


def _lock(rng: Generator, canvas: Image.Image, fonts: Fonts, ink: tuple[int, int, int]) -> None:
    """A clock over colours, or icons in rows."""
    wide, high = canvas.size
    coarse = rng.integers(0, 256, (3, 3, 3)).astype(np.uint8)
    canvas.paste(Image.fromarray(coarse).resize((wide, high), Image.Resampling.BICUBIC))
    pen = ImageDraw.Draw(canvas)
    if rng.random() < 0.5:
        pen.text(
            (wide * 0.2, high * 0.15), f"{rng.integers(0, 24)}:{rng.integers(10, 60)}", "white", font(rng, fonts, 50)
        )
        return
    columns = max(3, int(4 * wide / high * 2 if wide > high else 4))
    step = wide / (columns + 0.5)
    for y in np.arange(high * 0.1, high - step, step * 1.2):
        for c in range(columns):
            if rng.random() < 0.85:
                x, tone = (c + 0.4) * step, tuple(int(v) for v in rng.integers(20, 256, 3))
                pen.rounded_rectangle((x, y, x + step * 0.7, y + step * 0.7), step * 0.15, fill=tone)


def _keys(rng: Generator, canvas: Image.Image, fonts: Fonts, ink: tuple[int, int, int]) -> None:
    """Digits to dial, or a keyboard under a text."""
    pen, (wide, high) = ImageDraw.Draw(canvas), canvas.size
    rows, columns = (4, 3) if rng.random() < 0.5 else (4, 10)
    top = high * rng.uniform(0.35, 0.6)
    letters = font(rng, fonts, (high - top) / rows * 0.45)
    for r in range(rows):
        for c in range(columns):
            x, y = (c + 0.12) * wide / columns, top + (r + 0.12) * (high - top) / rows
            box = (x, y, x + 0.76 * wide / columns, y + 0.76 * (high - top) / rows)
            pen.rounded_rectangle(box, 4, outline=ink, fill=(120, 124, 130) if rng.random() < 0.5 else None)
            pen.text((x + 3, y), chr(int(rng.integers(48, 91))), ink, letters)
    pen.text((wide * 0.15, high * 0.2), f"{rng.integers(10**6, 10**10)}", ink, font(rng, fonts, wide * 0.1))


def _page(rng: Generator, canvas: Image.Image, fonts: Fonts, ink: tuple[int, int, int]) -> None:
    """A page of the web, a document, a mail."""
    pen, (wide, high), y = ImageDraw.Draw(canvas), canvas.size, canvas.height * 0.1
    size = max(7.0, high * rng.uniform(0.022, 0.04))
    letters = font(rng, fonts, size)
    while y < high - size:
        if rng.random() < 0.1:
            tall = rng.uniform(20, 70)
            tone = tuple(int(v) for v in rng.integers(30, 250, 3))
            pen.rectangle((12, y, wide * rng.uniform(0.4, 0.95), y + tall), fill=tone)
            y += tall + 6
        pen.text((12, y), words(rng, 14)[: max(3, int(wide / size * rng.uniform(0.9, 1.6)))], ink, letters)
        y += size * 1.4


def _terminal(rng: Generator, canvas: Image.Image, fonts: Fonts, ink: tuple[int, int, int]) -> None:
    """Fields and rows of a record, as in a patrol car."""
    pen, (wide, high) = ImageDraw.Draw(canvas), canvas.size
    step = high * rng.uniform(0.05, 0.09)
    letters = font(rng, fonts, step * 0.62)
    tones = [(90, 230, 120), (240, 200, 70), (110, 190, 250), ink]
    split = wide * rng.uniform(0.25, 0.8)
    for y in np.arange(high * 0.11, high * 0.95, step):
        if rng.random() < 0.15:
            pen.rectangle((4, y, wide - 4, y + step), fill=tuple(int(v) for v in rng.integers(20, 180, 3)))
        for x, end in ((6.0, split), (split + 4, float(wide))):
            if rng.random() < 0.8:
                text = words(rng, 4)[: max(2, int((end - x) / step * 1.6))].upper()
                pen.text((x, y), text, tones[int(rng.integers(4))], letters)
    if rng.random() < 0.5:
        pen.line((split, high * 0.1, split, high), fill=(120, 120, 120), width=2)


_DRAWN = {
    "chat": _chat,
    "map": _map,
    "list": _list,
    "lock": _lock,
    "keys": _keys,
    "page": _page,
    "terminal": _terminal,
}


def _keyboard(rng: Generator, frame: Bgr, mask: NDArray[np.float32]) -> tuple[Bgr, NDArray[np.float32]]:
    """The lower half of a laptop, foreshortened."""
    high = round(frame.shape[0] * rng.uniform(0.2, 0.6))
    grown, share = _below(rng, frame, mask, high, 1.0)
    top, wide, dark = frame.shape[0], frame.shape[1], int(rng.integers(10, 70))
    for r in range(5):
        for c in range(13):
            x, y = (c + 0.1 + 0.5) * wide / 14, top + high * (0.06 + 0.11 * r)
            cv2.rectangle(grown, (int(x), int(y)), (int(x + wide / 17), int(y + high * 0.08)), (dark, dark, dark), -1)
    return grown, share


def _below(
    rng: Generator, frame: Bgr, mask: NDArray[np.float32], high: int, wide: float
) -> tuple[Bgr, NDArray[np.float32]]:
    """`frame` with something plain under it, `high` pixels and that share of its width."""
    grown = np.full((frame.shape[0] + high, frame.shape[1], 3), int(rng.integers(20, 200)), np.uint8)
    grown[: frame.shape[0]] = frame
    share = np.zeros(grown.shape[:2], np.float32)
    share[: frame.shape[0]] = mask
    half = round(frame.shape[1] * wide / 2)
    share[frame.shape[0] :, frame.shape[1] // 2 - half : frame.shape[1] // 2 + half] = 1.0
    return grown, share
