"""A clip in which somebody speaks, and recognisers whose words are known."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bwc.media.mono import RATE, Floats
from bwc.redact.detect import analyse
from bwc.redact.lookout import Lookout
from bwc.redact.plan import DetectorInfo, RedactionPlan
from bwc.redact.speech.heard import Word
from bwc.redact.speech.listen import Hearing
from bwc.roles import Policy

CLIP = Path(__file__).resolve().parents[2] / "fixtures" / "speech" / "spoken.mp4"
TRUTH: dict[str, Any] = json.loads(CLIP.with_suffix(".speech.json").read_text(encoding="utf-8"))
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Reader:
    """A recogniser that reads the words off the truth, as late as Whisper tells them; `heard_as` others for some."""

    def __init__(
        self, *, late_ms: int = 120, only: Sequence[str] | None = None, heard_as: Mapping[str, str] | None = None
    ) -> None:
        self.late_ms, self.only, self.heard_as = late_ms, only, heard_as or {}
        self.heard: list[int] = []

    def words(self, samples: Floats) -> list[Word]:
        self.heard.append(len(samples) * 1000 // RATE)
        begin = 250  # the window begins a little before the first voice, which is at 500 ms
        found = []
        for place, one in enumerate(TRUTH["words"]):
            start = one["start_ms"] - begin + self.late_ms
            # words that are not asked for are still heard as something: a recogniser that hears nothing is asked again
            text = one["text"] if self.only is None or one["text"] in self.only else "hm" + "m" * place
            text = self.heard_as.get(text, text)
            after = TRUTH["words"][place + 1]["start_ms"] if place + 1 < len(TRUTH["words"]) else 1 << 30
            stop = "." if after - one["end_ms"] > 350 else ""
            found.append(Word(start_ms=start, end_ms=start + one["end_ms"] - one["start_ms"], text=text + stop))
        return found

    def describe(self) -> tuple[DetectorInfo, ...]:
        return (
            DetectorInfo(
                name="reader", package="tests", file_sha256="0" * 64, licence="Apache-2.0", precision="-", settings={}
            ),
        )


def hearing(**how: Any) -> Hearing:
    return Hearing(lambda: Reader(**how))


def bare_plan(data: bytes | None = None) -> RedactionPlan:
    """The plan of the clip without anything found in it."""
    content = CLIP.read_bytes() if data is None else data
    return analyse(
        io.BytesIO(content),
        content_sha256=hashlib.sha256(content).hexdigest(),
        item=None,
        segment=0,
        policy=Policy(),
        now=NOON,
        lookout=Lookout((), ()),
    )
