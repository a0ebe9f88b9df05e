"""Vaults with footage in them, for tests of acts."""

import io
from collections.abc import Sequence
from pathlib import Path

from bwc.config import Places, StorePlace
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.evidence import ItemId, ObjectRole
from bwc.identities import LocalOperator, RecoveryKey
from bwc.recording import EvidenceItem, Segment
from bwc.roles import Policy

CHIEF = LocalOperator.generate("chief")


def make_vault(folder: Path, *footage: bytes, stores: Sequence[StorePlace] = (), copies: int = 1) -> Places:
    """A vault of "Springfield PD" with one item for each of `footage`."""
    places = Places(vault=folder, stores=tuple(stores))
    recovery = RecoveryKey.parse(RecoveryKey.generate()).recipient
    with found(
        places, agency="Springfield PD", operator=CHIEF, recovery=recovery, policy=Policy(copies=copies)
    ) as house:
        for data in footage:
            take(house, data)
    return places


def take(house: House, data: bytes) -> ItemId:
    """Take in one recording."""
    item = house.new_item()
    with house.seal(io.BytesIO(data), item=item, role=ObjectRole.SEGMENT, segment=0) as held:
        segment = Segment(name="a.mp4", sha256=held.content_digest, size_bytes=held.plain_bytes, ordinal=0)
        evidence = EvidenceItem(
            item_id=item,
            camera_id="X1",
            officer_id="B1",
            recorded_at=None,
            clock_offset_ms=None,
            category="traffic",
            case_ids=("26-1",),
            segments=(segment,),
        )
        house.record_ingest(evidence, held=[held], sidecars=[], vendor="generic", source="card")
    return item
