"""Figures of sealing on this machine, next to other tools: speed, CPU, memory, many at once, seeking.

    python tests/bench/storage.py [--size-mb 512] [--rounds 5] [--sparse-gb 20] [--minutes 5] [--folder DIR]

Everything takes turns in one run, so ratios hold where other work makes the machine slower. Medians; MB = 10^6 bytes.
The source is warm, and every writer is made to sync. A tool that is not installed, or fails, is named and left out. No
further round is begun when the first table has taken `--minutes`.
"""

import argparse
import hashlib
import os
import random
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bwc.evidence import ItemId, ObjectRole
from bwc.identities import LocalOperator
from bwc.storage.fsops import Disk
from bwc.storage.held import Held
from bwc.storage.passes import SealingPass, prove
from bwc.storage.vault import Vault

sys.path.insert(0, str(Path(__file__).resolve().parent))
import storage_peers as peers

BLOCK = 4 << 20
STREAMS = 8
PERSON = LocalOperator.generate("bench")


@dataclass
class Cost:
    """What one run took."""

    seconds: float
    cpu: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mb", type=int, default=512, help="of the file, in MiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sparse-gb", type=int, default=20, help="of the sparse file; 0 leaves it out")
    parser.add_argument("--folder", type=Path, help="where to work; its disk is what is measured")
    parser.add_argument("--minutes", type=float, default=5.0, help="after which no further round is begun")
    parser.add_argument("--no-peers", action="store_true", help="only our own figures")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bwc-bench-", dir=chosen.folder) as folder:
        home = Path(folder)
        source = home / "source.bin"
        make_file(source, chosen.size_mb << 20)
        until = time.monotonic() + 60 * chosen.minutes
        speed(home, source, chosen.rounds, with_peers=not chosen.no_peers, until=until)
        at_once(home, source, chosen.rounds)
        seeking(home, source)
        source.unlink()
        memory(home, chosen.sparse_gb)


def make_file(path: Path, size: int) -> None:
    """A file that nothing can compress."""
    with path.open("wb") as file:
        for start in range(0, size, BLOCK):
            file.write(secrets.token_bytes(min(BLOCK, size - start)))
        os.fsync(file.fileno())


# --- speed ---


def speed(home: Path, source: Path, rounds: int, *, with_peers: bool, until: float) -> None:
    """The table of tools: each in turn, so many rounds, of which at least one counts."""
    parts: list[tuple[Cost, Cost]] = []
    runs: dict[str, Callable[[Path], Cost]] = {
        "hashlib.sha256 alone": lambda _: timed(lambda: digest(source)),
        "**bwc: seal + prove**": lambda work: sealed_and_proven(source, work, parts),
        "**`bwc ingest`**, the whole command": lambda work: ingest(source, work),
    }
    if with_peers:
        for name, prepare in peers.found():
            runs[name] = lambda work, prepare=prepare: of_peer(prepare, source, work)
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        if number > 1 and time.monotonic() > until:
            break
        for name, run in list(runs.items()):
            with tempfile.TemporaryDirectory(dir=home) as work:
                try:
                    cost = run(Path(work))
                except peers.Failed as error:
                    print(f"NOT MEASURED: {name}: {error}", file=sys.stderr, flush=True)
                    del runs[name], costs[name]
                    continue
            if number:  # the first round warms up
                costs[name].append(cost)
    size = source.stat().st_size
    alone = costs["hashlib.sha256 alone"]
    print(f"\nOne file of {size >> 20} MiB, median of {len(alone)} rounds in one run:\n")
    print("| what | MB/s (least to most) | CPU s/GB | of the speed of hashlib.sha256 |\n|---|---|---|---|")
    for name, found in costs.items():
        line(name, found, size, alone)
        if "seal" in name:
            line("bwc: seal alone", [part[0] for part in parts[1:]], size, alone)
            line("bwc: prove alone", [part[1] for part in parts[1:]], size, alone)
    floor(alone, size)


def floor(alone: list[Cost], size: int) -> None:
    """What no way of sealing can go below: its three digests."""
    one = statistics.median(cost.cpu for cost in alone) / (size / 1e9)
    print(f"\nThree digests by themselves: {3 * one:.2f} CPU s/GB (docs/decisions/digests.md)")


def line(name: str, costs: list[Cost], size: int, alone: list[Cost]) -> None:
    rates = [size / 1e6 / cost.seconds for cost in costs]
    cpu = statistics.median(cost.cpu for cost in costs) / (size / 1e9)
    ratio = statistics.median(one.seconds / cost.seconds for one, cost in zip(alone, costs, strict=True))
    print(
        f"| {name} | {statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) "
        f"| {cpu:.2f} | {100 * ratio:.0f} % |",
        flush=True,
    )


def timed(work: Callable[[], object]) -> Cost:
    """Wall and CPU seconds of what is done in this process, its threads included, and its children."""
    began, cpu = time.perf_counter(), cpu_seconds()
    work()
    return Cost(time.perf_counter() - began, cpu_seconds() - cpu)


def cpu_seconds() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def digest(source: Path) -> str:
    """SHA-256 of a file, read as fast as Python can."""
    state, buffer = hashlib.sha256(), memoryview(bytearray(BLOCK))
    with source.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            state.update(buffer[:count])
    return state.hexdigest()


def sealed_and_proven(source: Path, work: Path, parts: list[tuple[Cost, Cost]]) -> Cost:
    """Both passes over one file."""
    key = secrets.token_bytes(32)
    with Disk(work).stage() as staged:
        passing = SealingPass(staged, key, b"bench")

        def seal() -> None:
            with source.open("rb", buffering=0) as file:
                passing.read(file)
            nonlocal sealed
            sealed = passing.finish()

        sealed = None
        first = timed(seal)
        assert sealed is not None
        second = timed(lambda: prove(staged.blocks(), key, b"bench", sealed=sealed))
    parts.append((first, second))
    return Cost(first.seconds + second.seconds, first.cpu + second.cpu)


def of_peer(prepare: peers.Prepare, source: Path, work: Path) -> Cost:
    run = prepare(source, work)
    return timed(lambda: (run(), peers.sync(work)))


# --- the whole command ---


def ingest(card: Path, work: Path) -> Cost:
    """`bwc ingest` of one file into a fresh vault."""
    environment = founded(work)
    return timed(lambda: bwc(environment, "ingest", str(card), "--officer", "B1", "--camera", "X1"))


def founded(work: Path) -> dict[str, str]:
    """A vault made by the command line, and the environment to use it in."""
    (work / "passphrase").write_text("only for this bench\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BWC_")} | {
        "BWC_HOME": str(work / "home"),
        "BWC_VAULT": str(work / "vault"),
        "BWC_PASSPHRASE_FILE": str(work / "passphrase"),
    }
    words = ("--agency", "Bench", "--operator", "bench", "--recovery-file", str(work / "recovery"))
    bwc(environment, "init", str(work / "vault"), *words)
    return environment


def bwc(environment: dict[str, str], *words: str) -> None:
    command = [sys.executable, "-m", "bwc.cli.main", *words]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bwc {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")


# --- many at once ---


def at_once(home: Path, source: Path, rounds: int) -> None:
    """The same bytes as eight files: one after the other, then eight threads that seal and prove into one vault."""
    size = source.stat().st_size // STREAMS
    with source.open("rb") as file:
        parts = [home / f"card{number}" for number in range(STREAMS)]
        for part in parts:
            part.write_bytes(file.read(size))
    rates: dict[str, list[float]] = {"one": [], "eight": []}
    for _ in range(rounds):
        for name, workers in (("one", 1), ("eight", STREAMS)):
            with tempfile.TemporaryDirectory(dir=home) as work:
                vault = Vault.at(Path(work), log="bench.example/log")
                began = time.perf_counter()
                with ThreadPoolExecutor(workers) as pool:
                    for held in pool.map(lambda part, vault=vault: seal_file(vault, part), parts):
                        held.forget()
                seconds = time.perf_counter() - began
            rates[name].append(size * STREAMS / 1e6 / seconds)
    ratio = statistics.median(many / one for many, one in zip(rates["eight"], rates["one"], strict=True))
    one, eight = (statistics.median(rates[name]) for name in ("one", "eight"))
    print(
        f"\n{STREAMS} cards of {size >> 20} MiB, sealed, proven and named: one after the other {one:,.0f} MB/s, "
        f"all at once {eight:,.0f} MB/s: {100 * ratio:.0f} %"
    )
    for part in parts:
        part.unlink()


def seal_file(vault: Vault, path: Path) -> Held:
    with path.open("rb", buffering=0) as file:
        return vault.seal(
            file,
            item=ItemId("2026-1128-K4J7QX"),
            role=ObjectRole.SEGMENT,
            segment=0,
            signer=PERSON,
            recipients=[PERSON.recipient],
            now=datetime.now(UTC),
        )


# --- seeking ---


def seeking(home: Path, source: Path) -> None:
    """Opening a sealed object and reading 64 KiB anywhere in it, through the vault."""
    with tempfile.TemporaryDirectory(dir=home) as work:
        vault = Vault.at(Path(work), log="bench.example/log")
        held = seal_file(vault, source)
        held.forget()
        opened, reads, coin = [], [], random.Random(1)
        for _ in range(50):
            began = time.perf_counter()
            with vault.open(held.sealed, PERSON):
                opened.append(time.perf_counter() - began)
        with vault.open(held.sealed, PERSON) as stream:
            for _ in range(1000):
                stream.seek(coin.randrange(held.plain_bytes - 65536))
                began = time.perf_counter()
                assert len(stream.read(65536)) == 65536
                reads.append(time.perf_counter() - began)
    print(
        f"\nopen, its envelope and last segment checked: median {1000 * statistics.median(opened):.2f} ms, "
        f"most {1000 * max(opened):.2f} ms of 50\n"
        f"64 KiB anywhere: median {1000 * statistics.median(reads):.2f} ms, "
        f"p99 {1000 * statistics.quantiles(reads, n=100)[98]:.2f} ms of 1,000"
    )


# --- memory ---

# A child starts with the peak of the process that forked it (getrusage(2)): so a small one stands between.
WATCH = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(round(usage.ru_maxrss / 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def memory(home: Path, sparse_gb: int) -> None:
    """Peak memory of the whole `bwc ingest` for a small file and for a very large one that is one hole."""
    for size in (1 << 20, sparse_gb * 10**9):
        if not size:
            continue
        with tempfile.TemporaryDirectory(dir=home) as work:
            environment = founded(Path(work))
            card = Path(work) / "sparse.bin"
            with card.open("wb") as file:
                file.truncate(size)
            words = [sys.executable, "-m", "bwc.cli.main", "ingest", str(card), "--officer", "B1", "--camera", "X1"]
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", WATCH, *words], env=environment, check=True, capture_output=True, text=True
            )
            seconds = time.perf_counter() - began
        print(
            f"\n`bwc ingest` of {size / 1e6:,.0f} MB: {seconds:.1f} s, peak memory {done.stdout.strip()} MB", flush=True
        )


if __name__ == "__main__":
    main()
