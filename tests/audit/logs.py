"""An honest small log for tests: operators, a clock, rows and files in memory, and a vault's first events."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bwc.anchors.proof import make_proof
from bwc.appending.log import Log
from bwc.appending.writing import hand_over, log_key, sign_checkpoint
from bwc.audit.checkpoint import Checkpoint
from bwc.audit.event import Entry
from bwc.audit.keychain import Handover
from bwc.audit.merkle import leaf_hash, root_of
from bwc.audit.tiles import bundle_path, encode_bundle, tile_path
from bwc.canonical import sha256_hex
from bwc.evidence import EventDraft, EventKind, ItemId, ObjectId, ObjectRole, Outcome, SealedObject
from bwc.identities import SeedSigner

ORIGIN = "log.example/springfield-pd-3f2a"
ITEM = ItemId("2026-1122-K4J7QX")
OTHER = ItemId("2026-1122-ZZ91AB")


@dataclass(frozen=True)
class Row:
    seq: int
    entry: bytes
    item: str | None


class MemoryRows:
    def __init__(self, held: Sequence[Row] = ()) -> None:
        self.held: list[Row] = list(held)

    def last_row(self) -> Row | None:
        return self.held[-1] if self.held else None

    def last_of_item(self, item: str) -> Row | None:
        return next((row for row in reversed(self.held) if row.item == item), None)

    def rows(self, start: int, stop: int) -> Iterable[Row]:
        return self.held[start:stop]

    def append_rows(self, rows: Sequence[tuple[int, bytes, bytes, str | None, int | None]]) -> None:
        for seq, _, entry, item, _ in rows:
            assert seq == len(self.held)
            self.held.append(Row(seq, entry, item))


class MemoryFiles:
    """Files in a dict. `writes` counts changes."""

    def __init__(self, held: dict[str, bytes] | None = None) -> None:
        self.held = dict(held or {})
        self.writes = 0

    def read(self, path: str) -> bytes | None:
        return self.held.get(path)

    def list(self, folder: str) -> Sequence[str]:
        inside = folder + "/"
        return sorted({path[len(inside) :].split("/")[0] for path in self.held if path.startswith(inside)})

    def write_new(self, files: Mapping[str, bytes]) -> None:
        for path, data in files.items():
            assert path not in self.held, path
            self.put(path, data)

    def replace(self, path: str, data: bytes, keep: str) -> None:
        self.put(path, data)
        if keep not in self.held:
            self.put(keep, data)

    def publish(self, files: Mapping[str, bytes], there: Sequence[str], path: str, data: bytes, keep: str) -> None:
        assert self.held.keys() >= set(there)
        self.write_new(files)
        self.replace(path, data, keep)

    def put(self, path: str, data: bytes) -> None:
        self.writes += 1
        self.held[path] = data

    def remove(self, path: str) -> None:
        self.writes += 1
        self.held.pop(path, None)


class Ticking:
    """A clock that moves a second at each look; `skew` moves the time of day alone."""

    boot = "ab" * 16

    def __init__(self) -> None:
        self.seconds = 0
        self.skew = timedelta(0)

    def now(self) -> datetime:
        self.seconds += 1
        return datetime(2026, 11, 22, 8, tzinfo=UTC) + timedelta(seconds=self.seconds) + self.skew

    def monotonic_us(self) -> int:
        return self.seconds * 1_000_000


def signer(name: str) -> SeedSigner:
    return SeedSigner(name.encode().ljust(32, b"."))


ADMIN, CLERK, SECOND, TECH, STRANGER = (signer(name) for name in ("admin", "clerk", "second", "tech", "stranger"))
LOG_KEY = signer("log")
VKEY = log_key(ORIGIN, LOG_KEY)


def operator(key: SeedSigner, *roles: str, **more: Any) -> dict[str, Any]:
    public = base64.b64encode(key.public).decode()
    recipient = {"public": "", "recipient": "0" * 32, "suite": "none"}
    facts = {"alg": key.alg, "key": key.key_id, "public": public, "recipient": recipient, "roles": list(roles)}
    return facts | more


def sealed(name: str, role: ObjectRole = ObjectRole.SEGMENT) -> SealedObject:
    return SealedObject(
        object_id=ObjectId(sha256_hex(name.encode())),
        role=role,
        segment=0,
        sealed_bytes=1000,
        content_commit=sha256_hex(b"content " + name.encode()),
        manifest_sha256=sha256_hex(b"manifest " + name.encode()),
        envelope_sha256=sha256_hex(b"envelope " + name.encode()),
    )


def digest(name: str) -> str:
    return sha256_hex(name.encode())


APPROVAL = {
    "copy_sha256": digest("copy"),
    "plan_sha256": digest("plan"),
    "report_sha256": digest("report"),
    "segment": 0,
}


@dataclass
class House:
    """A log and everything needed to append to it."""

    rows: MemoryRows = field(default_factory=MemoryRows)
    files: MemoryFiles = field(default_factory=MemoryFiles)
    clock: Ticking = field(default_factory=Ticking)
    origin: str = ORIGIN
    log_key: SeedSigner = LOG_KEY

    @property
    def log(self) -> Log:
        return Log(self.origin, self.files, self.rows)

    def do(self, key: SeedSigner | Sequence[SeedSigner], kind: EventKind, facts: Any = None, **more: Any) -> Entry:
        keys = [key] if isinstance(key, SeedSigner) else key
        body = more.pop("body", None)
        draft = EventDraft(kind=kind, facts=facts or {}, **more)
        return self.log.append(self.rows, draft, keys, body, self.clock)

    def proof(self, seq: int) -> bytes:
        return make_proof(self.files, self.log.checkpoint(), seq).to_bytes()

    def publish(self) -> Checkpoint:
        return self.log.publish(self.log_key)

    def rekey(self, new: SeedSigner, *, compromised_s: int = 0) -> Entry:
        handover = hand_over(
            seq=len(self.rows.held), origin=self.origin, old=self.log_key, new=new, compromised_s=compromised_s
        )
        self.log_key = new
        return self.do(ADMIN, EventKind.LOG_REKEYED, handover.facts())

    def publish_as_forger(self, key: SeedSigner, *handovers: Handover) -> None:
        """What whoever holds `key` can publish with a program that checks nothing."""
        raws = [row.entry for row in self.rows.held]
        hashes = [leaf_hash(raw) for raw in raws]
        self.files.held[bundle_path(0, len(raws))] = encode_bundle(raws)
        self.files.held[tile_path(0, 0, len(raws))] = b"".join(hashes)
        checkpoint = Checkpoint(self.origin, len(raws), root_of(hashes))
        self.files.held["checkpoint"] = sign_checkpoint(checkpoint, key, handovers)
        self.files.held.pop(f"checkpoints/{len(raws)}", None)

    def found(self, origin: str = ORIGIN) -> None:
        first = {"agency": "Springfield PD", "log": origin, "operator": operator(ADMIN, "administrator")}
        self.do(ADMIN, EventKind.VAULT_CREATED, first | {"vkey": log_key(origin, LOG_KEY).text()})
        self.do(ADMIN, EventKind.KEY_ENROLLED, {"operator": operator(CLERK, "records")})
        self.do(ADMIN, EventKind.KEY_ENROLLED, {"operator": operator(SECOND, "records")})
        self.do(ADMIN, EventKind.KEY_ENROLLED, {"operator": operator(TECH, "technician")})
        self.do(ADMIN, EventKind.POLICY_SET, {"policy": {"approvals": 2, "separate_approver": True}})

    def ingest(self, item: ItemId = ITEM) -> Entry:
        body = {"commit": digest(f"body {item}"), "file": digest(f"file {item}")}
        facts = {"bytes": 1000, "gaps": 0, "segments": 1}
        return self.do(TECH, EventKind.ITEM_INGESTED, facts, item=item, objects=(sealed(item),), body=body)

    def approve(self, key: SeedSigner | Sequence[SeedSigner] = CLERK) -> int:
        return self.do(key, EventKind.COPY_APPROVED, APPROVAL, item=ITEM).seq

    def release(self, *approvals: int, key: SeedSigner = CLERK) -> Entry:
        facts = {
            "approvals": list(approvals),
            "copies": [digest("copy")],
            "release": "rel-0123456789ab",
            "release_sha256": digest("release"),
        }
        return self.do(key, EventKind.RELEASE_PUBLISHED, facts, item=ITEM)

    def render(self) -> None:
        copy = sealed("copy", ObjectRole.COPY)
        self.do(CLERK, EventKind.COPY_RENDERED, {"copy_sha256": digest("copy")}, item=ITEM, objects=(copy,))
        checked = {"copy_sha256": digest("copy"), "report_sha256": digest("report")}
        self.do(CLERK, EventKind.COPY_CHECKED, checked, item=ITEM)


def small_house() -> House:
    """Twelve events, from the first to a release, published after the fifth, the ninth and the last."""
    house = House()
    house.found()
    house.publish()
    house.ingest()
    house.ingest(OTHER)
    house.render()
    house.publish()
    first, second = house.approve(CLERK), house.approve(SECOND)
    house.release(first, second)
    house.publish()
    return house


def grown_house(size: int) -> House:
    """A house with `size` events, most of them openings of many items."""
    house = House()
    house.found()
    for number in range(size - 5):
        item = ItemId(f"2026-1122-{number % 97:06d}")
        house.do(CLERK, EventKind.ITEM_OPENED, {"purpose": "check", "segment": 0}, item=item, outcome=Outcome.OK)
    return house


@contextmanager
def edited(files: MemoryFiles, path: str, data: bytes | None) -> Iterator[MemoryFiles]:
    """The same files with one changed (or, None, deleted)."""
    copy = MemoryFiles(files.held)
    if data is None:
        del copy.held[path]
    else:
        copy.held[path] = data
    yield copy
