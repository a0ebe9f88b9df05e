"""Number plates drawn flat: all US states and the Canadian provinces roughly, the EU, the UK, and plain ones.

Colours and words are those people remember, not those of the registries: a detector needs the look, not the law.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Bgr = NDArray[np.uint8]
Colour = tuple[int, int, int]  # red, green, blue
_HEIGHT = 120  # pixels of the flat plate; the widest is 4.7 times as long

_WHITE, _NAVY, _BLACK, _GREEN, _RED = (244, 244, 240), (24, 36, 92), (20, 20, 22), (14, 84, 52), (176, 24, 34)
_SKY, _SAND, _GOLD, _PEACH = (196, 222, 242), (236, 222, 182), (244, 200, 52), (248, 214, 178)
_BLUE = (30, 62, 150)
# name, words below, top colour, bottom colour, characters, name
_AMERICAN: tuple[tuple[str, str, Colour, Colour, Colour, Colour], ...] = (
    ("Alabama", "Heart of Dixie", _WHITE, _SKY, _NAVY, _RED),
    ("ALASKA", "The Last Frontier", _GOLD, _GOLD, _NAVY, _NAVY),
    ("ARIZONA", "Grand Canyon State", (150, 140, 190), _PEACH, _GREEN, _WHITE),
    ("Arkansas", "The Natural State", _WHITE, _SKY, _BLACK, _RED),
    ("California", "dmv.ca.gov", _WHITE, _WHITE, _NAVY, _RED),
    ("COLORADO", "", _GREEN, _GREEN, _WHITE, _WHITE),
    ("Connecticut", "Constitution State", (120, 160, 214), _WHITE, _NAVY, _NAVY),
    ("DELAWARE", "The First State", (16, 60, 110), (16, 60, 110), _GOLD, _GOLD),
    ("Washington, DC", "TAXATION WITHOUT", _WHITE, _WHITE, _BLUE, _RED),
    ("MYFLORIDA.COM", "Sunshine State", _WHITE, _WHITE, _GREEN, _GREEN),
    ("GEORGIA", "Peach State", _WHITE, _PEACH, _BLACK, _BLACK),
    ("HAWAII", "Aloha State", _WHITE, _WHITE, _BLACK, _RED),
    ("IDAHO", "Famous Potatoes", (214, 90, 80), _SKY, _NAVY, _NAVY),
    ("Illinois", "Land of Lincoln", _SKY, _WHITE, _RED, _NAVY),
    ("INDIANA", "In God We Trust", _SKY, _WHITE, _NAVY, _NAVY),
    ("IOWA", "POLK", _SKY, (214, 232, 214), _NAVY, _NAVY),
    ("KANSAS", "to the stars", _SKY, _SKY, _NAVY, _NAVY),
    ("Kentucky", "Bluegrass State", _WHITE, _SKY, _NAVY, _NAVY),
    ("Louisiana", "Sportsman's Paradise", _WHITE, _SAND, _NAVY, _RED),
    ("Maine", "Vacationland", _WHITE, (206, 222, 202), _BLACK, _GREEN),
    ("MARYLAND", "www.maryland.gov", _WHITE, _WHITE, _BLACK, _BLACK),
    ("Massachusetts", "The Spirit of America", _WHITE, _WHITE, _RED, _NAVY),
    ("MICHIGAN", "Pure Michigan", _WHITE, _SKY, _NAVY, _BLUE),
    ("Minnesota", "10,000 lakes", _SKY, _WHITE, _NAVY, _BLUE),
    ("MISSISSIPPI", "Hospitality State", _SAND, _WHITE, _NAVY, _NAVY),
    ("MISSOURI", "Show-Me State", _WHITE, _SKY, _NAVY, _NAVY),
    ("MONTANA", "Treasure State", _BLUE, _BLUE, _WHITE, _WHITE),
    ("NEBRASKA", "nebraska.gov", _WHITE, _SAND, _BLACK, _RED),
    ("NEVADA", "The Silver State", _SKY, _SAND, _NAVY, _NAVY),
    ("New Hampshire", "LIVE FREE OR DIE", _WHITE, (202, 226, 202), _GREEN, _GREEN),
    ("NEW JERSEY", "Garden State", (240, 226, 120), _WHITE, _BLACK, _BLACK),
    ("New Mexico", "Land of Enchantment", (64, 180, 186), (64, 180, 186), _GOLD, _GOLD),
    ("NEW YORK", "EMPIRE STATE", _GOLD, _GOLD, _NAVY, _NAVY),
    ("North Carolina", "First in Flight", _WHITE, _SKY, _NAVY, _RED),
    ("North Dakota", "Legendary", _SKY, _SAND, _NAVY, _NAVY),
    ("OHIO", "Birthplace of Aviation", _WHITE, _SKY, _NAVY, _RED),
    ("OKLAHOMA", "Explore", _SKY, _WHITE, _BLACK, _RED),
    ("Oregon", "", _SKY, (190, 206, 222), _NAVY, _NAVY),
    ("PENNSYLVANIA", "visitPA.com", _BLUE, _GOLD, _NAVY, _WHITE),
    ("Rhode Island", "Ocean State", _WHITE, _SKY, _NAVY, _NAVY),
    ("South Carolina", "While I breathe", _WHITE, _SKY, _NAVY, _NAVY),
    ("South Dakota", "Great Faces", _SKY, _SAND, _NAVY, _RED),
    ("TENNESSEE", "The Volunteer State", _WHITE, (188, 212, 178), _NAVY, _NAVY),
    ("TEXAS", "The Lone Star State", _WHITE, _WHITE, _BLACK, _BLACK),
    ("UTAH", "Life Elevated", _SKY, _PEACH, _NAVY, _NAVY),
    ("Vermont", "Green Mountain State", _GREEN, _GREEN, _WHITE, _WHITE),
    ("Virginia", "Virginia is for Lovers", _WHITE, _WHITE, _NAVY, _NAVY),
    ("WASHINGTON", "EVERGREEN STATE", _WHITE, (206, 220, 232), _NAVY, _RED),
    ("West Virginia", "Wild, Wonderful", _WHITE, _WHITE, _NAVY, _NAVY),
    ("WISCONSIN", "America's Dairyland", _WHITE, _WHITE, _BLACK, _RED),
    ("WYOMING", "", _SKY, _SAND, (92, 52, 24), (92, 52, 24)),
    ("ONTARIO", "YOURS TO DISCOVER", _WHITE, _WHITE, _BLUE, _BLUE),
    ("Québec", "Je me souviens", _WHITE, _WHITE, _BLUE, _BLUE),
    ("British Columbia", "Beautiful", _WHITE, _WHITE, _BLUE, _BLUE),
    ("Alberta", "Wild Rose Country", _WHITE, _WHITE, _RED, _RED),
    ("MANITOBA", "Friendly", _SKY, _WHITE, _BLACK, _BLACK),
    ("Saskatchewan", "Land of Living Skies", _WHITE, _WHITE, _GREEN, _GREEN),
    ("NOVA SCOTIA", "Canada's Ocean Playground", _WHITE, _WHITE, _BLUE, _BLUE),
    ("New Brunswick", "", _WHITE, _WHITE, _BLACK, _RED),
)
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_US_FORMS = (
    "LLL 0000",
    "0LLL000",
    "LLL 000",
    "000 LLL",
    "LL 00000",
    "L00 LLL",
    "000000",
    "LLL-0000",
    "LL0 0LL",
    "LLLLLL",
)
_EU_FORMS = ("LL 000 LL", "L 00 LLL", "LL-LL 0000", "0000 LLL", "L-000-LL", "LL 00 LLL", "LLL 0000", "LL 00000")
_UK_FORMS = ("LL00 LLL", "L000 LLL", "LL00LLL")


@dataclass(frozen=True, slots=True)
class Fonts:
    """Faces for the characters and for small words."""

    bold: tuple[Path, ...]
    small: tuple[Path, ...]

    @classmethod
    def find(cls, folders: list[Path]) -> "Fonts":
        """Every usable face under `folders`; the names are those of the Debian packages in README.md."""
        every = sorted({p for folder in folders for p in folder.rglob("*.[to]tf")})
        dull = ("Italic", "italic", "Oblique", "Thin", "Light", "Outline", "Math")
        upright = [p for p in every if not any(word in p.name for word in dull)]
        strong = ("Bold", "RG2014", "routed-gothic", "OSP-DIN", "Heavy", "Regular")
        bold = [p for p in upright if any(w in p.name for w in strong) and "Serif-" not in p.name]
        if not bold:
            raise FileNotFoundError("no fonts: give --fonts FOLDER")
        return cls(tuple(bold), tuple(upright))


def draw(rng: Generator, fonts: Fonts) -> Bgr:
    """One flat plate without dirt or light, `_HEIGHT` pixels high or twice that."""
    kind = rng.choice(["us", "eu", "uk", "plain", "square"], p=[0.56, 0.17, 0.08, 0.1, 0.09])
    if kind == "us":
        face = _american(rng, fonts)
    elif kind == "square":
        face = _square(rng, fonts)
    else:
        face = _long(rng, fonts, kind)
    return np.ascontiguousarray(np.asarray(face, np.uint8)[:, :, ::-1])


def _text(rng: Generator, form: str) -> str:
    pick = {"L": _LETTERS, "0": "0123456789"}
    return "".join(str(rng.choice(list(pick[c]))) if c in pick else c for c in form)


def _gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    share = np.linspace(0, 1, size[1])[:, None, None] ** 1.5
    rows = np.asarray(top) * (1 - share) + np.asarray(bottom) * share
    return Image.fromarray(np.broadcast_to(rows, (size[1], size[0], 3)).astype(np.uint8))


def _write(
    rng: Generator,
    plate: Image.Image,
    words: str,
    face: Path,
    /,
    *,
    box: tuple[float, float, float, float],
    ink: Colour,
) -> None:
    """`words` pressed into `box` (x0, y0, x1, y1), as tall and as wide as it, with a lit edge as of a die."""
    font = ImageFont.truetype(str(face), 90)
    left, top, right, bottom = font.getbbox(words)
    glyphs = Image.new("L", (max(1, int(right - left)), max(1, int(bottom - top))), 0)
    ImageDraw.Draw(glyphs).text((-left, -top), words, 255, font)
    x0, y0, x1, y1 = (round(v) for v in box)
    mask = glyphs.resize((max(1, x1 - x0), max(1, y1 - y0)), Image.Resampling.BILINEAR)
    if y1 - y0 > 40 and rng.random() < 0.6:
        plate.paste((255, 255, 255), (x0 - 1, y0 - 1), mask.point(lambda v: v // 2))
        plate.paste((60, 60, 60), (x0 + 2, y0 + 2), mask.point(lambda v: v // 3))
    plate.paste(ink, (x0, y0), mask)


def _rim(rng: Generator, plate: Image.Image, ink: Colour) -> Image.Image:
    if rng.random() < 0.5:
        ImageDraw.Draw(plate).rounded_rectangle(
            (2, 2, plate.width - 3, plate.height - 3), 9, outline=ink, width=int(rng.integers(2, 5))
        )
    return plate


def _american(rng: Generator, fonts: Fonts) -> Image.Image:
    name, motto, top, bottom, ink, name_ink = _AMERICAN[int(rng.integers(len(_AMERICAN)))]
    if rng.random() < 0.12:  # vanity, veteran, dealer: any colours
        top = tuple(int(v) for v in rng.integers(150, 256, 3))  # type: ignore[assignment]
        bottom = tuple(int(v) for v in rng.integers(120, 256, 3))  # type: ignore[assignment]
    wide, high = _HEIGHT * 2, _HEIGHT
    plate = _gradient((wide, high), top, bottom)
    for _ in range(int(rng.integers(0, 3))):  # hills, trees, a skyline: faint shapes behind the characters
        tint = tuple(int(v) for v in rng.integers(120, 250, 3))
        x, y = float(rng.uniform(-40, wide)), float(rng.uniform(20, high))
        wash = Image.new("L", plate.size, 0)
        ImageDraw.Draw(wash).ellipse((x, y, x + rng.uniform(30, 160), y + rng.uniform(10, 60)), 90)
        plate.paste(tint, (0, 0), wash)
    words = _text(rng, str(rng.choice(_US_FORMS)))
    span = wide * min(0.9, 0.13 * len(words) * rng.uniform(0.88, 1.02))
    x0 = (wide - span) / 2
    _write(rng, plate, words, _pick(rng, fonts.bold), box=(x0, high * 0.27, x0 + span, high * 0.79), ink=ink)
    name_wide = wide * rng.uniform(0.3, 0.55)
    x0 = (wide - name_wide) / 2
    _write(rng, plate, name, _pick(rng, fonts.small), box=(x0, high * 0.06, x0 + name_wide, high * 0.2), ink=name_ink)
    if motto and rng.random() < 0.8:
        x0 = wide * rng.uniform(0.2, 0.3)
        _write(rng, plate, motto, _pick(rng, fonts.small), box=(x0, high * 0.85, wide - x0, high * 0.95), ink=name_ink)
    pen = ImageDraw.Draw(plate)
    for x, y in ((0.16, 0.09), (0.84, 0.09), (0.16, 0.91), (0.84, 0.91)):
        if rng.random() < 0.6:
            pen.ellipse((x * wide - 5, y * high - 4, x * wide + 5, y * high + 4), fill=(70, 70, 70))
    for x in (0.02, 0.88):
        if rng.random() < 0.4:  # month and year
            pen.rectangle((x * wide, 6, x * wide + 24, 22), fill=tuple(int(v) for v in rng.integers(20, 250, 3)))
    return _holder(rng, plate) if rng.random() < 0.4 else _rim(rng, plate, ink)


def _holder(rng: Generator, plate: Image.Image) -> Image.Image:
    """A dealer's frame: it covers the rim and often the small words."""
    shade = int(rng.choice([18, 30, 60, 190, 220]))
    pen, low, high = ImageDraw.Draw(plate), int(rng.integers(8, 24)), int(rng.integers(6, 20))
    for box in (
        (0, 0, plate.width, high),
        (0, plate.height - low, plate.width, plate.height),
        (0, 0, 7, plate.height),
        (plate.width - 7, 0, plate.width, plate.height),
    ):
        pen.rectangle(box, fill=(shade, shade, shade))
    return plate


def _long(rng: Generator, fonts: Fonts, kind: str) -> Image.Image:
    wide = round(_HEIGHT * rng.uniform(4.2, 4.7)) if kind != "plain" else round(_HEIGHT * rng.uniform(2.2, 4.6))
    ground: Colour = _WHITE
    if kind == "uk" and rng.random() < 0.5:
        ground = (246, 206, 40)
    if kind == "plain":
        ground = (_WHITE, _GOLD, _BLACK, _RED, _BLUE, _WHITE)[int(rng.integers(6))]
    ink = _WHITE if sum(ground) < 300 else (_BLACK, _BLACK, _NAVY)[int(rng.integers(3))]
    plate = Image.new("RGB", (wide, _HEIGHT), ground)
    left = 0.05
    if kind == "eu" or rng.random() < 0.3:
        pen, left = ImageDraw.Draw(plate), 0.13
        pen.rectangle((0, 0, wide * 0.1, _HEIGHT), fill=(0, 60, 160))
        pen.ellipse((wide * 0.03, 20, wide * 0.07, 48), outline=_GOLD, width=3)
        _write(rng, plate, "D", _pick(rng, fonts.bold), box=(wide * 0.035, 70, wide * 0.065, 100), ink=_WHITE)
    form = str(rng.choice(_UK_FORMS if kind == "uk" else _EU_FORMS))
    face, high = _pick(rng, fonts.bold), rng.uniform(0.14, 0.2)
    words = _text(rng, form)
    _write(rng, plate, words, face, box=(wide * left, _HEIGHT * high, wide * 0.95, _HEIGHT * (1 - high)), ink=ink)
    return _rim(rng, plate, ink)


def _square(rng: Generator, fonts: Fonts) -> Image.Image:
    """Two rows: motorcycles, off-road cars, lorries."""
    high, wide = _HEIGHT, round(_HEIGHT * rng.uniform(1.1, 1.6))
    ground = (_WHITE, _GOLD, _WHITE, _BLACK)[int(rng.integers(4))]
    ink = _WHITE if sum(ground) < 300 else _BLACK
    plate, face = Image.new("RGB", (wide, high), ground), _pick(rng, fonts.bold)
    for low, form in ((0.1, "LL 00"), (0.54, "LLL")):
        words = _text(rng, form if rng.random() < 0.6 else "0000")
        _write(rng, plate, words, face, box=(wide * 0.12, high * low, wide * 0.88, high * (low + 0.36)), ink=ink)
    return _rim(rng, plate, ink)


def _pick(rng: Generator, faces: tuple[Path, ...]) -> Path:
    return faces[int(rng.integers(len(faces)))]


def wear(rng: Generator, plate: Bgr) -> Bgr:
    """Dirt, shade, a cover's glare, fading: what the weather and the sun do before a camera looks."""
    high, wide = plate.shape[:2]
    face = plate.astype(np.float32)
    if rng.random() < 0.45:
        spots = rng.random((max(2, high // 12), max(2, wide // 12))).astype(np.float32)
        mud = np.clip(
            cv2.resize(spots, (wide, high), interpolation=cv2.INTER_CUBIC) * 1.6 - rng.uniform(0.7, 1.3), 0, 0.8
        )
        face = face * (1 - mud[..., None]) + np.float32([60, 80, 96]) * mud[..., None]
    if rng.random() < 0.35:  # shade of a boot lid or a tow ball
        mask = np.ones((high, wide), np.float32)
        edge = int(high * rng.uniform(0.1, 0.8))
        mask[: edge if rng.random() < 0.7 else high, : int(wide * rng.uniform(0.3, 1.0))] = rng.uniform(0.3, 0.7)
        face *= cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 6))[..., None]
    if rng.random() < 0.2:
        glare = np.zeros((high, wide), np.float32)
        centre = (int(rng.integers(wide)), int(rng.integers(high)))
        cv2.ellipse(
            glare,
            centre,
            (int(wide * rng.uniform(0.1, 0.4)), int(high * 0.4)),
            float(rng.uniform(0, 180)),
            0,
            360,
            1,
            -1,
        )
        face += 200 * cv2.GaussianBlur(glare, (0, 0), high * 0.12)[..., None]
    fade = rng.uniform(0.55, 1.0)
    return np.asarray(np.clip((face - 128) * fade + 128 - 60 * (1 - fade), 0, 255), np.uint8)
