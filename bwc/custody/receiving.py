"""The acts of the dock: what came in is recorded, again, indexed, corrected."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, Protocol

from bwc.canonical import Json
from bwc.custody.acting import Acting
from bwc.evidence import EventKind, ItemId, ObjectRole, SealedObject, utc_text
from bwc.recording import EvidenceItem, holders_of_all
from bwc.roles import FOOTAGE_READERS


class Kept(Protocol):
    """What an event says of an object just sealed."""

    @property
    def sealed(self) -> SealedObject: ...
    @property
    def content_digest(self) -> str: ...
    @property
    def plain_bytes(self) -> int: ...


class Receiving(Acting):
    """What a technician does; each `record_…` is durable when it returns."""

    def record_ingest(
        self,
        item: EvidenceItem,
        *,
        held: Sequence[Kept],
        sidecars: Sequence[tuple[str, Kept]],
        vendor: str,
        source: str,
        damage: Sequence[Mapping[str, Json]] = (),
        rereads: ItemId | None = None,
        said: Sequence[Mapping[str, Json]] = (),
        map_sha256: str | None = None,
        apart_from: Collection[ItemId] = (),
    ) -> ItemId | None:
        """`item.ingested`: the item is held from here on. Returns None.

        When somebody else took in the same bytes meanwhile nothing is recorded and their item is returned, unless it is
        one of `apart_from`. `damage` is what of which file could not be read; `rereads` the damaged item in whose
        place this one can stand, which gets an `item.reread`. `said` is what sidecars and names said of the recording, read with the
        map of this digest.
        """
        everything = [*held, *(one for _, one in sidecars)]
        private: dict[str, Json] = {
            "camera": item.camera_id,
            "case_ids": list(item.case_ids),
            "category": item.category,
            "clock_offset_ms": item.clock_offset_ms,
            "names": [one.name for one in item.segments],
            "officer": item.officer_id,
            "recorded_at": utc_text(item.recorded_at) if item.recorded_at else None,
            "sha256": [one.content_digest for one in held],
            "sidecars": [
                {"name": name, "sha256": one.content_digest, "size": one.plain_bytes} for name, one in sidecars
            ],
            "sizes": [one.plain_bytes for one in held],
            "source": source,
            "vendor": vendor,
        }
        gaps = _gaps(damage)
        facts: dict[str, Json] = {
            "bytes": sum(one.plain_bytes for one in held),
            "gaps": len(gaps),
            "segments": len(held),
        }
        if damage:
            private["damage"] = [dict(one) for one in damage]
            facts["gap_bytes"] = sum(gaps)
        if said:
            private["said"] = [dict(one) for one in said]
        if map_sha256:
            private["map"] = map_sha256
        if rereads:
            facts["rereads"] = rereads
        # between the look and the record nobody else may record the same bytes: two docks, one card
        with self._disk.lock("lock"):
            empty = any(not one.plain_bytes for one in held)
            holders = [] if empty else holders_of_all([self.find_content(one.content_digest) for one in held])
            for holder in holders:
                if holder not in apart_from:
                    return holder
            self.act(EventKind.ITEM_INGESTED, item.item_id, facts, private, [one.sealed for one in everything])
        if rereads:
            self.act(EventKind.ITEM_REREAD, rereads, {"by": item.item_id, "gaps": len(gaps)}, {})
        return None

    def record_duplicate(
        self,
        existing: ItemId,
        *,
        officer: str,
        camera: str,
        case_ids: Sequence[str],
        category: str,
        source: str,
        names: Sequence[str],
        sha256: Sequence[str],
    ) -> None:
        """`item.duplicate`: the same bytes arrived again; one object, a second custody event."""
        private: dict[str, Json] = {
            "camera": camera,
            "case_ids": list(case_ids),
            "category": category,
            "names": list(names),
            "officer": officer,
            "sha256": list(sha256),
            "source": source,
        }
        self.act(EventKind.ITEM_DUPLICATE, existing, {"existing": existing, "segments": len(sha256)}, private)

    def record_index(
        self,
        item: ItemId,
        *,
        documents: Sequence[Kept],
        segments: Sequence[Mapping[str, Json]],
        private: Mapping[str, Json],
    ) -> None:
        """`item.indexed`: media facts, read while the file key was in memory."""
        facts: dict[str, Json] = {"segments": list(segments)}
        self.act(EventKind.ITEM_INDEXED, item, facts, private, [one.sealed for one in documents])

    def seal_custody(self, source: BinaryIO, item: ItemId) -> Kept:
        """Seal what another agency said of its custody, as it came; its file key is forgotten."""
        held = self._vault.seal(
            source,
            item=item,
            role=ObjectRole.CUSTODY,
            segment=0,
            signer=self.person,
            recipients=self._readers(FOOTAGE_READERS),
            now=datetime.now(UTC),
        )
        held.forget()
        return held

    def record_import(
        self, item: ItemId, custody: Kept, facts: Mapping[str, Json], private: Mapping[str, Json]
    ) -> None:
        """`item.imported`: where the item came from, and the chain of custody it came with."""
        self.act(EventKind.ITEM_IMPORTED, item, facts, private, [custody.sealed])

    def record_export(self, item: ItemId, facts: Mapping[str, Json], private: Mapping[str, Json]) -> None:
        """`item.exported`: recorded before the first byte is handed out; it stands for the openings."""
        self.act(EventKind.ITEM_EXPORTED, item, facts, private)

    def tag(self, item: ItemId, new: Mapping[str, Json], *, note: str) -> None:
        """`item.tagged`: officer, category or cases corrected; old and new recorded."""
        row = self.item(item)
        old: dict[str, Json] = {"officer": row.officer, "category": row.category, "case_ids": list(row.case_ids)}
        private: dict[str, Json] = {"new": dict(new), "note": note, "old": {key: old[key] for key in new}}
        self.act(EventKind.ITEM_TAGGED, item, {"fields": sorted(new)}, private)


def _gaps(damage: Sequence[Mapping[str, Json]]) -> list[int]:
    """The lengths of all gaps."""
    found: list[int] = []
    for file in damage:
        listed = file["gaps"]
        assert isinstance(listed, list)
        found += [gap["bytes"] for gap in listed if isinstance(gap, dict) and isinstance(gap["bytes"], int)]
    return found
