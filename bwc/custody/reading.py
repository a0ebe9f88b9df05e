"""What is known of a vault: items, objects, documents, trails, keys, policy. Reading needs no door."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from bwc.anchors.proof import make_proof
from bwc.appending.log import Log
from bwc.audit.event import Entry, parse_entry
from bwc.canonical import Json
from bwc.config import Places
from bwc.custody.log_copy import LOG_KEY
from bwc.custody.shelf import LogShelf
from bwc.enrolment import log_vkey
from bwc.errors import Disposed, IntegrityError, KeyUnavailable, NotFound, NoVault, UsageError
from bwc.evidence import ItemId, KeyId, ObjectId, ObjectRole, SealedObject
from bwc.identities import Operator
from bwc.recording import Gap
from bwc.roles import Policy, Role
from bwc.storage.body import open_body, open_salted_body
from bwc.storage.catalog import Catalog, DocumentRow, ItemRow
from bwc.storage.fsops import Disk
from bwc.storage.retention_tables import DestroyedBody, DestroyedObject, OrderRow
from bwc.storage.rows import ApprovalRow, ItemFilter, OperatorRow, SegmentRow
from bwc.storage.store import Shelf
from bwc.storage.stores import MARK
from bwc.storage.telling import content_salt_of
from bwc.storage.vault import Vault

BACKUP_NOTE = "backup.json"
BACKUP_FORMAT = "bwc.backup/1"
_T = TypeVar("_T")
_ENOUGH = 4  # characters of an item id that a person has to type


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEvent:
    """One event of an item's chain of custody; `private` is None where this reader has no key, or it was erased.

    `actor` and `roles` are the name and the roles that the key had then.
    """

    seq: int
    at: str
    kind: str
    item: ItemId | None
    actor: str
    roles: tuple[str, ...]
    key: str
    outcome: str
    facts: Mapping[str, Any]
    private: Mapping[str, Any] | None
    is_erased: bool = False  # its private part was destroyed by order

    def to_json(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "at": self.at,
            "erased": self.is_erased,
            "facts": dict(self.facts),
            "item": self.item,
            "key": self.key,
            "kind": self.kind,
            "outcome": self.outcome,
            "private": None if self.private is None else dict(self.private),
            "roles": list(self.roles),
            "seq": self.seq,
        }


class Reading:
    """A vault opened to read."""

    def __init__(self, places: Places, operator: Operator | None) -> None:
        self.places = places
        self.operator = operator
        self._disk = Disk(places.vault)
        for name, what in ((BACKUP_NOTE, "a backup"), (MARK, "a further store")):
            if self._disk.size(name) is not None:
                # acting there would begin a second history of the same log
                raise UsageError(f"{places.vault} is {what}, not a vault", f"bwc restore {places.vault} NEW_FOLDER")
        self.log_origin, self.vkey = log_vkey(self.log_key_file())
        self._vault = Vault.at(places.vault, log=self.log_origin, disk=self._disk)
        self._catalog = Catalog(places.catalog, read_only=operator is None)
        self._log = Log(self.log_origin, LogShelf(self._disk), self._catalog)
        self._enrolments: dict[str, list[int]] = {}
        self._titles: dict[tuple[str, int], tuple[str | None, tuple[str, ...]]] = {}

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
        return self._catalog.founding().agency

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._catalog.policy()

    def operators(self) -> list[OperatorRow]:
        """Every key ever enrolled; look at `is_active`."""
        return self._catalog.operators()

    def names(self) -> dict[str, str]:
        """The names of keys, as far as they are known here."""
        return {row.key_id: row.name for row in self.operators() if row.name}

    def enrolments(self) -> list[int]:
        """The entries that enrolled somebody or gave them other roles, the founding entry among them, in order."""
        return sorted(seq for row in self.operators() for seq in self._catalog.retention.enrolments_of(row.key_id))

    def enrolments_of(self, key: str) -> list[int]:
        """The entries that enrolled a key and those it replaces, the same person's."""
        rows = {row.key_id: row for row in self.operators()}
        found: list[int] = []
        at: str | None = key
        while at is not None and at in rows:
            found += self._catalog.retention.enrolments_of(at)
            at = rows[KeyId(at)].replaces
        return found

    def roles(self) -> frozenset[Role]:
        """The roles of the key that acts; none when it is not enrolled or was revoked."""
        row = self._catalog.find_operator(self.person.key_id)
        return frozenset(map(Role, row.roles)) if row is not None and row.is_active else frozenset()

    def person_of(self, key: str) -> str:
        """The first key of the same person: rules for several people count people."""
        replaced = {row.key_id: row.replaces for row in self.operators() if row.replaces is not None}
        while key in replaced:
            key = replaced[KeyId(key)]
        return key

    # --- items ------------------------------------------------------------------------------------------

    def items(self, wanted: ItemFilter | None = None) -> list[ItemRow]:
        """What is held, newest first."""
        return self._catalog.items(wanted)

    def item(self, item: ItemId) -> ItemRow:
        """One item. Raises `NotFound`."""
        return self._catalog.item(item)

    def find(self, text: str) -> ItemId:
        """The item a person means by `text`: its id, or enough of its beginning or end. Raises `NotFound`."""
        wanted = text.strip().upper()
        matches = self._catalog.items_starting(wanted) if len(wanted) >= _ENOUGH else []
        if wanted in matches:
            return ItemId(wanted)
        if len(matches) == 1:
            return matches[0]
        if len(wanted) < _ENOUGH:
            raise NotFound(f"{text!r} is too short for an item", f"its last {_ENOUGH} characters or more: bwc list")
        raise NotFound(f"no item {text} here" if not matches else f"{len(matches)} items match {text}", "bwc list")

    def tombstone(self, item: ItemId) -> OrderRow | None:
        """The order by which an item was destroyed; None while it is held."""
        return self._catalog.retention.tombstone(item)

    def destroyed(self, item: ItemId) -> tuple[list[DestroyedObject], list[DestroyedBody]]:
        """What the log named of an item and an order destroyed."""
        tables = self._catalog.retention
        return tables.destroyed_objects(item), tables.destroyed_bodies(item)

    def _raise_if_destroyed(self, item: ItemId) -> None:
        gone = self.tombstone(item)
        if gone is not None:
            when = (gone.confirmed_at or "")[:10]
            raise Disposed(f"{item} was destroyed on {when} by order {gone.order}", f"bwc log {item}")

    def objects(self, item: ItemId) -> list[SealedObject]:
        """Every sealed object of an item, oldest first."""
        return self._catalog.objects_of(item)

    def segments(self, item: ItemId) -> list[SegmentRow]:
        """The recordings of an item in order, with what is known of them."""
        return self._catalog.segments(item)

    def files(self, item: ItemId, role: ObjectRole) -> list[SegmentRow]:
        """The recordings or the sidecars of an item."""
        return self._catalog.segments(item, role)

    def sidecar(self, item: ItemId, name: str) -> SegmentRow:
        """One sidecar of an item, by the end of its name. Raises `NotFound`."""
        self._raise_if_destroyed(item)
        rows = self.files(item, ObjectRole.SIDECAR)
        found = [row for row in rows if row.name and (row.name == name or row.name.endswith(f"/{name}"))]
        if len(found) != 1:
            names = ", ".join(row.name or "?" for row in rows) or "none"
            raise NotFound(f"{item} has no sidecar {name}; it has: {names}", f"bwc show {item}")
        return found[0]

    def segment(self, item: ItemId, segment: int) -> SegmentRow:
        """One recording of an item. Raises `NotFound`, of a destroyed item `Disposed`."""
        self._raise_if_destroyed(item)
        for row in self.segments(item):
            if row.segment == segment:
                return row
        raise NotFound(f"{item} has no recording {segment}", f"bwc show {item}")

    def video_segments(self, item: ItemId) -> list[int]:
        """Ordinals of the segments that can be read as video; one that was never indexed may be."""
        self.item(item)
        self._raise_if_destroyed(item)
        return [
            row.segment for row in self.segments(item) if row.is_readable is not False and row.media.get("frames", 1)
        ]

    def content_digest(self, item: ItemId, segment: int) -> str:
        """SHA-256 of the plaintext of one segment. Raises `KeyUnavailable` when the catalog was rebuilt without a key."""
        found = self.segment(item, segment).sha256
        if found is None:
            hint = "bwc catalog rebuild, with a records officer's key"
            raise KeyUnavailable(f"the catalog does not know the digest of {item}", hint)
        return found

    def find_content(self, sha256: str) -> list[ItemId]:
        """The items that hold these plaintext bytes already, the oldest first."""
        return list(dict.fromkeys(row.item_id for row in self._catalog.find_content(sha256)))

    def tags_of(self, item: ItemId) -> Mapping[str, str]:
        """Under what an item is held: officer, camera, case, category, as text."""
        row = self.item(item)
        return {
            "camera": row.camera or "",
            "case": ", ".join(row.case_ids),
            "category": row.category or "",
            "officer": row.officer or "",
        }

    def may_hold(self, size_bytes: int) -> bool:
        """Whether anything held may have this size."""
        return self._catalog.may_hold(size_bytes)

    def damaged(self, size_bytes: int) -> list[SegmentRow]:
        """Held recordings of this size that could not be read whole; `media["damage"]` says what is missing."""
        return self._catalog.damaged(size_bytes)

    def gaps(self, object_id: ObjectId) -> tuple[Gap, ...]:
        """The stretches of a sealed object that are zeros because the card could not be read there."""
        return self._vault.manifest(object_id).gaps

    def prove(self, item: ItemId) -> None:
        """Read every object of `item` back from the device and compare. Raises `IntegrityError`."""
        for one in self.objects(item):
            self._as_named_now(one.object_id, lambda sealed: self._vault.check(sealed, deep=True, item=item))

    # --- documents --------------------------------------------------------------------------------------

    def documents(self, item: ItemId, segment: int, role: ObjectRole, *, version: str | None = "") -> list[DocumentRow]:
        """The plans, copies or reports of one segment, newest first: of the common plan, of one version, or (None) all."""
        self._raise_if_destroyed(item)
        rows = self._catalog.documents(item, role, segment)
        return rows if version is None else [row for row in rows if row.facts.get("version", "") == version]

    def latest(self, item: ItemId, segment: int, role: ObjectRole, *, version: str = "") -> DocumentRow | None:
        """The newest of them."""
        return next(iter(self.documents(item, segment, role, version=version)), None)

    def read(self, object_id: ObjectId) -> bytes:
        """A whole small document (plan, report, sheet)."""
        with self.open_object(object_id) as source:
            return source.read()

    def open_object(self, object_id: ObjectId) -> BinaryIO:
        """The plaintext of a plan, copy, report or sheet, seekable, in memory only. Originals have a door of their own."""
        return self._as_named_now(object_id, lambda sealed: self._vault.open(sealed, self.person))

    def _as_named_now(self, object_id: ObjectId, act: Callable[[SealedObject], _T]) -> _T:
        """Do `act` with an object as the log names it: again if another process rewrapped it meanwhile."""
        while True:
            sealed = self._catalog.object(object_id).sealed
            try:
                return act(sealed)
            except IntegrityError:
                if self._catalog.object(object_id).sealed == sealed:
                    raise

    def approvals(self, copy_sha256: str) -> list[ApprovalRow]:
        """Who approved a copy."""
        return self._catalog.approvals(copy_sha256)

    # --- the log ----------------------------------------------------------------------------------------

    def entries(self) -> int:
        """How many entries the log has."""
        return self._catalog.count

    def last_at(self) -> str:
        """The time of the last event."""
        return parse_entry(self.entry(self.entries() - 1)).at

    def published(self) -> int:
        """How many of them the checkpoint holds; none before the first is signed."""
        return self._log.published()

    def checkpoint_note(self) -> bytes:
        """The published checkpoint as it was signed. Raises `NotFound` before the first."""
        return self._log.checkpoint()

    def entry(self, seq: int) -> bytes:
        """The bytes of one entry."""
        if (row := self._catalog.row(seq)) is None:
            raise NotFound(f"the log has no entry {seq}")
        return row.entry

    def proof(self, seq: int) -> bytes:
        """The tlog-proof of one entry under the published checkpoint."""
        return make_proof(LogShelf(self._disk), self._log.checkpoint(), seq).to_bytes()

    def trail(self, item: ItemId) -> list[TrailEvent]:
        """The chain of custody of one item, oldest first; private parts where this reader's key opens them."""
        self.item(item)
        self._forget_titles()  # somebody may have been enrolled since
        return [self._told(parse_entry(row.entry)) for row in self._catalog.rows_of_item(item)]

    def events(self, start: int = 0, stop: int | None = None) -> Iterator[TrailEvent]:
        """Every event of the log with start <= seq < stop, in order, as `trail` tells those of one item."""
        self._forget_titles()
        for row in self._catalog.rows(start, stop):
            yield self._told(parse_entry(row.entry))

    def _forget_titles(self) -> None:
        self._enrolments.clear()
        self._titles.clear()

    def _told(self, entry: Entry) -> TrailEvent:
        name, roles = self._enrolled_as(entry.actor, entry.seq)
        return TrailEvent(
            seq=entry.seq,
            at=entry.at,
            kind=entry.kind,
            item=None if entry.item is None else ItemId(entry.item),
            actor=name or entry.actor[:12],
            roles=roles,
            key=entry.actor,
            outcome=entry.outcome,
            facts=entry.facts,
            private=self._private(entry.body_commit),
            is_erased=entry.body_commit is not None and self._catalog.body_file(entry.body_commit) is None,
        )

    def _enrolled_as(self, key: str, seq: int) -> tuple[str | None, tuple[str, ...]]:
        """The name and the roles that a key had at an entry; each change of them is looked up once."""
        changes = self._enrolments.setdefault(key, self._catalog.retention.enrolments_of(key))
        at = bisect_right(changes, seq)
        if (key, at) not in self._titles:
            self._titles[key, at] = self._catalog.retention.enrolled_as(key, seq)
        return self._titles[key, at]

    def papers(self, item: ItemId) -> list[tuple[bytes, Mapping[str, Json] | None]]:
        """Every entry of an item's trail as it was signed, oldest first, with its salted body where this reader's key opens it."""
        self.item(item)
        return [
            (row.entry, self._private(parse_entry(row.entry).body_commit, open_salted_body))
            for row in self._catalog.rows_of_item(item)
        ]

    def manifest_file(self, object_id: ObjectId) -> bytes:
        """The signed manifest of a sealed object, as it lies in the vault."""
        return self._vault.manifest_bytes(object_id)

    def content_salt(self, object_id: ObjectId) -> str:
        """What opens an object's content commitment, beside the digest of its plaintext."""
        return self._as_named_now(object_id, lambda sealed: content_salt_of(self._vault, sealed, self.person))

    def _private(
        self, commit: str | None, opening: Callable[..., Mapping[str, Json]] = open_body
    ) -> Mapping[str, Json] | None:
        file = None if commit is None else self._catalog.body_file(commit)
        if file is None or self.operator is None:
            return None
        data = self._vault.store.get(Shelf.BODIES, file) or self._catalog.waiting_body(file)
        if data is None:  # erased by court order; whether it may be missing is for `bwc verify` to say
            return None
        with suppress(KeyUnavailable):
            return opening(data, self.operator, commit=commit, log=self.log_origin)
        return None
