"""Every key is lost: two of three cards open everything again, one opens nothing. And keys of NIST curves only."""

import shutil
from pathlib import Path

from bwc.identities import FIPS_SUITE
from bwc.keyfile import load_operator
from tests.journeys.conftest import FIXTURES, World
from tests.journeys.test_separation import SECRET, envelopes

CLIP = FIXTURES / "card" / "DCIM" / "100BWCAM" / "BWC_0001.MP4"


def test_all_keys_lost_and_two_of_three_cards_open_everything(world: World, card, tmp_path: Path) -> None:
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    (item,) = world.items()
    done = world.json("key", "recovery", "new", "--cards", tmp_path / "cards")
    assert done["recovery_key"] is None
    assert done["envelopes_rewrapped"] == len(list(envelopes(world.vault)))
    cards = [Path(one) for one in done["files"]]
    assert [one.stat().st_mode & 0o777 for one in cards] == [0o600] * 3
    # an administrator who opens no footage is what is left
    left = World(tmp_path / "left", operator="left", extra={"BWC_VAULT": str(world.vault)})
    left.run("key", "new", "left", "--out", tmp_path / "left.pub")
    world.run("key", "enrol", tmp_path / "left.pub", "--role", "administrator")
    shutil.rmtree(world.home / "keys")  # the only records officer's key

    fresh = World(tmp_path / "fresh", operator="fresh", extra={"BWC_VAULT": str(world.vault)})
    fresh.run("key", "new", "fresh", "--out", tmp_path / "fresh.pub")
    left.run("key", "recovery", "combine", cards[0], "--out", tmp_path / "one.txt", code=9)
    assert not (tmp_path / "one.txt").exists()
    # the old paper was replaced
    enrol = ("key", "enrol", tmp_path / "fresh.pub", "--role", "records", "--recovery-file")
    left.run(*enrol, tmp_path / "recovery.txt", code=9)
    left.run("key", "recovery", "combine", cards[2], cards[0], "--out", tmp_path / "two.txt")
    assert left.json(*enrol, tmp_path / "two.txt")["envelopes_rewrapped"] == len(list(envelopes(world.vault)))
    fresh.run("open", item["item"], "-o", "out.mp4", "--reason", "found again")
    assert (fresh.folder / "out.mp4").read_bytes() == CLIP.read_bytes()
    assert fresh.json("log", item["item"])["events"][0]["private"]["officer"] == "B1"
    left.run("verify", "--key", world.json("pin", "--list")["agencies"][0]["vkey"])


def test_the_policy_fips_seals_to_p384_only(world: World, card, tmp_path: Path) -> None:
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    refused = world.run("policy", "set", "fips=true", code=7)
    assert "chief" in refused.err
    assert "recovery key" in refused.err
    world.run("key", "rotate", "--suite", "p384", "--signing", "p256")
    world.run("policy", "set", "fips=true", code=7)
    made = world.json("key", "recovery", "new", "--suite", "p384")
    assert made["recovery_key"].startswith("BWC-RECOVERY-2-")
    world.run("policy", "set", "fips=true")
    wraps = [wrap for one in envelopes(world.vault) for wrap in one.wraps]
    assert {wrap.suite for wrap in wraps} == {FIPS_SUITE}
    other = World(tmp_path / "other", operator="other", extra={"BWC_VAULT": str(world.vault)})
    other.run("key", "new", "other", "--out", tmp_path / "other.pub")
    world.run("key", "enrol", tmp_path / "other.pub", "--role", "records", code=7)
    world.run("key", "rotate", code=7)  # to the default suite
    (world.home / "keys" / "chief.key.next").unlink()
    assert world.json("verify")["verdict"] == "INTACT"


def test_a_vault_founded_under_fips_has_no_other_key(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("init", world.vault, "--agency", "Springfield PD", "--operator", "chief", "--fips")
    operator = load_operator(world.home / "keys" / "chief.key", SECRET)
    assert (operator.alg, operator.recipient.suite) == ("p256", FIPS_SUITE)
    assert world.json("policy", "show")["fips"] is True
    for one in world.vault.glob("bodies/*/*.json"):
        assert "MLKEM" not in one.read_text()
    assert "MLKEM" not in (world.vault / "keys" / "log.json").read_text()
    assert world.json("verify")["verdict"] == "INTACT"
