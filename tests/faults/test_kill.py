"""Killed at any instant: nothing acknowledged is lost, nothing false is said, the same command finishes the work."""

import os
from pathlib import Path

import pytest

from tests.faults.dock import Dock, Said, Violation
from tests.faults.kill_loop import loop
from tests.faults.warm import Forked


def test_kills_at_random_instants(tmp_path: Path) -> None:
    assert sum(loop(4, 1, seed=os.getpid(), folder=tmp_path, talk=False).values()) == 4


@pytest.mark.slow
def test_a_thousand_kills(tmp_path: Path) -> None:
    trials = int(os.environ.get("BWC_KILLS", "1000"))
    assert sum(loop(trials, 2, seed=1, folder=tmp_path, talk=True).values()) == trials


def test_killed_before_its_first_instruction_it_has_said_nothing(tmp_path: Path) -> None:
    trial = Dock(tmp_path, big=1 << 20).fresh("one")
    (trial.place / "out").write_text('"safe_to_wipe": true')  # of a run before
    run = Forked(trial, trial.ingest)
    run.kill()
    assert trial.check(run.end()) == "nothing yet"


def test_the_judge_of_the_trials_sees_what_it_must(tmp_path: Path) -> None:
    trial = Dock(tmp_path).fresh("one")
    with pytest.raises(Violation, match="only 0 files are held"):
        trial.check(Said(0, "", ""))
    with pytest.raises(Violation, match="only 0 files are held"):
        trial.check(Said(-9, 'so far "safe_to_wipe": true', ""))
    said = trial.run(*trial.ingest)
    assert trial.check(said) == "told that it is safe"
    one = next((trial.vault / "objects").glob("*/*"))
    data = one.read_bytes()
    one.chmod(0o600)
    one.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Violation, match="verify says BAD"):
        trial.check(said)
    one.unlink()
    with pytest.raises(Violation, match="verify says BAD"):
        trial.check(said)
