"""Keys on a PKCS#11 token (softhsm2): the whole job with them, and nothing of them on the disk."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bwc.cli.attempts import read_attempts
from tests.journeys.conftest import FIXTURES, World
from tests.journeys.test_whole_job import decide_all

CLIP = FIXTURES / "clips" / "nobody.mp4"
PIN = "493817"


def softhsm() -> str:
    """The library of softhsm2, or a loud skip."""
    pytest.importorskip("pkcs11", reason="LOUD: python-pkcs11 is not installed, keys on tokens are NOT tested")
    found = next(Path("/usr/lib").glob("**/libsofthsm2.so"), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("LOUD: softhsm2 is not installed (apt-get install softhsm2), keys on tokens are NOT tested")
    return str(found)


@pytest.fixture
def module(world: World, tmp_path: Path) -> str:
    """The PKCS#11 library, with an empty token `desk` for the commands of `world`."""
    library = softhsm()
    (tmp_path / "tokens").mkdir()
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    (tmp_path / "pin").write_text(PIN + "\n")
    world.extra |= {"SOFTHSM2_CONF": str(config), "BWC_PIN_FILE": str(tmp_path / "pin")}
    words = ["--init-token", "--free", "--label", "desk", "--pin", PIN, "--so-pin", "12345678"]
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True, env=world.environment())
    return library


@pytest.fixture
def item(world: World, card, module: str) -> str:
    """A recording taken in and tagged by `desk`, enrolled with a key on the token; no passphrase is at hand any more."""
    public = world.folder / "desk.pub"
    world.run("key", "new", "desk", "--token", "desk", "--module", module, "--out", public)
    world.run("key", "enrol", public, "--role", "technician", "--role", "records", "--as", "chief")
    world.extra["BWC_OPERATOR"] = "desk"
    (world.folder / "passphrase").unlink()
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    found = str(world.items()[0]["item"])
    world.run("tag", found, "--officer", "B2")
    return found


def test_an_operator_on_a_token_takes_in_tags_and_opens(world: World, item: str) -> None:
    key_file = json.loads((world.home / "keys" / "desk.key").read_text())
    assert set(key_file) == {"format", "module", "name", "recipient", "token", "verify_key"}  # public, and where
    with world.locked_at_the_end():
        world.run("unlock")
        (world.folder / "pin").unlink()  # now only the agent has it
        world.run("open", item, "-o", "out.mp4", "--reason", "R-1")
        events = world.json("log", item)["events"]
    assert (world.folder / "out.mp4").read_bytes() == CLIP.read_bytes()
    assert {one["actor"] for one in events} == {"desk"}
    assert events[0]["private"]["officer"] == "B1"
    assert world.json("verify")["verdict"] == "INTACT"


@pytest.mark.slow
def test_a_copy_is_made_and_approved_by_a_token(world: World, item: str) -> None:
    world.run("detect", item)
    decide_all(world, item)
    assert world.json("approve", item)["more_people_needed"] == 0
    assert world.json("log", item)["events"][-1]["kind"] == "copy.approved"
    assert world.json("verify")["verdict"] == "INTACT"


def test_a_key_in_a_file_gives_way_to_one_on_a_token(world: World, card, module: str) -> None:
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    item = str(world.items()[0]["item"])
    world.run("key", "rotate", "--token", "desk", "--module", module, "--suite", "p256")
    (world.folder / "passphrase").unlink()
    world.run("open", item, "-o", "out.mp4", "--reason", "R-1")
    assert world.json("verify")["verdict"] == "INTACT"


def test_a_wrong_pin_and_a_token_that_is_away_are_said_and_only_the_pin_is_an_attempt(
    world: World, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = world.folder / "desk.pub"
    world.run("key", "new", "desk", "--token", "desk", "--module", module, "--out", public)
    world.run("key", "enrol", public, "--role", "technician", "--as", "chief")
    world.extra["BWC_OPERATOR"] = "desk"
    (world.folder / "pin").write_text("000000\n")
    assert "PIN does not open" in world.run("unlock", code=9).err
    (world.folder / "pin").write_text(PIN + "\n")
    (world.folder / "tokens").rename(world.folder / "unplugged")
    (world.folder / "tokens").mkdir()
    assert "no token is named desk" in world.run("unlock", code=9).err
    (world.folder / "tokens").rmdir()
    (world.folder / "unplugged").rename(world.folder / "tokens")
    monkeypatch.setenv("BWC_HOME", str(world.home))
    attempts = read_attempts("desk")
    assert attempts is not None
    assert attempts.count == 1


def test_what_a_token_cannot_hold_is_refused_and_nothing_is_left_on_it(world: World, module: str) -> None:
    words = ("key", "new", "desk", "--token", "desk", "--module", module)
    assert "--suite p384" in world.run(*words, "--suite", "hybrid", code=2).err
    world.run(*words, "--signing", "ed25519", code=2)
    world.run(*words[:-2], code=2)
    world.run("key", "new", "desk", "--token", "other", "--module", module, code=9)
    world.run("key", "new", "desk", "--token", "desk", "--module", world.folder / "none.so", code=9)
    assert not (world.home / "keys" / "desk.key").exists()
    assert not list((world.folder / "tokens").glob("*/*.object"))[1:]  # the token's own object alone
