"""A dock to break things at: a small vault, a card, the installed command, and what must be true afterwards.

The vault is founded once and copied for each trial; the operator's key has a cheap passphrase, because Argon2 is not
what is tried here.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bwc.config import Places
from bwc.custody.founding import found
from bwc.custody.house import House
from bwc.custody.inspection import Inspection, inspect
from bwc.identities import LocalOperator, RecoveryKey
from bwc.keyfile import PassphraseCost, save_operator

BWC = Path(sys.executable).with_name("bwc")
OFFICER = ("--officer", "B1234", "--camera", "X81234")
PASSPHRASE = b"only to be broken"


@dataclass(frozen=True)
class Said:
    """How a command ended and what it told the person."""

    code: int
    out: str
    err: str

    @property
    def safe(self) -> bool:
        """Whether the person was told that the card may be wiped, by word or by exit code 0."""
        return self.code == 0 or '"safe_to_wipe": true' in self.out or "WIPE THE CARD: YES" in self.out


class Violation(AssertionError):
    """Something that must never be."""


class Dock:
    """One place to work, below `folder`. `big` is the size of the card's largest file."""

    def __init__(self, folder: Path, *, big: int = 9 << 20) -> None:
        self.folder = folder
        self.card = folder / "card"
        self.operator = LocalOperator.generate("dock")
        self._template = folder / "template"
        self._make_card(big)
        self._found()
        self.digests = {path: _sha256(path) for path in self.card.rglob("*") if path.is_file()}

    def _make_card(self, big: int) -> None:
        self.card.mkdir(parents=True)
        noise = hashlib.shake_128(b"card").digest(big)
        (self.card / "BWC_0001.MP4").write_bytes(noise)
        (self.card / "BWC_0001.json").write_text(json.dumps({"officer": "B1234"}))
        (self.card / "BWC_0002.MP4").write_bytes(noise[:70_000][::-1])

    def _found(self) -> None:
        home = self._template / "home"
        places = Places(vault=self._template / "vault")
        cost = PassphraseCost(memory_kib=1024, passes=1, lanes=1)
        save_operator(home / "keys" / "dock.key", self.operator, PASSPHRASE, cost=cost)
        recovery = RecoveryKey.parse(RecoveryKey.generate()).recipient
        with found(places, agency="Dock", operator=self.operator, recovery=recovery) as house:
            self.vkey = house.vkey
        (self.folder / "passphrase").write_bytes(PASSPHRASE + b"\n")

    def fresh(self, name: str, *, vault: Path | None = None) -> "Trial":
        """A new vault, and a home of its own, for one trial; the vault elsewhere if need be."""
        place = self.folder / name
        shutil.copytree(self._template / "home", place / "home")
        shutil.copytree(self._template / "vault", vault or place / "vault")
        return Trial(self, place, vault or place / "vault")


class Trial:
    """One vault that something happens to."""

    def __init__(self, dock: Dock, place: Path, vault: Path) -> None:
        self.dock = dock
        self.place = place
        self.vault = vault
        self.ingest = ("ingest", str(dock.card), *OFFICER, "--json")
        self.verify = ("verify", "--key", dock.vkey, "--json")

    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("BWC_")}
        return kept | {
            "BWC_HOME": str(self.place / "home"),
            "BWC_VAULT": str(self.vault),
            "BWC_PASSPHRASE_FILE": str(self.dock.folder / "passphrase"),
        }

    def run(self, *words: str, before: tuple[str, ...] = (), timeout: float = 300) -> Said:
        """Run the installed `bwc`, with `before` (strace, faketime) in front of it."""
        done = subprocess.run(
            [*before, str(BWC), *words],
            env=self.environment(),
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def check(self, said: Said) -> str:
        """After a fault: nothing acknowledged is lost, nothing false was said. Returns how far it had come."""
        self.source_intact()
        report = self.inspect()
        if report.verdict != "INTACT":
            found = json.dumps(report.to_json()["findings"], indent=1)
            raise Violation(f"verify says {report.verdict} after a fault: {found}")
        held = self.held()
        if said.safe and (set(self.dock.digests.values()) - held or report.log.items < self.recordings):
            raise Violation(
                f"SAFE TO WIPE was said, but only {len(held)} files are held and {report.log.items} published"
            )
        if said.safe:
            return "told that it is safe"
        staged = any((self.vault / "staging").glob("*"))
        named = any((self.vault / "objects").glob("*/*"))
        published = report.log.items
        if len(held) == len(self.dock.digests):
            return "all recorded" + (", published" if published >= self.recordings else "")
        if held:
            return "some recorded"
        return "named, not recorded" if named else "staged" if staged else "nothing yet"

    def complete(self) -> None:
        """Doing it again must finish the work: exit 0, everything held, verification clean."""
        said = self.run(*self.ingest)
        self.check_complete(said)

    def check_complete(self, said: Said) -> None:
        if said.code or not said.safe:
            raise Violation(f"run again: exit {said.code}\n{said.out}\n{said.err}")
        self.check(said)

    @property
    def recordings(self) -> int:
        """Items that a whole intake makes."""
        return 2

    def inspect(self) -> Inspection:
        """What `bwc verify` finds, by the same code."""
        places = Places(vault=self.vault)
        return inspect(places, vkey=self.dock.vkey, pins=[], seen=self.place / "seen", quick=False, share=1.0)

    def held(self) -> set[str]:
        """The digests of all recorded files; each is opened and read. Raises `Violation` if one opens to other bytes."""
        found: set[str] = set()
        wanted = set(self.dock.digests.values())
        with House.enter(Places(vault=self.vault), self.dock.operator) as house:
            for row in house.items():
                for one in house.objects(row.item_id):
                    if one.role.value not in ("segment", "sidecar"):
                        continue
                    with house.open_object(one.object_id) as source:
                        digest = hashlib.file_digest(source, "sha256").hexdigest()
                    if digest not in wanted:
                        raise Violation(f"{row.item_id} opens to bytes that were never on the card")
                    found.add(digest)
        return found

    def source_intact(self) -> None:
        """The card is as it was."""
        for path, digest in self.dock.digests.items():
            if _sha256(path) != digest:
                raise Violation(f"{path} changed")

    def document(self, said: Said) -> Any:
        return json.JSONDecoder().raw_decode(said.out)[0]

    def remove(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
