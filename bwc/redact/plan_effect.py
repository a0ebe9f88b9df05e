"""What a cover looks like and how far it reaches; settings too weak to hide anybody are refused."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from bwc.errors import UsageError

Box: TypeAlias = tuple[int, int, int, int]  # x0, y0, x1, y1: half-open integer pixels of the coded frame

MAX_CELLS = 4
MIN_BLUR_PERMILLE = 250
MAX_MARGIN_PERMILLE = 4000


class EffectKind(StrEnum):
    SOLID = "solid"
    MEAN = "mean"
    PIXELATE = "pixelate"
    BLUR = "blur"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How covered regions are drawn. Raises `UsageError` for a setting that can be undone.

    `margin_permille` is the share of a box's size added in all (300: 15 % on every side); `colour` is R, G, B;
    `cells` counts pixelation cells across the longer side; `blur_permille` is sigma over box width;
    `inverse` hides the whole picture but the regions a person decided to keep.
    """

    kind: EffectKind = EffectKind.SOLID
    margin_permille: int = 300
    colour: tuple[int, int, int] = (0, 0, 0)
    cells: int = MAX_CELLS
    blur_permille: int = MIN_BLUR_PERMILLE
    inverse: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.margin_permille <= MAX_MARGIN_PERMILLE:
            raise UsageError(f"margin of {self.margin_permille} per mille is not within 0 and {MAX_MARGIN_PERMILLE}")
        if len(self.colour) != 3 or not all(0 <= part <= 255 for part in self.colour):
            raise UsageError("a colour is three numbers from 0 to 255")
        # Figures: 57 faces of 37 people at 100 px, re-detected by CenterFace / YuNet, then matched to the
        # person's own photo among 57 when the matcher obfuscates its gallery alike (docs/decisions, 2026-11)
        if not 1 <= self.cells <= MAX_CELLS:
            raise UsageError(
                f"{self.cells} pixelation cells across a face can be undone: at 8 cells 56 to 100 % of faces were "
                "matched to their own photo, at 16 cells 86 to 89 % were even found again",
                f"use at most {MAX_CELLS} cells, or solid",
            )
        if not MIN_BLUR_PERMILLE <= self.blur_permille <= 4000:
            raise UsageError(
                f"a blur of {self.blur_permille} per mille of the box width can be undone: at 60 per mille all faces "
                "were found and matched again, at 100 per mille 79 % were found again",
                f"use at least {MIN_BLUR_PERMILLE} per mille, or solid",
            )

    @property
    def caveat(self) -> str | None:
        """What a person must know who chose anything but solid covers; None for solid. Figures: `tests/accuracy/attack.py`."""
        if self.kind is EffectKind.SOLID:
            return None
        return (
            f"{self.kind.value} covers are cosmetic: nobody is recognised at a glance, but who has photographs to compare "
            "can tell people apart by what is left; only solid covers leave nothing"
        )


def grow(box: Box, margin_permille: int, width: int, height: int) -> Box:
    """`box` grown by `margin_permille` of its size in all, rounded outward, clipped to the frame.

    The result starts on even pixels and ends on even ones (or the frame's edge), so that every 4:2:0 chroma
    sample it touches is covered whole.
    """
    x0, y0, x1, y1 = box
    dx = -(-(x1 - x0) * margin_permille // 2000)
    dy = -(-(y1 - y0) * margin_permille // 2000)
    return (
        max(0, x0 - dx) & ~1,
        max(0, y0 - dy) & ~1,
        min(width, (x1 + dx + 1) & ~1),
        min(height, (y1 + dy + 1) & ~1),
    )


def colour_named(text: str) -> tuple[int, int, int]:
    """R, G, B of `#RRGGBB`. Raises `UsageError`."""
    digits = text.removeprefix("#")
    if len(digits) != 6 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise UsageError(f"{text!r} is no colour", "'#RRGGBB', for example '#000000'")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
