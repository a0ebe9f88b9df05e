"""Unattended detection: a worker opens only where policy says, only to detect, and each opening is an event."""

from pathlib import Path

from bwc.keyfile import load_operator
from tests.journeys.conftest import FIXTURES, World
from tests.journeys.test_separation import SECRET, envelopes, try_everything

CLIP = FIXTURES / "card" / "DCIM" / "100BWCAM" / "BWC_0001.MP4"


def test_a_worker_opens_only_where_policy_says_and_only_to_detect(world: World, card, tmp_path: Path) -> None:
    machine = World(tmp_path / "machine", operator="machine", extra={"BWC_VAULT": str(world.vault)})
    machine.run("key", "new", "machine", "--out", tmp_path / "machine.pub")
    world.run("key", "enrol", tmp_path / "machine.pub", "--role", "worker")
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1", "--category", "traffic")
    (item,) = machine.items()
    key = load_operator(machine.home / "keys" / "machine.key", SECRET)
    assert try_everything(world.vault, key) == 0
    machine.run("detect", item["item"], code=9)

    world.run("policy", "set", "worker=true")
    assert all(key.recipient_id in one.recipients for one in envelopes(world.vault))
    machine.run("detect", item["item"])
    machine.run("open", item["item"], "-o", "out.mp4", "--reason", "export", code=7)
    assert not (machine.folder / "out.mp4").exists()
    machine.run("approve", item["item"], code=7)
    trail = [one for one in world.json("log", item["item"])["events"] if one["key"] == key.key_id]
    kinds = [one["kind"] for one in trail]
    assert kinds.count("item.opened") >= 1
    assert {"detection.run", "plan.saved"} <= set(kinds)
    assert next(one["facts"]["act"] for one in trail if one["kind"] == "act.refused") == "item.opened"

    world.run("policy", "set", "worker=false")
    assert not any(key.recipient_id in one.recipients for one in envelopes(world.vault))
    assert world.json("verify")["verdict"] == "INTACT"
