"""Who reads footage at each entry of a log, and whether an envelope names anybody else. Ids are in the clear; no key is needed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bwc.audit.event import Entry
from bwc.errors import IntegrityError
from bwc.evidence import EventKind, Outcome
from bwc.roles import Policy, footage_readers

_RULES = ("vault.", "key.", "recipient.", "policy.")


class Readers:
    """Takes the entries of a log in order; `now` are the recipients that footage is sealed to after the last of them."""

    def __init__(self) -> None:
        self.now: frozenset[str] = frozenset()
        self._roles: dict[str, frozenset[str]] = {}
        self._recipient_of: dict[str, str] = {}
        self._others: set[str] = set()
        self._policy = Policy()
        self._former: Counter[str] = Counter()  # who reads footage no more: envelopes that name them

    def take(self, entry: Entry) -> None:
        """Let an entry take effect; whether it was permitted is said by steps 6 and 7."""
        if not entry.kind.startswith(_RULES) or entry.outcome != Outcome.OK:
            return
        try:
            self._take(entry, entry.facts)
        except (KeyError, TypeError):
            return  # of another shape: steps 6 and 7 name it

    def _take(self, entry: Entry, facts: Mapping[str, Any]) -> None:
        if entry.kind in (EventKind.VAULT_CREATED, EventKind.KEY_ENROLLED, EventKind.KEY_ROTATED):
            operator = facts["operator"]
            self._roles[operator["key"]] = frozenset(operator["roles"])
            self._recipient_of[operator["key"]] = operator["recipient"]["recipient"]
        if entry.kind == EventKind.KEY_ROTATED:
            self._roles.pop(entry.actor, None)
        elif entry.kind == EventKind.KEY_REVOKED:
            self._roles.pop(facts["key"], None)
        elif entry.kind == EventKind.RECIPIENT_ADDED:
            self._others.add(facts["recipient"]["recipient"])
        elif entry.kind == EventKind.RECIPIENT_REMOVED:
            self._others.discard(facts["recipient"])
        elif entry.kind == EventKind.POLICY_SET:
            self._policy = Policy.from_json(facts["policy"])
        wanted = footage_readers(self._policy)
        self.now = frozenset(self._others).union(
            self._recipient_of[key] for key, roles in self._roles.items() if not wanted.isdisjoint(roles)
        )

    def verify_envelope(self, envelope: Mapping[str, Any], digest: str, readers: frozenset[str]) -> None:
        """After the last entry: raise `IntegrityError` for an envelope that names others than its `readers` when it was recorded."""
        wraps = envelope.get("wraps")
        if not isinstance(wraps, list) or not all(isinstance(one, dict) for one in wraps):
            raise IntegrityError(f"its envelope {digest} is wrapped to nobody")
        named = frozenset(str(one.get("recipient")) for one in wraps)
        if strangers := named - readers:
            who = ", ".join(sorted(strangers))
            raise IntegrityError(f"its envelope {digest} can be opened by {who}, no reader when it was recorded")
        self._former.update(named - self.now)

    def former(self) -> Iterator[tuple[str, str]]:
        """Recipients who lost the right to read and can still open envelopes: who, and what of it."""
        for name, count in sorted(self._former.items()):
            yield f"recipient {name}", f"reads footage no more and opens {count} of its keys still: bwc key rewrap"
