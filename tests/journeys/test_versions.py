"""Two requests for one recording at once: the press, and the person in it. Each gets its own version; neither changes the other."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.journeys.conftest import FIXTURES, World
from tests.journeys.test_meanwhile import during

CLIP = FIXTURES / "clips" / "plain.mp4"
PRESS, HERS = "R-320", "R-311 (Doe)"
SIGN = ("mask", "ITEM", "--box", "10,10,40,40", "--from", "0", "--to", "1", "--note", "sign")


@pytest.fixture
def item(world: World, card: Callable[..., Path]) -> str:
    world.run("ingest", card(CLIP), "--officer", "B1234", "--camera", "X81234", "--case", "26-1182")
    found = str(world.items()[0]["item"])
    world.run("detect", found, "--profile", "fast", "--no-listen")
    world.run("decide", found, "--undecided", "redact", "--exemption", "privacy")
    return found


def choices(world: World, item: str, request: str = "") -> dict[str, str]:
    (plan,) = world.json("plan", item, *(("--request", request) if request else ()))["plans"]
    assert plan["request"] == (request or None)
    return {one["id"]: one["decision"] for one in plan["tracks"]}


def standing(world: World, item: str) -> dict[str, tuple[str, list[str]]]:
    """How far each version is, and what it would show that the common plan hides since."""
    rows = world.json("plan", item)["versions"]
    return {one["request"]: (one["stage"], one["behind"]["shown"] if one["behind"] else []) for one in rows}


def make_copy(world: World, item: str, request: str) -> None:
    world.run("redact", item, "--request", request)
    checked = world.json("check", item, "--request", request, "--stride", "20")["checks"]
    assert [one["request"] for one in checked] == [request]


def entries(world: World, item: str) -> int:
    return len(world.json("log", item)["events"])


def is_hidden(data: bytes, box: list[int], ordinal: int = 30) -> bool:
    """Whether the middle of `box` is one colour in that picture."""
    with av.open(BytesIO(data)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == ordinal:
                x0, y0, x1, y1 = box
                wide, high = (x1 - x0) // 4, (y1 - y0) // 4
                inside: Any = frame.to_ndarray(format="gray")[y0 + high : y1 - high, x0 + wide : x1 - wide]
                return float(np.std(inside)) < 3
    raise AssertionError("so few pictures")


def boxes(world: World, item: str) -> dict[str, list[int]]:
    """Where each track is at frame 30, as coded."""
    file = world.folder / "where.json"
    world.run("plan", item, "--export", file)
    found = {}
    for track in json.loads(file.read_text())["tracks"]:
        for span in track["spans"]:
            steps = np.cumsum(np.reshape(span["boxes"], (-1, 4)), axis=0)
            if span["first"] <= 30 < span["first"] + len(steps):
                found[track["id"]] = [int(side) for side in steps[30 - span["first"]]]
    return found


def test_two_requesters_are_served_side_by_side(world: World, item: str) -> None:
    where = boxes(world, item)
    # what cannot be done makes no version, and a version that is not there is not made up
    assert "no t99" in world.run("decide", item, "t99", "keep", "--note", "x", "--request", HERS, code=4).err
    assert "no version for" in world.run("redact", item, "--request", HERS, code=4).err
    assert world.run("decide", item, "t1", "keep", "--note", "x", "--request", " ", code=2).err
    before = world.json("plan", item)
    assert before["versions"] == []
    looks, revision = entries(world, item), before["plans"][0]["summary"]["revision"]
    said = world.json("decide", item, "t1", "keep", "--note", "the requester herself", "--request", HERS)
    assert said["made"] == [f"a version for {HERS} was made from revision {revision} of the common plan"]
    assert said["request"] == HERS
    world.run("mask", item, "--box", "10,200,40,40", "--from", "0", "--to", "1", "--request", PRESS)
    assert entries(world, item) == looks + 4, "two plans and two edits: nothing was detected again"
    common, hers, press = (choices(world, item, one) for one in ("", HERS, PRESS))
    assert hers == common | {"t1": "keep"}
    assert press == common | {"m1": "redact"}

    make_copy(world, item, HERS)
    world.run("open", item, "--copy", "--request", HERS, "-o", world.folder / "draft.mp4", "--reason", "review")
    approved = world.json("approve", item, "--request", HERS)
    assert (approved["version"], approved["unopened"]) == (HERS, [])
    assert standing(world, item) == {HERS: ("approved", []), PRESS: ("planned", [])}
    row = world.json("list")
    assert (row["items"][0]["state"], row["versions"]) == ("detected", {item: 2}), "the common plan has no copy"
    assert "has no redacted copy" in world.run("approve", item, code=4).err
    assert "has no redacted copy" in world.run("release", item, "--request", "R-999", "-o", "R-999", code=4).err

    # somebody is found whom both would show: neither goes out before that is taken over
    world.run(*(item if one == "ITEM" else one for one in SIGN))
    assert standing(world, item) == {HERS: ("approved", ["m1"]), PRESS: ("planned", ["m1"])}
    told = world.run("release", item, "--request", HERS, "-o", "hers", code=7).err
    assert "it would show what is hidden there since: m1" in told
    assert "--take-over" in told
    assert "--take-over" in world.run("approve", item, "--request", HERS, code=7).err
    assert f"from revision {revision} to {revision + 1}" in world.run("plan", item, "--request", HERS).err
    assert world.json("plan", item, "--request", HERS, "--take-over")["taken_over"] == ["m1"]
    world.run("plan", item, "--request", PRESS, "--take-over")
    world.run("decide", item, "m2", "keep", "--note", "what the press asked for", "--request", PRESS)
    assert "older than its plan" in world.run("release", item, "--request", HERS, "-o", "hers", code=7).err

    for request, folder in ((HERS, "hers"), (PRESS, "press")):
        make_copy(world, item, request)
        world.run("approve", item, "--request", request)
        done = world.json("release", item, "--request", request.lower(), "-o", world.folder / folder)
        assert world.run("verify", world.folder / folder, "--key", done["vkey"]).out.strip().endswith("ours")
    hers, press = (next((world.folder / one).glob("*.mp4")).read_bytes() for one in ("hers", "press"))
    for name, box in where.items():
        assert is_hidden(press, box), name
        assert is_hidden(hers, box) == (name != "t1"), name
    shown = [is_hidden(data, [10, 10, 50, 50], 10) for data in (hers, press)]
    assert shown == [True, False], "the sign: hidden from her as from all, kept for the press"
    assert is_hidden(press, [10, 200, 50, 240], 10)

    # the whole of it is in the log, which names no request in the clear
    raw = b"".join(path.read_bytes() for path in (world.vault / "log").rglob("*") if path.is_file())
    assert b"R-311" not in raw
    assert b"R-320" not in raw
    assert world.json("verify")["verdict"] == "INTACT"
    world.run("catalog", "rebuild")
    assert standing(world, item) == {HERS: ("released", []), PRESS: ("released", [])}


def test_versions_hold_while_others_work(world: World, item: str) -> None:
    keep = ("decide", "ITEM", "t1", "keep", "--note", "she", "--request", HERS)
    draw = ("mask", "ITEM", "--box", "90,10,40,40", "--from", "0", "--to", "1", "--request", HERS)
    during(world, item, draw, keep, SIGN)  # one makes the version while the other is about to edit it
    assert standing(world, item) == {HERS: ("planned", ["m1"])}
    assert choices(world, item, HERS) | {"t1": "keep", "m1": "redact"} == choices(world, item, HERS)
    during(world, item, ("plan", "ITEM", "--request", HERS, "--take-over"), draw)
    mine = choices(world, item, HERS)
    assert sorted(one for one in mine if one.startswith("m")) == ["m1", "m2", "m3"]

    # a plan file and other looks are of the version that is named
    world.run("plan", item, "--export", world.folder / "common.json")
    world.run("plan", item, "--request", PRESS, "--import", world.folder / "common.json")
    assert "another version" in world.run("plan", item, "--request", HERS, "--import", "common.json", code=7).err
    world.run("redact", item, "--request", PRESS, "--inverse", "--from", "0", "--to", "0.5")
    shown = world.json("plan", item)
    assert shown["plans"][0]["summary"]["revision"] == 3, "as it was"
    assert {one["request"]: (one["revision"], one["stage"]) for one in shown["versions"]}[PRESS] == (3, "redacted")
    assert "has versions" in world.run("detect", item, code=7).err
    assert world.json("verify")["verdict"] == "INTACT"
