"""An agency measures the product on footage of its own whose truth it knows."""

import json
import shutil
from pathlib import Path

from tests.journeys.conftest import FIXTURES, World


def test_accuracy_is_measured_on_the_pixels_of_the_copies(tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    for name in ("plain", "nobody"):
        shutil.copy(FIXTURES / "clips" / f"{name}.mp4", footage)
        shutil.copy(FIXTURES / "truth" / f"{name}.truth.json", footage)
    world = World(tmp_path)
    found = world.json("bench", "accuracy", footage, "--profile", "fast", "--save", tmp_path / "figures.json")
    (run,) = found["runs"]
    clips = {one["clip"]: one for one in run["clips"]}
    assert clips["nobody"]["hidden_share_of_picture"] == 0.0
    assert clips["plain"]["labels"]["face"]["from_20_px"]["share"] > 0.9
    assert json.loads((tmp_path / "figures.json").read_text()) == found
