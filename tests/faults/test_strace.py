"""Each error at each system call of the installed intake: a clear failure, an untouched card, a second run that succeeds."""

import pytest

from tests.faults.dock import Dock
from tests.faults.strace_sweep import ALL_FAULTS, FAULTS, KILL, LIE, Point, is_here, new_dock, points, sweep

pytestmark = pytest.mark.skipif(not is_here(), reason="NOT TESTED: system call errors; apt-get install strace")


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Dock:
    return new_dock(tmp_path_factory.mktemp("strace") / "listing")


def try_all(dock: Dock, chosen: list[Point]) -> None:
    assert chosen
    bad = [
        str(state)
        for _, state in sweep(dock.folder, chosen, workers=min(2, len(chosen) // 4 + 1))
        if not isinstance(state, str)
    ]
    assert not bad, "\n".join(bad)


def test_a_few_errors(dock: Dock) -> None:
    # a block that a thread writes; the sync of a name's folder
    try_all(dock, [Point("write", 1, "error=ENOSPC"), Point("fsync", 9, KILL)])


def test_a_few_lies(dock: Dock) -> None:
    lies = points(dock, ["write"], [LIE])
    try_all(dock, [lies[0]])


@pytest.mark.slow
@pytest.mark.parametrize("fault", ALL_FAULTS)
def test_every_call(dock: Dock, fault: str) -> None:
    try_all(dock, points(dock, list(FAULTS), [fault]))
