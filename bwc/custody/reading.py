"""What is known of a vault: items, objects, documents, trails, keys, policy. Reading needs no door."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bwc.audit.event import parse_entry
from bwc.audit.log import Log
from bwc.canonical import Json
from bwc.config import Places
from bwc.custody.shelf import LogShelf
from bwc.enrolment import log_vkey
from bwc.errors import BwcError, IntegrityError, KeyUnavailable, NotFound, NoVault
from bwc.evidence import ItemId, ObjectId, ObjectRole
from bwc.keys import Operator
from bwc.roles import Policy, Role
from bwc.storage.body import open_body
from bwc.storage.catalog import Catalog, DocumentRow, ItemRow, ObjectRow, OperatorRow
from bwc.storage.fsops import Disk
from bwc.storage.vault import Vault

LOG_KEY = "keys/log.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEvent:
    """One event of an item's chain of custody; `private` is None where this reader has no key, or it was erased."""

    seq: int
    at: str
    kind: str
    actor: str
    key: str
    outcome: str
    facts: Mapping[str, Any]
    private: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "at": self.at,
            "facts": dict(self.facts),
            "key": self.key,
            "kind": self.kind,
            "outcome": self.outcome,
            "private": None if self.private is None else dict(self.private),
            "seq": self.seq,
        }


class Reading:
    """A vault opened to read."""

    def __init__(self, places: Places, operator: Operator | None) -> None:
        self.places = places
        self.operator = operator
        self._disk = Disk(places.vault)
        self.log_origin, self.vkey = log_vkey(self.log_key_file())
        self._vault = Vault(self._disk, self.log_origin)
        self._catalog = Catalog(places.catalog)
        self._log = Log(self.log_origin, LogShelf(self._disk), self._catalog)

    def close(self) -> None:
        """Close the catalog."""
        self._catalog.close()

    def log_key_file(self) -> bytes:
        """The log's wrapped key. Raises `NoVault`."""
        data = self._disk.read(LOG_KEY)
        if data is None:
            raise NoVault(f"{self.places.vault} is not a vault", f"bwc init {self.places.vault} --agency NAME")
        return data

    @property
    def person(self) -> Operator:
        """Who acts. Raises `KeyUnavailable` when nobody unlocked a key."""
        if self.operator is None:
            raise KeyUnavailable("this needs an operator's key", "bwc unlock")
        return self.operator

    # --- people and policy ------------------------------------------------------------------------------

    @property
    def agency(self) -> str:
        """The agency's public name, from the first entry of the log."""
        return str(parse_entry(self.entry(0)).facts["agency"])

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._catalog.policy()

    def operators(self) -> list[OperatorRow]:
        """Everybody ever enrolled."""
        return self._catalog.operators()

    def roles(self) -> frozenset[Role]:
        """The roles of the key that acts; none when it is not enrolled or was revoked."""
        mine = self.person.key_id
        return frozenset(
            role for row in self.operators() if row.key_id == mine and not row.revoked for role in row.roles
        )

    # --- items ------------------------------------------------------------------------------------------

    def items(self, **filters: Any) -> list[ItemRow]:
        """What is held, newest first; filters as in `Catalog.items`."""
        return self._catalog.items(**filters)

    def item(self, item: ItemId) -> ItemRow:
        """One item. Raises `NotFound`."""
        row = self._catalog.item(item)
        if row is None:
            raise NotFound(f"no item {item} here", "bwc list")
        return row

    def find(self, text: str) -> ItemId:
        """The item a person means by `text`: its id, or enough of its end to be the only one. Raises `NotFound`."""
        wanted = text.upper()
        if self._catalog.item(ItemId(wanted)) is not None:
            return ItemId(wanted)
        matches = (
            [row.item_id for row in self._catalog.items() if row.item_id.endswith(wanted)] if len(wanted) >= 4 else []
        )
        if len(matches) == 1:
            return ItemId(matches[0])
        raise NotFound(f"no item {text} here" if not matches else f"several items end with {text}", "bwc list")

    def objects(self, item: ItemId) -> list[ObjectRow]:
        """Every sealed object of an item, oldest first."""
        return self._catalog.objects_of(item)

    def media_summary(self, item: ItemId) -> list[dict[str, Any]]:
        """What was read from each segment when it was indexed; empty while that is pending."""
        return self._catalog.media(item)

    def video_segments(self, item: ItemId) -> list[int]:
        """Ordinals of the segments that can be read as video; before indexing, every segment."""
        row = self.item(item)
        known = self.media_summary(item)
        if not known:
            return list(range(1, row.segments + 1))
        return [int(one["segment"]) for one in known if one.get("readable")]

    def content_digest(self, item: ItemId, segment: int) -> str:
        """SHA-256 of the plaintext of one segment. Raises `KeyUnavailable` when the catalog was rebuilt without a key."""
        found = self._catalog.content_digest(item, segment)
        if found is None:
            raise KeyUnavailable(
                f"the catalog does not know the digest of {item}", "bwc catalog rebuild, with a records key"
            )
        return found

    def find_content(self, sha256: str) -> ItemId | None:
        """The item that holds these plaintext bytes already."""
        return self._catalog.find_content(sha256)

    def may_hold(self, size_bytes: int) -> bool:
        """Whether anything held has this size."""
        return self._catalog.has_size(size_bytes)

    def prove(self, item: ItemId) -> None:
        """Read every object of `item` back from the device and compare. Raises `IntegrityError`."""
        for row in self.objects(item):
            self._vault.check(row.object_id, row.sealed, deep=True)

    def proven_copies(self, items: Sequence[ItemId]) -> int:
        """The fewest proven copies any of `items` has: one store, proven when it was sealed."""
        return 1 if items else 0

    # --- documents --------------------------------------------------------------------------------------

    def latest(self, item: ItemId, segment: int, role: ObjectRole) -> DocumentRow | None:
        """The newest plan, copy or report of one segment."""
        found = self._catalog.documents(item, role, segment)
        return found[0] if found else None

    def read(self, object_id: ObjectId) -> bytes:
        """A whole small document (plan, report, sheet)."""
        with self._vault.open(object_id, self.person) as source:
            return source.read()

    def open_copy(self, object_id: ObjectId) -> Any:
        """A redacted copy, seekable, in memory only."""
        return self._vault.open(object_id, self.person)

    # --- the log ----------------------------------------------------------------------------------------

    def entries(self) -> int:
        """How many entries the log has."""
        return self._catalog.count

    def published(self) -> int:
        """How many of them the checkpoint holds."""
        return self._log.size_published()

    def entry(self, seq: int) -> bytes:
        """The bytes of one entry."""
        for row in self._catalog.rows(seq, seq + 1):
            return row.entry
        raise NotFound(f"the log has no entry {seq}")

    def proof(self, seq: int) -> bytes:
        """The tlog-proof of one entry under the published checkpoint."""
        return self._log.proof(seq)

    def trail(self, item: ItemId) -> list[TrailEvent]:
        """The chain of custody of one item, oldest first; private parts where this reader's key opens them."""
        self.item(item)
        names = {row.key_id: row.name for row in self.operators()}
        events = []
        for row in self._catalog.rows_of(item):
            entry = parse_entry(row.entry)
            actor = names.get(entry.actor) or entry.actor[:12]
            private = self._private(entry.body_commit)
            events.append(
                TrailEvent(
                    seq=entry.seq,
                    at=entry.at,
                    kind=entry.kind,
                    actor=actor,
                    key=entry.actor,
                    outcome=entry.outcome,
                    facts=entry.facts,
                    private=private,
                )
            )
        return events

    def _private(self, commit: str | None) -> Mapping[str, Json] | None:
        if commit is None or self.operator is None:
            return None
        data = self._vault.get_body(commit)
        if data is None:
            return None
        try:
            return open_body(data, self.operator, commit=commit, log=self.log_origin)
        except IntegrityError:
            raise
        except BwcError:
            return None
