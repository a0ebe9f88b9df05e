"""How a copy looks, chosen on the command line; and a copy made once more: the same bytes, or a refusal, never a guess."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.conftest import FIXTURES, World

CLIP = FIXTURES / "clips" / "plain.mp4"


@pytest.fixture
def item(world: World, card: Callable[..., Path]) -> str:
    world.run("ingest", card(CLIP), "--officer", "B1234", "--camera", "X81234")
    (row,) = world.items()
    world.run("policy", "set", "cover_colour=#204080")
    world.run("detect", row["item"], "--profile", "fast")
    world.run("decide", row["item"], "--undecided", "redact")
    return str(row["item"])


def test_effect_and_delivery_become_a_revision_of_the_plan_and_weak_ones_are_refused_with_the_reason(
    world: World, item: str
) -> None:
    world.run("plan", item, "--export", world.folder / "plan.json")
    assert json.loads((world.folder / "plan.json").read_text())["effect"]["colour"] == "#204080"  # the policy's
    before = world.json("plan", item)["plans"][0]["summary"]["revision"]
    weak = world.run("redact", item, "--effect", "pixelate", "--cells", "8", code=2)
    assert "at 8 cells 56 to 100 % of faces were matched" in weak.err
    assert "use at most 4 cells, or solid" in weak.err
    assert "can be undone" in world.run("redact", item, "--effect", "blur", "--blur", "100", code=2).err
    assert "is no colour" in world.run("redact", item, "--colour", "black", code=2).err
    assert world.json("plan", item)["plans"][0]["summary"]["revision"] == before
    looks = ("--effect", "mean", "--delivery", "faithful")
    (made,) = world.json("redact", item, *looks)["copies"]
    assert (made["delivery"], made["pix_fmt"], made["padding"]) == ("faithful", "yuv420p", [0, 0])
    assert world.json("plan", item)["plans"][0]["summary"]["revision"] == before + 1
    (again,) = world.json("redact", item, *looks)["copies"]  # nothing new is asked: no new revision
    assert (again["plan_sha256"], again["copy_sha256"]) == (made["plan_sha256"], made["copy_sha256"])
    recorded = [one for one in world.json("log", item)["events"] if one["kind"] == "copy.rendered"][-1]["facts"]
    assert (recorded["delivery"], recorded["encoder"]["pix_fmt"]) == ("faithful", "yuv420p")
    reproduces_or_refuses(world, item)
    inverse = world.json("redact", item, "--inverse")["copies"][0]
    assert inverse["frames_copied"] == 0  # nobody decided to keep anything: all of it is hidden
    world.run("redact", item, "--inverse", "--reproduce", code=2)


ELSEWHERE = """
import sys
from bwc.cli.main import run
from bwc.media.build import build
from bwc.redact import making, render_frames, render_groups

item, here = sys.argv[1], build()
for change in (
    {"libraries": ["libx264-0c0ffee0.so.165"]}, {"processor": "x86-64-v2"}, {"opencv": "9.9", "pyav": "1.0"}, {"tool": "bwc 99"}
):
    making.build = lambda new=change: here | new
    print(run(["redact", item, "--reproduce"]), flush=True)
making.build = lambda: here
render_groups.CRF = render_frames.CRF = 30
print(run(["redact", item, "--reproduce"]), flush=True)
"""


def reproduces_or_refuses(world: World, item: str) -> None:
    assert world.json("redact", item, "--reproduce")["reproduced"][0]["same"] is True
    words = [sys.executable, "-c", ELSEWHERE, item]
    told = subprocess.run(words, capture_output=True, text=True, check=True, env=world.environment(), timeout=300)
    assert told.stdout.split() == ["7"] * 5
    errors = [line for line in told.stderr.splitlines() if "error:" in line]
    whys = [line.partition(" was made ")[2].partition(":")[0] for line in errors]
    assert whys == [
        "by another build (libraries)",
        "by another build (processor)",
        "by another build (opencv, pyav)",
        "by another build (tool)",
        "with other settings of the encoder (options)",
    ]
    assert all("its bytes cannot be compared here" in line for line in errors)
    assert "differ" not in told.stderr


def test_a_loose_file_takes_the_same_words(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    weak = world.run("redact", CLIP, "-o", out, "--effect", "pixelate", "--cells", "16", code=2)
    assert "can be undone" in weak.err
    world.run("policy", "set", "cover_colour=blue", code=2)
    assert world.json("policy", "set", "cover_colour=#204080")["cover_colour"] == "#204080"
    made = world.json("redact", CLIP, "-o", out, "--no-check", "--profile", "fast", "--colour", "#204080", "--inverse")
    assert made["frames_copied"] == 0
    assert made["delivery"] == "compatible"
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out.mp4"]
