"""Every attack is caught by the mechanism that must catch it, and what cannot be caught is not claimed to be."""

import pytest

from bwc.audit.checkpoint import Checkpoint, parse_checkpoint
from bwc.audit.event import Entry, parse_entry
from bwc.audit.findings import Grade
from bwc.audit.verify import verify_log
from bwc.errors import IntegrityError
from bwc.verifier.cores import over_cores
from bwc.verifier.trail import ItemChains
from tests.audit.attack_matrix import MATRIX, Attack, honest, newest, raws, rebuilt, saved, signed_again
from tests.audit.logs import VKEY, MemoryFiles, small_house

each = pytest.mark.parametrize("attack", [pytest.param(one, id=one.name) for one in MATRIX])


def steps(files: MemoryFiles, seen: Checkpoint | None = None) -> set[int]:
    found = verify_log(files, VKEY, seen, spread=over_cores(1)).findings
    return {one.step for one in found if one.grade is Grade.BAD}


def test_the_honest_log_is_clean() -> None:
    for seen in (None, saved(), newest()):
        assert steps(honest().files, seen) == set()


@each
def test_in_this_copy_alone(attack: Attack) -> None:
    found = steps(attack.do())
    assert attack.alone <= found
    assert bool(found) == bool(attack.alone)


@each
def test_beside_a_checkpoint_saved_earlier(attack: Attack) -> None:
    found = steps(attack.do(), saved())
    assert attack.saved <= found
    assert bool(found) == bool(attack.saved)


@each
def test_beside_what_a_witness_saw(attack: Attack) -> None:
    assert attack.witness <= steps(attack.do(), newest())


def test_an_edited_entry_is_named() -> None:
    files = next(one for one in MATRIX if one.name.startswith("edit a byte")).do()
    bad = [one for one in verify_log(files, VKEY, spread=over_cores(1)).findings if one.grade is Grade.BAD]
    assert any("entry " in one.where or "from hash" in one.what for one in bad)


def test_a_split_view_is_seen_when_two_auditors_meet() -> None:
    """Each auditor's copy is whole by itself; either one's checkpoint beside the other's copy tells."""
    one, two = raws()[:2500], signed_again([*raws()[:2400], *raws()[2401:2501]], 2400)
    shown = [rebuilt(one), rebuilt(two)]
    notes = [parse_checkpoint(files.held["checkpoint"])[0] for files in shown]
    assert [steps(files, saved()) for files in shown] == [set(), set()]
    assert steps(shown[0], notes[1]) == {2}
    assert steps(shown[1], notes[0]) == {2}


def test_an_exported_trail_with_one_left_out_is_broken_wherever_it_was() -> None:
    trail = [entry for row in small_house().rows.held if (entry := parse_entry(row.entry)).item]
    mine = [entry for entry in trail if entry.item == trail[0].item]
    assert len(mine) > 3
    for left_out in range(len(mine) - 1):
        with pytest.raises(IntegrityError):
            followed(mine[:left_out] + mine[left_out + 1 :])
    followed(mine)
    followed(mine[:-1])  # that nothing came after shows only in the log itself


def followed(trail: list[Entry]) -> None:
    chains = ItemChains()
    for entry in trail:
        chains.verify_next(entry)


@pytest.mark.slow
def test_any_file_of_any_size_truncated_or_grown_is_caught() -> None:
    held = honest().files.held
    for path, data in held.items():
        for broken in (data[:-1], data + b"\0", b""):
            assert steps(MemoryFiles(held | {path: broken})), path
