"""How the name of a card's folder says whose it is: `{camera}_{officer}` reads `X81234_B1234`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bwc.errors import UsageError

FIELDS = ("officer", "camera", "case", "category")


@dataclass(frozen=True, slots=True)
class Layout:
    """A pattern of literal text and `{field}`s; a field is as short as it can be and never empty."""

    text: str
    pattern: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "Layout":
        """Raises `UsageError` for a field we do not know, one given twice, or none."""
        parts = re.split(r"\{(\w*)\}", text)
        fields, out = parts[1::2], re.escape(parts[0])
        unknown = [one for one in fields if one not in FIELDS]
        if unknown or not fields or len(set(fields)) != len(fields) or "{" in "".join(parts[0::2]):
            raise UsageError(f"{text!r} is no layout", "{officer}, {camera}, {case}, {category}, each once at most")
        for field, literal in zip(fields, parts[2::2], strict=True):
            out += f"(?P<{field}>.+?){re.escape(literal)}"
        return cls(text, re.compile(out + r"\Z"))

    def read(self, name: str) -> dict[str, str]:
        """What `name` says. Raises `UsageError` when it is of another form."""
        match = self.pattern.match(name)
        if not match:
            raise UsageError(f"the folder's name {name} is not like {self.text}", "rename it, or change --layout")
        return {field: value.strip() for field, value in match.groupdict().items()}

    @staticmethod
    def need(said: Mapping[str, str], field: str, name: str) -> str:
        """The field, which somebody must have said."""
        value = said.get(field)
        if not value:
            hint = f"--{field} ID for all cards, or --layout with {{{field}}} in it"
            raise UsageError(f"nobody says which {field} the card {name} is of", hint)
        return value
