"""Figures of the audit log on this machine: acts, commands, and a log of many entries that is verified and proven.

    python tests/bench/log.py [--entries 100000] [--folder DIR]      # ten million: about 20 minutes and 17 GB
    python tests/bench/log.py --entries 0 --rounds 5                 # acts and commands alone, on a machine with other work
    TMPDIR=/dev/shm python tests/bench/log.py --entries 0            # the same without waiting for a disk

Acts and commands run through the door of a vault made for it, in turn with the machine's own append + fsync, since
a shared disk is fast in one second and slow in the next; the ratio of medians is what to look at; on a busy machine, the CPU time of each. The long log is
made of entries of four operators about many items, each with its own signature. Nothing is asserted.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from bwc.config import Places
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.evidence import EventDraft, EventKind
from bwc.identities import LocalOperator, RecoveryKey, SeedSigner
from bwc.recording import new_item_id

ROUNDS = 15
SHORT, LONG = 40, 800  # commands of each process that begins cold; commands of all
SEEDS = (b"s" * 32, b"u" * 32)
PRIVATE = {"note": "a note of usual length, said by one person to another", "reason": "review"}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--folder", type=Path, help="where the long log is made, and kept; else a temporary folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bwc-bench-") as folder:
        os.environ["BWC_HOME"] = f"{folder}/home"  # the marks too on the disk that is measured, and none left behind
        acts(Path(folder), chosen.rounds)
    for processes in (1, 4, 16):
        for each in (SHORT, max(SHORT, LONG // processes)):  # cold, and when the catalog's journal has its length
            with tempfile.TemporaryDirectory(prefix="bwc-bench-") as folder:
                os.environ["BWC_HOME"] = f"{folder}/home"
                side_by_side(Path(folder), processes, each)
    if not chosen.entries:
        return
    place = chosen.folder or Path(tempfile.mkdtemp(prefix="bwc-bench-"))
    try:
        # From a line, as light as `bwc`: the processes that read the log import what their parent's main file imports
        line = (
            "import sys, pathlib, tests.bench.long_log as it; it.measure(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
        )
        words = [sys.executable, "-c", line, str(place.resolve()), str(chosen.entries)]
        subprocess.run(words, cwd=Path(__file__).resolve().parents[2], check=True)
    finally:
        if chosen.folder is None:
            shutil.rmtree(place)


def acts(folder: Path, rounds: int) -> None:
    """The act: one durable signed row; with a private body; many in one transaction; a command with its checkpoint."""
    operator = LocalOperator.generate("bench")
    recovery = RecoveryKey.parse(RecoveryKey.generate()).recipient
    raw = os.open(folder / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    key = SeedSigner(os.urandom(32))

    def append() -> None:
        os.write(raw, b"x" * 400)
        os.fsync(raw)

    with found(Places(vault=folder / "vault"), agency="Bench", operator=operator, recovery=recovery) as house:
        item = new_item_id(datetime.now(UTC))
        draft = EventDraft(kind=EventKind.ITEM_OPENED, item=item, facts={"purpose": "review", "segment": 0})
        act(house, {})
        results: dict[str, list[float]] = {}
        used: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, one, count, each in (
                ("raw append + fsync", append, 60, 1),
                ("act, no private body", lambda: act(house, {}), 60, 1),
                ("act, private body to 2 readers", lambda: act(house, PRIVATE), 30, 1),
                ("acts, 1,000 in one transaction", lambda: house.act_together(draft.kind, [draft] * 1000), 1, 1000),
                ("raw Ed25519 signature", lambda: key.sign(b"x" * 600), 200, 1),
                ("publish what those left", house.publish, 1, 1),
                ("command: act + tiles + checkpoint", lambda: command(house, {}), 20, 1),
                ("command with a private body", lambda: command(house, PRIVATE), 10, 1),
            ):
                began = time.process_time()
                results.setdefault(name, []).append(rate(one, count) * each)
                used.setdefault(name, []).append((time.process_time() - began) / count / each)
    os.close(raw)
    base = statistics.median(results["raw append + fsync"])
    for name, rates in results.items():
        middle = statistics.median(rates)
        cpu = 1000 * statistics.median(used[name])
        show(name, middle, f"{middle / base:6.1%} of raw append + fsync; {cpu:.3f} ms of CPU time each")
    share = statistics.median(results["acts, 1,000 in one transaction"]) / statistics.median(
        results["raw Ed25519 signature"]
    )
    print(f"{'':44} one transaction reaches {share:.0%} of the rate of its signatures alone")


def act(house: House, private: dict[str, str]) -> None:
    """One act, an opening that is only recorded."""
    house.act(EventKind.ITEM_OPENED, None, {"purpose": "review", "segment": 0}, private)


def command(house: House, private: dict[str, str]) -> None:
    """What one command does before the person is told."""
    act(house, private)
    house.publish()


def side_by_side(folder: Path, processes: int, each: int) -> None:
    """Commands of several processes at once in one vault: who waits for the lock is served by whoever has it.

    From when all begin until the last is told; that processes end then, and close the vault, is no part of it.
    """
    operator, places = LocalOperator("bench", *SEEDS), Places(vault=folder / "vault")
    found(
        places, agency="Bench", operator=operator, recovery=RecoveryKey.parse(RecoveryKey.generate()).recipient
    ).close()
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    used, told = context.Value("d", 0.0), context.Value("d", 0.0)
    words = (str(places.vault), ready, each, used, told)
    running = [context.Process(target=_one_of_many, args=words) for _ in range(processes)]
    for one in running:
        one.start()
    ready.wait(120)
    began = time.monotonic()
    for one in running:
        one.join()
    took = told.value - began
    if any(one.exitcode for one in running):
        raise SystemExit("a process failed")
    made = len(list((places.log / "checkpoints").iterdir())) - 1
    count = processes * each
    more = f"{made} checkpoints for {count} commands; {1000 * used.value / count:.2f} ms of CPU time each"
    show(f"commands, {processes} processes at once, {each} each", count / took, more)


def _one_of_many(
    vault: str, ready: "threading.Barrier", each: int, used: "Synchronized[float]", told: "Synchronized[float]"
) -> None:
    with House.enter(Places(vault=Path(vault)), LocalOperator("bench", *SEEDS)) as house:
        house.publish()
        ready.wait(120)
        began = time.process_time()
        for _ in range(each):
            command(house, {})
        ended, spent = time.monotonic(), time.process_time() - began
        with used.get_lock():
            used.value += spent
            told.value = max(told.value, ended)


def rate(do: Callable[[], object], count: int) -> float:
    """How often `do` is done in a second."""
    began = time.perf_counter()
    for _ in range(count):
        do()
    return count / (time.perf_counter() - began)


def show(what: str, rate_s: float, more: str = "") -> None:
    """One line of the table."""
    print(f"{what:44} {rate_s:10,.0f} /s   {more}", flush=True)


if __name__ == "__main__":
    main()
