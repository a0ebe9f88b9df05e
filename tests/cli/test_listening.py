"""Words that leave the vault: recorded first, and never over a file that is there."""

import io
from pathlib import Path
from typing import Any

import pytest

from bwc.cli.listening import spoken_text, write_transcript
from bwc.errors import UsageError
from bwc.evidence import ItemId
from bwc.redact.plan_format import to_bytes
from bwc.redact.session import PlanState
from bwc.redact.speech.listen import listen
from tests.redact.spoken import CLIP, bare_plan, hearing


class Noting:
    """As much of a house as takes notes."""

    def __init__(self) -> None:
        self.noted: list[tuple[Any, ...]] = []

    def note_frames(self, item: str, segment: int, *, what: str, to: str) -> None:
        self.noted.append((item, segment, what, to))


def test_a_transcript_is_recorded_and_overwrites_nothing(tmp_path: Path) -> None:
    plan = listen(io.BytesIO(CLIP.read_bytes()), bare_plan(), hearing())
    state = PlanState(item=ItemId("2026-1122-K4J7QX"), segment=0, plan=plan, data=to_bytes(plan))
    house: Any = Noting()
    write_transcript(house, state, tmp_path / "words.txt")
    assert "# Garcia" in (tmp_path / "words.txt").read_text()
    assert house.noted == [("2026-1122-K4J7QX", 0, "words", "words.txt")]
    (tmp_path / "other.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        write_transcript(house, state, tmp_path / "other.txt")
    assert (tmp_path / "other.txt").read_text() == "mine"


def test_who_looks_at_the_words_is_not_sent_to_where_they_are() -> None:
    plan = listen(io.BytesIO(CLIP.read_bytes()), bare_plan(), hearing())
    text = spoken_text(PlanState(item=ItemId("2026-1122-K4J7QX"), segment=0, plan=plan, data=to_bytes(plan)))
    assert "--words" not in text
    assert "all that was heard: bwc plan 2026-1122-K4J7QX --transcript FILE" in text
