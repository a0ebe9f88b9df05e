"""Papers for outsiders, an export and a proof of destruction: whose they are, before and after the log's key was handed over."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bwc.anchors.pins import Pin
from bwc.appending.writing import log_key
from bwc.audit.checkpoint import NoteKey
from bwc.audit.keychain import KeyChain
from bwc.config import Places
from bwc.custody.house import House
from bwc.errors import IntegrityError, ProofInvalid
from bwc.release.export import export
from bwc.verifier.exported import Export, verify_export
from bwc.verifier.tied import KnownChain, no_chain
from tests.audit.logs import STRANGER
from tests.custody.vaults import CHIEF, make_vault, take

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Agency:
    """A log's two keys; bags of before the handover, after it, and by a thief who has the vault of before it."""

    old: NoteKey
    new: NoteKey
    chain: KeyChain
    doubted: KeyChain  # the same, had the old key been stolen in January
    before: Path
    after: Path
    stolen: Path


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    folder = tmp_path_factory.mktemp("agency")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BWC_HOME", str(folder / "home"))
        places = make_vault(folder / "vault", b"one")
        with House.enter(places, CHIEF) as house:
            old = NoteKey.parse(house.vkey)
            hand_over(house, folder / "before")
        shutil.copytree(places.vault, folder / "stolen")
        with House.enter(places, CHIEF) as house:
            house.rekey_log(note="yearly")
            chain = house.key_chain()
            hand_over(house, folder / "after")
        shutil.copytree(folder / "stolen", folder / "doubted")
        patch.setenv("BWC_HOME", str(folder / "elsewhere"))
        with House.enter(Places(vault=folder / "doubted"), CHIEF) as house:
            house.rekey_log(note="stolen", compromised_from=datetime(2026, 1, 1, tzinfo=UTC))
            doubted = house.key_chain()
        patch.setenv("BWC_HOME", str(folder / "thief"))
        with House.enter(Places(vault=folder / "stolen"), CHIEF) as house:
            take(house, b"two")
            hand_over(house, folder / "by a thief")
    return Agency(
        old=old,
        new=chain.last,
        chain=chain,
        doubted=doubted,
        before=folder / "before",
        after=folder / "after",
        stolen=folder / "by a thief",
    )


def hand_over(house: House, bag: Path) -> None:
    export(house, [house.items()[0].item_id], bag, reason="joint case", to="Shelbyville")


def read(
    bag: Path, *, key: NoteKey | None = None, pinned: NoteKey | None = None, known: KnownChain = no_chain
) -> Export:
    pins = [Pin(agency="Springfield PD", key=pinned, pinned_at=NOW)] if pinned else []
    return verify_export(lambda name: (bag / name).read_bytes(), key=key, pins=pins, known=known)


def test_any_key_of_the_log_ties_it_before_and_after_the_handover(agency: Agency) -> None:
    for known in (no_chain, lambda _: agency.chain):
        for bag, keys in ((agency.before, [agency.old]), (agency.after, [agency.old, agency.new])):
            for key in keys:
                assert read(bag, key=key, known=known).tied_to == agency.old.name
                assert read(bag, pinned=key, known=known).tied_to == agency.old.name
    assert read(agency.before, pinned=agency.new, known=lambda _: agency.chain).tied_to == agency.old.name
    assert read(agency.after).tied_to == ""


def test_a_key_that_the_log_gave_up_ties_nothing_to_whoever_saw_the_handover(agency: Agency) -> None:
    assert read(agency.stolen, pinned=agency.old).tied_to, "who never saw the handover cannot know"
    for how in ({"key": agency.old}, {"pinned": agency.old}, {"pinned": agency.new}):
        with pytest.raises(ProofInvalid, match="handed over otherwise than was seen"):
            read(agency.stolen, known=lambda _: agency.chain, **how)


def test_what_was_signed_after_the_theft_is_tied_to_nobody(agency: Agency) -> None:
    found = read(agency.before, pinned=agency.old, known=lambda _: agency.doubted)
    assert found.tied_to == ""
    assert "somebody else may have held since 2026-01-01" in found.said


@pytest.mark.parametrize("how", ["given", "pinned", "the agency's name"])
def test_another_key_than_the_one_at_hand_is_a_forgery(agency: Agency, how: str) -> None:
    other = log_key(agency.old.name, STRANGER)
    elsewhere = log_key("log.example/another", STRANGER)
    tries: dict[str, Callable[[], Export]] = {
        "given": lambda: read(agency.before, key=other),
        "pinned": lambda: read(agency.before, pinned=other),
        "the agency's name": lambda: read(agency.before, pinned=elsewhere),
    }
    with pytest.raises(IntegrityError):
        tries[how]()
    with pytest.raises(ProofInvalid, match="the key you gave is of"):
        read(agency.before, key=elsewhere)
