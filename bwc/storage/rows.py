"""What the catalog answers with: typed rows. Times are text as `evidence.utc_text` writes it, so they sort as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from bwc.canonical import Json
from bwc.evidence import ItemId, KeyId, ObjectId, ObjectRole, SealedObject
from bwc.identities import PublicKey, Recipient


class ItemState(StrEnum):
    """How far the work on an item, or on one segment, has come: the last of these acts, in the order of the day.

    An item stands where its least advanced readable segment stands. A new plan after a release starts over.
    """

    INGESTED = "ingested"
    INDEXED = "indexed"
    DETECTED = "detected"
    REDACTED = "redacted"
    CHECKED = "checked"
    APPROVED = "approved"
    RELEASED = "released"
    DISPOSED = "disposed"  # destroyed by order; only its entries are left


STATES = tuple(ItemState)  # the catalog keeps the position in this order


class EventRow(NamedTuple):
    """One entry of the log, as the catalog keeps it. `leaf_hash` is 32 bytes (RFC 6962)."""

    seq: int
    leaf_hash: bytes
    entry: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items to list. Text is compared without regard to ASCII case; empty fields match everything."""

    case: str | None = None
    officer: str | None = None
    camera: str | None = None
    category: str | None = None
    state: ItemState | None = None
    since: str | None = None  # recorded (or, where that is unknown, ingested) at or after
    until: str | None = None  # and before
    text: str | None = None  # anywhere in item id, officer, camera, category, cases or file names
    limit: int | None = None
    disposed: bool = False  # destroyed items too; `state` finds them alone


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """One evidence item. What only a private body tells is None where no key could open it."""

    item_id: ItemId
    officer: str | None
    camera: str | None
    category: str | None
    case_ids: tuple[str, ...]
    recorded_at: str | None
    clock_offset_ms: int | None
    vendor: str | None
    source: str | None
    names: tuple[str, ...]
    ingested_at: str
    ingested_by: KeyId
    segments: int
    size_bytes: int
    gaps: int
    state: ItemState
    seq: int  # of the entry that brought it

    def to_json(self) -> dict[str, Json]:
        return {
            "camera": self.camera,
            "case_ids": list(self.case_ids),
            "category": self.category,
            "clock_offset_ms": self.clock_offset_ms,
            "gaps": self.gaps,
            "ingested_at": self.ingested_at,
            "ingested_by": self.ingested_by,
            "item": self.item_id,
            "names": list(self.names),
            "officer": self.officer,
            "recorded_at": self.recorded_at,
            "segments": self.segments,
            "seq": self.seq,
            "size_bytes": self.size_bytes,
            "source": self.source,
            "state": self.state.value,
            "vendor": self.vendor,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """One recording (role segment) or sidecar of an item. Media facts are None until indexed; `media` holds them all."""

    item_id: ItemId
    role: ObjectRole
    segment: int
    object_id: ObjectId
    name: str | None
    sha256: str | None
    size_bytes: int | None
    state: ItemState
    is_readable: bool | None
    media: Mapping[str, Json] = field(default_factory=dict)  # public and private facts of `item.indexed`, merged

    def to_json(self) -> dict[str, Json]:
        return {
            "media": dict(self.media),
            "name": self.name,
            "object": self.object_id,
            "readable": self.is_readable,
            "role": self.role.value,
            "segment": self.segment,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "state": self.state.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRow:
    """One sealed object and the act that brought it. `sha256` is its plaintext digest where the public facts tell it."""

    item_id: ItemId | None
    sealed: SealedObject
    sha256: str | None
    seq: int
    at: str
    actor: KeyId
    facts: Mapping[str, Json]  # the public facts of that act: revision, tracks, undecided, frames, suspects, …

    @property
    def object_id(self) -> ObjectId:
        return self.sealed.object_id

    @property
    def segment(self) -> int:
        return self.sealed.segment


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRow:
    """One person's approval of the digests of plan, copy and report."""

    seq: int
    item_id: ItemId
    segment: int
    plan_sha256: str
    copy_sha256: str
    report_sha256: str
    actor: KeyId
    at: str
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectRow:
    """What a person decided of one suspect of a check report; the last decision counts."""

    report_sha256: str
    suspect: str
    choice: str
    note: str | None
    actor: KeyId
    at: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRow:
    """One published release."""

    release: str
    item_id: ItemId | None
    release_sha256: str
    copies: tuple[str, ...]
    approvals: tuple[int, ...]
    request: str | None
    requester: str | None
    to_folder: str | None
    seq: int
    at: str
    actor: KeyId

    def to_json(self) -> dict[str, Json]:
        return {
            "actor": self.actor,
            "approvals": list(self.approvals),
            "at": self.at,
            "copies": list(self.copies),
            "item": self.item_id,
            "release": self.release,
            "release_sha256": self.release_sha256,
            "request": self.request,
            "requester": self.requester,
            "seq": self.seq,
            "to_folder": self.to_folder,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRow:
    """One enrolled key. The name is private: None where no key could open the enrolment's body."""

    key_id: KeyId
    key: PublicKey
    recipient: Recipient
    roles: frozenset[str]
    name: str | None
    replaces: KeyId | None  # the same person's earlier key
    enrolled_seq: int
    enrolled_at: str
    revoked_seq: int | None

    @property
    def is_active(self) -> bool:
        return self.revoked_seq is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientRow:
    """Somebody things are sealed to without being an operator, such as the printed recovery key."""

    recipient: Recipient
    purpose: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundingRow:
    """What entry 0 says of the vault."""

    agency: str
    log: str
    vkey: str
    at: str
