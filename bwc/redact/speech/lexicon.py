"""The words of `lexicon.toml`, as rules look them up, and how numbers are spoken."""

import tomllib
from pathlib import Path
from typing import Any

_TABLE: dict[str, Any] = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8"))


def _words(name: str) -> frozenset[str]:
    return frozenset(_TABLE["words"][name].split())


CUES: tuple[tuple[str, str], ...] = tuple((cue, kind) for kind, cues in _TABLE["cues"].items() for cue in cues)
FILLERS, STARTERS, FUNCTION_WORDS = _words("fillers"), _words("starters"), _words("function_words")
ORDINALS, SOUNDS_LIKE_DIGIT, JOINERS = _words("ordinals"), _words("sounds_like_digit"), _words("joiners")
SPELLING = _words("spelling")
STREETS, STREETS_ALONE = _words("streets"), _words("streets_alone")
TITLES, MONTHS, CAPITALS = _words("titles"), _words("months"), _words("capitals")
GIVEN, SURNAMES = _words("given"), _words("surnames")

_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
AFTER_DIGITS = {"oh": "0", "o": "0", "tree": "3"}  # everyday words unless they stand beside digits
DIGITS = {word: str(value) for value, word in enumerate(_UNITS)} | {"niner": "9", "fife": "5"} | AFTER_DIGITS
NUMBERS = (
    {word: str(value) for value, word in enumerate(_TEENS, 10)}
    | {word: str(10 * value) for value, word in enumerate(_TENS, 2)}
    | {"hundred": "00", "thousand": "000"}
)
