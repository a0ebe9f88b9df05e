"""`bwc ingest` killed with SIGKILL at random instants, all its threads with it; then looked at, and run again.

    python tests/faults/kill_loop.py [--trials 1000] [--workers 2] [--seed 1]

Each trial has a fresh vault. After the kill: the card is untouched, `bwc verify` finds nothing, everything that was
recorded opens to the card's bytes, and "safe to wipe" was said only if it was true. Then the same command must
finish the work, and verification must be clean again. Half of the instants are random times; half are a moment
after something happened in the vault (a file staged, an object named, an event recorded, a checkpoint published).
A process that has imported everything forks for each command, which then runs the installed entry point; some
trials start `bin/bwc` itself.
"""

import argparse
import collections
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.faults.dock import Dock, Trial, Violation
from tests.faults.warm import Forked, preload

_EXEC_SHARE = 0.05  # of the trials that start a new Python


def events(trial: Trial) -> dict[str, Callable[[], object]]:
    """What can be seen of an intake from outside, as marks that change."""
    vault = trial.vault

    def names(folder: str) -> int:
        return sum(1 for _ in (vault / folder).glob("*/*"))

    def size(path: str) -> int:
        try:
            return (vault / path).stat().st_size
        except OSError:
            return 0

    return {
        "a file is staged": lambda: len(os.listdir(vault / "staging")) if (vault / "staging").exists() else 0,
        "an envelope is named": lambda: names("envelopes"),
        "an object is named": lambda: names("objects"),
        "a body is written": lambda: names("bodies"),
        "an event is written": lambda: size("catalog.sqlite-wal"),
        "a checkpoint is kept": lambda: len(os.listdir(vault / "log" / "checkpoints")),
        "the person is told": lambda: (trial.place / "out").exists() and (trial.place / "out").stat().st_size,
    }


def one_trial(dock: Dock, name: str, coin: random.Random, usual_s: float) -> tuple[str, str]:
    """Kill one intake, look, run it again, look again. Returns how it was killed and how far it had come."""
    trial = dock.fresh(name)
    run = Forked(trial, trial.ingest, exec_it=coin.random() < _EXEC_SHARE)
    if coin.random() < 0.5:
        how, until = "at a random time", run.began + coin.random() * 1.1 * usual_s
        while run.alive() and time.monotonic() < until:
            time.sleep(min(0.002, max(0.0, until - time.monotonic())))
    else:
        how, mark = coin.choice(list(events(trial).items()))
        changes, before = coin.randrange(1, 4), mark()
        while run.alive() and changes:
            now = mark()
            changes -= now != before
            before = now
            time.sleep(0.0005)
        time.sleep(coin.random() * coin.choice((0.001, 0.01, 0.1)))
    run.kill()
    state = trial.check(run.end())
    again = Forked(trial, trial.ingest)
    trial.check_complete(again.end())
    trial.remove()
    return how, state


def worker(number: int, trials: int, seed: int, folder: str, told: "multiprocessing.Queue[tuple[str, str]]") -> None:
    """So many trials; tells of each."""
    preload()
    coin = random.Random(seed * 1000 + number)
    try:
        dock = Dock(Path(folder) / f"dock{number}")
        usual_s = 0.0
        for at in range(trials):
            if at % 50 == 0:  # how long it takes changes with what else the machine does
                whole = dock.fresh("whole")
                run = Forked(whole, whole.ingest)
                whole.check_complete(run.end())
                usual_s = time.monotonic() - run.began
                whole.remove()
            told.put(one_trial(dock, f"trial{at}", coin, usual_s))
    except BaseException as error:
        told.put(("VIOLATION" if isinstance(error, Violation) else "FAILED", f"worker {number}: {error!r}"))
        raise


def loop(trials: int, workers: int, seed: int, folder: Path, *, talk: bool) -> "collections.Counter[str]":
    """Run the trials; how far each intake had come when it was killed. Raises `Violation`."""
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[tuple[str, str]] = context.Queue()
    shares = [trials // workers + (number < trials % workers) for number in range(workers)]
    running = [
        context.Process(target=worker, args=(number, share, seed, str(folder), told))
        for number, share in enumerate(shares)
    ]
    states: collections.Counter[str] = collections.Counter()
    for process in running:
        process.start()
    try:
        for at in range(trials):
            how, state = told.get(timeout=600)
            if how in ("VIOLATION", "FAILED"):
                raise Violation(f"{how}: {state}")
            states[state] += 1
            if talk and (at + 1) % 50 == 0:
                print(f"{at + 1} of {trials}: {dict(states)}", flush=True)
    finally:
        for process in running:
            process.kill() if sys.exc_info()[0] else process.join()
    return states


def main() -> None:
    """Run the loop and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bwc-kills-") as folder:
        states = loop(chosen.trials, chosen.workers, chosen.seed, Path(folder), talk=True)
    print(f"{chosen.trials} kills in {time.monotonic() - began:.0f} s (seed {chosen.seed}): 0 violations")
    for state, count in states.most_common():
        print(f"  {count:5}  {state}")


if __name__ == "__main__":
    main()
