"""`bwc ingest` under strace: each error at each n-th system call, on the real kernel with all threads.

    python tests/faults/strace_sweep.py [--calls write fsync …] [--faults lie …] [--every 1] [--workers 2]

A first run under strace lists the calls that touch vault, home or card; each is then made to fail once. strace counts calls
for each thread, so the n-th call of every thread fails. The command runs in a copy of a process that has imported it
(`warm`): the first call that counts is the command's own.
After each: exit code, no "internal error", the card untouched, verification clean, no false "safe to wipe"; then
the same command without strace must finish the work.
"""

import argparse
import collections
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bwc.errors import DigestMismatch
from tests.faults.dock import Dock, Said, Trial, Violation
from tests.faults.warm import Forked, preload

BIG = 5 << 20  # of the card's largest file: whole blocks go one way to the disk, the rest another
LIE, KILL = "lie", "signal=KILL"
# what the kernel may answer; a lie says "written" and writes nothing; a kill comes at the call
FAULTS: dict[str, tuple[str, ...]] = {
    "write": ("error=ENOSPC", "error=EIO", LIE, KILL),
    "pwrite64": ("error=ENOSPC", "error=EIO", KILL),
    "fsync": ("error=EIO", KILL),
    "fdatasync": ("error=EIO", KILL),
    "link": ("error=EIO", "error=EROFS", KILL),
    "rename": ("error=EIO", KILL),
    "openat": ("error=EMFILE", "error=EACCES"),
    "mkdir": ("error=ENOSPC",),
    "ftruncate": ("error=EIO",),
    "fallocate": ("error=EOPNOTSUPP", "error=ENOSPC"),
    "unlink": ("error=EIO",),
    "preadv2": ("error=EIO",),
    "readv": ("error=EIO",),
}
ALL_FAULTS = tuple(dict.fromkeys(fault for faults in FAULTS.values() for fault in faults))
# where a failure costs nothing that was promised
HARMLESS = re.compile(
    r"fallocate\("  # space is claimed ahead only for speed
    r"|unlink\("  # a random name that stays is collected later
    r"|catalog\.sqlite-shm"  # SQLite's shared memory is made anew by whoever opens it next
    r"|catalog\.sqlite>"  # what SQLite copies from its synced write-ahead log when it closes, the next one copies
    # SQLite takes no notice of an error when it syncs the folder of its journal. The person is told only after
    # the log's own files, which hold the same entries, were written and synced beside it.
    r"|fdatasync\(\d+<[^>]*/vault>"
    r'|/vault", O_RDONLY\|O_CLOEXEC\)'
    r'|-wal", O_RDWR'  # which it opens again
    r"|preadv2\(\d+<[^>]*/card/"  # a range of the card that came when it was asked for again
    r"|/home/standing"  # what an operator remembers of the log to read it faster: it is no evidence, and is made anew
    r"|O_NOATIME"  # only the owner of a file may ask for it: it is asked again without
)


@dataclass(frozen=True)
class Point:
    """One call to make fail."""

    call: str
    nth: int
    fault: str

    def __str__(self) -> str:
        return f"{self.call}:{self.fault}:when={self.nth}"


def is_here() -> bool:
    return shutil.which("strace") is not None


def traced(trial: Trial, log: Path, *words: str) -> Said:
    """The intake, from its first call on under strace with these options."""
    return Forked(trial, trial.ingest, strace=("-f", "-y", "-qq", "-o", str(log), *words)).end()


def points(dock: Dock, calls: list[str], faults: list[str]) -> list[Point]:
    """Every call that touches what is ours, by its number in its thread, with each of `faults` that suits it."""
    trial = dock.fresh("listing")
    log = trial.place / "strace"
    said = traced(trial, log, "-e", f"trace={','.join(calls)}")
    if said.code:
        raise Violation(f"under strace, without a fault: exit {said.code}\n{said.err}")
    found: dict[str, dict[int, str]] = collections.defaultdict(dict)
    seen: collections.Counter[tuple[str, str]] = collections.Counter()
    for line in log.read_text().splitlines():
        match = re.match(r"(\d+) +(\w+)\(", line)
        if match:
            thread, call = match.groups()
            seen[thread, call] += 1
            if str(dock.folder) in _without_cwd(line):
                found[call][seen[thread, call]] = line
    trial.remove()
    return [
        Point(call, nth, _lie(line) if fault == LIE else fault)
        for call in calls
        for nth, line in sorted(found[call].items())
        for fault in FAULTS[call]
        if fault in faults and (fault != LIE or f"{trial.vault}/" in line)
    ]


def _lie(line: str) -> str:
    """The answer that a write would have had, without the write."""
    return f"retval={line.rpartition(' = ')[2]}"


def try_point(dock: Dock, point: Point, name: str) -> str:
    """Make one call fail. Returns what came of it, or raises `Violation`."""
    trial = dock.fresh(name)
    log = trial.place / "strace"
    said = traced(trial, log, "-e", f"trace={point.call}", "-e", f"inject={point}")
    lines = log.read_text().splitlines()
    hit = [line for line in lines if "(INJECTED)" in line]
    try:
        state = _judge(trial, point, said, hit, [line for line in lines if f" {point.call}(" in line])
        trial.check_complete(Forked(trial, trial.ingest).end())
    except AssertionError as error:
        raise Violation(f"{point}: {error}\nexit {said.code}: {said.err}\n" + "\n".join(hit)) from error
    trial.remove()
    return state


def _judge(trial: Trial, point: Point, said: Said, hit: list[str], log: list[str]) -> str:
    if point.fault == KILL:
        return "killed: " + trial.check(said) if said.code in (-9, 137) else "not reached"
    ours = [line for line in map(_without_cwd, hit) if str(trial.dock.folder) in line]
    if not ours:
        trial.check(said)
        return "not reached, or only a file of Python's own"
    if point.fault.startswith("retval"):
        trial.check(said)
        if said.code != DigestMismatch.exit_code:
            raise Violation("a lie of the disk was not caught")
        return f"exit {said.code}: caught"
    if "internal error" in said.err or "Traceback" in said.err:
        raise Violation("not one of our errors")
    trial.check(said)
    if said.code:
        return f"exit {said.code}"
    if "media facts are pending" in said.out:
        return "exit 0: held and published; reading media facts failed and is noted"
    if "no outsider was asked to sign" in said.err:
        return "exit 0: held and published; asking outsiders failed and is noted"
    if all(HARMLESS.search(line) for line in ours):
        return "exit 0: harmless"
    if log[-1] == hit[-1] and re.search(r"fdatasync\(\d+<[^>]*-wal>", log[-1]):
        return "exit 0: harmless"  # SQLite syncs its log once more when it closes; all in it was synced by a commit
    raise Violation("exit 0 after an error")


def _without_cwd(line: str) -> str:
    """A line of strace less the current folder, which `-y` names beside every path."""
    return re.sub(r"AT_FDCWD<[^>]*>", "AT_FDCWD", line)


def sweep(folder: Path, chosen: list[Point], workers: int) -> Iterator[tuple[Point, str | Violation]]:
    """Try all `chosen` points, some side by side, each worker at a dock of its own below `folder`."""
    if workers == 1 or len(chosen) == 1:
        _begin(folder)
        yield from ((point, _try(point)) for point in chosen)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(folder,)) as pool:
        yield from zip(chosen, pool.map(_try, chosen), strict=True)


_dock: Dock | None = None  # of this worker


def _begin(folder: Path) -> None:
    global _dock  # noqa: PLW0603 - what a worker is made for
    _dock = new_dock(Path(tempfile.mkdtemp(prefix="dock", dir=folder)) / "dock")


def new_dock(folder: Path) -> Dock:
    preload()
    return Dock(folder, big=BIG)


def _try(point: Point) -> str | Violation:
    assert _dock is not None
    try:
        return try_point(_dock, point, f"point-{point.call}-{point.nth}")
    except Violation as error:
        return error


def main() -> None:
    """Sweep and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--faults", nargs="+", default=list(ALL_FAULTS), help=", ".join(ALL_FAULTS))
    parser.add_argument("--every", type=int, default=1, help="of the points, take each so many")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    if not is_here():
        raise SystemExit("strace is not installed: apt-get install strace")
    with tempfile.TemporaryDirectory(prefix="bwc-strace-") as folder:
        todo = points(new_dock(Path(folder) / "listing"), chosen.calls, chosen.faults)[:: chosen.every]
        print(f"{len(todo)} points", flush=True)
        table: collections.Counter[tuple[str, str, str]] = collections.Counter()
        bad = 0
        for at, (point, state) in enumerate(sweep(Path(folder), todo, chosen.workers), 1):
            if isinstance(state, Violation):
                bad += 1
                print(f"VIOLATION {state}\n", flush=True)
                state = "VIOLATION"
            table[point.call, LIE if point.fault.startswith("retval") else point.fault, state] += 1
            if at % 50 == 0:
                print(f"{at} of {len(todo)}", flush=True)
    for (call, fault, state), count in sorted(table.items()):
        print(f"{call:10} {fault:18} {count:4}  {state}")
    print(f"{len(todo)} faults: {bad} violations")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
