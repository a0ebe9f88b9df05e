"""Copies are judged against truth: ours by its exact times, another tool's by what it shows at each time."""

import json
from pathlib import Path

import pytest

from bwc.errors import BwcError, NotFound, UsageError
from bwc.redact import measuring
from bwc.redact.measuring import clips_in, measure_other
from tests.redact.clips import FRAMES, make_clip


def place(folder: Path, **truth: object) -> Path:
    (folder / "clip.mp4").write_bytes(make_clip())
    frames = [[{"label": "face", "id": "a", "x": 10, "y": 10, "w": 30, "h": 30}]] * FRAMES
    (folder / "clip.truth.json").write_text(json.dumps({"frames": frames} | truth))
    return folder


def test_a_clip_without_truth_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "alone.mp4").write_bytes(b"")
    with pytest.raises(NotFound):
        clips_in(tmp_path)
    assert [clip.name for clip in clips_in(place(tmp_path))] == ["clip"]


def test_a_truth_that_is_not_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        clips_in(place(tmp_path, frames=[[{"label": "face"}]]))


def test_another_tool_that_hides_nothing_shows_everything(tmp_path: Path) -> None:
    (clip,) = clips_in(place(tmp_path))
    made = measure_other(clip, "cp {in} {out}")
    assert len(made.exposure.sights) == FRAMES
    assert not any(one.is_hidden for one in made.exposure.sights)
    assert measuring.sheet_of([made]) is not None
    data = made.to_json()
    assert data["false_tracks"] is None
    assert data["labels"]["face"]["longest_run"]["frames"] == FRAMES  # type: ignore[index]


def test_a_tool_that_fails_is_said(tmp_path: Path) -> None:
    (clip,) = clips_in(place(tmp_path))
    with pytest.raises(BwcError, match="failed on clip"):
        measure_other(clip, "false {in} {out}")
