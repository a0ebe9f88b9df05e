"""No false alarm: random honest histories, with crashes and several processes appending, verify without a bad finding.

A few by default; ten thousand with `make histories` (about ten minutes of CPU time). A signature is verified once, however often the
auditor comes by: the arithmetic has tests of its own.
"""

import os
import random
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import pytest

from bwc import keys
from bwc.anchors.remembered import Remembered
from bwc.audit.findings import Grade
from bwc.evidence import EventKind, ItemId, Outcome
from bwc.identities import SeedSigner
from bwc.verifier.cores import over_cores
from tests.audit.logs import ADMIN, CLERK, SECOND, TECH, VKEY, House, operator, signer
from tests.audit.verifying import verified

PARTS = 4
HISTORIES = int(os.environ.get("BWC_HISTORIES", "60"))
_PURPOSES = ("review", "discovery", "check", 'quote " and \\', "Ünicode 🎥", "")


class History:
    """One vault's random life: people come, go and rotate keys, clocks jump, processes die at any write."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.house = House()
        self.house.found()
        self.clerks: list[SeedSigner] = [CLERK, SECOND]
        self.items: list[ItemId] = []
        self.rendered: set[ItemId] = set()

    def live(self, path: Path) -> None:
        """So many steps, each followed now and then by a publication, a death, an auditor's visit."""
        self.visit(path)
        for _ in range(self.rng.choice((3, 10, 30, 90))):
            self.act()
            if self.rng.random() < 0.3:
                self.publish()
            if self.rng.random() < 0.1:
                self.visit(path)
        self.visit(path)

    def act(self) -> None:
        """Something that role and policy permit."""
        house, rng = self.house, self.rng
        if rng.random() < 0.05:
            house.clock.skew += timedelta(seconds=rng.choice((-3600, 3600, -1, 1, 100_000)))
        what = rng.random()
        if what < 0.2 or not self.items:
            item = ItemId(f"2026-1122-{len(self.items):06d}")
            self.items.append(item)
            house.ingest(item)
        elif what < 0.7:
            facts = {"purpose": rng.choice(_PURPOSES), "segment": rng.randrange(9)}
            house.do(rng.choice(self.clerks), EventKind.ITEM_OPENED, facts, item=rng.choice([*self.items, None]))
        elif what < 0.78:
            self.change_people()
        elif what < 0.8:
            house.rekey(signer(f"log {len(house.rows.held)}"), compromised_s=rng.choice((0, 0, 1_795_334_500)))
        elif what < 0.9:
            policy = {"approvals": rng.choice((1, 2)), "separate_approver": rng.random() < 0.5}
            house.do(ADMIN, EventKind.POLICY_SET, {"policy": policy})
        else:
            house.render()
            first, second = self.clerks[-1], self.clerks[-2]
            if rng.random() < 0.5:
                house.release(house.approve([first, second]), key=second)
            else:
                house.release(house.approve(first), house.approve(second), key=first)

    def change_people(self) -> None:
        """Enrol, enrol for somebody's old key, or revoke; two clerks at least stay."""
        house, rng = self.house, self.rng
        new = signer(f"clerk {len(house.rows.held)}")
        if len(self.clerks) > 4 and rng.random() < 0.5:
            gone = self.clerks.pop(rng.randrange(1, len(self.clerks) - 2))  # the first renders
            house.do(ADMIN, EventKind.KEY_REVOKED, {"key": gone.key_id})
        else:
            house.do(ADMIN, EventKind.KEY_ENROLLED, {"operator": operator(new, "records", "auditor")})
            self.clerks.append(new)
        house.do(
            TECH, EventKind.ACT_REFUSED, {"act": "item.opened"}, outcome=Outcome.REFUSED
        ) if rng.random() < 0.3 else None

    def publish(self) -> None:
        """Publish; half the time the process dies at some write, and another one goes on later."""
        files, rng = self.house.files, self.rng
        if rng.random() < 0.5:
            self.house.publish()
            return
        left, put = rng.randrange(6), files.put

        def dying(path: str, data: bytes) -> None:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            put(path, data)

        files.put = dying  # type: ignore[method-assign]
        try:
            self.house.publish()
        except KeyboardInterrupt:
            pass
        finally:
            files.put = put  # type: ignore[method-assign]

    def visit(self, path: Path) -> None:
        """An auditor looks at the whole, or at what is new; whatever died, a published log is never bad."""
        if "checkpoint" not in self.house.files.held:
            return
        remembered = Remembered(path, VKEY)
        report = verified(
            self.house.files,
            VKEY,
            self.house.rows,
            spread=over_cores(1),
            remembered=remembered,
            only_new=self.rng.random() < 0.6,
        )
        assert [one for one in report.findings if one.grade is Grade.BAD] == []
        report.remember()


@pytest.mark.parametrize("part", range(PARTS))
def test_no_false_alarm(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "verify_signature", lru_cache(100_000)(keys.verify_signature))
    for seed in range(part, HISTORIES, PARTS):
        try:
            History(seed).live(tmp_path / f"{seed}.sqlite")
        except BaseException as error:
            error.add_note(f"history {seed}")
            raise
        (tmp_path / f"{seed}.sqlite").unlink(missing_ok=True)
