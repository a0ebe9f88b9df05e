"""A crash at every file operation of a whole intake, an error at every one: nothing lost, nothing false said."""

import errno

import pytest

from tests.faults.dock import Dock
from tests.faults.model_intake import SURVIVES, crash_at, fail_at, operations, survives

CHANGING = ("fsync", "link", "mkdir", "rename", "unlink", "write", "open", "read")


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Dock:
    return Dock(tmp_path_factory.mktemp("model") / "dock", big=3000)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BWC_HOME", "set by each trial")


@pytest.mark.parametrize("how", SURVIVES)
def test_a_crash_now_and_then(dock: Dock, how: str) -> None:
    total = len(operations(dock))
    for at in range(SURVIVES.index(how) * 13, total, 83):
        crash_at(dock, at, survives(how, at))


@pytest.mark.slow
@pytest.mark.parametrize("how", SURVIVES)
def test_a_crash_at_every_operation(dock: Dock, how: str) -> None:
    states = [crash_at(dock, at, survives(how, at)) for at in range(len(operations(dock)))]
    assert {"nothing yet", "named, not recorded", "some recorded", "all recorded"} <= set(states)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_another_random_part_survives(dock: Dock, seed: int) -> None:
    for at in range(len(operations(dock))):
        crash_at(dock, at, survives("a random part", 1000 * (seed + 1) + at))


def test_an_error_now_and_then(dock: Dock) -> None:
    for call in ("fsync", "write", "link"):
        assert fail_at(dock, call, 3, errno.EIO, took_effect=False) in ("refused", "not safe")


@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("call", CHANGING)
def test_an_error_at_every_operation(dock: Dock, call: str, error: int) -> None:
    total = operations(dock).count(call)
    for at in range(total):
        for took_effect in (False, True):
            fail_at(dock, call, at, error, took_effect=took_effect)
