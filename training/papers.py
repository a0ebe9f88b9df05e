"""Papers drawn flat: letters, forms, tables, receipts, notes by hand, identity cards, with nobody's words on them.

Words are random letters: a detector needs the look of writing, not its meaning.
"""

from itertools import pairwise

import cv2
import heads
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from plates import Fonts

Bgr = NDArray[np.uint8]
Tone = tuple[int, int, int]
# Picture, how much of each pixel covers what lies behind, box of what is meant in it, centimetres from top to bottom
Sheet = tuple[Bgr, NDArray[np.float32], NDArray[np.float32], float]
_LONG = 300  # pixels of the longer side
_FAINT = (232, 236, 238)


def draw(rng: Generator, fonts: Fonts, figures: list[heads.Figure]) -> Sheet:
    """One paper; photographs of people on cards come from `figures`."""
    kind = rng.choice(["page", "form", "table", "receipt", "note", "card"], p=[0.2, 0.17, 0.09, 0.12, 0.12, 0.3])
    if kind == "card":
        return _card(rng, fonts, figures)
    ratio = {"receipt": rng.uniform(2.0, 4.0), "note": rng.uniform(0.8, 1.6)}.get(str(kind), rng.uniform(1.25, 1.45))
    wide, high = (round(_LONG / ratio), _LONG) if ratio > 1 else (_LONG, round(_LONG * ratio))
    if kind == "table" and rng.random() < 0.4:
        wide, high = high, wide
    face = Image.new("RGB", (wide, high), _ground(rng))
    {"page": _page, "form": _form, "table": _table, "receipt": _receipt, "note": _note}[str(kind)](rng, face, fonts)
    tall = {"receipt": 15.0, "note": 14.0}.get(str(kind), 28.0)
    return _done(rng, face, tall)


def words(rng: Generator, count: int) -> str:
    """`count` words of random letters."""
    made = ["".join(chr(int(v)) for v in rng.integers(97, 123, int(rng.integers(1, 10)))) for _ in range(count)]
    return " ".join(w.capitalize() if rng.random() < 0.15 else w for w in made)


def font(rng: Generator, fonts: Fonts, size: float) -> ImageFont.FreeTypeFont:
    """Any face for small words, `size` pixels high."""
    return ImageFont.truetype(str(fonts.small[int(rng.integers(len(fonts.small)))]), max(6, round(size)))


def _ground(rng: Generator) -> Tone:
    if rng.random() < 0.12:  # yellow, pink, green, blue: a copy, a ticket, a citation
        return tuple(int(v) for v in rng.integers(170, 250, 3))  # type: ignore[return-value]
    grey = int(rng.integers(222, 254))
    return grey, grey, grey - int(rng.integers(0, 16))


def _ink(rng: Generator) -> Tone:
    if rng.random() < 0.15:
        return int(rng.integers(0, 60)), int(rng.integers(0, 80)), int(rng.integers(110, 190))
    return (int(rng.integers(10, 80)),) * 3


def _lines(rng: Generator, face: Image.Image, fonts: Fonts, box: tuple[float, float, float, float]) -> None:
    """Lines of words in `box`, with paragraphs."""
    pen, ink, size = ImageDraw.Draw(face), _ink(rng), rng.uniform(7, 12)
    face_of = font(rng, fonts, size)
    x0, y, x1, y1 = box
    while y < y1 - size:
        if rng.random() < 0.12:
            y += size
        share = rng.uniform(0.3, 0.9) if rng.random() < 0.25 else 1.0
        line = words(rng, 12)[: max(3, int((x1 - x0) * share / (size * 0.5)))]
        pen.text((x0, y), line, ink, face_of)
        y += size * rng.uniform(1.2, 1.4)


def _title(rng: Generator, face: Image.Image, fonts: Fonts) -> float:
    """A heading, perhaps with a seal or a coloured bar; where it ends."""
    pen, wide = ImageDraw.Draw(face), face.width
    tone = tuple(int(v) for v in rng.integers(0, 190, 3))
    if rng.random() < 0.3:
        pen.rectangle((0, 0, wide, rng.uniform(14, 34)), fill=tone)
    if rng.random() < 0.35:
        x, y, r = rng.uniform(16, wide - 30), rng.uniform(20, 34), rng.uniform(8, 16)
        pen.ellipse((x - r, y - r, x + r, y + r), outline=tone, width=3)
    size = rng.uniform(11, 22)
    pen.text((rng.uniform(10, 50), rng.uniform(10, 26)), words(rng, 3), _ink(rng), font(rng, fonts, size))
    return float(rng.uniform(44, 70))


def _page(rng: Generator, face: Image.Image, fonts: Fonts) -> None:
    top = _title(rng, face, fonts) if rng.random() < 0.7 else rng.uniform(10, 30)
    edge = rng.uniform(8, 28)
    _lines(rng, face, fonts, (edge, top, face.width - edge, face.height - rng.uniform(8, 90)))
    if rng.random() < 0.3:
        _scrawl(rng, face, (edge, face.height - 40))


def _form(rng: Generator, face: Image.Image, fonts: Fonts) -> None:
    """Boxes with small names in the corner, some filled in by hand or by machine."""
    pen, y = ImageDraw.Draw(face), _title(rng, face, fonts)
    small, large, ink = font(rng, fonts, 6), font(rng, fonts, rng.uniform(9, 13)), _ink(rng)
    edge, step = rng.uniform(6, 16), rng.uniform(16, 28)
    while y < face.height - step:
        cuts = np.sort(rng.uniform(edge + 10, face.width - edge - 10, int(rng.integers(0, 4))))
        ends = [edge, *cuts, face.width - edge]
        for x0, x1 in pairwise(ends):
            pen.rectangle((x0, y, x1, y + step), outline=(90, 90, 90))
            pen.text((x0 + 2, y), words(rng, 1), (90, 90, 90), small)
            if rng.random() < 0.65:
                pen.text((x0 + 4, y + step * 0.35), words(rng, 2)[: max(2, int((x1 - x0) / 7))], ink, large)
        y += step if rng.random() < 0.85 else step * 1.6


def _table(rng: Generator, face: Image.Image, fonts: Fonts) -> None:
    pen, top, ink = ImageDraw.Draw(face), _title(rng, face, fonts), _ink(rng)
    step, columns = rng.uniform(10, 18), int(rng.integers(3, 7))
    letters = font(rng, fonts, step * 0.7)
    for row, y in enumerate(np.arange(top, face.height - step, step)):
        if row % 2 and rng.random() < 0.7:
            pen.rectangle((8, y, face.width - 8, y + step), fill=(214, 220, 228))
        for c in range(columns):
            x = 10 + c * (face.width - 20) / columns
            pen.text((x, y), words(rng, 1)[: int(120 / columns)], ink, letters)
    if rng.random() < 0.5:
        for c in range(columns + 1):
            x = 8 + c * (face.width - 16) / columns
            pen.line((x, top, x, face.height - 12), fill=(140, 140, 140))


def _receipt(rng: Generator, face: Image.Image, fonts: Fonts) -> None:
    pen, ink, y = ImageDraw.Draw(face), _ink(rng), 10.0
    size = face.width / rng.uniform(9, 16)
    letters = font(rng, fonts, size)
    while y < face.height - size:
        if rng.random() < 0.08:
            for x in np.arange(10, face.width - 10, 4):  # a bar code
                if rng.random() < 0.6:
                    pen.rectangle((x, y, x + rng.uniform(1, 3), y + size * 2), fill=ink)
            y += size * 2
        else:
            pen.text((8, y), words(rng, 2)[:11], ink, letters)
            if rng.random() < 0.6:
                pen.text((face.width * 0.72, y), f"{rng.integers(1, 99)}.{rng.integers(10, 99)}", ink, letters)
        y += size * rng.uniform(1.15, 1.6)


def _note(rng: Generator, face: Image.Image, fonts: Fonts) -> None:
    """Written by hand, on lines or not."""
    pen, step = ImageDraw.Draw(face), rng.uniform(14, 26)
    if rng.random() < 0.6:
        for y in np.arange(step, face.height, step):
            pen.line((0, y, face.width, y), fill=(170, 190, 220))
    for y in np.arange(step, face.height - step, step):
        if rng.random() < 0.8:
            _scrawl(rng, face, (rng.uniform(8, 30), y), face.width * rng.uniform(0.3, 0.9), step * 0.35)


def _scrawl(rng: Generator, face: Image.Image, at: tuple[float, float], wide: float = 80.0, high: float = 8.0) -> None:
    count = max(8, int(wide / 3))
    x = at[0] + np.cumsum(rng.uniform(0.5, 1.5, count)) * wide / count
    y = at[1] + rng.normal(0, high * 0.5, count)
    tone = (int(rng.integers(10, 70)), int(rng.integers(10, 70)), int(rng.integers(20, 170)))
    ImageDraw.Draw(face).line([(float(a), float(b)) for a, b in zip(x, y, strict=True)], fill=tone, width=2)


def _card(rng: Generator, fonts: Fonts, figures: list[heads.Figure]) -> Sheet:
    """A licence, a badge on a ribbon, a bank card, a business card: colours, a photograph, a few words."""
    upright = rng.random() < 0.35
    wide, high = (190, 300) if upright else (300, 190)
    top, low = rng.integers(120, 256, 3), rng.integers(170, 256, 3)
    if rng.random() < 0.5:  # white, or nearly
        top, low = (rng.integers(205, 250) + rng.normal(0, 5, 3) for _ in range(2))
    elif rng.random() < 0.3:
        top, low = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    share = np.linspace(0, 1, high)[:, None, None]
    rows = np.broadcast_to(top * (1 - share) + low * share, (high, wide, 3))
    face = Image.fromarray(np.ascontiguousarray(rows).astype(np.uint8))
    pen, dark = ImageDraw.Draw(face), int(np.mean(low)) > 110
    ink: Tone = _ink(rng) if dark else (240, 240, 240)
    if rng.random() < 0.7:
        pen.rectangle((0, 0, wide, rng.uniform(20, 60)), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    pen.text((rng.uniform(8, 60), 8), words(rng, 2)[:16], _FAINT if rng.random() < 0.5 else ink, font(rng, fonts, 22))
    x_text = 14.0
    if rng.random() < 0.75:
        tall = rng.uniform(0.42, 0.6) * (high if not upright else high * 0.75)
        x, y = (wide * rng.uniform(0.25, 0.4), high * 0.24) if upright else (rng.uniform(8, 24), rng.uniform(44, 64))
        photo = _portrait(rng, figures, (round(tall * 0.8), round(tall)))
        face.paste(photo, (round(x), round(y)))
        if not upright:
            x_text = x + tall * 0.8 + 12
    y = high * 0.68 if upright else 52.0
    while y < high - 14:
        size = rng.uniform(9, 19)
        pen.text((x_text, y), words(rng, 2)[: max(3, int((wide - x_text) / size / 0.55))], ink, font(rng, fonts, size))
        y += size * rng.uniform(1.15, 1.5)
    return _done(rng, face, 8.6 if upright else 5.4, rounded=14)


def _portrait(rng: Generator, figures: list[heads.Figure], size: tuple[int, int]) -> Image.Image:
    bgr, mask, _ = figures[int(rng.integers(len(figures)))] if figures and rng.random() < 0.8 else heads.draw(rng)
    ground = rng.integers(120, 250, 3).astype(np.float32)
    shown = bgr * mask[..., None] + ground * (1 - mask[..., None])
    small = cv2.resize(np.clip(shown, 0, 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    return Image.fromarray(np.ascontiguousarray(small[:, :, ::-1]))


def _done(rng: Generator, face: Image.Image, tall: float, rounded: float = 0.0) -> Sheet:
    """With folds, creases and shade; all of it is meant."""
    bgr = np.asarray(face, np.float32)[:, :, ::-1].copy()
    high, wide = bgr.shape[:2]
    if not rounded and rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 4))):  # folds: one side darker
            along = rng.random() < 0.5
            at = rng.uniform(0.2, 0.8) * (high if along else wide)
            ramp = 1 - rng.uniform(0.04, 0.25) * np.exp(
                -np.clip(np.arange(high if along else wide) - at, 0, None) / rng.uniform(6, 60)
            ) * (np.arange(high if along else wide) >= at)
            bgr *= (ramp[:, None] if along else ramp[None, :])[..., None].astype(np.float32)
    mask = np.ones((high, wide), np.float32)
    if rounded:
        mask = corners((high, wide), rounded)
    return np.clip(bgr, 0, 255).astype(np.uint8), mask, np.float32([0, 0, wide, high]), tall


def corners(shape: tuple[int, int], radius: float) -> NDArray[np.float32]:
    """A mask of `shape` with round corners."""
    high, wide = shape
    y, x = np.ogrid[:high, :wide]
    far_x = np.clip(np.abs(x - (wide - 1) / 2) - (wide / 2 - radius), 0, None)
    far_y = np.clip(np.abs(y - (high - 1) / 2) - (high / 2 - radius), 0, None)
    return np.clip(radius - np.sqrt(far_x**2 + far_y**2) + 0.5, 0, 1).astype(np.float32)
