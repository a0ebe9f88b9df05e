"""One custody event as the projection reads it, and the statements that it causes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from bwc.canonical import canonical

Value: TypeAlias = str | int | None


class Change(NamedTuple):
    """One SQL statement and its values."""

    sql: str
    values: tuple[Value, ...]


class Act(NamedTuple):
    """A parsed event and, where somebody could open it, its private body."""

    event: Mapping[str, Any]
    facts: Mapping[str, Any]
    body: Mapping[str, Any] | None
    seq: int
    at: str
    actor: str
    item: str | None

    @property
    def is_unread(self) -> bool:
        """Whether there is a private body that nobody here could open."""
        return self.body is None and self.event["body"] is not None

    def told(self, name: str) -> Any:
        """What the private body says; None without it."""
        return None if self.body is None else self.body.get(name)

    def listed(self, name: str) -> Sequence[Any]:
        value = self.told(name)
        return value if isinstance(value, list) else ()


def json_text(value: Any) -> str:
    """Canonical JSON as text, as the tables keep it."""
    return canonical(value).decode("utf-8")
