"""Eight cards through `bwc ingest`: on eight devices, read at once, and on one device, read one after another.

    python tests/bench/cards.py [--size-mb 64] [--rounds 5] [--folder DIR]

The cards are file systems in memory, so that no card's own speed is measured; mounting them needs root. Both ways are one
command on the same bytes, taking turns; the vault is in DIR, whose disk is measured too. Nothing is asserted.
"""

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from storage import Cost, bwc, founded, make_file, timed

CARDS = 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mb", type=int, default=64, help="of each card, in MiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the vault is")
    chosen = parser.parse_args()
    size = chosen.size_mb << 20
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and nothing stays mounted
    with tempfile.TemporaryDirectory(prefix="bwc-bench-", dir=chosen.folder) as folder:
        home = Path(folder)
        with memory_disk(home / "one", CARDS * size * 11 // 10 + (1 << 20)) as one:
            alone = [one / f"card{number}" for number in range(CARDS)]
            for card in alone:
                card.mkdir()
                make_file(card / "BWC_0001.MP4", size)
            with several(home, alone, size) as apart:
                rates = measure(home, alone, apart, chosen.rounds, size * CARDS)
    ratio = statistics.median(many / one for one, many in zip(rates["one"], rates["eight"], strict=True))
    for name, what in (("one", "one after another"), ("eight", "all at once")):
        found = rates[name]
        print(f"{what:18} {statistics.median(found):6.0f} MB/s ({min(found):.0f} to {max(found):.0f})")
    print(
        f"{CARDS} cards of {chosen.size_mb} MiB at once: {100 * ratio:.0f} % of one after another (median of {chosen.rounds})"
    )


@contextmanager
def memory_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of its own in memory."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "bwc-bench", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"NOT MEASURED: eight cards; mounting needs root: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def several(home: Path, cards: list[Path], size: int) -> Iterator[list[Path]]:
    """The same cards, each on a device of its own."""
    if not cards:
        yield []
        return
    with (
        memory_disk(home / f"apart{len(cards)}", size * 11 // 10 + (1 << 20)) as disk,
        several(home, cards[:-1], size) as others,
    ):
        (disk / "BWC_0001.MP4").write_bytes((cards[-1] / "BWC_0001.MP4").read_bytes())
        yield [*others, disk]


def measure(home: Path, alone: list[Path], apart: list[Path], rounds: int, size: int) -> dict[str, list[float]]:
    """MB/s of both ways, by turns; the first round warms up."""
    rates: dict[str, list[float]] = {"one": [], "eight": []}
    for number in range(rounds + 1):
        for name, cards in (("one", alone), ("eight", apart)):
            with tempfile.TemporaryDirectory(dir=home) as work:
                cost = ingest(Path(work), cards)
            if number:
                rates[name].append(size / 1e6 / cost.seconds)
    return rates


def ingest(work: Path, cards: list[Path]) -> Cost:
    """One command for all cards into a fresh vault."""
    environment = founded(work)
    words = [str(card) for card in cards]
    return timed(lambda: bwc(environment, "ingest", *words, "--officer", "B1", "--camera", "X1"))


if __name__ == "__main__":
    main()
