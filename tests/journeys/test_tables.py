"""Somebody who may write the vault's folder alters the catalog's tables with sqlite3: acts refuse and `bwc verify` names it.

A vault of two people, a case that is closed, a recording under hold: what an outside auditor tried.
"""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.conftest import FIXTURES, World

CLIP = FIXTURES / "clips" / "silent.mp4"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Founded by chief; dock is a records officer; one recording, in a closed case and under hold."""
    folder = tmp_path_factory.mktemp("tables")
    world = World(folder)
    world.run(
        "init", world.vault, "--agency", "Springfield PD", "--operator", "chief", "--recovery-file", folder / "r.txt"
    )
    dock = World(folder / "dock", operator="dock", extra={"BWC_VAULT": str(world.vault)})
    dock.run("key", "new", "dock", "--out", folder / "dock.pub")
    world.run("key", "enrol", folder / "dock.pub", "--role", "records")
    card = folder / "card"
    card.mkdir()
    shutil.copy(CLIP, card / CLIP.name)
    world.run("ingest", card, "--officer", "B1", "--camera", "X1", "--case", "26-1")
    world.run("case", "close", "26-1")
    (item,) = world.items()
    world.run("hold", "place", item["item"], "--reason", "a claim")
    return world


@pytest.fixture
def copy(filled: World, tmp_path: Path) -> World:
    for name in ("vault", "home", "dock"):
        shutil.copytree(filled.folder / name, tmp_path / name)
    shutil.copy(filled.folder / "dock.pub", tmp_path / "dock.pub")
    return World(tmp_path)


def tamper(world: World, *statements: str) -> None:
    base = sqlite3.connect(world.vault / "catalog.sqlite")
    with base:
        for one in statements:
            base.execute(one)
    base.close()


def bad(world: World, *words: str) -> list[str]:
    findings = world.run("verify", "--json", *words, code=5).first_json["findings"]
    return [f"{one['where']}: {one['what']}" for one in findings if (one["grade"], one["step"]) == ("bad", 9)]


def test_a_hold_deleted_from_the_catalog_still_keeps_the_recording(copy: World) -> None:
    (item,) = copy.items()
    tamper(copy, "DELETE FROM holds")
    done = copy.run("dispose", item["item"], "--early", "--order", "--reason", "tidy", code=5)
    assert "table holds" in done.err
    assert "bwc catalog rebuild" in done.err
    (named,) = bad(copy)
    assert "table holds, hold of entry" in named
    copy.run("catalog", "rebuild")
    copy.run("verify")
    copy.run("dispose", item["item"], "--early", "--order", "--reason", "tidy", code=7)


def test_a_reader_or_a_role_put_into_the_catalog_gets_no_footage(copy: World, card: Callable[..., Path]) -> None:
    new = card(FIXTURES / "clips" / "cut.mp4")
    before = {one: one.read_bytes() for one in copy.vault.glob("envelopes/*/*")}
    tamper(
        copy,
        "INSERT INTO recipients SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', recipient, 'recovery', 0 FROM operators LIMIT 1",
        'UPDATE operators SET roles = \'["records","technician"]\' WHERE roles = \'["records"]\'',
    )
    assert copy.run("ingest", new, "--officer", "B1", "--camera", "X1", code=5).err.count("hint")
    assert {one: one.read_bytes() for one in copy.vault.glob("envelopes/*/*")} == before
    named = bad(copy)
    assert any("table recipients" in one for one in named)
    assert any("roles" in one for one in named)


def test_an_officer_changed_in_the_catalog_is_named_to_whoever_has_a_key(copy: World) -> None:
    tamper(copy, "UPDATE items SET officer = 'B9999'")
    assert "items.officer" in copy.json("verify")["tables"]
    (named,) = bad(copy, "--with-key")
    assert named.endswith("not what the log says: officer")
    tamper(copy, "UPDATE items SET officer = 'B1', gaps = 7")
    (named,) = bad(copy)
    assert named.endswith("not what the log says: gaps")


def test_who_loses_the_role_to_read_is_taken_off_what_is_held(copy: World) -> None:
    done = copy.json("key", "enrol", copy.folder / "dock.pub", "--role", "technician")
    assert done["envelopes_rewrapped"] > 0
    assert "can still be opened" not in copy.run("verify").out
