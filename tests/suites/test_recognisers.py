"""What every recogniser promises (docs/records-officer.md, `bwc.redact.speech.heard.Recogniser`), run on those that are here.

A plug-in's own tests can take `Promises` and give it a `recogniser` fixture.
"""

from itertools import pairwise

import numpy as np
import pytest

from bwc.media.mono import RATE, mono_blocks
from bwc.media.probe import scan
from bwc.redact.plan import DetectorInfo
from bwc.redact.speech.heard import Recogniser
from tests.redact.spoken import CLIP, TRUTH


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    with CLIP.open("rb") as file:
        stream = scan(file, decode_frames=0).audio[0].stream
        return np.concatenate([block.samples for block in mono_blocks(file, stream)])


class Promises:
    def test_words_come_in_order_within_the_sound(self, recogniser: Recogniser, samples: np.ndarray) -> None:
        words = recogniser.words(samples)
        length = len(samples) * 1000 // RATE
        assert words
        for before, after in pairwise(words):
            assert before.start_ms <= after.start_ms
        for word in words:
            assert 0 <= word.start_ms <= word.end_ms <= length + 1_000
            assert word.text == word.text.strip() != ""
            assert 0 <= word.score_permille <= 1000

    def test_the_same_sound_gives_the_same_words(self, recogniser: Recogniser, samples: np.ndarray) -> None:
        assert recogniser.words(samples) == recogniser.words(samples)

    def test_it_says_what_it_is(self, recogniser: Recogniser) -> None:
        described = recogniser.describe()
        assert described
        for one in described:
            assert isinstance(one, DetectorInfo)
            assert len(one.file_sha256) == 64

    def test_it_hears_clear_speech(self, recogniser: Recogniser, samples: np.ndarray) -> None:
        heard = " ".join(word.text for word in recogniser.words(samples)).casefold()
        wanted = [word["text"].casefold() for word in TRUTH["words"] if len(word["text"]) > 4]
        assert sum(word in heard for word in wanted) >= 0.7 * len(wanted)


class TestWhisper(Promises):
    @pytest.fixture(scope="class")
    @classmethod
    def recogniser(cls) -> Recogniser:
        pytest.importorskip("faster_whisper", reason="in the folder of bwc: pip install '.[speech]'")
        from bwc.errors import NotFound
        from bwc.redact.speech import model
        from bwc.redact.speech.whisper import Whisper

        try:
            files = model.load()
        except NotFound as error:
            pytest.skip(f"NO SPEECH MODEL, the recogniser is not tested: {error.hint}")
        return Whisper(files)
