"""Between the catalog's tables and its typed rows: the query for a list of items, and one function for each row."""

import json
from functools import lru_cache
from sqlite3 import Row
from typing import Any

from bwc.errors import IntegrityError
from bwc.evidence import ItemId, KeyId, ObjectId, ObjectRole, SealedObject
from bwc.identities import PublicKey, Recipient
from bwc.storage.rows import (
    STATES,
    ApprovalRow,
    DocumentRow,
    ItemFilter,
    ItemRow,
    ItemState,
    OperatorRow,
    RecipientRow,
    ReleaseRow,
    SegmentRow,
    SuspectRow,
)

_SEARCHED = "item || ' ' || " + " || ' ' || ".join(
    f"coalesce({column}, '')" for column in ("officer", "camera", "category", "case_ids", "names")
)


def stored_json(text: str | bytes) -> Any:
    """What a column of JSON holds. Raises `IntegrityError`: the catalog is made anew from the log."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise IntegrityError(f"a row of the catalog is damaged: {error}", "bwc catalog rebuild") from error


def item_query(wanted: ItemFilter) -> tuple[str, list[str | int]]:
    """The statement and values that list the items wanted, newest first."""
    conditions: list[str] = []
    values: list[str | int] = []

    def where(condition: str, value: str | int | None) -> None:
        if value is not None:
            conditions.append(condition)
            values.append(value)

    where("item IN (SELECT item FROM cases WHERE case_id = ?)", wanted.case)
    where("officer = ?", wanted.officer)
    where("camera = ?", wanted.camera)
    where("category = ?", wanted.category)
    where("state = ?", None if wanted.state is None else STATES.index(wanted.state))
    if wanted.state is None and not wanted.disposed:
        where("state <> ?", STATES.index(ItemState.DISPOSED))
    where("coalesce(recorded_at, ingested_at) >= ?", wanted.since)
    where("coalesce(recorded_at, ingested_at) < ?", wanted.until)
    where(f"instr(lower({_SEARCHED}), lower(?))", wanted.text)
    sql = "SELECT * FROM items"
    if conditions:
        sql += " WHERE " + " AND ".join(conditions)
    sql += " ORDER BY seq DESC"
    if wanted.limit is not None:
        sql += " LIMIT ?"
        values.append(wanted.limit)
    return sql, values


def item_row(row: Row) -> ItemRow:
    """A row of `items`."""
    return ItemRow(
        item_id=ItemId(row["item"]),
        officer=row["officer"],
        camera=row["camera"],
        category=row["category"],
        case_ids=_texts(row["case_ids"]),
        recorded_at=row["recorded_at"],
        clock_offset_ms=row["clock_offset_ms"],
        vendor=row["vendor"],
        source=row["source"],
        names=_texts(row["names"]),
        ingested_at=row["ingested_at"],
        ingested_by=KeyId(row["ingested_by"]),
        segments=row["segments"],
        size_bytes=row["bytes"],
        gaps=row["gaps"],
        state=STATES[row["state"]],
        seq=row["seq"],
    )


def segment_row(row: Row) -> SegmentRow:
    """A row of `segments`."""
    return SegmentRow(
        item_id=ItemId(row["item"]),
        role=ObjectRole(row["role"]),
        segment=row["segment"],
        object_id=ObjectId(row["object"]),
        name=row["name"],
        sha256=row["sha256"],
        size_bytes=row["bytes"],
        state=STATES[row["state"]],
        is_readable=None if row["readable"] is None else bool(row["readable"]),
        media=stored_json(row["media"]),
    )


def document_row(row: Row) -> DocumentRow:
    """A row of `objects`."""
    sealed = SealedObject(
        object_id=ObjectId(row["object"]),
        role=ObjectRole(row["role"]),
        segment=row["segment"],
        sealed_bytes=row["sealed_bytes"],
        content_commit=row["content"],
        manifest_sha256=row["manifest"],
        envelope_sha256=row["envelope"],
    )
    return DocumentRow(
        item_id=None if row["item"] is None else ItemId(row["item"]),
        sealed=sealed,
        sha256=row["sha256"],
        seq=row["seq"],
        at=row["at"],
        actor=KeyId(row["actor"]),
        facts=stored_json(row["facts"]),
    )


def approval_row(row: Row) -> ApprovalRow:
    """A row of `approvals`."""
    return ApprovalRow(
        seq=row["seq"],
        item_id=ItemId(row["item"]),
        segment=row["segment"],
        plan_sha256=row["plan_sha256"],
        copy_sha256=row["copy_sha256"],
        report_sha256=row["report_sha256"],
        actor=KeyId(row["actor"]),
        at=row["at"],
        note=row["note"],
    )


def suspect_row(row: Row) -> SuspectRow:
    """A row of `suspects`."""
    return SuspectRow(
        report_sha256=row["report_sha256"],
        suspect=row["suspect"],
        choice=row["choice"],
        note=row["note"],
        actor=KeyId(row["actor"]),
        at=row["at"],
        seq=row["seq"],
    )


def release_row(row: Row) -> ReleaseRow:
    """A row of `releases`."""
    return ReleaseRow(
        release=row["release"],
        item_id=None if row["item"] is None else ItemId(row["item"]),
        release_sha256=row["release_sha256"],
        copies=_texts(row["copies"]),
        approvals=tuple(stored_json(row["approvals"])),
        request=row["request"],
        requester=row["requester"],
        to_folder=row["to_folder"],
        seq=row["seq"],
        at=row["at"],
        actor=KeyId(row["actor"]),
    )


# Checking that bytes are a sound key takes up to 2 ms; every act asks who reads its body
@lru_cache(maxsize=1024)
def _key(alg: str, name: str, public: str) -> PublicKey:
    return PublicKey.from_json({"alg": alg, "key": name, "public": public})


@lru_cache(maxsize=1024)
def _recipient(text: str) -> Recipient:
    return Recipient.from_json(stored_json(text))


def operator_row(row: Row) -> OperatorRow:
    """A row of `operators`; a key or recipient that is none raises `ProofInvalid`."""
    return OperatorRow(
        key_id=KeyId(row["key"]),
        key=_key(row["alg"], row["key"], row["public"]),
        recipient=_recipient(row["recipient"]),
        roles=frozenset(stored_json(row["roles"])),
        name=row["name"],
        replaces=None if row["replaces"] is None else KeyId(row["replaces"]),
        enrolled_seq=row["seq"],
        enrolled_at=row["at"],
        revoked_seq=row["revoked"],
    )


def recipient_row(row: Row) -> RecipientRow:
    """A row of `recipients`; a recipient that is none raises `ProofInvalid`."""
    return RecipientRow(recipient=_recipient(row["facts"]), purpose=row["purpose"], seq=row["seq"])


def _texts(column: str | None) -> tuple[str, ...]:
    return () if column is None else tuple(stored_json(column))
