"""The card in fixtures/ is what its README says: whole, with a sidecar that tells the truth."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bwc.ingest.intake import take_in
from bwc.ingest.tags import Tags

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


def test_the_demo_card_is_safe_to_wipe_and_its_sidecar_agrees(house: Any) -> None:
    receipt = take_in(house, FIXTURES / "card", Tags(officer="B1234", camera="X81234"))
    assert receipt.safe_to_wipe
    (line,) = receipt.lines
    assert "BWC_0001.JSON: sha256 of DCIM/100BWCAM/BWC_0001.MP4 agrees" in line.notes
    item = house.events[0][1]["item"]
    assert item.recorded_at == datetime(2026, 11, 20, 9, 1, 7, tzinfo=UTC)
    index = next(said for kind, said in house.events if kind == "index")
    (public,) = index["segments"]
    groups = public.pop("groups")
    assert public == {"segment": 0, "readable": True, "frames": 300, "frames_lost": 0}
    assert groups["count"] == 10
    assert len(groups["root"]) == 64


@pytest.mark.parametrize("truth", sorted((FIXTURES / "truth").glob("*.json")), ids=lambda path: path.stem)
def test_clips_have_the_frame_times_their_truth_says(truth: Path) -> None:
    from bwc.media.probe import probe

    said = json.loads(truth.read_text())
    with (FIXTURES / said["video"]).open("rb") as clip:
        facts = probe(clip)
    assert facts.video is not None
    assert facts.video.pts is not None
    assert [facts.video.time_base.numerator, facts.video.time_base.denominator] == said["time_base"]
    assert list(facts.video.pts) == said["pts"]
    assert len(said["frames"]) == said["n_frames"] == len(said["pts"])
    assert bool(facts.audio) == (said["sound"] is not None)
    assert not facts.video.reorders
