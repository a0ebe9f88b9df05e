"""A vault put back from a snapshot is not gone on with by the computer that signed the newer one."""

import shutil
from pathlib import Path

import pytest

from bwc.config import Places, marks_dir
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.errors import CheckpointRolledBack, ConfigError, IntegrityError, LogForked
from bwc.identities import LocalOperator, RecoveryKey
from bwc.roles import Policy

CHIEF = LocalOperator("chief", b"c" * 32, b"C" * 32)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(vault=tmp_path / "vault")
    recovery = RecoveryKey.parse(RecoveryKey.generate()).recipient
    found(made, agency="Springfield PD", operator=CHIEF, recovery=recovery).close()
    return made


def act(places: Places, approvals: int = 2) -> None:
    with House.enter(places, CHIEF) as house:
        house.set_policy(Policy(approvals=approvals))


def snapshot(places: Places, tmp_path: Path, name: str = "snapshot") -> Places:
    shutil.copytree(places.vault, tmp_path / name)
    return Places(vault=tmp_path / name)


def entries(places: Places) -> int:
    with House.enter(places, None) as house:
        return house.entries()


def test_an_older_vault_is_refused_before_anything_is_recorded(places: Places, tmp_path: Path) -> None:
    old = snapshot(places, tmp_path)
    act(places)
    with pytest.raises(CheckpointRolledBack, match="3 events, then 4"):
        act(old)
    assert entries(old) == 3
    act(places)  # the newer one goes on


def test_reading_an_older_vault_is_possible(places: Places, tmp_path: Path) -> None:
    old = snapshot(places, tmp_path)
    act(places)
    with House.enter(old, CHIEF) as house:
        assert house.entries() == 3
        assert house.policy.approvals == 1


def test_an_older_vault_that_somebody_else_went_on_with_is_a_fork(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = snapshot(places, tmp_path)
    act(places)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("BWC_HOME", str(tmp_path / "another computer"))
        for approvals in (3, 4, 5):
            act(old, approvals)
    with pytest.raises(LogForked):
        act(old)
    assert entries(old) == 6


def test_a_log_folder_that_is_older_than_its_catalog_is_caught_up_with(places: Places, tmp_path: Path) -> None:
    old = snapshot(places, tmp_path)
    act(places)
    shutil.rmtree(places.log)
    shutil.copytree(old.log, places.log)
    act(places)
    assert entries(places) == 5


def test_a_catalog_that_is_older_than_its_log_is_rebuilt(places: Places, tmp_path: Path) -> None:
    old = snapshot(places, tmp_path)
    act(places)
    shutil.copy(old.catalog, places.catalog)
    for name in ("catalog.sqlite-wal", "catalog.sqlite-shm"):
        (places.vault / name).unlink(missing_ok=True)
    with pytest.raises(CheckpointRolledBack) as caught:
        act(places)
    assert caught.value.hint == "bwc catalog rebuild"


def test_a_computer_that_signed_nothing_yet_refuses_nothing(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = snapshot(places, tmp_path)
    act(places)
    monkeypatch.setenv("BWC_HOME", str(tmp_path / "another computer"))
    act(old)


def test_a_damaged_mark_is_an_error(places: Places) -> None:
    (mark,) = marks_dir().iterdir()
    assert mark.stat().st_mode & 0o077 == 0
    mark.write_bytes(mark.read_bytes()[:-10])
    with pytest.raises(ConfigError):
        act(places)


def test_tiles_that_were_replaced_do_not_pass_the_mark(places: Places, tmp_path: Path) -> None:
    act(places)
    path = next(places.log.glob("tile/0/000.p/4"))
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(data))
    with pytest.raises(IntegrityError):
        act(places)
