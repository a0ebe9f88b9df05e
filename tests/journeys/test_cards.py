"""The dock's bad days, with the real program: worn cards, pulled cards, two docks, odd names."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import World

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (apt install strace)")
TAGS = ("--officer", "B1234", "--camera", "X81234")


def ingest_failing(world: World, file: Path, when: str) -> "subprocess.CompletedProcess[str]":
    """`bwc ingest` of the file's folder while the kernel fails its reads of `file` at these calls."""
    inject = f"inject=preadv,preadv2:error=EIO:when={when}"
    return subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", "/dev/null", "-P", file, "-e", "trace=preadv,preadv2", "-e", inject),
            *(sys.executable, "-m", "bwc.cli.main", "ingest", file.parent, *TAGS),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=world.environment(),
        stdin=subprocess.DEVNULL,
    )


@needs_strace
def test_a_worn_card_is_held_with_gaps_and_read_better_later(world: World, tmp_path: Path) -> None:
    content = bytes(range(1, 251)) * 12_000
    clip = tmp_path / "card" / "A.MP4"
    clip.parent.mkdir()
    clip.write_bytes(content)
    done = ingest_failing(world, clip, "1..14")
    assert done.returncode == 3, done.stderr
    assert "SAFE TO WIPE THE CARD: NO" in done.stdout
    assert "The card is worn" in done.stdout
    (damaged,) = world.items()
    assert damaged["gaps"] == 1
    again = world.json("ingest", clip.parent, *TAGS)
    assert again["safe_to_wipe"]
    whole = again["items"][0]["item"]
    assert again["items"][0]["notes"][0] == f"reads better what is held with gaps as {damaged['item']}"
    assert f"read better as {whole}" in world.run("show", damaged["item"]).out
    opened = world.json("open", damaged["item"], "-o", tmp_path / "damaged.mp4", "--reason", "look")
    (gap,) = opened["gaps"]
    lost = slice(gap["offset"], gap["offset"] + gap["bytes"])
    data = (tmp_path / "damaged.mp4").read_bytes()
    assert data[lost] == bytes(gap["bytes"])
    assert data[: lost.start] + content[lost] + data[lost.stop :] == content
    world.run("verify")


@needs_strace
def test_a_card_pulled_mid_read_leaves_nothing_half(world: World, tmp_path: Path) -> None:
    clip = tmp_path / "card" / "A.MP4"
    clip.parent.mkdir()
    clip.write_bytes(bytes(range(250)) * 40_000)
    done = ingest_failing(world, clip, "2+")
    assert done.returncode == 3, done.stderr
    assert "the card went away while A.MP4 was read" in done.stderr
    assert world.items() == []
    assert world.json("ingest", clip.parent, *TAGS)["safe_to_wipe"]


def test_names_links_and_empty_files(world: World, tmp_path: Path) -> None:
    card = tmp_path / "card"
    deep = card
    for _ in range(3):
        deep = deep / ("n" * 120)
    deep.mkdir(parents=True)
    (deep / ("long" * 60 + ".mp4")).write_bytes(b"long")
    (card / "no\udcfftext.mp4").write_bytes(b"odd")
    (card / "empty.mp4").write_bytes(b"")
    (card / "out.mp4").symlink_to("/etc/hostname")
    (card / "in.mp4").symlink_to("empty.mp4")
    receipt: dict[str, Any] = world.run("ingest", card, *TAGS, "--json", code=3).first_json
    names = {file["name"] for item in receipt["items"] for file in item["files"]}
    assert "no\\xfftext.mp4" in names
    assert any(len(name) > 600 for name in names)
    assert len(names) == 3
    assert [(one["name"], one["blocks_wipe"]) for one in receipt["left"]] == [("in.mp4", False), ("out.mp4", True)]


def test_several_cards_at_once_each_with_its_receipt(world: World, tmp_path: Path) -> None:
    cards = []
    for at in range(3):
        (tmp_path / f"card{at}").mkdir()
        (tmp_path / f"card{at}" / "A.MP4").write_bytes(bytes([at]) * 300_000)
        cards.append(tmp_path / f"card{at}")
    tags = ("--officer", "B1", "--officer", "B2", "--officer", "B3", "--camera", "X1")
    told = world.json("ingest", *cards, *tags, "--clock-offset", "+12.5", "--receipt", tmp_path / "receipts")
    assert told["safe_to_wipe"]
    assert [one["officer"] for one in told["cards"]] == ["B1", "B2", "B3"]
    assert len(list((tmp_path / "receipts").glob("*.txt"))) == len(list((tmp_path / "receipts").glob("*.json"))) == 3
    assert {one["clock_offset_ms"] for one in world.items()} == {12_500}
    (cards[1] / "out.mp4").symlink_to("/etc/hostname")
    done = world.run("ingest", *cards, "--officer", "B1", "--camera", "X1", code=3)
    assert f"{cards[0]}: SAFE TO WIPE" in done.out
    assert f"{cards[1]}: NOT SAFE" in done.out
    world.run("ingest", *cards, "--officer", "B1", "--officer", "B2", "--camera", "X1", code=2)
    world.run("verify")


def test_two_technicians_with_one_card_at_once_make_one_item(world: World, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    for at in range(4):
        (card / f"{at}.MP4").write_bytes(bytes([at]) * 400_000)
    words = [sys.executable, "-m", "bwc.cli.main", "ingest", str(card), *TAGS]
    both = [
        subprocess.Popen(words, env=world.environment(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        for _ in range(2)
    ]
    told = [one.communicate(timeout=120)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    assert all("SAFE TO WIPE THE CARD: YES" in text for text in told)
    assert len(world.items()) == 4
    world.run("verify")


def watching(world: World, docks: Path, receipts: Path) -> "subprocess.Popen[str]":
    words = ["ingest", "--watch", docks, "--layout", "{camera}_{officer}", "--receipt", receipts, "--settle", "0.5"]
    return subprocess.Popen(
        [sys.executable, "-m", "bwc.cli.main", *map(str, words), "--json", "--case", "26-7"],
        env=world.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def wait_for(what: str, seen: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def test_a_watched_folder_takes_in_what_appears_until_it_is_told_to_stop(world: World, tmp_path: Path) -> None:
    docks, receipts = tmp_path / "docks", tmp_path / "receipts"
    (docks / "X1_B1").mkdir(parents=True)
    (docks / "X1_B1" / "A.MP4").write_bytes(b"one" * 1000)
    running = watching(world, docks, receipts)
    try:
        wait_for("the first receipt", lambda: list(receipts.glob("*-X1.txt")))
        (docks / "nobody").mkdir()
        (docks / "nobody" / "B.MP4").write_bytes(b"two" * 1000)
        wait_for("the call for a person", (receipts / "ATTENTION.txt").exists)
        (docks / "nobody").rename(docks / "X2_B2")
        wait_for("the second receipt", lambda: list(receipts.glob("*-X2.txt")))
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    assert [(one["card"], one["good"]) for one in told] == [("X1_B1", True), ("nobody", False), ("X2_B2", True)]
    assert [(one["camera"], one["officer"], one["case_ids"]) for one in reversed(world.items())] == [
        ("X1", "B1", ["26-7"]),
        ("X2", "B2", ["26-7"]),
    ]
    assert not (receipts / "ATTENTION.txt").exists()
    entries = len(world.json("log", world.items()[0]["item"])["events"])
    running = watching(world, docks, receipts)  # a restart finds nothing new
    time.sleep(4)
    running.send_signal(signal.SIGTERM)
    assert running.communicate(timeout=60)[0] == ""
    assert running.returncode == 0
    assert len(world.json("log", world.items()[0]["item"])["events"]) == entries
    world.run("verify")
    world.run("ingest", "--watch", docks, "--receipt", docks / "receipts", code=2)
