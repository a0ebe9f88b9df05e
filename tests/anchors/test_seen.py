"""What a person saw is kept beside them, is the measure of what comes, and cannot be forgotten by damage."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bwc.anchors.fork import ForkEvidence, ForkKind
from bwc.anchors.seen import Seen, kept_evidence, look
from bwc.appending.writing import log_key
from bwc.audit.verify import verify_log
from bwc.errors import CheckpointRolledBack, ConfigError, IntegrityError, LogForked
from tests.anchors.test_fork import NOTES, forked
from tests.audit.logs import ORIGIN, STRANGER, VKEY, House, grown_house, small_house


def note(house: House) -> bytes:
    return house.files.held["checkpoint"]


def test_a_log_that_goes_on_is_remembered_by_its_last_checkpoint(tmp_path: Path) -> None:
    house = small_house()
    for size in (5, 9, 12, 12):
        assert not Seen(tmp_path, ORIGIN).look(NOTES[size], VKEY, house.files)
    (kept,) = Seen(tmp_path, ORIGIN).held
    assert kept.size == 12
    assert kept.signed.note == NOTES[12]


def test_checkpoints_of_packages_wait_for_the_log(tmp_path: Path) -> None:
    memory = Seen(tmp_path, ORIGIN)
    for size in (9, 5):
        assert not memory.look(NOTES[size], VKEY, None)
    assert [one.size for one in Seen(tmp_path, ORIGIN).held] == [5, 9]
    (found,) = memory.look(note(forked(12)), VKEY, forked(12).files)  # the fork leaves the fifth as it was
    assert found.kind is ForkKind.OTHER_PAST
    assert [one.size for one in Seen(tmp_path, ORIGIN).held] == [5, 9]  # a fork is not the measure of what comes
    assert not memory.look(NOTES[12], VKEY, small_house().files)
    assert [one.size for one in Seen(tmp_path, ORIGIN).held] == [12]


def test_two_packages_alone_show_a_split_view(tmp_path: Path) -> None:
    memory = Seen(tmp_path, ORIGIN)
    assert not memory.look(NOTES[12], VKEY, None)
    (found,) = memory.look(note(forked(12)), VKEY, None)
    assert found.kind is ForkKind.TWO_ROOTS
    assert kept_evidence(tmp_path) == [found]


@pytest.mark.parametrize(
    ("size", "error"), [(9, CheckpointRolledBack), (12, LogForked), (300, LogForked)], ids=["shorter", "same", "longer"]
)
def test_a_fork_is_a_finding_of_step_2_and_its_proof_is_kept(
    tmp_path: Path, size: int, error: type[IntegrityError]
) -> None:
    house, other = small_house(), forked(size)
    look(verify_log(house.files, VKEY), Seen(tmp_path, ORIGIN))
    report = verify_log(other.files, VKEY)
    assert not report.findings.count()
    look(report, Seen(tmp_path, ORIGIN))
    assert report.findings.count(2) == 1
    with pytest.raises(error):
        report.findings.raise_if_bad()
    (found,) = kept_evidence(tmp_path)
    assert ForkEvidence.parse(found.to_bytes()) == found
    look(verify_log(other.files, VKEY), Seen(tmp_path, ORIGIN))
    assert len(kept_evidence(tmp_path)) == 2 or kept_evidence(tmp_path) == [found]


def test_nothing_is_remembered_of_a_log_that_is_not_whole_or_not_tied(tmp_path: Path) -> None:
    house = small_house()
    look(verify_log(house.files, None), Seen(tmp_path, ORIGIN))
    house.files.held.pop("tile/entries/000.p/12")
    look(verify_log(house.files, VKEY), Seen(tmp_path, ORIGIN))
    look(verify_log(house.files, log_key(ORIGIN, STRANGER)), Seen(tmp_path, ORIGIN))
    assert not list(tmp_path.iterdir())


def test_a_damaged_memory_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    Seen(tmp_path, ORIGIN).look(NOTES[12], VKEY, None)
    (path,) = tmp_path.glob("*/seen.json")
    whole = path.read_bytes()
    for damaged in (b"", whole[:-20], whole.replace(b"12", b"11", 1), b"{}", b"[]", whole.replace(b"bwc.seen/1", b"x")):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError):
            Seen(tmp_path, ORIGIN)


def test_comparing_reads_a_few_tiles_of_a_large_log(tmp_path: Path) -> None:
    house = grown_house(700)
    house.publish()
    Seen(tmp_path, ORIGIN).look(note(house), VKEY, house.files)
    house.ingest()
    house.publish()
    assert not Seen(tmp_path, ORIGIN).look(note(house), VKEY, house.files)


def test_two_who_look_at_once_lose_nothing(tmp_path: Path) -> None:
    """Packages and the log are looked at by several processes of one person: what each saw is kept."""
    house = grown_house(60)
    notes = []
    rows = house.rows.held
    for size in range(20, 60):
        house.rows.held = rows[:size]
        house.publish()
        notes.append(house.files.held["checkpoint"])
    with ThreadPoolExecutor(4) as pool:  # the lock is of an open file, so it keeps threads apart as it does processes
        list(pool.map(_look, [tmp_path] * len(notes), notes))
    assert [one.size for one in Seen(tmp_path, ORIGIN).held] == list(range(20, 60))


def _look(folder: Path, note: bytes) -> None:
    assert Seen(folder, ORIGIN).look(note, VKEY, None) == []
