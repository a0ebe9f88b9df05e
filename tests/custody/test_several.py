"""Several processes append and publish at once, some are killed: the log verifies, and nobody's act is lost."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from bwc.audit.checkpoint import NoteKey
from bwc.audit.findings import Grade
from bwc.audit.tiles import LogFolder
from bwc.audit.verify import verify_log
from bwc.audit.verify_objects import VaultFolder, verify_objects
from bwc.config import Places
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.evidence import EventKind, ItemId
from bwc.keys import LocalOperator, RecoveryKey
from bwc.storage.catalog import Catalog

SEEDS = (b"s" * 32, b"u" * 32)
ROUNDS = int(os.environ.get("BWC_HISTORIES", "60")) // 60


def clerk(vault: str, number: int, acts: int) -> None:
    """One process: acts with and without private parts, a publication now and then; each done act leaves a line."""
    rng = random.Random(number)
    with (
        House.enter(Places(vault=Path(vault)), LocalOperator("chief", *SEEDS)) as house,
        open(f"{vault}.{number}", "a") as done,
    ):
        for count in range(acts):
            item = ItemId(f"2026-1128-00000{rng.randrange(3)}")
            entry = house.act(EventKind.ITEM_OPENED, item, {"n": count}, {"reason": "x"} if rng.random() < 0.5 else {})
            done.write(f"{entry.leaf_hash.hex()}\n")
            done.flush()
            if rng.random() < 0.3:
                house.publish()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_several_processes_and_a_kill(tmp_path: Path, seed: int) -> None:
    rng, places = random.Random(seed), Places(vault=tmp_path / "vault")
    chief, recovery = LocalOperator("chief", *SEEDS), RecoveryKey.parse(RecoveryKey.generate()).recipient
    found(places, agency="Test", operator=chief, recovery=recovery).close()
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=clerk, args=(str(places.vault), number, 12)) for number in range(3)]
    for one in running:
        one.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "vault.0").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(rng.random() * 0.2)
    os.kill(running[0].pid or 0, signal.SIGKILL)
    for one in running:
        one.join(120)
    assert [one.exitcode for one in running[1:]] == [0, 0]
    with House.enter(places, chief) as house:
        house.publish()
        vkey = NoteKey.parse(house.vkey)
    with Catalog(places.catalog, read_only=True) as rows:
        report = verify_log(LogFolder(places.log), vkey, rows=rows)
    verify_objects(report, VaultFolder(places.vault))
    assert [one for one in report.findings if one.grade is Grade.BAD] == []
    held = {entry.leaf_hash.hex() for entry in report.read()}
    done = [line for number in range(3) for line in (tmp_path / f"vault.{number}").read_text().split()]
    assert len(done) >= 24
    assert set(done) <= held
