"""Figures of whole commands on this machine: how fast help and a long list answer, how fast footage is carried.

    python tests/bench/commands.py [--items 10000] [--clip FILE]

Each figure is the median of five runs of the real command line, in one run of this script; nothing is asserted.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bwc.config import Places
from bwc.custody.founding import found
from bwc.evidence import EventKind
from bwc.identities import LocalOperator, RecoveryKey
from bwc.keyfile import PassphraseCost, save_operator
from bwc.recording import new_item_id

ROOT = Path(__file__).resolve().parents[2]
RUNS = 5


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--clip", type=Path, default=ROOT / "fixtures" / "card" / "DCIM" / "100BWCAM" / "BWC_0001.MP4")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bwc-bench-") as folder:
        home = Path(folder)
        environment = os.environ | {
            "BWC_HOME": str(home / "home"),
            "BWC_VAULT": str(home / "vault"),
            "BWC_PASSPHRASE_FILE": str(home / "passphrase"),
            "PYTHONPATH": str(ROOT),
        }
        (home / "passphrase").write_text("only for this bench\n")
        fill(home, chosen.items)
        show("bwc --help", timed(["--help"], environment))
        show(f"bwc list, {chosen.items} items", timed(["list"], environment))
        show(f"bwc list --limit 20, {chosen.items} items", timed(["list", "--limit", "20"], environment))
        show(f"bwc list --case, {chosen.items} items", timed(["list", "--case", "26-7"], environment))
        show(
            f"bwc verify --quick, {chosen.items} items", timed(["verify", "--quick", "--key", vkey(home)], environment)
        )
        show("bwc redact FILE (detect, render, check)", loose(chosen.clip, home, environment))


def fill(home: Path, items: int) -> None:
    """A vault with so many items, recorded through the door; without footage, which a list does not read."""
    operator = LocalOperator.generate("bench")
    cost = PassphraseCost(memory_kib=1024, passes=1, lanes=1)
    save_operator(home / "home" / "keys" / "bench.key", operator, b"only for this bench", cost=cost)
    recovery = RecoveryKey.parse(RecoveryKey.generate()).recipient
    places = Places(vault=home / "vault")
    began = time.perf_counter()
    with found(places, agency="Bench", operator=operator, recovery=recovery) as house:
        for number in range(items):
            private = {
                "camera": f"X{number % 300}",
                "case_ids": [f"26-{number % 1000}"],
                "category": "traffic",
                "clock_offset_ms": None,
                "names": [],
                "officer": f"B{number % 200}",
                "recorded_at": "2026-11-20T09:01:07.000000Z",
                "sha256": [],
                "sidecars": [],
                "sizes": [],
                "source": "card",
                "vendor": "generic",
            }
            item = new_item_id(datetime.now(UTC))
            house.act(EventKind.ITEM_INGESTED, item, {"bytes": 0, "gaps": 0, "segments": 0}, private)
    seconds = time.perf_counter() - began
    print(f"{'recorded acts, one transaction each':44} {items / seconds:8.0f} /s")


def vkey(home: Path) -> str:
    """The key of the log just made."""
    return (home / "vault" / "keys" / "log.json").read_text().split('"vkey":"')[1].split('"')[0]


def timed(words: list[str], environment: dict[str, str]) -> list[float]:
    """Wall seconds of RUNS runs after one that is not counted."""
    found = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "bwc.cli.main", *words], env=environment, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return found[1:]


def loose(clip: Path, home: Path, environment: dict[str, str]) -> list[float]:
    """Wall seconds of redacting a loose file, three runs."""
    found = []
    for number in range(3):
        began = time.perf_counter()
        words = ["redact", str(clip), "-o", str(home / f"out{number}.mp4")]
        subprocess.run(
            [sys.executable, "-m", "bwc.cli.main", *words], env=environment, check=False, capture_output=True
        )
        found.append(time.perf_counter() - began)
    return found


def show(what: str, seconds: list[float]) -> None:
    """One line of the table."""
    print(f"{what:44} {statistics.median(seconds):8.3f} s  ({min(seconds):.3f} to {max(seconds):.3f})", flush=True)


if __name__ == "__main__":
    main()
