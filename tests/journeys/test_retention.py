"""Two people and an item: kept by the schedule, held, ordered by one, destroyed by the other, proven to a third."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.conftest import FIXTURES, ROOT, World

CLIPS = [FIXTURES / "clips" / name for name in ("plain.mp4", "silent.mp4")]


@pytest.fixture
def deputy(world: World, tmp_path: Path) -> World:
    """A second login that uses the same vault."""
    made = World(tmp_path / "deputy", operator="deputy", extra={"BWC_VAULT": str(world.vault)})
    public = tmp_path / "deputy.pub"
    made.run("key", "new", "deputy", "--out", public)
    world.run("key", "enrol", public, "--role", "records", "--role", "administrator")
    return made


def test_from_the_schedule_to_the_proof_of_destruction(
    world: World, deputy: World, card: Callable[..., Path], tmp_path: Path
) -> None:
    folder = card(*CLIPS)
    world.run("ingest", folder, "--officer", "B1", "--camera", "X1", "--category", "traffic")
    kept, gone = [one["item"] for one in world.items()]
    assert world.json("retain", "show") == {"schedule": None}
    assert world.json("retain", "set", ROOT / "docs" / "examples" / "retention.toml")["due"] == []
    assert {one["why"] for one in world.json("retain", "due", "--all")["items"]} == {"term"}

    # 1 what the schedule, a case or a hold keeps is not ordered away
    world.run("dispose", gone, "--order", "--reason", "tidy", code=7)
    hold = world.json("hold", "place", kept, "--reason", "Doe v. City")["hold"]
    assert "HoldInForce" in world.run("dispose", kept, "--order", "--early", "--reason", "x", "--json", code=7).out
    assert world.json("hold", "list")["holds"][0]["reason"] == "Doe v. City"

    # 2 a dry run records nothing; an order destroys nothing; who ordered does not confirm
    before = world.json("verify", "--quick")["entries"]
    assert world.json("dispose", gone)["order"] is None
    assert world.json("verify", "--quick")["entries"] == before
    order = world.json("dispose", gone, "--order", "--early", "--reason", "court order 12")["order"]
    assert [one["state"] for one in deputy.json("dispose", "--orders")["orders"]] == ["ordered"]
    world.run("dispose", "--confirm", order, code=7)
    world.run("open", gone, "-o", tmp_path / "still.mp4", "--reason", "look")

    # 3 another person's login
    done = deputy.json("dispose", "--confirm", order, "-o", tmp_path / "proofs")
    assert [one["item"] for one in done["destroyed"]] == [gone]
    deputy.run("dispose", "--confirm", order, code=2)
    assert world.json("dispose", "--finish")["destroyed"] == []

    # 4 the tombstone
    found = world.json("verify")
    assert (found["verdict"], [one["item"] for one in found["destroyed"]]) == ("INTACT", [gone])
    assert [one["item"] for one in world.items()] == [kept]
    assert world.json("show", gone)["destroyed"]["order"] == order
    events = world.json("log", gone)["events"]
    assert [one["erased"] for one in events[:2]] == [True, True]
    assert events[-1]["roles"] == ["administrator", "records"]
    for words in (["open", gone, "-o", "x.mp4", "--reason", "x"], ["detect", gone], ["tag", gone, "--officer", "B2"]):
        assert "Disposed" in world.run(*words, "--json", code=4).out

    # 5 the proof, by whoever has the agency's key
    proof = next((tmp_path / "proofs").glob("*.json"))
    assert world.json("verify", proof)["verdict"] == "ours"
    deputy.run("verify", proof, code=7)
    assert f"bwc verify {proof}" in world.run("verify", proof.with_suffix(".txt"), code=2).err
    document = json.loads(proof.read_text())
    document["list"]["objects"].pop()
    proof.write_text(json.dumps(document))
    world.run("verify", proof, code=5)

    # 6 the same bytes again are a new item; what is held still is not taken twice
    receipt = world.json("ingest", folder, "--officer", "B1", "--camera", "X1")
    assert receipt["safe_to_wipe"]
    assert gone not in {one["item"] for one in world.items()}
    assert len(world.items()) == 2

    # 7 the catalog is made again from the log
    shutil.copy(world.vault / "catalog.sqlite", tmp_path / "before.sqlite")
    (world.vault / "catalog.sqlite").unlink()
    world.run("catalog", "rebuild")
    assert world.json("list", "--state", "disposed")["items"][0]["item"] == gone
    assert world.json("hold", "lift", hold, "--reason", "settled")["lifted"] == 1


def test_a_case_keeps_what_names_it_until_it_is_closed(world: World, deputy: World, card: Callable[..., Path]) -> None:
    world.run("ingest", card(CLIPS[1]), "--officer", "B1", "--camera", "X1", "--category", "arrest", "--case", "26-1")
    world.run("retain", "set", ROOT / "docs" / "examples" / "retention.toml")
    (item,) = [one["item"] for one in world.items()]
    assert world.json("case", "list")["cases"] == [{"case": "26-1", "items": 1, "open": True, "since": None}]
    world.run("dispose", item, "--order", "--early", "--reason", "x", code=7)
    assert world.json("case", "close", "26-1", "--note", "pleaded")["items"] == [item]
    assert [one["why"] for one in world.json("retain", "due", "--all")["items"]] == ["grace"]
    assert world.json("case", "open", "26-1", "--note", "appeal")["open"]
    assert [one["why"] for one in world.json("retain", "due", "--all")["items"]] == ["case-open"]
    world.json("case", "close", "26-1")

    # one private part alone goes by a court's order, and the item stays
    entry = str(world.json("log", item)["events"][0]["seq"])
    assert world.json("expunge", item, "--entry", entry, "--reason", "court order 3")["order"] is None
    order = world.json("expunge", item, "--entry", entry, "--reason", "court order 3", "--order")["order"]
    deputy.json("dispose", "--confirm", order)
    assert world.json("log", item)["events"][0]["erased"]
    assert world.json("verify")["verdict"] == "INTACT"
    assert [(one["item"], one["officer"]) for one in world.items()] == [(item, None)]
    world.run("tag", item, "--officer", "B7", "--category", "arrest")
    assert world.items()[0]["officer"] == "B7"
    order = world.json("dispose", item, "--order", "--early", "--reason", "x")["order"]
    assert world.json("dispose", "--cancel", order, "--reason", "not yet")["cancelled"] == 1
