"""The nouns: ids, sealed objects, custody events with their kinds and outcomes, what a person decides, how a time is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

from bwc.canonical import Json
from bwc.errors import UsageError

ItemId = NewType("ItemId", str)  # 2026-1122-K4J7QX: day of intake + 30 random bits, nothing about the recording
ObjectId = NewType("ObjectId", str)  # SHA-256 of the sealed bytes, 64 hex digits
KeyId = NewType("KeyId", str)  # first 32 hex digits of SHA-256(algorithm, newline, raw public key)


class ObjectRole(StrEnum):
    """What a sealed object of an item is."""

    SEGMENT = "segment"  # a recording as the camera wrote it
    SIDECAR = "sidecar"  # a file the camera or its dock wrote beside it
    FACTS = "facts"  # media facts and raw tags read from a segment
    PLAN = "plan"  # a redaction plan, one revision
    SHEET = "sheet"  # a contact sheet (JPEG) of a plan or a copy
    COPY = "copy"  # a redacted copy
    REPORT = "report"  # a check report of a copy
    CUSTODY = "custody"  # the chain of custody of another agency, as it came with the recording
    GROUPS = "groups"  # which pictures of a copy are the recording's own, and what proves it


class EventKind(StrEnum):
    """What can happen to evidence, keys and the vault. Recorded in the log under these names."""

    VAULT_CREATED = "vault.created"
    KEY_ENROLLED = "key.enrolled"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    RECIPIENT_ADDED = "recipient.added"
    RECIPIENT_REMOVED = "recipient.removed"
    POLICY_SET = "policy.set"
    ITEM_INGESTED = "item.ingested"
    ITEM_DUPLICATE = "item.duplicate"
    ITEM_REREAD = "item.reread"
    ITEM_INDEXED = "item.indexed"
    ITEM_OPENED = "item.opened"
    ITEM_EXPORTED = "item.exported"
    ITEM_IMPORTED = "item.imported"
    ITEM_TAGGED = "item.tagged"
    ITEM_REWRAPPED = "item.rewrapped"
    ITEM_COPIED = "item.copied"
    ITEM_DAMAGED = "item.damaged"
    ITEM_REPAIRED = "item.repaired"
    RETENTION_SET = "retention.set"
    CASE_OPENED = "case.opened"
    CASE_CLOSED = "case.closed"
    HOLD_PLACED = "hold.placed"
    HOLD_LIFTED = "hold.lifted"
    DISPOSITION_ORDERED = "disposition.ordered"
    DISPOSITION_CANCELLED = "disposition.cancelled"
    DISPOSITION_CONFIRMED = "disposition.confirmed"
    DISPOSITION_DONE = "disposition.done"
    PLAN_SAVED = "plan.saved"
    DETECTION_RUN = "detection.run"
    COPY_RENDERED = "copy.rendered"
    COPY_CHECKED = "copy.checked"
    SUSPECT_DECIDED = "suspect.decided"
    COPY_APPROVED = "copy.approved"
    RELEASE_PUBLISHED = "release.published"
    ACT_REFUSED = "act.refused"
    ACT_FAILED = "act.failed"
    STORE_ADDED = "store.added"
    STORE_CLEARED = "store.cleared"
    BACKUP_MADE = "backup.made"
    VAULT_RESTORED = "vault.restored"
    VAULT_VERIFIED = "vault.verified"
    FRAMES_EXPORTED = "frames.exported"
    LOG_EXPORTED = "log.exported"
    LOG_REKEYED = "log.rekeyed"
    LOG_HEARTBEAT = "log.heartbeat"
    LOGIN_OK = "login.ok"
    LOGIN_FAILED = "login.failed"
    CATALOG_REBUILT = "catalog.rebuilt"


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    REFUSED = "refused"


class Choice(StrEnum):
    """What a person (or policy) says of a track. Undecided is a value: it is covered, and cannot be approved."""

    REDACT = "redact"
    KEEP = "keep"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedObject:
    """What the log says of one sealed object. Digests are lower-case hex SHA-256.

    `object_id` is the digest of the sealed bytes, so `sha256sum` verifies a vault. `content_commit` is a
    salted commitment to the plaintext digest; its salt is derived from the file key and dies with it.
    """

    object_id: ObjectId
    role: ObjectRole
    segment: int  # ordinal of the segment it is or belongs to
    sealed_bytes: int
    content_commit: str
    manifest_sha256: str
    envelope_sha256: str

    def to_json(self) -> dict[str, Json]:
        return {
            "commit": self.content_commit,
            "envelope": self.envelope_sha256,
            "manifest": self.manifest_sha256,
            "object": self.object_id,
            "role": self.role.value,
            "sealed_bytes": self.sealed_bytes,
            "segment": self.segment,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """A custody event before the log gives it its place. `facts` are public, `private` is sealed to its readers.

    `facts` must hold no personal data: pseudonymous ids, digests, counts, enumerations only.
    """

    kind: EventKind
    item: ItemId | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)
    private: Mapping[str, Json] = field(default_factory=dict)
    objects: tuple[SealedObject, ...] = ()
    outcome: Outcome = Outcome.OK


def utc_text(moment: datetime) -> str:
    """RFC 3339 UTC with microseconds, the only form of time of day in our documents."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"  # it ends with +00:00


def parse_utc(text: str) -> datetime:
    """The moment written by `utc_text`. Raises `UsageError` for any other form."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a UTC time like 2026-11-22T08:00:00.000000Z") from error
