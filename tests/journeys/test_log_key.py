"""The log's key gives way to another, and everybody who had the old one goes on: auditor, slip, witness, one file."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.journeys.conftest import FIXTURES, World


def test_everybody_follows_the_logs_key_and_nobody_follows_the_old_one(
    world: World, card: Callable[..., Path], tmp_path: Path
) -> None:
    world.run("ingest", card(FIXTURES / "clips" / "silent.mp4"), "--officer", "B1", "--camera", "X1")
    (item,) = [one["item"] for one in world.items()]
    first = world.json("pin", "--list")["agencies"][0]["vkey"]
    auditor = World(tmp_path / "auditor", extra={"BWC_VAULT": str(tmp_path / "nowhere")})
    auditor.run("pin", first, "--agency", "Springfield PD")
    before = world.json("log", item, "--export", "before")
    assert auditor.json("verify", world.folder / "before")["verdict"] == "ours"
    world.run("audit", "slip", "-o", "before.svg")
    world.run("backup", "backup")
    shutil.copytree(world.vault, tmp_path / "stolen")

    # 1 handed over; what was pinned and published stays good
    done = world.json("key", "rotate-log", "--note", "yearly")
    assert (done["first_vkey"], done["replaces"], done["compromised_from"]) == (first, first, None)
    assert world.json("verify", "--against", "before.svg")["verdict"] == "INTACT"
    world.run("audit", "slip", "-o", "after.svg")
    after = world.json("log", item, "--export", "after", "--private")
    assert (before["told"], after["entries"] - before["entries"]) == (0, 1)
    for folder in ("before", "after"):
        for key in ([], ["--key", first]):
            assert auditor.json("verify", world.folder / folder, *key)["verdict"] == "ours"
    assert world.json("verify", "--quick", "--against", "after.svg")["verdict"] == "INTACT"

    # 2 a backup of before is behind, not bad, and goes on to be whole
    behind = world.run(
        "verify", "backup", "--quick", "--json", code=7
    ).first_json  # fmt: skip
    assert (behind["verdict"], behind["behind"]) == ("BEHIND", 2)
    world.run("backup", "backup")
    assert world.json("verify", "backup")["verdict"] == "INTACT"

    # 3 the one file, without a vault, and an entry left out of the trail
    world.run("audit", "verifier", "-o", "bwc-verify.py")

    def judged(folder: str, key: str) -> int:
        words = [sys.executable, "bwc-verify.py", folder, "--key", key]
        return subprocess.run(words, cwd=world.folder, capture_output=True, check=False, timeout=60).returncode

    assert [judged(folder, key) for folder in ("before", "after") for key in (first, done["vkey"])] == [0, 5, 0, 0]
    (world.folder / "after" / "entries" / "4.json").unlink()
    assert judged("after", first) == 5
    assert auditor.run("verify", world.folder / "after", code=5).code == 5

    # 4 whoever has the old key and goes on from before shows the auditor a log they refuse, and keep the proof of
    thief = World(tmp_path / "thief", operator=world.operator)
    shutil.copytree(world.home, thief.home, dirs_exist_ok=True)
    shutil.rmtree(thief.home / "marks")
    shutil.rmtree(thief.home / "seen", ignore_errors=True)
    shutil.copytree(tmp_path / "stolen", thief.vault)
    auditor.run("verify", world.vault, "--quick")
    for _ in range(4):
        thief.run("audit", "heartbeat")
    said = auditor.run("verify", thief.vault, "--quick", "--json", code=5).first_json
    assert any("is signed by a key that is not the one in force" in one["what"] for one in said["findings"])
    (proof,) = auditor.json("audit", "evidence", "-o", "proofs")["evidence"]
    assert proof["kind"] == "other-keys"
    auditor.run("audit", "evidence", Path("proofs") / proof["name"], "--key", first)

    # 5 nor do they take a bag that the thief hands over in the agency's name
    for one, bag in ((world, "ours"), (thief, "theirs")):
        one.run("export", item, "--bag", tmp_path / bag, "--to", "auditor", "--reason", "joint")
    there = World(tmp_path / "auditor", operator="clerk")
    there.run("init", there.vault, "--agency", "Shelbyville PD", "--operator", "clerk", "--recovery-file", "r2.txt")
    assert there.json("import", tmp_path / "ours")["verdict"] == "pinned"
    assert "handed over otherwise than was seen" in there.run("import", tmp_path / "theirs", code=5).err
