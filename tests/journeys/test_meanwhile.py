"""Several people and commands at one plan: what a person draws, mutes or decides is in the newest plan, or refused aloud."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.conftest import FIXTURES, Done, World
from tests.journeys.test_whole_job import decide_all

CLIP = FIXTURES / "clips" / "plain.mp4"
MASK = ("mask", "ITEM", "--box", "10,10,40,40", "--from", "0", "--to", "1", "--note", "sign")
OTHER_MASK = ("mask", "ITEM", "--box", "90,10,40,40", "--from", "0", "--to", "1", "--note", "number")
MUTE = ("mute", "ITEM", "--from", "0.5", "--to", "1", "--note", "address")
KEEP = ("decide", "ITEM", "t1", "keep", "--note", "an officer")

# `bwc OUTER` that has read the plan, and not saved its own yet, when each of `bwc INNER` runs from beginning to end
WHILE = """
import json, subprocess, sys
from bwc.cli.main import run
from bwc.redact import session

outer, inner = json.loads(sys.argv[1]), json.loads(sys.argv[2])
save = session.save_next.__globals__["save"]

def later(*words, **named):
    while inner:
        subprocess.run([sys.executable, "-m", "bwc.cli.main", *inner.pop(0)], check=True, stdout=subprocess.DEVNULL)
    return save(*words, **named)

session.save = later
sys.exit(run(outer))
"""


@pytest.fixture
def item(world: World, card: Callable[..., Path]) -> str:
    world.run("ingest", card(CLIP), "--officer", "B1234", "--camera", "X81234", "--case", "26-1182")
    return str(world.items()[0]["item"])


def during(world: World, item: str, outer: tuple[str, ...], *inner: tuple[str, ...], code: int = 0) -> Done:
    """What `bwc OUTER` did, with `bwc INNER` while it worked."""
    words = [[item if word == "ITEM" else word for word in one] for one in (outer, *inner)]
    done = subprocess.run(
        [sys.executable, "-c", WHILE, json.dumps(words[0]), json.dumps(words[1:])],
        capture_output=True, text=True, env=world.environment(), cwd=world.folder, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def parts(world: World, item: str) -> dict[str, str]:
    """Names and decisions in the newest plan."""
    (plan,) = world.json("plan", item)["plans"]
    return {one["id"]: one["decision"] for one in (*plan["tracks"], *plan["sounds"], *plan["whole_frames"])}


def revisions(world: World, item: str) -> list[int]:
    return [one["facts"]["revision"] for one in world.json("log", item)["events"] if one["kind"] == "plan.saved"]


def test_nothing_a_person_says_is_lost_while_a_command_works(world: World, item: str) -> None:
    detect = ("detect", "ITEM", "--profile", "fast")
    during(world, item, detect, detect, MASK, MUTE)  # two detections at once, and work on the plan of one
    assert {"m1", "a1"} <= parts(world, item).keys()
    assert revisions(world, item) == [1, 2, 3, 4]

    # two people draw at the same moment
    during(world, item, MASK, OTHER_MASK)
    during(world, item, MUTE, MASK, MUTE)
    assert {"m1", "m2", "m3", "m4", "a1", "a2", "a3"} <= parts(world, item).keys()
    during(world, item, ("listen", "ITEM"), OTHER_MASK)
    during(world, item, ("redact", "ITEM", "--effect", "mean"), OTHER_MASK)
    assert {"m5", "m6"} <= parts(world, item).keys()
    assert revisions(world, item) == list(range(1, 14))

    # a decision goes into the newest plan; one on what somebody else just decided is refused
    during(world, item, KEEP, MASK)
    assert parts(world, item)["t1"] == "keep"
    redact = ("decide", "ITEM", "t1", "redact")
    told = during(world, item, redact, ("decide", "ITEM", "t1", "keep", "--note", "her partner"), code=7)
    assert "t1 of " in told.err
    assert parts(world, item)["t1"] == "keep"

    # a detection that would start such a decision anew is refused at its end, and nothing of it is saved
    before = revisions(world, item)
    told = during(world, item, (*detect, "--again"), ("decide", "ITEM", "t1", "undecided"), MASK, code=7)
    assert "bwc detect" in told.err
    assert "--again" in told.err
    assert revisions(world, item) == [*before, before[-1] + 1, before[-1] + 2]
    assert "m8" in parts(world, item)
    assert world.json("verify")["verdict"] == "INTACT"


def test_a_plan_file_is_held_to_what_decide_is_held_to_and_an_approval_does_not_fall(world: World, item: str) -> None:
    world.run("detect", item, "--profile", "fast")
    decide_all(world, item)
    told = during(world, item, ("detect", "ITEM", "--profile", "fast", "--again"), ("approve", "ITEM"), code=7)
    assert "approved its copy" in told.err
    assert "is approved" in world.run("detect", item, code=7).err
    assert [row["state"] for row in world.items()] == ["approved"]

    world.run("mask", item, "--box", "10,10,40,40", "--from", "0", "--to", "1", "--note", "sign")
    file = world.folder / "plan.json"
    world.run("plan", item, "--export", file)
    assert file.stat().st_mode & 0o777 == 0o600
    plan = json.loads(file.read_text())
    first, mask = plan["tracks"][0], plan["tracks"][-1]
    keep = {"at": "2020-01-01T00:00:00.000000Z", "by": "f" * 32, "choice": "keep", "exemption": "privacy", "note": ""}
    first["decision"] = keep
    file.write_text(json.dumps(plan))
    assert "without a reason" in world.run("plan", item, "--import", file, code=2).err
    keep["note"] = "made up"
    plan["tracks"].remove(mask)
    file.write_text(json.dumps(plan))
    told = world.run("plan", item, "--import", file)
    assert f"no longer hidden: {first['id']}, {mask['id']}" in told.err
    world.run("plan", item, "--export", world.folder / "after.json")
    after = json.loads((world.folder / "after.json").read_text())["tracks"][0]["decision"]
    me = world.json("key", "list")["keys"][0]["key"]
    assert (after["by"], after["note"], after["at"] > "2026") == (me, "made up", True)
    # an old file would take back what was done since
    assert "from revision" in world.run("plan", item, "--import", file, code=7).err

    # one requester's version and another's: what was decided for one is there again when it is wanted again
    (now,) = world.json("plan", item)["plans"]
    shown = world.json("plan", item, "--revision", 1)["plans"][0]
    assert shown["summary"]["revision"] == 1
    told = world.run("plan", item, "--restore", now["summary"]["revision"] - 1)
    assert "no longer hidden" not in told.err
    assert parts(world, item)[first["id"]] == shown["tracks"][0]["decision"]
    assert parts(world, item)[mask["id"]] == "redact"
    back = world.run("plan", item, "--restore", now["summary"]["revision"])
    assert f"no longer hidden: {first['id']}, {mask['id']}" in back.err
    assert "no revision 99" in world.run("plan", item, "--restore", 99, code=4).err
