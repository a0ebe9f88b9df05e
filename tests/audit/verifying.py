"""What tests of verification make and judge: altered logs, signed as their makers can, and the steps that say so."""

from collections.abc import Callable
from typing import Any

from bwc.appending.writing import sign_checkpoint
from bwc.audit.checkpoint import Checkpoint, NoteKey
from bwc.audit.event import Entry, parse_entry
from bwc.audit.findings import Grade
from bwc.audit.log_report import LogReport
from bwc.audit.merkle import leaf_hash, root_of
from bwc.audit.tiles import LogReader, bundle_path, encode_bundle, tile_path
from bwc.audit.verify import verify_log
from bwc.identities import SeedSigner
from bwc.verifier.verify_rows import CatalogRows, verify_rows
from tests.audit.entries import encode_entry, sign_event
from tests.audit.logs import (
    ADMIN,
    CLERK,
    LOG_KEY,
    ORIGIN,
    SECOND,
    STRANGER,
    TECH,
    VKEY,
    House,
    MemoryFiles,
    small_house,
)

HONEST = small_house()
RAWS = [row.entry for row in HONEST.rows.held]
PERSONS = {key.key_id: key for key in (ADMIN, CLERK, SECOND, TECH, STRANGER)}


def bad_steps(report: LogReport) -> set[int]:
    return {one.step for one in report.findings if one.grade is Grade.BAD}


def log_of(raws: list[bytes], *, key: SeedSigner = LOG_KEY, origin: str = ORIGIN) -> MemoryFiles:
    """What the holder of a vault key can publish: any entries at all, in tiles that hash to a signed root."""
    hashes = [leaf_hash(raw) for raw in raws]
    files = MemoryFiles()
    files.held[bundle_path(0, len(raws))] = encode_bundle(raws)
    files.held[tile_path(0, 0, len(raws))] = b"".join(hashes)
    files.held["checkpoint"] = sign_checkpoint(Checkpoint(origin, len(raws), root_of(hashes)), key)
    return files


def again(entry: Entry, *, by: SeedSigner | None = None, **changes: Any) -> bytes:
    """The entry with changes, signed anew by its actor or another."""
    event = entry.event | changes
    return sign_event(event, [by or PERSONS[entry.actor]]).raw


def relinked(raws: list[bytes], sign: bool) -> list[bytes]:
    """The entries with seq, prev and item chain made good; signed again by their actors, or with the old signatures."""
    found: list[bytes] = []
    trails: dict[str, tuple[int, str]] = {}
    for raw in raws:
        entry = parse_entry(raw)
        event = entry.event | {"seq": len(found), "prev": leaf_hash(found[-1]).hex() if found else "0" * 64}
        if entry.item:
            seq, prev = trails.get(entry.item, (-1, "0" * 64))
            event |= {"item_seq": seq + 1, "item_prev": prev}
        new = sign_event(event, [PERSONS[key] for key in entry.signers]).raw if sign else None
        found.append(new or encode_entry(event, entry.signatures))
        if entry.item:
            trails[entry.item] = (event["item_seq"], leaf_hash(found[-1]).hex())
    return found


def without(number: int) -> list[bytes]:
    return RAWS[:number] + RAWS[number + 1 :]


def edited(number: int, old: bytes, new: bytes) -> list[bytes]:
    assert old in RAWS[number]
    return [*RAWS[:number], RAWS[number].replace(old, new), *RAWS[number + 1 :]]


def house_with(*acts: Callable[[House], object]) -> LogReport:
    house = House()
    house.found()
    house.ingest()
    house.render()
    for act in acts:
        act(house)
    house.publish()
    return verified(house.files, VKEY, house.rows)


def verified(files: LogReader, key: NoteKey | None, rows: CatalogRows, **how: Any) -> LogReport:
    """Steps 1 to 7, and 9."""
    report = verify_log(files, key, **how)
    verify_rows(report, rows)
    return report
