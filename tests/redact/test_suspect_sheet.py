"""What the sheet of suspects shows: the frame, the box, the enlarged picture, and never fewer suspects than given."""

import io
from pathlib import Path

import numpy as np
import pytest

from bwc.errors import UnreadableMedia
from bwc.redact import suspect_sheet as module
from bwc.redact.check_report import Sight, Suspect
from bwc.redact.suspect_sheet import suspect_sheet
from tests.redact import clips
from tests.redact.test_sheet import magenta, seen

PLAIN = Path(__file__).resolve().parents[2] / "fixtures" / "clips" / "plain.mp4"
Sighting = tuple[int, int, int, int, int]
SEEN: list[Sighting] = [(ordinal, *clips.walker(ordinal)) for ordinal in range(10, 21)]


def suspect(name: str = "s1", boxes: list[Sighting] = SEEN) -> Suspect:
    return Suspect(
        id=name,
        class_="face",
        sight=Sight.VISIBLE,
        first=10,
        last=20,
        first_ms=333,
        last_ms=700,
        sightings=len(boxes),
        best_permille=800,
        risk=10,
        boxes=tuple(boxes),
    )


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    caption = module.caption
    monkeypatch.setattr(module, "caption", lambda text, width: (said.append(text), caption(text, width))[1])
    return said


def test_frame_and_enlarged_picture_with_caption(words: list[str]) -> None:
    picture = seen(suspect_sheet(io.BytesIO(clips.make_clip()), [suspect()], width=320))
    assert picture.shape == (240 + 20, 320 + 4 + 240, 3)
    assert words == ["s1 face visible  0.33-0.70 s  #15 80,80,40,40"]  # all boxes are as large: the middle one
    assert magenta(picture[82:118, 82:118]) > 0.7
    # three boxes wide, so the subject is the middle third
    crop = picture[:240, 324:]
    assert magenta(crop[84:156, 84:156]) > 0.7
    assert magenta(np.concatenate([crop[:76].reshape(-1, 1, 3), crop[164:].reshape(-1, 1, 3)])) < 0.02


def test_the_largest_sighting_is_shown(words: list[str]) -> None:
    boxes = [*SEEN, (22, 100, 70, 150, 130)]
    suspect_sheet(io.BytesIO(clips.make_clip()), [suspect(boxes=boxes)], width=160)
    assert words == ["s1 face visible  0.33-0.70 s  #22 100,70,50,60"]


def test_suspects_keep_their_order_and_go_in_columns(words: list[str]) -> None:
    late: list[Sighting] = [(40, *clips.walker(40))]
    many = [suspect("s1", late), *(suspect(f"s{i}") for i in range(2, 6))]
    picture = seen(suspect_sheet(io.BytesIO(clips.make_clip()), many, width=160, columns=2))
    assert sorted(text.split()[0] for text in words) == ["s1", "s2", "s3", "s4", "s5"]
    assert picture.shape == (3 * 140 + 8, 2 * 284 + 4, 3)
    assert magenta(picture[42:58, 92:108]) > 0.7  # s1, frame 40, half size: the walker is at 90
    assert magenta(picture[42:58, 380:396]) < 0.2  # s2, frame 15: it is at 40


def test_a_suspect_whose_frame_is_gone_is_still_listed_in_the_dark(words: list[str]) -> None:
    data = clips.make_clip()
    for boxes in ([(4000, 10, 10, 50, 50)], []):
        words.clear()
        picture = seen(suspect_sheet(io.BytesIO(data), [suspect("s1", boxes), suspect("s2")], width=160, columns=1))
        assert sorted(text.split()[0] for text in words) == ["s1", "s2"]
        assert picture[:112].max() < 30
        assert picture[144:256].max() > 100


def test_more_than_fit_are_named_and_none_is_said(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SUSPECTS", 2)
    suspect_sheet(io.BytesIO(clips.make_clip()), [suspect(f"s{i}") for i in range(5)], width=160)
    assert words[-1] == "3 more suspects: see the report"
    words.clear()
    assert seen(suspect_sheet(io.BytesIO(b""), [])).shape[1] == 400
    assert words == ["no suspects"]


def test_a_fixture_clip_and_something_unreadable() -> None:
    with PLAIN.open("rb") as file:
        picture = seen(suspect_sheet(file, [suspect(boxes=[(5, 600, 300, 640, 350)])], width=320))
    assert picture.shape[1] > 320
    with pytest.raises(UnreadableMedia):
        suspect_sheet(io.BytesIO(b"not a recording"), [suspect()])
