"""The attacks on a log of 3,000 entries of which somebody saved the checkpoint at 2,000: what each makes of the log.

The last rows are done by everybody together: the holder of the vault's key and every operator sign again. They are the
limit of what a log can show by itself, and why anchors are on by default.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from bwc.appending.log import Log
from bwc.audit.checkpoint import Checkpoint, parse_checkpoint
from bwc.audit.event import parse_entry
from bwc.audit.merkle import leaf_hash
from bwc.audit.tiles import bundle_path, tile_path
from bwc.identities import SeedSigner
from tests.audit.entries import sign_event
from tests.audit.logs import (
    ADMIN,
    CLERK,
    LOG_KEY,
    ORIGIN,
    SECOND,
    STRANGER,
    TECH,
    House,
    MemoryFiles,
    MemoryRows,
    Row,
    grown_house,
)

SIZE, SAVED = 3000, 2000
EVERYBODY = {key.key_id: key for key in (ADMIN, CLERK, SECOND, TECH)}


class Attack(NamedTuple):
    """What is done; the steps that must catch it in this copy alone, beside the checkpoint saved at 2,000, and beside
    one saved at 3,000 (what a witness that saw it has). `tree_alone`: whether a checker of trees sees it in the copy."""

    name: str
    do: Callable[[], MemoryFiles]
    alone: set[int]
    saved: set[int]
    witness: set[int]
    tree_alone: bool = False


@cache
def honest() -> House:
    """The log, published at 2,000 and at 3,000."""
    house = grown_house(SIZE)
    later = house.rows.held[SAVED:]
    del house.rows.held[SAVED:]
    house.publish()
    house.rows.held += later
    house.publish()
    return house


def saved() -> Checkpoint:
    """What the auditor kept."""
    return parse_checkpoint(saved_note())[0]


def saved_note() -> bytes:
    """The same, signed."""
    return honest().files.held[f"checkpoints/{SAVED}"]


def newest() -> Checkpoint:
    """What a witness saw."""
    return parse_checkpoint(honest().files.held["checkpoint"])[0]


def raws() -> list[bytes]:
    """All entries."""
    return [row.entry for row in honest().rows.held]


def rebuilt(entries: Sequence[bytes], *, key: SeedSigner = LOG_KEY, origin: str = ORIGIN) -> MemoryFiles:
    """Any entries in tiles under a checkpoint by `key`, all kept checkpoints gone."""
    files, rows = MemoryFiles(), MemoryRows()
    rows.held = [Row(seq, entry, None) for seq, entry in enumerate(entries)]
    log = Log(origin, files, rows)
    log._check_chain = lambda *_: None  # type: ignore[method-assign]  # a forger's program checks nothing
    log.publish(key)
    return files


def signed_again(entries: Sequence[bytes], start: int) -> list[bytes]:
    """The entries from `start` on with their places and chains made good, signed by their own actors."""
    found = list(entries[:start])
    trails: dict[str, tuple[int, str]] = {}
    for raw in found:
        entry = parse_entry(raw)
        if entry.item and entry.item_seq is not None:
            trails[entry.item] = entry.item_seq, entry.leaf_hash.hex()
    for raw in entries[start:]:
        entry = parse_entry(raw)
        event = entry.event | {"prev": leaf_hash(found[-1]).hex(), "seq": len(found)}
        if entry.item:
            seq, prev = trails.get(entry.item, (-1, "0" * 64))
            event |= {"item_prev": prev, "item_seq": seq + 1}
        new = sign_event(event, [EVERYBODY[name] for name in entry.signers])
        if new.item and new.item_seq is not None:
            trails[new.item] = new.item_seq, new.leaf_hash.hex()
        found.append(new.raw)
    return found


def _changed(at: int) -> list[bytes]:
    entries = raws()
    entries[at] = entries[at].replace(b'"purpose":"check"', b'"purpose":"other"')
    return signed_again(entries, at)


def _file(path: str, data: bytes | None) -> MemoryFiles:
    held = dict(honest().files.held)
    if data is None:
        del held[path]
    else:
        held[path] = data
    return MemoryFiles(held)


def _flipped(path: str, at: int) -> MemoryFiles:
    data = bytearray(honest().files.held[path])
    data[at] ^= 1
    return _file(path, bytes(data))


def _other_vault() -> MemoryFiles:
    house = House(origin="log.example/other")
    house.found("log.example/other")
    house.publish()
    return house.files


def _swapped(at: int) -> list[bytes]:
    entries = raws()
    entries[at], entries[at + 1] = entries[at + 1], entries[at]
    return signed_again(entries, at)


_LAST = bundle_path(SIZE // 256, SIZE % 256)
_EDITED_SIZE = honest().files.held["checkpoint"].replace(b"\n3000\n", b"\n2999\n")
NOTHING: set[int] = set()

MATRIX = [
    Attack("edit a byte of an entry", lambda: _flipped(bundle_path(3), 40_000), {3}, {3}, {3}, True),
    Attack("edit a tile hash", lambda: _flipped(tile_path(0, 3), 40), {3}, {3}, {3}, True),
    Attack("delete the last bundle", lambda: _file(_LAST, None), {3}, {3}, {3}, True),
    Attack("edit the size in the checkpoint", lambda: _file("checkpoint", _EDITED_SIZE), {1}, {1}, {1}, True),
    Attack("re-sign with another key", lambda: rebuilt(raws(), key=STRANGER), {1}, {1}, {1}, True),
    Attack("another vault's log, same key", _other_vault, {1}, {1}, {1}, True),
    # by the holder of the vault's key: the operators' signatures tell
    Attack(
        "edit and rebuild with the vault key alone",
        lambda: rebuilt([one.replace(b'"check"', b'"other"') if at == 1500 else one for at, one in enumerate(raws())]),
        {6},
        {2},
        {2},
    ),
    # by everybody together
    Attack("edit and rebuild", lambda: rebuilt(_changed(1500)), NOTHING, {2}, {2}),
    Attack("swap and rebuild", lambda: rebuilt(_swapped(1500)), NOTHING, {2}, {2}),
    Attack("delete one and rebuild", lambda: rebuilt(signed_again([*raws()[:1500], *raws()[1501:]], 1500)), NOTHING, {2}, {2}),
    Attack("truncate below what was saved", lambda: rebuilt(raws()[:1900]), NOTHING, {2}, {2}),
    Attack("fork below what was saved", lambda: rebuilt(_changed(1900)), NOTHING, {2}, {2}),
    # the limit: nothing shows these but a later anchor
    Attack("roll back exactly to what was saved", lambda: rebuilt(raws()[:SAVED]), NOTHING, NOTHING, {2}),
    Attack("truncate above what was saved", lambda: rebuilt(raws()[:2500]), NOTHING, NOTHING, {2}),
    Attack("fork above what was saved, same size", lambda: rebuilt(_changed(2500)), NOTHING, NOTHING, {2}),
    Attack(
        "fork above what was saved, longer",
        lambda: rebuilt([*_changed(2500), *signed_again([*_changed(2500), raws()[5]], SIZE)[SIZE:]]),
        NOTHING,
        NOTHING,
        {2},
    ),
]  # fmt: skip
