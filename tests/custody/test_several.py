"""Several processes append and publish at once, some are killed: the log verifies, and nobody's act is lost."""

import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from bwc.appending.writing import sign_checkpoint
from bwc.audit.checkpoint import Checkpoint, NoteKey, parse_checkpoint
from bwc.audit.findings import Grade
from bwc.config import Places
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.custody.shelf import LogShelf
from bwc.errors import IntegrityError
from bwc.evidence import EventKind, ItemId
from bwc.identities import LocalOperator, RecoveryKey
from bwc.storage.catalog import Catalog
from bwc.verifier.log_folder import LogFolder
from bwc.verifier.verify_objects import VaultFolder, verify_objects
from tests.audit.logs import ITEM, STRANGER
from tests.audit.verifying import verified
from tests.custody.vaults import CHIEF, make_vault

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
        report = verified(LogFolder(places.log), vkey, rows)
    verify_objects(report, VaultFolder(places.vault))
    assert [one for one in report.findings if one.grade is Grade.BAD] == []
    held = {entry.leaf_hash.hex() for entry in report.read()}
    done = [line for number in range(3) for line in (tmp_path / f"vault.{number}").read_text().split()]
    assert len(done) >= 24
    assert set(done) <= held


def test_what_a_checkpoint_holds_is_durable_even_before_who_recorded_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = make_vault(tmp_path / "vault")
    journal, durable, held = Path(f"{places.catalog}-wal"), [0], []
    monkeypatch.setattr(os, "fdatasync", lambda fd: durable.append(journal.stat().st_size))
    publish = LogShelf.publish

    def after_a_power_cut(shelf: LogShelf, *what: Any, **more: Any) -> None:
        cut = tmp_path / f"cut{len(held)}"
        cut.mkdir()
        shutil.copy(places.catalog, cut / "catalog.sqlite")
        (cut / "catalog.sqlite-wal").write_bytes(journal.read_bytes()[: durable[-1]])
        with Catalog(cut / "catalog.sqlite") as rows:
            held.append(rows.count)
        publish(shelf, *what, **more)

    monkeypatch.setattr(LogShelf, "publish", after_a_power_cut)
    with House.enter(places, CHIEF) as one, House.enter(places, CHIEF) as two:
        one.act(EventKind.ITEM_OPENED, ITEM, {"n": 1}, {})
        with monkeypatch.context() as waiting:  # committed, and its sync is still under way
            waiting.setattr(os, "fdatasync", lambda fd: None)
            seen = two.act(EventKind.ITEM_OPENED, ITEM, {"n": 2}, {}).seq
        assert one.publish() == seen + 1
    assert held[0] == seen + 1


def test_who_finds_their_acts_published_by_another_signs_nothing_and_is_told(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault")
    with (
        House.enter(places, CHIEF) as one,
        House.enter(places, CHIEF) as two,
        House.enter(places, CHIEF) as three,
    ):
        last = [house.act(EventKind.ITEM_OPENED, ITEM, {"n": 1}, {"reason": "x"}).seq for house in (one, two, three)]
        assert one.publish() == last[2] + 1  # a first one signs for all
        late = one.act(EventKind.ITEM_OPENED, ITEM, {"n": 2}, {}).seq
        before = one.published()
        assert two.publish() == before
        assert two.published() == before
        assert two.publish() == late + 1, "nothing of its own is left: it does what is left of others"
        assert three.publish() == late + 1
        assert one.publish() == late + 1
    assert intact(places)


def test_who_waits_is_told_when_whoever_holds_the_lock_has_published_their_acts(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault")
    with House.enter(places, CHIEF) as one, House.enter(places, CHIEF) as two:
        one.act(EventKind.ITEM_OPENED, ITEM, {"n": 1}, {})
        last = two.act(EventKind.ITEM_OPENED, ITEM, {"n": 2}, {}).seq
        with one._disk.lock("lock"):
            two._raise_if_served()  # nobody has: it goes on waiting
            mark = one._mark.path.read_bytes()
            assert one._publish(whole=False) == last + 1
            newest = one._mark.path.read_bytes()
            one._mark.path.write_bytes(mark)
            two._raise_if_served()  # not all is durable yet
            one._mark.path.write_bytes(newest)
            assert two.publish() == last + 1, "the lock is still held"
            assert two.has_published
    assert intact(places)


def test_who_waits_takes_no_strangers_checkpoint(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault")
    with House.enter(places, CHIEF) as house:
        house.act(EventKind.ITEM_OPENED, ITEM, {"n": 1}, {})
        checkpoint = places.log / "checkpoint"
        honest, found = checkpoint.read_bytes(), parse_checkpoint(checkpoint.read_bytes())[0]
        forged = sign_checkpoint(Checkpoint(found.origin, house.entries(), b"\x01" * 32), STRANGER)
        mark = house._mark.path.read_bytes()
        for path in (checkpoint, house._mark.path):
            path.write_bytes(forged)
        with pytest.raises(IntegrityError):
            house._raise_if_served()
        checkpoint.write_bytes(honest)
        house._mark.path.write_bytes(mark)
    assert intact(places)


def test_a_checkpoint_that_another_wrote_is_taken_only_when_the_logs_key_signed_it(tmp_path: Path) -> None:
    places = make_vault(tmp_path / "vault")
    with House.enter(places, CHIEF) as house:
        house.act(EventKind.ITEM_OPENED, ITEM, {"n": 1}, {})
        checkpoint = places.log / "checkpoint"
        honest, found = checkpoint.read_bytes(), parse_checkpoint(checkpoint.read_bytes())[0]
        forged = Checkpoint(found.origin, house.entries(), b"\x01" * 32)
        checkpoint.write_bytes(sign_checkpoint(forged, STRANGER))
        with pytest.raises(IntegrityError):
            house.publish()
        checkpoint.write_bytes(honest)
    assert intact(places)


def intact(places: Places) -> bool:
    with House.enter(places, None) as house, Catalog(places.catalog, read_only=True) as rows:
        report = verified(LogFolder(places.log), NoteKey.parse(house.vkey), rows)
        verify_objects(report, VaultFolder(places.vault))
        return not report.findings.count(grade=Grade.BAD) and house.published() == house.entries()
