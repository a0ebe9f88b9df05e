"""A whole intake (seal, record, publish, tell) on the model disk, crashed or failed at any file operation.

The real `take_in` and the real house work on `tests.storage.model_disk`; only the catalog is a real SQLite file, whose
commit is atomic and durable by itself: what it holds at the crash is what was committed. What is left is written
to a real folder and judged as `bwc verify` judges it; then the same intake must finish on what is left.

    python tests/faults/model_intake.py [--every 1] [--crashes] [--errors]     # neither: both
"""

import argparse
import collections
import errno
import itertools
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bwc.appending.log import Log
from bwc.config import Places
from bwc.custody.house import House
from bwc.custody.shelf import LogShelf
from bwc.errors import BwcError
from bwc.ingest.facts import Described
from bwc.ingest.intake import Tags, take_in
from bwc.ingest.receipt import Receipt
from bwc.storage.fsops import Disk
from bwc.storage.vault import Vault
from tests.faults.dock import Dock, Said, Trial, Violation
from tests.storage.model_disk import ROOT, Crash, Fault, Inode, ModelCalls

TAGS = Tags(officer="B1234", camera="X81234")
_NUMBERS = itertools.count()  # a trial that failed stays to be looked at
SURVIVES = ("nothing unsynced", "everything", "a random part")
CATALOG = ("catalog.sqlite", "catalog.sqlite-wal")


class ModelTrial:
    """One vault on the model disk, its catalog beside it."""

    def __init__(self, dock: Dock, name: str) -> None:
        self.dock = dock
        self.trial: Trial = dock.fresh(name)
        self.calls = ModelCalls()
        load(self.calls, self.trial.vault)
        self.receipt: Receipt | None = None

    def run(self, fault: Fault | None = None) -> BwcError | None:
        """Take in the card. What was acknowledged is in `receipt`; raises `Crash` where the machine stopped."""
        os.environ["BWC_HOME"] = str(self.trial.place / "home")
        self.receipt = None
        self.calls.arm(fault)
        self.calls.log.clear()
        self.calls.on_crash = self._keep_catalog
        try:
            with on_model(self.trial.vault, self.dock, self.calls) as house:
                self.receipt = take_in(house, self.dock.card, TAGS, describe=describe)
        except BwcError as error:
            return error
        return None

    @property
    def said(self) -> Said:
        return Said(0 if self.receipt and self.receipt.safe_to_wipe else 1, "", "")

    def crash(self, choose: Callable[[], bool]) -> None:
        """Power is back: of what was not synced, `choose` says what is there."""
        self.calls = self.calls.after_crash(choose)
        for name in CATALOG:
            (self.trial.vault / name).unlink(missing_ok=True)
            kept = self.trial.place / name
            if kept.exists():
                shutil.move(kept, self.trial.vault / name)
        (self.trial.vault / "catalog.sqlite-shm").unlink(missing_ok=True)

    def judge(self) -> str:
        """What `bwc verify` and the card say of the disk as it is now. Raises `Violation`."""
        told, self.receipt = self.said, None
        unload(self.calls, self.trial.vault)
        return self.trial.check(told)

    def finish(self) -> None:
        """The same command again succeeds, and all is well."""
        error = self.run()
        if error or not self.receipt or not self.receipt.safe_to_wipe:
            raise Violation(f"run again: {error} {self.receipt and self.receipt.objections}")
        self.judge()

    def _keep_catalog(self) -> None:
        for name in CATALOG:
            if (self.trial.vault / name).exists():
                shutil.copyfile(self.trial.vault / name, self.trial.place / name)


def on_model(vault: Path, dock: Dock, calls: ModelCalls) -> House:
    """The house at `vault`, all of whose files but the catalog are on the model disk."""
    house = House.enter(Places(vault=vault), dock.operator)
    house._disk = Disk(Path(ROOT), calls)
    house._vault = Vault.at(Path(ROOT), log=house.log_origin, disk=house._disk)
    house._log = Log(house.log_origin, LogShelf(house._disk), house._catalog)
    return house


def describe(content: BinaryIO, name: str) -> Described:
    """Facts without a media parser: they are sealed and recorded all the same."""
    return Described(document={"bytes": len(content.read())}, public={"readable": False}, private={"name": name})


def load(calls: ModelCalls, vault: Path) -> None:
    """Put a real vault on the model disk, all of it durable."""
    for path in sorted(vault.rglob("*")):
        name = f"{ROOT}/{path.relative_to(vault).as_posix()}"
        if path.is_dir():
            calls.folders_now.add(name)
        elif not path.name.startswith("catalog.sqlite"):
            data = path.read_bytes()
            calls.names_now[name] = Inode(bytearray(data), data)
    calls.folders_durable = set(calls.folders_now)
    calls.names_durable = dict(calls.names_now)


def unload(calls: ModelCalls, vault: Path) -> None:
    """Write the model disk to a real folder, in place of what is there."""
    for path in vault.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (*CATALOG, "catalog.sqlite-shm"):
            path.unlink()
    for name in sorted(calls.folders_now):
        (vault / name.removeprefix(ROOT).lstrip("/")).mkdir(exist_ok=True, parents=True)
    for name, inode in calls.names_now.items():
        (vault / name.removeprefix(ROOT).lstrip("/")).write_bytes(inode.data)


def operations(dock: Dock) -> list[str]:
    """The file operations of an intake that nothing happens to."""
    trial = ModelTrial(dock, "listing")
    if trial.run():
        raise Violation("the intake fails without a fault")
    found = list(trial.calls.log)
    trial.judge()
    trial.trial.remove()
    return found


def crash_at(dock: Dock, at: int, survives: Callable[[], bool]) -> str:
    """Crash right after operation `at`; judge, run again, judge. Returns how far it had come."""
    trial = ModelTrial(dock, f"crash{at}-{next(_NUMBERS)}")
    try:
        trial.run(Fault(frozenset(), at, took_effect=True))
    except Crash:
        trial.crash(survives)
    else:
        return _not_reached(trial)
    state = trial.judge()
    trial.finish()
    trial.trial.remove()
    return state


def fail_at(dock: Dock, call: str, at: int, error: int, *, took_effect: bool) -> str:
    """Let the `at`-th `call` fail; judge, run again, judge. Returns what was said."""
    trial = ModelTrial(dock, f"{call}{at}-{next(_NUMBERS)}")
    failure = trial.run(Fault(frozenset({call}), at, error, took_effect))
    notes = [note for line in (trial.receipt.lines if trial.receipt else ()) for note in line.notes]
    pending = any("media facts are pending" in note for note in notes)
    if not trial.calls.was_hit:
        return _not_reached(trial)
    state = trial.judge()
    if state == "told that it is safe" and not pending and call != "unlink":  # a random name that stays costs nothing
        raise Violation(f"{call} {at} failed and nobody was told")
    said = "safe" if state == "told that it is safe" else "refused" if failure or trial.receipt is None else "not safe"
    trial.finish()
    trial.trial.remove()
    return said


def _not_reached(trial: ModelTrial) -> str:
    """Names are random, so that now and then a folder is there already and one operation less is needed."""
    if trial.judge() != "told that it is safe":
        raise Violation("the intake failed without a fault")
    trial.trial.remove()
    return "not reached"


def survives(how: str, seed: int) -> Callable[[], bool]:
    """Which of the changes that were not synced are there after a power cut."""
    coin = random.Random(seed)
    return {
        "nothing unsynced": lambda: False,
        "everything": lambda: True,
        "a random part": lambda: coin.random() < 0.5,
    }[how]


def main() -> None:
    """Go through all operations and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="of the operations, take each so many")
    parser.add_argument("--crashes", action="store_true")
    parser.add_argument("--errors", action="store_true")
    chosen = parser.parse_args()
    bad = 0
    table: collections.Counter[str] = collections.Counter()

    def one(what: str, trial: Callable[[], str]) -> None:
        nonlocal bad
        try:
            table[f"{what}: {trial()}"] += 1
        except Exception as error:
            bad += 1
            print(f"VIOLATION {what}: {error!r}", flush=True)

    with tempfile.TemporaryDirectory(prefix="bwc-model-") as folder:
        dock = Dock(Path(folder), big=3000)
        every = operations(dock)
        if chosen.crashes or not chosen.errors:
            for how in SURVIVES:
                for at in range(0, len(every), chosen.every):
                    one(f"crash, {how}", lambda at=at, how=how: crash_at(dock, at, survives(how, at)))
                print(f"crashed at {len(every)} operations, surviving: {how}", flush=True)
        if chosen.errors or not chosen.crashes:
            for call in sorted(set(every)):
                for error in (errno.EIO, errno.ENOSPC):
                    for at in range(0, every.count(call), chosen.every):
                        for effect in (False, True):
                            one(
                                f"{errno.errorcode[error]} of {call}{' that took effect' if effect else ''}",
                                lambda c=call, a=at, e=error, t=effect: fail_at(dock, c, a, e, took_effect=t),
                            )
                print(f"failed every {call}", flush=True)
    for what, count in sorted(table.items()):
        print(f"{count:5}  {what}")
    print(f"{sum(table.values()) + bad} trials: {bad} violations")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
