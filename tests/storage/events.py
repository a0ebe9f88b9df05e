"""Events as custody writes them, for tests of the catalog: the public event, its private body, and a signed-looking entry."""

import hashlib
from collections.abc import Mapping
from typing import Any

from bwc.canonical import canonical
from bwc.identities import LocalOperator
from bwc.storage.catalog import Catalog
from bwc.storage.rows import EventRow

LOG = "log.example/springfield"
NO_HASH = "0" * 64


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(role: str, segment: int, name: str) -> dict[str, Any]:
    return {
        "commit": digest("commit" + name),
        "envelope": digest("envelope" + name),
        "manifest": digest("manifest" + name),
        "object": digest("object" + name),
        "role": role,
        "sealed_bytes": 1000 + len(name),
        "segment": segment,
    }


class History:
    """A log in memory that numbers and chains what is told to it."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.bodies: dict[int, dict[str, Any]] = {}
        self.rows: list[EventRow] = []

    def tell(
        self,
        kind: str,
        facts: Mapping[str, Any],
        body: dict[str, Any] | None = None,
        *,
        item: str | None = None,
        objects: tuple[dict[str, Any], ...] = (),
        outcome: str = "ok",
    ) -> dict[str, Any]:
        seq = len(self.events)
        of_item = [one for one in self.events if item is not None and one["item"] == item]
        event = {
            "actor": "ab" * 16,
            "at": f"2026-11-22T08:{seq // 60 % 60:02}:{seq % 60:02}.000000Z",
            "body": None if body is None else {"commit": digest(f"body{seq}"), "file": digest(f"file{seq}")},
            "boot": "cd" * 16,
            "facts": dict(facts),
            "format": "bwc.event/1",
            "item": item,
            "item_prev": None if item is None else NO_HASH,
            "item_seq": None if item is None else len(of_item),
            "kind": kind,
            "log": LOG,
            "mono_us": seq,
            "objects": list(objects),
            "outcome": outcome,
            "prev": NO_HASH,
            "seq": seq,
        }
        self.events.append(event)
        if body is not None:
            self.bodies[seq] = body
        entry = canonical({"event": event, "signatures": []})
        self.rows.append(EventRow(seq, hashlib.sha256(b"\0" + entry).digest(), entry))
        return event

    def write(self, catalog: Catalog) -> None:
        """Everything, one transaction for each event."""
        for row, event in zip(self.rows, self.events, strict=True):
            with catalog.transaction():
                catalog.append_rows([(row.seq, row.leaf_hash, row.entry, event["item"], event["item_seq"])])
                catalog.project(event, self.bodies.get(row.seq))

    def body_of(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        return self.bodies.get(event["seq"])


def operator_facts(operator: LocalOperator, *roles: str) -> dict[str, Any]:
    return operator.verify_key.to_json() | {"recipient": operator.recipient.to_json(), "roles": list(roles)}


def whole_day(first: LocalOperator, second: LocalOperator) -> History:
    """One of every kind that concerns the catalog: two items, two segments in the first, one of them unreadable."""
    told = History()
    founding = {
        "agency": "Springfield PD",
        "log": LOG,
        "vkey": "vkey",
        "operator": operator_facts(first, "administrator"),
    }
    told.tell("vault.created", founding, {"name": "Ada"})
    told.tell("key.enrolled", {"operator": operator_facts(second, "records", "technician")}, {"name": "Grace"})
    recovery = LocalOperator.generate("recovery").recipient
    told.tell("recipient.added", {"recipient": recovery.to_json(), "purpose": "recovery"})
    told.tell("policy.set", {"policy": {"approvals": 2, "copies": 1}})
    ingest(told, "2026-1122-AAAAAA", names=("GX010001.MP4", "GX020001.MP4"), officer="B1234", cases=("26-1182",))
    ingest(told, "2026-1122-BBBBBB", names=("axon.mp4",), officer="B777", cases=("26-1182", "26-9"))
    told.tell(
        "item.indexed",
        {
            "segments": [
                {"segment": 0, "readable": True, "frames": 90, "frames_lost": 1},
                {"segment": 1, "readable": False},
            ]
        },
        {"segments": [{"segment": 0, "duration_ms": 3000, "width": 640, "height": 480, "codec": "h264"}]},
        item="2026-1122-AAAAAA",
        objects=(sealed("facts", 0, "A0"),),
    )
    told.tell(
        "item.tagged",
        {"fields": ["officer", "case_ids"]},
        {"old": {}, "new": {"officer": "B9", "case_ids": ["26-5"]}},
        item="2026-1122-BBBBBB",
    )
    work(told, "2026-1122-AAAAAA")
    told.tell("act.refused", {"kind": "item.opened"}, item="2026-1122-AAAAAA", outcome="refused")
    told.tell("key.revoked", {"key": second.key_id})
    new = sealed("facts", 0, "A0") | {"envelope": digest("envelope without Grace")}
    told.tell("item.rewrapped", {"envelopes": 1}, item="2026-1122-AAAAAA", objects=(new,))
    kept_and_destroyed(told)
    copied(told, new)
    return told


def copied(told: History, one: dict[str, Any], item: str = "2026-1122-AAAAAA") -> None:
    """A store is added, gets copies, one is damaged and made anew."""
    store = "5" * 32
    told.tell("store.added", {"kind": "s3", "lock": "compliance", "store": store})
    copies = {one["object"]: one["envelope"], digest("gone"): digest("gone too")}
    told.tell("item.copied", {"copied": copies, "store": store}, item=item)
    parts = [f"objects/{one['object']}"]
    told.tell("item.damaged", {"error": "DigestMismatch", "parts": parts, "store": store}, item=item)
    told.tell("item.copied", {"copied": {one["object"]: one["envelope"]}, "store": store}, item=item)
    told.tell("item.repaired", {"from": "vault", "parts": parts, "store": store}, item=item)
    cleared = {"bodies": 0, "envelopes": 1, "locked": 0, "objects": [digest("gone")], "store": store}
    told.tell("store.cleared", cleared)


def kept_and_destroyed(told: History, item: str = "2026-1122-EEEEEE") -> None:
    """A schedule, cases, holds, and an item that goes the whole way to its destruction."""
    schedule = {"format": "bwc.retention/1", "grace_days": 0, "keep": {"traffic": "90 days"}}
    told.tell("retention.set", {"schedule": schedule})
    ingest(
        told, item, names=("gone.mp4",), officer="B0GONE", cases=("26-77",), recorded_at="2026-01-01T00:00:00.000000Z"
    )
    told.tell(
        "item.duplicate",
        {"existing": item, "segments": 1},
        {"category": "assault", "case_ids": ["26-78"], "officer": "B0GONE"},
        item=item,
    )
    again = "2026-1122-BBBBBB"
    told.tell(
        "item.duplicate", {"existing": again, "segments": 1}, {"category": "dui", "case_ids": ["26-6"]}, item=again
    )
    told.tell("case.opened", {}, {"case": "26-77", "note": ""})
    told.tell("case.closed", {}, {"case": "26-77", "note": "pleaded"})
    told.tell("hold.placed", {"hold": "H-1", "scope": "item"}, {"case": None, "reason": "Goner v. City"}, item=item)
    told.tell("hold.placed", {"hold": "H-2", "scope": "case"}, {"case": "26-9", "reason": "subpoena"})
    told.tell("hold.lifted", {"hold": "H-1"}, {"reason": "settled"}, item=item)
    order = {"order": "D-1", "scope": "item"}
    told.tell("disposition.ordered", {**order, "due": True}, {"reason": "schedule"}, item=item)
    told.tell("disposition.confirmed", order, item=item)
    told.tell("disposition.done", {**order, "left": 0}, item=item)


def ingest(
    told: History,
    item: str,
    *,
    names: tuple[str, ...],
    officer: str,
    cases: tuple[str, ...],
    recorded_at: str | None = None,
) -> None:
    told.tell(
        "item.ingested",
        {"segments": len(names), "bytes": 5000, "gaps": 0},
        {
            "officer": officer,
            "camera": "X81234",
            "case_ids": list(cases),
            "category": "traffic",
            "recorded_at": recorded_at,
            "clock_offset_ms": None,
            "vendor": "generic",
            "source": "card",
            "names": list(names),
            "sha256": [digest(item + name) for name in names],
            "sizes": [2500 for _ in names],
            "sidecars": [{"name": "notes.xml", "sha256": digest(item + "side"), "size": 77}],
        },
        item=item,
        objects=(
            *(sealed("segment", at, item + name) for at, name in enumerate(names)),
            sealed("sidecar", 0, item + "side"),
        ),
    )


def work(told: History, item: str) -> None:
    """From plan to release of segment 0."""
    plan, copy, report = digest("plan"), digest("copy"), digest("report")
    both = {"plan_sha256": plan, "copy_sha256": copy}
    told.tell("item.opened", {"purpose": "detect", "segment": 0}, {"reason": "detect", "to": ""}, item=item)
    told.tell("detection.run", {"segment": 0, "models": [], "frames": 90, "tracks": 2, "plan_sha256": plan}, item=item)
    told.tell(
        "plan.saved",
        {"segment": 0, "revision": 1, "tracks": 2, "undecided": 1, "plan_sha256": plan},
        {},
        item=item,
        objects=(sealed("plan", 0, "plan"), sealed("sheet", 0, "sheet")),
    )
    told.tell(
        "copy.rendered",
        {"segment": 0, **both, "frames": 90, "frames_lost": 1, "bytes": 9},
        {},
        item=item,
        objects=(sealed("copy", 0, "copy"),),
    )
    told.tell(
        "copy.checked",
        {"segment": 0, **both, "report_sha256": report, "suspects": 1, "frames_checked": 90, "stride": 1},
        {},
        item=item,
        objects=(sealed("report", 0, "report"),),
    )
    told.tell(
        "suspect.decided",
        {"segment": 0, "report_sha256": report, "suspect": "s1", "choice": "keep"},
        {"note": "a poster"},
        item=item,
    )
    told.tell("copy.approved", {"segment": 0, **both, "report_sha256": report}, {"note": "fine"}, item=item)
    told.tell(
        "release.published",
        {
            "release": "rel-0123456789ab",
            "release_sha256": digest("release"),
            "copies": [copy],
            "approvals": [len(told.events) - 1],
        },
        {"request": "R-311", "to_folder": "out", "requester": "The Gazette"},
        item=item,
    )
