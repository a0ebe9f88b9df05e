"""A vault with something to destroy in it, and how its tests order, confirm and judge that."""

import io
from datetime import datetime, timedelta
from typing import Any

from bwc.audit.findings import Grade
from bwc.canonical import sha256_hex
from bwc.config import Places
from bwc.custody.house import House
from bwc.custody.inspection import inspect
from bwc.enrolment import OperatorPublic
from bwc.evidence import ItemId, ObjectRole
from bwc.identities import LocalOperator, RecoveryKey
from bwc.recording import EvidenceItem, Segment
from bwc.storage.rows import ItemFilter
from bwc.verifier.inspected import Inspection

CHIEF, DEPUTY, DOCK = (LocalOperator.generate(name) for name in ("chief", "deputy", "dock"))
RECOVERY = RecoveryKey.parse(RecoveryKey.generate())
SECRETS = ("B0-NOBODY", "X0-CAMERA", "holiday.mp4", "because of Jane Doe", "neighbour's name")
FOOTAGE = b"what the camera saw " * 1000
OTHER = b"another recording"
LATER = timedelta(days=120)


class Later(datetime):
    """The day on which the schedule has run out."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + LATER


def public(person: LocalOperator) -> OperatorPublic:
    return OperatorPublic(name=person.name, key=person.verify_key, recipient=person.recipient)


def take_in(
    house: House,
    data: bytes,
    *,
    case: tuple[str, ...] = (),
    category: str = "traffic",
    officer: str = "B0-NOBODY",
    camera: str = "X0-CAMERA",
    name: str = "holiday.mp4",
) -> ItemId:
    item = house.new_item()
    segment = Segment(name=name, sha256=sha256_hex(data), size_bytes=len(data), ordinal=0)
    with house.seal(io.BytesIO(data), item=item, role=ObjectRole.SEGMENT, segment=0) as held:
        house.record_ingest(
            EvidenceItem(
                item_id=item,
                officer_id=officer,
                camera_id=camera,
                case_ids=case,
                category=category,
                recorded_at=None,
                clock_offset_ms=None,
                segments=(segment,),
            ),
            held=[held],
            sidecars=[],
            vendor="generic",
            source="card",
        )
    return item


def judged(places: Places) -> Inspection:
    with House.enter(places, None) as house:
        vkey = house.vkey
    return inspect(places, vkey=vkey, pins=(), seen=places.vault.parent / "seen", quick=False, share=1.0)


def bad(inspection: Inspection) -> list[str]:
    return [f"{one.where}: {one.what}" for one in inspection.log.findings if one.grade is Grade.BAD]


def notes(inspection: Inspection) -> list[str]:
    return [one.what for one in inspection.log.findings if (one.grade, one.step) == (Grade.NOTE, 8)]


def first_item(places: Places) -> ItemId:
    with House.enter(places, None) as house:
        return house.items(ItemFilter(disposed=True))[-1].item_id


def order(places: Places, **more: Any) -> str:
    with House.enter(places, CHIEF) as house:
        return house.order_destruction([first_item(places)], reason="schedule", **more)


def confirm(places: Places, name: str) -> None:
    with House.enter(places, DEPUTY) as house:
        house.confirm_order(name)


def dispose(places: Places) -> ItemId:
    item = first_item(places)
    confirm(places, order(places))
    return item


def everything_on(places: Places) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(places.vault.rglob("*")) if path.is_file())
