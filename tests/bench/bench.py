"""Run the benches: one file a room beside this one, each a script of its own.

    python tests/bench/bench.py [ROOM ...]     # make bench ONLY="storage keys"; without a name: all of them

Nothing is asserted; what the figures mean is in docs/performance.md.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def rooms() -> list[str]:
    """The scripts beside this one; a file without a `__main__` only helps them."""
    files = sorted(HERE.glob("*.py"))
    return [file.stem for file in files if file != Path(__file__).resolve() and '"__main__"' in file.read_text()]


def main() -> None:
    """Run the named rooms in turn; the exit code is the worst of theirs."""
    chosen = sys.argv[1:] or rooms()
    unknown = sorted(set(chosen) - set(rooms()))
    if unknown:
        raise SystemExit(f"no bench named {', '.join(unknown)}; there are: {', '.join(rooms())}")
    worst = 0
    for room in chosen:
        print(f"\n== {room}", flush=True)
        done = subprocess.run([sys.executable, str(HERE / f"{room}.py")], cwd=ROOT, check=False)
        worst = max(worst, abs(done.returncode))
    raise SystemExit(worst)


if __name__ == "__main__":
    main()
