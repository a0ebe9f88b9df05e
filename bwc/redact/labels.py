"""Words on covers: the class or the exemption of what is hidden, so that a viewer sees why. Pure arithmetic, no pixels.

A label depends on the cover's box and the plan's words alone, never on what is under the cover. It is drawn into the luma of
a solid cover, letters of 5 x 7 points, as large as they fit, and left out where they do not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bwc.redact.plan_effect import Box

MARGIN = 12  # pixels of the cover that stay free on every side: the check must see that it is flat
_INK = 160  # levels (of 8 bits) between cover and letters
_LARGEST = 4  # pixels of a point
_WIDE, _HIGH, _STEP, _LINE = 5, 7, 6, 9  # points of a letter, to the next letter, to the next line
_MOST = 40  # characters

# Seven rows of five points each, as hexadecimal numbers, the leftmost point the highest bit
_LETTERS = {
    "A": "0E11111F111111",
    "B": "1E11111E11111E",
    "C": "0E11101010110E",
    "D": "1E11111111111E",
    "E": "1F10101E10101F",
    "F": "1F10101E101010",
    "G": "0E11101711110F",
    "H": "1111111F111111",
    "I": "0E04040404040E",
    "J": "0702020202120C",
    "K": "11121418141211",
    "L": "1010101010101F",
    "M": "111B1515111111",
    "N": "11111915131111",
    "O": "0E11111111110E",
    "P": "1E11111E101010",
    "Q": "0E11111115120D",
    "R": "1E11111E141211",
    "S": "0F10100E01011E",
    "T": "1F040404040404",
    "U": "1111111111110E",
    "V": "11111111110A04",
    "W": "1111111515150A",
    "X": "11110A040A1111",
    "Y": "1111110A040404",
    "Z": "1F01020408101F",
    "0": "0E11131519110E",
    "1": "040C040404040E",
    "2": "0E11010204081F",
    "3": "1F02040201110E",
    "4": "02060A121F0202",
    "5": "1F101E0101110E",
    "6": "0608101E11110E",
    "7": "1F010204080808",
    "8": "0E11110E11110E",
    "9": "0E11110F01020C",
    ".": "00000000000C0C",
    ",": "000000000C0408",
    "-": "0000001F000000",
    "_": "0000000000001F",
    "(": "02040808080402",
    ")": "08040202020408",
    "/": "00010204081000",
    ":": "000C0C000C0C00",
    "§": "0E100E110E010E",
}


class Labels(StrEnum):
    """What is written on covers."""

    NONE = "none"
    CLASS = "class"
    EXEMPTION = "exemption"


@dataclass(frozen=True, slots=True)
class Label:
    """Words in lines within `box`, each point of a letter `scale` pixels wide and high."""

    box: Box
    lines: tuple[str, ...]
    scale: int

    def points(self) -> list[list[bool]]:
        """Which points of `box` are ink, in rows; each is `scale` pixels square."""
        wide = (self.box[2] - self.box[0]) // self.scale
        rows: list[list[bool]] = []
        for number, line in enumerate(self.lines):
            rows += [[False] * wide for _ in range(_LINE - _HIGH)] if number else []
            for row in range(_HIGH):
                inked = [bit for letter in line for bit in (*_row(letter, row), False)][:-1]
                left = (wide - len(inked)) // 2
                rows.append([False] * left + inked + [False] * (wide - left - len(inked)))
        return rows


def placed(covers: Iterable[tuple[Box, str]]) -> tuple[Label, ...]:
    """A label in the middle of each cover (box, words) that has room, unless an earlier one is in the way."""
    found: list[Label] = []
    for box, words in covers:
        label = _fit(box, _clean(words))
        if label is not None and not any(_touch(label.box, other.box) for other in found):
            found.append(label)
    return tuple(found)


def ink_on(luma: int) -> int:
    """The luma (of 8 bits) of letters on a cover of that luma."""
    return min(235, luma + _INK) if luma < 128 else max(16, luma - _INK)


def _clean(words: str) -> list[str]:
    return "".join(one if one in _LETTERS else " " for one in words.upper()[:_MOST]).split()


def _fit(box: Box, words: list[str]) -> Label | None:
    wide, high = box[2] - box[0] - 2 * MARGIN, box[3] - box[1] - 2 * MARGIN
    for scale in range(_LARGEST, 0, -1):
        lines = _wrapped(words, (wide // scale + 1) // _STEP)
        if not lines:
            continue
        size = (max(len(line) for line in lines) * _STEP - 1) * scale, (len(lines) * _LINE - (_LINE - _HIGH)) * scale
        if size[1] <= high:
            x0, y0 = (box[0] + box[2] - size[0]) // 2, (box[1] + box[3] - size[1]) // 2
            return Label((x0, y0, x0 + size[0], y0 + size[1]), lines, scale)
    return None


def _wrapped(words: list[str], most: int) -> tuple[str, ...]:
    """`words` in lines of at most `most` characters; nothing where one of them is longer."""
    lines: list[str] = []
    for word in words:
        if len(word) > most:
            return ()
        if lines and len(lines[-1]) + 1 + len(word) <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return tuple(lines)


def _row(letter: str, row: int) -> list[bool]:
    if letter == " ":
        return [False] * _WIDE
    bits = int(_LETTERS[letter][2 * row : 2 * row + 2], 16)
    return [bool(bits >> place & 1) for place in range(_WIDE - 1, -1, -1)]


def _touch(one: Box, other: Box) -> bool:
    free = MARGIN
    return (
        one[0] < other[2] + free and other[0] < one[2] + free and one[1] < other[3] + free and other[1] < one[3] + free
    )
