"""The verdict on a copy: behind is no crime, another past is one, whichever checkpoint shows it."""

from dataclasses import replace
from pathlib import Path

import pytest

from bwc.anchors.fork import ForkKind
from bwc.anchors.openssl_ts import check_stamp
from bwc.anchors.seen import Seen, kept_evidence
from bwc.audit.findings import Grade
from bwc.audit.tiles import LogReader
from bwc.errors import CopyBehind, LogForked
from bwc.verifier.inspected import Inspection, judge
from tests.anchors.test_fork import NOTES, forked
from tests.audit.logs import ORIGIN, VKEY, House, MemoryFiles, small_house

HONEST = small_house()


def copy_of(house: House, size: int) -> MemoryFiles:
    """The log as it was published at `size`."""
    later = {f"checkpoints/{kept}" for kept in NOTES if kept > size}
    files = MemoryFiles({name: data for name, data in house.files.held.items() if name not in later})
    files.held["checkpoint"] = files.held[f"checkpoints/{size}"]
    return files


def judged(
    files: LogReader, memory: Seen, *, against: bytes | None = None, newer: LogReader | None = None
) -> Inspection:
    return judge(
        files, key=VKEY, agency="", memory=memory, rows=None, objects=None, share=1, check_stamp=check_stamp,
        against=[("slip", against)] if against else [], is_copy=True, newer=newer,
    )  # fmt: skip


def said(found: Inspection, grade: Grade = Grade.NOTE) -> list[str]:
    return [one.what for one in found.log.findings if (one.step, one.grade) == (2, grade)]


def test_a_copy_behind_a_slip_alone_is_compared_with_what_was_seen(tmp_path: Path) -> None:
    Seen(tmp_path, ORIGIN).look(NOTES[5], VKEY, HONEST.files)
    found = judged(copy_of(HONEST, 9), Seen(tmp_path, ORIGIN), against=NOTES[12])
    assert (found.verdict, found.behind) == ("BEHIND", 3)
    assert said(found) == ["a copy that is 3 entries behind slip"]
    assert Seen(tmp_path, ORIGIN).held[-1].size == 9, "it continues what was seen, so it is the measure now"


def test_a_copy_behind_a_slip_does_not_pass_over_a_package_that_it_contradicts(tmp_path: Path) -> None:
    Seen(tmp_path, ORIGIN).look(forked(7).files.held["checkpoint"], VKEY, None)
    found = judged(copy_of(HONEST, 9), Seen(tmp_path, ORIGIN), against=NOTES[12])
    assert found.verdict == "BAD"
    with pytest.raises(LogForked):
        found.raise_unless_ours()


@pytest.mark.parametrize("size", [7, 9])
def test_a_copy_that_is_behind_contradicts_an_older_checkpoint_that_was_seen(tmp_path: Path, size: int) -> None:
    memory = Seen(tmp_path, ORIGIN)
    memory.look(forked(size).files.held["checkpoint"], VKEY, None)
    memory.look(NOTES[12], VKEY, None)
    assert [one.size for one in memory.held] == [size, 12]
    found = judged(copy_of(HONEST, 9), memory)
    assert found.verdict == "BAD"
    assert said(found, Grade.BAD)
    with pytest.raises(LogForked):
        found.raise_unless_ours()


def test_a_copy_that_is_behind_and_continues_what_was_seen_before_is_only_behind(tmp_path: Path) -> None:
    memory = Seen(tmp_path, ORIGIN)
    for size in (5, 12):
        memory.look(NOTES[size], VKEY, None)
    for newer in (None, HONEST.files):
        found = judged(copy_of(HONEST, 9), memory, newer=newer)
        assert (found.verdict, found.behind) == ("BEHIND", 3)
        with pytest.raises(CopyBehind):
            found.raise_unless_ours()
    assert [one.size for one in Seen(tmp_path, ORIGIN).held] == [5, 12]


def test_tiles_that_are_missing_below_what_was_seen_are_bad(tmp_path: Path) -> None:
    memory = Seen(tmp_path, ORIGIN)
    for size in (5, 12):
        memory.look(NOTES[size], VKEY, None)
    files = copy_of(HONEST, 9)
    for name in [name for name in files.held if name.startswith("tile/0/")]:
        del files.held[name]
    assert judged(files, memory).verdict == "BAD"


def test_a_copy_that_is_not_the_beginning_of_the_newer_log_is_bad_and_the_proof_is_kept(tmp_path: Path) -> None:
    memory = Seen(tmp_path, ORIGIN)
    memory.look(NOTES[5], VKEY, None)
    memory.look(NOTES[12], VKEY, None)
    found = judged(forked(9).files, memory, newer=HONEST.files)
    assert found.verdict == "BAD"
    assert [one.kind for one in kept_evidence(tmp_path)] == [ForkKind.OTHER_PAST]
    with pytest.raises(LogForked):
        found.raise_unless_ours()


def test_a_newer_log_that_contradicts_what_was_seen_says_nothing_against_a_copy(tmp_path: Path) -> None:
    memory = Seen(tmp_path, ORIGIN)
    memory.look(NOTES[12], VKEY, None)
    for newer in (forked(12).files, copy_of(HONEST, 5)):
        found = judged(copy_of(HONEST, 9), memory, newer=newer)
        assert found.verdict == "BEHIND"
        assert "contradicts what was seen" in said(found)[0]
    assert {one.kind for one in kept_evidence(tmp_path)} == {ForkKind.TWO_ROOTS, ForkKind.SHORTER}


@pytest.mark.parametrize(("count", "said_so"), [(1, "1 entry, 1 item, 1 signature"), (2, "2 entries, 2 items, 2 sig")])
def test_one_of_a_kind_is_counted_as_one(tmp_path: Path, count: int, said_so: str) -> None:
    found = judged(copy_of(HONEST, 9), Seen(tmp_path, ORIGIN))
    few = replace(found, log=replace(found.log, entries=count, items=count, signatures=count))
    assert said_so in few.text()
