"""Figures of keys on this machine: envelopes and private bodies wrapped anew when readers change.

    python tests/bench/keys.py [--items 10000] [--folder DIR]

A vault is filled with small sealed objects through the door, one item each (the worst case: one event an envelope).
Then a records officer is enrolled, revoked, and the digest of every object's file is compared before and after.
Nothing is asserted but that.
"""

import argparse
import hashlib
import io
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bwc.config import Places
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.enrolment import OperatorPublic
from bwc.evidence import ItemId, ObjectRole
from bwc.identities import LocalOperator, RecoveryKey
from bwc.recording import EvidenceItem, Segment


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--folder", help="where to work; its disk is measured too")
    chosen = parser.parse_args()
    count = chosen.items
    chief, officer = LocalOperator.generate("chief"), LocalOperator.generate("officer")
    public = OperatorPublic(name="officer", key=officer.verify_key, recipient=officer.recipient)
    with tempfile.TemporaryDirectory(prefix="bwc-bench-", dir=chosen.folder) as folder:
        places = Places(vault=Path(folder) / "vault")
        recovery = RecoveryKey.parse(RecoveryKey.generate()).recipient
        with found(places, agency="Bench", operator=chief, recovery=recovery) as house:
            show(f"{count} objects sealed and recorded", timed(lambda: fill(house, count)), count)
        before = footage(places)
        with House.enter(places, chief) as house:
            clock = Clock(house, count)
            show("enrol: envelopes and as many bodies", timed(lambda: house.enrol(public, roles=["records"])), count)
            clock.show()
        with House.enter(places, chief) as house:
            clock = Clock(house, count)
            show("revoke: again, one reader less", timed(lambda: house.revoke("officer", note="")), count)
            clock.show()
        if footage(places) != before:
            raise SystemExit("a rewrap changed sealed footage")
    print("no sealed object was touched")


class Clock:
    """Tells when the envelopes are made and recorded and the first bodies are. Helpers' CPU time is not known by then."""

    def __init__(self, house: House, count: int) -> None:
        self._count, self._began, self._seconds = count, time.perf_counter(), 0.0
        house.rewrap_progress = self._told

    def _told(self, done: int, _: int | None) -> None:
        if done > self._count and not self._seconds:
            self._seconds = time.perf_counter() - self._began

    def show(self) -> None:
        print(
            f"  of it until all envelopes were recorded      {self._seconds:7.2f} s  {self._count / self._seconds:8.0f} /s"
        )


def fill(house: House, count: int) -> None:
    """Seal and record `count` small items."""
    for number in range(count):
        item = house.new_item()
        data = number.to_bytes(4, "big") * 64
        with io.BytesIO(data) as source:
            held = house.seal(source, item=item, role=ObjectRole.SEGMENT, segment=0)
        house.record_ingest(described(item, data), held=[held], sidecars=[], vendor="generic", source="card")
        held.forget()


def described(item: ItemId, data: bytes) -> EvidenceItem:
    """An item of one small file."""
    segment = Segment(name="a.mp4", sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), ordinal=0)
    return EvidenceItem(
        item_id=item,
        officer_id="B1",
        camera_id="X1",
        case_ids=(),
        category="traffic",
        recorded_at=None,
        clock_offset_ms=None,
        segments=(segment,),
    )


def footage(places: Places) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every sealed object and manifest."""
    files = [*places.vault.glob("objects/**/*"), *places.vault.glob("manifests/**/*")]
    return {str(one): (one.stat().st_ino, one.stat().st_mtime_ns) for one in files if one.is_file()}


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of `act` and its helpers; on a busy machine only the second says much."""
    began, used = time.perf_counter(), cpu_seconds()
    act()
    return time.perf_counter() - began, cpu_seconds() - used


def cpu_seconds() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def show(what: str, took: tuple[float, float], count: int) -> None:
    """One line of the table."""
    seconds, cpu = took
    print(f"{what:44} {seconds:8.2f} s  {count / seconds:8.0f} /s  {cpu:8.2f} cpu-s", flush=True)


if __name__ == "__main__":
    main()
