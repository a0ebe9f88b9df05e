"""Release packages for tests, written by the real code on top of a small honest log."""

import io
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from bwc.appending.writing import log_key
from bwc.audit.checkpoint import NoteKey
from bwc.audit.event import parse_entry
from bwc.canonical import sha256_hex
from bwc.evidence import Choice, EventKind
from bwc.identities import SeedSigner, Signer
from bwc.redact import plan_format
from bwc.redact.plan import Decision, PlanMedia, PtsTable, RedactionPlan, SoundSpan, Span, Track, WholeFrame, plan_id_of
from bwc.release.package import Copy, Prepared, ReleaseFacts, finish, new_release_id, prepare
from bwc.release.provenance import gather
from bwc.verifier.released import CheckFacts
from tests.audit.logs import CLERK, ITEM, LOG_KEY, ORIGIN, SECOND, VKEY, House

ENROLS = (EventKind.VAULT_CREATED, EventKind.KEY_ENROLLED, EventKind.KEY_ROTATED)
MADE_AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
AGENCY = "Springfield PD"
DECIDED = Decision(choice=Choice.REDACT, by="clerk", at=MADE_AT, exemption="b7c")
KEPT = Decision(choice=Choice.KEEP, by="clerk", at=MADE_AT, note="officer of this agency")


def a_plan(**more: Any) -> RedactionPlan:
    """Ten seconds at 25 pictures a second: a covered face, a kept one, a plate, muted sound, one whole picture."""
    content = sha256_hex(b"original")
    facts: dict[str, Any] = {
        "plan_id": plan_id_of(content, MADE_AT),
        "item": ITEM,
        "segment": 0,
        "content_sha256": content,
        "made_at": MADE_AT,
        "tool": "bwc 0.1.0",
        "media": PlanMedia(
            width=640,
            height=360,
            rotation=0,
            time_base=Fraction(1, 12800),
            pts=PtsTable(0, ((512, 249),), 250),
            frames_lost=0,
            duration=128000,
        ),
        "tracks": (
            Track(
                id="t1",
                class_="face",
                spans=(
                    Span(first=25, boxes=[(10, 20, 50, 60)] * 50),
                    Span(first=100, boxes=[(30, 20, 70, 60)] * 25),
                ),
                decision=DECIDED,
            ),
            Track(id="t2", class_="face", spans=(Span(first=0, boxes=[(0, 0, 9, 9)] * 5),), decision=KEPT),
            Track(
                id="t3",
                class_="plate",
                spans=(Span(first=0, boxes=[(200, 100, 260, 130)]),),
                decision=Decision(choice=Choice.REDACT, by="clerk", at=MADE_AT),
            ),
        ),
        "audio_spans": (SoundSpan(id="a1", start_ns=1_500_000_000, end_ns=2_000_400_000, decision=DECIDED),),
        "whole_frame": (WholeFrame(id="w1", first=240, stop=250, decision=DECIDED),),
    }
    return RedactionPlan(**(facts | more))


@dataclass
class Made:
    """A finished package and what a requester may have from elsewhere."""

    folder: Path
    key: NoteKey
    facts: ReleaseFacts
    house: House

    @property
    def video(self) -> Path:
        return self.folder / f"{ITEM}.mp4"

    def files(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())


def some_bytes(size: int = 3000, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@dataclass
class Maker:
    """The agency's side: a log with its people, and releases from it. A forger is a maker with other keys."""

    log_key: SeedSigner = LOG_KEY
    origin: str = ORIGIN
    agency: str = AGENCY
    approvers: tuple[SeedSigner, ...] = (CLERK, SECOND)
    publisher: Signer = CLERK

    def __post_init__(self) -> None:
        self.house = House(origin=self.origin)
        self.house.found(self.origin)
        self.house.ingest()
        self.house.log.publish(self.log_key)
        self.key = log_key(self.origin, self.log_key)

    def rekey(self, new: SeedSigner, *, compromised_s: int = 0) -> None:
        """The log goes on under `new`."""
        self.house.log_key = self.log_key
        self.house.rekey(new, compromised_s=compromised_s)
        self.log_key, self.key = new, log_key(self.origin, new)
        self.house.publish()

    def copy(self, data: bytes, **more: Any) -> Copy:
        plan = more.pop("plan", None) or a_plan()
        facts: dict[str, Any] = {
            "stream": io.BytesIO(data),
            "segment": 0,
            "plan": plan,
            "plan_sha256": sha256_hex(plan_format.to_bytes(plan)),
            "copy_sha256": sha256_hex(data),
            "report_sha256": sha256_hex(b"report"),
            "frames": 250,
            "frames_lost": 2,
            "duration_ms": 10_000,
            "check": CheckFacts(frames_checked=250, stride=1, suspects=1, suspects_open=0),
        }
        return Copy(**(facts | more))

    def approve(self, copy: Copy) -> list[int]:
        facts = {
            "copy_sha256": copy.copy_sha256,
            "plan_sha256": copy.plan_sha256,
            "report_sha256": copy.report_sha256,
            "segment": copy.segment,
        }
        return [self.house.do(key, EventKind.COPY_APPROVED, facts, item=ITEM).seq for key in self.approvers]

    def facts(self, approvals: list[int], **more: Any) -> ReleaseFacts:
        self.house.log.publish(self.log_key)
        entries = [parse_entry(row.entry) for row in self.house.rows.held]
        found = gather(
            publishers=[self.publisher.key_id],
            approvals=[entries[seq] for seq in approvals],
            enrolments=[one for one in entries if one.kind in ENROLS],
            proof=self.house.proof,
        )
        facts: dict[str, Any] = {
            "agency": self.agency,
            "log_key": self.key,
            "release": new_release_id(),
            "request": "R-311",
            "item": ITEM,
            "made_at": MADE_AT,
            "tool": "bwc 0.1.0",
            "keys": found.keys,
            "proven": found.proven,
        }
        return ReleaseFacts(**(facts | more))

    def publish(self, prepared: Prepared, approvals: list[int]) -> tuple[bytes, bytes]:
        """Record the release as custody does: the entry and its proof."""
        facts = {
            "approvals": approvals,
            "copies": [copy.copy_sha256 for copy in prepared.release.copies],
            "release": prepared.release.release,
            "release_sha256": prepared.release_sha256,
        }
        entry = self.house.do([self.publisher], EventKind.RELEASE_PUBLISHED, facts, item=ITEM)
        self.house.log.publish(self.log_key)
        return entry.raw, self.house.proof(entry.seq)

    def make(self, folder: Path, data: bytes | None = None, **more: Any) -> Made:
        copy = self.copy(some_bytes() if data is None else data)
        approvals = self.approve(copy)
        facts = self.facts(approvals, **more)
        prepared = prepare(folder, facts=facts, copies=[copy])
        return Made(finish(prepared, *self.publish(prepared, approvals)), self.key, facts, self.house)


__all__ = ["AGENCY", "LOG_KEY", "ORIGIN", "VKEY", "Made", "Maker", "a_plan", "some_bytes"]
