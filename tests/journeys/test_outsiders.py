"""Forgers, loose files, the key agent, the doctor: the edges of the house."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.journeys.conftest import FIXTURES, World
from tests.journeys.test_whole_job import decide_all

CLIP = FIXTURES / "clips" / "silent.mp4"


def test_a_forgers_package_is_not_accepted_as_the_agencys(
    world: World, card: Callable[..., Path], tmp_path: Path
) -> None:
    """The forger has the same tools, the same agency name, and a key of his own."""
    forger = World(tmp_path / "forger")
    forger.run(
        "init", forger.vault, "--agency", "Springfield PD", "--operator", "chief", "--recovery-file", tmp_path / "f"
    )
    forger.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1")
    item = forger.items()[0]["item"]
    forger.run("detect", item, "--profile", "fast")
    decide_all(forger, item)
    forger.run("approve", item)
    out = tmp_path / "R-1"
    forged = forger.json("release", item, "--request", "R-1", "-o", out)
    assert forger.json("verify", out)["verdict"] == "ours"  # his own, to himself
    real = world.json("pin", "--list")["agencies"][0]
    assert real["agency"] == "Springfield PD"
    done = world.run("verify", out, code=5)  # the name of an agency pinned here, another key
    assert "Springfield PD" in done.err
    assert world.run("verify", out, "--key", real["vkey"], code=None).code in {5, 7}
    stranger = World(tmp_path / "stranger", extra={"BWC_VAULT": str(tmp_path / "none")})
    done = stranger.run("verify", out, code=7)
    assert "NOT tied to any agency" in done.err
    assert forged["fingerprint"] in done.out
    stranger.run("pin", real["vkey"], "--agency", "Springfield PD")
    stranger.run("verify", out, code=5)


def test_a_released_byte_cannot_be_changed(world: World, card: Callable[..., Path], tmp_path: Path) -> None:
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1")
    item = world.items()[0]["item"]
    world.run("detect", item, "--profile", "fast")
    decide_all(world, item)
    world.run("approve", item)
    world.run("release", item, "--request", "R-1", "-o", tmp_path / "R-1")
    for path in sorted(path for path in (tmp_path / "R-1").rglob("*") if path.is_file()):
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "R-1", copy)
        target = copy / path.relative_to(tmp_path / "R-1")
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 1
        target.write_bytes(data)
        findings = world.run("verify", copy, "--json", code=5).first_json["findings"]
        name = str(path.relative_to(tmp_path / "R-1"))
        assert any(name in one["thing"] for one in findings), (name, findings)
        target.unlink()
        world.run("verify", copy, code=5)
        shutil.rmtree(copy)


def test_a_loose_file_needs_no_vault(tmp_path: Path) -> None:
    person = World(tmp_path, extra={"BWC_VAULT": str(tmp_path / "none")})
    out = tmp_path / "out.mp4"
    plan = tmp_path / "plan.json"
    done = person.run("redact", CLIP, "-o", out, "--profile", "fast", "--save-plan", plan, code=None)
    assert done.code in {0, 6}, done.err
    assert out.stat().st_size > 10_000
    assert plan.exists()
    again = tmp_path / "again.mp4"
    person.run("redact", CLIP, "-o", again, "--plan", plan, "--no-check")
    assert again.read_bytes() == out.read_bytes()  # the same plan gives the same bytes
    person.run("redact", CLIP, code=2)
    person.run("redact", tmp_path / "absent.mp4", "-o", tmp_path / "x.mp4", code=None)
    (tmp_path / "text.mp4").write_text("no video at all")
    person.run("redact", tmp_path / "text.mp4", "-o", tmp_path / "x.mp4", code=1)
    assert not (tmp_path / "x.mp4").exists()


def test_the_agent_answers_until_it_is_locked(world: World, tmp_path: Path) -> None:
    world.extra["XDG_RUNTIME_DIR"] = str(tmp_path)
    os.chmod(tmp_path, 0o700)
    world.json("unlock")
    try:
        world.extra["BWC_PASSPHRASE_FILE"] = str(tmp_path / "nothing")
        world.run("policy", "set", "approvals=1")
        assert world.json("lock")["was_running"] is True
        world.run("policy", "set", "approvals=1", code=9)
    finally:
        world.run("lock")


def test_the_doctor_says_what_is_here(world: World) -> None:
    done = world.run("doctor", "--json", code=None)
    findings = {one["what"]: one["state"] for one in done.first_json["findings"]}
    assert findings["vault"] == "ok"
    assert findings["log"] == "ok"
    assert findings["agency Springfield PD"] == "ok"
