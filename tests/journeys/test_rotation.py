"""Keys change hands and kinds: the same person goes on, the old key opens nothing, every proof still holds."""

import json
from pathlib import Path

import pytest

from bwc.keyfile import load_operator
from bwc.storage.body import parse_body
from tests.journeys.conftest import FIXTURES, World
from tests.journeys.test_separation import SECRET, envelopes, try_everything

CLIP = FIXTURES / "card" / "DCIM" / "100BWCAM" / "BWC_0001.MP4"


def ingested(world: World, card) -> str:
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    return str(world.items()[0]["item"])


def test_a_rotated_key_goes_on_as_the_same_person_and_the_old_one_opens_nothing(world: World, card) -> None:
    item = ingested(world, card)
    path = world.home / "keys" / "chief.key"
    old = load_operator(path, SECRET)
    marks = {one: one.stat().st_ino for one in world.vault.glob("objects/*/*")}
    done = world.json("key", "rotate", "--signing", "p256", "--suite", "p384")
    assert done["envelopes_rewrapped"] == len(list(envelopes(world.vault)))
    new = load_operator(path, SECRET)
    assert (new.alg, new.recipient.suite, new.key_id) == ("p256", "P384-HKDF-SHA384-AES-256-GCM", done["key"])
    assert Path(done["old_key_file"]).exists()

    assert try_everything(world.vault, old) == 0
    bodies = [parse_body(one.read_bytes()) for one in world.vault.glob("bodies/*/*.json")]
    assert bodies
    assert not any(old.recipient_id in one.recipients for one in bodies)
    assert old.recipient_id not in (world.vault / "keys" / "log.json").read_text()
    assert {one: one.stat().st_ino for one in world.vault.glob("objects/*/*")} == marks

    world.run("open", item, "-o", "out.mp4", "--reason", "R-1")
    assert (world.folder / "out.mp4").read_bytes() == CLIP.read_bytes()
    trail = world.json("log", item)["events"]
    assert trail[0]["private"]["officer"] == "B1"  # what was recorded before is read with the new key
    rows = {row["key"]: row for row in world.json("key", "list")["keys"]}
    assert rows[old.key_id]["revoked"]
    assert rows[new.key_id]["roles"] == rows[old.key_id]["roles"]
    assert world.json("verify")["verdict"] == "INTACT"
    # the retired key signs nothing any more
    (world.home / "keys" / "old.key").write_bytes(Path(done["old_key_file"]).read_bytes())
    world.run("tag", item, "--officer", "B2", "--as", "old", code=7)


def test_a_rotation_that_died_half_way_is_finished_by_the_same_command(
    world: World, card, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = ingested(world, card)
    from bwc.config import Places
    from bwc.custody.house import House
    from bwc.identities import LocalOperator
    from bwc.keyfile import save_operator

    path = world.home / "keys" / "chief.key"
    old, new = load_operator(path, SECRET), LocalOperator.generate("chief")
    save_operator(path.with_name("chief.key.next"), new, SECRET)
    monkeypatch.setenv("BWC_HOME", str(world.home))
    with House.enter(Places(vault=world.vault), old) as house:
        monkeypatch.setattr(House, "finish_rotation", lambda *_: 0)
        monkeypatch.setattr(House, "publish", lambda *_: 0)
        house.rotate(new)
    monkeypatch.undo()
    done = world.json("key", "rotate")
    assert done["key"] == new.key_id
    world.run("open", item, "-o", "out.mp4", "--reason", "R-1")
    assert world.json("verify")["verdict"] == "INTACT"
    assert not path.with_name("chief.key.next").exists()


def test_what_a_key_signed_after_its_compromise_is_flagged_and_what_it_signed_before_stands(
    world: World, card, tmp_path: Path
) -> None:
    clerk = World(tmp_path / "clerk", operator="clerk", extra={"BWC_VAULT": str(world.vault)})
    clerk.run("key", "new", "clerk", "--out", tmp_path / "clerk.pub")
    world.run("key", "enrol", tmp_path / "clerk.pub", "--role", "technician")
    item = ingested(clerk, card)
    since = world.json("log", item)["events"][-1]["at"]
    clerk.run("tag", item, "--officer", "B9")
    world.run("key", "revoke", "clerk", "--compromised-since", "2099-01-01", code=2)
    world.run("key", "revoke", "clerk", "--compromised-since", "yesterday", code=2)
    world.run("key", "revoke", "clerk", "--compromised-since", since)
    report = world.json("verify")
    assert report["verdict"] == "INTACT"
    (found,) = [one for one in report["findings"] if "compromised" in json.dumps(one)]
    assert "2 between entry" in json.dumps(found)  # the last event before the tag, which began then, and the tag
    clerk.run("tag", item, "--officer", "B8", code=7)
