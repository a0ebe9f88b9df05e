"""The auditor's month: a report, the log in hand, a draft for the court; wrong passphrases come to light."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.journeys.conftest import FIXTURES, World


def test_what_an_auditor_is_handed(world: World, card: Callable[..., Path], tmp_path: Path) -> None:
    world.run("ingest", card(FIXTURES / "clips" / "silent.mp4"), "--officer", "B1", "--camera", "X1")
    (item,) = [one["item"] for one in world.items()]
    world.run("open", item, "-o", tmp_path / "o.mp4", "--reason", "discovery")

    # 1 a wrong passphrase cannot be signed by whoever typed it: the holder's next act records it
    secret = world.folder / "passphrase"
    right = secret.read_text()
    secret.write_text("wrong horse\n")
    for _ in range(2):
        world.run("tag", item, "--officer", "B2", code=9)
    secret.write_text(right)
    assert world.json("audit", "heartbeat")["entries"] > 0
    assert world.json("verify", "--quick", "--record")["verdict"] == "INTACT"

    # 2 the report, in four forms
    report = world.json("audit", "report", "--from", "1d", "-o", tmp_path / "report")
    assert [Path(one).suffix for one in report["files"]] == [".pdf", ".html", ".csv", ".json"]
    assert [one["event"] for one in report["sections"]["failed"]["rows"]] == ["login.failed"]
    assert [one["reason"] for one in report["sections"]["openings"]["rows"]] == ["discovery"]
    counts = {one["event"]: one["ok"] for one in report["sections"]["counts"]["rows"]}
    assert (counts["vault.verified"], counts["log.heartbeat"]) == (1, 1)
    assert json.loads((tmp_path / "report" / "report.json").read_text())["sections"] == report["sections"]
    world.run("audit", "report", "--from", "1d", "-o", tmp_path / "report", code=2)
    assert "Who opened what" in world.run("audit", "report", "--from", "7d").out

    sealed = next(path for path in (world.vault / "objects").rglob("*") if path.is_file())
    sealed.rename(tmp_path / "taken away")
    missing = world.run("audit", "report", "--from", "1d", code=5)
    assert "its sealed bytes are missing" in missing.out
    assert "verdict BAD (log only; recordings were looked for, none was read)" in missing.out
    (tmp_path / "taken away").rename(sealed)

    # 3 a draft for the court
    draft = world.json("audit", "certificate", item, "-o", tmp_path / "draft.txt")
    assert draft["files"][0]["sha256"] in (tmp_path / "draft.txt").read_text()

    # 4 the log in hand, on another computer, with the agency's key from elsewhere
    done = world.json("audit", "export", "-o", tmp_path / "log", "--bag")
    assert done["verdict"] == "INTACT"
    vkey = world.json("pin", "--list")["agencies"][0]["vkey"]
    other = World(tmp_path / "elsewhere", extra={"BWC_VAULT": ""})
    found = other.json("verify", tmp_path / "log" / "data", "--quick", "--key", vkey)
    assert (found["verdict"], found["entries"]) == ("INTACT", done["entries"])
    by_name = other.json("verify", tmp_path / "log", "--key", vkey)
    assert (by_name["verdict"], by_name["data"]) == ("INTACT", "a log alone; no recording was looked at")
    bundle = next((tmp_path / "log" / "data" / "log" / "tile" / "entries").rglob(f"*/{done['entries']}"))
    shutil.copy(bundle, tmp_path / "bundle")
    bundle.write_bytes(bundle.read_bytes().replace(b'"log.heartbeat"', b'"log.heartbeet"'))
    other.run("verify", tmp_path / "log" / "data", "--quick", "--key", vkey, code=5)
