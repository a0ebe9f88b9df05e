"""An intake that dies between sealing and reading: the recording is held, and what was not read is read later."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.journeys.conftest import World
from tests.redact.test_render_groups import closed

DIES = """
import os, sys
from bwc.cli.main import main
from bwc.ingest.intake import _Intake

_Intake._index = lambda *_, **__: os._exit(9)
main(sys.argv[1:])
"""


def test_what_a_crash_left_unread_is_read_later_and_copies_are_proven_again(
    world: World, card: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "walk.mp4").write_bytes(closed())
    folder = card(tmp_path / "walk.mp4")
    words = [sys.executable, "-c", DIES, "ingest", str(folder), "--officer", "B1234", "--camera", "X81234"]
    assert subprocess.run(words, env=world.environment(), capture_output=True, check=False, timeout=120).returncode == 9
    (held,) = world.items()
    item = held["item"]
    (finding,) = [one for one in world.json("doctor", code=None)["findings"] if one["what"] == "index"]
    assert finding["hint"] == "bwc catalog index"
    world.run("ingest", folder, "--officer", "B1234", "--camera", "X81234")  # a second arrival: still not read
    (indexed,) = world.json("catalog", "index")["indexed"]
    assert (indexed["item"], indexed["readable"], indexed["groups"], indexed["problem"]) == (item, True, 6, "")
    assert world.json("catalog", "index")["indexed"] == []
    assert not [one for one in world.json("doctor", code=None)["findings"] if one["what"] == "index"]
    kinds = [event["kind"] for event in world.json("log", item)["events"]]
    assert kinds[-2:] == ["item.opened", "item.indexed"]
    world.run("detect", item, "--profile", "fast")
    assert world.json("redact", item)["copies"][0]["groups"] == 6
    rendered = [one for one in world.json("log", item)["events"] if one["kind"] == "copy.rendered"][-1]
    assert "groups_sha256" in rendered["facts"]
    assert world.json("verify")["verdict"] == "INTACT"
