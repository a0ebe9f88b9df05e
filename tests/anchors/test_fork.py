"""Fork evidence proves itself, and nothing that is no fork passes for one."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bwc.anchors.fork import ForkEvidence, ForkKind, SignedCheckpoint, contradiction
from bwc.appending.writing import log_key, sign_checkpoint
from bwc.audit.checkpoint import Checkpoint, parse_checkpoint
from bwc.audit.merkle import leaf_hash, root_of
from bwc.canonical import canonical
from bwc.errors import IntegrityError, ProofInvalid
from tests.audit.logs import LOG_KEY, ORIGIN, STRANGER, VKEY, House, MemoryFiles, grown_house, small_house

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
HONEST = small_house()
NOTES = {size: HONEST.files.held[f"checkpoints/{size}"] for size in (5, 9, 12)}


def signed(note: bytes) -> SignedCheckpoint:
    return SignedCheckpoint(note, VKEY)


def forked(size: int) -> House:
    """Another history of `size` events under the same key, which differs from the honest one after the fifth."""
    house = House()
    house.found()
    while len(house.rows.held) < size:
        house.ingest(f"2026-1122-{len(house.rows.held):06d}")  # type: ignore[arg-type]
    house.publish()
    return house


def of(house: House) -> SignedCheckpoint:
    return signed(house.files.held["checkpoint"])


def test_a_log_that_grew_contradicts_nothing() -> None:
    for size in (5, 9):
        assert contradiction(signed(NOTES[size]), of(HONEST), HONEST.files, found_at=NOW) is None
    assert contradiction(of(HONEST), of(HONEST), HONEST.files, found_at=NOW) is None


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        pytest.param(NOTES[12], lambda: forked(12), ForkKind.TWO_ROOTS, id="same size"),
        pytest.param(NOTES[9], lambda: forked(12), ForkKind.OTHER_PAST, id="longer"),
        pytest.param(NOTES[9], lambda: forked(300), ForkKind.OTHER_PAST, id="longer than a tile"),
        pytest.param(NOTES[12], lambda: forked(9), ForkKind.SHORTER, id="shorter"),
    ],
)
def test_a_fork_is_proven_by_one_file(before: bytes, now: Callable[[], House], kind: ForkKind) -> None:
    house = now()
    found = contradiction(signed(before), of(house), house.files, found_at=NOW)
    assert found is not None
    assert found.kind is kind
    again = ForkEvidence.parse(found.to_bytes())  # verified from the bytes alone
    assert again == found
    assert again.to_bytes() == found.to_bytes()
    assert ORIGIN in again.text()


def test_a_grown_log_is_compared_across_tiles() -> None:
    house = grown_house(700)
    house.publish()
    assert contradiction(of(forked(300)), of(house), house.files, found_at=NOW) is not None
    assert contradiction(of(forked(5)), of(house), house.files, found_at=NOW) is None


def test_missing_tiles_are_an_error_and_no_proof() -> None:
    house = forked(12)
    held = {path: data for path, data in house.files.held.items() if not path.startswith("tile/0")}
    with pytest.raises(IntegrityError):
        contradiction(signed(NOTES[9]), of(house), MemoryFiles(held), found_at=NOW)


def test_a_strangers_checkpoint_is_no_evidence() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 12, bytes(32)), STRANGER)
    with pytest.raises(ProofInvalid):
        signed(note)
    # under a key of its own it can be written down, and names that key: whoever reads compares it
    mine = log_key(ORIGIN, STRANGER)
    found = ForkEvidence(kind=ForkKind.TWO_ROOTS, first=of(HONEST), second=SignedCheckpoint(note, mine), found_at=NOW)
    assert ForkEvidence.parse(found.to_bytes()).second.key != VKEY


def _other_past() -> dict[str, Any]:
    house = forked(12)
    found = contradiction(signed(NOTES[9]), of(house), house.files, found_at=NOW)
    assert found is not None
    return dict(json.loads(found.to_bytes()))


def _edit(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def act(value: dict[str, Any]) -> None:
        for name in path[:-1]:
            value = value[name]
        value[path[-1]] = to

    return act


HONEST_ROOT = parse_checkpoint(NOTES[9])[0]
FALSE: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("the root that was signed", _edit("proof", "root", to=json.loads(canonical("x")) and HONEST_ROOT.text().split("\n")[2])),
    ("no path", _edit("proof", "path", to=[])),
    ("no root", _edit("proof", "root", to="")),
    ("two of one history", _edit("second", "note", to=NOTES[12].decode())),
    ("the same twice", _edit("second", "note", to=NOTES[9].decode())),
    ("other kind", _edit("kind", to="two-roots")),
    ("rolled back it was not", _edit("kind", to="shorter")),
    ("unknown kind", _edit("kind", to="worse")),
    ("another format", _edit("format", to="bwc.fork/2")),
    ("another key", _edit("first", "vkey", to=log_key(ORIGIN, STRANGER).text())),
    ("a root that nobody signed", _edit("first", "note", to=NOTES[9].decode().replace("\n9\n", "\n8\n"))),
    ("no time", _edit("found_at", to="yesterday")),
    ("a list for a note", _edit("first", "note", to=[])),
]  # fmt: skip


@pytest.mark.parametrize("edit", [pytest.param(act, id=name) for name, act in FALSE])
def test_what_proves_no_fork_is_refused(edit: Callable[[dict[str, Any]], None]) -> None:
    value = _other_past()
    edit(value)
    with pytest.raises(IntegrityError):
        ForkEvidence.parse(canonical(value))


def test_no_single_byte_of_evidence_can_be_changed_to_prove_something_else() -> None:
    data = canonical(_other_past())
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 1
        try:
            found = ForkEvidence.parse(bytes(changed))
        except IntegrityError:
            continue
        assert b"found_at" in data[max(0, at - 40) : at + 1]  # the finder's word, not proven
        assert found.first.note == NOTES[9]


def test_two_logs_of_other_names_are_not_compared() -> None:
    other = House(origin="log.example/other")
    other.found("log.example/other")
    other.publish()
    note = other.files.held["checkpoint"]
    with pytest.raises(ProofInvalid):
        contradiction(
            SignedCheckpoint(note, log_key("log.example/other", LOG_KEY)), of(HONEST), HONEST.files, found_at=NOW
        )


def test_leaves_of_the_fork_are_what_the_root_says() -> None:
    house = forked(12)
    root = root_of([leaf_hash(row.entry) for row in house.rows.held])
    assert of(house).checkpoint.root == root
